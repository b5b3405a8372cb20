"""Hold EfficientNetClassifier against the main job's pipelines on a cell table.

    python benchmarks/quality_efficientnet.py tcell_activation.parquet activated donor
    python benchmarks/quality_efficientnet.py live_dead.parquet dead field --inner 0

Prints scores by fold, whole groups held out, of the measured features, of the images through the
small network, and of both, stacked: a logistic regression on what each says of cells that it was
not trained on. The features of a network that has seen the cells part them almost perfectly, so
nothing that is fitted beside them learns how far to trust which.
"""

import argparse

import numpy as np
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate import read_cells
from sklearn_cellfate.model_selection import compare_estimators, numeric_features
from sklearn_cellfate.neural_network import EfficientNetClassifier
from sklearn_cellfate.report import format_comparison

MOST_GROUPS = 10  # whose own thresholds mean something


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


def make_contestants(names, network, n_inner):
    """Pipelines on features, images and, with inner folds, both."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    features = ColumnTransformer([("features", numbers, names)])
    images = ColumnTransformer([("network", "passthrough", ["image"])])
    images.set_output(transform="pandas")
    logistic = LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
    contestants = {
        "features": make_pipeline(features, logistic),
        "EfficientNet": make_pipeline(images, network),
    }
    if n_inner:
        # The inner folds keep groups whole, too. For that each part must take them: a network
        # does, a regression does as a search.
        inner = GroupKFold(n_inner)
        strengths = {"C": [0.001, 0.01, 0.1]}
        members = [
            ("features", make_pipeline(features, GridSearchCV(logistic, strengths, cv=inner))),
            ("images", make_pipeline(images, network)),
        ]
        contestants["EfficientNet + features"] = StackingClassifier(
            members,
            GridSearchCV(logistic, {"C": [0.01, 0.1, 1.0]}, cv=inner),
            cv=inner,
            stack_method="decision_function",
        )
    return contestants


def score_at_best_thresholds(predictions, groups):
    """Mean balanced accuracy, had each group's best threshold been known. It never is."""
    scores = []
    for _, cells in predictions.groupby(groups[predictions["row"]]):
        truth = cells["y_true"].to_numpy() == 1
        probability = cells["probability_1"].to_numpy()
        if truth.any() and not truth.all():
            cuts = np.append(probability, -np.inf)
            scores.append(max(balanced_accuracy_score(truth, probability > cut) for cut in cuts))
    return np.mean(scores)


def main():
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    parser.add_argument("target")
    parser.add_argument("groups")
    parser.add_argument("--light", type=float, default=0.3)
    parser.add_argument("--inner", type=int, default=3, help="folds inside each; 0: no stacking")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    table = read_cells(options.table)
    groups = table[options.groups].to_numpy()
    names = numeric_features(table, options.target, options.groups)
    with sklearn.config_context(enable_metadata_routing=True):
        network = make_network(len(table), options.light).set_fit_request(groups=True)
        comparison = compare_estimators(
            make_contestants(names, network, options.inner),
            table[["image", *names]],
            table[options.target],
            groups=groups,
            n_jobs=options.jobs,
            random_state=0,
            verbose=1,
        )
    print(format_comparison(comparison))
    scores = comparison.scores.query("metric == 'balanced_accuracy'")
    print(scores.pivot(index="estimator", columns="fold", values="value").round(3).to_string())
    seconds = scores.groupby("estimator")["fit_time"].mean().round()
    print(f"\nseconds a fit, {options.jobs} at once: {seconds.to_dict()}")
    if len(np.unique(groups)) <= MOST_GROUPS:
        for name, predictions in comparison.predictions.groupby("estimator", sort=False):
            best = score_at_best_thresholds(predictions, groups)
            print(f"{name} at the best threshold of each {options.groups}: {best:.3f}")


if __name__ == "__main__":
    main()
