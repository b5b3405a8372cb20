"""
The picture at the top of the README
====================================

Simulate nuclei with a FRET biosensor, look at a few of their lives, learn latent features from
first frames, and compare what features, images and both say about replicates never seen.

Run it from anywhere with ``python examples/make_overview.py``; it takes a few minutes on a
laptop and writes ``docs/overview.png``.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score, roc_curve

from sklearn_cellfate import to_images
from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.inspection import LatentSpaceDisplay
from sklearn_cellfate.model_selection import compare_modalities
from sklearn_cellfate.neural_network import AAEClassifier
from sklearn_cellfate.preprocessing import FRETRatio, RelativeTimeSampler

PICTURE = Path(__file__).parents[1] / "docs" / "overview.png"
SHOWN_TIMES = [0, 0.2, 0.4, 0.6, 0.8, 1]
SHOWN_ENDS = {"mitosis": 2, "censored": 2, "death": 1}
END_WORDS = {"mitosis": "divides", "censored": "neither", "death": "dies"}
HELD_OUT = "r3"
FATES = {0: "does not divide", 1: "divides"}
FATE_COLOURS = ["#d9772b", "#3b6fb6"]  # in alphabetical order of the fates
CURVE_COLOURS = {"features": "#8a8a8a", "images": "#7b4fa3", "images + features": "#14806f"}


def main(output, n_cells):
    """Simulate, learn, compare and draw."""
    movies = make_cell_movies(n_cells=n_cells, random_state=0)
    cells = ratio_images(movies.frame, times=[0])

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=FATE_COLOURS)
    figure = plt.figure(figsize=(12, 3.7), layout="constrained")
    lives, latents, curves = figure.subplots(1, 3, width_ratios=[1.3, 1, 1])
    draw_lives(lives, movies.frame)
    draw_latents(latents, cells)
    draw_curves(curves, cells, movies)

    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=120)


def ratio_images(frame, times):
    """One ratio image CFP / YFP for each cell and time."""
    sampled = RelativeTimeSampler(times=times).fit_transform(frame)
    ratios = {name: FRETRatio().fit_transform(sampled[name]) for name in movie_names(sampled)}
    return sampled.assign(**ratios)


def movie_names(sampled):
    """Name the image columns that RelativeTimeSampler made of the movies."""
    return [name for name in sampled if name.startswith("movie_")]


def draw_lives(ax, frame):
    """Film strips of a few cells: the first of the table for each end."""
    shown = [frame[frame["end"] == end].head(number) for end, number in SHOWN_ENDS.items()]
    shown = pd.concat(shown)
    strips = ratio_images(shown, SHOWN_TIMES)
    tiles = np.stack([to_images(strips[name])[:, 0] for name in movie_names(strips)], axis=1)
    n_cells, n_times, height, width = tiles.shape
    tiles = np.pad(tiles, [(0, 0), (0, 0), (1, 1), (1, 1)])  # a line between the tiles
    mosaic = tiles.swapaxes(1, 2).reshape(n_cells * (height + 2), n_times * (width + 2))

    ax.set_facecolor("#15111f")
    picture = ax.imshow(np.ma.masked_equal(mosaic, 0), cmap="plasma", vmin=0.45, vmax=1)
    ax.set_yticks(
        (np.arange(n_cells) + 0.5) * (height + 2) - 0.5, shown["end"].map(END_WORDS).tolist()
    )
    ax.set_xticks(
        (np.arange(n_times) + 0.5) * (width + 2) - 0.5, [f"{time:.0%}" for time in SHOWN_TIMES]
    )
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="relative time", title="Nuclei over their lives (simulated)")
    bar = ax.figure.colorbar(picture, ax=ax, shrink=0.6, aspect=14, pad=0.02, extend="both")
    bar.set_label("CFP / YFP", labelpad=2)
    bar.outline.set_visible(False)


def draw_latents(ax, cells):
    """Latent plane of an autoencoder that never saw one of the replicates."""
    held_out = (cells["replicate"] == HELD_OUT).to_numpy()
    encoder = AAEClassifier(
        class_weight="balanced",
        augment=True,
        pretrain_epochs=3,
        max_epochs=30,
        lr=0.003,
        dropout=0.1,
        random_state=0,
    )
    train = cells[~held_out]
    encoder.fit(train[["movie_0%"]], train["fate"])
    LatentSpaceDisplay.from_estimator(
        encoder, cells[["movie_0%"]], cells["fate"].map(FATES), held_out=held_out, ax=ax
    )
    handles, labels = ax.get_legend_handles_labels()
    labels = [label.replace("held out", f"{HELD_OUT}, held out") for label in labels]
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.12 * (high - low), high)  # room for the legend
    ax.legend(
        handles,
        labels,
        ncols=3,
        frameon=False,
        loc="lower center",
        fontsize="small",
        handlelength=1,
        columnspacing=0.8,
        handletextpad=0.1,
    )
    ax.set_title("First frames in latent space (simulated)")


def draw_curves(ax, cells, movies):
    """ROC curves, one for each replicate while it was held out."""
    comparison = compare_modalities(
        cells, "fate", groups="replicate", features=movies.feature_names, random_state=0
    )
    for name, colour in CURVE_COLOURS.items():
        predictions = comparison.predictions.query("estimator == @name")
        areas = []
        for _, fold in predictions.groupby("fold"):
            false, true, _ = roc_curve(fold["y_true"], fold["probability_1"])
            areas.append(roc_auc_score(fold["y_true"], fold["probability_1"]))
            ax.plot(false, true, color=colour, lw=1.1, alpha=0.85)
        ax.plot([], [], color=colour, lw=2, label=f"{name}  {np.mean(areas):.2f}")
    ax.plot([0, 1], [0, 1], color="0.75", lw=0.8, ls=":")
    best = f"mean AUC (best possible {movies.best_auc:.2f})"
    ax.legend(frameon=False, loc="lower right", title=best, alignment="right")
    ax.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
    ax.set_title("Replicates while held out (simulated)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, default=PICTURE)
    parser.add_argument("--cells", type=int, default=900)
    options = parser.parse_args()
    main(options.output, options.cells)
