"""Time courses, how early a fate can be called, and calls that may say "not sure yet"."""

import builtins

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.compose import make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    balanced_accuracy_score,
    brier_score_loss,
    make_scorer,
    precision_score,
    recall_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    ShuffleSplit,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils import Bunch

from sklearn_cellfate import movie_column, to_images
from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.feature_extraction import (
    IntensityStatistics,
    PixelFeatures,
    RegionProperties,
)
from sklearn_cellfate.inspection import TimeCourseDisplay
from sklearn_cellfate.model_selection import (
    compare_estimators,
    how_early,
    predict_or_abstain,
    time_course,
)
from sklearn_cellfate.neural_network import AAEClassifier
from sklearn_cellfate.preprocessing import FRETRatio, RelativeTimeSampler

PIXELS = make_pipeline(PixelFeatures(), LogisticRegression())


def growing_signal(n_cells=600, n_frames=11, strength=0.2, seed=0, lengths=None):
    """Movies of one pixel: noise, and in class "divides" a signal that grows with every frame.

    The best possible area under the ROC curve at frame t is that of two normal distributions
    ``strength * t`` apart.
    """
    rng = np.random.default_rng(seed)
    divides = np.arange(n_cells) % 2 == 1
    lengths = np.full(n_cells, n_frames) if lengths is None else lengths
    signal = strength * np.arange(n_frames) * divides[:, None]
    pixels = signal + rng.normal(size=(n_cells, n_frames))
    movies = [row[:length, None, None, None] for row, length in zip(pixels, lengths)]
    cells = pd.DataFrame(
        {
            "donor": np.array(["a", "b", "c", "d"])[rng.permutation(n_cells) % 4],
            "movie": movie_column(movies),
        }
    )
    return cells, np.where(divides, "divides", "dies")


def best_auc(frames, strength=0.2):
    return stats.norm.cdf(strength * np.asarray(frames) / np.sqrt(2))


# The course -------------------------------------------------------------------------------------


@pytest.mark.parametrize("models", ["per_time", "shared"])
def test_the_course_is_the_best_possible_one(models):
    cells, y = growing_signal()
    course = time_course(PIXELS, cells, y, groups=cells["donor"], models=models)
    means = course.summary["mean"].xs("roc_auc", level="metric")["estimator"]
    assert_allclose(means.index, np.linspace(0, 1, 11))
    # 600 cells: the standard error of an area is about 0.02, and less near 1.
    assert_allclose(means, best_auc(range(11)), atol=0.06)
    assert means.iloc[-1] > 0.88 and abs(means.iloc[0] - 0.5) < 0.06


def test_fate_without_a_law_shows_only_at_its_end():
    # With effect (0, 0) the first frame knows nothing; before mitosis a nucleus gets round.
    cells = make_cell_movies(150, max_frames=48, fate_fraction=0.4, effect=(0, 0), random_state=0)
    model = make_pipeline(RegionProperties(), StandardScaler(), LogisticRegression(max_iter=1000))
    frame = cells.frame
    course = time_course(
        model, frame, frame["fate"], groups=frame["replicate"], times=[0, 1], scoring="roc_auc"
    )
    birth, end = course.summary["mean"]
    assert cells.best_auc == pytest.approx(0.5)
    assert abs(birth - 0.5) < 0.15 and end > 0.95


def test_scores_of_one_time_are_those_of_compare_estimators():
    cells, y = growing_signal(120)
    course = time_course(PIXELS, cells, y, groups=cells["donor"], times=[0.0, 0.7])
    sampled = RelativeTimeSampler([0.7]).fit_transform(cells)
    alone = compare_estimators({"estimator": PIXELS}, sampled, y, groups=cells["donor"])
    at_70 = course.scores.query("time == 0.7").reset_index(drop=True)
    times = ["fit_time", "score_time"]
    assert at_70.drop(columns=["time", *times]).equals(alone.scores.drop(columns=times))
    held_out = course.predictions.query("time == 0.7").reset_index(drop=True)
    assert held_out.drop(columns="time").equals(alone.predictions)


