"""A model file, and the rows that it is applied to."""

from pathlib import Path

import joblib
import pandas as pd


def names_of_rows(table):
    """Text, category and integer columns: names of cells, donors, fields."""
    kinds = (pd.StringDtype, pd.CategoricalDtype)
    names = [
        name
        for name, dtype in table.dtypes.items()
        if isinstance(dtype, kinds) or pd.api.types.is_integer_dtype(dtype)
    ]
    taken = {name: f"{name}_in_table" for name in names if name == "prediction"}
    return table[names].rename(columns=taken).reset_index(drop=True)


def load_model(path):
    """Open a fitted classifier that `evaluate` wrote."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no model at {path!r}.")
    try:
        model = joblib.load(path)
    except Exception as error:  # whatever a damaged pickle happens to raise
        raise ValueError(f"{path!r} is not a readable model: {error!r}") from error
    if not hasattr(model, "predict"):
        raise ValueError(f"{path!r} holds a {type(model).__name__}, which cannot predict.")
    return model
