"""How often do labels of the same cell disagree? A ceiling for any classifier's score.

    python benchmarks/label_noise.py live_dead.parquet dead field

Finds pairs of cells whose pixels are all but the same (correlation above 0.99) in different
groups: images that came into the table twice and were labelled twice. Two labels, each wrong with
probability e, differ with probability 2 e (1 - e). If labels of either class are wrong as often,
whoever reads every cell rightly still gets no balanced accuracy of 1: most of the labels of the
rare class that are wrong belong to the common one.
"""

import argparse

import numpy as np
from scipy import stats

from sklearn_cellfate import read_cells, to_images

ALIKE = 0.99
ROWS_AT_ONCE = 2000


def find_twins(images):
    """Pairs of rows whose pixels correlate above `ALIKE`."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    pairs = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        found = np.argwhere(rows[start : start + ROWS_AT_ONCE] @ rows.T > ALIKE) + [start, 0]
        pairs.append(found[found[:, 0] < found[:, 1]])
    return np.concatenate(pairs)


def best_balanced_accuracy(wrong, share):
    """Score of the truth against labels, the rarer of two classes with its share in truth."""
    misses = [
        wrong * (1 - part) / (wrong * (1 - part) + (1 - wrong) * part)
        for part in (share, 1 - share)
    ]
    return 1 - np.mean(misses)


def main():
    """Print how many pairs there are, and how many of them disagree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    parser.add_argument("target")
    parser.add_argument("groups")
    options = parser.parse_args()
    table = read_cells(options.table)
    twins = find_twins(to_images(table))
    groups, labels = (table[name].to_numpy() for name in (options.groups, options.target))
    twins = twins[groups[twins[:, 0]] != groups[twins[:, 1]]]
    n_disagree = int((labels[twins[:, 0]] != labels[twins[:, 1]]).sum())
    print(f"{len(twins)} pairs all but the same in different groups; {n_disagree} disagree")
    if len(twins):
        share = stats.binomtest(n_disagree, len(twins))
        interval = share.proportion_ci(0.95, method="exact")
        wrong = [(1 - np.sqrt(max(1 - 2 * p, 0))) / 2 for p in (share.statistic, *interval)]
        print("labels wrong: {:.3f}, 95 % interval [{:.3f}, {:.3f}]".format(*wrong))
        best = [best_balanced_accuracy(e, labels.mean()) for e in wrong]
        print("best balanced accuracy: {:.3f} [{:.3f}, {:.3f}]".format(best[0], *best[:0:-1]))


if __name__ == "__main__":
    main()
