"""What all sources of pixels share.

A source has ``shape``, ``dtype``, ``axes`` and ``pixel_sides`` (height and width of a pixel in
micrometres, each None if the file does not say), and reads itself when it is sliced by one
integer or full slice a dimension. Letters outside ``TCZYXS`` among its axes say that the file
does not tell what that dimension is.
"""

import math
from typing import Any

import numpy as np

# Chunks that reach over several frames are kept for the next frame up to this size.
LARGEST_KEPT_BLOCK = 128 * 2**20
# Deflate, of PNG and most TIFF files, makes nothing smaller than this.
DEFLATE_TIMES = 1032
# What a compressed stream has beside its contents, at the most.
SLACK = 4096


def stacked(read_plane, shape, index):
    """Read the planes that `index` picks out of planes numbered in an array of `shape`."""
    numbers = np.arange(math.prod(shape)).reshape(shape)[index]
    planes = [read_plane(int(number)) for number in np.ravel(numbers)]
    if np.ndim(numbers) == 0:
        return planes[0]
    return np.stack(planes).reshape(*numbers.shape, *planes[0].shape)


class ChunkedPlanes:
    """A source whose chunks may hold several frames each.

    A chunk is decompressed as a whole. So that a movie read frame by frame is decompressed only
    once, the frames that share their chunks are read together and kept until others are asked
    for. A subclass sets ``shape``, ``dtype`` and ``chunks`` (None if there are none) and reads
    slices in ``_read``.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    chunks: Any
    _kept: tuple = None, None

    def _read(self, index):
        raise NotImplementedError

    def __getitem__(self, index):
        """Return a slice; `index` has an integer or a full slice for each dimension."""
        axis = self._axis_to_keep(index)
        if axis is None:
            return self._read(index)
        length = self.chunks[axis]
        start = index[axis] // length * length
        block = index[:axis] + (slice(start, start + length),) + index[axis + 1 :]
        asked, pixels = self._kept
        if asked != block:
            pixels = self._read(block)
            self._kept = block, pixels
        n_slices_before = sum(isinstance(i, slice) for i in index[:axis])
        return pixels.take(index[axis] - start, axis=n_slices_before)

    def __getstate__(self):
        """Keep no pixels."""
        return {key: value for key, value in vars(self).items() if key != "_kept"}

    def _axis_to_keep(self, index):
        """Find the dimension of the frames, if their chunks hold several and are not too large."""
        for axis, number in enumerate(index):
            if not isinstance(number, slice) and self.chunks and self.chunks[axis] > 1:
                sizes = [n for n, i in zip(self.shape, index) if isinstance(i, slice)]
                n_bytes = math.prod(sizes) * self.chunks[axis] * self.dtype.itemsize
                return axis if n_bytes <= LARGEST_KEPT_BLOCK else None
        return None


def refuse_bomb(declared, stored, path, *, most):
    """Refuse pixels of which the file cannot hold as many as it declares.

    `declared` bytes in memory are `stored` bytes in the file, and nothing in it can be made
    smaller than `most` times.
    """
    if declared > most * (stored + SLACK):
        raise ValueError(
            f"{path!r} is damaged: it declares a plane of {declared:,} bytes, far more than the "
            f"{stored:,} bytes in the file can hold."
        )


def letter(name):
    """Return the letter of an axis by its name in a file, "?" if it has another kind of name."""
    return name.upper() if isinstance(name, str) and len(name) == 1 else "?"


def refuse_dataset(dataset, path):
    """Refuse a choice where there is nothing to choose from."""
    if dataset is not None:
        raise ValueError(f"dataset={dataset!r}, but {path!r} holds one image only.")
