"""Hold the autoencoder's accuracy on simulated cells against the best possible.

Trains on the first frames of 1000 cells and scores 4000 others:

    python benchmarks/quality_simulated.py
    python benchmarks/quality_simulated.py --seeds 6 # mean and deviation of six fits
"""

import argparse
import time

import numpy as np
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.model_selection import make_default_autoencoder
from sklearn_cellfate.neural_network import AAEClassifier
from sklearn_cellfate.preprocessing import FRETRatio, RelativeTimeSampler


def main():
    """Print a line an estimator."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="fits of each estimator, with random_state 0 to N - 1, on the same cells",
    )
    n_seeds = parser.parse_args().seeds
    if n_seeds < 1:
        parser.error(f"--seeds must be at least 1, found {n_seeds}")
    train, movies = first_ratio_images(1000, seed=0)
    test, _ = first_ratio_images(4000, seed=1)
    best = movies.best_balanced_accuracy
    print(f"best possible: {best:.3f}, AUC {movies.best_auc:.3f}")
    published = AAEClassifier(class_weight="balanced")
    for name, model in {
        "make_default_autoencoder()": make_default_autoencoder(),
        "AAEClassifier, published settings": published,
    }.items():
        found = [fit_and_score(model, seed, train, test) for seed in range(n_seeds)]
        accuracy, auc, seconds = np.transpose(found)
        print(
            f"{name}: {spread(accuracy, '.3f')} ({spread(100 * accuracy / best, '.1f')} % of "
            f"best), AUC {spread(auc, '.3f')}, fit {np.median(seconds):.0f} s",
            flush=True,
        )


def first_ratio_images(n_cells, seed):
    """Cell table with the CFP / YFP ratio of each cell's first frame, and the best scores."""
    movies = make_cell_movies(n_cells, max_frames=5, random_state=seed)
    first_frames = RelativeTimeSampler(times=[0.0]).fit_transform(movies.frame)
    return FRETRatio().fit_transform(first_frames), movies


def fit_and_score(model, seed, train, test):
    """Balanced accuracy and AUC of cells not trained on, and the seconds of the fit."""
    started = time.perf_counter()
    model.set_params(random_state=seed).fit(train, train["fate"])
    seconds = time.perf_counter() - started
    accuracy = balanced_accuracy_score(test["fate"], model.predict(test))
    return accuracy, roc_auc_score(test["fate"], model.predict_proba(test)[:, 1]), seconds


def spread(values, form):
    """Mean of some values, and their standard deviation if there are several."""
    mean = f"{np.mean(values):{form}}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):{form}}"


if __name__ == "__main__":
    main()
