"""pixel_flipping: a classifier that reads one corner only, so that every curve is known."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.svm import LinearSVC

from sklearn_cellfate import image_column, to_images
from sklearn_cellfate.inspection import PixelFlippingDisplay
from sklearn_cellfate.metrics import pixel_flipping


class CornerReader(ClassifierMixin, BaseEstimator):
    """Probability of "yes": the mean of the first 2 x 2 pixels of channel 0."""

    def fit(self, X=None, y=None):
        self.classes_ = np.array(["no", "yes"])
        return self

    def decision_function(self, X):
        return to_images(X)[:, 0, :2, :2].mean(axis=(1, 2))

    def predict_proba(self, X):
        yes = self.decision_function(X)
        return np.column_stack([1 - yes, yes])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


READER = CornerReader().fit()
IMAGES = np.zeros((6, 8, 8))
IMAGES[:, :2, :2] = 1
OPTIONS = {"patch_size": 2, "fill": 0, "random_state": 0}
# 16 patches, one a step: the score is 1 until the corner goes, then 0.
BEST, WORST = 1 - 0.5 / 16, 0.5 / 16


def test_the_true_map_beats_random_order_and_its_inverse_loses():
    right = pixel_flipping(READER, IMAGES, IMAGES, **OPTIONS)
    inverted = pixel_flipping(READER, IMAGES, -IMAGES, **OPTIONS)
    assert right.area == pytest.approx(BEST) and inverted.area == pytest.approx(WORST)
    assert right.area > right.random_area + 3 * right.random_sd
    assert inverted.area < inverted.random_area - 3 * inverted.random_sd
    assert right.gain == pytest.approx(right.area - right.random_area)
    assert right.p_value == pytest.approx(1 / 11) and inverted.p_value == 1


def test_random_order_has_its_expected_area():
    images = np.repeat(IMAGES, 50, axis=0)
    result = pixel_flipping(READER, images, images, n_random=4, **OPTIONS)
    # The corner's place is uniform, so the area is uniform over (k + 1/2) / 16.
    error = np.sqrt((16**2 - 1) / 12) / 16 / np.sqrt(4 * 300)
    assert result.random_area == pytest.approx(0.5, abs=4 * error)


def test_a_map_without_information_is_a_random_order():
    result = pixel_flipping(READER, IMAGES, np.ones_like(IMAGES), n_random=50, **OPTIONS)
    assert abs(result.gain) < 3 * result.random_sd
    assert 0.01 < result.p_value < 1


def test_curve_is_tidy_and_known():
    curve = pixel_flipping(READER, IMAGES, IMAGES, n_steps=4, n_random=3, **OPTIONS).curve
    assert curve.groupby(["order", "repeat"]).size().to_dict() == {
        ("random", 0): 5, ("random", 1): 5, ("random", 2): 5, ("relevance", 0): 5
    }  # fmt: skip
    informed = curve[curve["order"] == "relevance"]
    np.testing.assert_allclose(informed["share_blanked"], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(informed["score"], [1, 0, 0, 0, 0])


def test_only_a_share_is_blanked():
    result = pixel_flipping(READER, IMAGES, IMAGES, max_share=0.25, **OPTIONS)
    np.testing.assert_allclose(result.curve["share_blanked"][:5], np.arange(5) / 16)
    assert result.area == pytest.approx(1 - 0.5 / 4)
    assert len(result.curve) == 5 * 11
    least = pixel_flipping(READER, IMAGES, IMAGES, max_share=1e-6, **OPTIONS)
    assert least.curve["share_blanked"].max() == 1 / 16


def test_target_is_the_predicted_class_unless_given():
    dark = np.concatenate([IMAGES, 0 * IMAGES])
    relevance = np.concatenate([IMAGES, IMAGES])
    images = pixel_flipping(READER, dark, relevance, **OPTIONS).images
    assert images["target"].tolist() == ["yes"] * 6 + ["no"] * 6
    np.testing.assert_allclose(images["score"], 1)
    np.testing.assert_allclose(images["area"], [BEST] * 6 + [0] * 6)

    of_no = pixel_flipping(READER, dark, relevance, target="no", **OPTIONS)
    np.testing.assert_allclose(of_no.images["area"], [-BEST] * 6 + [0] * 6)
    labels = np.array(["no", "yes"] * 6)
    each = pixel_flipping(READER, dark, relevance, target=labels, **OPTIONS)
    assert each.images["target"].tolist() == labels.tolist()


def test_decision_values_of_either_class():
    options = OPTIONS | {"response_method": "decision_function"}
    for target, sign in {"yes": 1, "no": -1}.items():
        result = pixel_flipping(READER, IMAGES, IMAGES, target=target, **options)
        assert result.area == pytest.approx(sign * BEST)
    assert result.score_name == "decision value of no"


def test_decision_values_are_called_log_odds_where_they_are():
    class Logistic(CornerReader):
        def predict_proba(self, X):
            yes = 1 / (1 + np.exp(-self.decision_function(X)))
            return np.column_stack([1 - yes, yes])

    options = OPTIONS | {"response_method": "decision_function", "target": "yes"}
    result = pixel_flipping(Logistic().fit(), IMAGES, IMAGES, **options)
    assert result.score_name == "log odds of yes"


def test_fills():
    def first_step(fill):
        options = OPTIONS | {"fill": fill}
        curve = pixel_flipping(READER, IMAGES, IMAGES, target="yes", **options).curve
        return curve["score"][1]

    assert first_step("mean") == pytest.approx(4 / 64)
    assert first_step(0.25) == pytest.approx(0.25)
    assert 0 < first_step("blur") < 1


def test_uneven_sides_are_divided_into_patches_that_cover_all():
    images = np.ones((2, 7, 11))
    result = pixel_flipping(READER, images, images, patch_size=3, fill=0, n_steps=1000)
    assert len(result.curve["share_blanked"].unique()) == 3 * 4 + 1
    assert result.curve["score"].iloc[12] == 0


def test_a_table_keeps_its_other_columns_and_channels_are_summed():
    class WithDose(CornerReader):
        def decision_function(self, X):
            return super().decision_function(X[["image"]]) * X["dose"].to_numpy()

    pixels = np.stack([IMAGES, np.ones_like(IMAGES)], axis=1)
    table = pd.DataFrame({"dose": 0.5, "image": image_column(pixels)}, index=np.arange(6) + 7)
    relevance = np.stack([IMAGES - 1, np.full_like(IMAGES, 0.5)], axis=1)
    result = pixel_flipping(WithDose().fit(), table, relevance, target="yes", **OPTIONS)
    assert result.area == pytest.approx(0.5 * BEST)


def test_rows_of_pixels_are_folded_into_images():
    class OfRows(CornerReader):
        def decision_function(self, X):
            assert X.shape == (6, 64)
            return super().decision_function(X.reshape(-1, 1, 8, 8))

    rows, options = IMAGES.reshape(6, -1), OPTIONS | {"image_shape": (1, 8, 8)}
    expected = pixel_flipping(READER, IMAGES, IMAGES, **OPTIONS)
    for relevance in (rows, IMAGES):
        result = pixel_flipping(OfRows().fit(), rows, relevance, **options)
        pd.testing.assert_frame_equal(result.curve, expected.curve)


def test_the_same_seed_the_same_result_and_no_trace():
    before = np.random.get_state()[1].copy()
    first, second = (pixel_flipping(READER, IMAGES, IMAGES, **OPTIONS) for _ in range(2))
    pd.testing.assert_frame_equal(first.curve, second.curve)
    other = pixel_flipping(READER, IMAGES, IMAGES, **OPTIONS | {"random_state": 1})
    assert not other.curve.equals(first.curve)
    assert (np.random.get_state()[1] == before).all()
    assert IMAGES.sum() == 24


def test_display_shows_both_orders():
    result = pixel_flipping(READER, IMAGES, IMAGES, **OPTIONS)
    display = PixelFlippingDisplay.from_result(result)
    lines = display.ax_.get_lines()
    np.testing.assert_allclose(lines[0].get_xdata(), np.linspace(0, 100, 17))
    np.testing.assert_allclose(lines[0].get_ydata(), [1] + [0] * 16)
    PixelFlippingDisplay(result).plot(display.ax_, label="another map", color="black")
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert [text.split(",")[0] for text in texts] == [
        "most relevant first", "random order (mean", "another map"
    ]  # fmt: skip
    assert display.ax_.get_ylabel() == "probability of the predicted class"
    assert display.figure_ is display.ax_.figure


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"relevance": IMAGES[:, :5]}, r"relevance must .* \(6, 1, 8, 8\).*found \(6, 5, 8\)"),
        ({"relevance": IMAGES[:4]}, r"found \(4, 8, 8\)"),
        ({"X": IMAGES.reshape(6, 64), "image_shape": (1, 8, 9)}, "asks for 72 values a row"),
        ({"relevance": IMAGES * np.nan}, "relevance of 6 of 6 images is NaN"),
        ({"target": "maybe"}, "target 'maybe' is no class of CornerReader.* 'no', 'yes'"),
        ({"target": ["yes", "no"]}, r"one for each of the 6 rows, found shape \(2,\)"),
        ({"fill": "black"}, "'fill' parameter"),
        ({"max_share": 0}, "'max_share' parameter"),
        ({"patch_size": 0}, "'patch_size' parameter"),
        ({"X": IMAGES[:0], "relevance": IMAGES[:0]}, "0 sample"),
        ({"X": pd.DataFrame({"area": ["a"]})}, "expected exactly one image column"),
    ],
)
def test_bad_input_is_named(changes, message):
    arguments = {"estimator": READER, "X": IMAGES, "relevance": IMAGES} | OPTIONS
    with pytest.raises(ValueError, match=message):
        pixel_flipping(**arguments | changes)


def test_a_classifier_without_probabilities_is_named():
    rows, y = IMAGES.reshape(6, -1), np.arange(6) % 2
    svm = LinearSVC().fit(rows, y)
    with pytest.raises(ValueError, match="LinearSVC has no predict_proba; it has decision_func"):
        pixel_flipping(svm, rows, np.ones((6, 1, 1, 64)))


def test_an_unfitted_estimator_is_named():
    with pytest.raises(NotFittedError, match="CornerReader"):
        pixel_flipping(CornerReader(), IMAGES, IMAGES)
