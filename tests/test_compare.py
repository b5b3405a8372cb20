"""Comparisons: the same folds for all, whole groups, paired intervals, no leaks."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, precision_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate.model_selection import (
    compare_estimators,
    compare_modalities,
    fit_pipeline,
    make_folds,
    make_modality_pipelines,
)
from sklearn_cellfate.neural_network import AAEClassifier

MODELS = {"chance": DummyClassifier(), "logistic": LogisticRegression()}


@pytest.fixture
def problem():
    X, y = make_classification(120, 6, n_informative=3, random_state=0)
    return X, np.array(["no", "yes"])[y], np.repeat(["a", "b", "c", "d"], 30)


# Folds


def test_few_groups_are_each_held_out_once(problem):
    _, y, groups = problem
    folds = make_folds(y, groups)
    assert [set(groups[test]) for _, test in folds] == [{"a"}, {"b"}, {"c"}, {"d"}]


def test_many_groups_share_five_folds(problem):
    _, y, _ = problem
    groups = np.arange(120) // 3
    folds = make_folds(y, groups, random_state=0)
    assert len(folds) == 5
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])


def test_rows_without_groups_are_stratified(problem):
    _, y, _ = problem
    for _, test in make_folds(y, random_state=0):
        assert abs(np.mean(y[test] == "yes") - np.mean(y == "yes")) < 0.05


def test_a_group_that_swallows_a_class_is_named(problem):
    _, y, groups = problem
    y[groups != "b"] = "no"
    with pytest.raises(ValueError, match="group 'b' holds every row of class 'yes'"):
        make_folds(y, groups)


def test_groups_that_cannot_be_split(problem):
    _, y, _ = problem
    with pytest.raises(ValueError, match="one group, 'a'; two are needed"):
        make_folds(y, np.repeat("a", 120))
    y[:] = "no"
    y[0] = "yes"
    with pytest.raises(ValueError, match="class 'yes' has a single row"):
        make_folds(y)


# Scores


def test_scores_are_those_of_scikit_learn(problem):
    X, y, groups = problem
    comparison = compare_estimators(MODELS, X, y, groups=groups)
    scores = comparison.scores.set_index(["estimator", "fold", "metric"])["value"]
    for fold, (train, test) in enumerate(comparison.folds):
        model = LogisticRegression().fit(X[train], y[train])
        predicted, probability = model.predict(X[test]), model.predict_proba(X[test])[:, 1]
        expected = {
            "balanced_accuracy": balanced_accuracy_score(y[test], predicted),
            "roc_auc": roc_auc_score(y[test], probability),
            "precision": precision_score(y[test], predicted, pos_label="yes"),
        }
        for metric, value in expected.items():
            assert scores["logistic", fold, metric] == pytest.approx(value)


def test_summary_is_mean_and_spread_over_folds(problem):
    X, y, groups = problem
    comparison = compare_estimators(MODELS, X, y, groups=groups)
    is_wanted = (comparison.scores["estimator"] == "logistic") & (
        comparison.scores["metric"] == "roc_auc"
    )
    values = comparison.scores.loc[is_wanted, "value"]
    row = comparison.summary.loc[("logistic", "roc_auc")]
    assert_allclose([row["mean"], row["sd"], row["folds"]], [values.mean(), values.std(), 4])


def test_differences_carry_the_nadeau_bengio_interval(problem):
    X, y, groups = problem
    comparison = compare_estimators(MODELS, X, y, groups=groups)
    values = comparison.scores.pivot(index=["estimator", "metric"], columns="fold", values="value")
    difference = (
        values.loc[("logistic", "roc_auc")] - values.loc[("chance", "roc_auc")]
    ).to_numpy()
    # Four folds of 30 out of 120 rows: n_test / n_train = 1 / 3.
    half = stats.t.ppf(0.975, 3) * np.sqrt((1 / 4 + 1 / 3) * difference.var(ddof=1))
    row = comparison.differences.loc[("logistic", "roc_auc")]
    mean = difference.mean()
    assert_allclose([row["mean"], row["low"], row["high"]], [mean, mean - half, mean + half])
    assert comparison.baseline == "chance"
    assert "chance" not in comparison.differences.index.get_level_values(0)


def test_every_row_is_predicted_once_while_held_out(problem):
    X, y, groups = problem
    comparison = compare_estimators(MODELS, X, y, groups=groups)
    rows = comparison.predictions.query("estimator == 'logistic'")
    assert sorted(rows["row"]) == list(range(120))
    assert_array_equal(rows["y_true"], y[rows["row"]])
    assert_allclose(rows[["probability_no", "probability_yes"]].sum(axis=1), 1)


class Memoriser(ClassifierMixin, BaseEstimator):
    """Knows the label of every row it has seen."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.known_ = {row.tobytes(): label for row, label in zip(X, y)}
        return self

    def predict(self, X):
        return np.array([self.known_.get(row.tobytes(), self.classes_[0]) for row in X])


def test_nothing_is_scored_on_rows_that_were_fitted(problem):
    X, y, groups = problem
    comparison = compare_estimators({"memory": Memoriser()}, X, y, groups=groups)
    assert comparison.summary.loc[("memory", "balanced_accuracy"), "mean"] == 0.5
    assert np.isnan(comparison.summary.loc[("memory", "roc_auc"), "mean"])


def test_a_metric_that_a_fold_does_not_define_is_missing(problem):
    X, y, groups = problem
    y[groups == "c"] = "no"
    comparison = compare_estimators(MODELS, X, y, groups=groups, cv=LeaveOneGroupOut())
    values = comparison.scores.query("estimator == 'logistic' and metric == 'roc_auc'")["value"]
    assert np.isnan(values.iloc[2]) and not np.isnan(values.iloc[[0, 1, 3]]).any()


