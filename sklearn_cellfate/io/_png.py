"""Pixels of a PNG file, as one frame of a folder."""

import imageio.v3 as iio  # comes with scikit-image

from sklearn_cellfate.io._planes import refuse_dataset


class PngPlanes:
    """The pixels of one PNG image, decoded as a whole when sliced."""

    pixel_sides = None, None

    def __init__(self, path, dataset=None):
        refuse_dataset(dataset, path)
        self._path = path
        described = self._asked(iio.improps)
        self.shape, self.dtype = described.shape, described.dtype
        self.axes = "YXS"[: len(self.shape)]

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