def test_movies_that_have_ended_fall_out_and_are_counted():
    lengths = np.where(np.arange(200) % 5 == 0, 4, 11)
    cells, y = growing_signal(200, lengths=lengths)
    course = time_course(PIXELS, cells, y, unit="hours", frame_interval=0.5, times=[1.5, 2, 5])
    assert_array_equal(course.counts["n"], [200, 160, 160])
    assert_array_equal(course.counts["n_ended"], [0, 40, 40])
    assert_array_equal(course.counts["n_divides"], [100, 80, 80])
    scored = course.predictions.groupby("time")["row"].apply(set)
    assert scored[2.0] == set(np.flatnonzero(lengths == 11)) and len(scored[1.5]) == 200
    # A cell is held out in the same fold at all times.
    folds = course.predictions.groupby("row")["fold"].nunique()
    assert (folds == 1).all()


def test_absolute_times_show_the_frame_last_seen():
    seen = {}

    class Noter(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            assert list(X.columns) == ["movie", "trace"]
            found = to_images(X[["movie"]])[:, 0, 0, 0]
            assert_array_equal(found, X["trace"])
            seen.setdefault(len(seen), dict(zip(X.index, found.astype(int))))
            return np.repeat(self.classes_[0], len(X))

    numbers = [[3, 4, 7, 8], [10, 11, 12, 13, 14, 15]] * 4
    cells = pd.DataFrame(
        {
            "movie": movie_column([np.reshape(row, (-1, 1, 1)) for row in numbers]),
            "trace": numbers,
            "frames": numbers,
        }
    )
    half = [(np.arange(4), np.arange(4, 8))]
    with pytest.warns(UserWarning, match="no fold defines roc_auc"):
        time_course(
            Noter(),
            cells,
            list("aabbaabb"),
            unit="frames",
            times=[0, 3, 4],
            frames="frames",
            cv=half,
        )
    # Rows 4, 6 start at frame 3 and lack 5 and 6, rows 5, 7 start at 10.
    assert seen == {
        0: {4: 3, 5: 10, 6: 3, 7: 10},
        1: {4: 4, 5: 13, 6: 4, 7: 13},
        2: {4: 7, 5: 14, 6: 7, 7: 14},
    }


def test_default_absolute_times_span_the_longest_movie():
    cells, y = growing_signal(60, n_frames=7)
    course = time_course(PIXELS, cells, y, unit="hours", frame_interval=2, times=4)
    assert_array_equal(course.times, [0, 4, 8, 12])


def test_times_at_which_a_class_has_gone_are_named():
    cells, y = growing_signal(100, lengths=np.where(np.arange(100) % 2, 5, 11))
    with pytest.warns(
        UserWarning, match=r"at 1 of 3 times \(6.0, frames\) no fold has every class"
    ):
        course = time_course(PIXELS, cells, y, unit="frames", times=[0, 4, 6])
    assert set(course.scores["time"]) == {0, 4}
    assert course.counts.loc[6, "n_divides"] == 0
    with pytest.raises(ValueError, match="no fold has every class to train on .* 6.0, 7.0"):
        time_course(PIXELS, cells, y, unit="frames", times=[6, 7])


def test_a_shared_model_is_trained_on_all_times_of_training_cells():
    class Counter(ClassifierMixin, BaseEstimator):
        def fit(self, X, y, groups=None):
            self.classes_, self.n_, self.groups_ = np.unique(y), len(X), groups
            return self

        def predict(self, X):
            return np.repeat(self.classes_[0], len(X))

    def n_rows(model, X, y):
        return model.n_

    def most_of_one_group(model, X, y):
        return np.bincount(model.groups_).max()

    scoring = {"n": n_rows, "most": most_of_one_group}
    cells, y = growing_signal(100)
    course = time_course(
        Counter(), cells, y, models="shared", times=3, cv=5, scoring=scoring, random_state=0
    )
    values = course.scores.pivot(index=["time", "fold"], columns="metric", values="value")
    assert (values["n"] == 240).all() and (values["most"] == 3).all()
    assert (course.scores["n_train"] == 240).all() and (course.scores["n_test"] == 20).all()


@pytest.mark.slow
def test_several_estimators_and_jobs():
    cells, y = growing_signal(60)
    search = GridSearchCV(PIXELS, {"logisticregression__C": [1e-3]}, cv=2)
    models = {"pixels": PIXELS, "search": search}
    one, two = (
        time_course(models, cells, y, times=[0, 1], cv=3, random_state=0, n_jobs=n) for n in (1, 2)
    )
    times = ["fit_time", "score_time"]
    assert one.scores.drop(columns=times).equals(two.scores.drop(columns=times))
    assert one.predictions.equals(two.predictions)
    assert one.baseline == "pixels"
    assert set(one.differences.index.get_level_values("estimator")) == {"search"}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"X": np.zeros((40, 5, 8, 8))}, "must be a cell table .* found a ndarray"),
        ({"X": pd.DataFrame({"area": np.ones(40)})}, "at least one movie column"),
        ({"unit": "days"}, "unit must be one of 'relative', 'frames', 'hours', found 'days'"),
        ({"unit": "hours"}, "needs frame_interval, the hours between two frames, found None"),
        ({"frame_interval": 2.0}, "frame_interval is for unit='hours', found unit='relative'"),
        ({"times": [0, 1.5]}, "fractions from 0 to 1"),
        ({"times": [-1.0], "unit": "frames"}, "0 or more"),
        ({"times": [1, 1], "unit": "frames"}, "differ from each other"),
        ({"times": 0, "unit": "frames"}, "times must be 1 or more, found 0"),
        ({"models": "both"}, 'models must be "per_time" or "shared", found \'both\''),
        ({"y": np.repeat("dies", 40)}, "at least two classes"),
        ({"groups": np.repeat("a", 40)}, "all rows belong to one group, 'a'"),
        ({"groups": np.repeat(["a", "b"], [39, 1])[::-1]}, None),
        ({"frames": "frame"}, "no column 'frame'"),
    ],
)
def test_bad_input_is_named(changes, message):
    cells, y = growing_signal(40)
    good = {"estimator": PIXELS, "X": cells, "y": y}
    if message is None:
        message = "no row of class|holds every row"
        good["y"] = np.where(np.arange(40) == 0, "divides", "dies")
    with pytest.raises(ValueError, match=message):
        time_course(**good | changes)


