"""Over-sampling by the symmetries of the square."""

import numpy as np
import pandas as pd
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.validation import validate_data

from sklearn_cellfate._validation import validate_images
from sklearn_cellfate._versioned import VersionedMixin
from sklearn_cellfate.preprocessing._base import refuse_infinite_movies, remember_columns
from sklearn_cellfate.preprocessing._symmetries import (
    apply_symmetries,
    apply_symmetry,
    symmetries,
)
from sklearn_cellfate.table import (
    image_column,
    image_column_names,
    is_movie_dtype,
    movie_column,
    movie_column_names,
    to_images,
    to_movies,
)


class AugmentationOverSampler(VersionedMixin, BaseOverSampler):
    """Balance classes by flipped, rotated and transposed copies of the rare classes' images.

    A cell has no up, down, left or right on its dish, so a symmetric copy is an image that could
    have been taken. A square has eight symmetries, a rectangle four, the untouched image
    included. Rows and symmetries are used evenly: no row gets its second copy before every row
    of its class has one, and no symmetry of a row comes twice before all others came once; the
    untouched image, which is in the data already, comes last.

    No row is thrown away: all rows of X come first, in their order, then the copies. Resample
    the training rows only, inside an :class:`imblearn.pipeline.Pipeline`; a copy in the test
    rows would be a cell that the model has seen.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        How many rows each class gets, as in :class:`imblearn.over_sampling.RandomOverSampler`:
        ``"auto"`` brings every class to the size of the largest, a float sets the ratio of the
        smaller of two classes to the larger, a dict the number of rows of each class.
    random_state : int, RandomState instance or None, default=None
        Makes the draw of rows and symmetries repeatable.
    image_shape : tuple of (channels, height, width), default=None
        How each row of a 2-D X folds into an image. By default a row is an image of one line,
        and its only symmetry is the reversal of the columns.

    Attributes
    ----------
    sampling_strategy_ : dict
        The number of copies made of each class.
    sample_indices_ : ndarray of shape (n_new,)
        The row of X that each row of the result comes from.
    sample_symmetries_ : ndarray of shape (n_new,)
        The symmetry of each row of the result; 0 is the untouched image. From 1 to 7 its bits
        say, in this order: 4 transposed, 2 turned upside down, 1 left and right swapped.
    image_shape_ : tuple of (channels, height, width)
        Shape of the images, for a data frame those of its last image column.
    n_features_in_ : int
        Number of columns of a data frame or 2-D array; values an image otherwise.
    feature_names_in_ : ndarray of str
        Columns of the data frame, where their names are all strings.

    See Also
    --------
    imblearn.over_sampling.RandomOverSampler : Plain copies.

    Notes
    -----
    In a data frame all image columns and all frames of all movie columns of a row undergo the
    same symmetry; the other columns are copied.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.over_sampling import AugmentationOverSampler
    >>> images = np.arange(12).reshape(3, 2, 2)
    >>> sampler = AugmentationOverSampler(random_state=0)
    >>> X, y = sampler.fit_resample(images, ["no", "no", "yes"])
    >>> y
    ['no', 'no', 'yes', 'yes']
    >>> X[3], sampler.sample_indices_[3], sampler.sample_symmetries_[3]  # row 2, transposed
    (array([[ 8, 10],
           [ 9, 11]]), np.int64(2), np.int64(4))
    """

    _parameter_constraints: dict = {
        **BaseOverSampler._parameter_constraints,
        "image_shape": ["array-like", None],
    }

    def __init__(self, *, sampling_strategy="auto", random_state=None, image_shape=None):
        super().__init__(sampling_strategy=sampling_strategy)
        self.random_state = random_state
        self.image_shape = image_shape

    def _check_X_y(self, X, y):
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        y = validate_data(self, y=y)
        pixel_columns = _pixel_columns(X)
        if pixel_columns:
            check_consistent_length(X, y)
            self._frame_sizes = {self._check_column(X[name]) for name in pixel_columns}
            remember_columns(self, X)
        else:
            X = _with_dense_columns(X)
            self._frame_sizes = {validate_images(self, X, reset=True).shape[-2:]}
            # Checked as float32, but resampled in the dtype that X has.
            X = check_array(X, allow_nd=True)
            check_consistent_length(X, y)
        return X, y, binarize_y

    def _check_column(self, column):
        """Return height and width of the images or movies, all pixels of which are finite."""
        if not is_movie_dtype(column.dtype):
            return validate_images(self, column, reset=True).shape[-2:]
        movies = to_movies(column)
        refuse_infinite_movies(movies, column.name)
        return movies[0].shape[-2:]

    def _fit_resample(self, X, y):
        rows, numbers = self._draw(y)
        self.sample_indices_ = np.concatenate([np.arange(len(y)), rows])
        self.sample_symmetries_ = np.concatenate([np.zeros(len(y), dtype=int), numbers])
        copies = _copy_table if isinstance(X, pd.DataFrame) else self._copy_array
        return copies(X, rows, numbers), y[self.sample_indices_]

    def _draw(self, y):
        """Draw the row and the symmetry of every copy."""
        random_state = check_random_state(self.random_state)
        allowed = set.intersection(*(set(symmetries(*size)) for size in self._frame_sizes))
        rows, numbers = [np.empty(0, dtype=int)], [np.empty(0, dtype=int)]
        for label, n_copies in self.sampling_strategy_.items():
            of_class = np.flatnonzero(y == label)
            position, number = _draw_evenly(
                len(of_class), n_copies, sorted(allowed - {0}), random_state
            )
            rows.append(of_class[position])
            numbers.append(number)
        return np.concatenate(rows), np.concatenate(numbers)

    def _copy_array(self, X, rows, numbers):
        images = X[rows].reshape(len(rows), *self.image_shape_)
        copies = apply_symmetries(images, numbers).reshape(len(rows), *X.shape[1:])
        return np.concatenate([X, copies])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.sampler_tags.sample_indices = True
        return tags


