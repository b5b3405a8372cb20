"""Moments at the same fractions of every cell's life."""

import contextlib
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_feature_names,
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from sklearn_cellfate._validation import describe_shape, n_dimensions
from sklearn_cellfate._versioned import VersionedMixin
from sklearn_cellfate.preprocessing._base import (
    as_table,
    check_names_for_set_output,
    output_container,
    remember_columns,
)
from sklearn_cellfate.table import (
    image_column,
    in_one_line,
    is_movie_dtype,
    listing,
    to_movies,
    unmasked,
)

_ARROW_ERRORS = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError)


class RelativeTimeSampler(VersionedMixin, TransformerMixin, BaseEstimator):
    """Pick the frames at fixed fractions of each cell's life.

    A life runs from the first frame of a cell to its last (mitosis, death or the end of the
    film). For `n` evenly spaced times, a life of ``L`` frames gives the frames
    ``round(linspace(0, L - 1, n))``, halves rounded to even as NumPy does [1]_; a fraction ``f``
    gives ``round(f * (L - 1))``. Nothing is interpolated, so short lives repeat frames.

    A frame that the tracking lost is a gap, not a shorter life: with frame numbers (see `frames`;
    in a padded array the position of a frame is its number) the rule is applied to
    ``last - first`` in place of ``L - 1``, and the nearest frame that was observed is taken, the
    earlier of two.

    Parameters
    ----------
    times : int or array-like of float, default=11
        How many evenly spaced relative times from 0 (birth) to 1 (end); 11 gives 0 %, 10 %, ...,
        100 %. Or the fractions themselves, each from 0 to 1.
    frames : str, default=None
        Name of the list-valued column of a data frame that holds each row's frame numbers,
        increasing, one for each frame of its movie or list. It is not part of the output. By
        default no frame is missing.
    padding : "auto" or float, default="auto"
        For arrays only: a frame whose values all equal this number, or are all NaN, was not
        observed. ``"auto"`` is 0 for movies and NaN alone for 2-D traces, where 0 is a
        measurement.

    Attributes
    ----------
    fractions_ : ndarray of shape (n_times,)
        The relative times.
    sampled_columns_ : list
        Names of the movie columns and list-valued columns that are sampled; empty for arrays.
    n_features_in_ : int
        Number of columns of a data frame or 2-D array fitted on.
    feature_names_in_ : ndarray of str
        Columns of the data frame fitted on, where their names are all strings.

    Raises
    ------
    ValueError
        If a row has no frame, if frame numbers do not increase or are not as many as the frames,
        or if a column or a shape is not the one fitted on; the message names the row.

    Notes
    -----
    =========================================  ==================================================
    X                                          result
    =========================================  ==================================================
    data frame with movie columns and columns  data frame: ``movie`` becomes the image columns
    of lists                                   ``movie_0%``, ``movie_10%``, ...; a list column
                                               becomes as many columns of floats, or of text or
                                               dates as in the lists; the other columns stay
    (n, T) traces                              (n, n_times)
    (n, T, H, W) movies of one channel         (n, n_times, H, W)
    (n, T, C, H, W) movies                     (n, n_times, C, H, W)
    =========================================  ==================================================

    The padded length ``T`` of movies may differ between ``fit`` and ``transform``. A NaN in a
    list column is a value like others: a life is as long as its list.

    References
    ----------
    .. [1] The rule is that of AI4CellFate, a study of persister cells under a live-cell FRET
       biosensor, which samples each life at 11 relative times.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_cellfate.preprocessing import RelativeTimeSampler
    >>> cells = pd.DataFrame({"area": [[5.0, 6.0, 9.0], [7.0]], "donor": ["a", "b"]})
    >>> RelativeTimeSampler(times=[0, 0.5, 1]).fit_transform(cells)
       area_0%  area_50%  area_100% donor
    0      5.0       6.0        9.0     a
    1      7.0       7.0        7.0     b
    >>> traces = np.array([[1.0, np.nan, 3.0, 4.0, np.nan]])  # one gap, one frame of padding
    >>> RelativeTimeSampler(times=4).fit_transform(traces)
    array([[1., 1., 3., 4.]])
    """

    _parameter_constraints: dict = {
        "times": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "frames": [str, None],
        "padding": [StrOptions({"auto"}), Real],
    }

    def __init__(self, times=11, *, frames=None, padding="auto"):
        self.times = times
        self.frames = frames
        self.padding = padding

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Note the columns, or the shape of a frame, to sample.

        Parameters
        ----------
        X : DataFrame, or array of shape (n, T), (n, T, H, W) or (n, T, C, H, W)
            The training rows.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted sampler.
        """
        self.fractions_ = self._fractions()
        self.sampled_columns_ = []
        self._form = _form(X)
        if self._form == "table":
            self._fit_table(as_table(X))
        else:
            X = self._as_array(X, reset=True)
            self._frame_shapes = {None: X.shape[2:]}
        return self

    def transform(self, X):
        """Pick the frames.

        Parameters
        ----------
        X : as in fit
            Rows with the columns, or with frames of the shape, fitted on.

        Returns
        -------
        X_new : DataFrame or ndarray
            See Notes.
        """
        check_is_fitted(self)
        if (_form(X) == "table") != (self._form == "table"):
            fitted = listing(self.sampled_columns_) if self._form == "table" else "an array"
            raise ValueError(
                f"{type(self).__name__} was fitted on {fitted}, but X "
                f"{'is a data frame of lives' if _form(X) == 'table' else 'has no such column'}."
            )
        if self._form == "table":
            X_new = self._sample_table(as_table(X))
            check_names_for_set_output(self, X_new)
            return X_new
        sampled = self._sample_array(self._as_array(X, reset=False))
        if sampled.ndim > 2 and output_container(self) == "pandas":
            images = {name: sampled[:, k] for k, name in enumerate(self._names("movie"))}
            return pd.DataFrame({name: image_column(array) for name, array in images.items()})
        return sampled

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that transform gives.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X; by default those seen in ``fit``.

        Returns
        -------
        names : ndarray of str objects
            ``trace_0%``, ... after fitting on 2-D arrays, ``movie_0%``, ... on movies.
        """
        check_is_fitted(self)
        if self._form == "movies":
            return np.array(self._names("movie"), dtype=object)
        columns = _check_feature_names_in(self, input_features)
        if self._form == "traces":
            return np.array(self._names("trace"), dtype=object)
        names = []
        for name in columns:
            if name != self.frames:
                names += self._names(name) if name in self.sampled_columns_ else [name]
        return np.array(names, dtype=object)

    def _fractions(self):
        if isinstance(self.times, int | np.integer):
            return np.linspace(0, 1, self.times)
        fractions = np.asarray(self.times, dtype=float)
        if (
            fractions.ndim != 1
            or not len(fractions)
            or not np.all((0 <= fractions) & (fractions <= 1))
        ):
            raise ValueError(f"times must be fractions from 0 to 1, found {self.times!r}.")
        names = _percentages(fractions)
        if len(set(names)) < len(names):
            raise ValueError(f"times must differ from each other, found {listing(names)}.")
        return fractions

    def _names(self, name):
        return [f"{name}_{percentage}" for percentage in _percentages(self.fractions_)]

    def _positions(self, spans):
        """Whole positions of the relative times on lives from 0 to each of `spans`."""
        spans = np.asarray(spans)[:, np.newaxis]
        if isinstance(self.times, int | np.integer) and self.times > 1:
            # What linspace(0, span, times) computes; fraction * span would round some halves
            # the other way, as 0.7 has no exact binary form.
            steps = spans / (self.times - 1)
            return np.round(np.arange(self.times) * steps).astype(int)
        return np.round(self.fractions_ * spans).astype(int)

    # Tables ------------------------------------------------------------------------------------

    def _fit_table(self, table):
        _refuse_no_rows(table)
        remember_columns(self, table)
        self._check_columns_present(table)
        self.sampled_columns_ = [name for name in _sampled_columns(table) if name != self.frames]
        self._frame_shapes = {
            name: to_movies(table[name])[0].shape[1:]
            for name in self.sampled_columns_
            if is_movie_dtype(table[name].dtype)
        }

    def _sample_table(self, table):
        _refuse_no_rows(table)
        self._check_columns_present(table)
        numbers = None if self.frames is None else self._frame_numbers(table)
        columns = {}
        for name in table.columns:
            if name == self.frames:
                continue
            if name not in self.sampled_columns_:
                _add_column(columns, name, table[name])
                continue
            for new_name, column in self._sample_column(table[name], numbers):
                _add_column(columns, new_name, pd.Series(column, index=table.index))
        return pd.DataFrame(columns, index=table.index)

    def _check_columns_present(self, table):
        wanted = self.sampled_columns_ + ([] if self.frames is None else [self.frames])
        absent = [name for name in wanted if name not in table.columns]
        if absent:
            raise ValueError(
                f"X has no column {absent[0]!r}, which {type(self).__name__} needs; "
                f"it has {listing(table.columns)}."
            )

    def _frame_numbers(self, table):
        numbers = _number_lists(table[self.frames])
        for row, frames in enumerate(numbers):
            if not np.all(np.diff(frames) > 0) or not np.all(frames % 1 == 0):
                raise ValueError(
                    f"frame numbers must be whole and strictly increasing; column "
                    f"{self.frames!r} has {frames.tolist()} in row {row}."
                )
        return [frames.astype(int) for frames in numbers]

    def _sample_column(self, column, numbers):
        if is_movie_dtype(column.dtype):
            lives = to_movies(column)
            self._check_frame_shape(lives[0].shape[1:], column.name)
        else:
            lives = _lists(column)
        chosen = self._chosen(lives, numbers, column.name)
        # Times first, so that each time is a column without another copy of the pixels.
        shape = (len(self.fractions_), len(lives), *lives[0].shape[1:])
        sampled: Any = np.empty(shape, dtype=lives[0].dtype)
        for row, (life, frames) in enumerate(zip(lives, chosen)):
            sampled[:, row] = life[frames]
        if is_movie_dtype(column.dtype):
            _refuse_infinite(sampled, f"movies in column {column.name!r}", row_axis=1)
            sampled = map(image_column, sampled)
        yield from zip(self._names(column.name), sampled)

    def _chosen(self, lives, numbers, name):
        lengths = np.array([len(life) for life in lives])
        _refuse_empty_lives(lengths, f"column {name!r}")
        if numbers is None:
            return self._positions(lengths - 1)
        expected = np.array([len(frames) for frames in numbers])
        unequal = np.flatnonzero(lengths != expected)
        if len(unequal):
            row = unequal[0]
            raise ValueError(
                f"row {row} has {lengths[row]} frames in column {name!r} but "
                f"{expected[row]} frame numbers in column {self.frames!r}."
            )
        starts = np.cumsum(lengths) - lengths
        flat = self._nearest(np.concatenate(numbers), lengths)
        return flat - starts[:, np.newaxis]

    def _nearest(self, numbers, lengths):
        """Index, among all frames of all rows, of the observed frame nearest to each time."""
        ends = np.cumsum(lengths)
        first, last = numbers[ends - lengths], numbers[ends - 1]
        wanted = self._positions(last - first)
        # One sorted axis for all rows: each row's frame numbers from 0, one row after the other.
        # First and last frame are always observed, so no row reaches into its neighbours.
        row_starts = np.arange(len(lengths)) * (int(np.max(last - first)) + 1)
        observed = numbers + np.repeat(row_starts - first, lengths)
        wanted = wanted + row_starts[:, np.newaxis]
        after = np.searchsorted(observed, wanted)
        before = np.maximum(after - 1, 0)
        earlier = np.abs(wanted - observed[before]) <= observed[after] - wanted
        return np.where(earlier, before, after)

    # Arrays ------------------------------------------------------------------------------------

    def _as_array(self, X, *, reset):
        if isinstance(X, np.ma.MaskedArray):
            X = unmasked(X, "X")
        if n_dimensions(X) <= 2:
            X = validate_data(
                self,
                X,
                reset=reset,
                dtype=[np.float64, np.float32],
                ensure_all_finite="allow-nan",
            )
        else:
            X = np.asarray(X)
            _check_padded_movies(X)
            if reset:
                _check_feature_names(self, X, reset=True)  # forgets those of an earlier fit
                self.n_features_in_ = int(np.prod(X.shape[1:]))
        if not reset:
            self._check_frame_shape(X.shape[2:], None)
        return X

    def _check_frame_shape(self, shape, name):
        fitted = self._frame_shapes.get(name)
        if shape != fitted:
            raise ValueError(
                f"{'X' if name is None else f'column {name!r}'} has {_describe_frame(shape)}, "
                f"but {type(self).__name__} was fitted on {_describe_frame(fitted)}."
            )

    def _sample_array(self, X):
        observed = ~self._is_padding(X)
        lengths = observed.sum(axis=1)
        _refuse_empty_lives(lengths, "X")
        numbers = np.nonzero(observed)[1]
        chosen = numbers[self._nearest(numbers, lengths)]
        sampled = X[np.arange(len(X))[:, np.newaxis], chosen]
        _refuse_infinite(sampled, "movies of X")
        return sampled

    def _is_padding(self, X):
        """Which frames were not observed: array of bool of shape (n, T)."""
        values = X.reshape(*X.shape[:2], -1)
        padding = 0 if self.padding == "auto" and X.ndim > 2 else self.padding
        is_padding = np.zeros(X.shape[:2], dtype=bool)
        if padding != "auto":
            is_padding |= (values == padding).all(axis=2)
        if X.dtype.kind == "f":
            is_padding |= np.isnan(values).all(axis=2)
        return is_padding

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _form(X):
    """Say what X is: a "table" with lives in its columns, padded "movies" or 2-D "traces"."""
    if isinstance(X, pd.Series):
        X = X.to_frame()
    if isinstance(X, pd.DataFrame):
        if _sampled_columns(X):
            return "table"
        if not all(dtype.kind in "biuf" for dtype in X.dtypes):
            raise ValueError(
                f"expected at least one movie column or column of lists, "
                f"found none among {listing(X.columns)}."
            )
    return "movies" if n_dimensions(X) > 2 else "traces"


