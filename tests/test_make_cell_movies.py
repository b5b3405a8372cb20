"""What make_cell_movies promises: a cell table, credible nuclei, and the best scores possible."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import spearmanr
from skimage.measure import regionprops
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch, check_random_state

from sklearn_cellfate import read_cells, to_movies, write_cells
from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.table import movie_column_names

FEATURES = [
    "cfp_mean",
    "cfp_std",
    "yfp_mean",
    "yfp_std",
    "fret",
    "intensity_sum",
    "major_axis_length",
    "minor_axis_length",
    "eccentricity",
    "equivalent_diameter",
    "perimeter",
    "area",
    "aspect_ratio",
]


@pytest.fixture(scope="module")
def many():
    """Many cells, of which two frames are enough."""
    return make_cell_movies(4000, max_frames=2, random_state=0)


@pytest.fixture(scope="module")
def lives():
    """Fewer cells, followed for their whole lives."""
    return make_cell_movies(300, random_state=0)


def masks_of(movie):
    return movie[:, 0] > 0


def ratios_of(movie):
    """Return the cell-wide FRET of each frame."""
    return movie[:, 1].sum(axis=(1, 2)) / movie[:, 0].sum(axis=(1, 2))


def last_over_first(lives, end, measure):
    """Return the median of `measure` in the last frame over the first, of cells that end so."""
    chosen = (lives.frame["end"] == end) & (lives.frame["lifetime"] >= 20)
    movies = to_movies(lives.frame[chosen])
    return np.median([measure(movie[-1:])[0] / measure(movie[:1])[0] for movie in movies])


def areas_of(movie):
    return masks_of(movie).sum(axis=(1, 2))


def brightness_of(movie):
    return movie.sum(axis=(1, 2, 3)) / areas_of(movie)


def eccentricities_of(movie):
    return [regionprops(mask.astype(int))[0].eccentricity for mask in masks_of(movie)]


# The table


def test_returns_a_cell_table_with_its_truth():
    cells = make_cell_movies(30, max_frames=12, random_state=0)
    assert isinstance(cells, Bunch)
    assert cells.feature_names == FEATURES
    assert cells.factor_names == ["true_erk", "true_radius", "true_orientation"]
    frame = cells.frame
    assert list(frame.columns) == [
        *["cell", "replicate", "field", "fate", "lifetime", "end"],
        *FEATURES,
        *["true_erk", "true_radius", "true_orientation", "true_fate_probability"],
        "movie",
    ]
    assert frame.index.equals(pd.RangeIndex(30))
    assert frame["fate"].dtype == frame["lifetime"].dtype == np.int64
    numbers = frame[FEATURES + cells.factor_names + ["true_fate_probability"]]
    assert (numbers.dtypes == np.float64).all() and np.isfinite(numbers).all(axis=None)
    assert movie_column_names(frame) == ["movie"]


def test_movies_are_as_long_as_the_cells_live(lives):
    movies = to_movies(lives.frame)
    assert [len(movie) for movie in movies] == lives.frame["lifetime"].tolist()
    assert {movie.shape[1:] for movie in movies} == {(2, 20, 20)}
    assert {movie.dtype for movie in movies} == {np.dtype(np.uint16)}


def test_table_survives_parquet(tmp_path):
    frame = make_cell_movies(6, max_frames=5, random_state=0).frame
    write_cells(frame, tmp_path / "cells.parquet")
    assert read_cells(tmp_path / "cells.parquet").equals(frame)


def test_cells_sit_in_fields_of_replicates():
    frame = make_cell_movies(95, max_frames=1, n_replicates=4, n_fields=5, random_state=0).frame
    assert frame["cell"].is_unique
    assert sorted(frame["replicate"].unique()) == ["r1", "r2", "r3", "r4"]
    assert frame["field"].nunique() == 20
    assert (frame["field"].str.split("_").str[0] == frame["replicate"]).all()
    assert (frame["cell"].str.rsplit("_", n=1).str[0] == frame["field"]).all()
    assert frame["field"].value_counts().between(4, 5).all()


def test_non_square_images():
    movie = to_movies(make_cell_movies(3, image_size=(18, 30), max_frames=5, random_state=0).frame)
    assert movie[0].shape == (5, 2, 18, 30)


def test_one_frame_and_two_cells_are_enough():
    frame = make_cell_movies(2, max_frames=1, n_replicates=1, n_fields=1, random_state=0).frame
    assert frame["lifetime"].tolist() == [1, 1]


# Fate, and how well it can be known


@pytest.mark.parametrize("fate_fraction", [0.17, 0.5])
def test_expected_fraction_divides(fate_fraction):
    frame = make_cell_movies(
        2000, image_size=15, max_frames=1, fate_fraction=fate_fraction, random_state=0
    ).frame
    assert set(frame["fate"]) == {0, 1}
    assert frame["fate"].mean() == pytest.approx(fate_fraction, abs=0.03)
    assert frame["true_fate_probability"].mean() == pytest.approx(fate_fraction, abs=0.02)


def test_log_odds_are_linear_in_erk_and_size(many):
    frame = many.frame
    factors = np.column_stack([logit(frame["true_erk"]), np.log(frame["true_radius"])])
    log_odds = logit(frame["true_fate_probability"])
    model = LinearRegression().fit(StandardScaler().fit_transform(factors), log_odds)
    assert model.coef_ == pytest.approx([2.0, 1.5], rel=0.05)
    assert model.predict(StandardScaler().fit_transform(factors)) == pytest.approx(log_odds)


@pytest.mark.parametrize(
    "effect, fate_fraction", [((2.0, 1.5), 0.17), ((-1.0, 0.5), 0.4), ((0.0, 3.0), 0.05)]
)
def test_best_scores_are_those_of_fates_drawn_anew(effect, fate_fraction):
    cells = make_cell_movies(
        2, max_frames=1, effect=effect, fate_fraction=fate_fraction, random_state=0
    )
    rng = np.random.default_rng(1)
    log_odds = rng.standard_normal((400_000, 2)) @ effect
    low, high = -30.0, 30.0
    for _ in range(50):
        intercept = (low + high) / 2
        too_many = expit(log_odds + intercept).mean() > fate_fraction
        low, high = (low, intercept) if too_many else (intercept, high)
    probability = expit(log_odds + intercept)
    fate = rng.random(len(probability)) < probability
    assert cells.best_auc == pytest.approx(roc_auc_score(fate, probability), abs=0.005)
    assert cells.best_balanced_accuracy == pytest.approx(
        balanced_accuracy_score(fate, probability > fate_fraction), abs=0.005
    )


def test_best_scores_hold_for_the_cells_at_hand(many):
    probability = np.repeat(many.frame["true_fate_probability"].to_numpy(), 25)
    fate = np.random.default_rng(0).random(len(probability)) < probability
    assert many.best_auc == pytest.approx(roc_auc_score(fate, probability), abs=0.015)
    assert many.best_balanced_accuracy == pytest.approx(
        balanced_accuracy_score(fate, probability > 0.17), abs=0.015
    )


def test_default_task_is_neither_trivial_nor_hopeless(many):
    assert 0.80 <= many.best_balanced_accuracy <= 0.85


def test_without_effect_fate_is_chance():
    cells = make_cell_movies(20, max_frames=1, effect=(0, 0), random_state=0)
    assert cells.best_balanced_accuracy == pytest.approx(0.5)
    assert cells.best_auc == pytest.approx(0.5)
    assert cells.frame["true_fate_probability"].to_numpy() == pytest.approx(0.17)


def test_measured_ratio_and_size_come_near_the_best(many):
    X, y = np.log(many.frame[["fret", "area"]]), many.frame["fate"]
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    score = balanced_accuracy_score(y, cross_val_predict(model, X, y))
    assert score >= 0.93 * many.best_balanced_accuracy


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")),
        RandomForestClassifier(40, min_samples_leaf=20, class_weight="balanced", random_state=0),
    ],
    ids=["linear", "forest"],
)
def test_nothing_beats_the_best(many, model):
    X, y = many.frame[many.feature_names + many.factor_names], many.frame["fate"]
    score = cross_val_predict(model, X, y, method="predict_proba")[:, 1]
    # Three standard errors of 4000 cells, 680 of which divide.
    assert roc_auc_score(y, score) <= many.best_auc + 0.02
    assert balanced_accuracy_score(y, score > 0.5) <= many.best_balanced_accuracy + 0.03


def test_fate_shows_only_through_erk_and_size(many):
    """Given its probability, nothing measured in the first frame tells of a cell's fate."""
    surprise = many.frame["fate"] - many.frame["true_fate_probability"]
    for name in many.feature_names:
        assert abs(np.corrcoef(many.frame[name], surprise)[0, 1]) < 0.06, name


