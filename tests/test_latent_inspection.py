"""Latent features: traversals of drawn cells, correlations with known answers, displays."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.inspection import (
    LatentCorrelationsDisplay,
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    TrainingHistoryDisplay,
    latent_correlations,
    latent_traversal,
)
from sklearn_cellfate.model_selection import make_default_autoencoder
from sklearn_cellfate.neural_network import (
    AAEClassifier,
    AdversarialAutoencoder,
    EfficientNetClassifier,
)
from sklearn_cellfate.preprocessing import FRETRatio, IntensityScaler, RelativeTimeSampler

QUICK = {"pretrain_epochs": 1, "max_epochs": 1, "random_state": 0}
SIDE = 41


class DrawnEllipses(AdversarialAutoencoder):
    """An autoencoder whose answer is known: latents are size, brightness and elongation.

    The first three pixels of an image are its latents. A latent of (a, b, c) is drawn as an
    ellipse with half axes of 8 + a and (8 + a) (1 + c) pixels, in the first channel with
    brightness 100 + 10 b and in the second with half of it.
    """

    def transform(self, X):
        """Read the first three pixels."""
        return np.asarray(X)[:, 0, 0, :3].astype(float)

    def inverse_transform(self, latents):
        """Draw."""
        a, b, c = np.asarray(latents, dtype=float).T[:, :, None, None]
        # Off the grid, or discs of whole radii get tips a pixel wide.
        rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + np.array([0.2, 0.1])[:, None, None]
        inside = (rows / (8 + a)) ** 2 + (columns / ((8 + a) * (1 + c))) ** 2 <= 1
        first = inside * (100 + 10 * b)
        return np.stack([first, first / 2], axis=1)


def images_of(latents):
    images = np.zeros((len(latents), 2, SIDE, SIDE))
    images[:, 0, 0, :3] = latents
    return images


@pytest.fixture
def drawn():
    """Fitted, with images of 60 cells around the latents (1, -1, 0.5)."""
    latents = np.random.default_rng(0).normal([1, -1, 0.5], [1, 1, 0.1], size=(60, 3))
    images = images_of(latents)
    model = DrawnEllipses(pretrain_epochs=0, max_epochs=0, random_state=0)
    return model.fit(images_of(np.zeros((4, 3)))), images


@pytest.fixture
def trained(spots):
    """An autoencoder in a pipeline behind a scaler, the pixels of a camera, and labels."""
    images, labels = spots
    images = 1000 * images
    return make_pipeline(IntensityScaler(), AAEClassifier(**QUICK)).fit(images, labels), images


# Traversal ------------------------------------------------------------------------------------


def test_shape_of_drawn_cells_is_measured(drawn):
    """Discs of 5 to 11 pixels: pi r^2, a circularity of 1, and the brightness drawn."""
    traversal = latent_traversal(
        *drawn, n_steps=7, latents=[0, 1], limits=(-3, 3), baseline="zero"
    )
    size = traversal.table[traversal.table["latent"] == 0]
    radius = 8 + size["value"]
    np.testing.assert_allclose(size["value"], np.arange(-3, 4))
    np.testing.assert_allclose(size["area"], np.pi * radius**2, rtol=0.05)
    np.testing.assert_allclose(size["circularity"], 1, atol=0.05)
    np.testing.assert_allclose(size["aspect_ratio"], 1, atol=0.05)
    np.testing.assert_allclose(size["eccentricity"], 0, atol=0.3)
    bright = traversal.table[traversal.table["latent"] == 1]
    for channel, share in enumerate([1, 0.5]):
        expected = share * (100 + 10 * bright["value"])
        np.testing.assert_allclose(bright[f"intensity_mean_{channel}"], expected)
        np.testing.assert_allclose(bright[f"intensity_max_{channel}"], expected)
    assert bright["area"].nunique() == 1  # brightness does not pass for size


def test_elongation_shows_in_aspect_ratio_eccentricity_and_circularity(drawn):
    traversal = latent_traversal(
        *drawn, n_steps=3, latents=[2], limits=(0.2, 1.0), baseline="zero"
    )
    table = traversal.table
    np.testing.assert_allclose(table["aspect_ratio"], 1 + table["value"], rtol=0.03)
    ratio = 1 / (1 + table["value"])
    np.testing.assert_allclose(table["eccentricity"], np.sqrt(1 - ratio**2), atol=0.03)
    # Perimeter of an ellipse by Ramanujan's formula, half axes 1 and 1 + c.
    long = 1 + table["value"]
    perimeter = np.pi * (3 * (1 + long) - np.sqrt((3 + long) * (1 + 3 * long)))
    np.testing.assert_allclose(
        table["circularity"], 4 * np.pi * np.pi * long / perimeter**2, rtol=0.04
    )


def test_a_fixed_threshold_is_in_the_unit_of_the_images(drawn):
    """Cells of brightness 80, 100 and 120 (75 %: mean of the channels) against 70."""
    how = {"latents": [1], "limits": (-2, 2), "baseline": "zero", "n_steps": 3}
    by_mean = latent_traversal(*drawn, threshold=70, **how).table
    assert by_mean["area"].isna().tolist() == [True, False, False]
    assert by_mean["circularity"].isna().tolist() == [True, False, False]
    by_first = latent_traversal(*drawn, threshold=70, channel=0, **how).table
    assert by_first["area"].notna().all()


def test_areas_in_square_micrometres(drawn):
    plain = latent_traversal(*drawn).table
    scaled = latent_traversal(*drawn, pixel_size=0.5).table
    np.testing.assert_allclose(scaled["area"], plain["area"] / 4)
    np.testing.assert_allclose(scaled["circularity"], plain["circularity"])


def test_range_and_baseline_are_those_of_the_cells(drawn):
    model, images = drawn
    latents = model.transform(images)
    traversal = latent_traversal(model, images, quantiles=(0.1, 0.9), n_steps=3)
    low, high = np.quantile(latents, [0.1, 0.9], axis=0)
    np.testing.assert_allclose(
        traversal.latent_values, np.stack([low, (low + high) / 2, high], axis=1)
    )
    np.testing.assert_allclose(traversal.baseline, latents.mean(axis=0))
    chosen = latent_traversal(model, images, baseline=7)
    np.testing.assert_allclose(chosen.baseline, latents[7])
    # Along brightness the chosen cell keeps its size: every picture is it, but for the light.
    own = model.inverse_transform(latents[[7]])[0] > 0
    assert all(np.array_equal(image > 0, own) for image in chosen.images[1])


def test_limits_for_each_latent_chosen(drawn):
    traversal = latent_traversal(*drawn, latents=[2, 0], limits=[[0, 1], [-1, 2]], n_steps=2)
    assert traversal.latent_values.tolist() == [[0, 1], [-1, 2]]
    assert traversal.latents.tolist() == [2, 0]
    assert traversal.table["latent"].tolist() == [2, 2, 0, 0]


def test_images_are_what_the_decoder_gives_in_the_unit_it_was_fitted_on(spots):
    images, labels = spots
    model = AAEClassifier(latent_dim=3, **QUICK).fit(1000 * images, labels)
    traversal = latent_traversal(model, 1000 * images, n_steps=4)
    assert traversal.images.shape == (3, 4, 1, 12, 12)
    point = traversal.baseline.copy()
    point[1] = traversal.latent_values[1, 2]
    expected = model.inverse_transform([point])[0]
    np.testing.assert_allclose(traversal.images[1, 2], expected, rtol=1e-5)
    assert traversal.images.max() > 100


def test_of_a_pipeline_the_autoencoder_inside_is_asked(trained):
    pipeline, images = trained
    inside = latent_traversal(pipeline[-1], pipeline[0].transform(images))
    pd.testing.assert_frame_equal(latent_traversal(pipeline, images).table, inside.table)


def test_augmented_latents_are_those_of_transform(spots):
    """They are means over the symmetries of a cell, so turned cells have the same range."""
    images, labels = spots
    model = AAEClassifier(augment=True, **QUICK).fit(images, labels)
    straight = latent_traversal(model, images)
    turned = latent_traversal(model, np.rot90(images, axes=(2, 3)))
    np.testing.assert_allclose(turned.latent_values, straight.latent_values, atol=1e-4)


def test_flat_images_hold_no_cell():
    model = AdversarialAutoencoder(pretrain_epochs=0, max_epochs=0, random_state=0)
    model.fit(np.ones((4, 1, 8, 8)))  # without contrast the decoder has no range
    table = latent_traversal(model, np.ones((4, 1, 8, 8)), limits=(-1, 1)).table
    assert table["area"].isna().all() and len(table) == 10


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"n_steps": 1}, "n_steps must be a whole number from 2, found 1"),
        ({"n_steps": 2.5}, "n_steps must be a whole number from 2, found 2.5"),
        ({"latents": [3]}, r"latents must be whole numbers from 0 to 2, .*found \[3\]"),
        ({"latents": [-1]}, r"latents must be .*found \[-1\]"),
        ({"latents": [0.5]}, r"latents must be .*found \[0.5\]"),
        ({"latents": []}, r"latents must be .*found \[\]"),
        ({"baseline": 60}, "baseline must be .* row of X from 0 to 59, found 60"),
        ({"baseline": "median"}, "baseline must be .* found 'median'"),
        ({"quantiles": (0.9, 0.1)}, r"quantiles must be .* the lower first, found \[0.9, 0.1\]"),
        ({"quantiles": (0, 2)}, "quantiles must be two numbers from 0 to 1"),
        ({"limits": (1, 1)}, r"limits must be two numbers, the lower first, found \[1.0, 1.0\]"),
        ({"limits": (-np.inf, 1)}, "limits must be two numbers"),
        ({"limits": [1, 2, 3]}, r"limits must be .*\(3, 2\), found shape \(3,\)"),
        (
            {"limits": (0, 1), "quantiles": (0, 1)},
            "quantiles=.* and limits=.* both name the range",
        ),
        ({"threshold": "half"}, "threshold must be a number or None, found 'half'"),
        ({"channel": 2}, r"channel=2, but the images have 2 channel"),
        ({"pixel_size": 0}, "pixel_size"),
    ],
)
def test_traversals_that_make_no_sense_are_refused(drawn, changes, message):
    with pytest.raises(ValueError, match=message):
        latent_traversal(*drawn, **changes)


def test_models_without_decoder_or_fit_and_images_of_another_size(spots, trained):
    images, labels = spots
    classifier = EfficientNetClassifier("tiny", max_epochs=0, random_state=0)
    with pytest.raises(ValueError, match="EfficientNetClassifier has no decoder; expected an Ad"):
        latent_traversal(classifier.fit(images, labels), images)
    with pytest.raises(ValueError, match="does not look at images"):
        latent_traversal(LogisticRegression().fit(images[:, 0, 0], labels), images)
    with pytest.raises(NotFittedError):
        latent_traversal(make_pipeline(IntensityScaler(), AAEClassifier()), images)
    with pytest.raises(NotFittedError):
        latent_correlations(AAEClassifier(), images, pd.DataFrame({"a": np.ones(len(images))}))
    pipeline, _ = trained
    with pytest.raises(ValueError, match="12 x 12 pixels"):
        latent_traversal(pipeline, np.zeros((3, 1, 9, 9)))


# Correlations ---------------------------------------------------------------------------------


def test_spearman_is_that_of_scipy_with_ties_and_missing_values():
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(200, 2)).round(1)
    measured = pd.DataFrame({"size": latents[:, 0] ** 3 + rng.normal(size=200), "fret": 1.0})
    measured["few"] = np.where(np.arange(200) % 3, measured["size"].round(), np.nan)
    table = latent_correlations(latents, None, measured, n_bootstrap=50, random_state=0)
    assert table["latent"].tolist() == [0, 0, 0, 1, 1, 1]
    assert table["feature"].tolist() == ["size", "fret", "few"] * 2
    assert table["n"].tolist() == [200, 200, 133] * 2
    for row in table.itertuples():
        if row.feature == "fret":
            assert np.isnan([row.spearman, row.low, row.high]).all()
            continue
        known = measured[row.feature].notna()
        expected = stats.spearmanr(latents[known, row.latent], measured[row.feature][known])
        assert row.spearman == pytest.approx(expected.statistic)
        assert row.low < row.spearman < row.high


def test_intervals_are_those_of_rows_drawn_with_replacement():
    """Against scipy on the rows themselves: the quantiles of two bootstraps of one sample."""
    rng = np.random.default_rng(1)
    latent = rng.normal(size=80)
    feature = latent + rng.normal(size=80).round(1)
    ours = latent_correlations(
        latent[:, None], None, pd.DataFrame({"a": feature}), n_bootstrap=1000, random_state=0
    ).iloc[0]
    rows = rng.integers(80, size=(1000, 80))
    drawn = [stats.spearmanr(latent[of], feature[of]).statistic for of in rows]
    np.testing.assert_allclose(
        [ours["low"], ours["high"]], np.quantile(drawn, [0.025, 0.975]), atol=0.03
    )


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Spearman of a bivariate normal with correlation r is 6 / pi asin(r / 2)."""
    truth = 6 / np.pi * np.arcsin(0.5 / 2)
    rng = np.random.default_rng(0)
    holds = []
    for _ in range(100):
        latent = rng.normal(size=(60, 1))
        feature = pd.DataFrame(0.5 * latent + np.sqrt(0.75) * rng.normal(size=(60, 1)))
        row = latent_correlations(
            latent, None, feature, n_bootstrap=100, confidence=0.8, random_state=0
        ).iloc[0]
        holds.append(row["low"] <= truth <= row["high"])
    assert 0.68 < np.mean(holds) < 0.92  # 0.8 give or take three standard errors


