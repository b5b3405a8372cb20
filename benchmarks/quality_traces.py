"""Tell seven growth factors apart by ERK and AKT traces of single cells.

Takes a Parquet file with the list columns `erk` and `akt`, `growth_factor`, and `cell` named
replicate_factor_field_number, as of pertzlab/CODEX:

    python benchmarks/quality_traces.py erk_akt_traces.parquet

Prints balanced accuracy, five folds, five times: with stratified folds, as the known scores were
taken, and with whole fields of view held out. The table has no group column; fields are read
from the names of the cells. A field saw one growth factor only, so what fields have in common
beside it cannot be told from it, whatever the folds.
"""

import sys

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate.feature_extraction import TraceFeatures
from sklearn_cellfate.preprocessing import RelativeTimeSampler

N_REPEATS = 5
RECEPTOR_LIGANDS = ["EGF", "BTC", "EPR"]  # that bind the EGF receptor; HRG binds its relatives


def score(X, y, groups):
    """Mean balanced accuracy over the folds of each repeat."""
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
    )
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    means = []
    for seed in range(N_REPEATS):
        folds = splitter(5, shuffle=True, random_state=seed).split(X, y, groups)
        values = [
            balanced_accuracy_score(y[test], model.fit(X[train], y[train]).predict(X[test]))
            for train, test in folds
        ]
        means.append(np.mean(values))
    return np.array(means)


def main(path):
    """Print a line a set of features and question."""
    cells = pd.read_parquet(path)
    classes = cells["growth_factor"].to_numpy()
    fields = cells["cell"].str.rpartition("_")[0].to_numpy()
    traces = cells[["erk", "akt"]]
    statistics = TraceFeatures().fit_transform(traces)
    sampled = RelativeTimeSampler().fit_transform(traces).to_numpy()
    questions = {
        "7 classes (known 0.612)": classes,
        "EGF, BTC, EPR or not (known 0.922)": np.isin(classes, RECEPTOR_LIGANDS),
        "EGF, BTC, EPR, HRG or not": np.isin(classes, [*RECEPTOR_LIGANDS, "HRG"]),
    }
    features = {
        "11 relative times": sampled,
        "TraceFeatures": statistics,
        "both": np.hstack([statistics, sampled]),
    }
    for question, y in questions.items():
        for name, X in features.items():
            for split, groups in (("stratified", None), ("by field", fields)):
                means = score(X, y, groups)
                print(
                    f"{question}, {name}, {split}: {means.mean():.3f} "
                    f"({means.min():.3f} to {means.max():.3f})",
                    flush=True,
                )


if __name__ == "__main__":
    main(*sys.argv[1:])
