"""Everything that a model is made of, found without calling anything of it."""

from collections import deque
from types import BuiltinFunctionType, FunctionType, ModuleType

import numpy as np
import pandas as pd

__all__ = ["flatten", "objects_in"]

# Nothing is inside of these.
LEAVES = (
    *(type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype),
    *(type, FunctionType, BuiltinFunctionType, ModuleType),
)


def objects_in(model):
    """List the objects of a model, outermost first.

    Parameters
    ----------
    model : object

    Returns
    -------
    objects : list
        Itself, what its attributes hold, keys and values of dicts, items of lists, sets, arrays
        and frames, and so on, each once.
    """
    seen, waiting = {}, deque([model])
    while waiting:
        value = waiting.popleft()
        if isinstance(value, LEAVES) or id(value) in seen:
            continue
        seen[id(value)] = value  # kept, so that no number is given to two
        waiting.extend(_parts(value))
    return list(seen.values())


def _parts(value):
    parts = list(getattr(value, "__dict__", {}).values())
    if isinstance(value, dict):
        return [*parts, *dict.keys(value), *dict.values(value)]
    if isinstance(value, list | tuple | set | frozenset):
        return [*parts, *value]
    if isinstance(value, np.ndarray):
        return [*parts, *value.ravel().tolist()] if value.dtype.hasobject else parts
    if isinstance(value, pd.DataFrame):
        cells = value.select_dtypes(object).to_numpy(dtype=object)
        return [*value.columns, *cells.ravel()]
    return parts


def flatten(value):
    """List what nested lists, tuples and arrays of objects hold.

    Parameters
    ----------
    value : object

    Returns
    -------
    items : list
        `value` itself if it is nothing of that kind.
    """
    if type(value) is np.ndarray and value.dtype == object:
        value = value.ravel().tolist()
    if type(value) in (list, tuple):
        return [item for part in value for item in flatten(part)]
    return [value]