def test_groups_widen_intervals_where_their_cells_are_alike():
    rng = np.random.default_rng(0)
    donor = np.repeat(np.arange(20), 30)
    of_donor = rng.normal(size=(20, 2))[donor]  # latent and feature, constant within a donor
    latents, feature = of_donor[:, :1], pd.DataFrame({"area": of_donor[:, 1]})
    alone = latent_correlations(latents, None, feature, random_state=0).iloc[0]
    grouped = latent_correlations(latents, None, feature, groups=donor, random_state=0).iloc[0]
    assert grouped["spearman"] == alone["spearman"]
    assert grouped["high"] - grouped["low"] > 3 * (alone["high"] - alone["low"])


def test_order_of_cells_in_groups_and_repeats_with_one_seed():
    rng = np.random.default_rng(0)
    latents, feature = rng.normal(size=(60, 1)), pd.DataFrame({"area": rng.normal(size=60)})
    donor = np.array(list("abcdef"))[np.arange(60) % 6]
    before = np.random.get_state()[1].copy()
    table = latent_correlations(latents, None, feature, groups=donor, random_state=0)
    again = latent_correlations(latents, None, feature, groups=donor, random_state=0)
    pd.testing.assert_frame_equal(table, again)
    order = np.argsort(donor, kind="stable")
    mixed = latent_correlations(
        latents[order], None, feature.iloc[order], groups=donor[order], random_state=0
    )
    pd.testing.assert_frame_equal(table, mixed)
    assert np.array_equal(before, np.random.get_state()[1])


