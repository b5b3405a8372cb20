"""What make_cultures promises: a cell table, credible layers, and a class that is structure."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import binary_opening, uniform_filter
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from sklearn_cellfate import read_cells, to_images, write_cells
from sklearn_cellfate.datasets import make_cultures
from sklearn_cellfate.feature_extraction import IntensityStatistics, PowerSpectrum
from sklearn_cellfate.preprocessing import PatchNormalizer
from sklearn_cellfate.table import image_column_names


@pytest.fixture(scope="module")
def cultures():
    """Six clones before and after washing, large enough to look at."""
    return make_cultures(hours=(24, 53), random_state=0)


@pytest.fixture(scope="module")
def many():
    """Many clones at the hour at which the class is clearest."""
    return make_cultures(100, n_wells=1, hours=(53,), size=192, random_state=0)


def by_unseen_clone(features, frame):
    """Return the balanced accuracy of logistic regression, leaving out a clone at a time."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
    guess = cross_val_predict(
        model, features, frame["efficient"], groups=frame["clone"], cv=LeaveOneGroupOut()
    )
    return balanced_accuracy_score(frame["efficient"], guess)


def log_odds(fraction):
    return np.log(fraction / (1 - fraction))


def roughness(images):
    """Return the standard deviation of the pixels around each pixel."""
    squares, mean = uniform_filter(images**2, (0, 7, 7)), uniform_filter(images, (0, 7, 7))
    return np.sqrt(np.maximum(squares - mean**2, 0))


# The table


def test_returns_a_cell_table_with_its_truth(cultures):
    assert isinstance(cultures, Bunch)
    frame = cultures.frame
    assert list(frame) == [
        *["clone", "well", "field", "hour", "washed", "efficient"],
        *["true_hole_fraction", "image"],
    ]
    assert frame.index.equals(pd.RangeIndex(6 * 2 * 2 * 2))
    assert image_column_names(frame) == ["image"]
    images = to_images(frame)
    assert images.shape == (48, 1, 256, 256) and images.dtype == np.uint8
    assert cultures.holes.shape == (48, 256, 256) and cultures.holes.dtype == bool
    assert_allclose(cultures.holes.mean(axis=(1, 2)), frame["true_hole_fraction"])
    assert cultures.pixel_size == 1.0


def test_images_sit_in_fields_of_wells_of_clones():
    frame = make_cultures(
        5, n_wells=3, n_fields=2, hours=(50, 10.5), size=32, random_state=0
    ).frame
    assert len(frame) == 5 * 3 * 2 * 2
    assert frame["clone"].unique().tolist() == ["c1", "c2", "c3", "c4", "c5"]
    assert (frame["well"].str.split("_").str[0] == frame["clone"]).all()
    assert (frame["field"].str.rsplit("_", n=1).str[0] == frame["well"]).all()
    assert frame["field"].is_unique
    assert (frame.groupby(["well", "hour"]).size() == 2).all()
    assert frame["hour"].head(4).tolist() == [10.5, 10.5, 50, 50]
    classes = frame.groupby("clone")["efficient"].agg(["min", "max"])
    assert (classes["min"] == classes["max"]).all() and classes["min"].sum() == 2


def test_images_from_the_hour_of_washing_on_are_washed():
    for wash_hour, expected in ((0, [True, True]), (40, [False, True]), (41, [False, False])):
        frame = make_cultures(
            2, n_wells=1, n_fields=1, hours=(20, 40), wash_hour=wash_hour, size=32, random_state=0
        ).frame
        assert frame["washed"].tolist() == 2 * expected


def test_table_survives_parquet(tmp_path):
    frame = make_cultures(2, size=48, random_state=0).frame
    write_cells(frame, tmp_path / "cultures.parquet")
    assert read_cells(tmp_path / "cultures.parquet").equals(frame)


def test_an_int_repeats_and_the_global_generator_is_left_alone():
    state = np.random.get_state()[1].copy()
    first, again, other, free = (
        make_cultures(2, n_wells=1, hours=(40,), size=48, random_state=seed)
        for seed in (3, 3, 4, None)
    )
    assert first.frame.equals(again.frame)
    assert_array_equal(first.holes, again.holes)
    assert not first.frame.equals(other.frame)
    assert not first.frame.equals(free.frame)
    assert_array_equal(np.random.get_state()[1], state)


