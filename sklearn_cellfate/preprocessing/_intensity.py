"""One scale of intensity for a whole data set."""

from numbers import Real

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval

from sklearn_cellfate.preprocessing._base import PixelTransformer

PIXELS_AT_ONCE = 2**17
_POSITIVE = Interval(Real, 0, None, closed="neither")
_PERCENT = Interval(Real, 0, 100, closed="both")


class IntensityScaler(PixelTransformer):
    """Stretch the positive pixels of each channel to a fixed range; background stays 0.

    The lowest and the highest positive intensity of each channel over all training rows, ``lo``
    and ``hi``, are mapped to the ends ``a`` and ``b`` of `feature_range`::

        0                                                   where x <= 0
        a + (b - a) * clip((x - lo) / (hi - lo), 0, 1)      elsewhere

    so cells keep their brightness relative to each other, and a new cell is measured with the
    scale of the training cells. Because ``a > 0``, background cannot be mistaken for a dim pixel.

    Parameters
    ----------
    feature_range : tuple of (float, float), default=(0.001, 1.0)
        The range ``(a, b)`` of the positive pixels, ``0 < a < b``.
    quantile_range : tuple of (float, float), default=(0, 100)
        The percentiles of the positive training pixels that become ``lo`` and ``hi``, in percent.
        The default takes minimum and maximum; ``(0.1, 99.9)`` keeps a single hot pixel from
        setting the scale.
    image_shape : tuple of (channels, height, width), default=None
        How each row of a 2-D X folds into an image. By default all columns of a 2-D X are pixels
        of one channel.

    Attributes
    ----------
    data_min_ : ndarray of shape (n_channels,)
        ``lo`` of each channel, in the unit of X; 0 for a channel without a positive pixel.
    data_max_ : ndarray of shape (n_channels,)
        ``hi`` of each channel. Where it equals ``lo`` (a mask, say), positive pixels from there
        on become ``b`` and those below ``a``.
    image_shape_ : tuple of (channels, height, width)
        Shape of the images fitted on.
    n_features_in_ : int
        Number of columns of a data frame or 2-D array fitted on; values an image otherwise.
    feature_names_in_ : ndarray of str
        Columns of the data frame fitted on, where their names are all strings.

    See Also
    --------
    FRETRatio : The ratio image to put before it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.preprocessing import IntensityScaler
    >>> train, new = np.array([[[0, 2], [4, 10]]]), np.array([[[0, 1], [6, 90]]])
    >>> scaler = IntensityScaler(feature_range=(0.2, 1)).fit(train)
    >>> scaler.transform(new)[0]
    array([[0. , 0.2],
           [0.6, 1. ]], dtype=float32)
    """

    _parameter_constraints: dict = {
        "feature_range": ["array-like"],
        "quantile_range": ["array-like"],
        "image_shape": ["array-like", None],
    }

    _learned_in_pixel_units = ("data_min_", "data_max_")

    def __init__(self, feature_range=(0.001, 1.0), *, quantile_range=(0, 100), image_shape=None):
        self.feature_range = feature_range
        self.quantile_range = quantile_range
        self.image_shape = image_shape

    def inverse_transform(self, X):
        """Bring scaled pixels, such as a decoder's reconstructions, back to the unit of X.

        Parameters
        ----------
        X : as in fit
            Scaled images.

        Returns
        -------
        X_original : DataFrame, Series or ndarray
            The container that X is. Pixels that ``transform`` clipped come back as ``lo`` or
            ``hi``.
        """
        return self._apply(X, lambda images: _by_blocks(self._unscale, images))

    def _fit_images(self, images):
        _check_increasing("feature_range", self.feature_range, _POSITIVE)
        _check_increasing("quantile_range", self.quantile_range, _PERCENT)
        limits = [self._limits(images[:, channel]) for channel in range(images.shape[1])]
        self.data_min_, self.data_max_ = np.array(limits, dtype=np.float32).T

    def _limits(self, pixels):
        positive = pixels[pixels > 0]
        return np.percentile(positive, self.quantile_range) if len(positive) else (0, 0)

    def _transform_images(self, images):
        return _by_blocks(self._stretch, images)

    def _stretch(self, images):
        lo, hi = self._scale()
        low, high = self.feature_range
        span = np.where(hi > lo, hi - lo, 1)
        position = np.where(hi > lo, (images.clip(lo, hi) - lo) / span, images >= lo)
        # This form, unlike low + (high - low) * position, is exact at both ends.
        scaled = (1 - position) * low + position * high
        return np.where(images > 0, scaled, 0).astype(np.float32)

    def _unscale(self, images):
        lo, hi = self._scale()
        low, high = self.feature_range
        position = (images.clip(low, high) - low) / (high - low)
        return np.where(images > 0, (1 - position) * lo + position * hi, 0).astype(np.float32)

    def _scale(self):
        channels_first = (-1, 1, 1)
        return self.data_min_.reshape(channels_first), self.data_max_.reshape(channels_first)


def _by_blocks(function, images):
    """Change images a few at a time: what a function needs in between is small then, and near."""
    changed = np.empty(images.shape, np.float32)
    n_at_once = max(1, PIXELS_AT_ONCE // max(1, images[:1].size))
    for rows in gen_batches(len(images), n_at_once):
        changed[rows] = function(images[rows])
    return changed


def _check_increasing(name, limits, interval):
    inside = all(interval.is_satisfied_by(limit) for limit in limits)
    if len(limits) != 2 or not inside or not limits[0] < limits[1]:
        raise ValueError(
            f"{name} must be two increasing numbers, each {interval}; got {limits!r}."
        )
