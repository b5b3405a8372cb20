"""Background set to exactly 0, by a mask or by a threshold."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import StrOptions

from sklearn_cellfate._validation import describe_shape
from sklearn_cellfate.preprocessing._object import ObjectTransformer, keep_inside, object_mask

# Images of this many pixels together are sorted at once: memory stays bounded.
PIXELS_A_BATCH = 1 << 20


class MaskBackground(ObjectTransformer):
    """Set every pixel outside the object to 0, in all channels alike.

    The object is where a mask, one of the channels, is positive; that channel is then removed.
    Without a mask it is where one image is brighter than a threshold, which is found for each
    image by itself. Pixels inside stay as they are.

    Parameters
    ----------
    mask_channel : int, default=None
        Index of the channel that is positive inside the object, such as -1 for movies cropped
        with ``mask="channel"``. By default the threshold decides.
    threshold : {"otsu", "li"} or float, default="otsu"
        Without a mask: pixels above it are the object.

        - ``"otsu"`` splits the image's pixels so that the variance between the two classes is
          greatest [1]_;
        - ``"li"`` so that the cross-entropy between image and classes is least [2]_, which keeps
          more of dim objects;
        - a number is taken as it is, in the unit of X.

        Both methods weigh every split between two grey values, without a histogram, so a single
        saturated pixel does not blur the others into one bin.
    channel : int, default=None
        The channel to threshold. By default the sum of all channels.
    image_shape : tuple of (channels, height, width), default=None
        How each row of a 2-D X folds into an image. By default all columns of a 2-D X are pixels
        of one channel.

    Attributes
    ----------
    image_shape_ : tuple of (channels, height, width)
        Shape of the images fitted on.
    n_features_in_ : int
        Number of columns of a data frame or 2-D array fitted on; values an image otherwise.
    feature_names_in_ : ndarray of str
        Columns of the data frame fitted on, where their names are all strings.

    Raises
    ------
    ValueError
        If X lacks the channel asked for, or has no channel beside the mask.

    Warns
    -----
    UserWarning
        If images have no object (an empty mask, or no two grey values to split): they become all
        background.

    See Also
    --------
    LargestObject : Remove debris from what is left.

    References
    ----------
    .. [1] N. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions
       on Systems, Man, and Cybernetics 9(1), 1979. :doi:`10.1109/TSMC.1979.4310076`
    .. [2] C. H. Li and C. K. Lee, "Minimum cross entropy thresholding", Pattern Recognition
       26(4), 1993. :doi:`10.1016/0031-3203(93)90115-D`

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.preprocessing import MaskBackground
    >>> cell = np.array([[[3, 1, 9, 8], [2, 2, 7, 1]]])
    >>> MaskBackground().fit_transform(cell)[0]
    array([[0., 0., 9., 8.],
           [0., 0., 7., 0.]], dtype=float32)
    >>> mask = np.array([[[0, 0, 1, 1], [0, 0, 1, 1]]])
    >>> MaskBackground(mask_channel=-1).fit_transform(np.stack([cell, mask], axis=1))[0, 0]
    array([[0., 0., 9., 8.],
           [0., 0., 7., 1.]], dtype=float32)
    """

    _parameter_constraints: dict = {
        "mask_channel": [Integral, None],
        "threshold": [StrOptions({"otsu", "li"}), Real],
        "channel": [Integral, None],
        "image_shape": ["array-like", None],
    }

    def __init__(self, mask_channel=None, *, threshold="otsu", channel=None, image_shape=None):
        self.mask_channel = mask_channel
        self.threshold = threshold
        self.channel = channel
        self.image_shape = image_shape

    def _fit_images(self, images):
        super()._fit_images(images)
        shape = images.shape[1:]
        if self.mask_channel is not None and shape[0] == 1:
            raise ValueError(
                f"mask_channel={self.mask_channel} leaves no other channel: X has "
                f"{describe_shape(shape)}."
            )
        if self.channel is not None and not -shape[0] <= self.channel < shape[0]:
            raise ValueError(
                f"channel={self.channel} is no channel of X, which has {describe_shape(shape)}."
            )

    def _transform_images(self, images):
        if self.mask_channel is None:
            inside = self._above_threshold(images)
        else:
            inside = object_mask(images, self.mask_channel)
            images = np.delete(images, self.mask_channel, axis=1)
        n_empty = len(inside) - np.count_nonzero(inside.any(axis=(1, 2)))
        if n_empty:
            warnings.warn(
                f"{n_empty} of {len(images)} images have no object and became all background.",
                stacklevel=5,
            )
        return keep_inside(images, inside)

    def _above_threshold(self, images):
        bright = images.sum(axis=1) if self.channel is None else images[:, self.channel]
        if isinstance(self.threshold, str):
            thresholds = best_thresholds(bright.reshape(len(bright), -1), self.threshold)
            return bright > thresholds[:, np.newaxis, np.newaxis]
        return bright > self.threshold

    def _row_names_out(self, names):
        if self.mask_channel is None:
            return names
        return np.delete(names.reshape(self.image_shape_[0], -1), self.mask_channel, 0).ravel()


def best_thresholds(pixels, method):
    """Find the grey value that best splits the pixels of each image in two classes.

    Parameters
    ----------
    pixels : ndarray of float32 of shape (n, n_pixels)
        The images.
    method : {"otsu", "li"}
        Criterion.

    Returns
    -------
    thresholds : ndarray of float32 of shape (n,)
        The highest grey value of the darker class, the lowest of equally good ones. An image of
        one grey value has that as its threshold, so nothing is above.
    """
    split_quality = {"otsu": _variance_between, "li": _negative_cross_entropy}[method]
    rows_a_batch = max(1, PIXELS_A_BATCH // pixels.shape[1])
    thresholds = np.empty(len(pixels), dtype=pixels.dtype)
    for start in range(0, len(pixels), rows_a_batch):
        batch = np.sort(pixels[start : start + rows_a_batch], axis=1)
        # From 0 up: what the logarithms of cross-entropy need, and less rounding for variance.
        raised = batch.astype(np.float64) - batch[:, :1]
        below = np.cumsum(raised, axis=1)
        above = below[:, -1:] - below
        n_below = np.arange(1, pixels.shape[1] + 1)
        quality = split_quality(below, above, n_below, pixels.shape[1] - n_below)
        no_split = np.ones(batch.shape, dtype=bool)
        no_split[:, :-1] = batch[:, :-1] == batch[:, 1:]
        quality[no_split] = -np.inf
        thresholds[start : start + rows_a_batch] = np.where(
            np.isfinite(quality).any(axis=1),
            batch[np.arange(len(batch)), quality.argmax(axis=1)],
            batch[:, -1],
        )
    return thresholds


def _variance_between(below, above, n_below, n_above):
    """Variance between classes but for constants: the sums squared over the counts."""
    return below**2 / n_below + above**2 / np.maximum(n_above, 1)


def _negative_cross_entropy(below, above, n_below, n_above):
    """Cross-entropy but for sign and constants: sums times logarithms of the means."""
    return _times_log_mean(below, n_below) + _times_log_mean(above, np.maximum(n_above, 1))


def _times_log_mean(sums, counts):
    means = np.divide(sums, counts)
    return sums * np.log(means, out=np.zeros_like(means), where=means > 0)
