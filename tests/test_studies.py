"""The studies: nothing learned from held-out rows, known answers, stopped and resumed, n_jobs."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose
from plain_estimator import Plain
from scipy import stats
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklearn_cellfate.inspection import (
    AblationDisplay,
    FeaturePairsDisplay,
    LabelBudgetDisplay,
    LatentDimensionDisplay,
)
from sklearn_cellfate.model_selection import (
    ablation,
    feature_pairs,
    label_budget,
    latent_dimension_study,
    make_modality_pipelines,
)
from sklearn_cellfate.neural_network import AAEClassifier

matplotlib.use("agg")


@pytest.fixture
def problem():
    """Column 0 tells the class by its sign; columns 1 and 2 are opposites; 4 donors."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6))
    X[:, 2] = -X[:, 1]
    return X, np.where(X[:, 0] > 0, "yes", "no"), np.repeat(list("abcd"), 30)


def untimed(table):
    return table.drop(columns=["fit_time", "score_time"])


def pairs_of(estimator, X, y, **settings):
    """Pairs of three features under one estimator, called as the other studies are."""
    return feature_pairs(X[:, :3], y, models={"plain": estimator}, **settings)


STUDIES = {
    "budget": (label_budget, {"sizes": [10, 60], "n_repeats": 2}),
    "dimension": (latent_dimension_study, {"dimensions": [1, 2], "n_repeats": 1}),
    "ablation": (ablation, {"n_repeats": 1}),
    "pairs": (pairs_of, {}),
}


# Stopping, resuming, many at once -------------------------------------------------------------


@pytest.mark.parametrize("name", STUDIES)
def test_a_stopped_run_goes_on_and_ends_as_if_unbroken(name, problem, tmp_path):
    study, settings = STUDIES[name]
    X, y, groups = problem
    fits, memory = tmp_path / "fits", tmp_path / "memory"
    fits.mkdir()
    settings = {**settings, "groups": groups, "random_state": 0}
    expected = study(Plain(folder=fits), X, y, **settings)
    n_fits = len(list(fits.iterdir()))
    [file.unlink() for file in fits.iterdir()]

    (fits / "stop").touch()
    with pytest.raises(KeyboardInterrupt):
        study(Plain(folder=fits), X, y, memory=memory, **settings)
    (fits / "stop").unlink()
    assert len(list(fits.iterdir())) == 5
    resumed = study(Plain(folder=fits), X, y, memory=str(memory), **settings)
    assert len(list(fits.iterdir())) == n_fits, "the five that were done are not done again"
    pd.testing.assert_frame_equal(untimed(resumed.scores), untimed(expected.scores))
    judged = "best" if name == "pairs" else "differences"
    pd.testing.assert_frame_equal(resumed[judged], expected[judged])

    study(Plain(folder=fits), X + 1e-9, y, memory=memory, **settings)
    assert len(list(fits.iterdir())) == 2 * n_fits, "other rows are fitted on anew"


def results_of(X, y, groups, n_jobs):
    """Every study, with estimators that worker processes can import."""
    forest = RandomForestClassifier(3)
    settings = {"groups": groups, "n_jobs": n_jobs, "random_state": 3}
    once = {"n_repeats": 1, **settings}
    budget = label_budget(forest, X, y, sizes=[20, 80], n_repeats=2, **settings)
    pairs = feature_pairs(X[:, :2], y, models={"forest": forest}, **settings)
    dimension = latent_dimension_study(Plain(), X, y, dimensions=[1, 2], **once)
    losses = ablation(Plain(), X, y, **once)
    scores = [untimed(study.scores) for study in (budget, pairs, dimension, losses)]
    return [*scores, pairs.best, dimension.relevance]


def test_two_jobs_find_what_one_finds(problem):
    for one, two in zip(results_of(*problem, n_jobs=1), results_of(*problem, n_jobs=2)):
        pd.testing.assert_frame_equal(one, two)


