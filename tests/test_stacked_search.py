"""Stacked searches give what scikit-learn's own give, from one program in place of many fits."""

import contextlib
import copy
import os
import pickle
import platform
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imbalanced_pipeline
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from skorch.callbacks import Callback

from sklearn_cellfate import image_column
from sklearn_cellfate.feature_extraction import IntensityStatistics
from sklearn_cellfate.model_selection import StackedGridSearchCV, stacked_cross_validate
from sklearn_cellfate.neural_network import AAEClassifier, AdversarialAutoencoder
from sklearn_cellfate.neural_network._stacked_fit import train_stack
from sklearn_cellfate.neural_network._stacked_net import describe_fit, training_handled_by
from sklearn_cellfate.over_sampling import AugmentationOverSampler
from sklearn_cellfate.preprocessing import IntensityScaler

# Short, for float32's last bits grow into the third digit within a few epochs: Adam takes steps of
# one length along gradients that are nothing but rounding. In float64 longer fits agree, below.
SHORT = {"pretrain_epochs": 1, "max_epochs": 1, "batch_size": 12, "lr": 1e-4}


def cells(n=60, side=8, seed=0):
    """Images of two classes, one of which is brighter."""
    rng = np.random.default_rng(seed)
    fate = np.array(["dies", "divides"] * (n // 2))
    brightness = np.where(fate == "dies", 1, 2)[:, None, None, None]
    return rng.random((n, 1, side, side)) * brightness, fate


def assert_same_fit(stacked, alone, images):
    """Losses of all epochs, weights and latents of two fitted autoencoders agree to rounding."""
    np.testing.assert_allclose(stacked.transform(images), alone.transform(images), atol=1e-3)
    pd.testing.assert_frame_equal(
        stacked.history_.drop(columns="dur"), alone.history_.drop(columns="dur"), rtol=1e-4
    )
    ours, theirs = stacked.net_.get_weights(), alone.net_.get_weights()
    assert ours.keys() == theirs.keys()
    for name, weights in theirs.items():
        np.testing.assert_allclose(ours[name], weights, atol=2e-3, err_msg=name)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"noise_std": 0.1, "dropout": 0.5, "random_state": 3},
        {"noise_std": 0.0, "dropout": 0.0, "betas": (0.5, 0.99), "lr_schedule": "cosine"},
        {"augment": True, "prior": "uniform", "contrastive_form": "out", "temperature": 0.1},
        {"class_weight": {"dies": 1.5, "divides": 1.0}, "label_smoothing": 0.3},
        {"lambda_contrastive": 0.0, "lambda_adversarial": 1.0, "pretrain_ratio": 1.0},
    ],
    ids=lambda settings: ", ".join(settings) or "defaults",
)
def test_fits_equal_those_of_cross_validate(settings):
    images, fate = cells()
    # Folds of different size: 24, 20 and 16 rows are held out.
    folds = np.split(np.random.default_rng(1).permutation(60), [24, 44])
    folds = [(np.setdiff1d(np.arange(60), fold), fold) for fold in folds]
    aae = AAEClassifier(**{"random_state": 0} | SHORT | settings)
    options = {"cv": folds, "return_estimator": True}
    stacked = stacked_cross_validate(aae, images, fate, **options)
    alone = cross_validate(aae, images, fate, **options)
    for ours, theirs in zip(stacked["estimator"], alone["estimator"]):
        assert_same_fit(ours, theirs, images)
    np.testing.assert_allclose(stacked["test_score"], alone["test_score"], atol=0.1)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"augment": True, "lr_schedule": "cosine", "prior": "uniform", "contrastive_form": "out"},
        {"class_weight": {"dies": 1.3, "divides": 1.0}, "batch_size": 17, "betas": (0.5, 0.99)},
    ],
    ids=lambda settings: ", ".join(settings) or "defaults",
)
def test_in_float64_the_program_follows_single_fits_to_the_last_digits(settings):
    torch.set_default_dtype(torch.float64)
    try:
        jobs, nets = zip(*(start_in_float64(member, settings) for member in range(3)))
        (plan,) = {plan for plan, _ in jobs}
        outcomes = train_stack(plan, [job for _, job in jobs])
    finally:
        torch.set_default_dtype(torch.float32)
    for net, outcome in zip(nets, outcomes):
        for epoch, row in zip(net.history, outcome.epochs, strict=True):
            for name in set(row) - {"dur"}:
                assert row[name] == pytest.approx(epoch[name], rel=1e-11, abs=1e-12)
        trained = net.discriminator_.state_dict()
        for name, weights in outcome.weights[1].items():
            torch.testing.assert_close(weights, trained[name], rtol=0, atol=1e-12)


