"""A model file, and the rows that it is applied to."""

from pathlib import Path

import joblib
import pandas as pd

from sklearn_cellfate._file_kinds import START, kind_of

IN_RUN_FOLDERS = ("model.skops", "model.joblib")  # as evaluate names them; one is there
ARCHIVE = b"PK\x03\x04"  # how a file of persistence.save begins, whatever its name
PICKLE = b"\x80"  # of text, as the first pickles were, no library makes one today


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


def load_classifier(path):
    """Open a fitted model that predicts; see :func:`load_model`."""
    model = load_model(path)
    if not hasattr(model, "predict"):
        raise ValueError(f"{path!r} holds a {type(model).__name__}, which cannot predict.")
    return model


def load_model(path):
    """Open a fitted model that `evaluate` or ``persistence.save`` wrote, by file or run folder."""
    path = _file_of(path)
    with open(path, "rb") as file:
        start = file.read(START)
    if start.startswith(ARCHIVE):  # of joblib's own formats none begins so
        from sklearn_cellfate import persistence  # imports scikit-learn, too slow for --help

        return persistence.load(path)
    kind, _ = kind_of(start)
    if kind is not None and not start.startswith(PICKLE):  # opening it could still run code
        raise ValueError(f"{path!r} is not a readable model: it is {kind}.")
    try:
        return joblib.load(path)
    except Exception as error:  # whatever a damaged pickle happens to raise
        raise ValueError(f"{path!r} is not a readable model: {error!r}") from error


def _file_of(path):
    """Return a model's file; a run folder stands for the model in it."""
    path = Path(path)
    files = [path / name for name in IN_RUN_FOLDERS] if path.is_dir() else [path]
    for file in files:
        if file.is_file():
            return str(file)
    inside = f" in that folder: neither {' nor '.join(IN_RUN_FOLDERS)}" if path.is_dir() else ""
    raise FileNotFoundError(f"no model at {str(path)!r}{inside}.")
