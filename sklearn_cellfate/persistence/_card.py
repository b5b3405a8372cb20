"""The model card: what a model file says about itself, for people to read."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from sklearn_cellfate.persistence._versions import installed_versions
from sklearn_cellfate.persistence._walk import objects_in
from sklearn_cellfate.table import is_image_dtype, is_movie_dtype, to_images, to_movies

__all__ = ["hash_rows", "make_card"]

LONGEST_VALUE = 200  # characters of a parameter; an array is no reading matter


def make_card(estimator, X, y, scores, trusted):
    """Describe a fitted model.

    Parameters
    ----------
    estimator : fitted estimator
    X, y : rows fitted on and their labels, or None
    scores : mapping, Series, DataFrame or None
    trusted : iterable of str
        Names that the user trusts beyond our own.

    Returns
    -------
    card : dict
        Of what JSON knows.
    """
    shapes = [
        part.image_shape_
        for part in objects_in(estimator)
        if isinstance(part, BaseEstimator) and hasattr(part, "image_shape_")
    ]
    return {
        "estimator": type(estimator).__name__,
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": installed_versions(),
        "parameters": {
            name: _shorten(value) for name, value in estimator.get_params(deep=True).items()
        },
        "image_shape": [int(side) for side in shapes[0]] if shapes else None,
        "classes": _as_json(getattr(estimator, "classes_", None), "classes"),
        "columns": _as_json(getattr(estimator, "feature_names_in_", None), "columns"),
        "training_data": None if X is None else _describe_rows(X, y),
        "scores": _as_json(scores, "scores"),
        "trusted": sorted(trusted),
    }


def hash_rows(X, y=None):
    """Hash of the values of a table or array, the same on every machine.

    Parameters
    ----------
    X : DataFrame or array-like
    y : array-like, default=None

    Returns
    -------
    digest : str
        SHA-256, 64 hexadecimal digits. Names of columns count, the index does not.
    """
    digest = hashlib.sha256()
    for name, values in _columns(X, y):
        for array in values:
            array = np.asarray(array)
            if array.dtype.kind not in "biufcmM":
                text = json.dumps([str(value) for value in array.ravel()]).encode()
                array = np.frombuffer(text, dtype=np.uint8)
            array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            digest.update(array.data)
    return digest.hexdigest()


def _columns(X, y):
    """Yield name and arrays of each column, of an array as a whole, and of the labels."""
    if isinstance(X, pd.DataFrame):
        for name in X.columns:
            yield f"column {name}", _values(X[name])
    else:
        yield "X", [np.asarray(X)]
    if y is not None:
        yield "y", [np.asarray(y)]


def _values(column):
    if is_image_dtype(column.dtype):
        return [to_images(column)]
    return to_movies(column) if is_movie_dtype(column.dtype) else [column.to_numpy()]


def _describe_rows(X, y):
    names = [str(name) for name in X.columns] if isinstance(X, pd.DataFrame) else None
    return {"rows": len(X), "columns": names, "sha256": hash_rows(X, y)}


def _shorten(value):
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} ..."


def _as_json(value, what):
    """Return `value` as JSON will give it back."""
    try:
        return json.loads(json.dumps(value, default=_simplify))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{what} must be numbers, text, or a mapping or table of them: {error}."
        ) from error


def _simplify(value):
    if isinstance(value, pd.DataFrame):
        return value.reset_index().to_dict(orient="records")
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, pd.Series | Mapping):
        return {str(key): part for key, part in value.items()}
    raise TypeError(f"found a {type(value).__name__}")