@pytest.mark.slow
def test_a_dask_cluster_finds_what_one_job_finds(problem, tmp_path):
    distributed = pytest.importorskip("distributed")
    expected = results_of(*problem, n_jobs=1)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client, parallel_config("dask"):
        found = results_of(*problem, n_jobs=None)
        n_done = sum(client.run(lambda dask_worker: dask_worker.state.executed_count).values())
        settings = {"sizes": [50], "n_repeats": 1, "memory": tmp_path, "random_state": 0}
        once, again = (
            label_budget(LogisticRegression(), *problem[:2], **settings) for _ in range(2)
        )
    for one, other in zip(expected, found):
        pd.testing.assert_frame_equal(one, other)
    pd.testing.assert_frame_equal(once.scores, again.scores)
    assert n_done >= 76, "the fits were done by the cluster's workers"


@pytest.mark.parametrize("name", STUDIES)
def test_progress_is_shown_where_asked_for(name, problem, capsys):
    study, settings = STUDIES[name]
    X, y, groups = problem
    settings = {**settings, "groups": groups, "random_state": 0}
    study(Plain(), X, y, **settings)
    assert capsys.readouterr().err == ""
    study(Plain(), X, y, verbose=1, **settings)
    shown = capsys.readouterr().err
    assert "100%" in shown and "fit" in shown


def test_other_seeds_give_other_folds_and_no_global_generator_is_used(problem):
    X, y, _ = problem
    before = np.random.get_state()[1].copy()
    one, other = (
        label_budget(GaussianNB(), X, y, sizes=[20], n_repeats=1, random_state=seed)
        for seed in (0, 1)
    )
    assert not np.array_equal(one.folds[0][1], other.folds[0][1])
    assert np.array_equal(np.random.get_state()[1], before)


# Label budget ---------------------------------------------------------------------------------


