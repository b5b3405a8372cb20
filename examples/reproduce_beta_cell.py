"""
Clones for beta cells: published and obtained
=============================================

Every figure of the study of iPSC clones (which will differentiate well into beta cells, judged by
phase contrast of the first days?), run anew on simulated cultures and printed beside the published
one::

    python examples/reproduce_beta_cell.py
    python examples/reproduce_beta_cell.py --full -o somewhere/

The short form, which takes four minutes on two free cores, has a small network, small images and
two draws of six clones. The full form has EfficientNet-V2-S on patches of 300 pixels
and five draws; it wants a GPU, where it is estimated at an hour from published speeds of training,
and has not been run.

The cultures are simulated, and holes in the layer of cells are all that tells the classes apart;
how many there are is set such that the best possible accuracies are the published ones. So this
shows how near a model comes to what can be known, and whether explanations name the true cause.
It does not confirm the study. Each clone is judged by models that have not seen it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from reproduction_table import (
    ReproductionTable,
    over_groups,
    over_two_groups,
    run_from_command_line,
    save_figure,
    with_interval,
)
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from sklearn_cellfate import to_images
from sklearn_cellfate.datasets import make_cultures
from sklearn_cellfate.feature_extraction import PowerSpectrum
from sklearn_cellfate.inspection import (
    FrequencyDisplay,
    RelevanceDisplay,
    VarianceDependenceDisplay,
    class_spectra,
    frequency_sensitivity,
    relevance,
    variance_dependence,
)
from sklearn_cellfate.metrics import relevance_mass
from sklearn_cellfate.model_selection import compare_estimators, score_by_group
from sklearn_cellfate.neural_network import EfficientNetClassifier
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.preprocessing import PatchNormalizer

HOURS = (24, 53)
CLONE_ACCURACY = {24: "0.767", 53: "0.967"}
VARIETY = 0.3  # of the clones' looks; at 1, six clones are too few for any model
PIXEL = 1.0  # um


@dataclass(frozen=True)
class Sizes:
    """How much of the study to run: images and patches in pixels, and the network."""

    n_draws: int  # of six clones
    n_wells: int
    image_size: int
    patch_size: int
    network: dict
    n_explained_clones: int  # of which a quarter is held out
    n_explained_fields: int
    n_jobs: int = -1
    n_clones: int = 6
    n_maps: int = 24
    bands: int = 6


SHORT = Sizes(
    n_draws=2,
    n_wells=4,
    image_size=192,
    patch_size=96,
    network={"variant": "tiny", "max_epochs": 12, "lr": 0.003},
    n_explained_clones=40,
    n_explained_fields=4,
)
FULL = Sizes(
    n_draws=5,
    n_wells=4,
    image_size=600,
    patch_size=300,
    network={"variant": "s", "max_epochs": 20, "lr": 0.001},
    n_explained_clones=40,
    n_explained_fields=6,
    n_jobs=1,
)


def reproduce(sizes, folder):
    """Run all analyses, write their figures to a folder, and return the table."""
    table = ReproductionTable()
    judged = judge_clones(sizes)
    report_clones(table, judged, sizes)
    report_patches(table, judged)
    explained = train_to_explain(sizes)
    look_for_holes(table, explained, sizes, folder)
    compare_structure(table, explained, folder)
    find_used_frequencies(table, explained, sizes, folder)
    follow_variance(table, explained, folder)
    return table


def networks(sizes):
    """EfficientNet on pixels as they are, and on normalised patches."""
    network = EfficientNetClassifier(
        batch_size=32, class_weight="balanced", augment=True, random_state=0, **sizes.network
    )
    return {"as they are": network, "normalised": make_pipeline(PatchNormalizer(), clone(network))}


def judge_clones(sizes):
    """Leave each clone out once, in some draws of six clones; patches of the held-out ones too."""
    return [judge_draw(sizes, draw) for draw in range(sizes.n_draws)]


def judge_draw(sizes, draw):
    """One draw of clones: held-out predictions of images, and accuracy of patches by clone."""
    cultures = make_cultures(
        sizes.n_clones,
        n_wells=sizes.n_wells,
        hours=HOURS,
        size=sizes.image_size,
        pixel_size=PIXEL,
        variety=VARIETY,
        random_state=draw,
    )
    images = cultures.frame.assign(clone=f"d{draw + 1}_" + cultures.frame["clone"])
    logistic = LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
    beside_hour = ColumnTransformer(
        [
            ("image", make_pipeline(PowerSpectrum(), StandardScaler()), ["image"]),
            ("hour", StandardScaler(), ["hour"]),
        ]
    )
    contestants = {
        name: PatchClassifier(network, sizes.patch_size)
        for name, network in networks(sizes).items()
    }
    contestants["spectrum"] = make_pipeline(PowerSpectrum(), StandardScaler(), logistic)
    contestants["spectrum and hour"] = make_pipeline(beside_hour, logistic)
    print(f"draw {draw + 1} of {sizes.n_draws}: each clone left out ...", flush=True)
    comparison = compare_estimators(
        contestants,
        images[["image", "hour"]],
        images["efficient"],
        groups=images["clone"],
        cv=LeaveOneGroupOut(),
        scoring="accuracy",
        n_jobs=sizes.n_jobs,
        random_state=0,
    )
    of_rows = images[["clone", "hour"]].iloc[comparison.predictions["row"]]
    return Bunch(
        predictions=comparison.predictions.assign(
            clone=of_rows["clone"].to_numpy(), hour=of_rows["hour"].to_numpy()
        ),
        patches=score_patches(comparison, images),
        best=cultures.best_balanced_accuracy.set_index("hour"),
    )


def score_patches(comparison, images):
    """Share of the patches of each held-out clone that are read rightly, by network and hour."""
    rows = []
    for name in ("as they are", "normalised"):
        for model, (_, test) in zip(comparison.estimators[name], comparison.folds):
            held_out = images.iloc[test]
            right = (
                model.predict_patches(held_out).argmax(axis=-1)
                == (held_out["efficient"].to_numpy().astype(int)[:, np.newaxis, np.newaxis])
            )
            scores = held_out[["clone", "hour"]].assign(accuracy=right.mean(axis=(1, 2)))
            means = scores.groupby(["clone", "hour"])["accuracy"].mean()
            rows.append(means.reset_index().assign(pixels=name))
    return pd.concat(rows, ignore_index=True)


def report_clones(table, judged, sizes):
    """Accuracy of whole clones, and of images, at both hours."""
    best = judged[0].best
    at_best = ", ".join(f"{best['image'][hour]:.2f} at {hour} h" for hour in HOURS)
    table.begin(
        "Accuracy of clones never seen",
        f"{sizes.n_draws} x {sizes.n_clones} simulated clones that look much alike, each left out "
        "once (exact intervals of clones, as if those of one draw were independent; images: means "
        f"over clones); best possible by image {at_best}; network: {sizes.network}.",
    )
    predictions = pd.concat([draw.predictions for draw in judged], ignore_index=True)
    names = {
        "normalised": "EfficientNet, patches normalised",
        "as they are": "EfficientNet, patches as they are",
        "spectrum": "power spectrum alone",
        "spectrum and hour": "power spectrum beside the column 'hour'",
    }
    for name, words in names.items():
        of_model = predictions[predictions["estimator"] == name]
        scores = score_by_group(
            of_model["y_true"].to_numpy(),
            of_model[["probability_False", "probability_True"]].to_numpy(),
            of_model["clone"].to_numpy(),
            by=of_model["hour"].to_numpy(),
        )
        right = of_model["y_true"] == of_model["y_pred"]
        by_clone = right.groupby([of_model["hour"], of_model["clone"]]).mean()
        for hour, row in scores.iterrows():
            clones = with_interval(row.rename({"accuracy": "mean"}))
            published = CLONE_ACCURACY[int(hour)] if name == "normalised" else "not stated"
            table.add(f"clones at {hour:.0f} h, {words}", published, clones)
            images = with_interval(over_groups(by_clone[hour]))
            table.add(f"images at {hour:.0f} h, {words}", "not stated", images)


def report_patches(table, judged):
    """Say what normalisation does to patches, before washing and after."""
    table.begin(
        "Accuracy of patches",
        "each patch to zero mean and unit variance, our reading of the study; means over clones.",
    )
    patches = pd.concat([draw.patches for draw in judged])
    by_clone = patches.pivot(index=["hour", "clone"], columns="pixels", values="accuracy")
    for hour, clones in by_clone.groupby("hour"):
        when = "24 h, before washing" if hour == HOURS[0] else "53 h, after washing"
        for pixels in ("as they are", "normalised"):
            value = with_interval(over_groups(clones[pixels]))
            table.add(f"patches {pixels}, {when}", "not stated", value)
        gain = with_interval(over_groups(clones["normalised"] - clones["as they are"]))
        published = "not stated" if hour == HOURS[0] else "improves"
        table.add(f"gain by normalising, {when}", published, gain)


def train_to_explain(sizes):
    """Train both networks on clones enough to generalise, and hold out a quarter of the clones."""
    print("training the networks that are explained ...", flush=True)
    cultures = make_cultures(
        sizes.n_explained_clones,
        n_wells=3,
        n_fields=sizes.n_explained_fields,
        hours=HOURS[1:],
        size=sizes.patch_size,
        pixel_size=PIXEL,
        variety=VARIETY,
        random_state=0,
    )
    frame = cultures.frame
    clones = frame.groupby("clone")["efficient"].first()
    n_held_out = max(sizes.n_explained_clones // 8, 1)
    held_out = [*clones.index[clones][-n_held_out:], *clones.index[~clones][-n_held_out:]]
    unseen = frame["clone"].isin(held_out).to_numpy()
    models = networks(sizes)
    for model in models.values():
        model.fit(frame[["image"]][~unseen], frame["efficient"][~unseen])
    return Bunch(models=models, frame=frame, unseen=unseen, holes=cultures.holes)


def look_for_holes(table, explained, sizes, folder):
    """Ask where the evidence for the negative class lies, against the true holes."""
    frame = explained.frame[explained.unseen]
    inefficient = ~frame["efficient"].to_numpy()
    holes = explained.holes[explained.unseen]
    table.begin(
        "Relevance for the negative class",
        f"{sizes.n_explained_clones} clones at 53 h, a quarter held out and explained; the holes "
        "are known; means over clones.",
    )
    for pixels, model in explained.models.items():
        right = model.predict(frame[["image"]]) == frame["efficient"].to_numpy()
        value = with_interval(over_groups(pd.Series(right).groupby(frame["clone"].array).mean()))
        table.add(f"accuracy of the explained network, patches {pixels}", "not stated", value)
    share = explained.holes.mean(axis=(1, 2))
    by_clone = pd.Series(share).groupby([explained.frame["efficient"], explained.frame["clone"]])
    more = over_two_groups(by_clone.mean()[False], by_clone.mean()[True])
    table.add(
        "holes in the negative class, share of the area", "more", f"{with_interval(more)} more"
    )

    rows = np.flatnonzero(inefficient & holes.any(axis=(1, 2)))
    rows = rows[:: max(len(rows) // sizes.n_maps, 1)][: sizes.n_maps]
    images, holes = frame[["image"]].iloc[rows], holes[rows]
    maps = relevance(explained.models["normalised"], images, target=False)
    mass = relevance_mass(maps, holes)
    of_clone = pd.DataFrame({"mass": mass, "area": holes.mean(axis=(1, 2))})
    of_clone = of_clone.groupby(frame["clone"].iloc[rows].array).mean()
    times = with_interval(over_groups(of_clone["mass"] / of_clone["area"]))
    table.add("relevance in holes, over their share of the area", "lies on holes", times)
    shown = slice(0, 5)
    display = RelevanceDisplay(to_images(images)[shown], maps[shown], masks=holes[shown]).plot()
    save_figure(display, folder, "relevance")


def compare_structure(table, explained, folder):
    """Structure factor of the classes: radially averaged power spectra."""
    table.begin(
        "Structure of the population",
        "power spectra of all explained clones, each counting once; without a model.",
    )
    frame = explained.frame
    y = np.where(frame["efficient"], "efficient", "inefficient")
    spectrum = PowerSpectrum(12, pixel_size=PIXEL)
    spectra = class_spectra(frame, y, spectrum=spectrum, groups=frame["clone"])
    apart = spectra.differences.query("low > 0 or high < 0")
    at = "at none"
    if len(apart):
        wavelengths = 1 / apart["frequency"]
        at = (
            f"at {len(apart)} of {len(spectra.differences)} frequencies, "
            f"{wavelengths.min():.0f} to {wavelengths.max():.0f} um"
        )
    table.add("structure factors of the classes differ", "yes", at)
    largest = spectra.differences.loc[spectra.differences["difference"].abs().idxmax()]
    interval = with_interval(largest.rename({"difference": "mean"}))
    where = f"{1 / largest['frequency']:.0f} um"
    table.add(f"log10 power, efficient less inefficient, at {where}", "not stated", interval)
    save_figure(FrequencyDisplay(spectra).plot(), folder, "structure_factor")


def find_used_frequencies(table, explained, sizes, folder):
    """Bands whose exchange between images costs the network its score."""
    table.begin(
        "Frequencies that the network uses",
        "each band of held-out images exchanged with that of another; change of the probability "
        "of the true class, means over clones.",
    )
    frame = explained.frame[explained.unseen]
    sensitivity = frequency_sensitivity(
        explained.models["normalised"],
        frame[["image"]],
        frame["efficient"].to_numpy(),
        target=frame["efficient"].to_numpy(),
        method=["permute", "scramble"],
        bands=sizes.bands,
        pixel_size=PIXEL,
        groups=frame["clone"],
        n_repeats=1,
        random_state=0,
    )
    changes = sensitivity.table.query("quantity == 'score_change'")
    words = {"permute": "exchanged", "scramble": "without its shapes (phases at random)"}
    for method, rows in changes.groupby("method", sort=False):
        worst = rows.loc[rows["mean"].idxmin()]
        band = f"{1 / worst['frequency_high']:.0f} to {1 / worst['frequency_low']:.0f}"
        table.add(
            f"most used band, {words[method]}",
            "structure of the population",
            f"{band} um, change {with_interval(worst)}",
        )
    save_figure(FrequencyDisplay(sensitivity=sensitivity).plot(), folder, "used_frequencies")


def follow_variance(table, explained, folder):
    """Whether the score follows the variance of patches."""
    table.begin(
        "Variance of patches",
        "rank correlation of variance and probability of 'efficient' on held-out clones; the few "
        "clones make intervals too narrow.",
    )
    frame = explained.frame[explained.unseen]
    for pixels, model in explained.models.items():
        result = variance_dependence(
            model, frame[["image"]], target=True, groups=frame["clone"], random_state=0
        )
        for when in ("before", "after"):
            row = result.summary.loc[when].rename({"spearman": "mean"})
            how = "as they are" if when == "before" else "brought to one variance"
            is_plain = pixels == "as they are" and when == "before"
            published = "a learned feature" if is_plain else "not stated"
            name = f"network of patches {pixels}, patches {how}"
            table.add(name, published, with_interval(row))
        display = VarianceDependenceDisplay.from_result(result)
        save_figure(display, folder, f"variance_{pixels.replace(' ', '_')}")


if __name__ == "__main__":
    run_from_command_line(reproduce, SHORT, FULL, "reproduction_beta_cell")