# What the pixels show


def test_ratio_shows_erk_and_area_shows_radius(many):
    frame = many.frame
    assert spearmanr(frame["fret"], frame["true_erk"])[0] > 0.9
    assert spearmanr(frame["area"], frame["true_radius"])[0] > 0.9
    # 1.24 micrometres a pixel
    radius = 1.24 * np.sqrt(frame["area"] / np.pi)
    assert np.median(radius / frame["true_radius"]) == pytest.approx(1, abs=0.02)


def test_features_are_measured_on_the_first_frame(lives):
    for i in (0, 1, 2):
        row, image = lives.frame.iloc[i], to_movies(lives.frame)[i][0]
        nucleus = image[0] > 0
        cfp, yfp = image[0][nucleus], image[1][nucleus]
        assert row["area"] == nucleus.sum()
        assert row["cfp_mean"] == pytest.approx(cfp.mean())
        assert row["yfp_std"] == pytest.approx(yfp.std())
        assert row["fret"] == pytest.approx(yfp.mean() / cfp.mean())
        assert row["intensity_sum"] == pytest.approx(image.sum())
        region = regionprops(nucleus.astype(int))[0]
        assert row["perimeter"] == pytest.approx(region.perimeter)
        assert row["eccentricity"] == pytest.approx(region.eccentricity)
        assert row["equivalent_diameter"] == pytest.approx(region.equivalent_diameter_area)
        assert row["major_axis_length"] == pytest.approx(region.axis_major_length)
        assert row["minor_axis_length"] == pytest.approx(region.axis_minor_length)
        assert row["aspect_ratio"] == pytest.approx(
            region.axis_major_length / region.axis_minor_length
        )