def test_columns_of_the_table_and_pipelines(cells):
    model = AAEClassifier(**QUICK).fit(cells[["image"]], cells["fate"])
    by_name = latent_correlations(model, cells, ["size", "noise"], n_bootstrap=20, random_state=0)
    latents = model.transform(cells)
    given = latent_correlations(
        latents, None, cells[["size", "noise"]], n_bootstrap=20, random_state=0
    )
    pd.testing.assert_frame_equal(by_name, given)
    assert by_name.columns.tolist() == ["latent", "feature", "spearman", "low", "high", "n"]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"features": pd.DataFrame({"a": [1.0, 2]})}, "inconsistent numbers of samples"),
        ({"features": pd.DataFrame({"a": list("wxyz")})}, "numbers, but 'a' are not"),
        ({"features": pd.DataFrame({"a": [1, 2, np.nan, np.nan]})}, "'a' have 2 that are not"),
        ({"features": ["a"]}, "features must be a DataFrame, or a list .* found list with X None"),
        ({"features": ["b"], "X": pd.DataFrame({"a": range(4)})}, "no column 'b'; .* has 'a'"),
        ({"features": pd.DataFrame(np.ones((4, 2)), columns=["a", "a"])}, "same name: 'a'"),
        ({"features": ["b", "b"], "X": pd.DataFrame({"b": range(4)})}, "same name: 'b'"),
        ({"features": pd.DataFrame(index=range(4))}, "no column at all"),
        ({"groups": [1, 1, 1, 1]}, "groups must be two or more, found only 1"),
        ({"groups": ["a", "b", None, "a"]}, "groups is missing in 1 of 4 rows"),
        ({"groups": [1, 2]}, "inconsistent numbers of samples"),
        ({"n_bootstrap": 0}, "n_bootstrap must be .* found 0"),
        ({"confidence": 95}, "confidence must lie between 0 and 1, found 95"),
        ({"estimator": [[0.0], [1], [2], [np.nan]]}, "NaN"),
    ],
)
def test_correlations_that_make_no_sense_are_refused(changes, message):
    good = {
        "estimator": np.arange(4.0)[:, None],
        "X": None,
        "features": pd.DataFrame({"a": np.arange(4.0)}),
    }
    with pytest.raises(ValueError, match=message):
        latent_correlations(**good | changes)


