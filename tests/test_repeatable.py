"""The same seed gives the same bits, whatever else the program does, and leaves it alone."""

import contextlib
import pickle
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from sklearn_cellfate import image_column
from sklearn_cellfate.datasets import make_cell_movies, make_cultures, make_time_lapse
from sklearn_cellfate.feature_extraction import PixelFeatures
from sklearn_cellfate.model_selection import (
    compare_estimators,
    compare_modalities,
    fit_pipeline,
    make_folds,
)
from sklearn_cellfate.neural_network import (
    AAEClassifier,
    AdversarialAutoencoder,
    EfficientNetClassifier,
)
from sklearn_cellfate.over_sampling import AugmentationOverSampler
from sklearn_cellfate.patches import PatchClassifier

SHORT = {"pretrain_epochs": 1, "max_epochs": 1}


def make_cells(n=36):
    rng = np.random.default_rng(0)
    fate = np.array(["dies", "divides"])[rng.permutation(n) % 3 // 2]
    images = rng.random((n, 1, 8, 8)) * np.where(fate == "dies", 1, 2)[:, None, None, None]
    return pd.DataFrame(
        {
            "donor": np.array(list("abcd"))[np.arange(n) % 4],
            "size": rng.normal(size=n),
            "fate": fate,
            "image": image_column(images.astype(np.float32)),
        }
    )


def state_of_the_world():
    """All that belongs to the rest of the program, as bytes or numbers."""
    _, keys, position, has_gauss, gauss = np.random.get_state()
    return (
        random.getstate(),
        keys.tobytes(),
        position,
        has_gauss,
        gauss,
        torch.get_rng_state().numpy().tobytes(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
    )


@contextlib.contextmanager
def undisturbed():
    before = state_of_the_world()
    yield
    assert state_of_the_world() == before


def disturb(seed):
    """Do what other parts of a program may do."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def assert_same_bits(one, other):
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            assert_same_bits(one[name], other[name])
    else:
        one, other = np.asarray(one), np.asarray(other)
        assert one.dtype == other.dtype and one.tolist() == other.tolist()


def differ(one, other):
    with pytest.raises(AssertionError):
        assert_same_bits(one, other)
    return True


def fitted_results(estimator, cells):
    """Weights, history and outputs of a clone fitted on the cells."""
    model = clone(estimator).fit(cells[["image"]], cells["fate"], groups=cells["donor"])
    results = {
        name: getattr(model, name)(cells)
        for name in ("transform", "predict_proba")
        if hasattr(model, name)
    }
    if hasattr(model, "net_"):
        results |= model.net_.get_weights()
        results["history"] = model.history_.drop(columns="dur")
    return results


ESTIMATORS = [
    AdversarialAutoencoder(**SHORT),
    AAEClassifier(augment=True, class_weight="balanced", **SHORT),
    AAEClassifier(head=RandomForestClassifier(3), early_stopping=True, **SHORT),
    AAEClassifier(head=RandomForestClassifier(3), lr_schedule="cosine", warm_start=True, **SHORT),
    EfficientNetClassifier("tiny", max_epochs=1, augment=True, brightness=0.1),
    EfficientNetClassifier("tiny", n_components=2, max_epochs=1, early_stopping=True),
    PatchClassifier(make_pipeline(PixelFeatures(), LogisticRegression()), 4, max_patches=50),
    PatchClassifier(AAEClassifier(random_state=3, **SHORT), 4, max_patches=50),
]


@pytest.mark.parametrize(
    "estimator", ESTIMATORS, ids=lambda estimator: " ".join(str(estimator).split())[:60]
)
def test_estimators_repeat_themselves(estimator):
    cells = make_cells()
    estimator = clone(estimator).set_params(random_state=7)
    results = []
    for other_seed in (1, 2):
        disturb(other_seed)
        with undisturbed():
            results.append(fitted_results(estimator, cells))
    assert_same_bits(*results)
    assert differ(results[0], fitted_results(estimator.set_params(random_state=8), cells))


def test_generators_of_one_state_repeat_themselves():
    cells, results = make_cells(), []
    for _ in range(2):
        estimator = clone(ESTIMATORS[0]).set_params(random_state=np.random.RandomState(7))
        with undisturbed():
            results.append(fitted_results(estimator, cells))
    assert_same_bits(*results)


@pytest.mark.parametrize("estimator", ESTIMATORS[:6:4], ids=lambda estimator: str(estimator)[:30])
def test_epochs_added_one_by_one_repeat_themselves(estimator):
    cells = make_cells()
    results = []
    for other_seed in (1, 2):
        disturb(other_seed)
        model = clone(estimator).set_params(random_state=7, early_stopping=False)
        with undisturbed():
            for _ in range(2):
                model.partial_fit(cells[["image"]], cells["fate"])
            results.append(model.transform(cells))
    assert_same_bits(*results)


@pytest.mark.parametrize("estimator", ESTIMATORS[:6:4], ids=lambda estimator: str(estimator)[:30])
def test_fits_in_threads_do_not_draw_each_others_numbers(estimator):
    """As under joblib's "threading", or in a Dask worker: torch's generators are the process's."""
    cells = make_cells()
    models = [clone(estimator).set_params(random_state=seed) for seed in range(4)]
    with undisturbed():
        found = Parallel(4, backend="threading")(
            delayed(fitted_results)(model, cells) for model in models
        )
    for model, results in zip(models, found):
        assert_same_bits(results, fitted_results(model, cells))


class WaitForPickle(Callback):
    """Hold a fit up after its first epoch until somebody else has unpickled a model."""

    def __init__(self):
        self.at_epoch, self.unpickled = threading.Event(), threading.Event()

    def on_epoch_end(self, net, **kwargs):
        self.at_epoch.set()
        assert self.unpickled.wait(60)


@pytest.mark.parametrize("estimator", ESTIMATORS[:6:4], ids=lambda estimator: str(estimator)[:30])
def test_models_unpickled_beside_a_fit_neither_wait_for_it_nor_draw_its_numbers(estimator):
    cells, wait = make_cells(), WaitForPickle()
    arguments = cells[["image"]], cells["fate"]
    model = clone(estimator).set_params(random_state=7).fit(*arguments)
    expected, pickled = model.transform(cells), pickle.dumps(model)
    beside = clone(estimator).set_params(random_state=7, callbacks=[wait])
    with ThreadPoolExecutor(1) as executor:
        fit = executor.submit(beside.fit, *arguments)
        assert wait.at_epoch.wait(60)
        with undisturbed():
            again = pickle.loads(pickled)
        wait.unpickled.set()
        fit.result()
    np.testing.assert_array_equal(beside.transform(cells), expected)
    np.testing.assert_array_equal(again.transform(cells), expected)


def test_more_threads_around_a_fit_stay_as_they_are():
    cells, before = make_cells(), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with undisturbed():
            fitted_results(clone(ESTIMATORS[0]).set_params(random_state=7), cells)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("strategy", ["auto", {"dies": 40, "divides": 30}])
def test_the_sampler_repeats_itself(strategy):
    cells = make_cells()
    draws = []
    for seed in (7, 7, 8):
        disturb(len(draws))
        sampler = AugmentationOverSampler(sampling_strategy=strategy, random_state=seed)
        with undisturbed():
            table, labels = sampler.fit_resample(cells, cells["fate"])
        draws.append({"table": table, "labels": labels, "rows": sampler.sample_indices_})
    assert_same_bits(draws[0], draws[1])
    assert differ(draws[0], draws[2])


def simulate_tables(make, seed, folder, **settings):
    if make is make_time_lapse:
        settings["folder"] = folder
    bunch = make(random_state=seed, **settings)
    return {name: value for name, value in bunch.items() if isinstance(value, pd.DataFrame)}


@pytest.mark.parametrize(
    "make, settings",
    [
        (make_cell_movies, {"n_cells": 8}),
        (make_cultures, {"n_clones": 2, "n_wells": 1, "n_fields": 1, "hours": [24], "size": 64}),
        (make_time_lapse, {"n_fields": 1, "n_cells": 2, "n_frames": 12}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_simulators_repeat_themselves(make, settings, tmp_path):
    tables = []
    for seed in (7, 7, 8):
        disturb(len(tables))
        with undisturbed():
            tables.append(simulate_tables(make, seed, tmp_path, **settings))
    assert_same_bits(tables[0], tables[1])
    assert differ(tables[0], tables[2])


def test_folds_repeat_themselves():
    y, groups = np.arange(60) % 2, np.arange(60) // 3
    for given in (None, groups):
        folds = [make_folds(y, given, random_state=seed) for seed in (7, 7, 8)]
        tests = [np.concatenate([test for _, test in fold]) for fold in folds]
        assert_same_bits(tests[0], tests[1])
        assert differ(tests[0], tests[2])


def compared(comparison):
    """Everything that a comparison found but how long it took."""
    times = [name for name in comparison.scores if name.endswith("_time")]
    return {
        "scores": comparison.scores.drop(columns=times),
        "summary": comparison.summary,
        "differences": comparison.differences,
        "predictions": comparison.predictions,
    }


def compare_two(cells, n_jobs):
    return compare_estimators(
        {
            "forest": make_pipeline(PixelFeatures(), RandomForestClassifier(5, random_state=0)),
            "aae": AAEClassifier(random_state=0, **SHORT),
        },
        cells[["image"]],
        cells["fate"],
        groups=cells["donor"],
        cv=2,
        n_jobs=n_jobs,
        random_state=7,
    )


@pytest.mark.slow
def test_comparisons_do_not_depend_on_how_many_fits_run_at_once():
    cells = make_cells()
    results = []
    for n_jobs in (1, 1, 2):
        disturb(len(results))
        with undisturbed():
            results.append(compared(compare_two(cells, n_jobs)))
    assert_same_bits(results[0], results[1])
    assert_same_bits(results[0], results[2])


@pytest.mark.slow
def test_comparisons_of_modalities_repeat_themselves():
    cells = make_cells()
    results = []
    for other_seed in (1, 2):
        disturb(other_seed)
        with undisturbed():
            comparison = compare_modalities(
                cells,
                "fate",
                groups="donor",
                features=["size"],
                autoencoder=AAEClassifier(random_state=0, **SHORT),
                cv=2,
                random_state=7,
            )
            model = fit_pipeline(comparison, "images + features", cells)
        results.append(compared(comparison) | {"refitted": model.predict_proba(cells)})
    assert_same_bits(*results)
