"""Comparisons: the same folds for all, whole groups, paired intervals, no leaks."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    make_scorer,
    precision_score,
    roc_auc_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    LeaveOneGroupOut,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklearn_cellfate.inspection import ComparisonDisplay
from sklearn_cellfate.model_selection import (
    compare_estimators,
    compare_modalities,
    fit_pipeline,
    make_folds,
    make_modality_pipelines,
)
from sklearn_cellfate.model_selection._intervals import compare_pairs
from sklearn_cellfate.neural_network import AAEClassifier

HALVES = [(np.arange(9, 18), np.arange(9)), (np.arange(9), np.arange(9, 18))]
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


@pytest.mark.parametrize("number", [np.int64, np.int32, int])
def test_any_whole_number_of_folds_keeps_groups_whole(number, problem):
    _, y, groups = problem
    folds = make_folds(y, groups, number(3), random_state=0)
    assert len(folds) == 3
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])


@pytest.mark.parametrize("cv", [True, np.True_, 3.0])
def test_what_is_no_number_of_folds_is_refused(cv, problem):
    _, y, groups = problem
    with pytest.raises(ValueError, match=f"(?s)cv.*{cv}"):
        make_folds(y, groups, cv)


@pytest.mark.parametrize("as_list", [False, True])
def test_folds_that_break_groups_up_are_warned_of(as_list, problem):
    X, y, groups = problem
    cv = StratifiedKFold(3)
    cv = list(cv.split(X, y)) if as_list else cv
    with pytest.warns(UserWarning, match="3 of 3 folds have a group on both sides"):
        compare_estimators(MODELS, X, y, groups=groups, cv=cv)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_folds(y, None, cv)
        make_folds(y, groups, LeaveOneGroupOut())


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


def test_labels_in_arrow_arrays_are_labels(problem):
    X, y, _ = problem
    models = {"logistic": LogisticRegression()}
    expected = compare_estimators(models, X, y, cv=3, random_state=0).summary
    found = compare_estimators(models, X, pa.array(list(y)), cv=3, random_state=0).summary
    pd.testing.assert_frame_equal(found, expected)


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


# Metrics, repeats, groups


class Oracle(ClassifierMixin, BaseEstimator):
    """Says what its first column says, with the probability in its second."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[X[:, 0].astype(int)]

    def predict_proba(self, X):
        return np.column_stack([1 - X[:, 1], X[:, 1]])


@pytest.fixture
def known():
    """Six divide, twelve die, in two folds; what is said of each is known."""
    said = np.tile([1, 1, 0, 0, 0, 1, 0, 0, 0], 2)
    probability = np.tile([0.9, 0.7, 0.4, 0.1, 0.2, 0.6, 0.3, 0.2, 0.1], 2)
    is_true = np.tile([1, 1, 1, 0, 0, 0, 0, 0, 0], 2).astype(bool)
    return np.column_stack([said, probability]), is_true


@pytest.mark.parametrize("names", [("dies", "divides"), ("0", "1"), ("resting", "zdividing")])
@pytest.mark.parametrize("scoring", [None, ["precision", "recall", "roc_auc", "f1"]])
def test_precision_is_that_of_class_one(known, names, scoring):
    X, is_true = known
    y = np.where(is_true, names[1], names[0])
    comparison = compare_estimators({"oracle": Oracle()}, X, y, cv=HALVES, scoring=scoring)
    means = comparison.summary["mean"]["oracle"]
    assert comparison.pos_label == names[1]
    # Of three cells said to divide two do, of three that divide two are found.
    assert means["precision"] == pytest.approx(2 / 3)
    assert means["recall"] == pytest.approx(2 / 3)
    # Of 18 pairs one is in the wrong order: 0.4 for one that divides, 0.6 for one that dies.
    assert means["roc_auc"] == pytest.approx(17 / 18)


@pytest.mark.parametrize("scoring", [None, ["precision", "recall", "average_precision", "f1"]])
def test_precision_of_a_class_that_sorts_first(known, scoring):
    X, is_true = known
    y = np.where(is_true, "zombie", "alive")
    models = {"oracle": Oracle()}
    comparison = compare_estimators(models, X, y, cv=HALVES, scoring=scoring, pos_label="alive")
    means = comparison.summary["mean"]["oracle"]
    # Six are said to be alive, five are; of six alive five are found.
    assert means["precision"] == means["recall"] == pytest.approx(5 / 6)
    expected = precision_score(y[:9], Oracle().fit(X, y).predict(X[:9]), pos_label="alive")
    found = comparison.scores.query("fold == 0 and metric == 'precision'")["value"]
    assert found.item() == pytest.approx(expected)
    if scoring:
        expected = np.mean(
            [
                average_precision_score(y[test] == "alive", 1 - X[test, 1])
                for _, test in comparison.folds
            ]
        )
        assert means["average_precision"] == pytest.approx(expected)