def test_a_cell_without_times_is_named():
    cells, y = growing_signal(40, n_frames=4)
    cells["trace"] = [[1.0, 2.0, 3.0, 4.0]] * 39 + [[]]
    with pytest.raises(ValueError, match="1 of 40 rows have no frame in column 'trace'.*row 39"):
        time_course(PIXELS, cells, y)
    cells["trace"] = [[1.0, 2.0, 3.0, 4.0]] * 39 + [[1.0]]
    with pytest.raises(ValueError, match="row 39 has 4 frames in column 'movie' but 1 in column"):
        time_course(PIXELS, cells, y, unit="frames")


# How early --------------------------------------------------------------------------------------


def course_of(probabilities, y, folds, times):
    """Build a course by hand: probabilities of shape (n_times, n)."""
    n = len(y)
    table = pd.DataFrame(
        {
            "estimator": "model",
            "time": np.repeat(times, n),
            "fold": np.tile(folds, len(times)),
            "repeat": 0,
            "row": np.tile(np.arange(n), len(times)),
            "probability_1": np.ravel(probabilities),
        }
    )
    return Bunch(
        predictions=table,
        times=np.asarray(times),
        y=np.asarray(y),
        groups=None,
        unit="hours",
        classes=np.array([0, 1]),
        pos_label=1,
    )


def test_the_threshold_comes_from_the_other_fold():
    # In fold 1 the probability 0.6 is always right, so it calls at 0.6 in fold 0, where it is
    # right once in two; in fold 0 only 0.9 is right, so it calls nothing in fold 1.
    y = np.array([1, 1, 0, 0, 1, 1, 0, 0])
    p = [0.9, 0.6, 0.6, 0.1, 0.6, 0.6, 0.3, 0.1]
    course = course_of([p], y, np.repeat([0, 1], 4), [6.0])
    early = how_early(course, precision=0.9, coverage=0.25, random_state=0)
    row = early.table.iloc[0]
    assert (row["threshold_low"], row["threshold_high"]) == (0.6, 0.9)
    assert (row["n_called"], row["n_right"]) == (3, 2)
    assert row["precision"] == pytest.approx(2 / 3) and row["coverage"] == 2 / 4
    # Chosen on all eight cells, a threshold of 0.9 would have promised a precision of 1.
    assert np.isinf(early.first.loc["model", "time"])
    assert how_early(course, precision=0.6, coverage=0.5).first.loc["model", "time"] == 6