def test_the_law_is_the_same_in_images_of_any_size():
    small, large, fine = (
        make_cultures(4, n_wells=1, hours=(53,), size=s, pixel_size=p, random_state=0).frame
        for s, p in ((100, 1.0), ((140, 200), 1.0), (160, 0.5))
    )
    for other in (large, fine):
        assert_array_equal(other["efficient"], small["efficient"])
        assert_allclose(other["true_hole_fraction"], small["true_hole_fraction"], atol=1.1e-4)
    assert to_images(large).shape == (8, 1, 140, 200)


# The law


def test_best_scores_are_those_of_the_study():
    best = make_cultures(2, n_wells=1, n_fields=1, hours=(53, 24), size=32).best_balanced_accuracy
    assert best["hour"].tolist() == [53, 24]
    assert_allclose(best["image"], [0.967, 0.767])
    assert_array_equal(best["clone"], best["image"])


def test_the_class_grows_clearer_with_the_hours():
    hours = np.arange(0, 96, 6)
    best = make_cultures(2, n_fields=1, hours=hours, size=32).best_balanced_accuracy
    assert best["image"][0] == 0.5, "before the classes part"
    assert (np.diff(best["image"][1:]) > 0).all()
    assert (best["clone"] >= best["image"]).all()


@pytest.mark.slow
def test_the_true_holes_read_as_well_as_the_best_score_says():
    # Small images suffice, for only their share of holes is asked.
    frame = make_cultures(
        200, n_wells=1, n_fields=4, hours=(24, 53), size=40, random_state=0
    ).frame
    frame["holes"] = log_odds(frame["true_hole_fraction"]) - log_odds(0.04)
    for hour, best in ((24, 0.767), (53, 0.967)):
        images = frame[frame["hour"] == hour]
        score = balanced_accuracy_score(images["efficient"], images["holes"] < 0)
        assert score == pytest.approx(best, abs=3 * np.sqrt(best * (1 - best) / 600))
        clones = images.groupby("clone").agg({"efficient": "first", "holes": "mean"})
        score = balanced_accuracy_score(clones["efficient"], clones["holes"] < 0)
        best_of_four = norm.cdf(2 * norm.ppf(best))
        error = np.sqrt(best_of_four * (1 - best_of_four) / 150)
        assert score == pytest.approx(best_of_four, abs=3 * error)
        for efficient, holes in images.groupby("efficient")["holes"]:
            shift = (-1 if efficient else 1) * 0.35 * norm.ppf(best)
            assert holes.mean() == pytest.approx(shift, abs=3 * 0.35 / np.sqrt(300))
            assert holes.std() == pytest.approx(0.35, abs=0.04)


@pytest.mark.parametrize("effect", [0, 0.5])
def test_effect_moves_the_classes_apart(effect):
    cultures = make_cultures(2, n_fields=1, hours=(24, 53), effect=effect, size=32)
    expected = norm.cdf(effect * norm.ppf([0.767, 0.967]))
    assert_allclose(cultures.best_balanced_accuracy["image"], expected)


# The pictures


def test_holes_are_smooth_and_brighter_than_the_cells(cultures):
    images = to_images(cultures.frame)[:, 0].astype(float)
    rough = roughness(images)
    share = uniform_filter(cultures.holes.astype(float), (0, 9, 9))
    inside, layer = share > 0.999, share < 0.001
    for row in np.flatnonzero(cultures.frame["washed"] & (inside.sum(axis=(1, 2)) > 20)):
        hole, cells = inside[row], layer[row]
        assert np.median(rough[row][hole]) < 0.5 * np.median(rough[row][cells])
        assert images[row][hole].mean() > images[row][cells].mean()


def test_the_halo_is_brightest_at_the_edge_of_a_hole(cultures):
    images = to_images(cultures.frame)[:, 0].astype(float)
    washed = cultures.frame["washed"].to_numpy()
    images, holes = images[washed], cultures.holes[washed]
    depth = uniform_filter(holes.astype(float), (0, 7, 7))
    rim, middle = images[holes & (depth < 0.85) & (depth > 0.5)], images[depth > 0.999]
    beside = images[~holes & (depth > 0.3)]
    layer = images[depth == 0]
    assert rim.mean() > middle.mean() > layer.mean() > beside.mean()


def test_debris_is_bright_before_washing_and_rare_after(cultures):
    images = to_images(cultures.frame)[:, 0]
    bright = (images > 200).mean(axis=(1, 2))
    washed = cultures.frame["washed"].to_numpy()
    assert (bright[~washed] > 0).mean() > 0.9
    assert bright[washed].mean() < 0.15 * bright[~washed].mean()
    assert (images == 255).any(), "the largest pieces saturate the camera"
    assert (images == 0).mean() < 1e-3, "cells do not"