class Memoriser(ClassifierMixin, BaseEstimator):
    """Right for every donor that it has seen, and wrong for all others."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.donors_ = set(np.asarray(X)[:, 0])
        return self

    def predict(self, X):
        X = np.asarray(X)
        known = np.isin(X[:, 0], list(self.donors_))
        return np.where(known == (X[:, 1] == 1), *self.classes_[::-1])


def test_held_out_donors_are_never_drawn_from():
    donors, truth = np.repeat(np.arange(4), 20), np.tile([0, 1], 40)
    X = np.column_stack([donors, truth])
    budget = label_budget(Memoriser(), X, truth, groups=donors, random_state=0)
    assert (budget.scores["value"] == 0).all()
    assert_allclose(label_budget(Memoriser(), X, truth, random_state=0).scores["value"].max(), 1)


def test_draws_are_stratified_nested_and_repeated(problem):
    X, _, groups = problem
    y = np.where(np.arange(120) % 6 == 0, "rare", "common")
    drawn = []

    def remember(fitted, X, y):
        drawn.append((len(fitted.rows_), np.mean(fitted.labels_ == "rare"), fitted.rows_[:, 0]))
        return 0.0

    label_budget(Plain(), X, y, sizes=[6, 12, 60], n_repeats=2, groups=groups, scoring=remember)
    assert [size for size, _, _ in drawn] == [6, 12, 60] * 8
    assert all(share == pytest.approx(1 / 6, abs=0.06) for _, share, _ in drawn)
    for small, middle, large in zip(drawn[::3], drawn[1::3], drawn[2::3]):
        assert set(small[2]) < set(middle[2]) < set(large[2])
    assert set(drawn[0][2]) != set(drawn[12][2]), "repeats draw other cells"


def test_even_two_labels_hold_a_rare_class(problem):
    X, y, _ = problem
    y[:] = "common"
    y[:12] = "rare"
    budget = label_budget(GaussianNB(), X, y, sizes=[2, 4], n_repeats=3, random_state=0)
    assert set(budget.scores["n_train"]) == {2, 4}


def test_default_sizes_double_up_to_the_smallest_training_side(problem):
    X, y, groups = problem
    groups[25:30] = "b"  # 25, 35, 30 and 30 rows
    budget = label_budget(GaussianNB(), X, y, groups=groups, n_repeats=1, random_state=0)
    assert budget.sizes == [5, 10, 21, 42, 85]


def test_too_few_cells_for_the_default_sizes_are_counted(problem):
    X, _, _ = problem
    with pytest.raises(ValueError, match="only 2 labelled cells to draw from, .* sizes need 4"):
        label_budget(GaussianNB(), X[:4], ["no", "yes"] * 2, cv=2, random_state=0)


def test_intervals_count_each_fold_once(problem):
    X, y, groups = problem
    budget = label_budget(
        GaussianNB(), X, y, sizes=[8, 60], n_repeats=3, groups=groups, random_state=0
    )
    by_fold = budget.scores.groupby(["size", "fold"])["value"].mean().unstack(0)
    # Folds of 30 rows against 90: n_test / n_train = 1 / 3, however few rows were drawn.
    for values, row in (
        (by_fold[8], budget.summary.loc[8, "balanced_accuracy"]),
        (by_fold[8] - by_fold[60], budget.differences.loc[8, "balanced_accuracy"]),
    ):
        half = stats.t.ppf(0.975, 3) * np.sqrt((1 / 4 + 1 / 3) * values.var(ddof=1))
        expected = [values.mean(), values.mean() - half, values.mean() + half]
        assert_allclose(row[["mean", "low", "high"]].astype(float), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": [10, 91]}, "asks for 91 labelled cells, but a fold has only 90 to draw"),
        ({"sizes": [1, 10]}, "1 labelled cells, which cannot hold each of the 2 classes"),
        ({"sizes": [10, 10]}, "sizes must rise"),
        ({"sizes": [0.5]}, r"sizes must be whole numbers of cells, found \[0.5\]"),
        ({"sizes": []}, "sizes must be whole numbers"),
        ({"sizes": 40}, "sizes must be whole numbers of cells, found 40"),
        ({"n_repeats": 0}, "n_repeats must be 1 or more, found 0"),
        ({"memory": "somewhere", "random_state": None}, "memory needs random_state"),
        ({"scoring": "nonsense"}, "nonsense"),
        ({"groups": ["a"] * 120}, "one group, 'a'; two are needed"),
        ({"y": ["yes"] * 120}, "at least two classes are needed, found only 'yes'"),
        ({"y": ["yes", None] * 60}, "60 of 120 labels are missing"),
        ({"groups": list("ab")}, "inconsistent numbers of samples"),
    ],
)
def test_bad_requests_are_named(changes, message, problem):
    X, y, groups = problem
    request = {"y": y, "groups": groups, "random_state": 0} | changes
    with pytest.raises(ValueError, match=message):
        label_budget(GaussianNB(), X, **request)


def test_groups_of_one_class_cannot_be_scored_one_by_one(problem):
    X, y, _ = problem
    clones = np.where(y == "yes", "y", "n") + (np.arange(120) % 2).astype(str).astype(object)
    one_by_one = [(np.flatnonzero(clones != c), np.flatnonzero(clones == c)) for c in set(clones)]
    with pytest.raises(ValueError, match="no fold holds out rows of all classes 'no', 'yes'"):
        label_budget(GaussianNB(), X, y, groups=clones, cv=one_by_one)


def test_folds_that_lack_a_class_are_left_out_with_a_word(problem):
    X, y, groups = problem
    y[groups == "b"] = "no"
    folds = [(np.flatnonzero(groups != g), np.flatnonzero(groups == g)) for g in "abcd"]
    with pytest.warns(UserWarning, match="1 of 4 folds hold out no row of class 'yes'"):
        budget = label_budget(GaussianNB(), X, y, groups=groups, cv=folds, sizes=[40])
    assert budget.scores.groupby("held_out")["value"].count().to_dict() == dict(a=5, b=0, c=5, d=5)
    assert budget.summary["folds"].tolist() == [3]


@pytest.mark.parametrize("name", STUDIES)
def test_a_metric_that_the_estimator_has_no_probabilities_for_is_named(name, problem):
    study, settings = STUDIES[name]
    X, y, groups = problem
    with pytest.warns(UserWarning, match="no fold defines 'neg_log_loss': the estimator has neit"):
        found = study(
            Plain(), X, y, groups=groups, scoring=["accuracy", "neg_log_loss"], **settings
        )
    means = found.summary["mean"].unstack("metric")
    assert means["neg_log_loss"].isna().all() and means["accuracy"].notna().all()


# Latent dimension -----------------------------------------------------------------------------


def test_relevance_and_correlation_of_known_latents(problem):
    X, y, groups = problem
    study = latent_dimension_study(
        Plain(), X, y, dimensions=[1, 2, 3], n_repeats=1, groups=groups, random_state=0
    )
    mean = study.summary["mean"].unstack()
    assert_allclose(mean["balanced_accuracy"], 1)
    # Of columns 0, 1, 2 only 1 and 2 are correlated, by -1.
    correlations = study.scores[study.scores["metric"] == "latent_correlation"]
    for number, (_, test) in enumerate(study.folds):
        found = correlations.loc[correlations["fold"] == number, "value"]
        with_first = abs(np.corrcoef(X[test, 0], X[test, 1])[0, 1])
        assert_allclose(found, [0, with_first, (2 * with_first + 1) / 3], atol=1e-12)
    relevance = study.relevance.groupby(["latent_dim", "latent"])["relevance"].mean().unstack()
    assert_allclose(relevance[0], 0.5, atol=0.1)  # a shuffled sign is right half of the time
    assert_allclose(relevance[1].dropna(), 0)
    assert study.relevance.query("rank == 1")["latent"].eq(0).all()


class Encoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The first columns, as latent features."""

    def __init__(self, latent_dim=2):
        self.latent_dim = latent_dim

    def fit(self, X, y=None):
        self._n_features_out = self.latent_dim
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X):
        return np.asarray(X)[:, : self.latent_dim]


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_the_latents_are_found_inside_a_search_over_a_pipeline(output, problem):
    X, y, groups = problem
    table = pd.DataFrame(X, columns=list("abcdef"))
    branches = [("images", make_pipeline(StandardScaler(with_std=False), Encoder()), list("abcd"))]
    columns = ColumnTransformer(branches, remainder="passthrough")
    columns.set_output(transform=output)
    pipeline = make_pipeline(columns, LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [1.0, 10.0]}, cv=GroupKFold(2))
    study = latent_dimension_study(
        search, table, y, dimensions=[2], n_repeats=1, groups=groups, random_state=0
    )
    relevance = study.relevance.groupby("latent")["relevance"].mean()
    assert relevance[0] > 0.4 and abs(relevance[1]) < 0.05, "latent feature 0 is column a"


