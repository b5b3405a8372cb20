"""Lineages of the Cell Tracking Challenge: who lived when, and label images that say where."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from sklearn_cellfate.io._tidy_tracks import RawTracks
from sklearn_cellfate.table import listing

LINEAGES = ("man_track.txt", "res_track.txt")
CHALLENGE_IMAGE = re.compile(r"(?:man_track|mask)(\d+)\.tiff?", re.IGNORECASE)
NUMBERED_IMAGE = re.compile(r".*?(\d+)\.tiff?", re.IGNORECASE)
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


def read_lineage(path, where, *, labels=None):
    """Read a lineage and find its cells in the label images, in one pass over the frames."""
    lineage = _lineage(path, where)
    positions = pd.concat(
        [_centroids(image, frame, where) for frame, image in _frames(path, labels, where)],
        ignore_index=True,
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
    return RawTracks(where, table.join(lineage[extra], on="cell"), notes=notes)


def _lineage(path, where):
    rows = [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines()]
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
    return re.fullmatch(r"-?\d+", text) is not None


def _frames(path, labels, where):
    """Give the number and the label image of each frame, one at a time."""
    if labels is None or (isinstance(labels, str | Path) and Path(labels).is_dir()):
        folder = path.parent if labels is None else Path(labels)
        for frame, image in sorted(_numbered_images(folder, labels is None, where).items()):
            yield frame, tifffile.imread(image)
    elif isinstance(labels, str | Path):
        with tifffile.TiffFile(labels) as file:
            for frame, page in enumerate(file.pages):
                yield frame, page.asarray()
    else:
        for frame, image in enumerate(labels):
            yield frame, np.asarray(image)


def _numbered_images(folder, beside, where):
    names = [entry.name for entry in folder.iterdir()]
    for pattern in (CHALLENGE_IMAGE,) if beside else (CHALLENGE_IMAGE, NUMBERED_IMAGE):
        found = [(pattern.fullmatch(name), name) for name in sorted(names)]
        found = [(int(match[1]), name) for match, name in found if match]
        images = {frame: folder / name for frame, name in found}
        if len(images) < len(found):
            raise ValueError(f"{str(folder)!r} has several label images of one frame.")
        if images:
            return images
    raise ValueError(
        f"{where} says who lived when, not where; no label images (man_track000.tif, mask000.tif) "
        f"lie in {str(folder)!r}. Name their folder or stack: read_tracks(..., labels=...)."
    )


def _centroids(image, frame, where):
    """Return the labels of one image and the means of their pixels' positions."""
    image = image[0] if image.ndim == 3 and len(image) == 1 else image
    if image.ndim != 2 or image.dtype.kind not in "iu":
        raise ValueError(
            f"{where}: the label image of frame {frame} has shape {image.shape} and dtype "
            f"{image.dtype}; expected (H, W) and whole numbers."
        )
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
