"""Judge an autoencoder's relevance maps: are they of the cell, or the same for every cell.

Fits the default autoencoder on some of the groups of a cell table, explains cells of the others,
and prints for each way to make a map

- how alike the maps of different cells of a class are (mean correlation; 1 is the same map),
- what the score loses when the pixels of a map go first, over random order, and over the order of
  the mean map of the class: cells lie in the middle, so any map of the middle gains something,
- the part of the score that the map says nothing of:

    python benchmarks/relevance_autoencoder.py live_dead.parquet dead field
    python benchmarks/relevance_autoencoder.py tcell_activation.parquet activated donor --fill 0
"""

import argparse

import numpy as np

from sklearn_cellfate import read_cells, to_images
from sklearn_cellfate.inspection import relevance
from sklearn_cellfate.metrics import pixel_flipping
from sklearn_cellfate.model_selection import make_default_autoencoder

WAYS = {
    "difference (default)": {},
    "epsilon_plus_flat": {"composite": "epsilon_plus_flat"},
    "epsilon_gamma": {"composite": "epsilon_gamma"},
    "alpha_beta": {"composite": "alpha_beta"},
    "integrated gradients, from border": {"method": "integrated_gradients"},
    "integrated gradients, from empty": {"method": "integrated_gradients", "baseline": "empty"},
    "gradient x input": {"method": "input_x_gradient"},
    "gradient": {"method": "gradient"},
}


def mean_correlation(maps, labels):
    """Mean over the pairs of maps of one class."""
    pairs = []
    for label in np.unique(labels):
        of_class = maps[labels == label].reshape((labels == label).sum(), -1)
        pairs.append(np.corrcoef(of_class)[np.triu_indices(len(of_class), 1)])
    return np.concatenate(pairs).mean()


def mean_maps(maps, labels):
    """Mean map of each cell's class, in its place."""
    means = {label: maps[labels == label].mean(axis=0) for label in np.unique(labels)}
    return np.stack([means[label] for label in labels])


def gain_over_random(model, images, maps, labels, fill):
    """Mean further fall of the log odds when pixels go in the order of the maps."""
    flipped = pixel_flipping(
        model,
        images,
        maps,
        target=labels,
        fill=fill,
        max_share=0.5,
        response_method="decision_function",
        random_state=0,
    )
    return flipped.gain


def main():
    """Fit, explain, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="cell table")
    parser.add_argument("target", help="column of the classes")
    parser.add_argument("groups", help="column of groups, a fifth of which is held out")
    parser.add_argument("--cells", type=int, default=3000, help="to train on, at most")
    parser.add_argument("--explained", type=int, default=40, help="cells of each class")
    parser.add_argument(
        "--fill", default="mean", help="of blanked patches: mean, blur or a number"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    cells = read_cells(options.table)
    groups = cells[options.groups].unique()
    held_out = rng.permutation(groups)[: max(len(groups) // 5, 1)]
    unseen = cells[options.groups].isin(held_out).to_numpy()
    train, test = cells[~unseen], cells[unseen]
    train = train.iloc[rng.permutation(len(train))[: options.cells]]
    test = test.groupby(options.target).head(options.explained)
    labels, images = test[options.target].to_numpy(), to_images(test)
    model = make_default_autoencoder(len(train), random_state=options.seed)
    model.fit(train[["image"]], train[options.target])
    accuracy = model.score(cells[unseen], cells[unseen][options.target])
    print(f"accuracy on unseen groups {accuracy:.3f}")
    fill = options.fill if options.fill in ("mean", "blur") else float(options.fill)
    for name, how in WAYS.items():
        maps, scores = relevance(model, images, labels, return_scores=True, **how)
        rest = scores["score"] - scores["relevance"]
        lost = rest - scores["constant"]
        gain = gain_over_random(model, images, maps, labels, fill)
        of_mean = gain_over_random(model, images, mean_maps(maps, labels), labels, fill)
        print(
            f"{name:33s} alike {mean_correlation(maps, labels):.2f}; gain in log odds over random "
            f"order {gain:+.2f}, over the mean map {gain - of_mean:+.2f}; "
            f"mean size of score {scores['score'].abs().mean():.2f}, constant "
            f"{scores['constant'].abs().mean():.2f}, lost {lost.abs().mean():.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