def test_what_has_no_single_latent_dim_is_refused(problem):
    X, y, _ = problem
    with pytest.raises(ValueError, match="GaussianNB must have one parameter latent_dim, found n"):
        latent_dimension_study(GaussianNB(), X, y)
    two = ColumnTransformer([("a", Plain(), [0]), ("b", Plain(), [1])])
    with pytest.raises(ValueError, match="found 'a__latent_dim', 'b__latent_dim'"):
        latent_dimension_study(two, X, y)
    for dimensions, message in (([0, 2], "above 0"), (3, "found 3"), ([2, 2], "differ")):
        with pytest.raises(ValueError, match=message):
            latent_dimension_study(Plain(), X, y, dimensions=dimensions)


# Ablation -------------------------------------------------------------------------------------


def test_the_one_loss_that_matters_is_missed(problem):
    X, y, groups = problem
    result = ablation(
        Plain(lambda_covariance=0.0), X, y, groups=groups, n_repeats=1, random_state=0
    )
    assert result.summary["mean"].droplevel("metric").to_dict() == {
        "all losses": 1,
        "no contrastive": 0.5,
        "no reconstruction": 1,
    }
    assert result.differences.loc["no contrastive"].to_numpy().tolist() == [[-0.5, -0.5, -0.5]]
    with_three = ablation(Plain(), X, y, groups=groups, n_repeats=1, random_state=0)
    assert with_three.summary["mean"]["reconstruction only"].tolist() == [0.5]


def test_losses_are_needed_to_switch_off(problem):
    X, y, _ = problem
    with pytest.raises(ValueError, match="0 losses switched on .found no parameter lambda_"):
        ablation(GaussianNB(), X, y)
    with pytest.raises(ValueError, match="1 losses switched on .found 'lambda_contrastive'"):
        ablation(Plain(lambda_contrastive=0, lambda_covariance=0), X, y)


@pytest.mark.slow
def test_a_real_autoencoder_is_studied(cells):
    aae = AAEClassifier(pretrain_epochs=0, max_epochs=1)
    pipeline = make_modality_pipelines("image", ["size"], autoencoder=aae)["images + features"]
    settings = {"groups": cells["donor"], "cv": 2, "n_repeats": 1, "random_state": 0}
    study = latent_dimension_study(
        pipeline, cells, cells["fate"], dimensions=[2, 3], n_permutations=2, **settings
    )
    assert len(study.relevance) == 2 * (2 + 3)
    assert np.isfinite(study.relevance["relevance"]).all()
    result = ablation(pipeline, cells, cells["fate"], **settings)
    assert result.scores["losses"].nunique() == 6