def test_orientation_is_that_of_the_first_mask(lives):
    long = lives.frame[lives.frame["aspect_ratio"] > 1.25]
    seen = [
        regionprops(masks_of(movie)[0].astype(int))[0].orientation for movie in to_movies(long)
    ]
    apart = (seen - long["true_orientation"] + np.pi / 2) % np.pi - np.pi / 2
    assert np.median(np.abs(apart)) < 0.1


def test_orientation_has_nothing_to_do_with_fate(many):
    twice = 2 * many.frame["true_orientation"]
    for direction in (np.cos(twice), np.sin(twice)):
        assert abs(spearmanr(direction, many.frame["true_fate_probability"])[0]) < 0.06


def test_replicates_differ_in_brightness_but_not_in_ratio(many):
    medians = many.frame.groupby("replicate")[["cfp_mean", "yfp_mean", "fret"]].median()
    assert medians["cfp_mean"].max() / medians["cfp_mean"].min() > 1.5
    assert medians["yfp_mean"].max() / medians["yfp_mean"].min() > 1.5
    assert medians["fret"].max() / medians["fret"].min() < 1.03


def test_background_is_zero_and_the_nucleus_is_not():
    kept = {"max_frames": 30, "random_state": 0}
    masked = np.concatenate(to_movies(make_cell_movies(40, **kept).frame))
    raw = np.concatenate(to_movies(make_cell_movies(40, masked=False, **kept).frame))
    nucleus = masked[:, 0] > 0
    assert (nucleus == (masked[:, 1] > 0)).all()
    assert nucleus.any(axis=(1, 2)).all()
    assert (raw > 0).all()
    # The nucleus is the same with and without its background, which is much darker.
    assert (raw * nucleus[:, np.newaxis] == masked).all()
    assert 0 < np.median(raw[:, 0][~nucleus]) < 0.1 * np.median(raw[:, 0][nucleus])


def test_photon_noise_makes_pixels_of_a_flat_ratio_scatter(lives):
    """Both channels carry the same texture, so what scatters in the ratio is noise."""
    scatter = []
    for movie in to_movies(lives.frame)[:50]:
        cfp, yfp = (channel[masks_of(movie)[0]].astype(float) for channel in movie[0])
        scatter.append(np.std(yfp / cfp) / np.mean(yfp / cfp))
        assert np.corrcoef(cfp, yfp)[0, 1] > 0.5
    assert 0.03 < np.median(scatter) < 0.15


# Lives


def test_ends_and_lifetimes_agree_with_fates(lives):
    frame = lives.frame
    assert set(frame["end"]) == {"mitosis", "death", "censored"}
    assert ((frame["end"] == "mitosis") == (frame["fate"] == 1)).all()
    assert (frame.loc[frame["end"] == "censored", "lifetime"] == 100).all()
    assert frame["lifetime"].between(5, 100).all()


