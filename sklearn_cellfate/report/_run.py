"""What a run folder says about itself: the data, the settings, the versions."""

import hashlib
import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from sklearn_cellfate.model_selection._folds import count_mixed
from sklearn_cellfate.quality import summarize_quality
from sklearn_cellfate.table import is_image_dtype, to_images

__all__ = ["describe_run", "hash_cells", "sample_rows"]

PACKAGES = ("scikit-learn", "torch", "skorch", "numpy", "pandas", "pyarrow", "scikit-image")
MOST_CELLS = 2000
MOST_PIXELS = 4_000_000
FEWEST_CELLS = 100


def describe_run(comparison, table, *, seed=None, arguments=None, source=None, simulated=False):
    """Say what was compared, on which cells, with which versions.

    Parameters
    ----------
    comparison : Bunch
        From :func:`~sklearn_cellfate.model_selection.compare_modalities`.
    table : DataFrame
        The cell table compared on.
    seed : int, default=None
        Seed of folds and models, where there was one.
    arguments : dict, default=None
        How the run was started: values by name of option.
    source : str or path-like, default=None
        File that the table was read from; its name, without folders, and its hash are kept.
    simulated : bool, default=False
        Whether the cells are simulated, which the report then says wherever it gives a number.

    Returns
    -------
    run : dict
        What ``run.json`` holds: numbers, text, lists and dicts only.
    """
    classes, counts = np.unique(table[comparison.target].to_numpy(), return_counts=True)
    rows = sample_rows(table, comparison.image)
    network = comparison.pipelines["images"]["columns"].transformers[0][1]["autoencoder"]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
        "seed": seed,
        "arguments": _plain(arguments or {}),
        "simulated": simulated,
        "data": {
            "file": None if source is None else _describe_file(source),
            "sha256": hash_cells(table[_columns(comparison)]),
            "n_cells": len(table),
            "image_shape": list(to_images(table[[comparison.image]]).shape[1:]),
            "n_in_pictures": len(rows),
        },
        "image": str(comparison.image),
        "target": str(comparison.target),
        "groups": None if comparison.groups is None else str(comparison.groups),
        "features": [str(name) for name in comparison.features],
        "classes": [
            {"label": label, "n_cells": n} for label, n in zip(classes.tolist(), counts.tolist())
        ],
        "group_counts": _count_groups(table, comparison, classes),
        "flags": _quality_flow(table),
        "pipelines": list(comparison.estimators),
        "baseline": comparison.baseline,
        "pos_label": _plain(comparison.pos_label),
        "n_folds": len(comparison.folds),
        "n_mixed_folds": _count_mixed(comparison, table),
        "weighs_classes_equally": all(
            pipeline[-1].get_params().get("class_weight") == "balanced"
            for pipeline in comparison.pipelines.values()
        ),
        "network": {
            "class": type(network).__name__,
            "parameters": _plain(network.get_params(deep=False)),
        },
    }


def hash_cells(table):
    """SHA-256 of the pixels and values of a cell table, whatever file they came from.

    Parameters
    ----------
    table : DataFrame
        Image columns enter as their shape and their pixels in the column's dtype, columns of
        numbers as 64-bit floats, all others as JSON text; each after its name. The index does
        not count, the order of rows does.

    Returns
    -------
    digest : str
        64 hexadecimal digits.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.report._run import hash_cells
    >>> hash_cells(pd.DataFrame({"size": [1, 2]}))[:8]
    '85f49672'
    """
    digest = hashlib.sha256()
    for name, column in table.items():
        digest.update(json.dumps(str(name)).encode())
        if is_image_dtype(column.dtype):
            images = np.ascontiguousarray(to_images(column))
            digest.update(f"{images.shape}{images.dtype.str}".encode())
            digest.update(images.data)
        elif is_numeric_dtype(column.dtype):
            digest.update(column.to_numpy(dtype="<f8", na_value=np.nan).tobytes())
        else:
            values = [None if pd.isna(value) else str(value) for value in column]
            digest.update(json.dumps(values).encode())
    return digest.hexdigest()


def sample_rows(table, image, seed=0):
    """Choose the rows for pictures: all, or a seeded sample of large tables.

    Parameters
    ----------
    table : DataFrame
        Cell table.
    image : str
        Its image column.
    seed : int, default=0
        Of the sample.

    Returns
    -------
    rows : ndarray of int
        Positions, sorted: at most 2000, and no more than some four million pixels hold.
    """
    pixels = int(np.prod(to_images(table[[image]]).shape[1:]))
    n_rows = int(np.clip(MOST_PIXELS // pixels, FEWEST_CELLS, MOST_CELLS))
    if len(table) <= n_rows:
        return np.arange(len(table))
    return np.sort(np.random.default_rng(seed).choice(len(table), n_rows, replace=False))


def _columns(comparison):
    groups = [] if comparison.groups is None else [comparison.groups]
    return [comparison.image, comparison.target, *groups, *comparison.features]


def _versions():
    from sklearn_cellfate import __version__

    ours = {"python": platform.python_version(), "sklearn-cellfate": __version__}
    return ours | {name: version(name) for name in PACKAGES}


def _describe_file(path):
    with open(path, "rb") as file:
        return {
            "name": Path(path).name,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }


def _count_mixed(comparison, table):
    """Count the folds with a group on both sides, which a report must not call held out."""
    if comparison.groups is None:
        return 0
    return count_mixed(comparison.folds, table[comparison.groups].to_numpy())


def _count_groups(table, comparison, classes):
    """Cells of each group, one number a class in the order of the classes."""
    if comparison.groups is None:
        return []
    counts = pd.crosstab(table[comparison.groups].to_numpy(), table[comparison.target].to_numpy())
    counts = counts.reindex(columns=classes, fill_value=0)
    return [{"group": str(group), "n_cells": row.tolist()} for group, row in counts.iterrows()]


def _quality_flow(table):
    """Say what each flag takes; columns of that name which are no flags are left alone."""
    flags = [
        name
        for name in table.columns
        if str(name).startswith("flag_")
        and is_bool_dtype(table[name].dtype)
        and table[name].notna().all()
    ]
    if not flags:
        return []
    flow = summarize_quality(table, flags).drop(columns="frames").reset_index()
    return flow.to_dict("records")


def _plain(value):
    """Turn settings into what JSON knows, the rest of them into text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
