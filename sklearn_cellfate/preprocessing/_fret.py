"""The ratio image of a FRET biosensor."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sklearn_cellfate._validation import describe_shape
from sklearn_cellfate.preprocessing._base import PixelTransformer, as_table, container_form
from sklearn_cellfate.table import movie_column_names, to_movies

# A share of lost pixels above which a result is no longer what the microscope saw.
NOTICEABLE_SHARE = 0.05


class FRETRatio(PixelTransformer):
    """Divide one channel by another, pixel by pixel.

    A biosensor such as EKAREV-NLS [1]_ reports activity as the ratio of its two emission
    channels. Each pixel becomes ``numerator / denominator``, and 0, the background, where that
    ratio means nothing: where the denominator is zero or negative, where either channel is
    saturated, and where the ratio exceeds what float32 can hold. The result is never infinite
    and never NaN.

    Parameters
    ----------
    numerator : int, default=0
        The channel above the line. With channels (CFP, YFP) the defaults give CFP / YFP, which
        falls as the kinase gets active; ``numerator=1, denominator=0`` gives YFP / CFP, the FRET
        ratio itself.
    denominator : int, default=1
        The channel below the line.
    saturation : float, default=None
        Pixels at or above this value, in either of the two channels and in the unit of X, are
        saturated: 4095 for a camera of 12 bits, whatever the dtype of the file. By default no
        pixel is taken for saturated.
    image_shape : tuple of (channels, height, width), default=None
        How each row of a 2-D X folds into an image. By default each column of a 2-D X is one
        channel: a table of the channels' mean intensities, a row a cell.

    Attributes
    ----------
    n_invalid_ : int
        How many pixels of the training rows lie in a cell (one of the two channels is positive)
        and became background all the same. Pixels dark in both channels are background already
        and do not count. :meth:`count_invalid` counts for any rows.
    image_shape_ : tuple of (channels, height, width)
        Shape of the images fitted on; (1, 1, n_features) for a 2-D X without `image_shape`.
    n_features_in_ : int
        Number of columns of a data frame or 2-D array fitted on; values an image otherwise.
    feature_names_in_ : ndarray of str
        Columns of the data frame fitted on, where their names are all strings.

    Raises
    ------
    ValueError
        If X lacks one of the two channels, or is no valid container of images.

    Warns
    -----
    UserWarning
        If ``transform`` turns more than 5 % of all pixels inside cells into background.

    See Also
    --------
    IntensityScaler : Bring the ratio to a fixed range.

    References
    ----------
    .. [1] N. Komatsu et al., "Development of an optimized backbone of FRET biosensors for
       kinases and GTPases", Molecular Biology of the Cell 22(23), 2011.
       :doi:`10.1091/mbc.e11-01-0072`

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.preprocessing import FRETRatio
    >>> cfp, yfp = [[6, 0], [9, 3]], [[2, 0], [0, 4]]
    >>> fret = FRETRatio()
    >>> fret.fit(np.array([[cfp, yfp]])).n_invalid_
    1
    >>> FRETRatio(numerator=1, denominator=0).fit_transform(np.array([[cfp, yfp]]))[0, 0]
    array([[0.33333334, 0.        ],
           [0.        , 1.3333334 ]], dtype=float32)
    """

    _parameter_constraints: dict = {
        "numerator": [Interval(Integral, 0, None, closed="left")],
        "denominator": [Interval(Integral, 0, None, closed="left")],
        "saturation": [Interval(Real, 0, None, closed="neither"), None],
        "image_shape": ["array-like", None],
    }

    def __init__(self, numerator=0, denominator=1, *, saturation=None, image_shape=None):
        self.numerator = numerator
        self.denominator = denominator
        self.saturation = saturation
        self.image_shape = image_shape

    def count_invalid(self, X):
        """Count the pixels inside each cell that become background.

        Parameters
        ----------
        X : as in fit
            The rows to look at.

        Returns
        -------
        counts : ndarray of int of shape (n,)
            Pixels a row; for movies, of all frames together.
        """
        check_is_fitted(self)
        images, hand_back = self._read(X, reset=False)
        _, _, lost = self._ratio(images)
        if container_form(X) == "table" and movie_column_names(as_table(X)):
            marked = hand_back(lost[:, np.newaxis].astype(np.int64))
            return np.array([movie.sum() for movie in to_movies(marked)])
        return lost.sum(axis=(1, 2))

    def _fit_images(self, images):
        _, _, lost = self._ratio(images)
        self.n_invalid_ = int(lost.sum())

    def _transform_images(self, images):
        ratio, inside, lost = self._ratio(images)
        n_inside, n_lost = inside.sum(), lost.sum()
        if n_lost > NOTICEABLE_SHARE * n_inside:
            warnings.warn(
                f"{n_lost} of {n_inside} pixels inside cells have a zero or saturated channel "
                f"and became background (channel {self.numerator} over {self.denominator}).",
                stacklevel=5,
            )
        return ratio[:, np.newaxis]

    def _ratio(self, images):
        numerator, denominator = images[:, self.numerator], images[:, self.denominator]
        valid = denominator > 0
        if self.saturation is not None:
            valid &= (numerator < self.saturation) & (denominator < self.saturation)
        with np.errstate(over="ignore", under="ignore"):
            ratio = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=valid)
        valid &= np.isfinite(ratio)
        ratio[~valid] = 0
        inside = (numerator > 0) | (denominator > 0)
        return ratio, inside, inside & ~valid

    def _read(self, X, *, reset):
        images, hand_back = super()._read(X, reset=reset)
        one_column_a_channel = container_form(X) == "rows" and self.image_shape is None
        if one_column_a_channel:
            images = images.reshape(len(images), -1, 1, 1)
        if max(self.numerator, self.denominator) >= images.shape[1]:
            found = describe_shape(images.shape[1:])
            if one_column_a_channel:
                found = f"{images.shape[1]} feature(s), each read as one channel"
            raise ValueError(
                f"numerator={self.numerator} and denominator={self.denominator} ask for "
                f"{max(self.numerator, self.denominator) + 1} channels, but X has {found}."
            )
        return images, hand_back

    def _row_names_out(self, names):
        if self.image_shape is None:
            ratio = f"{names[self.numerator]}/{names[self.denominator]}"
            return np.array([ratio], dtype=object)
        _, height, width = self.image_shape_
        return np.array([f"fretratio{i}" for i in range(height * width)], dtype=object)