def test_many_divisions_are_early():
    frame = make_cell_movies(600, image_size=15, fate_fraction=0.5, random_state=0).frame
    dividing = frame.loc[frame["fate"] == 1, "lifetime"]
    assert dividing.median() < 35
    assert (dividing < 15).mean() > 0.2
    assert dividing.max() > 60


def test_cells_round_up_and_brighten_before_mitosis(lives):
    assert last_over_first(lives, "mitosis", eccentricities_of) < 0.8
    assert last_over_first(lives, "mitosis", brightness_of) > 1.3
    assert last_over_first(lives, "censored", eccentricities_of) == pytest.approx(1, abs=0.1)


def test_cells_grow_and_dying_ones_shrink_and_brighten(lives):
    assert 1.1 < last_over_first(lives, "censored", areas_of) < 1.4
    assert last_over_first(lives, "censored", brightness_of) == pytest.approx(1, abs=0.1)
    assert last_over_first(lives, "death", areas_of) < 0.6
    assert last_over_first(lives, "death", brightness_of) > 1.4


def test_erk_pulses_come_more_often_where_the_baseline_is_high(lives):
    frame = lives.frame[lives.frame["lifetime"] >= 50]
    ratios = [ratios_of(movie) for movie in to_movies(frame)]
    rises = [np.mean(np.diff(ratio) > 0.1) for ratio in ratios]
    assert np.mean(rises) > 0.05
    assert spearmanr(rises, frame["true_erk"])[0] > 0.3
    assert np.mean([ratio.max() > ratio[0] + 0.1 for ratio in ratios]) > 0.9


# Repeatability


def test_same_seed_same_bits_and_another_seed_others():
    def make(random_state):
        return make_cell_movies(12, max_frames=6, random_state=random_state).frame

    assert make(3).equals(make(3))
    assert make(3).equals(make(np.random.RandomState(3)))
    assert not make(3).equals(make(4))
    assert not make(None).equals(make(None))


@pytest.mark.parametrize("random_state", [None, 0])
def test_global_generator_is_left_alone(random_state):
    global_generator = check_random_state(None)
    before = global_generator.get_state(legacy=False)["state"]
    make_cell_movies(3, max_frames=2, random_state=random_state)
    after = global_generator.get_state(legacy=False)["state"]
    assert (before["key"] == after["key"]).all() and before["pos"] == after["pos"]


def test_the_same_cells_in_finer_images_and_more_frames():
    coarse = make_cell_movies(20, max_frames=5, random_state=0).frame
    fine = make_cell_movies(20, image_size=60, pixel_size=0.41, max_frames=9, random_state=0).frame
    same = ["cell", "fate", "end", "true_erk", "true_radius", "true_fate_probability"]
    assert coarse[same].equals(fine[same])
    area_ratio = fine["area"].sum() / coarse["area"].sum()
    assert area_ratio == pytest.approx((1.24 / 0.41) ** 2, rel=0.1)


# Refusals


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"n_cells": 1}, r"'n_cells'.*\[2, inf\).*Got 1"),
        ({"n_cells": 2.5}, r"'n_cells'.*int.*Got 2.5"),
        ({"image_size": 14}, "image_size=14 is too small .* at least 15 pixels"),
        ({"image_size": (20, 9)}, "image_size=.*too small"),
        ({"image_size": (20, 20, 2)}, r"image_size must be .* found \(20, 20, 2\)"),
        ({"image_size": "20"}, "'image_size'.*Got '20'"),
        ({"pixel_size": 3.0}, "'pixel_size'.*Got 3.0"),
        ({"max_frames": 0}, "'max_frames'.*Got 0"),
        ({"n_replicates": 0}, "'n_replicates'.*Got 0"),
        ({"n_fields": 0}, "'n_fields'.*Got 0"),
        ({"fate_fraction": 0.0}, "'fate_fraction'.*Got 0.0"),
        ({"fate_fraction": 1.0}, "'fate_fraction'.*Got 1.0"),
        ({"effect": (1.0,)}, r"effect must be two finite numbers.* found \(1.0,\)"),
        ({"effect": (1.0, np.nan)}, "effect must be two finite numbers"),
        ({"effect": ("a", "b")}, "effect must be two finite numbers"),
        ({"masked": "yes"}, "'masked'.*Got 'yes'"),
        ({"random_state": "seed"}, "'random_state'.*Got 'seed'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_cell_movies(**arguments)