def test_scoring_is_read_as_cross_validate_reads_it(problem):
    X, y, groups = problem
    model, cv = LogisticRegression(), LeaveOneGroupOut()
    scorers = {
        "balance": "balanced_accuracy",
        "f1 of no": make_scorer(f1_score, pos_label="no"),
        "loss": "neg_log_loss",
    }
    for scoring in [scorers, "accuracy", ["roc_auc", "accuracy"], scorers["f1 of no"], _both]:
        theirs = cross_validate(model, X, y, groups=groups, cv=cv, scoring=scoring)
        scores = compare_estimators(
            {"model": model}, X, y, groups=groups, cv=cv, scoring=scoring
        ).scores
        theirs = {
            name.removeprefix("test_"): values
            for name, values in theirs.items()
            if name.startswith("test_")
        }
        if isinstance(scoring, str):
            theirs = {scoring: theirs["score"]}
        assert set(scores["metric"]) == set(theirs)
        for name, values in theirs.items():
            assert_allclose(scores.loc[scores["metric"] == name, "value"], values)


def _both(model, X, y):
    """Give two metrics at once, as cross_validate allows."""
    right = model.predict(X) == y
    return {"right": right.mean(), "wrong": 1 - right.mean()}


def test_repeats_are_numbered_and_all_count(problem):
    X, y, _ = problem
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=4, random_state=0)
    comparison = compare_estimators(MODELS, X, y, cv=cv, scoring="accuracy")
    scores = comparison.scores.query("estimator == 'logistic'")
    assert scores["fold"].tolist() == list(range(12))
    assert scores["repeat"].tolist() == np.repeat(range(4), 3).tolist()
    for _, of_repeat in comparison.predictions.groupby(["estimator", "repeat"]):
        assert sorted(of_repeat["row"]) == list(range(120))
    # Folds of 40 of 120 rows, twelve of them: n_test / n_train = 1 / 2, eleven degrees of freedom.
    values = scores["value"].to_numpy()
    half = stats.t.ppf(0.975, 11) * np.sqrt((1 / 12 + 1 / 2) * values.var(ddof=1))
    row = comparison.summary.loc[("logistic", "accuracy")]
    assert_allclose([row["low"], row["high"]], [values.mean() - half, values.mean() + half])
    assert row["folds"] == 12


def test_the_interval_by_hand():
    # Differences 0.1, 0.2, 0.3 with twice as many rows trained on as scored: variance 0.01, times
    # 1 / 3 + 1 / 2, and t of two degrees of freedom is 4.302653.
    scores = pd.DataFrame(
        {
            "estimator": np.repeat(["a", "b"], 3),
            "fold": [0, 1, 2] * 2,
            "metric": "f1",
            "value": [0.5, 0.5, 0.5, 0.6, 0.7, 0.8],
            "n_train": 20,
            "n_test": 10,
        }
    )
    row = compare_pairs(scores, "a", ["metric"]).loc[("b", "f1")]
    half = 4.302653 * np.sqrt(0.01 * 5 / 6)
    assert_allclose(row.to_numpy(), [0.2, 0.2 - half, 0.2 + half], rtol=1e-6)


def test_the_donor_that_fails_is_seen(problem):
    X, y, groups = problem
    X, y = X[np.argsort(y, kind="stable")], np.sort(y)
    groups = np.tile(["a", "b", "c", "d"], 30)
    X[groups == "c"] *= -1  # stained the other way round
    comparison = compare_estimators(MODELS, X, y, groups=groups)
    of_donor = comparison.by_group.set_index(["estimator", "group", "metric"])
    accuracy = of_donor["value"].xs("accuracy", level="metric")["logistic"]
    assert accuracy.idxmin() == "c" and accuracy["c"] < 0.5 < accuracy.drop("c").min()
    assert (of_donor["n"] == 30).all()
    # Each donor is a fold of its own here, so both tables say the same.
    scores = comparison.scores.set_index(["estimator", "held_out", "metric"])["value"]
    for donor in "abcd":
        assert of_donor["value"]["logistic", donor, "roc_auc"] == pytest.approx(
            scores["logistic", donor, "roc_auc"]
        )


def test_groups_of_one_class_have_an_accuracy_and_nothing_else(problem):
    X, y, _ = problem
    groups = np.where(y == "no", "n", "y") + (np.arange(120) % 3).astype(str)
    with pytest.warns(UserWarning, match="no fold defines roc_auc of 'logistic'"):
        comparison = compare_estimators(
            {"logistic": LogisticRegression()},
            X,
            y,
            groups=groups,
            cv=LeaveOneGroupOut(),
            scoring=["roc_auc", "accuracy"],
        )
    values = comparison.by_group.pivot(index="group", columns="metric", values="value")
    assert values["roc_auc"].isna().all() and values["accuracy"].between(0, 1).all()
    right = comparison.predictions.eval("y_true == y_pred")
    n = comparison.by_group.query("metric == 'accuracy'").set_index("group")["n"]
    assert (values["accuracy"] * n).sum() == pytest.approx(right.sum())