def test_light_is_uneven(cultures):
    images = to_images(cultures.frame)[:, 0].astype(float)
    halves = images[:, :, :128].mean(axis=(1, 2)) / images[:, :, 128:].mean(axis=(1, 2))
    assert 0.02 < np.std(halves) < 0.2


def test_clones_have_their_own_look(cultures):
    frame = cultures.frame
    chosen = frame["washed"].to_numpy()
    statistics = IntensityStatistics().fit_transform(to_images(frame)[chosen])
    contrast = pd.Series(np.log(statistics[:, 1]))
    within = contrast.groupby(frame["clone"][chosen].to_numpy()).std().mean()
    between = contrast.groupby(frame["clone"][chosen].to_numpy()).mean().std()
    assert between > 1.5 * within


def test_cells_are_as_wide_in_micrometres_at_any_pixel_size():
    widths = []
    for pixel_size, size in ((1.0, 200), (0.5, 400)):
        plan = {"n_wells": 1, "n_fields": 1, "hours": (53,), "random_state": 0}
        frame = make_cultures(12, size=size, pixel_size=pixel_size, **plan).frame
        spectrum = PowerSpectrum(scaling="spectrum", log=False, pixel_size=pixel_size)
        power = spectrum.fit_transform(PatchNormalizer().fit_transform(frame)).mean(axis=0)
        cells = (spectrum.frequencies_ > 0.03) & (spectrum.frequencies_ < 0.2)
        widths.append(1 / np.average(spectrum.frequencies_[cells], weights=power[cells]))
    assert 10 < widths[0] < 20
    assert widths[1] == pytest.approx(widths[0], rel=0.1)


# The class is structure, not brightness


@pytest.mark.slow
def test_mean_variance_and_entropy_say_next_to_nothing_of_an_unseen_clone(many):
    # Were all images of a clone always on one side, the score of 100 clones without any leak
    # would have a standard deviation of 0.05: 95 of 100 such data sets lie within 0.10 of 0.5.
    raw = IntensityStatistics().fit_transform(many.frame)
    normal = IntensityStatistics().fit_transform(PatchNormalizer().fit_transform(many.frame))
    for features in (raw, raw[:, :1], raw[:, 1:2], normal):
        assert by_unseen_clone(features, many.frame) == pytest.approx(0.5, abs=0.10)
    assert_allclose(normal[:, 0], 0, atol=1e-6)
    assert_allclose(normal[:, 1], 1, rtol=1e-4)


def test_the_power_spectrum_reads_the_class_in_part(many):
    normal = PatchNormalizer().fit_transform(many.frame)
    score = by_unseen_clone(PowerSpectrum().fit_transform(normal), many.frame)
    assert 0.61 < score < 0.9


def test_the_true_holes_read_the_class_of_an_unseen_clone(many):
    score = by_unseen_clone(np.log(many.frame[["true_hole_fraction"]]), many.frame)
    assert score == pytest.approx(0.967, abs=3 * np.sqrt(0.967 * 0.033 / len(many.frame)))


def test_who_looks_for_smooth_bright_spots_reads_most_of_it(many):
    images = to_images(many.frame)[:, 0].astype(float)
    rough = roughness(images)
    smooth = rough < 0.4 * np.median(rough, axis=(1, 2), keepdims=True)
    holes = smooth & (uniform_filter(images, (0, 7, 7)) > uniform_filter(images, (0, 61, 61)))
    share = binary_opening(holes, np.ones((1, 3, 3))).mean(axis=(1, 2))
    assert np.corrcoef(np.log(share + 0.002), np.log(many.frame["true_hole_fraction"]))[0, 1] > 0.8
    assert by_unseen_clone(np.log(share + 0.002)[:, np.newaxis], many.frame) > 0.85


# Bad input


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"size": 20}, r"size=20 is too small .* pixel_size=1.0 .* at least 30 pixels"),
        ({"size": 100, "pixel_size": 0.2}, "at least 150 pixels"),
        ({"size": (64, 64, 1)}, r"an int or a pair of ints .*found \(64, 64, 1\)"),
        ({"hours": ()}, r"hours must be one or more numbers between 0 and 96, found \(\)"),
        ({"hours": (24, 100)}, "between 0 and 96"),
        ({"hours": (24, 24.0)}, "hours must not hold an hour twice"),
        ({"hours": ["early"]}, "numbers between 0 and 96"),
        ({"hours": 24}, "'hours' parameter"),
        ({"n_clones": 1}, "'n_clones' parameter"),
        ({"pixel_size": 0}, "'pixel_size' parameter"),
        ({"effect": -1}, "'effect' parameter"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_cultures(**parameters)
