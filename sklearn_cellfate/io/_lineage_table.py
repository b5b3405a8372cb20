"""Lineages of the Cell Tracking Challenge: who lived when, and label images that say where."""

import os
import re

import numpy as np
import pandas as pd

from sklearn_cellfate.io._image_file import open_image
from sklearn_cellfate.io._labels import as_labels, read_labels
from sklearn_cellfate.io._stack import KNOWN_AXES, first_file_number
from sklearn_cellfate.io._tidy_tracks import RawTracks
from sklearn_cellfate.table import listing

LINEAGES = ("man_track.txt", "res_track.txt")
# The challenge has four columns; btrack adds the root of the tree and the generation.
COLUMNS = ("label", "begin", "end", "parent", "root", "generation")


def lineage_in(folder):
    """Return the path of the lineage in a folder of the challenge, or refuse the folder."""
    for place in (folder, folder / "TRA"):
        found = [place / name for name in LINEAGES if (place / name).is_file()]
        if len(found) > 1:
            raise ValueError(f"{str(place)!r} has several of {listing(LINEAGES)}; name one.")
        if found:
            return found[0]
    raise FileNotFoundError(f"the folder {str(folder)!r} has neither {listing(LINEAGES)}.")


def is_lineage(path):
    """Whether a text file begins as a lineage does: four to six whole numbers, no names."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        line = next((line for line in file if line.strip()), "")
    return path.suffix.lower() == ".txt" and re.fullmatch(r"\s*(-?\d+\s+){3,5}-?\d+\s*", line)


def read_lineage(path, where, *, labels=None, first_frame=None):
    """Read a lineage and find its cells in the label images, in one pass over the frames.

    Images in numbered files have the numbers of their files. All others are counted from
    `first_frame`.
    """
    lineage = _lineage(path, where)
    images = _label_images(path, where, labels)
    number = first_file_number(images)
    in_files = number is not None
    if not in_files:
        number = 0 if first_frame is None else int(first_frame)
    _refuse_frames_without_image(lineage, number, len(images), in_files, where)
    positions = pd.concat(
        [_centroids(images[t][0], number + t) for t in range(len(images))], ignore_index=True
    )
    listed = positions["cell"].isin(lineage.index)
    notes = []
    if not listed.all():
        stray = positions.loc[~listed, "cell"].unique()
        notes.append(f"labels {listing(stray)} of the images are not listed and are left out")
    table = positions[listed]
    span = lineage.loc[table["cell"], ["begin", "end"]].to_numpy()
    alive = (table["frame"] >= span[:, 0]) & (table["frame"] <= span[:, 1])
    if not alive.all():
        notes.append(f"{(~alive).sum()} objects lie outside their cells' life and are left out")
    table = table[alive]
    unseen = lineage.index.difference(table["cell"])
    if len(unseen):
        notes.append(f"cells {listing(unseen)} are listed but in no image, and are left out")
    extra = [name for name in ("parent", "root", "generation") if name in lineage.columns]
    table = table.assign(label=table["cell"]).join(lineage[extra], on="cell")
    return RawTracks(where, table, first_frame=number, notes=notes)


def _lineage(path, where):
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    rows = [line.split() for line in text.splitlines()]
    rows = [row for row in rows if row]
    wrong = [row for row in rows if len(row) != len(rows[0]) or not all(map(_is_whole, row))]
    if wrong:
        raise ValueError(
            f"{where}: a line reads {' '.join(wrong[0])!r}; expected {len(rows[0])} whole numbers "
            "(label, begin, end, parent)."
        )
    lineage = pd.DataFrame(np.array(rows).astype(np.int64), columns=COLUMNS[: len(rows[0])])
    twice = lineage.loc[lineage["label"].duplicated(), "label"]
    if len(twice):
        raise ValueError(f"{where} lists label {twice.iloc[0]} twice.")
    if (lineage["label"] <= 0).any():
        raise ValueError(f"{where} lists label {lineage['label'].min()}; 0 is the background.")
    backwards = lineage[lineage["begin"] > lineage["end"]]
    if len(backwards):
        label, begin, end = backwards.iloc[0][["label", "begin", "end"]]
        raise ValueError(f"{where}: label {label} begins in frame {begin}, after its end, {end}.")
    return lineage.set_index("label")


def _is_whole(text):
    # No frame and no label has more digits, and more do not fit into 64 bits.
    return re.fullmatch(r"-?[0-9]{1,18}", text) is not None


def _label_images(path, where, labels):
    """Open the label images, which lie beside the lineage unless they are given."""
    if isinstance(labels, str | os.PathLike):
        return read_labels(labels, axes=_axes_of_frames(labels), binary=False)
    if labels is not None:
        return as_labels(labels, binary=False)
    try:
        return read_labels(path.parent, binary=False)
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(
            f"{where} says who lived when, not where; no label images (man_track000.tif, "
            f"mask000.tif) can be read beside it: {error} Name their folder or stack: "
            "read_tracks(..., labels=...)."
        ) from error


def _axes_of_frames(path):
    """Return the axes of planes that the file does not name: only frames have a lineage."""
    if not os.path.isfile(path):
        return None
    planes = open_image(os.fspath(path))
    unnamed = not set(planes.axes) <= set(KNOWN_AXES)
    return "TYX" if len(planes.shape) == 3 and unnamed else None


def _refuse_frames_without_image(lineage, first, n_images, in_files, where):
    """Refuse a lineage and images that do not count alike: cells would get others' pixels."""
    begin, end, last = lineage["begin"].min(), lineage["end"].max(), first + n_images - 1
    if first <= begin and end <= last:
        return
    found = f"{where} lists frames {begin} to {end}, but the {n_images} label images "
    if end - begin >= n_images:
        raise ValueError(f"{found}are fewer (frames {first} to {last}); images are missing.")
    if in_files:
        raise ValueError(
            f"{found}have the numbers {first} to {last} in their files' names; if the first image "
            f"is frame {begin}, pass them without these numbers: read_tracks(..., "
            f"labels=np.asarray(read_labels(...)), first_frame={begin})."
        )
    raise ValueError(
        f"{found}are counted from first_frame={first} to {last}; if the first image is frame "
        f"{begin}, pass first_frame={begin}."
    )


def _centroids(image, frame):
    """Return the labels of one image and the means of their pixels' positions."""
    y, x = np.nonzero(image)
    cell, of_pixel, n_pixels = np.unique(image[y, x], return_inverse=True, return_counts=True)
    sums = [np.bincount(of_pixel, weights=axis, minlength=len(cell)) for axis in (x, y)]
    return pd.DataFrame(
        {
            "cell": cell.astype(np.int64),
            "frame": np.int64(frame),
            "x": sums[0] / np.maximum(n_pixels, 1),
            "y": sums[1] / np.maximum(n_pixels, 1),
        }
    )
