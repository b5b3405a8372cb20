"""check_no_leakage: ours pass, and each published or common mistake is caught by its name."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate import image_column, movie_column, to_images
from sklearn_cellfate.feature_extraction import (
    IntensityStatistics,
    PixelFeatures,
    PowerSpectrum,
    RegionProperties,
    TraceFeatures,
)
from sklearn_cellfate.model_selection import make_modality_pipelines
from sklearn_cellfate.neural_network import (
    AAEClassifier,
    AdversarialAutoencoder,
    EfficientNetClassifier,
)
from sklearn_cellfate.over_sampling import AugmentationOverSampler
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.preprocessing import (
    CenterObject,
    FRETRatio,
    IntensityScaler,
    LargestObject,
    MaskBackground,
    PatchNormalizer,
    RelativeTimeSampler,
)
from sklearn_cellfate.utils import LeakageError, check_no_leakage

SHORT = {"pretrain_epochs": 1, "max_epochs": 1}


def make_cells(n=30, seed=0):
    rng = np.random.default_rng(seed)
    fate = np.array(["dies", "divides"])[rng.integers(2, size=n)]
    images = rng.random((n, 2, 8, 8)) * np.where(fate == "dies", 1, 2)[:, None, None, None]
    images[:, :, :2] = 0
    return pd.DataFrame(
        {
            "donor": np.array(list("abcdef"))[np.arange(n) % 6],
            "size": rng.normal(size=n),
            "site": rng.choice(["centre", "edge"], n),
            "fate": fate,
            "image": image_column(images.astype(np.float32)),
            "movie": movie_column([rng.random((3 + i % 3, 1, 6, 6)) for i in range(n)]),
        }
    )


@pytest.fixture
def cells():
    return make_cells()


def failures(estimator, *arguments, **more):
    """Names of the checks that fail."""
    with pytest.raises(LeakageError) as caught:
        check_no_leakage(estimator, *arguments, **more)
    failed = caught.value.report["passed"].eq(False)
    names = list(failed.index[failed.fillna(False)])
    assert all(f"{name}: " in str(caught.value) for name in names)
    return names


def passes(report, *, untried):
    return (
        report["passed"].dropna().all() and set(report.index[report["passed"].isna()]) == untried
    )


# Ours


@pytest.mark.filterwarnings("ignore:.*pixels inside cells")
@pytest.mark.parametrize(
    "transformer",
    [
        CenterObject(),
        FRETRatio(),
        IntensityScaler(),
        IntensityStatistics(),
        LargestObject(),
        MaskBackground(),
        PatchNormalizer(),
        PatchNormalizer(method="dataset"),
        PixelFeatures(),
        PowerSpectrum(),
        RegionProperties(),
    ],
    ids=str,
)
def test_our_transformers_do_not_leak(transformer, cells):
    report = check_no_leakage(transformer, cells[["image"]], cells["fate"], cells["donor"])
    assert passes(report, untried=set())


@pytest.mark.parametrize(
    "transformer, columns",
    [(RelativeTimeSampler(times=3), ["movie", "erk"]), (TraceFeatures(), ["erk"])],
)
def test_our_transformers_of_series_do_not_leak(transformer, columns, cells):
    rng = np.random.default_rng(0)
    X = cells[["movie"]].assign(erk=[rng.random(9 + i % 4) for i in range(len(cells))])
    report = check_no_leakage(transformer, X[columns])
    assert passes(report, untried={"labels", "groups", "internal validation"})


@pytest.mark.parametrize(
    "estimator",
    [
        AdversarialAutoencoder(**SHORT),
        AAEClassifier(early_stopping=True, validation_fraction=0.3, **SHORT),
        EfficientNetClassifier("tiny", n_components=2, max_epochs=1, early_stopping=True),
        PatchClassifier(make_pipeline(PixelFeatures(), LogisticRegression()), 4),
        PatchClassifier(AAEClassifier(early_stopping=True, **SHORT), 4),
        make_imblearn_pipeline(AugmentationOverSampler(), AAEClassifier(augment=True, **SHORT)),
    ],
    ids=lambda estimator: " ".join(str(estimator).split())[:70],
)
def test_our_networks_do_not_leak(estimator, cells):
    report = check_no_leakage(estimator, cells[["image"]], cells["fate"], cells["donor"])
    assert passes(report, untried=set())


def test_our_pipelines_do_not_leak(cells):
    autoencoder = AAEClassifier(early_stopping=True, validation_fraction=0.3, **SHORT)
    pipelines = make_modality_pipelines("image", ["size", "site"], autoencoder=autoencoder)
    with sklearn.config_context(enable_metadata_routing=True):
        report = check_no_leakage(
            pipelines["images + features"], cells, cells["fate"], cells["donor"]
        )
    assert passes(report, untried=set())


# What was published


def test_the_published_normalisation_is_caught_in_a_procedure(cells):
    images = to_images(cells["image"])

    def procedure(X, y, groups, train, test):
        X = (X - X.min()) / (X.max() - X.min())  # all rows, before the split
        model = make_pipeline(PixelFeatures(), LogisticRegression())
        return model.fit(X[train], y[train]).predict_proba(X[test])

    assert failures(procedure, images, cells["fate"]) == ["rows"]


def scaled_before_the_split(scale):
    """A procedure that scales all rows before the split, then learns."""

    def procedure(X, y, groups, train, test):
        Z = np.tanh(scale(X.astype(float))).reshape(len(X), -1)
        return LogisticRegression().fit(Z[train], y[train]).predict_proba(Z[test])

    return procedure


def test_a_maximum_that_is_saturated_already_is_caught():
    X = np.random.default_rng(0).integers(0, 180, (40, 1, 8, 8)).astype("uint8")
    X[30:32, 0, 0, 0] = 255
    procedure = scaled_before_the_split(lambda X: X / X.max())
    assert failures(procedure, X, ["a", "b"] * 20, test=np.arange(30, 40)) == ["rows"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("unit", [np.uint8(1), np.uint16(256), np.float32(0.01)], ids=repr)
def test_a_global_background_is_caught(seed, unit):
    X = np.random.default_rng(seed).integers(5, 180, (40, 1, 8, 8)).astype("uint8") * unit
    procedure = scaled_before_the_split(lambda X: X - X.min())
    assert failures(procedure, X, ["a", "b"] * 20) == ["rows"]


@pytest.mark.parametrize("held_out", [0, -700])
def test_a_minimum_that_held_out_rows_alone_have_is_caught(held_out):
    X = np.random.default_rng(0).integers(100, 180, (40, 1, 8, 8)).astype("int16")
    X[31, 0, 0, 0] = held_out
    procedure = scaled_before_the_split(lambda X: (X - X.min()) / 1000)
    assert failures(procedure, X, ["a", "b"] * 20, test=np.arange(30, 40)) == ["rows"]


def test_an_extreme_of_negative_pixels_is_caught():
    X = -np.random.default_rng(0).random((40, 1, 8, 8)) - 0.1
    for scale in (lambda X: X / X.min(), lambda X: X - X.max()):
        assert failures(scaled_before_the_split(scale), X, ["a", "b"] * 20) == ["rows"]


def test_what_training_rows_say_about_saturated_images_is_no_leak():
    X = np.random.default_rng(0).integers(0, 180, (40, 1, 8, 8)).astype("uint8")
    X[[3, 30, 31], 0, 0, 0] = 255

    def procedure(X, y, groups, train, test):
        return scaled_before_the_split(lambda Z: Z / X[train].max())(X, y, groups, train, test)

    report = check_no_leakage(procedure, X, ["a", "b"] * 20, test=np.arange(30, 40))
    assert report["passed"]["rows"]


class BatchScaler(TransformerMixin, BaseEstimator):
    """The published normalisation as a transformer: by the brightest pixel of the call."""

    def fit(self, X, y=None):
        self.is_fitted_ = True
        return self

    def transform(self, X):
        return X / X.max()


def test_the_published_normalisation_is_caught_in_a_pipeline(cells):
    X = np.random.default_rng(0).random((30, 1, 6, 6))
    model = make_pipeline(BatchScaler(), PixelFeatures(), LogisticRegression())
    assert failures(model, X, cells["fate"]) == ["rows", "companions"]
    # The training rows alone are no leak.
    check_no_leakage(make_pipeline(IntensityScaler(), *model[1:]), X, cells["fate"])


def test_rounding_next_to_zero_is_no_company():
    class RoundedByTheCall(TransformerMixin, BaseEstimator):
        """Values whose last bits depend on how many rows a matrix product has."""

        def fit(self, X, y=None):
            self.mean_ = np.mean(X)
            return self

        def transform(self, X):
            return np.asarray(X) - self.mean_ + 1e-8 * len(X)

    X = np.random.default_rng(0).normal(size=(30, 1))
    X[20:, 0] = X[:20].mean()  # held out, one of them: centred to nothing but rounding
    X[20:29, 0] += np.linspace(-1, 1, 9)
    check_no_leakage(RoundedByTheCall(), X, test=np.arange(20, 30))


class StoppedByItsScore(ClassifierMixin, BaseEstimator):
    """The published stopping rule: train on until the accuracy on given rows is best."""

    def __init__(self, validation_data=None):
        self.validation_data = validation_data

    def fit(self, X, y, eval_set=None):
        X_seen, y_seen = self.validation_data if eval_set is None else eval_set
        tries = [LogisticRegression(C=10.0**c).fit(X, y) for c in range(-6, 3)]
        self.best_ = max(tries, key=lambda model: -abs(model.score(X_seen, y_seen) - 0.9))
        self.classes_ = self.best_.classes_
        return self

    def predict_proba(self, X):
        return self.best_.predict_proba(X)


def test_the_published_stopping_rule_is_caught_in_a_procedure(cells):
    X, y = np.random.default_rng(1).normal(size=(30, 3)), cells["fate"].to_numpy()
    X[:, 0] += 2 * (y == "dies")

    def procedure(X, y, groups, train, test):
        model = StoppedByItsScore().fit(X[train], y[train], eval_set=(X[test], y[test]))
        return model.predict_proba(X[test])

    assert {"labels", "rows"} <= set(failures(procedure, X, y))


def test_the_published_stopping_rule_is_caught_in_a_parameter(cells):
    X, y = np.random.default_rng(1).normal(size=(30, 3)), cells["fate"].to_numpy()
    model = StoppedByItsScore(validation_data=(X[20:], y[20:]))
    assert failures(model, X, y, test=np.arange(20, 30)) == ["parameters"]
    aside = StoppedByItsScore(validation_data=(X[:5], y[:5]))
    check_no_leakage(aside, X, y, test=np.arange(20, 30))


def test_images_in_a_parameter_are_found_in_any_container(cells):
    table = cells[["image"]]
    for data in (table[20:], to_images(table[20:])):
        model = clone(TakesData(data))
        with pytest.raises(LeakageError, match="held-out rows are in data"):
            check_no_leakage(model, table, cells["fate"], test=np.arange(20, 30))


class TakesData(LogisticRegression):
    """A classifier of images that is handed rows when it is made."""

    def __init__(self, data=None):
        super().__init__()
        self.data = data

    def fit(self, X, y):
        return super().fit(PixelFeatures().fit_transform(X), y)

    def decision_function(self, X):
        return super().decision_function(PixelFeatures().fit_transform(X))


# Other mistakes


class JudgesByCompany(StandardScaler):
    """Centres rows by the rows of the call."""

    def transform(self, X):
        X = np.asarray(X)
        return X - X.mean(axis=0)


class Ranks(TransformerMixin, BaseEstimator):
    """Replaces a value by its place among the rows of the call."""

    def fit(self, X, y=None):
        self.is_fitted_ = True
        return self

    def transform(self, X):
        return np.argsort(np.argsort(np.asarray(X), axis=0), axis=0).astype(float)


@pytest.mark.parametrize("transformer", [JudgesByCompany(), Ranks()], ids=str)
def test_statistics_of_the_call_are_caught(transformer, cells):
    X = np.random.default_rng(0).normal(size=(30, 2))
    assert failures(transformer, X) == ["rows", "companions"]
    assert failures(make_pipeline(transformer, LogisticRegression()), X, cells["fate"]) == [
        "rows",
        "companions",
    ]


def test_features_selected_before_the_split_are_caught(cells):
    X = np.random.default_rng(0).normal(size=(30, 200))

    def procedure(X, y, groups, train, test):
        X = SelectKBest(k=3).fit_transform(X, y)
        return LogisticRegression().fit(X[train], y[train]).predict_proba(X[test])

    assert {"labels", "rows"} <= set(failures(procedure, X, cells["fate"]))
    check_no_leakage(make_pipeline(SelectKBest(k=3), LogisticRegression()), X, cells["fate"])


def test_groups_of_held_out_rows_are_caught(cells):
    X = np.random.default_rng(0).normal(size=(30, 2))

    def procedure(X, y, groups, train, test):
        size = np.array([(groups == group).sum() for group in groups])
        X = np.column_stack([X, size])
        return LogisticRegression().fit(X[train], y[train]).predict_proba(X[test])

    assert failures(procedure, X, cells["fate"], cells["donor"]) == ["groups"]


class KeepsRows(ClassifierMixin, BaseEstimator):
    """Adds the rows of every fit to those before."""

    def fit(self, X, y):
        earlier = getattr(self, "rows_", (np.empty((0, X.shape[1])), np.empty(0, dtype=y.dtype)))
        self.rows_ = np.vstack([earlier[0], X]), np.concatenate([earlier[1], y])
        self.classes_ = np.unique(y)
        self.model_ = LogisticRegression().fit(*self.rows_)
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


def test_rows_of_an_earlier_fit_are_caught(cells):
    X = np.random.default_rng(0).normal(size=(30, 2))
    assert failures(KeepsRows(), X, cells["fate"]) == ["earlier fit"]


CACHE = {}


class KeyedByShape(ClassifierMixin, BaseEstimator):
    """Remembers predictions under a key that different rows share."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.model_ = LogisticRegression().fit(X, y)
        return self

    def predict_proba(self, X):
        return CACHE.setdefault(X[0].tobytes(), self.model_.predict_proba(X))