# Displays -------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_traversal_display_has_a_row_a_latent_on_one_colour_scale(drawn):
    display = LatentTraversalDisplay.from_estimator(*drawn, n_steps=4, shown_channel=1)
    assert display.axes_.shape == (3, 4 + 6)
    images = [ax.get_images()[0] for ax in display.axes_[:, :4].ravel()]
    assert len({image.get_clim() for image in images}) == 1
    np.testing.assert_array_equal(images[5].get_array(), display.result.images[1, 1, 1])
    assert [ax.get_ylabel() for ax in display.axes_[:, 0]] == ["latent 0", "latent 1", "latent 2"]
    area = display.axes_[1, 4]
    np.testing.assert_allclose(area.lines[0].get_ydata(), display.result.table["area"][4:8])
    assert {ax.get_ylim() for ax in display.axes_[:, 4]} == {area.get_ylim()}
    assert display.axes_[0, 4].get_title() == "area\n(pixels)"
    with pytest.raises(ValueError, match="shown_channel=2, but the images have 2"):
        display.plot(2)


def test_displays_divide_the_place_of_a_given_axes(drawn):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 1)
    result = latent_traversal(*drawn, n_steps=2, pixel_size=0.5)
    display = LatentTraversalDisplay.from_result(result, ax=axes[0])
    assert display.figure_ is figure and display.axes_.shape == (3, 8)
    assert display.axes_[0, 2].get_title() == "area\n(µm²)"
    history = pd.DataFrame({"epoch": [1], "stage": [1], "train_loss": [0.5]})
    shown = TrainingHistoryDisplay(history).plot(ax=axes[1])
    assert shown.figure_ is figure and [ax.get_title() for ax in shown.axes_] == ["loss"]
    with pytest.raises(ValueError, match="no place in a grid"):
        TrainingHistoryDisplay(history).plot(ax=figure.add_axes([0, 0, 1, 1]))


