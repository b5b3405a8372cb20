"""Tracks that btrack exports as HDF5."""

import re

import numpy as np
import pandas as pd

from sklearn_cellfate.io._hdf5 import opened_hdf5
from sklearn_cellfate.io._tidy_tracks import CORE, RawTracks
from sklearn_cellfate.table import in_one_line, listing

# btrack's numbers for what its optimiser decided on the end of a track.
FATES = {
    0: "FALSE_POSITIVE",
    1: "INITIALIZE",
    2: "TERMINATE",
    3: "LINK",
    4: "DIVIDE",
    5: "APOPTOSIS",
    6: "MERGE",
    7: "EXTRUDE",
    10: "INITIALIZE_BORDER",
    11: "INITIALIZE_FRONT",
    12: "INITIALIZE_LAZY",
    20: "TERMINATE_BORDER",
    21: "TERMINATE_BACK",
    22: "TERMINATE_LAZY",
    666: "DEAD",
    999: "UNDEFINED",
}
FILTER = re.compile(r"(\w+)\s*(>=|<=|==|=|>|<)\s*(-?\d+(?:\.\d+)?)")
COMPARE = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
    "=": np.equal,
    "==": np.equal,
}


def read_btrack(path, where, *, object_type=None):
    """Read one type of objects of a file that btrack exported."""
    with opened_hdf5(path, where, check=True) as file:
        if "tracks" not in file or "objects" not in file:
            raise ValueError(
                f"{where} has {listing(file)}; expected btrack's groups 'objects' and 'tracks'."
            )
        name = _object_type(list(file["tracks"]), object_type, where)
        try:
            return RawTracks(where, _table(file["objects"][name], file["tracks"][name], where))
        except (LookupError, TypeError, ValueError) as error:
            if where in str(error):
                raise
            # What h5py and NumPy say of datasets that are missing or of another shape.
            raise ValueError(
                f"{where} is not as btrack writes it: {in_one_line(error)}"
            ) from error


def _object_type(present, wanted, where):
    if wanted is None and len(present) == 1:
        return present[0]
    if wanted not in present:
        raise ValueError(
            f"{where} has tracks of {listing(present)}; choose with object_type=..., "
            f"found {wanted!r}."
        )
    return wanted


def _table(objects, tracks, where):
    seen = _objects(objects)
    chosen = _chosen(seen, tracks.attrs.get("f_expr"), where)
    dummies = tracks["dummies"][:, :4] if "dummies" in tracks else np.empty((0, 4))
    references = np.asarray(tracks["tracks"]).ravel().astype(np.int64)
    starts, ends = np.asarray(tracks["map"]).astype(np.int64).T
    lineage = np.asarray(tracks["LBEPRG" if "LBEPRG" in tracks else "LBEPR"])
    _refuse_bad_references(references, ends, len(lineage), len(chosen), len(dummies), where)

    # Seen objects come first, then dummies; btrack refers to dummy k as -(k + 1).
    guessed = pd.DataFrame(dummies, columns=["frame", "x", "y", "z"]).assign(dummy=True)
    every = pd.concat([chosen.assign(dummy=False), guessed], ignore_index=True)
    within = np.concatenate([np.arange(a, b) for a, b in zip(starts, ends)])
    rows = references[within]
    table = every.iloc[np.where(rows >= 0, rows, len(chosen) - 1 - rows)].reset_index(drop=True)
    per_track = {
        name: lineage[:, column]
        for name, column in {"cell": 0, "parent": 3, "root": 4, "generation": 5}.items()
        if column < lineage.shape[1]
    }
    if "fates" in tracks:
        codes = np.asarray(tracks["fates"]).reshape(len(lineage), -1)[:, 0]
        per_track["fate"] = np.array([FATES.get(int(code), str(code)) for code in codes])
    tree = pd.DataFrame(per_track).loc[np.repeat(np.arange(len(lineage)), ends - starts)]
    return pd.concat([tree.reset_index(drop=True), table], axis=1)


def _objects(group):
    """Return what was seen: position, btrack's state and each measured property."""
    coordinates = np.asarray(group["coords"])
    table = pd.DataFrame(coordinates[:, :4], columns=["frame", "x", "y", "z"])
    if "labels" in group:
        table["state"] = np.asarray(group["labels"]).reshape(len(table), -1)[:, 0]
    for name, values in group.get("properties", {}).items():
        values = np.asarray(values).reshape(len(table), -1)
        name = f"property_{name}" if name in (*CORE, *table.columns) else name
        names = [name] if values.shape[1] == 1 else [f"{name}_{i}" for i in range(values.shape[1])]
        for column, one in zip(names, values.T):
            table[column] = one
    return table


def _chosen(seen, condition, where):
    """Return the objects that were tracked: references count among these alone."""
    if condition is None:
        return seen
    condition = condition.decode() if isinstance(condition, bytes) else str(condition)
    match = FILTER.fullmatch(condition.strip())
    if match is None or match[1] not in seen.columns:
        raise ValueError(
            f"{where} tracked only objects with {condition!r}; expected a comparison of one of "
            f"{listing(seen.columns)} with a number."
        )
    return seen[COMPARE[match[2]](seen[match[1]], float(match[3]))].reset_index(drop=True)


def _refuse_bad_references(references, ends, n_tracks, n_seen, n_dummies, where):
    if len(ends) != n_tracks or ends.max(initial=0) > len(references):
        raise ValueError(
            f"{where}: {n_tracks} tracks, {len(ends)} entries in 'map' and {len(references)} in "
            "'tracks' do not fit together; is the file complete?"
        )
    if references.max(initial=-1) >= n_seen or references.min(initial=0) < -n_dummies:
        raise ValueError(
            f"{where}: tracks refer to objects {references.min()} to {references.max()}, but "
            f"there are {n_seen} objects and {n_dummies} dummies."
        )
