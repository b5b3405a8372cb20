"""Images without the brightness and contrast that differ between microscopes, wells and days."""

import numpy as np
from sklearn.utils._param_validation import StrOptions

from sklearn_cellfate.preprocessing._base import PixelTransformer

# Relative to the largest absolute value: eight times the rounding of float32. Below it
# lies what conversion and earlier steps leave of a constant patch.
FLAT = 1e-6
ROBUST_PERCENTILES = (5, 50, 95)
# How many standard deviations of a normal distribution lie between the outer two.
ROBUST_WIDTH = 3.2897072539
PIXELS_AT_ONCE = 1_000_000  # bounds the memory beside X


class PatchNormalizer(PixelTransformer):
    """Bring each channel of each image to zero mean and unit variance.

    Brightness and contrast of phase contrast depend on the lamp, the plate and the day. A patch
    (an image, or a piece of a large one) normalised by itself carries structure only, and a
    model cannot mistake one clone's brightness for its class.

    Parameters
    ----------
    method : {"patch", "robust", "dataset"}, default="patch"
        Where centre and scale of a channel come from.

        - ``"patch"``: mean and standard deviation of the image itself. Nothing is learned.
        - ``"robust"``: median of the image itself, and the distance between its 5th and 95th
          percentile divided by 3.29, which is the standard deviation of normally distributed
          pixels. Debris, bright but small, does not squeeze the cells then. Where
          the two percentiles agree, mean and standard deviation are taken.
        - ``"dataset"``: mean and standard deviation of all pixels of the training rows. Images
          keep their brightness and contrast relative to each other.
    image_shape : tuple of (channels, height, width), default=None
        How each row of a 2-D X folds into an image. By default all columns of a 2-D X are pixels
        of one channel.
    copy : bool, default=True
        False writes the result over X where that is possible (float32 pixels that may be written
        to), and spares its memory; for X that nobody needs again, such as the patches that
        :class:`~sklearn_cellfate.patches.PatchClassifier` cuts.

    Attributes
    ----------
    mean_ : ndarray of shape (n_channels,)
        Mean of each channel over the training rows. Only with ``method="dataset"``.
    scale_ : ndarray of shape (n_channels,)
        Standard deviation of each channel over the training rows; 1 for a channel that is
        constant. Only with ``method="dataset"``.
    image_shape_ : tuple of (channels, height, width)
        Shape of the images fitted on.
    n_features_in_ : int
        Number of columns of a data frame or 2-D array fitted on; values an image otherwise.
    feature_names_in_ : ndarray of str
        Columns of the data frame fitted on, where their names are all strings.

    See Also
    --------
    IntensityScaler : One scale for a data set whose background is 0.

    Notes
    -----
    A channel of an image counts as constant, and becomes 0 everywhere, if its largest and
    smallest pixel differ by no more than 1e-6 of the largest absolute value: about eight times
    the rounding of float32. It is never NaN. With ``"dataset"`` the same rule is applied to all
    training pixels of a channel together; of a constant one only the mean is subtracted.

    Variances are those of the population (divided by the number of pixels), computed in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.preprocessing import PatchNormalizer
    >>> dim = np.array([[[1, 2], [3, 4]]])
    >>> images = np.concatenate([dim, 100 * dim + 50, 0 * dim + 7])
    >>> PatchNormalizer().fit_transform(images).reshape(3, -1).round(2)
    array([[-1.34, -0.45,  0.45,  1.34],
           [-1.34, -0.45,  0.45,  1.34],
           [ 0.  ,  0.  ,  0.  ,  0.  ]], dtype=float32)
    """

    _parameter_constraints: dict = {
        "method": [StrOptions({"patch", "robust", "dataset"})],
        "image_shape": ["array-like", None],
        "copy": ["boolean"],
    }

    _learned_in_pixel_units = ("mean_", "scale_")

    def __init__(self, method="patch", *, image_shape=None, copy=True):
        self.method = method
        self.image_shape = image_shape
        self.copy = copy

    def _fit_images(self, images):
        if self.method == "dataset":
            channels = np.moveaxis(images, 1, 0)
            moments = [_moments_of_all(channel) for channel in channels]
            self.mean_, self.scale_ = np.array(moments).T
        else:  # nothing of an earlier fit with another method
            self.__dict__.pop("mean_", None)
            self.__dict__.pop("scale_", None)

    def _transform_images(self, images):
        n, channels, height, width = images.shape
        patches = images.reshape(n * channels, height * width)
        in_place = not self.copy and patches.flags.writeable
        normalized = patches if in_place else np.empty_like(patches)
        n_at_once = max(1, PIXELS_AT_ONCE // patches.shape[1])
        for start in range(0, len(patches), n_at_once):
            rows = slice(start, start + n_at_once)
            part = patches[rows].astype(np.float64)
            center, scale = self._center_and_scale(part, np.arange(len(patches))[rows] % channels)
            part -= center[:, np.newaxis]
            part /= scale[:, np.newaxis]
            normalized[rows] = part
        return normalized.reshape(images.shape)

    def _center_and_scale(self, patches, channel):
        if self.method == "dataset":
            return self.mean_[channel], self.scale_[channel]
        center, scale = patches.mean(axis=1), patches.std(axis=1)
        if self.method == "robust":
            low, middle, high = np.percentile(patches, ROBUST_PERCENTILES, axis=1)
            wide = ~_is_flat(low, high)
            center = np.where(wide, middle, center)
            scale = np.where(wide, (high - low) / ROBUST_WIDTH, scale)
        # Divided by infinity, whatever the rounding of the mean has left becomes 0.
        flat = _is_flat(patches.min(axis=1), patches.max(axis=1))
        return center, np.where(flat, np.inf, scale)


def _is_flat(low, high):
    return high - low <= FLAT * np.maximum(np.abs(low), np.abs(high))


def _moments_of_all(images):
    """Return mean and standard deviation of one channel, image by image to spare memory."""
    mean = np.mean([image.mean(dtype=np.float64) for image in images])
    if _is_flat(float(images.min()), float(images.max())):
        return mean, 1.0
    return mean, np.sqrt(np.mean([np.square(image - mean).mean() for image in images]))
