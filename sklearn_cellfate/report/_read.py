"""A run folder, read back."""

import json
import zipfile
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from sklearn_cellfate.table import read_cells

__all__ = ["read_run"]

TABLES = ("scores", "summary", "differences", "by_group", "predictions", "cells", "losses")
FILES = ("run.json", *(f"{name}.parquet" for name in TABLES), "latents.npz")
TRAVERSAL = ("traversal.parquet", "traversal.npz")
INDEX = ["estimator", "metric"]


def read_run(folder):
    """Read what ``evaluate`` wrote.

    Parameters
    ----------
    folder : str or path-like
        The run folder.

    Returns
    -------
    run : Bunch
        ``about``, what ``run.json`` says; the tables, indexed as in a comparison, and
        ``estimators``, ``classes``, ``pos_label``, ``baseline`` and ``folds`` as there;
        ``latents``, a dict of arrays; ``traversal`` and ``time_course``, or None.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it is no run folder, or a file is missing or damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no run folder at {str(folder)!r}.")
    if not (folder / "run.json").is_file():
        raise ValueError(
            f"{str(folder)!r} is no folder written by evaluate: it has no 'run.json'."
        )
    has_traversal = any((folder / name).exists() for name in TRAVERSAL)
    for name in FILES + (TRAVERSAL if has_traversal else ()):
        if not (folder / name).is_file():
            raise ValueError(f"{str(folder)!r} has no {name!r}: run evaluate again.")
    about = _read_about(folder / "run.json")
    tables = {name: read_cells(folder / f"{name}.parquet") for name in TABLES}
    tables |= {name: tables[name].set_index(INDEX) for name in ("summary", "differences")}
    time_course = folder / "time_course.parquet"
    return Bunch(
        **tables,
        **about,
        latents=_read_arrays(folder / "latents.npz"),
        traversal=_read_traversal(folder) if has_traversal else None,
        time_course=read_cells(time_course) if time_course.is_file() else None,
    )


def _read_about(path):
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        return {
            "about": about,
            "estimators": dict.fromkeys(about["pipelines"]),
            "classes": [one["label"] for one in about["classes"]],
            "pos_label": about["pos_label"],
            "baseline": about["baseline"],
            "folds": range(about["n_folds"]),
        }
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{str(path)!r} is not readable as evaluate wrote it: {error!r}."
        ) from error


def _read_arrays(path):
    try:
        with np.load(path) as arrays:
            return dict(arrays)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{str(path)!r} is not a readable file of arrays: {error}") from error


def _read_traversal(folder):
    table = read_cells(folder / "traversal.parquet")
    return Bunch(**_read_arrays(folder / "traversal.npz"), table=table, pixel_size=1.0)