def test_the_first_of_the_times_and_never():
    rng = np.random.default_rng(0)
    y, folds = np.arange(400) % 2, np.arange(400) // 100
    strengths = [0, 0.5, 1, 3, 6]
    p = [1 / (1 + np.exp(-(s * (y - 0.5) * 2 + rng.normal(size=400)))) for s in strengths]
    course = course_of(p, y, folds, [0, 6, 12, 18, 24])
    early = how_early(course, precision=0.95, coverage=0.8, random_state=0)
    assert early.first.loc["model"].tolist() == [18, 18, 18, 0]
    assert early.table["reached"].tolist() == [False, False, False, True, True]
    # Once classes lie 6 standard deviations apart every call is right, and most are called.
    assert early.table["precision"].iloc[3] == 1 and early.table["coverage"].iloc[3] > 0.9
    nothing = course_of(p[:1], y, folds, [0])
    never = how_early(nothing, precision=0.95, coverage=0.3, random_state=0).first.loc["model"]
    assert np.isinf(never["time"]) and never["never"] > 0.95
    repeated = how_early(course, precision=0.95, coverage=0.8, random_state=0)
    pd.testing.assert_frame_equal(early.table, repeated.table)


def test_the_order_of_rows_folds_and_repeats_is_nothing():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(200) % 2)
    folds = rng.permutation(np.arange(200) % 4)
    p = [1 / (1 + np.exp(-(s * (y - 0.5) * 2 + rng.normal(size=200)))) for s in (1, 2)]
    course = course_of(p, y, folds, [0, 6])
    expected = how_early(course, precision=0.9, coverage=0.6, random_state=0)
    assert expected.table["reached"].tolist() == [False, True]
    again = course["predictions"].assign(repeat=1)
    shuffled = pd.concat([course["predictions"], again]).sample(frac=1, random_state=0)
    course["predictions"] = shuffled
    found = how_early(course, precision=0.9, coverage=0.6, random_state=0)
    pd.testing.assert_frame_equal(found.table, expected.table)
    pd.testing.assert_frame_equal(found.first, expected.first)


def test_cells_that_have_ended_count_as_not_called():
    y, folds = np.tile([0, 1], 20), np.arange(40) // 10
    course = course_of([y, y], y, folds, [0.0, 5.0])
    gone = (course.predictions["time"] == 5) & (course.predictions["row"] % 4 == 1)
    course["predictions"] = course.predictions[~gone]
    table = how_early(course, random_state=0).table
    assert_allclose(table["precision"], [1, 1])
    assert_allclose(table["coverage"], [1, 0.5])


def test_how_early_on_movies():
    cells, y = growing_signal(400, strength=0.4)
    course = time_course(PIXELS, cells, y, groups=cells["donor"], random_state=0)
    early = how_early(course, precision=0.9, coverage=0.5, random_state=0)
    # Calling above c gives the precision (1 - F(c - d)) / (2 - F(c - d) - F(c)); with half of the
    # cells called, c = d, it is 0.9 where 1 - F(d) = 1 / 18, at d = 1.59, which is frame 4. It
    # takes a little more to be sure of it.
    assert early.label == "divides" and early.first.loc["estimator", "time"] in (0.4, 0.5, 0.6)
    other = how_early(course, precision=0.9, coverage=0.5, label="dies", random_state=0)
    assert other.first.loc["estimator", "time"] in (0.4, 0.5, 0.6)


def test_what_how_early_refuses():
    cells, y = growing_signal(60)
    course = time_course(PIXELS, cells, y, times=[0, 1])
    for wrong in ({"coverage": 0}, {"coverage": 1.2}, {"precision": 90}):
        with pytest.raises(ValueError, match=f"'{next(iter(wrong))}' parameter of how_early"):
            how_early(course, **wrong)
    with pytest.raises(ValueError, match="label='lives' is none of the classes 'dies', 'divides'"):
        how_early(course, label="lives")
    svm = time_course(make_pipeline(PixelFeatures(), LinearSVC()), cells, y, times=[0, 1])
    with pytest.raises(ValueError, match="needs probabilities, which estimator 'estimator'"):
        how_early(svm)
    shuffled = time_course(PIXELS, cells, y, times=[0], cv=ShuffleSplit(1, random_state=0))
    with pytest.raises(ValueError, match="two folds or more in each repeat, but repeat 0 has one"):
        how_early(shuffled)


