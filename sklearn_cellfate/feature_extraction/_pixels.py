"""Raw pixels as features: the plainest baseline."""

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklearn_cellfate._validation import check_pixel_scale, validate_images
from sklearn_cellfate._versioned import VersionedMixin

__all__ = ["PixelFeatures"]


class PixelFeatures(
    VersionedMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Lay the pixels of each image side by side in a row.

    Images in another unit than those fitted on, a camera's counts in place of fractions of 1 or
    the reverse, are refused: what was learned of the one says nothing of the other.

    Parameters
    ----------
    image_shape : tuple of (int, int, int), default=None
        Channels, height and width into which the rows of a 2-D X fold, only to check them.

    Attributes
    ----------
    image_shape_ : tuple of (int, int, int)
        Channels, height and width of the images fitted on.
    n_features_in_ : int
        Columns of X, or pixels of an image.
    feature_names_in_ : ndarray of str
        Name of the image column; only for data frames.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.feature_extraction import PixelFeatures
    >>> PixelFeatures().fit_transform(np.zeros((5, 2, 20, 20))).shape
    (5, 800)
    """

    def __init__(self, *, image_shape=None):
        self.image_shape = image_shape

    def fit(self, X, y=None):
        """Remember the shape of the images.

        Parameters
        ----------
        X : DataFrame with one image column, or array of shape (n, H, W), (n, C, H, W) or \
(n, n_features)
            Images.
        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        images = validate_images(self, X, reset=True)
        check_pixel_scale(self, X, reset=True)
        self._n_features_out = images[0].size
        return self

    def transform(self, X):
        """Flatten images.

        Parameters
        ----------
        X : as in ``fit``
            Images of the shape fitted on.

        Returns
        -------
        pixels : ndarray of shape (n, C * H * W), float32
        """
        check_is_fitted(self)
        images = validate_images(self, X, reset=False)
        check_pixel_scale(self, X, reset=False)
        return images.reshape(len(images), -1)

    def __sklearn_tags__(self):
        """Say that float32 stays float32."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