def test_more_than_two_classes():
    X, y = make_classification(150, 6, n_informative=4, n_classes=3, random_state=0)
    comparison = compare_estimators(MODELS, X, y, random_state=0)
    assert comparison.summary.loc[("logistic", "roc_auc"), "mean"] > 0.7


def test_bad_labels_groups_and_baselines(problem):
    X, y, groups = problem
    with pytest.raises(ValueError, match="only 'no'"):
        compare_estimators(MODELS, X, np.repeat("no", 120))
    missing = pd.Series(y).where(np.arange(120) > 1)
    with pytest.raises(ValueError, match="2 of 120 labels are missing.*row 0"):
        compare_estimators(MODELS, X, missing)
    with pytest.raises(ValueError, match="1 of 120 rows have no group"):
        compare_estimators(MODELS, X, y, groups=pd.Series(groups).where(np.arange(120) > 0))
    with pytest.raises(ValueError, match="baseline='x' is none of the estimators"):
        compare_estimators(MODELS, X, y, baseline="x")


def test_groups_reach_an_inner_search(problem):
    X, y, groups = problem
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=LeaveOneGroupOut())
    comparison = compare_estimators({"tuned": search}, X, y, groups=groups)
    assert comparison.estimators["tuned"][0].n_splits_ == 3  # the groups trained on


class GroupNoter(ClassifierMixin, BaseEstimator):
    """Notes the groups that it is fitted with."""

    def fit(self, X, y, groups=None):
        self.classes_, self.groups_ = np.unique(y), set(groups)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[0], len(X))


def test_groups_reach_whoever_takes_them(problem):
    X, y, groups = problem
    direct = compare_estimators({"model": GroupNoter()}, X, y, groups=groups)
    assert direct.estimators["model"][0].groups_ == {"b", "c", "d"}
    with sklearn.config_context(enable_metadata_routing=True):
        asking = make_pipeline(StandardScaler(), GroupNoter().set_fit_request(groups=True))
        routed = compare_estimators({"model": asking}, X, y, groups=groups)
    assert routed.estimators["model"][1][-1].groups_ == {"a", "c", "d"}


# Modalities

QUICK = AAEClassifier(
    latent_dim=3, pretrain_epochs=1, max_epochs=8, lr=0.005, random_state=0, augment=True
)


def test_the_four_answers(cells):
    with pytest.warns(UserWarning, match="every numeric column.*'size', 'noise'"):
        comparison = compare_modalities(
            cells, "fate", groups="donor", autoencoder=QUICK, random_state=0
        )
    assert list(comparison.estimators) == ["features", "pixels", "images", "images + features"]
    assert comparison.features == ["size", "noise"]
    assert comparison.baseline == "features"
    accuracy = comparison.summary["mean"].xs("balanced_accuracy", level="metric")
    assert accuracy["images"] > accuracy["features"]
    assert len(comparison.folds) == cells["donor"].nunique()


def test_the_autoencoder_is_fitted_once_a_fold_for_both_pipelines(cells):
    comparison = compare_modalities(
        cells, "fate", groups="donor", features=["size"], autoencoder=QUICK, random_state=0
    )
    for alone, both in zip(
        comparison.estimators["images"], comparison.estimators["images + features"]
    ):
        weights = [_autoencoder(model).net_.get_weights() for model in (alone, both)]
        for name, value in weights[0].items():
            assert_array_equal(value, weights[1][name])


def _autoencoder(pipeline):
    return pipeline["columns"].named_transformers_["images"]["autoencoder"]


def test_groups_reach_the_validation_rows_of_the_autoencoder(cells):
    two_donors = cells.assign(donor=cells["donor"].replace({"d3": "d1", "d4": "d2"}))
    stopping = clone(QUICK).set_params(early_stopping=True)
    with pytest.raises(ValueError, match="all rows belong to one group"):
        compare_modalities(
            two_donors, "fate", groups="donor", features=["size"], autoencoder=stopping
        )


def test_the_model_to_use_predicts_the_labels_of_the_comparison(cells):
    labels = pd.array(cells["fate"] == "dies", dtype="boolean")
    table = cells.assign(dead=labels, fate=pd.array(labels, dtype="Int64"))
    for target in ("dead", "fate"):
        comparison = compare_modalities(
            table, target, features=["size"], cv=2, autoencoder=QUICK, random_state=0
        )
        model = fit_pipeline(comparison, "images", table)
        assert set(model.predict(table).tolist()) == set(comparison.classes.tolist())
        assert model.classes_.dtype == comparison.classes.dtype


def test_without_features_images_are_compared_with_pixels(cells):
    table = cells[["image", "donor", "fate"]]
    comparison = compare_modalities(table, "fate", groups="donor", features=[], autoencoder=QUICK)
    assert list(comparison.estimators) == ["pixels", "images"]


def test_features_may_be_words_and_have_gaps(cells):
    cells["medium"] = np.where(cells["fate"] == "dies", "old", "fresh")
    cells.loc[::7, "size"] = np.nan
    pipeline = make_modality_pipelines("image", ["size", "medium"])["features"]
    assert pipeline.fit(cells, cells["fate"]).score(cells, cells["fate"]) == 1.0


def test_a_missing_column_is_named(cells):
    for kwargs, name in [
        ({"target": "fat"}, "fat"),
        ({"target": "fate", "groups": "clone"}, "clone"),
        ({"target": "fate", "features": ["size", "area"]}, "area"),
        ({"target": "fate", "image": "picture"}, "picture"),
    ]:
        with pytest.raises(ValueError, match=f"no column '{name}'; it has 'donor', 'fate'"):
            compare_modalities(cells, **kwargs)