# Not sure yet -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def first_frames():
    """Simulated cells at birth, as images, with their fates in words."""
    cells = make_cell_movies(900, max_frames=5, fate_fraction=0.4, random_state=0)
    table = RelativeTimeSampler([0.0]).fit_transform(cells.frame[["replicate", "movie"]])
    return table, np.where(cells.frame["fate"] == 1, "divides", "dies")


def logistic(**kwargs):
    return make_pipeline(
        IntensityStatistics(**kwargs), StandardScaler(), LogisticRegression(max_iter=1000)
    )


def test_the_promised_coverage_is_kept(first_frames):
    pytest.importorskip("mapie")
    table, y = first_frames
    model = logistic().fit(table[:300], y[:300])
    rng = np.random.default_rng(0)
    kept, sure, right = [], [], []
    for _ in range(25):
        calibration, new = np.split(300 + rng.permutation(600), [300])
        said = predict_or_abstain(
            model, table.iloc[calibration], y[calibration], table.iloc[new], confidence_level=0.9
        )
        held = said[["may_be_dies", "may_be_divides"]].to_numpy()
        kept.append(held[np.arange(300), (y[new] == "divides").astype(int)].mean())
        is_sure = (said["prediction"] != "not sure yet").to_numpy()
        sure.append(is_sure.mean())
        right.append((said["prediction"] == y[new])[is_sure].mean())
    # Between 0.9 and 0.9 + 1 / 301, plus what 25 draws leave of chance.
    assert 0.885 < np.mean(kept) < 0.92
    # Sure ones are right more often than the classifier that must always answer.
    assert 0.3 < np.mean(sure) < 0.95
    assert np.mean(right) > (model.predict(table[300:]) == y[300:]).mean()


def test_the_set_is_that_of_the_definition():
    pytest.importorskip("mapie")

    class Given(ClassifierMixin, BaseEstimator):
        classes_ = np.array(["a", "b"])

        def fit(self, X=None, y=None):
            self.is_fitted_ = True
            return self

        def predict_proba(self, X):
            return np.column_stack([1 - X[:, 0], X[:, 0]])

    # Nine true classes have probabilities 0.1 ... 0.9; of ten the ninth worst counts: 1 - 0.2.
    p = np.arange(1, 10)[:, None] / 10
    new = np.array([[0.05], [0.5], [0.79], [0.85]])
    y = np.repeat("b", 9)
    y[4] = "a"  # of probability 0.5 either way
    said = predict_or_abstain(Given().fit(), p, y, new, confidence_level=0.8)
    assert said["prediction"].tolist() == ["a", "not sure yet", "not sure yet", "b"]


def test_mapie_takes_our_estimators_directly(first_frames):
    classification = pytest.importorskip("mapie.classification")
    table, y = first_frames
    images = table[["movie_0%"]]
    rows = to_images(images).reshape(len(images), -1)
    is_true = (y == "divides").astype(int)
    forms = {"table": (images.iloc, {}), "rows": (rows, {"image_shape": (2, 20, 20)})}
    for X, kwargs in forms.values():
        fitted = logistic(**kwargs).fit(X[:300], y[:300])
        split = classification.SplitConformalClassifier(fitted, confidence_level=0.9)
        _, sets = split.conformalize(X[300:600], y[300:600]).predict_set(X[600:])
        assert 0.84 < sets[np.arange(300), is_true[600:], 0].mean() < 0.96
        cross = classification.CrossConformalClassifier(
            logistic(**kwargs), confidence_level=0.9, cv=3
        )
        _, sets = cross.fit_conformalize(X[:600], y[:600]).predict_set(X[600:])
        assert 0.84 < sets[np.arange(300), is_true[600:], 0].mean() < 0.97


