"""block_importance: tables whose label is known to hang on one column."""

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.svm import LinearSVC

from sklearn_cellfate import image_column, to_images
from sklearn_cellfate.feature_extraction import IntensityStatistics
from sklearn_cellfate.inspection import BlockImportanceDisplay, block_importance
from sklearn_cellfate.model_selection import compare_modalities, make_modality_pipelines

FEATURES = ["area", "fret"]


def make_cells(n=240, by_image=0.0, by_area=0.0, seed=0):
    """Cells whose class shifts the brightness of the image, or the area, by so many sd."""
    rng = np.random.default_rng(seed)
    fate = np.tile([0, 1], n // 2)
    level = rng.normal(size=n) + by_image * fate
    images = level[:, None, None] + 0.1 * rng.normal(size=(n, 6, 6))
    columns = {"area": rng.normal(size=n) + by_area * fate, "fret": rng.normal(size=n)}
    columns["donor"] = np.repeat(list("abcd"), n // 4)
    return pd.DataFrame(columns | {"image": image_column(images), "fate": fate})


def both(encoder=None):
    encoder = IntensityStatistics() if encoder is None else encoder
    return make_modality_pipelines("image", FEATURES, autoencoder=encoder)["images + features"]


def measure(cells, **kwargs):
    kwargs = {"groups": cells["donor"], "n_repeats": 4, "random_state": 0} | kwargs
    return block_importance(both(), cells[[*FEATURES, "image"]], cells["fate"], **kwargs)


def test_the_image_counts_where_the_label_hangs_on_it():
    summary = measure(make_cells(by_image=3)).summary
    # From norm.cdf(3 / sqrt(2)) to one half, as a shuffled image says nothing.
    assert summary.loc["image", "mean"] == pytest.approx(0.483, abs=0.04)
    assert summary.loc["image", "low"] > 0.3
    assert summary.loc[FEATURES, "mean"].abs().max() < 0.03
    assert summary["folds"].tolist() == [4, 4, 4]


def test_a_feature_counts_where_the_label_hangs_on_it_and_a_useless_image_does_not():
    summary = measure(make_cells(by_area=3)).summary
    assert summary.loc["area", "mean"] == pytest.approx(0.483, abs=0.04)
    for block in ("image", "fret"):
        assert summary.loc[block, "low"] <= 0 <= summary.loc[block, "high"]
        assert abs(summary.loc[block, "mean"]) < 0.03


def test_a_twin_hides_a_column_until_both_are_shuffled_together():
    cells = make_cells(by_area=3)
    cells["fret"] = cells["area"]
    blocks = {"area": ["area"], "fret": ["fret"], "size": ["area", "fret"]}
    summary = measure(cells, blocks=blocks).summary
    assert list(summary.index) == list(blocks)
    assert summary.loc["size", "mean"] > 0.4
    assert summary.loc[["area", "fret"], "mean"].max() < 0.5 * summary.loc["size", "mean"]


def test_tidy_table_and_summary_agree():
    result = measure(make_cells(by_image=1, by_area=1))
    assert len(result.importances) == 4 * 4 * 3
    by_fold = result.importances.groupby(["block", "fold"])["importance"].mean()
    for block, row in result.summary.iterrows():
        values = by_fold[block]
        assert row["mean"] == pytest.approx(values.mean()) and row["sd"] == values.std()
        # Nadeau and Bengio: 4 folds, each tested on a third of what it trained on; t(3) = 3.18.
        half = 3.182446 * np.sqrt((1 / 4 + 1 / 3) * values.var())
        assert row["high"] - row["mean"] == pytest.approx(half, rel=1e-6)
    assert result.scores["held_out"].tolist() == list("abcd")
    assert result.scores["n_train"].tolist() == [180] * 4


class Spy(TransformerMixin, BaseEstimator):
    """Mean brightness; notes which rows were fitted on and which pixels were seen together."""

    log = []

    def fit(self, X, y=None, groups=None):
        self.log.append(("fit", to_images(X)[:, 0, 0, 0], groups))
        return self

    def transform(self, X):
        images = to_images(X)
        self.log.append(("transform", images[:, 0].reshape(len(images), -1), None))
        return images.mean(axis=(1, 2, 3))[:, None]


def test_models_see_training_rows_alone_and_images_move_whole_within_held_out_rows():
    cells = make_cells(40)
    marks = np.arange(40.0)
    cells["image"] = image_column(marks[:, None, None] + np.arange(4.0).reshape(2, 2) / 10)
    Spy.log = []
    block_importance(
        both(Spy()), cells, cells["fate"], blocks={"image": ["image"]}, groups=cells["donor"],
        n_repeats=2,
    )  # fmt: skip
    fits = [entry for entry in Spy.log if entry[0] == "fit"]
    assert len(fits) == 4
    for held_out, (_, rows, groups) in zip("abcd", fits):
        expected = marks[cells["donor"] != held_out]
        np.testing.assert_array_equal(rows, expected)
        np.testing.assert_array_equal(groups, cells["donor"][cells["donor"] != held_out])
    seen = [pixels for kind, pixels, _ in Spy.log if kind == "transform" and len(pixels) == 10]
    assert len(seen) == 4 * 3
    for pixels in seen:
        np.testing.assert_allclose(pixels - pixels[:, :1], [[0, 0.1, 0.2, 0.3]] * 10, atol=1e-5)
    for donor in range(4):
        before, *after = seen[3 * donor : 3 * donor + 3]
        for pixels in after:
            assert (pixels != before).any()
            np.testing.assert_array_equal(np.sort(pixels[:, 0]), np.sort(before[:, 0]))


def test_fitted_models_of_a_comparison_need_no_second_fit():
    cells = make_cells(120, by_image=1, by_area=1)
    comparison = compare_modalities(
        cells, "fate", groups="donor", features=FEATURES, autoencoder=IntensityStatistics()
    )
    fitted = block_importance(
        comparison.estimators["images + features"],
        cells[[*FEATURES, "image"]],
        cells["fate"],
        cv=comparison.folds,
        n_repeats=4,
        random_state=0,
    )
    with parallel_config(backend="threading"):
        anew = measure(cells, n_jobs=2)
    pd.testing.assert_frame_equal(fitted.importances, anew.importances)
    auc = comparison.scores.query("estimator == 'images + features' and metric == 'roc_auc'")
    np.testing.assert_allclose(fitted.scores["score"], auc["value"])


def test_three_classes_and_words():
    cells = make_cells(by_image=3)
    fate = np.where(cells["fret"] > 1, "dies", np.where(cells["fate"], "divides", "rests"))
    X = cells[["fret", "image"]].assign(stage=np.where(cells["fret"] > 1, "late", "early"))
    model = make_modality_pipelines("image", ["stage"], autoencoder=IntensityStatistics())
    summary = block_importance(
        model["images + features"], X, fate, groups=cells["donor"], random_state=0
    ).summary
    assert summary.loc["fret", "mean"] == 0  # the pipeline does not use it
    assert summary.loc[["image", "stage"], "low"].min() > 0.1


def test_groups_of_one_class_must_be_held_out_together():
    cells = make_cells(by_image=3)
    clones = np.where(cells["fate"] == 0, "x", "y") + cells["donor"].astype(str)
    for scoring in ("roc_auc_ovr", "accuracy"):
        with pytest.raises(ValueError, match="each of the 8 folds lacks a class.* cv=2"):
            measure(cells, groups=clones, cv=LeaveOneGroupOut(), scoring=scoring)
    summary = measure(cells, groups=clones, cv=2, scoring="accuracy").summary
    # From norm.cdf(3 / 2) to one half.
    assert summary.loc["image", "mean"] == pytest.approx(0.433, abs=0.08)


def test_a_fold_without_a_class_is_left_out():
    cells = make_cells(by_image=3)
    donor = cells["donor"].where((cells["donor"] != "d") | (cells["fate"] == 1), "a")
    result = measure(cells, groups=donor, cv=LeaveOneGroupOut())
    assert result.summary["folds"].tolist() == [3, 3, 3]
    assert np.isnan(result.scores.loc[3, "score"]) and sorted(set(result.importances["fold"])) == [
        0, 1, 2
    ]  # fmt: skip


def test_display_shows_blocks_by_importance():
    cells = make_cells(by_image=3, by_area=1)
    display = BlockImportanceDisplay.from_result(measure(cells))
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["fret", "area", "image"]
    assert display.ax_.get_xlabel() == "fall of area under the ROC curve when shuffled"
    assert display.figure_ is display.ax_.figure


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"blocks": {"size": ["area", "width"]}}, "block 'size' names 'width', no column of X"),
        ({"blocks": {"size": "area"}}, "block 'size' must be a list of columns, found 'area'"),
        ({"blocks": {"size": []}}, "block 'size' must be a list"),
        ({"blocks": ["area"]}, "blocks must be a dict"),
        ({"groups": np.full(240, "a")}, "all rows belong to one group, 'a'"),
        ({"groups": "donor"}, "groups must hold the group of each row"),
        ({"X": np.ones((240, 3))}, "X must be a DataFrame"),
        ({"y": np.ones(240)}, "at least two classes"),
        ({"y": [0, 1]}, "inconsistent numbers of samples"),
        ({"scoring": "auc"}, "'scoring' parameter"),
        ({"estimator": [LogisticRegression()] * 3, "cv": 4}, "3 fitted estimators .* 4 folds"),
        ({"estimator": [LogisticRegression()] * 4, "cv": 4}, "LogisticRegression .* not fitted"),
        ({"estimator": LinearSVC()}, "LinearSVC has none of .* predict_proba"),
    ],
)
def test_bad_input_is_named(changes, message):
    cells = make_cells()
    good = {"estimator": LogisticRegression(), "X": cells[FEATURES], "y": cells["fate"]}
    with pytest.raises((ValueError, AttributeError), match=message):
        block_importance(**good | changes)
