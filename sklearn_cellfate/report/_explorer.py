"""What the explorer in the page knows: dots, crops, decoded cells, table rows."""

import numpy as np
import pandas as pd

from sklearn_cellfate.inspection._plot._palette import class_colours
from sklearn_cellfate.report._latents import shrink, to_bytes
from sklearn_cellfate.report._sentences import groups_were_held_out
from sklearn_cellfate.report._sprites import make_sprite
from sklearn_cellfate.table import to_images

__all__ = ["axis_names", "explorer_data", "explorer_words"]

SPRITE_COLUMNS = 32
MOST_FEATURES = 24  # shown of a cell's table row


def explorer_data(run):
    """Everything that the explorer shows, as plain lists.

    Parameters
    ----------
    run : Bunch
        From :func:`read_run`.

    Returns
    -------
    data : dict
        To be written as JSON.
    """
    arrays, about = run.latents, run.about
    labels = [str(label) for label in run.classes]
    cells = run.cells
    crops = shrink(to_images(cells[[about["image"]]]))
    number_of = {label: number for number, label in enumerate(run.classes)}
    data = {
        "classes": labels,
        "colours": class_colours(len(labels)),
        "points": [[float(f"{value:.6g}") for value in point] for point in arrays["points"]],
        "classOf": [number_of[label] for label in cells[about["target"]].tolist()],
        "heldOut": arrays["held_out"].astype(int).tolist(),
        "rows": arrays["row"].tolist(),
        "probabilities": _probabilities(run),
        "columns": _row_columns(run),
        "values": _row_values(run),
        "limits": arrays["limits"].tolist(),
        "axes": axis_names(arrays),
        "tile": [crops.shape[1] * crops.shape[3], crops.shape[2]],
        "crops": _sprite(to_bytes(crops, arrays["scale"]), SPRITE_COLUMNS),
        "reconstructions": None,
        "decoded": None,
    }
    if "decoded" in arrays:
        n_rows, n_columns = arrays["decoded"].shape[:2]
        flat = arrays["decoded"].reshape(-1, *arrays["decoded"].shape[2:])
        data["reconstructions"] = _sprite(arrays["reconstructions"], SPRITE_COLUMNS)
        data["decoded"] = _sprite(flat, n_columns) | {"rows": n_rows}
    return data


def explorer_words(run):
    """Say which network is shown, which cells, and what the plane is."""
    arrays, about = run.latents, run.about
    fold = int(arrays["fold"])
    held_out = run.scores.loc[run.scores["fold"] == fold, "held_out"].astype(str).iloc[0]
    shown, n_cells = len(arrays["row"]), about["data"]["n_cells"]
    n_latents = arrays["latents"].shape[1]
    texts = [
        f"The network is that of fold {fold + 1}, which was trained without "
        + (f"{held_out}: " if groups_were_held_out(run) else "the cells of this fold: ")
        + f"{int(arrays['held_out'].sum())} of the {shown} cells shown, drawn with an outline, "
        "it has never seen."
    ]
    if shown < n_cells:
        texts.append(f"Shown is a random sample (seed 0) of {shown} of {n_cells} cells.")
    if n_latents > 2:
        texts.append(
            f"Of {n_latents} latent features the plane shows the first two principal components, "
            f"{_percent(arrays['shares'].sum())} of their variance; what is decoded at a point "
            "has all other components at their mean."
        )
    elif n_latents == 1:
        texts.append("There is one latent feature; up and down means nothing.")
    if about["network"]["parameters"].get("augment"):
        texts.append(
            "Latent features are means over the symmetries of a cell, in which orientation "
            "cancels, so decoded cells are rounder than real ones."
        )
    texts.append(
        "Probabilities are those that “images” gave to a cell while it was held out, in whichever "
        "fold that was."
    )
    return " ".join(texts)


def axis_names(arrays):
    """Name the two axes of the plane."""
    n_latents = arrays["latents"].shape[1]
    if n_latents > 2:
        return [
            f"latent component {i} ({_percent(share)} of variance)"
            for i, share in enumerate(arrays["shares"])
        ]
    return ["latent feature 0", "latent feature 1" if n_latents == 2 else ""]


def _percent(share):
    """Whole percent; all of it only where it is all."""
    return "more than 99 %" if 0.995 <= share < 1 - 1e-6 else f"{100 * share:.0f} %"


def _sprite(tiles, n_columns):
    return {"src": make_sprite(tiles, n_columns), "columns": n_columns}


def _probabilities(run):
    """Of each class while held out, by the pipeline on images; None where never held out."""
    of_images = run.predictions[run.predictions["estimator"] == "images"]
    names = [f"probability_{label}" for label in run.classes]
    means = of_images.groupby("row")[names].mean().reindex(run.latents["row"])
    return [None if np.isnan(row).any() else row.round(4).tolist() for row in means.to_numpy()]


def _shown_columns(run):
    about = run.about
    groups = [] if about["groups"] is None else [about["groups"]]
    return [about["target"], *groups, *about["features"][:MOST_FEATURES]]


def _row_columns(run):
    return ["row", *_shown_columns(run)]


def _row_values(run):
    columns = [run.cells.index, *(run.cells[name] for name in _shown_columns(run))]
    return [[_text(value) for value in row] for row in zip(*columns)]


def _text(value):
    if pd.isna(value):
        return "missing"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