@pytest.mark.slow
def test_a_network_in_a_pipeline_abstains_and_is_calibrated(first_frames):
    pytest.importorskip("mapie")
    table, y = first_frames
    network = AAEClassifier(
        latent_dim=2, pretrain_epochs=1, max_epochs=4, lr=0.005, batch_size=64, random_state=0
    )
    columns = make_column_transformer((make_pipeline(FRETRatio(), network), ["movie_0%"]))
    model = make_pipeline(columns, StandardScaler(), LogisticRegression()).fit(
        table[:300], y[:300]
    )
    said = predict_or_abstain(model, table[300:600], y[300:600], table[600:])
    held = said[["may_be_dies", "may_be_divides"]].to_numpy()
    assert 0.84 < held[np.arange(300), (y[600:] == "divides").astype(int)].mean() < 0.96
    assert said.index.equals(table.index[600:])

    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(table[300:600], y[300:600])
    fate = y[600:] == "divides"
    mean = calibrated.predict_proba(table[600:])[:, 1].mean()
    assert abs(mean - fate.mean()) < 0.08
    tuned = TunedThresholdClassifierCV(
        FrozenEstimator(model), cv="prefit", refit=False, scoring="balanced_accuracy"
    )
    tuned.fit(table[300:600], y[300:600])
    assert set(tuned.predict(table[600:])) == {"dies", "divides"}


def test_what_predict_or_abstain_refuses(first_frames, monkeypatch):
    pytest.importorskip("mapie")
    table, y = first_frames
    model = logistic().fit(table[:300], y[:300])
    with pytest.raises(ValueError, match="0.99 needs at least 100 calibration rows, found 60"):
        predict_or_abstain(model, table[:60], y[:60], table, confidence_level=0.99)
    with pytest.raises(
        ValueError, match="has 'flies', but the classifier knows 'dies', 'divides'"
    ):
        predict_or_abstain(model, table[:60], np.where(y[:60] == "dies", "flies", y[:60]), table)
    with pytest.raises(ValueError, match="unsure='dies' is a class too"):
        predict_or_abstain(model, table[300:600], y[300:600], table, unsure="dies")
    with pytest.raises(ValueError, match="'confidence_level' parameter"):
        predict_or_abstain(model, table[:60], y[:60], table, confidence_level=90)
    svm = make_pipeline(IntensityStatistics(), LinearSVC()).fit(table[:300], y[:300])
    with pytest.raises(ValueError, match="needs probabilities, which Pipeline does not"):
        predict_or_abstain(svm, table[300:600], y[300:600], table)

    found = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("mapie"):
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r'pip install "sklearn-cellfate\[conformal\]"'):
        predict_or_abstain(model, table[:60], y[:60], table)


# Thresholds and calibration by scikit-learn -----------------------------------------------------


def test_a_threshold_is_tuned_for_precision(first_frames):
    table, y = first_frames
    train, test = slice(0, 600), slice(600, 900)

    def recall_at_precision(y_true, y_pred, pos_label="divides"):
        precision = precision_score(y_true, y_pred, pos_label=pos_label, zero_division=0.0)
        return recall_score(y_true, y_pred, pos_label=pos_label) * (precision >= 0.85)

    scorer = make_scorer(recall_at_precision, pos_label="divides")
    # Groups go to the splitter by metadata routing, or as folds made beforehand.
    folds = list(GroupKFold(3).split(table[train], y[train], table["replicate"][train]))
    tuned = TunedThresholdClassifierCV(logistic(), scoring=scorer, cv=folds)
    tuned.fit(table[train], y[train])
    plain = logistic().fit(table[train], y[train])
    precisions = [
        precision_score(y[test], model.predict(table[test]), pos_label="divides")
        for model in (plain, tuned)
    ]
    assert tuned.best_threshold_ > 0.5 and precisions[1] > precisions[0]


def test_calibration_and_its_plot(first_frames):
    table, y = first_frames

    # An overconfident model: far too little shrinkage after blowing up its decisions.
    class Overconfident(LogisticRegression):
        def predict_proba(self, X):
            decision = 6 * self.decision_function(X)
            return np.column_stack([1 / (1 + np.exp(decision)), 1 / (1 + np.exp(-decision))])

    raw = make_pipeline(IntensityStatistics(), StandardScaler(), Overconfident(max_iter=1000))
    calibrated = CalibratedClassifierCV(raw, cv=3, method="sigmoid").fit(table[:600], y[:600])
    raw.fit(table[:600], y[:600])
    truth = y[600:] == "divides"
    losses = [
        brier_score_loss(truth, model.predict_proba(table[600:])[:, 1])
        for model in (raw, calibrated)
    ]
    assert losses[1] < losses[0] - 0.02
    display = CalibrationDisplay.from_estimator(
        calibrated, table[600:], y[600:], pos_label="divides", n_bins=5
    )
    assert np.abs(display.prob_true - display.prob_pred).max() < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("form", ["table", "images", "rows"])