def _draw_evenly(n_rows, n_copies, numbers, random_state):
    """Draw `n_copies` pairs of a row and a symmetry, each row equally often, give or take one.

    A row goes through all `numbers` in an order of its own, then the identity, then again.
    """
    n_rounds = -(-n_copies // n_rows)
    order_of_rows = random_state.random_sample((n_rounds, n_rows)).argsort(axis=1)
    shuffled = np.array(numbers, dtype=int)[
        random_state.random_sample((n_rows, len(numbers))).argsort(axis=1)
    ]
    order_of_numbers = np.hstack([shuffled, np.zeros((n_rows, 1), dtype=int)])
    rows = order_of_rows.ravel()[:n_copies]
    rounds = np.arange(n_copies) // n_rows
    return rows, order_of_numbers[rows, rounds % order_of_numbers.shape[1]]


def _copy_table(table, rows, numbers):
    copies = table.iloc[rows].copy()
    for name in image_column_names(table):
        copies[name] = image_column(apply_symmetries(to_images(copies[name]), numbers))
    for name in movie_column_names(table):
        movies = zip(to_movies(copies[name]), numbers)
        copies[name] = movie_column([apply_symmetry(movie, number) for movie, number in movies])
    return pd.concat([table, copies], ignore_index=True)


def _pixel_columns(X):
    if not isinstance(X, pd.DataFrame):
        return []
    return image_column_names(X) + movie_column_names(X)


def _with_dense_columns(X):
    # scikit-learn takes a data frame of sparse columns for a sparse matrix.
    if not isinstance(X, pd.DataFrame):
        return X
    sparse = X.dtypes[[isinstance(dtype, pd.SparseDtype) for dtype in X.dtypes]]
    return X.astype({name: dtype.subtype for name, dtype in sparse.items()})
