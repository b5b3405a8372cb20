"""variance_dependence: readers of variance and of structure, which must be told apart."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from sklearn_cellfate import image_column, inspection, to_images
from sklearn_cellfate.datasets import make_cultures
from sklearn_cellfate.feature_extraction import PowerSpectrum
from sklearn_cellfate.inspection import VarianceDependenceDisplay
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.preprocessing import PatchNormalizer

variance_dependence = partial(inspection.variance_dependence, n_bootstrap=200)


def log_variance(X):
    return np.log(to_images(X).astype(float).var(axis=(1, 2, 3)) + 1e-6)[:, None]


def variance_reader():
    return make_pipeline(FunctionTransformer(log_variance), StandardScaler(), LogisticRegression())


def structure_reader(*first):
    return make_pipeline(*first, PowerSpectrum(8), StandardScaler(), LogisticRegression())


@pytest.fixture(scope="module")
def cultures():
    return make_cultures(n_wells=2, n_fields=2, hours=(24, 53), size=64, random_state=0).frame


def test_a_reader_of_variance_loses_its_scores(cultures):
    images = to_images(cultures)
    bright = images.var(axis=(1, 2, 3)) > np.median(images.var(axis=(1, 2, 3)))
    model = variance_reader().fit(images, bright)
    summary = variance_dependence(model, images, random_state=0).summary
    assert summary.loc["before", ["spearman", "low", "high"]].tolist() == pytest.approx([1] * 3)
    assert abs(summary.loc["after", "spearman"]) < 0.3
    assert summary.loc["after", "score_sd"] < 1e-4 < 0.1 < summary.loc["before", "score_sd"]
    of_other = variance_dependence(model, images, target=False, random_state=0).summary
    assert of_other.loc["before", "spearman"] == pytest.approx(-1)


def test_a_reader_of_structure_keeps_them(cultures):
    model = structure_reader(PatchNormalizer()).fit(cultures, cultures["efficient"])
    result = variance_dependence(model, cultures, groups=cultures["clone"], random_state=0)
    assert result.change < 1e-4
    assert result.summary.loc["before", "score_sd"] > 0.1
    before, after = result.summary["spearman"]
    assert after == pytest.approx(before, abs=0.01)


def test_a_model_of_both_keeps_a_part(cultures):
    model = structure_reader().fit(cultures, cultures["efficient"])
    result = variance_dependence(model, cultures, random_state=0)
    assert result.change > 0.05
    assert result.summary.loc["after", "score_sd"] > 0.05


def test_correlation_and_curve_are_those_of_the_table(cultures):
    model = structure_reader().fit(cultures, cultures["efficient"])
    result = variance_dependence(model, cultures, n_bins=4, random_state=0)
    patches = result.patches
    pixels = to_images(cultures).astype(float)
    np.testing.assert_allclose(patches["variance"], pixels.var(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(patches["before"], model.predict_proba(cultures)[:, 1])
    for when in ("before", "after"):
        row = result.summary.loc[when]
        assert row["spearman"] == pytest.approx(spearmanr(patches["variance"], patches[when])[0])
        assert row["low"] < row["spearman"] < row["high"]
        curve = result.curve[result.curve["pixels"] == when]
        assert curve["n"].tolist() == [12] * 4
        assert np.average(curve["score"]) == pytest.approx(patches[when].mean())
        lowest = patches.nsmallest(12, "variance")[when]
        assert curve["score"].iloc[0] == pytest.approx(lowest.mean())
    assert result.score_name == "probability of True"


def test_after_normalisation_all_patches_look_like_the_median_patch():
    rng = np.random.default_rng(0)
    images = rng.uniform(1, 5, (9, 1, 1)) * rng.random((9, 6, 6)) + rng.random((9, 1, 1))
    seen = []

    def note(X):
        seen.append(X)
        return log_variance(X)

    model = make_pipeline(FunctionTransformer(note), LogisticRegression())
    model.fit(images, np.arange(9) % 2)
    seen.clear()
    variance_dependence(model, images, n_bootstrap=2, n_bins=2)
    before, after = seen
    assert before is images
    np.testing.assert_allclose(after.mean((1, 2)), np.median(images.mean((1, 2))), rtol=1e-5)
    np.testing.assert_allclose(after.std((1, 2)), np.median(images.std((1, 2))), rtol=1e-5)
    for one, other in zip(images, after):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] == pytest.approx(1)


def test_copies_of_an_image_narrow_the_interval_only_if_they_are_not_grouped(cultures):
    model = structure_reader().fit(cultures, cultures["efficient"])
    names = np.arange(len(cultures))
    once = variance_dependence(model, cultures, groups=names, random_state=0).summary
    copies = pd.concat([cultures] * 4, ignore_index=True)
    grouped = variance_dependence(model, copies, groups=np.tile(names, 4), random_state=0).summary
    alone = variance_dependence(model, copies, random_state=0).summary
    columns = ["spearman", "low", "high"]
    np.testing.assert_allclose(grouped[columns], once[columns])
    width = alone.loc["before", "high"] - alone.loc["before", "low"]
    assert width < 0.7 * (once.loc["before", "high"] - once.loc["before", "low"])


def test_patches_of_large_images_are_judged_one_by_one(cultures):
    model = PatchClassifier(variance_reader(), 32).fit(cultures, cultures["efficient"])
    result = variance_dependence(model, cultures, random_state=0)
    assert result.patches["row"].tolist() == np.repeat(np.arange(len(cultures)), 4).tolist()
    scores = model.predict_patches(cultures)[..., 1].ravel()
    np.testing.assert_allclose(result.patches["before"], scores, rtol=1e-6)
    corner = to_images(cultures)[0, 0, :32, :32].astype(float)
    assert result.patches["variance"][0] == pytest.approx(corner.var(), rel=1e-5)
    assert abs(result.summary.loc["before", "spearman"]) == pytest.approx(1)


def test_the_same_seed_the_same_interval(cultures):
    model = structure_reader().fit(cultures, cultures["efficient"])
    state = np.random.get_state()[1].copy()
    first, second, other = (
        variance_dependence(model, cultures, random_state=seed).summary for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(other)
    assert (np.random.get_state()[1] == state).all()


def test_display_shows_both_curves(cultures):
    model = structure_reader().fit(cultures, cultures["efficient"])
    display = VarianceDependenceDisplay.from_result(variance_dependence(model, cultures))
    assert display.ax_.get_xlabel() == "patch variance (squared unit of the pixels)"
    assert [len(line.get_xdata()) for line in display.ax_.get_lines()] == [8, 8]
    assert display.figure_ is display.ax_.figure


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"target": "good"}, "target 'good' is no class of Pipeline.* False, True"),
        ({"groups": ["a"] * 8}, "all images belong to one group, 'a'"),
        ({"groups": ["a", "b"]}, "inconsistent numbers of samples"),
        ({"X": np.tile(np.eye(4), (8, 1, 1))}, "the same variance, 0.188"),
        ({"X": np.ones((2, 4, 4))}, "3 patches or more are needed, found 2"),
        ({"n_bins": 0}, "'n_bins' parameter"),
        ({"estimator": "svm"}, "LinearSVC has no predict_proba; it has decision_function"),
        ({"X": pd.DataFrame({"area": ["a", "b"]})}, "expected exactly one image column"),
    ],
)
def test_bad_input_is_named(changes, message):
    images = np.random.default_rng(0).random((8, 4, 4)) * np.arange(1, 9)[:, None, None]
    y = np.arange(8) > 3
    if changes.get("estimator") == "svm":
        rows = images.reshape(8, -1)
        changes = {"estimator": LinearSVC().fit(rows, y), "X": rows}
    good = {"estimator": variance_reader().fit(images, y), "X": images}
    with pytest.raises(ValueError, match=message):
        variance_dependence(**good | changes)


def test_tables_keep_their_other_columns():
    rng = np.random.default_rng(0)
    images = rng.uniform(1, 5, (12, 1, 1)) * rng.random((12, 6, 6))
    table = pd.DataFrame({"image": image_column(images), "dose": np.arange(12.0)})
    seen = []

    def dose(X):
        seen.append(list(X.columns))
        return X[["dose"]].to_numpy()

    model = make_pipeline(FunctionTransformer(dose), LogisticRegression())
    result = variance_dependence(model.fit(table, np.arange(12) > 5), table, n_bootstrap=5)
    assert seen[1:] == [["image", "dose"]] * 2
    assert result.change == 0


def test_an_unfitted_estimator_is_named():
    with pytest.raises(NotFittedError, match="Pipeline"):
        variance_dependence(structure_reader(), np.random.default_rng(0).random((8, 4, 4)))