def start_in_float64(member, settings):
    """Prepare a fit for the program; train it alone. Each differs in all that may differ."""
    images, fate = cells(60 - 2 * member)
    prepared = []

    def train_alone(net, rows, held_out, n_epochs, scheduled):
        if not prepared:
            rows.images = rows.images.astype(np.float64)
            net.criterion_.double()
            plan, job = describe_fit(net, rows, n_epochs)
            job.module, job.discriminator = copy.deepcopy((net.module_, net.discriminator_))
            prepared.append((plan, job))
        return False

    aae = AAEClassifier(
        **{
            "pretrain_epochs": 1,
            "max_epochs": 3,
            "random_state": member,
            "lr": 0.001 * (1 + member),
            "noise_std": [0.003, 0.0, 0.01][member],
            "dropout": [0.3, 0.1, 0.0][member],
            "temperature": 0.3 + 0.1 * member,
            "label_smoothing": 0.1 * member,
            "lambda_adversarial": member,
            "lambda_contrastive": 3 - member,
        }
        | settings
    )
    with training_handled_by(train_alone), contextlib.suppress(RuntimeError):
        aae.fit(images, fate)  # fails once trained: what is scaled for the head is float32
    return prepared[0], aae.net_


@pytest.mark.parametrize("shape", [(1, 20, 20), (2, 9, 12), (1, 1, 5)])
def test_images_of_any_shape(shape):
    """Sides that double on the way back (20) and such that do not (9); several channels."""
    rng = np.random.default_rng(0)
    images, fate = rng.random((30, *shape)), np.array(["dies", "divides"] * 15)
    aae = AAEClassifier(random_state=0, **SHORT)
    options = {"cv": 2, "return_estimator": True}
    stacked = stacked_cross_validate(aae, images, fate, **options)["estimator"]
    alone = cross_validate(aae, images, fate, **options)["estimator"]
    assert_same_fit(stacked[1], alone[1], images)


def test_a_grid_gives_the_results_of_grid_search():
    images, fate = cells()
    grid = [
        {"lambda_reconstruction": [1.0, 8.0], "dropout": [0.0, 0.4]},
        {"latent_dim": [3], "betas": [(0.9, 0.99)], "random_state": [0, 1]},
    ]
    options = {
        "scoring": ["accuracy", "neg_log_loss"],
        "refit": "neg_log_loss",
        "cv": 2,
        "return_train_score": True,
    }
    aae = AAEClassifier(random_state=0, **SHORT)
    stacked = StackedGridSearchCV(aae, grid, max_stack=3, **options).fit(images, fate)
    alone = GridSearchCV(aae, grid, **options).fit(images, fate)
    assert stacked.cv_results_["params"] == alone.cv_results_["params"]
    assert stacked.cv_results_.keys() == alone.cv_results_.keys()
    for name in alone.cv_results_:
        if "test" in name or "train" in name:
            tolerance = {"atol": 0.06 if "accuracy" in name else 1e-3}
            if not name.startswith("rank"):
                np.testing.assert_allclose(
                    stacked.cv_results_[name], alone.cv_results_[name], **tolerance
                )
    assert stacked.multimetric_ and set(stacked.scorer_) == {"accuracy", "neg_log_loss"}
    np.testing.assert_array_equal(  # the final fit is an ordinary one
        stacked.best_estimator_.transform(images),
        AAEClassifier(**{"random_state": 0} | SHORT | stacked.best_params_)
        .fit(images, fate)
        .transform(images),
    )


