"""Rows that are to be held out, found among the parameters of an estimator."""

import numpy as np
import pandas as pd

from sklearn_cellfate.table import image_column_names, to_images

__all__ = ["parameters_with_rows"]


def parameters_with_rows(estimator, X_held, X_train):
    """Name the parameters that hold rows which are held out.

    Parameters
    ----------
    estimator : estimator
    X_held, X_train : rows
        Rows that are in both are no sign of anything.

    Returns
    -------
    names : list of str
    """
    held = _row_keys(X_held) - _row_keys(X_train)
    return [
        name
        for name, value in estimator.get_params(deep=True).items()
        if any(_row_keys(table) & held for table in _tables(value))
    ]


def _tables(value):
    """Yield the tables and arrays in a parameter's value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, pd.DataFrame | np.ndarray):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tables(part)


def _row_keys(X):
    """Bytes of the pixels and of the numbers of each row, unless they are all the same."""
    keys = set()
    for block in _blocks(X):
        if block.ndim < 2 or not block.size or block.dtype.kind not in "biuf":
            continue
        block = block.reshape(len(block), -1).astype(np.float32)
        informative = block.min(axis=1) < block.max(axis=1)
        keys |= {row.tobytes() for row in block[informative]}
    return keys


def _blocks(X):
    if not isinstance(X, pd.DataFrame):
        return [np.asarray(X)]
    images = [to_images(X[name]) for name in image_column_names(X)]
    return [*images, X.select_dtypes(["number", "bool"]).to_numpy(dtype=np.float64)]
