"""Pixels of a folder that holds one image file a frame."""

import itertools
import math
import os
import re

from sklearn_cellfate.io._image_file import open_image
from sklearn_cellfate.io._planes import stacked
from sklearn_cellfate.table import listing

IMAGE_SUFFIXES = (".tif", ".tiff", ".png")
# What the text before a number says that the number counts; frames need no such word.
COUNTS = {"C": r"(^|[\W_])(c|ch|channel)[\W_]*$", "Z": r"(^|[\W_])z[\W_]*$"}


class FolderPlanes:
    """The pixels of numbered image files, each opened when a slice touches it.

    The numbers in the names are the first axes: T for the frame, and C or Z for a second number
    that says so. All files must be of one shape and dtype.

    Parameters
    ----------
    path : str
        The folder.
    dataset : int or str, default=None
        Which image of each file.

    Attributes
    ----------
    first_number : int or None
        The number in the name of the first frame; None if no number counts frames.
    """

    def __init__(self, path, dataset=None):
        self.path, self._dataset = path, dataset
        counted, self._counts, self._names, self.first_number = numbered_files(path)
        first = self._opened(0)
        self.axes = counted + first.axes
        self.shape, self.dtype = (*self._counts, *first.shape), first.dtype
        self.pixel_sides = first.pixel_sides
        for number in range(1, len(self._names)):
            self._refuse_unlike(self._opened(number), first, number)

    def __getitem__(self, index):
        """Read a slice."""
        n = len(self._counts)
        return stacked(lambda number: self._opened(number)[index[n:]], self._counts, index[:n])

    def _opened(self, number):
        path = os.path.join(self.path, self._names[number])
        return open_image(path, self._dataset, alone=True)

    def _refuse_unlike(self, planes, first, number):
        for what in ("shape", "dtype", "axes"):
            found, expected = getattr(planes, what), getattr(first, what)
            if found != expected:
                raise ValueError(
                    f"{self._names[number]!r} in {self.path!r} has {what} {found}, but "
                    f"{self._names[0]!r} has {expected}; all frames must agree."
                )


def numbered_files(folder):
    """Return what the names of a folder's images count.

    These are the axes, their lengths, the names in order, and the number of the first frame, or
    None.
    """
    names = sorted(
        entry.name
        for entry in os.scandir(folder)
        if entry.name.lower().endswith(IMAGE_SUFFIXES) and not entry.name.startswith(".")
    )
    if not names:
        inside = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
        hint = f"; it has the folders {listing(inside)}" if inside else ""
        raise FileNotFoundError(f"no TIFF or PNG file in the folder {folder!r}{hint}.")
    parts = [re.split(r"(\d+)", os.path.splitext(name)[0]) for name in names]
    for name, part in zip(names, parts):
        if part[::2] != parts[0][::2]:
            raise ValueError(
                f"{name!r} and {names[0]!r} in {folder!r} differ in more than their numbers; a "
                "movie has one name and one number a frame."
            )
    numbers = [tuple(map(int, part[1::2])) for part in parts]
    varying = [i for i, values in enumerate(zip(*numbers)) if len(set(values)) > 1]
    axes = _counted_axes([parts[0][2 * i] for i in varying], names, folder)
    found = {tuple(number[i] for i in varying): name for number, name in zip(numbers, names)}
    if len(found) < len(names):
        raise ValueError(f"two files in {folder!r} have the same number: {listing(names)}.")
    if "T" in axes:
        first = min(number[axes.index("T")] for number in found)
    else:
        first = _frame_number(parts[0])
    return *_in_order(axes, found, folder), first


def _frame_number(parts):
    """Return the number that counts frames in the name of a single file, or None."""
    pairs = list(zip(parts[:-1:2], parts[1::2]))
    frames = [int(number) for text, number in pairs if _counted(text) == "T"]
    return frames[-1] if frames else None


def _counted(text):
    """Say what the number after this text counts."""
    return next((a for a in COUNTS if re.search(COUNTS[a], text, re.I)), "T")


def _counted_axes(texts, names, folder):
    """Say what the numbers after these texts count, each something else."""
    axes = [_counted(text) for text in texts]
    if len(set(axes)) < len(axes):
        raise ValueError(
            f"several numbers change in the names of {folder!r} ({listing(names, 3)}), and it "
            "does not show which one counts frames; put each movie into a folder of its own, or "
            "mark channels with c, as in t001_c2.tif."
        )
    return axes


def _in_order(axes, found, folder):
    """Return the axes with T first, their lengths, and the names of all combinations."""
    if not axes:  # a single file, whatever its number
        return "T", (1,), list(found.values())
    order = sorted(range(len(axes)), key=lambda i: "TCZ".index(axes[i]))
    by_order = {tuple(key[i] for i in order): name for key, name in found.items()}
    spans = [range(min(numbers), max(numbers) + 1) for numbers in zip(*by_order)]
    n_missing = math.prod(map(len, spans)) - len(found)
    if n_missing:
        missing = (key for key in itertools.product(*spans) if key not in by_order)
        first = ", ".join("/".join(map(str, key)) for key in itertools.islice(missing, 8))
        raise ValueError(
            f"{folder!r} lacks {n_missing} of the files between {by_order[min(by_order)]!r} and "
            f"{by_order[max(by_order)]!r}, first number {first}; every frame must be there."
        )
    names = [by_order[key] for key in itertools.product(*spans)]
    return "".join(axes[i] for i in order), tuple(map(len, spans)), names
