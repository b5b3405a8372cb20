"""What transformers share that give a few numbers an image."""

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from sklearn_cellfate.preprocessing._base import PixelTransformer, as_table, container_form
from sklearn_cellfate.table import movie_column_names, to_movies

PIXELS_AT_ONCE = 2_000_000  # bounds the memory beside X


class ImageFeatures(PixelTransformer):
    """Base of transformers that turn an image into numbers, and a movie into lists of them.

    A subclass learns in ``_fit_images``, where it also sets ``_names``, one name a number, and
    says in ``_transform_images`` how images of shape (n, C, H, W) become (n, n_names) float64.
    """

    def transform(self, X):
        """Compute the features of every image, or of every frame of every movie.

        Parameters
        ----------
        X : as in fit
            Images with the channels, height and width of those fitted on.

        Returns
        -------
        features : ndarray of shape (n, n_features_out), float64, or DataFrame
            One row an image. For a movie column a data frame with a list column a feature: one
            number for each frame, in the order of the frames.
        """
        check_is_fitted(self)
        images, _ = self._read(X, reset=False)
        self._check_pixel_scale(X, images, reset=False)
        features = self._transform_images(images)
        if container_form(X) == "table" and movie_column_names(as_table(X)):
            lengths = [len(movie) for movie in to_movies(X)]
            return _list_columns(self._names, features, lengths, X.index)
        return features

    def get_feature_names_out(self, input_features=None):
        """Names of the features.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Not used, beyond a check against the columns seen in ``fit``.

        Returns
        -------
        names : ndarray of str objects
            The name of each feature; numbers behind it say which channel or which of its parts.
        """
        check_is_fitted(self)
        if self._form != "stack":
            _check_feature_names_in(self, input_features)
        return np.array(self._names, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # measurements are float64
        return tags


def in_parts(images):
    """Give the slices of rows whose images are worked on at once, to bound memory."""
    n_at_once = max(1, PIXELS_AT_ONCE // int(np.prod(images.shape[1:])))
    for start in range(0, len(images), n_at_once):
        yield slice(start, start + n_at_once)


def _list_columns(names, features, lengths, index):
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int64())
    columns = {}
    for name, values in zip(names, features.T):
        lists = pa.LargeListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(values)))
        columns[name] = pd.arrays.ArrowExtensionArray(pa.chunked_array([lists]))
    return pd.DataFrame(columns, index=index)