def test_heat_map_shows_value_and_interval_of_every_pair():
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(50, 2))
    measured = pd.DataFrame({"area": -latents[:, 1], "fret": 1.0, "noise": rng.normal(size=50)})
    table = latent_correlations(latents, None, measured, random_state=0)
    display = LatentCorrelationsDisplay.from_result(table)
    values = display.ax_.get_images()[0].get_array()
    assert values.shape == (3, 2) and values[0, 1] == pytest.approx(-1)
    texts = [text.get_text() for text in display.ax_.texts]
    assert texts[1] == "-1.00\n-1.00 to -1.00" and texts[2] == texts[3] == "constant"
    assert display.ax_.get_images()[0].get_clim() == (-1, 1)


def test_ellipses_are_the_covariance_of_the_rows_trained_on():
    """Four points on the axes of an ellipse turned by 30 degrees; held-out rows lie far away."""
    turn = np.array(
        [[np.cos(np.pi / 6), -np.sin(np.pi / 6)], [np.sin(np.pi / 6), np.cos(np.pi / 6)]]
    )
    corners = np.array([[3, 0], [-3, 0], [0, 1], [0, -1]]) @ turn.T + [1, 2]
    latents = np.vstack([corners, [[50, 50], [60, 60]]])
    display = LatentSpaceDisplay(latents, ["a"] * 6, held_out=[False] * 4 + [True] * 2).plot()
    (ellipse,) = display.ax_.patches
    np.testing.assert_allclose(ellipse.center, [1, 2])
    # Variance of 3, -3, 0, 0 with n - 1: 6; of 1, -1, 0, 0: 2 / 3. Two sd to either side.
    np.testing.assert_allclose([ellipse.width, ellipse.height], 4 * np.sqrt([6, 2 / 3]))
    assert ellipse.angle % 180 == pytest.approx(30)
    narrow = LatentSpaceDisplay(latents, ["a"] * 6).plot(n_std=1)
    assert narrow.ax_.patches[0].width > ellipse.width  # with the far rows among them
    assert not LatentSpaceDisplay(latents, ["a"] * 6).plot(n_std=None).ax_.patches


@pytest.mark.parametrize("missing", [None, np.nan])
def test_every_cell_of_a_latent_space_has_a_label(missing):
    with pytest.raises(ValueError, match="2 of 3 labels are missing"):
        LatentSpaceDisplay(np.ones((3, 2)), ["a", missing, missing])


