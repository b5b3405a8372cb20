"""Hold EfficientNetClassifier against the main job's pipelines on a cell table.

    python benchmarks/quality_efficientnet.py tcell_activation.parquet activated donor
    python benchmarks/quality_efficientnet.py live_dead.parquet dead field --light 0

Prints scores by fold, whole groups held out, of the measured features, of the images through the
small network, and of both: eight principal components of the network's features beside the
measured ones.
"""

import argparse

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate import read_cells
from sklearn_cellfate.model_selection import compare_estimators, numeric_features
from sklearn_cellfate.neural_network import EfficientNetClassifier
from sklearn_cellfate.report import format_comparison


def make_network(n_cells, light):
    """Network for a few hundred to some ten thousand cells; the fewer, the more epochs.

    `light` is how far brightness and contrast change at random in training, in standard
    deviations: wanted where donors differ in brightness, harmful where it tells the classes apart.
    """
    return EfficientNetClassifier(
        "tiny",
        max_epochs=int(np.clip(round(40 * (700 / n_cells) ** 0.5), 20, 60)),
        batch_size=64,
        lr=0.003,
        weight_decay=0.1,
        class_weight="balanced",
        augment=True,
        brightness=light,
        contrast=light,
        random_state=0,
    )


def main():
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    parser.add_argument("target")
    parser.add_argument("groups")
    parser.add_argument("--light", type=float, default=0.3)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    table = read_cells(options.table)
    names = numeric_features(table, options.target, options.groups)
    network = make_network(len(table), options.light)
    logistic = LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    components = make_pipeline(network.set_params(n_components=8), StandardScaler())
    features = ColumnTransformer([("features", numbers, names)])
    images = ColumnTransformer([("network", "passthrough", ["image"])])
    images.set_output(transform="pandas")
    both = ColumnTransformer([("images", components, ["image"]), ("features", numbers, names)])
    comparison = compare_estimators(
        {
            "features": make_pipeline(features, logistic),
            "EfficientNet": make_pipeline(images, network),
            "EfficientNet + features": make_pipeline(both, logistic),
        },
        table[["image", *names]],
        table[options.target],
        groups=table[options.groups],
        n_jobs=options.jobs,
        random_state=0,
        verbose=1,
    )
    print(format_comparison(comparison))
    of_network = comparison.scores.query("estimator == 'EfficientNet'")
    print(
        f"\na fold of EfficientNet: {of_network['fit_time'].mean():.0f} s, {options.jobs} at once"
    )


if __name__ == "__main__":
    main()