def table_of_cells():
    images, fate = cells()
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {"nucleus": image_column(images), "area": rng.random(60), "fate": fate}
    ), np.repeat(np.arange(6), 10)


def test_image_branch_of_a_pipeline_with_groups():
    """What stands before, beside and behind the autoencoder is fitted fold by fold."""
    table, clone = table_of_cells()
    aae = AAEClassifier(random_state=0, **SHORT)
    columns = ColumnTransformer(
        [
            ("images", make_pipeline(aae, StandardScaler()), ["nucleus"]),
            ("features", StandardScaler(), ["area"]),
        ]
    )
    pipeline = make_pipeline(columns, LogisticRegression())
    grid = {
        "columntransformer__images__aaeclassifier__temperature": [0.2, 0.5],
        "logisticregression__C": [0.1],
    }
    options = {"cv": GroupKFold(3), "scoring": "neg_log_loss"}
    fits = {
        kind: kind(pipeline, grid, **options).fit(
            table[["nucleus", "area"]], table["fate"], groups=clone
        )
        for kind in (StackedGridSearchCV, GridSearchCV)
    }
    stacked, alone = (fits[kind].cv_results_ for kind in (StackedGridSearchCV, GridSearchCV))
    for fold in range(3):
        name = f"split{fold}_test_score"
        np.testing.assert_allclose(stacked[name], alone[name], atol=1e-3)


def unions_and_samplers():
    """Pipelines whose last step or image branch is an autoencoder; and where its settings are."""
    aae = AAEClassifier(random_state=0, **SHORT)
    scaler = IntensityScaler()
    both = FeatureUnion([("latents", aae), ("statistics", IntensityStatistics())])
    sampler = AugmentationOverSampler(sampling_strategy="all", random_state=0)
    return {
        "last step": (make_pipeline(scaler, aae), "aaeclassifier__"),
        "union": (
            make_pipeline(scaler, both, LogisticRegression()),
            "featureunion__latents__",
        ),
        "sampler": (
            make_imbalanced_pipeline(
                RandomOverSampler(random_state=0), sampler, aae, StandardScaler(), GaussianNB()
            ),
            "aaeclassifier__",
        ),
    }


@pytest.mark.parametrize("name", ["last step", "union", "sampler"])
def test_unions_and_samplers(name):
    pipeline, prefix = unions_and_samplers()[name]
    table, _ = table_of_cells()
    table, fate = (
        table[["nucleus"]].iloc[:50],
        table["fate"][:50].where(table.index[:50] > 9, "dies"),
    )
    grid = {f"{prefix}temperature": [0.2, 0.5]}
    options = {"cv": 2, "scoring": "neg_log_loss"}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # none was trained alone
        stacked = StackedGridSearchCV(pipeline, grid, **options).fit(table, fate)
    alone = GridSearchCV(pipeline, grid, **options).fit(table, fate)
    np.testing.assert_allclose(
        stacked.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"], atol=2e-3
    )


def test_metadata_is_routed():
    images, fate = cells()
    rng = np.random.default_rng(0)
    metadata = {"groups": np.repeat(np.arange(6), 10), "sample_weight": rng.integers(1, 4, 60)}
    grid = {"lambda_contrastive": [1.0, 6.0]}
    with config_context(enable_metadata_routing=True):
        aae = AAEClassifier(random_state=0, **SHORT)
        aae.set_fit_request(sample_weight=True, groups=True).set_score_request(sample_weight=True)
        stacked, alone = (
            kind(aae, grid, cv=GroupKFold(3), refit=False).fit(images, fate, **metadata)
            for kind in (StackedGridSearchCV, GridSearchCV)
        )
        unweighted = StackedGridSearchCV(aae, grid, cv=GroupKFold(3), refit=False)
        unweighted.fit(images, fate, groups=metadata["groups"])
    for fold in range(3):
        name = f"split{fold}_test_score"
        np.testing.assert_allclose(stacked.cv_results_[name], alone.cv_results_[name], atol=0.1)
    name = "mean_test_score"
    assert not np.array_equal(stacked.cv_results_[name], unweighted.cv_results_[name])