@pytest.mark.parametrize("held_out", [[4, 3, 2, 1, 0], [0, 1, 0, 1, 0], [True, None] * 2 + [True]])
def test_held_out_rows_are_told_by_true_and_false(held_out):
    with pytest.raises(ValueError, match="held_out must hold True or False for each row, found"):
        LatentSpaceDisplay(np.ones((5, 2)), ["a"] * 5, held_out=held_out)


def test_held_out_rows_may_be_a_column_of_a_table():
    column = pd.Series([True, False, False], dtype="boolean")
    display = LatentSpaceDisplay(np.ones((3, 2)), ["a"] * 3, held_out=column)
    np.testing.assert_array_equal(display.held_out, [True, False, False])


def test_latent_space_of_a_pipeline_that_ends_in_a_classifier(cells):
    encoder = make_pipeline(AAEClassifier(**QUICK), StandardScaler(), LogisticRegression())
    encoder.fit(cells[["image"]], cells["fate"])
    display = LatentSpaceDisplay.from_estimator(encoder, cells[["image"]], cells["fate"])
    np.testing.assert_allclose(display.latents, encoder[0].transform(cells[["image"]]))
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["dies", "divides"]
    assert len(display.ax_.patches) == 2


def test_training_history_shows_stages_and_validation(spots):
    model = AAEClassifier(pretrain_epochs=2, max_epochs=3, early_stopping=True, random_state=0)
    display = TrainingHistoryDisplay.from_estimator(model.fit(*spots))
    titles = [ax.get_title() for ax in display.axes_]
    assert titles == [
        "reconstruction",
        "adversarial",
        "discriminator",
        "contrastive",
        "covariance",
    ]
    first = display.axes_[0]
    assert [line.get_label() for line in first.lines[:2]] == ["train", "valid"]
    assert first.lines[2].get_xdata()[0] == 2.5  # between the stages
    assert [text.get_text() for text in first.texts] == [" stage 2"]
    np.testing.assert_allclose(first.lines[1].get_ydata(), model.history_["valid_reconstruction"])
    with pytest.raises(NotFittedError):
        TrainingHistoryDisplay.from_estimator(AAEClassifier())
    efficientnet = EfficientNetClassifier("tiny", max_epochs=1, random_state=0).fit(*spots)
    loss = TrainingHistoryDisplay.from_estimator(efficientnet)
    assert [ax.get_title() for ax in loss.axes_] == ["loss"]


# Simulated cells ------------------------------------------------------------------------------


def first_ratio_images(n_cells, seed):
    movies = make_cell_movies(n_cells, max_frames=5, random_state=seed)
    return FRETRatio().fit_transform(RelativeTimeSampler(times=[0.0]).fit_transform(movies.frame))


@pytest.mark.slow
def test_supervised_latents_recover_erk_and_radius_of_cells_never_seen():
    """Fate follows both, orientation not; so two latents hold one each, and none orientation.

    The uniform prior is a square, which holds them apart; in the round normal one they may turn.
    Training is a matter of chance, too, down to how sums are rounded: two of three seeds will do.
    """
    train, held_out = first_ratio_images(1000, seed=0), first_ratio_images(500, seed=1)
    axis = 2 * held_out["true_orientation"]  # the same again after half a turn
    held_out = held_out.assign(cosine=np.cos(axis), sine=np.sin(axis))
    factors = ["true_erk", "true_radius", "cosine", "sine"]
    recovered = []
    for seed in range(3):
        model = make_default_autoencoder(len(train), random_state=seed)
        model.set_params(latent_dim=2, prior="uniform").fit(train, train["fate"])
        table = latent_correlations(model, held_out, factors, n_bootstrap=100, random_state=0)
        by_pair = table.set_index(["latent", "feature"])["spearman"].abs().unstack()
        assert by_pair[["cosine", "sine"]].max().max() < 0.15
        if by_pair[["true_erk", "true_radius"]].max().min() >= 0.8:
            recovered.append((model, by_pair))
    assert len(recovered) >= 2
    model, by_pair = recovered[0]
    assert by_pair["true_erk"].idxmax() != by_pair["true_radius"].idxmax()

    # What the decoder draws along these latents is a brighter and a larger cell.
    steps = latent_traversal(model, train).table
    spread = steps.groupby("latent")[["intensity_mean_0", "area"]].agg(np.ptp)
    assert spread["intensity_mean_0"].idxmax() == by_pair["true_erk"].idxmax()
    assert spread["area"].idxmax() == by_pair["true_radius"].idxmax()