def test_the_autoencoder_itself_is_calibrated_tuned_and_made_to_abstain(first_frames, form):
    """scikit-learn's and MAPIE's own classes around the network, fitting clones of it."""
    classification = pytest.importorskip("mapie.classification")
    table, y = first_frames
    ratio = FRETRatio().fit_transform(table[["movie_0%"]])
    images = to_images(ratio)
    X = {"table": ratio.iloc, "images": images, "rows": images.reshape(len(images), -1)}[form]
    train, test = slice(0, 600), slice(600, 900)
    network = AAEClassifier(
        latent_dim=2, pretrain_epochs=1, max_epochs=4, lr=0.005, batch_size=64, random_state=0
    )
    network.set_params(image_shape=(1, 20, 20) if form == "rows" else None)
    truth = y[test] == "divides"

    calibrated = CalibratedClassifierCV(network, cv=3).fit(X[train], y[train])
    probability = calibrated.predict_proba(X[test])[:, 1]
    assert abs(probability.mean() - truth.mean()) < 0.08
    display = CalibrationDisplay.from_predictions(
        truth, probability, n_bins=5, strategy="quantile"
    )
    assert_allclose(display.prob_true, display.prob_pred, atol=0.25)
    assert np.corrcoef(display.prob_true, display.prob_pred)[0, 1] > 0.9
    plt.close(display.figure_)

    tuned = TunedThresholdClassifierCV(network, cv=3, scoring="balanced_accuracy")
    tuned.fit(X[train], y[train])
    assert 0 < tuned.best_threshold_ < 1 and tuned.best_score_ > 0.6
    assert balanced_accuracy_score(y[test], tuned.predict(X[test])) > 0.6

    network.fit(X[train], y[train])
    half = slice(600, 750), slice(750, 900)
    if form == "rows":  # the one form in which MAPIE takes a fitted network itself
        split = classification.SplitConformalClassifier(network, confidence_level=0.9)
        _, sets = split.conformalize(X[half[0]], y[half[0]]).predict_set(X[half[1]])
        assert 0.82 < sets[np.arange(150), truth[150:].astype(int), 0].mean() < 0.98
    said = predict_or_abstain(network, X[half[0]], y[half[0]], X[half[1]])
    held = said[["may_be_dies", "may_be_divides"]].to_numpy()
    assert 0.82 < held[np.arange(150), truth[150:].astype(int)].mean() < 0.98


# The picture ------------------------------------------------------------------------------------


def test_the_picture_of_a_course():
    lengths = np.where(np.arange(200) % 5 == 0, 4, 11)
    cells, y = growing_signal(200, lengths=lengths)
    course = time_course(
        {"pixels": PIXELS}, cells, y, unit="hours", frame_interval=0.5, times=[0, 2, 5]
    )
    display = TimeCourseDisplay.from_result(course, metric="precision").plot()
    lines = {line.get_label(): line for line in display.ax_.lines}
    assert_array_equal(lines["pixels"].get_xdata(), [0, 2, 5])
    means = course.summary["mean"].xs("precision", level="metric")["pixels"]
    assert_allclose(lines["pixels"].get_ydata(), means)
    assert_allclose(lines["chance"].get_ydata(), [0.5, 0.5, 0.5])  # half of those that are left
    assert display.ax_.get_xlabel() == "time since first frame (h)"
    assert len(display.ax_.collections) == 1  # the band

    relative = time_course(PIXELS, cells, y, times=[0, 0.5])
    display = TimeCourseDisplay.from_result(relative, metric="roc_auc").plot()
    assert_array_equal(display.ax_.lines[0].get_xdata(), [0, 50])
    with pytest.raises(ValueError, match="metric='f1' was not scored"):
        TimeCourseDisplay.from_result(course, metric="f1")
