"""What a model computes from rows, and in which rows two results differ."""

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from sklearn_cellfate.table import is_image_dtype, is_movie_dtype, to_images, to_movies

__all__ = ["apply_model", "as_outputs", "differing_rows"]

METHODS = ("predict_proba", "decision_function", "predict", "transform")


def apply_model(fitted, X):
    """Compute all that a fitted estimator can from some rows.

    Parameters
    ----------
    fitted : estimator
    X : rows

    Returns
    -------
    outputs : dict of str to list of array
    """
    found = [name for name in METHODS if hasattr(fitted, name)]
    if not found:
        raise TypeError(
            f"{type(fitted).__name__} neither predicts nor transforms; check the pipeline that it "
            "is a step of."
        )
    outputs = {}
    for name in found:
        outputs |= as_outputs(getattr(fitted, name)(X), len(X), name)
    return outputs


def as_outputs(result, n_rows, name):
    """Split a result into arrays with a value a row.

    Parameters
    ----------
    result : array-like, sparse array or DataFrame
    n_rows : int
        Rows that it must have.
    name : str
        What gave the result.

    Returns
    -------
    outputs : dict of str to ndarray of shape (n_rows, ...)

    Raises
    ------
    ValueError
        If there is not one result a row.
    """
    result = result.toarray() if issparse(result) else result
    if isinstance(result, pd.DataFrame):
        outputs = {f"{name} {column}": _values(result[column]) for column in result.columns}
    else:
        outputs = {name: np.asarray(result)}
    for values in outputs.values():
        if values.shape[:1] != (n_rows,):
            raise ValueError(
                f"{name} must give one result a row, found shape {values.shape} for {n_rows} rows."
            )
    return outputs


def differing_rows(one, other, tolerance, rows=slice(None)):
    """Mark the rows in which two results differ.

    Parameters
    ----------
    one, other : dict of str to ndarray of shape (n_rows, ...)
    tolerance : float
        Largest difference that is rounding, relative to the largest value in `one`.
    rows : indices, default=slice(None)
        Rows of `one` that `other` holds. The rounding of few rows is that of all: a single
        decision value may lie next to 0.

    Returns
    -------
    differ : ndarray of shape (n_rows,), bool
    """
    if list(one) != list(other):
        raise ValueError(f"two runs give different outputs: {list(one)} and {list(other)}.")
    return np.any([_differ(one[name], other[name], tolerance, rows) for name in one], axis=0)


def _values(column):
    if is_image_dtype(column.dtype):
        return to_images(column)
    if not is_movie_dtype(column.dtype):
        return column.to_numpy()
    values = np.empty(len(column), dtype=object)
    values[:] = [(movie.shape, movie.tobytes()) for movie in to_movies(column)]
    return values


def _differ(one, other, tolerance, rows):
    if one[rows].shape != other.shape:
        return np.ones(len(other), dtype=bool)
    if one.dtype.kind not in "biufc":
        equal = [str(a) == str(b) for a, b in zip(one[rows].tolist(), other.tolist())]
        return np.logical_not(equal)
    one, other = (values.reshape(len(values), -1).astype(np.float64) for values in (one, other))
    limit = tolerance * np.abs(one[np.isfinite(one)]).max(initial=0)
    same = np.isclose(one[rows], other, rtol=0, atol=limit, equal_nan=True)
    return ~same.all(axis=1)
