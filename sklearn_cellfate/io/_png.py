"""Pixels of a PNG file, as one frame of a folder."""

import math
import os

import imageio.v3 as iio  # comes with scikit-image

from sklearn_cellfate.io._planes import DEFLATE_TIMES, refuse_bomb, refuse_dataset

# Pixels of one bit come as a byte each, those of a palette as three.
MOST_TIMES = 24 * DEFLATE_TIMES


class PngPlanes:
    """The pixels of one PNG image, decoded as a whole when sliced."""

    pixel_sides = None, None

    def __init__(self, path, dataset=None):
        refuse_dataset(dataset, path)
        self._path = path
        described = self._asked(iio.improps)
        self.shape, self.dtype = described.shape, described.dtype
        self.axes = "YXS"[: len(self.shape)]
        declared = math.prod(self.shape) * self.dtype.itemsize
        refuse_bomb(declared, os.path.getsize(path), path, most=MOST_TIMES)

    def __getitem__(self, index):
        """Return a slice."""
        return self._asked(iio.imread)[index]

    def _asked(self, function):
        try:
            return function(self._path)
        except FileNotFoundError:
            raise
        except Exception as error:  # the plugins raise what they like on damaged bytes
            raise ValueError(f"{self._path!r} is not a readable PNG file: {error}") from error
