"""Other pixels, labels and groups for some rows, as different as rows of their kind can be."""

import numpy as np
import pandas as pd

from sklearn_cellfate.table import (
    image_column,
    is_image_dtype,
    is_movie_dtype,
    movie_column,
    to_images,
    to_movies,
)

__all__ = ["alter_groups", "alter_labels", "alter_rows", "with_content_of"]

BRIGHTER = 3  # a whole number, so that counts stay counts
DARKER = 64  # dark enough to fall below any minimum, and 8 bits still tell pixels apart


def alter_rows(X, rows, darker=False):
    """Give some rows each other's content, upside down and three times as far from 0.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n, ...)
    rows : ndarray of int
    darker : bool, default=False
        Bring numbers close to 0 instead.

    Returns
    -------
    X_altered : as X
        A copy; values that are no numbers only change places.
    """
    if not isinstance(X, pd.DataFrame):
        X = X.copy()
        X[rows] = _altered(X[rows], darker)
        return X
    X = X.copy()
    for name in X.columns:
        X[name] = _alter_column(X[name], rows, darker)
    return X


def with_content_of(X, rows, others):
    """Give some rows the content of others, so that no extreme value is theirs alone.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n, ...)
    rows, others : ndarray of int
        `others` is repeated where it is shorter.

    Returns
    -------
    X_filled : as X
        A copy.
    """
    order = np.arange(len(X))
    order[rows] = np.resize(others, len(rows))
    if not isinstance(X, pd.DataFrame):
        return X[order]
    return X.iloc[order].set_axis(X.index)


def alter_labels(y, rows):
    """Give some rows another class each, or another number.

    Parameters
    ----------
    y : ndarray of shape (n,)
    rows : ndarray of int

    Returns
    -------
    y_altered : ndarray of shape (n,)
    """
    y = y.copy()
    if y.dtype.kind == "f" or y.dtype.names is not None:
        y[rows] = _altered(y[rows], darker=False)
        return y
    classes, codes = np.unique(y, return_inverse=True)
    y[rows] = classes[(codes[rows] + 1) % len(classes)]
    return y


def alter_groups(groups, rows, rng):
    """Put each of some rows into another group.

    Parameters
    ----------
    groups : ndarray of shape (n,)
    rows : ndarray of int
    rng : Generator

    Returns
    -------
    groups_altered : ndarray of shape (n,)
    """
    names, codes = np.unique(groups, return_inverse=True)
    if len(names) > 1:
        codes[rows] += rng.integers(1, len(names), len(rows))
    return names[codes % len(names)]


def _alter_column(column, rows, darker):
    if is_image_dtype(column.dtype):
        images = to_images(column).copy()
        images[rows] = _altered(images[rows], darker)
        return pd.Series(image_column(images), index=column.index)
    if is_movie_dtype(column.dtype):
        movies = list(to_movies(column))
        changed = {row: movies[other] for row, other in zip(rows, np.roll(rows, 1))}
        for row, movie in changed.items():
            movies[row] = _upside_down(_scaled(movie, darker))
        return pd.Series(movie_column(movies), index=column.index)
    order = np.arange(len(column))
    order[rows] = np.roll(rows, 1)
    altered = pd.Series(column.array.take(order), index=column.index)
    if pd.api.types.is_numeric_dtype(column.dtype) and column.dtype != bool:
        factors = np.ones(len(column), dtype=int)
        factors[rows] = DARKER if darker else BRIGHTER
        if not darker:
            return altered * factors
        whole = pd.api.types.is_integer_dtype(column.dtype)
        return altered // factors if whole else altered / factors
    return altered


def _altered(values, darker):
    values = np.roll(values, 1, axis=0)
    if values.dtype.kind not in "iuf":
        return values
    return _upside_down(_scaled(values, darker))


def _upside_down(values):
    return values[..., ::-1, ::-1] if values.ndim > 2 else values


def _scaled(values, darker):
    if darker:
        return (values / DARKER).astype(values.dtype)
    if values.dtype.kind == "f":
        return values * values.dtype.type(BRIGHTER)
    limits = np.iinfo(values.dtype)
    scaled = np.where(values > limits.max // BRIGHTER, limits.max, values * BRIGHTER)
    too_low = values < -(limits.max // BRIGHTER) if limits.min else False
    return np.where(too_low, limits.min, scaled).astype(values.dtype)
