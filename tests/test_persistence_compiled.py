"""Models whose numbers compiled code follows without a check: stored as numbers, checked first."""

import io

import numpy as np
import pandas as pd
import pytest
from imblearn import FunctionSampler
from imblearn.combine import SMOTEENN
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from imblearn.under_sampling import EditedNearestNeighbours, NearMiss
from scipy.sparse import csr_matrix
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.neighbors import (
    KernelDensity,
    KNeighborsClassifier,
    LocalOutlierFactor,
    RadiusNeighborsClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, NuSVC, OneClassSVM
from test_persistence import assert_same_model, forge, members_of, sealed

from sklearn_cellfate.persistence import ModelFileError, load, save

pytest.importorskip("skops", reason='needs skops: pip install "sklearn-cellfate[safe]"')

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
FATE = np.array(["dies", "divides"])[(X[:, 0] + X[:, 1] ** 2 > 1.5).astype(int)]
BOOSTED = HistGradientBoostingClassifier(max_iter=4, random_state=0)

MODELS = {
    "boosting": BOOSTED,
    "boosting stopped early": HistGradientBoostingClassifier(max_iter=9, early_stopping=True),
    "boosting in a search": GridSearchCV(BOOSTED, {"max_depth": [1, 2]}, cv=2),
    "neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier()),
    "neighbours in a ball tree": KNeighborsClassifier(algorithm="ball_tree", p=3, leaf_size=7),
    "neighbours by city blocks": KNeighborsClassifier(metric="manhattan", weights="distance"),
    "neighbours near by": RadiusNeighborsClassifier(5.0),
    "outliers": LocalOutlierFactor(novelty=True),
    "support vectors": make_pipeline(StandardScaler(), SVC()),
    "linear support vectors": SVC(kernel="linear"),
    "support vectors of a share": NuSVC(nu=0.2),
    "support vectors of one class": OneClassSVM(),
    "a threshold": TunedThresholdClassifierCV(LogisticRegression(), cv=3),
    **{
        type(sampler).__name__: make_imblearn_pipeline(sampler, LogisticRegression())
        for sampler in (
            SMOTE(random_state=0),
            ADASYN(random_state=0),
            BorderlineSMOTE(random_state=0),
            SMOTEENN(random_state=0),
            EditedNearestNeighbours(),
            NearMiss(),
            FunctionSampler(),
        )
    },
}


@pytest.mark.parametrize("name", MODELS)
def test_models_predict_the_same_after_a_file(name, tmp_path):
    model = MODELS[name].fit(X, FATE)
    save(model, tmp_path / "model.skops")
    assert_same_model(model, load(tmp_path / "model.skops"), X)


def test_three_classes_and_a_number(tmp_path):
    y = np.where(X[:, 2] > 1, "doubts", FATE)
    for model in (SVC(), BOOSTED, KNeighborsClassifier()):
        save(model.fit(X, y), tmp_path / "model.skops")
        assert_same_model(model, load(tmp_path / "model.skops"), X)
    model = HistGradientBoostingRegressor(max_iter=3).fit(X, X[:, 0])
    save(model, tmp_path / "model.skops")
    assert_same_model(model, load(tmp_path / "model.skops"), X)


def test_a_kernel_of_ones_own(tmp_path):
    similar = X @ X.T
    model = SVC(kernel="precomputed").fit(similar, FATE)
    save(model, tmp_path / "model.skops")
    assert_same_model(model, load(tmp_path / "model.skops"), similar)


@pytest.mark.parametrize(
    "model",
    [
        KNeighborsClassifier(metric_params={"w": np.arange(1, 5)}),
        KNeighborsClassifier(algorithm="ball_tree", metric="canberra"),
        HistGradientBoostingClassifier(max_iter=2, categorical_features=[3]),
        GradientBoostingClassifier(n_estimators=2, init=LogisticRegression()),
    ],
    ids=str,
)
def test_what_only_a_pickle_can_store_is_said_so(model, tmp_path):
    rows = np.column_stack([X[:, :3], np.arange(len(X)) % 3])
    with pytest.raises(TypeError, match="cannot be saved|only a pickle can store"):
        save(model.fit(rows, FATE), tmp_path / "model.skops")
    assert not (tmp_path / "model.skops").exists()


@pytest.mark.parametrize("model", [SVC(), KNeighborsClassifier()], ids=str)
def test_models_fitted_on_sparse_rows_are_refused(model, tmp_path):
    with pytest.raises(TypeError, match="cannot be saved: it has a scipy.sparse"):
        save(model.fit(csr_matrix(X), FATE), tmp_path / "model.skops")


def test_kernel_density_with_weights_is_no_plain_tree(tmp_path):
    density = KernelDensity().fit(X)
    save(density, tmp_path / "model.skops")
    again = load(tmp_path / "model.skops")
    np.testing.assert_array_equal(again.score_samples(X), density.score_samples(X))
    with pytest.raises(TypeError, match="only a pickle can store: a KDTree .* with weights"):
        save(density.fit(X, sample_weight=np.ones(len(X))), tmp_path / "model.skops")


# Forged numbers --------------------------------------------------------------------------------


def change_arrays(path, chosen, change):
    """Change those arrays of a file of which `chosen` is true, and seal it again."""
    members, found = members_of(path), 0
    for name in [name for name in members if name.endswith(".npy")]:
        array = np.load(io.BytesIO(members[name]))
        if chosen(array):
            buffer = io.BytesIO()
            np.save(buffer, change(array.copy()))
            members[name] = buffer.getvalue()
            found += 1
    assert found
    path.write_bytes(sealed(members))


@pytest.mark.parametrize(
    ("field", "value"), [("left", 10**6), ("right", 0), ("feature_idx", -1), ("feature_idx", 4)]
)
def test_boosted_trees_that_point_outside_are_refused(field, value, tmp_path):
    path = tmp_path / "model.skops"
    save(BOOSTED.fit(X, FATE), path)

    def point(nodes):
        nodes[field][0] = value
        return nodes

    change_arrays(path, lambda array: array.dtype.names is not None, point)
    with pytest.raises(ModelFileError, match="a boosted tree (points|asks)"):
        load(path)


@pytest.mark.parametrize(
    ("chosen", "change"),
    [
        (lambda array: array.shape == (2,) and array.dtype == np.int32, lambda array: array + 1),
        (lambda array: array.ndim == 1 and array.dtype == np.int32, lambda array: array[:1]),
        (lambda array: array.ndim == 2 and len(array) == 1, lambda array: array[:, :3]),
        (lambda array: array.ndim == 2 and len(array) > 1, lambda array: array[:, :3]),
        (lambda array: array.shape == (1,) and array.dtype == float, lambda array: array[:0]),
    ],
    ids=["more vectors", "fewer numbers", "fewer weights", "narrower vectors", "no constant"],
)
def test_support_vectors_that_do_not_fit_are_refused(chosen, change, tmp_path):
    path = tmp_path / "model.skops"
    save(SVC().fit(X, FATE), path)
    change_arrays(path, chosen, change)
    with pytest.raises(ModelFileError, match="arrays of a support vector machine do not fit"):
        load(path)


def test_a_tree_of_neighbours_is_grown_of_points_and_nothing_else(tmp_path):
    path = tmp_path / "model.skops"
    save(KNeighborsClassifier().fit(X, FATE), path)

    def ask_for(metric):
        def change(entries):
            for entry in entries:
                if entry.get("content") == '"euclidean"':
                    entry["content"] = f'"{metric}"'

        return change

    forge(path, ask_for("pyfunc"))
    with pytest.raises(ModelFileError, match="a KDTree by 'pyfunc' is not among"):
        load(path)


def test_readme_pipeline_with_smote_is_stored(tmp_path):
    rows = pd.DataFrame(X, columns=list("abcd"))
    model = make_imblearn_pipeline(StandardScaler(), SMOTE(random_state=0), KNeighborsClassifier())
    model.fit(rows, FATE)
    save(model, tmp_path / "model.skops", X=rows, y=FATE)
    assert_same_model(model, load(tmp_path / "model.skops"), rows)