def _sampled_columns(table):
    # By position, as two columns may have one name, which fit refuses with a message.
    columns = [table.iloc[:, position] for position in range(table.shape[1])]
    return [
        column.name for column in columns if is_movie_dtype(column.dtype) or _holds_lists(column)
    ]


def _holds_lists(column):
    if isinstance(column.dtype, pd.ArrowDtype):
        arrow_type = column.dtype.pyarrow_dtype
        return pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type)
    if column.dtype != object:
        return False
    present = column.dropna()
    return len(present) > 0 and isinstance(present.iloc[0], (list, tuple, np.ndarray))


def _number_lists(column):
    """Return the numbers of a list-valued column, an array a row; no list is an empty one."""
    try:
        lists = pa.array(column, type=pa.large_list(pa.float64()), from_pandas=True)
    except _ARROW_ERRORS as error:
        raise ValueError(
            f"column {column.name!r} must hold lists of numbers: {in_one_line(error)}"
        ) from error
    return _rows(lists, lambda flat: flat.to_numpy(zero_copy_only=False))


def _lists(column):
    """Return the values of a list-valued column: floats, or objects such as text and dates."""
    with contextlib.suppress(ValueError):
        return _number_lists(column)
    try:
        lists = pa.array(column, from_pandas=True)
        if pa.types.is_nested(lists.type.value_type):
            raise pa.ArrowTypeError(f"found {lists.type}")
    except _ARROW_ERRORS as error:
        raise ValueError(
            f"column {column.name!r} must hold lists of one kind of values, or movies made with "
            f"movie_column: {in_one_line(error)}"
        ) from error
    return _rows(lists, lambda flat: np.array(flat.to_pylist(), dtype=object))