# Feature pairs --------------------------------------------------------------------------------


def test_the_best_of_many_pairs_of_noise_is_honestly_chance():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(60, 7)), np.tile([0, 1], 30)
    pairs = feature_pairs(X, y, models={"bayes": GaussianNB()}, cv=3, random_state=0)
    best = pairs.best.loc["bayes"]
    assert best["n_pairs"] == 21
    assert best["apparent"] > 0.56
    assert best["honest"] < best["apparent"] - 0.04
    assert best["low"] < 0.5 < best["high"]


def test_thirteen_features_make_78_pairs():
    X, y = np.random.default_rng(1).normal(size=(24, 13)), np.tile([0, 1], 12)
    pairs = feature_pairs(X, y, models={"any": DummyClassifier()}, cv=2, random_state=0)
    assert pairs.best.loc["any", "n_pairs"] == 78
    assert len(pairs.summary) == 79, "and all features together"


def test_the_pair_that_tells_the_class_is_found_by_perceptrons(problem):
    X, _, _ = problem
    X = pd.DataFrame(X[:, [0, 1, 3]], columns=["area", "fret", "noise"])
    y = (X["area"] * X["fret"] > 0).to_numpy()  # neither alone says anything
    pairs = feature_pairs(X, y, cv=2, random_state=0)
    assert list(pairs.best.index) == ["simple", "tuned"]
    assert set(pairs.best["pair"]) == {"area + fret"}
    assert set(pairs.chosen["features"]) == {"area + fret"}
    assert_allclose(pairs.best["honest"], pairs.best["apparent"])
    assert (pairs.best["honest"] > 0.8).all()
    # Scaled in the fold, so units mean nothing.
    again = feature_pairs(X * [1e4, 1e-3, 1] + [5, 0, 0], y, cv=2, random_state=0)
    assert_allclose(again.best["honest"], pairs.best["honest"], atol=0.02)


def test_the_better_model_of_a_list_is_taken_in_inner_folds(problem):
    X, y, groups = problem
    models = {"tuned": [DummyClassifier(), GaussianNB()], "alone": GaussianNB()}
    pairs = feature_pairs(X[:, :4], y, models=models, groups=groups, random_state=0)
    tuned, alone = (pairs.chosen.query("model == @name")["value"].to_list() for name in models)
    assert tuned == alone and min(tuned) > 0.8


def test_the_honest_score_is_that_of_pairs_chosen_on_training_rows(problem):
    X, y, groups = problem
    pairs = feature_pairs(X, y, models={"bayes": GaussianNB()}, groups=groups, random_state=0)
    scores = pairs.scores.dropna(subset="first").set_index(["features", "fold"])["value"]
    for row in pairs.chosen.itertuples():
        assert scores[row.features, row.fold] == row.value
    best = pairs.best.loc["bayes"]
    assert best["honest"] == pytest.approx(pairs.chosen["value"].mean())
    assert best["apparent"] == pytest.approx(scores.groupby("features").mean().max())
    whole = pairs.scores.query("features == 'all 6 features'")["value"]
    assert best["all_features"] == pytest.approx(whole.mean())
    assert best["difference"] == pytest.approx(best["honest"] - whole.mean())


def test_what_a_loss_is_not_defined_for_is_never_the_best(problem):
    X, y, groups = problem
    models = {
        "either": [LinearSVC(), GaussianNB()],
        "probable": GaussianNB(),
        "certain": LinearSVC(),
    }
    with pytest.warns(UserWarning, match="no fold defines 'neg_log_loss' for model 'certain'"):
        pairs = feature_pairs(
            *(X[:, :3], y),
            models=models,
            groups=groups,
            scoring="neg_log_loss",
            random_state=0,
        )
    best = pairs.best
    assert best.loc["either", "honest"] == best.loc["probable", "honest"] > -0.7
    undefined = ["pair", "apparent", "honest", "low", "high", "all_features", "difference"]
    assert best.loc["certain", undefined].isna().all()
    display = FeaturePairsDisplay.from_result(pairs).plot()
    assert display.axes_[2].get_title(loc="left") == "certain: not defined"


