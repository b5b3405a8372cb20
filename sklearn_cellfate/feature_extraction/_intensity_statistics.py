"""Brightness, contrast and variety of the pixels: what needs no structure."""

from numbers import Integral

import numpy as np
from scipy.special import entr
from sklearn.utils._param_validation import Interval

from sklearn_cellfate.feature_extraction._image_features import ImageFeatures, in_parts

__all__ = ["IntensityStatistics"]

STATISTICS = ("mean", "variance", "entropy")


class IntensityStatistics(ImageFeatures):
    """Mean, variance and entropy of each channel of each image.

    A baseline that knows how bright the pixels are and nothing of where they lie. What a model
    of images adds to it is structure.

    Parameters
    ----------
    n_bins : int, default=256
        Number of bins of the histogram whose entropy is taken. The entropy is at most
        ``log2(n_bins)``.
    image_shape : tuple of (channels, height, width), default=None
        How each row of a 2-D X folds into an image. By default all columns of a 2-D X are pixels
        of one channel.

    Attributes
    ----------
    bin_edges_ : ndarray of shape (n_channels, n_bins + 1)
        Edges of the histogram of each channel: equally wide bins from the smallest to the largest
        pixel of the training rows, in the unit of X. For a channel that is constant they are
        one unit wide.
    image_shape_ : tuple of (channels, height, width)
        Shape of the images fitted on.
    n_features_in_ : int
        Number of columns of a data frame or 2-D array fitted on; values an image otherwise.
    feature_names_in_ : ndarray of str
        Columns of the data frame fitted on, where their names are all strings.

    See Also
    --------
    PowerSpectrum : The structure that is missing here.

    Notes
    -----
    Columns are ``mean_0, variance_0, entropy_0, mean_1, ...`` with the number of the channel.
    Mean and variance (of the population) are in the unit of X and its square. The entropy is
    Shannon's [1]_, in bits, of the shares of pixels in the bins. Pixels outside the range of the
    training rows count in the outermost bins.

    References
    ----------
    .. [1] C. E. Shannon, "A mathematical theory of communication", Bell System Technical
       Journal 27(3), 1948. :doi:`10.1002/j.1538-7305.1948.tb01338.x`

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.feature_extraction import IntensityStatistics
    >>> images = np.array([[[0, 2], [4, 6]], [[0, 0], [6, 6]], [[6, 6], [6, 6]]])
    >>> IntensityStatistics().set_output(transform="pandas").fit_transform(images)
       mean_0  variance_0  entropy_0
    0     3.0         5.0        2.0
    1     3.0         9.0        1.0
    2     6.0         0.0        0.0
    """

    _parameter_constraints: dict = {
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "image_shape": ["array-like", None],
    }

    _learned_in_pixel_units = ("bin_edges_",)

    def __init__(self, n_bins=256, *, image_shape=None):
        self.n_bins = n_bins
        self.image_shape = image_shape

    def _fit_images(self, images):
        low = images.min(axis=(0, 2, 3)).astype(np.float64)
        width = (images.max(axis=(0, 2, 3)) - low) / self.n_bins
        # Beside a huge number 1 is lost, and the edges would be one.
        width = np.where(width > 0, width, np.maximum(1, np.spacing(np.abs(low))))
        self.bin_edges_ = low[:, np.newaxis] + width[:, np.newaxis] * np.arange(self.n_bins + 1)
        channels = range(images.shape[1])
        self._names = [f"{name}_{channel}" for channel in channels for name in STATISTICS]

    def _transform_images(self, images):
        features = np.empty((*images.shape[:2], len(STATISTICS)))
        for rows in in_parts(images):
            pixels = images[rows].reshape(*images[rows].shape[:2], -1).astype(np.float64)
            features[rows, :, 0] = pixels.mean(axis=-1)
            features[rows, :, 1] = pixels.var(axis=-1)
            features[rows, :, 2] = self._entropy(pixels)
        return features.reshape(len(images), -1)

    def _entropy(self, pixels):
        low, width = self.bin_edges_[:, 0], self.bin_edges_[:, 1] - self.bin_edges_[:, 0]
        pixels -= low[:, np.newaxis]
        pixels /= width[:, np.newaxis]
        bins = pixels.clip(0, self.n_bins - 1, out=pixels).astype(np.int64)
        entropy = np.empty(pixels.shape[:2])
        for image, channel in np.ndindex(entropy.shape):
            counts = np.bincount(bins[image, channel], minlength=self.n_bins)
            entropy[image, channel] = entr(counts / pixels.shape[2]).sum()
        return entropy / np.log(2)