def _rows(lists, as_array):
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return np.split(as_array(lists.flatten()), np.cumsum(lengths)[:-1])


def _add_column(columns, name, column):
    if name in columns:
        raise ValueError(f"the result would have two columns {name!r}; rename one column of X.")
    columns[name] = column


def _percentages(fractions):
    return [f"{100 * fraction:g}%" for fraction in fractions]


def _check_padded_movies(X):
    if X.ndim not in (4, 5) or X.dtype.kind not in "biuf" or 0 in X.shape[1:]:
        raise ValueError(
            f"X has shape {X.shape} and dtype {X.dtype}; expected numbers of shape (n, T) for "
            "traces, (n, T, H, W) or (n, T, C, H, W) for movies."
        )
    _refuse_no_rows(X)


def _describe_frame(shape):
    if not shape:
        return "no movies" if shape is None else "one value a frame"
    return f"frames with {describe_shape((1, *shape)[-3:])}"


def _refuse_no_rows(X):
    if not len(X):
        raise ValueError("Found array with 0 sample(s): X has no rows, at least one is needed.")


def _refuse_empty_lives(lengths, where):
    empty = np.flatnonzero(lengths == 0)
    if len(empty):
        raise ValueError(
            f"{len(empty)} of {len(lengths)} rows have no frame in {where} "
            f"(the first is row {empty[0]}); drop them first."
        )


def _refuse_infinite(sampled, what, row_axis=0):
    # A sum is finite only if all its terms are, and takes no array of booleans to find out.
    if sampled.dtype.kind != "f" or np.isfinite(np.sum(sampled, dtype=np.float64)):
        return
    axes = tuple(axis for axis in range(sampled.ndim) if axis != row_axis)
    bad = np.flatnonzero(~np.isfinite(sampled).all(axis=axes))
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {sampled.shape[row_axis]} {what} contain NaN or infinite pixels "
            f"(the first is row {bad[0]}); drop these rows or fill the pixels first."
        )