def test_without_any_defined_score_no_pair_is_the_best(problem):
    X, y, groups = problem
    settings = {"groups": groups, "scoring": "neg_log_loss", "random_state": 0}
    with pytest.warns(UserWarning, match="no fold defines 'neg_log_loss'"):
        best = pairs_of(LinearSVC(), X, y, **settings).best
    assert best.loc["plain", ["pair", "honest", "low"]].isna().all()


def test_names_with_a_plus_are_no_other_pair(problem):
    X, y, groups = problem
    table = pd.DataFrame(X[:, :4], columns=["a", "a + b", "b + c", "c"])
    pairs = feature_pairs(table, y, models={"b": GaussianNB()}, groups=groups, random_state=0)
    assert pairs.best.loc["b", "n_pairs"] == 6 and len(pairs.summary) == 7
    of_pairs = pairs.scores.dropna(subset="first")
    assert len(of_pairs[["first", "second"]].drop_duplicates()) == 6
    assert set(of_pairs["features"]) >= {"a + 'b + c'", "'a + b' + c", "a + c"}


def test_two_donors_are_enough(problem):
    X, y, groups = problem
    two = np.where(np.isin(groups, ["a", "b"]), "a", "b")
    pairs = feature_pairs(X[:, :3], y, models={"b": GaussianNB()}, groups=two, random_state=0)
    assert len(pairs.chosen) == 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1.0, 2]}, "two features or more make pairs, found 'a'"),
        ({"a": [1, 2], "donor": ["x", "y"]}, "features must be numbers, but columns 'donor'"),
        ({"a": [1, 2], "b": [np.inf, 0]}, "columns 'b' have infinite values"),
    ],
)
def test_features_are_checked(columns, message):
    with pytest.raises(ValueError, match=message):
        feature_pairs(pd.DataFrame(columns), [0, 1])


def test_missing_values_are_filled_in_the_fold(problem):
    X, y, _ = problem
    X[::7, 1] = np.nan
    assert np.isfinite(feature_pairs(X[:, :2], y, cv=2).best["honest"]).all()


# Displays -------------------------------------------------------------------------------------


def test_displays_show_what_was_found(problem):
    X, y, groups = problem
    settings = {"groups": groups, "random_state": 0}
    budget = label_budget(Plain(), X, y, sizes=[10, 40], n_repeats=1, **settings)
    ax = LabelBudgetDisplay.from_result(budget).plot().ax_
    assert [label.get_text() for label in ax.get_xticklabels()] == ["10", "40"]
    assert "each held-out group" in [text.get_text() for text in ax.get_legend().get_texts()]
    bottom, top = ax.get_ylim()
    bounds = budget.summary[["low", "high"]].to_numpy(float).clip(0, 1)
    assert bottom <= bounds.min() and bounds.max() <= top, "the whole band is seen"

    study = latent_dimension_study(Plain(), X, y, dimensions=[2, 3], n_repeats=1, **settings)
    axes = LatentDimensionDisplay.from_result(study).plot().axes_
    assert [len(line.get_xdata()) for line in axes[2].lines[:2]] == [2, 3]

    result = ablation(Plain(), X, y, n_repeats=1, **settings)
    ax = AblationDisplay.from_result(result).plot().ax_
    assert [label.get_text() for label in ax.get_yticklabels()][:2] == [
        "all losses",
        "no contrastive",
    ]
    with pytest.raises(ValueError, match="'roc_auc' was not scored; scored are 'balanced_accur"):
        AblationDisplay.from_result(result, metric="roc_auc")

    pairs = feature_pairs(X[:, :3], y, models={"bayes": GaussianNB()}, **settings)
    ax = FeaturePairsDisplay.from_result(pairs).plot().axes_[0]
    shown = ax.images[0].get_array()
    assert shown.shape == (2, 2) and shown.mask.tolist() == [[False, True], [False, False]]
    column, row = (int(end[0]) for end in ax.lines[0].get_data())
    assert shown[row, column] == pytest.approx(pairs.best.loc["bayes", "apparent"])
    matplotlib.pyplot.close("all")
