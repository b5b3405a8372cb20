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
from matplotlib.gridspec import GridSpecFromSubplotSpec
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
HELD_OUT = "r3"
FATES = {0: "does not divide", 1: "divides"}
FATE_COLOURS = ["#3b6fb6", "#d9772b"]
CURVE_COLOURS = {"features": "#8a8a8a", "images": "#7b4fa3", "images + features": "#14806f"}


def main(output, n_cells):
    """Simulate, learn, compare and draw."""
    movies = make_cell_movies(n_cells=n_cells, random_state=0)
    cells = ratio_images(movies.frame, times=[0])

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=FATE_COLOURS)
    figure = plt.figure(figsize=(11.4, 3.95), layout="constrained")
    figure.get_layout_engine().set(wspace=0.06)
    lives, latents, curves = figure.add_gridspec(1, 3, width_ratios=[1.12, 1, 1])

    draw_lives(figure, lives, movies.frame)
    draw_latents(figure.add_subplot(latents), cells)
    draw_curves(figure.add_subplot(curves), cells, movies)

    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=120)


def ratio_images(frame, times):
    """One ratio image CFP / YFP for each cell and time."""
    sampled = RelativeTimeSampler(times=times).fit_transform(frame)
    images = [name for name in sampled if name.startswith("movie_")]
    for name in images:
        ratio = FRETRatio().fit_transform(sampled[[name]])
        sampled[name] = ratio[name]
    return sampled


def draw_lives(figure, place, frame):
    """Film strips of a few cells, the first of the table for each end."""
    shown = [frame[frame["end"] == end].head(number) for end, number in SHOWN_ENDS.items()]
    rows = [row for rows in shown for row in rows.index]
    strips = ratio_images(frame.loc[rows], SHOWN_TIMES)
    columns = [name for name in strips if name.startswith("movie_")]
    pixels = np.stack([to_images(strips[name])[:, 0] for name in columns], axis=1)
    pixels = np.where(pixels > 0, pixels, np.nan)
    low, high = np.nanpercentile(pixels, [2, 98])
    grid = GridSpecFromSubplotSpec(
        len(rows), len(columns), place, wspace=0.04, hspace=0.04
    )
    for (i, j), panel in np.ndenumerate(np.empty(pixels.shape[:2])):
        ax = figure.add_subplot(grid[i, j])
        ax.set_facecolor("#16121f")
        picture = ax.imshow(pixels[i, j], vmin=low, vmax=high, cmap="plasma")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        if j == 0:
            end = frame.loc[rows[i], "end"].replace("censored", "lives on")
            ax.set_ylabel(end.replace("mitosis", "divides").replace("death", "dies"),
                          rotation=0, ha="right", va="center")
        if i == len(rows) - 1:
            ax.set_xlabel(f"{SHOWN_TIMES[j]:.0%}")
    axes = figure.axes[:]
    figure.colorbar(picture, ax=axes, shrink=0.7, label="CFP / YFP", location="left")


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
    ax.set_title("Latent features of first frames")


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
    ax.legend(frameon=False, loc="lower right", title=f"mean AUC (best possible {movies.best_auc:.2f})")
    ax.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
    ax.set_title("Fate of held-out replicates")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, default=PICTURE)
    parser.add_argument("--cells", type=int, default=900)
    options = parser.parse_args()
    main(options.output, options.cells)