def test_architectures_have_programs_of_their_own_of_max_stack_networks(capfd):
    images, fate = cells()
    grid = [
        {"latent_dim": [2, 3], "lr": [1e-4, 1e-3], "temperature": [0.1, 0.5]},
        {"batch_size": [15], "dropout": [0.0, 0.3, 0.5]},
    ]
    search = StackedGridSearchCV(
        AAEClassifier(random_state=0, **SHORT), grid, cv=2, refit=False, max_stack=5, verbose=1
    )
    search.fit(images, fate)
    bars = re.findall(r"(\d+) fits at once: +0%", capfd.readouterr().err)  # as each begins
    # Eight fits of either latent dimension, and six in batches of another size.
    assert sorted(map(int, bars)) == sorted([5, 3, 5, 3, 5, 1])


def test_an_autoencoder_without_classes():
    images, _ = cells()
    aae = AdversarialAutoencoder(random_state=0, **SHORT)
    grid = {"lambda_covariance": [0.0, 1.0]}
    stacked = StackedGridSearchCV(aae, grid, cv=2).fit(images).cv_results_
    alone = GridSearchCV(aae, grid, cv=2).fit(images).cv_results_
    np.testing.assert_allclose(stacked["mean_test_score"], alone["mean_test_score"], atol=1e-4)


def assert_jobs_within_fits_score_as_usual():
    table, _ = table_of_cells()
    one, two = (AAEClassifier(random_state=seed, **SHORT) for seed in range(2))
    vote = VotingClassifier([("one", one), ("two", two)], voting="soft", n_jobs=2)
    columns = ColumnTransformer(
        [
            ("one", one, ["nucleus"]),
            ("two", two, ["nucleus"]),
            ("area", StandardScaler(), ["area"]),
        ],
        n_jobs=2,
    )
    for model, names in (
        (vote, ["nucleus"]),
        (make_pipeline(columns, LogisticRegression()), ["nucleus", "area"]),
    ):
        arguments, options = (model, table[names], table["fate"]), {"scoring": "neg_log_loss"}
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # none was trained alone
            stacked = stacked_cross_validate(*arguments, cv=2, **options)
        with parallel_config("sequential"):
            alone = cross_validate(*arguments, cv=2, **options)
        assert stacked.keys() == alone.keys()
        np.testing.assert_allclose(stacked["test_score"], alone["test_score"], atol=1e-3)


def test_models_with_jobs_of_their_own():
    """A process of its own, which is ended if its fits wait for one another."""
    program = (
        f"import {__name__} as here; here.{assert_jobs_within_fits_score_as_usual.__name__}()"
    )
    subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parent, check=True, timeout=120
    )


def test_under_a_backend_of_threads_one_program_takes_all_fits(capfd):
    images, fate = cells()
    aae = AAEClassifier(random_state=0, **SHORT)
    options = {"cv": 3, "scoring": "neg_log_loss"}
    with parallel_config("threading", n_jobs=3):
        stacked = stacked_cross_validate(aae, images, fate, verbose=1, **options)
    assert "3 fits at once: 100%" in capfd.readouterr().err
    alone = cross_validate(aae, images, fate, **options)
    np.testing.assert_allclose(stacked["test_score"], alone["test_score"], atol=1e-3)


def process_id(estimator, X, y):
    """Of the process that scores, as if it were a score."""
    return os.getpid()