def test_a_cache_under_a_wrong_key_is_caught(cells):
    CACHE.clear()
    X = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises((LeakageError, ValueError), match="earlier fit|one result a row"):
        check_no_leakage(KeyedByShape(), X, cells["fate"])


# Internal validation


@pytest.mark.filterwarnings("ignore:.*iterations", "ignore:The groups parameter is ignored")
@pytest.mark.parametrize(
    "model, complaint",
    [
        (MLPClassifier(early_stopping=True, max_iter=3), "StratifiedShuffleSplit split"),
        (CalibratedClassifierCV(LogisticRegression(), cv=2), "StratifiedKFold split"),
        (GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2), "put a group on both sides"),
        (
            make_pipeline(StandardScaler(), MLPClassifier(early_stopping=True, max_iter=3)),
            "without groups",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_internal_validation_that_breaks_groups_is_caught(model, complaint, cells):
    X = np.random.default_rng(0).normal(size=(60, 2))
    y, groups = np.arange(60) % 2, np.arange(60) % 15
    assert failures(model, X, y, groups) == ["internal validation"]
    with pytest.raises(LeakageError, match=complaint):
        check_no_leakage(model, X, y, groups)
    check_no_leakage(model, X, y)  # without groups there is nothing to keep whole


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_searches_in_whole_groups_pass(n_jobs):
    X, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
    for cv in (GroupKFold(2), StratifiedGroupKFold(2)):
        model = GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=cv, n_jobs=n_jobs)
        assert passes(check_no_leakage(model, X, y, np.arange(60) // 4), untried=set())


def test_groups_that_do_not_reach_the_network_are_caught(cells):
    # Without metadata routing a ColumnTransformer hands no groups on.
    network = AAEClassifier(early_stopping=True, validation_fraction=0.3, **SHORT)
    model = make_pipeline(ColumnTransformer([("image", network, ["image"])]), LogisticRegression())
    assert failures(model, cells, cells["fate"], cells["donor"]) == ["internal validation"]


def test_splitters_are_as_they_were_afterwards(cells):
    before = GroupKFold.split, sklearn.model_selection.BaseCrossValidator.split
    with pytest.raises(TypeError, match="neither predicts nor transforms"):
        check_no_leakage(AugmentationOverSampler(), cells[["image"]], cells["fate"])
    assert before == (GroupKFold.split, sklearn.model_selection.BaseCrossValidator.split)


# What it is given


def test_forests_and_numbers_to_predict_are_welcome():
    X = np.random.default_rng(0).normal(size=(40, 3))
    for y, model in [(X[:, 0] > 0, RandomForestClassifier(5)), (X[:, 0] * 2, Ridge())]:
        report = check_no_leakage(model, X, y, np.arange(40) // 4)
        assert passes(report, untried=set())


def test_nothing_given_is_changed(cells):
    before = cells.copy(deep=True)
    model = make_pipeline(
        ColumnTransformer([("size", StandardScaler(), ["size"])]), LogisticRegression()
    )
    global_state = np.random.get_state()[1].copy()
    check_no_leakage(model, cells, cells["fate"], cells["donor"])
    pd.testing.assert_frame_equal(cells, before)
    assert np.array_equal(np.random.get_state()[1], global_state)
    assert not hasattr(model, "n_features_in_")


def test_held_out_rows_are_named_by_position_or_by_a_mask():
    X = np.random.default_rng(0).normal(size=(30, 2))
    seen = []

    def procedure(X, y, groups, train, test):
        seen.append(test)
        return X[test]

    check_no_leakage(procedure, X, test=np.arange(30) >= 20)
    assert np.array_equal(seen[0], np.arange(20, 30))


def test_what_says_nothing_is_refused(cells):
    X, y = np.random.default_rng(0).normal(size=(30, 2)), cells["fate"].to_numpy()
    with pytest.raises(ValueError, match="two runs on the same rows give different results"):
        check_no_leakage(lambda X, y, g, train, test: np.random.random(len(test)), X, y)
    with pytest.raises(ValueError, match="results stay the same when every row is altered"):
        check_no_leakage(lambda X, y, g, train, test: np.zeros(len(test)), X, y)
    with pytest.raises(ValueError, match=r"one result a row, found shape \(3,\) for"):
        check_no_leakage(lambda X, y, g, train, test: np.zeros(3), X, y)


def test_rows_that_cannot_be_altered_are_explained(cells):
    def procedure(X, y, groups, train, test):
        if X.max() > 1:
            raise ValueError("pixels above 1")
        return X[test]

    with pytest.raises(ValueError, match="pixels above 1") as caught:
        check_no_leakage(procedure, np.random.default_rng(0).random((30, 2)))
    assert "check_no_leakage had altered X" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    "changes, kind, message",
    [
        ({"estimator": 3}, TypeError, "estimator must be an estimator or a function .* found 3"),
        ({"estimator": LogisticRegression}, TypeError, "found <class"),
        ({"test": [1]}, ValueError, "two rows or more"),
        ({"test": [1, 99]}, ValueError, "below 30"),
        ({"test": np.arange(30)}, ValueError, "leave rows to train on"),
        ({"test": [True, False]}, ValueError, "a mask of 30 booleans; found an array of bool"),
        ({"test": [0.5, 1.5]}, ValueError, "positions of rows, .* found an array of float64"),
        ({"random_state": None}, ValueError, "random_state must be an int, found None"),
        ({"groups": ["a"]}, ValueError, "inconsistent numbers of samples"),
    ],
)
def test_bad_input_is_named(changes, kind, message, cells):
    good = {"estimator": LogisticRegression(), "X": np.ones((30, 2)), "y": cells["fate"]}
    with pytest.raises(kind, match=message):
        check_no_leakage(**good | changes)
