"""Count the mini-batches that settle batch norm.

    python benchmarks/settling.py live_dead.parquet

Trains the tiny EfficientNet on cells of some fields, settles batch norm by more and more batches
of 32 cells, each number several times with other batches, and judges cells of the other fields
each time. Prints mean and standard deviation of the log loss and of the accuracy over these times.
"""

import argparse

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GroupShuffleSplit

from sklearn_cellfate import read_cells
from sklearn_cellfate.neural_network import EfficientNetClassifier, _efficientnet_net
from sklearn_cellfate.neural_network._batches import EpochBatches

BATCHES, TIMES, BATCH = (3, 10, 20, 50, 100), 4, 32


def main():
    """Print the table of each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    parser.add_argument("--label", default="dead")
    parser.add_argument("--group", default="field")
    parser.add_argument("--cells", type=int, default=3200)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    cells = read_cells(options.table)
    for seed in range(options.seeds):
        split = GroupShuffleSplit(1, test_size=0.25, random_state=seed)
        train, test = next(split.split(cells, groups=cells[options.group]))
        rng = np.random.default_rng(seed)
        train = cells.iloc[rng.permutation(train)[: options.cells]]
        print(f"seed {seed}")
        print(judge(train, cells.iloc[test], options.label, seed).round(4).to_string())


def judge(train, test, label, seed):
    """Mean and standard deviation of either score, by the number of batches."""
    model = EfficientNetClassifier(
        "tiny", max_epochs=4, batch_size=BATCH, lr=0.003, augment=True, random_state=seed
    ).fit(train[["image"]], train[label])
    scaled = torch.from_numpy(model._scale(model._read_images(train[["image"]])))
    visits = torch.ones(len(scaled), dtype=torch.float64)
    model.net_._batches = EpochBatches(scaled, visits, BATCH, visits, shuffle=True)
    rows = []
    for n_batches in BATCHES:
        _efficientnet_net.SETTLING_BATCHES, _efficientnet_net.SETTLING_ROWS = n_batches, 0
        for time in range(TIMES):
            torch.manual_seed(time)
            model.net_._settle_batch_norm()
            probabilities = model.predict_proba(test[["image"]])
            predicted = model.classes_[probabilities.argmax(axis=1)]
            rows.append(
                {
                    "batches": n_batches,
                    "log_loss": log_loss(test[label], probabilities, labels=model.classes_),
                    "accuracy": accuracy_score(test[label], predicted),
                }
            )
    return pd.DataFrame(rows).groupby("batches").agg(["mean", "std"])


if __name__ == "__main__":
    main()