def test_a_group_in_several_folds_is_one_row(problem):
    X, y, groups = problem
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    comparison = compare_estimators(MODELS, X, y, groups=groups, cv=cv, scoring="accuracy")
    found = comparison.by_group.query("estimator == 'logistic'").set_index("group")
    assert found["n"].to_dict() == dict.fromkeys("abcd", 30)
    of_model = comparison.predictions.query("estimator == 'logistic'")
    right = of_model["y_true"] == of_model["y_pred"]
    expected = right.groupby(groups[of_model["row"]]).mean()
    assert_allclose(found["value"].sort_index(), expected.sort_index())


def test_decisions_stand_in_for_probabilities(problem):
    X, y, groups = problem
    model = LinearSVC()
    comparison = compare_estimators({"svm": model}, X, y, groups=groups, pos_label="no")
    train, test = comparison.folds[0]
    decision = model.fit(X[train], y[train]).decision_function(X[test])
    found = comparison.scores.query("fold == 0 and metric == 'roc_auc'")["value"].item()
    assert found == pytest.approx(roc_auc_score(y[test] == "yes", decision))


def test_metrics_that_cannot_be(problem):
    X, y, groups = problem
    with pytest.warns(UserWarning, match="no fold defines neg_log_loss of 'memory'"):
        compare_estimators({"memory": Memoriser()}, X, y, groups=groups, scoring="neg_log_loss")
    with pytest.raises(ValueError, match="'presicion' is not a valid scoring value"):
        compare_estimators(MODELS, X, y, scoring=["presicion"])
    with pytest.raises(ValueError, match="scoring names no metric"):
        compare_estimators(MODELS, X, y, scoring=[])
    with pytest.raises(ValueError, match=r"scoring\['f'\] must be the name of a scorer or call"):
        compare_estimators(MODELS, X, y, scoring={"f": 3})
    with pytest.raises(ValueError, match="pos_label='maybe' is none of the classes 'no', 'yes'"):
        compare_estimators(MODELS, X, y, pos_label="maybe")
    with pytest.raises(ValueError, match="estimators must be a dict"):
        compare_estimators(LogisticRegression(), X, y)
    X, y = make_classification(60, 6, n_informative=4, n_classes=3, random_state=0)
    with pytest.raises(ValueError, match="pos_label=1 is for two classes, found 0, 1, 2"):
        compare_estimators(MODELS, X, y, pos_label=1)


@pytest.mark.slow
def test_jobs_change_nothing(problem):
    X, y, groups = problem
    one, two = (
        compare_estimators(MODELS, X, y, groups=groups, random_state=0, n_jobs=n) for n in (1, 2)
    )
    times = ["fit_time", "score_time"]
    assert one.scores.drop(columns=times).equals(two.scores.drop(columns=times))
    assert one.predictions.equals(two.predictions) and one.by_group.equals(two.by_group)


# The picture


def test_the_picture_shows_folds_means_intervals_and_groups(problem):
    X, y, groups = problem
    comparison = compare_estimators(MODELS, X, y, groups=groups)
    display = ComparisonDisplay.from_result(comparison, metric="roc_auc").plot()
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == list(MODELS)
    values = comparison.scores.query("metric == 'roc_auc'")
    lines = {line.get_gid(): line for line in display.ax_.lines if line.get_gid()}
    for fold, of_fold in values.groupby("fold"):  # one line a fold joins its paired points
        assert_allclose(lines[f"fold {fold}"].get_xdata(), of_fold["value"])
    assert_allclose(
        lines["mean logistic"].get_xdata(), comparison.summary["mean"]["logistic", "roc_auc"]
    )
    interval = comparison.summary.loc[("logistic", "roc_auc"), ["low", "high"]]
    assert_allclose(lines["interval logistic"].get_xdata(), interval)
    assert "+0." in display.ax_.texts[-1].get_text()

    display = ComparisonDisplay.from_result(comparison, metric="accuracy").plot(by="group")
    names = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert names == [f"{group} (n = 30)" for group in "abcd"]
    found = next(line for line in display.ax_.lines if line.get_label() == "logistic")
    of_group = comparison.by_group.query("estimator == 'logistic' and metric == 'accuracy'")
    assert_allclose(found.get_xdata(), of_group["value"])


def test_what_the_picture_cannot_show(problem):
    X, y, _ = problem
    comparison = compare_estimators(MODELS, X, y)
    with pytest.raises(ValueError, match="metric='f1' was not scored; .* 'roc_auc'"):
        ComparisonDisplay.from_result(comparison, metric="f1")
    with pytest.raises(ValueError, match="compared without groups"):
        ComparisonDisplay.from_result(comparison, metric="roc_auc").plot(by="group")
    with pytest.raises(ValueError, match="by must be .* found 'donor'"):
        ComparisonDisplay.from_result(comparison, metric="roc_auc").plot(by="donor")


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
