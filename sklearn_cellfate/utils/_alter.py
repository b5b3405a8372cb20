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

__all__ = ["alter_groups", "alter_labels", "alter_rows"]

BRIGHTER = 3  # a whole number, so that counts stay counts


def alter_rows(X, rows):
    """Give some rows each other's content, three times as bright and upside down.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n, ...)
    rows : ndarray of int

    Returns
    -------
    X_altered : as X
        A copy; values that are no numbers only change places.
    """
    if not isinstance(X, pd.DataFrame):
        X = X.copy()
        X[rows] = _altered(X[rows])
        return X
    X = X.copy()
    for name in X.columns:
        X[name] = _alter_column(X[name], rows)
    return X


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
        y[rows] = _altered(y[rows])
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


def _alter_column(column, rows):
    if is_image_dtype(column.dtype):
        images = to_images(column).copy()
        images[rows] = _altered(images[rows])
        return pd.Series(image_column(images), index=column.index)
    if is_movie_dtype(column.dtype):
        movies = to_movies(column)
        changed = {row: movies[other] for row, other in zip(rows, np.roll(rows, 1))}
        movies = [_brighten(changed.get(i, movie), i in changed) for i, movie in enumerate(movies)]
        return pd.Series(movie_column(movies), index=column.index)
    order = np.arange(len(column))
    order[rows] = np.roll(rows, 1)
    altered = pd.Series(column.array.take(order), index=column.index)
    if pd.api.types.is_numeric_dtype(column.dtype) and column.dtype != bool:
        factors = np.ones(len(column), dtype=int)
        factors[rows] = BRIGHTER
        altered = altered * factors
    return altered


def _altered(values):
    values = np.roll(values, 1, axis=0)
    return _brighten(values, values.dtype.kind in "iuf")


def _brighten(values, brighter):
    if not brighter:
        return values
    if values.dtype.kind in "iu":
        limit = np.iinfo(values.dtype).max
        values = np.where(values > limit // BRIGHTER, limit, values * BRIGHTER).astype(
            values.dtype
        )
    else:
        values = values * values.dtype.type(BRIGHTER)
    return values[..., ::-1, ::-1] if values.ndim > 2 else values