class Keeper(TransformerMixin, BaseEstimator):
    """A step that holds a network and fits none."""

    def __init__(self, network):
        self.network = network

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


@pytest.mark.slow
@pytest.mark.parametrize(("device", "n_processes"), [("cpu", 2), ("auto", 1)])
def test_fits_keep_to_one_process_if_a_network_is_on_the_gpu(device, n_processes, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    keeper = Keeper(AAEClassifier(device=device))
    model = make_pipeline(keeper, AAEClassifier(device="cpu", random_state=0, **SHORT))
    scored = stacked_cross_validate(model, *cells(), cv=2, n_jobs=2, scoring=process_id)
    assert len(set(scored["test_score"])) == n_processes


@pytest.mark.slow
def test_programs_in_two_processes_give_the_same():
    images, fate = cells()
    aae = AAEClassifier(random_state=0, **SHORT)
    options = {"cv": 3, "return_estimator": True}
    one = stacked_cross_validate(aae, images, fate, **options)["estimator"]
    two = stacked_cross_validate(aae, images, fate, n_jobs=2, **options)["estimator"]
    for ours, theirs in zip(one, two):
        assert_same_fit(ours, theirs, images)


@pytest.mark.slow
def test_two_processes_search_as_one():
    images, fate = cells()
    aae = AAEClassifier(random_state=0, **SHORT)
    grid = [{"lr": [1e-4], "betas": [(0.0, 0.9), (0.0, 2.0)]}, {"early_stopping": [True]}]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        two = StackedGridSearchCV(aae, grid, cv=2, n_jobs=2, error_score=0.5).fit(images, fate)
    said = [str(one.message) for one in caught]
    assert sum("2 of 4 fits were trained one by one" in one for one in said) == 1
    assert sum("2 fits failed out of a total of 6" in one for one in said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        usual = GridSearchCV(aae, grid, cv=2, error_score=0.5).fit(images, fate)
    np.testing.assert_allclose(
        two.cv_results_["mean_test_score"], usual.cv_results_["mean_test_score"], atol=1e-3
    )
    with pytest.raises(ValueError, match="betas"):
        StackedGridSearchCV(aae, grid, cv=2, n_jobs=2, error_score="raise").fit(images, fate)


def test_fitted_autoencoders_are_ordinary_ones():
    images, fate = cells()
    aae = AAEClassifier(random_state=0, **SHORT)
    options = {"cv": 2, "return_estimator": True}
    ours = stacked_cross_validate(aae, images, fate, **options)["estimator"][0]
    theirs = cross_validate(aae, images, fate, **options)["estimator"][0]
    assert type(ours) is AAEClassifier and ours.n_iter_ == 2
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(ours)).predict_proba(images), ours.predict_proba(images)
    )
    for fitted in (ours, theirs):  # the optimiser's means are there to go on with
        fitted.partial_fit(images, fate)
    assert_same_fit(ours, theirs, images)


def test_early_stopping_and_callbacks_train_alone_with_one_warning():
    images, fate = cells()
    aae = AAEClassifier(random_state=0, **SHORT)
    grid = [{"early_stopping": [True]}, {"callbacks": [[Callback()]]}, {"lr": [1e-4]}]
    with pytest.warns(UserWarning) as caught:
        stacked = StackedGridSearchCV(aae, grid, cv=2).fit(images, fate)
    told = [str(one.message) for one in caught if "one by one" in str(one.message)]
    assert len(told) == 1
    assert told[0].startswith("4 of 6 fits") and "early_stopping" in told[0]
    assert "callbacks" in told[0]
    alone = GridSearchCV(aae, grid, cv=2).fit(images, fate)
    np.testing.assert_array_equal(
        stacked.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )


def test_other_estimators_fit_as_usual_and_say_so():
    rng = np.random.default_rng(0)
    X, y = rng.random((40, 3)), np.arange(40) % 2
    with pytest.warns(UserWarning, match="6 of 6 fits .* hold no AdversarialAutoencoder"):
        stacked = StackedGridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=3).fit(X, y)
    alone = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=3).fit(X, y)
    assert stacked.best_params_ == alone.best_params_


def test_failed_fits_get_the_error_score():
    images, fate = cells()
    aae = AAEClassifier(random_state=0, **SHORT)
    grid = {"betas": [(0.0, 0.9), (0.0, 2.0)]}
    with pytest.warns(Warning, match="2 fits failed"):
        search = StackedGridSearchCV(aae, grid, cv=2, error_score=-1.0).fit(images, fate)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"][1:], -1.0)
    assert search.cv_results_["mean_test_score"][0] > 0
    with pytest.raises(ValueError, match="betas"):
        StackedGridSearchCV(aae, grid, cv=2, error_score="raise").fit(images, fate)


def test_one_network_that_diverges_leaves_the_others_alone():
    images, fate = cells()
    aae = AAEClassifier(random_state=0, **SHORT)
    grid = {"lr": [1e-4, 1e38]}
    options = {"scoring": "neg_log_loss", "refit": False, "cv": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stacked = StackedGridSearchCV(aae, grid, **options).fit(images, fate)
        alone = GridSearchCV(aae, grid, **options).fit(images, fate)
    np.testing.assert_allclose(
        stacked.cv_results_["mean_test_score"],
        alone.cv_results_["mean_test_score"],
        atol=1e-3,
    )


def test_the_rest_of_the_program_is_left_as_it_was():
    images, fate = cells()
    aae = AAEClassifier(random_state=0, **SHORT)
    before = torch.get_rng_state(), list(warnings.filters), warnings.showwarning
    numbers = np.random.get_state()[1].copy()
    StackedGridSearchCV(aae, {"lr": [1e-4, 1e-3]}, cv=2).fit(images, fate)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (list(warnings.filters), warnings.showwarning) == before[1:]
    np.testing.assert_array_equal(np.random.get_state()[1], numbers)


def test_progress_bar(capfd):
    images, fate = cells()
    aae = AAEClassifier(random_state=0, **SHORT)
    StackedGridSearchCV(aae, {"lr": [1e-4, 1e-3]}, cv=2, verbose=1).fit(images, fate)
    said = capfd.readouterr()
    assert "2 folds for each of 2 candidates" in said.out
    assert "4 fits at once: 100%" in said.err


@pytest.mark.parametrize("max_stack", [0, "a", 2.5, None])
def test_max_stack_is_checked(max_stack):
    said = rf"'max_stack' parameter .* must be an int in the range \[1, inf\). Got {max_stack!r}"
    with pytest.raises(ValueError, match=said):
        StackedGridSearchCV(AAEClassifier(), {}, max_stack=max_stack).fit(*cells())
    with pytest.raises(ValueError, match=said):
        stacked_cross_validate(AAEClassifier(), *cells(), max_stack=max_stack)


@pytest.mark.parametrize("n_jobs", ["2", 1.5])
def test_n_jobs_is_checked(n_jobs):
    with pytest.raises(ValueError, match=f"'n_jobs' parameter .* Got {n_jobs!r}"):
        stacked_cross_validate(AAEClassifier(), *cells(), n_jobs=n_jobs)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the GNU C library")
def test_memory_of_a_step_is_there_for_the_next():
    resource = pytest.importorskip("resource")
    images, fate = cells(n=120, side=20)
    aae = AAEClassifier(random_state=0, pretrain_epochs=1, max_epochs=5, batch_size=30)
    folds = [(np.arange(start, 120), np.arange(start + 1)) for start in range(4)]

    def count_new_pages(n_epochs):
        aae.set_params(max_epochs=n_epochs)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        stacked_cross_validate(aae, images, fate, cv=folds)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    count_new_pages(1)
    assert count_new_pages(7) < 2 * count_new_pages(1)
