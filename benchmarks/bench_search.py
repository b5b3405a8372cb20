"""A grid search whose networks train in one program against scikit-learn's own.

    OMP_NUM_THREADS=1 python -m benchmarks search

Fits are those of the paper, 20 x 20 pixels, batches of 30, but short: the time of a step does not
change. Both searches use two processes of one thread each and take turns, so that what else the
machine does falls on both; processes are started and warmed up apart. ``ms per step`` is the time
of all over the steps of all networks, ``ratio`` how many times as long ``GridSearchCV`` takes, by
medians and by the shortest times of either. The second group shows one core's time as the stack
grows. The last needs a GPU: 100 fits of paper size.
"""

import time

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, cross_validate

from sklearn_cellfate.model_selection import StackedGridSearchCV, stacked_cross_validate
from sklearn_cellfate.neural_network import AAEClassifier

BATCH_SIZE = 30


def cells(n):
    """Random images of two classes."""
    rng = np.random.default_rng(0)
    return rng.random((n, 1, 20, 20), dtype=np.float32), np.arange(n) % 2


def autoencoder(pretrain_epochs=1, max_epochs=2, device="cpu"):
    """Paper's settings, and its networks."""
    return AAEClassifier(
        pretrain_epochs=pretrain_epochs,
        max_epochs=max_epochs,
        batch_size=BATCH_SIZE,
        device=device,
        random_state=0,
    )


def describe(benchmark, kind, n_fits, n_images, n_epochs):
    """Say what a fit took, of images trained on, apart from the time of all."""
    n_steps = n_fits * n_epochs * (n_images // BATCH_SIZE)
    seconds = benchmark.stats.stats.median
    benchmark.extra_info["ms_per_step"] = 1e3 * seconds / n_steps
    benchmark.extra_info["images_per_s"] = n_fits * n_epochs * n_images / seconds
    if kind in (GridSearchCV, cross_validate):
        benchmark.extra_info["baseline"] = True


def test_grid_of_16_fits_on_two_cores(benchmark):
    """Time a search over 8 settings and 2 folds of either kind, in turns."""
    benchmark.group = "16 fits, n_jobs=2"
    images, fate = cells(1200)
    grid = {"lr": [0.0005, 0.001], "temperature": [0.3, 0.5], "dropout": [0.1, 0.3]}
    usual, stacked = (
        kind(autoencoder(2, 6), grid, cv=2, n_jobs=2, refit=False)
        for kind in (GridSearchCV, StackedGridSearchCV)
    )
    for search in (usual, stacked):
        search.fit(images[: 4 * BATCH_SIZE], fate[: 4 * BATCH_SIZE])
    of_usual = []

    def take_turn():
        started = time.perf_counter()
        usual.fit(images, fate)
        of_usual.append(time.perf_counter() - started)

    benchmark.pedantic(stacked.fit, (images, fate), setup=take_turn, rounds=5)
    describe(benchmark, StackedGridSearchCV, 16, 600, 8)
    stats = benchmark.stats.stats
    benchmark.extra_info |= {
        "GridSearchCV_ms": 1e3 * np.median(of_usual),
        "ratio": np.median(of_usual) / stats.median,
        "ratio_of_shortest": min(of_usual) / stats.min,
    }


@pytest.fixture(scope="module")
def warm():
    """Load and warm up what either kind of search needs."""
    images, fate = cells(2 * BATCH_SIZE)
    for kind in (cross_validate, stacked_cross_validate):
        kind(autoencoder(), images, fate, cv=2)


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("n_fits", [2, 8, 32])
@pytest.mark.parametrize("kind", [cross_validate, stacked_cross_validate])
def test_stacks_of_more_and_more(benchmark, kind, n_fits):
    """Time folds that train on the same number of rows, on one core."""
    benchmark.group = "fits at once, one core"
    images, fate = cells(600)
    rows = np.random.default_rng(0).permutation(600)
    folds = [(np.roll(rows, shift)[:300], rows[:2]) for shift in range(n_fits)]
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        benchmark.pedantic(kind, (autoencoder(), images, fate), {"cv": folds}, rounds=2)
    finally:
        torch.set_num_threads(n_threads)
    describe(benchmark, kind, n_fits, 300, 3)
    benchmark.extra_info |= {"x": n_fits, "series": kind.__name__}


GRID = {"lr": [0.0005, 0.001, 0.002, 0.004], "temperature": [0.1, 0.2, 0.3, 0.5, 0.7]}


def stacked_search(model, images, fate):
    """Fit 20 settings on 5 folds in one program."""
    StackedGridSearchCV(model, GRID, cv=5, refit=False, max_stack=100).fit(images, fate)


def one_by_one(model, images, fate):
    """Fit one setting on 5 folds."""
    cross_validate(model, images, fate, cv=5)


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU: torch finds no CUDA device"
)
@pytest.mark.parametrize(("kind", "n_fits"), [(one_by_one, 5), (stacked_search, 100)])
def test_fits_of_paper_size_on_a_gpu(benchmark, kind, n_fits):
    """Time fits of 15 + 60 epochs of 2184 images; the aim for 100 is 30 s."""
    benchmark.group = "fits of paper size, GPU"
    images, fate = cells(2730)

    def fit(*n_epochs):
        kind(autoencoder(*n_epochs, device="cuda"), images, fate)
        torch.cuda.synchronize()

    fit(1, 1)  # warms up
    torch.cuda.reset_peak_memory_stats()
    benchmark.pedantic(fit, (15, 60), rounds=1)
    describe(benchmark, kind, n_fits, 2184, 75)
    benchmark.extra_info["seconds"] = benchmark.stats.stats.median
    benchmark.extra_info["peak_MB"] = round(torch.cuda.max_memory_allocated() / 1e6)
