"""Hold the autoencoder's accuracy on simulated cells against the best possible.

Trains on the first frames of 1000 cells and scores 4000 others:

    python benchmarks/quality_simulated.py
"""

import time

from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.model_selection import make_default_autoencoder
from sklearn_cellfate.neural_network import AAEClassifier
from sklearn_cellfate.preprocessing import FRETRatio, RelativeTimeSampler


def first_ratio_images(n_cells, seed):
    """Cell table with the CFP / YFP ratio of each cell's first frame, and the best scores."""
    movies = make_cell_movies(n_cells, max_frames=5, random_state=seed)
    first_frames = RelativeTimeSampler(times=[0.0]).fit_transform(movies.frame)
    return FRETRatio().fit_transform(first_frames), movies


def main():
    """Print a line an estimator."""
    train, movies = first_ratio_images(1000, seed=0)
    test, _ = first_ratio_images(4000, seed=1)
    print(f"best possible: {movies.best_balanced_accuracy:.3f}, AUC {movies.best_auc:.3f}")
    published = AAEClassifier(class_weight="balanced", random_state=0)
    for name, model in {
        "make_default_autoencoder()": make_default_autoencoder(random_state=0),
        "AAEClassifier, published settings": published,
    }.items():
        started = time.perf_counter()
        model.fit(train, train["fate"])
        seconds = time.perf_counter() - started
        accuracy = balanced_accuracy_score(test["fate"], model.predict(test))
        auc = roc_auc_score(test["fate"], model.predict_proba(test)[:, 1])
        share = accuracy / movies.best_balanced_accuracy
        print(f"{name}: {accuracy:.3f} ({share:.1%} of best), AUC {auc:.3f}, fit {seconds:.0f} s")


if __name__ == "__main__":
    main()
