"""Fields of view: a stack, its tracks and its labels, checked before anything is read."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sklearn_cellfate.io._labels import as_labels
from sklearn_cellfate.io._stack import ImageStack, as_stack
from sklearn_cellfate.table import listing

TRACK_COLUMNS = ("cell", "frame", "x", "y")


@dataclass
class Field:
    """One field of view, ready to be cut into cells."""

    name: str
    stack: ImageStack
    tracks: pd.DataFrame  #: sorted by cell, then frame; RangeIndex
    labels: ImageStack | None
    own: np.ndarray | None  #: label of each row's object, where a column of the tracks names it
    label_column: str | None  #: that column


def collect_fields(stack, tracks, labels, label_column):
    """Return the fields of view of what `extract_cells` was given, each of them checked.

    Parameters
    ----------
    stack, tracks, labels, label_column : as in `extract_cells`

    Returns
    -------
    fields : list of Field

    Raises
    ------
    ValueError, TypeError
        If something does not fit; the message names the field where there are several.
    """
    fields = []
    named = _named_fields(stack, tracks, labels)
    for name, (field_stack, field_tracks, field_labels) in named:
        try:
            fields.append(
                _check_field(name, field_stack, field_tracks, field_labels, label_column)
            )
        except (ValueError, TypeError) as error:
            if len(named) == 1:
                raise
            raise type(error)(f"field {name!r}: {error}") from error
    return _with_cells(fields)


def _named_fields(stack, tracks, labels):
    given = {"stack": stack, "tracks": tracks, "labels": labels}
    if labels is None:
        del given["labels"]
    several = {type(value) for value in given.values() if isinstance(value, dict | list | tuple)}
    if not several:
        return [(as_stack(stack).name, (stack, tracks, labels))]
    if not all(isinstance(value, dict) for value in given.values()) and not all(
        isinstance(value, list | tuple) for value in given.values()
    ):
        kinds = ", ".join(f"{name} a {type(value).__name__}" for name, value in given.items())
        raise TypeError(
            f"for several fields of view give {' and '.join(given)} as lists or all as dicts; "
            f"found {kinds}."
        )
    if isinstance(stack, dict):
        names = list(stack)
        for what, value in given.items():
            if set(value) != set(names):
                raise ValueError(
                    f"{what} has the fields {listing(value)}, stack has {listing(names)}."
                )
        parts = [[value[name] for name in names] for value in given.values()]
    else:
        if len({len(value) for value in given.values()}) > 1:
            counts = ", ".join(f"{len(value)} {what}" for what, value in given.items())
            raise ValueError(f"every field needs its own; found {counts}.")
        names = [_name_in_list(part, i) for i, part in enumerate(stack)]
        parts = list(given.values())
    if not names:
        raise ValueError("no field of view was given: stack is empty.")
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise ValueError(
            f"{len(repeated)} fields have the name {repeated[0]!r}; give dicts, whose keys become "
            "the names."
        )
    parts += [[None] * len(names)] * (3 - len(parts))
    return list(zip([str(name) for name in names], zip(*parts)))


def _name_in_list(stack, position):
    return stack.name if isinstance(stack, ImageStack) else str(position)


def _check_field(name, stack, tracks, labels, label_column):
    stack = as_stack(stack)
    if stack.dtype.kind not in "iuf":
        raise TypeError(f"the stack has dtype {stack.dtype}; expected integer or floating pixels.")
    tracks = _check_tracks(tracks, label_column)
    if len(tracks):
        _check_frames(tracks, stack)
        _check_positions(tracks, stack)
    labels = None if labels is None else _check_labels(labels, stack)
    own = None
    if label_column is None and labels is not None:
        label_column = _named_label(tracks)
    if label_column is not None:
        if labels is None:
            raise ValueError(f"label_column={label_column!r} is given but no labels.")
        own = _own_labels(tracks, label_column)
    if label_column == "label":  # the table has a column of that name and meaning
        tracks = tracks.drop(columns="label")
    return Field(name, stack, tracks, labels, own, label_column)


def _named_label(tracks):
    """Return "label" if the tracks have numbers under that name, as lineages do."""
    if "label" not in tracks.columns or pd.api.types.is_bool_dtype(tracks["label"]):
        return None
    return "label" if pd.api.types.is_numeric_dtype(tracks["label"]) else None


def _check_tracks(tracks, label_column):
    if not isinstance(tracks, pd.DataFrame):
        raise TypeError(
            f"tracks must be a DataFrame, found a {type(tracks).__name__}; read_tracks makes one "
            "of a file."
        )
    wanted = [*TRACK_COLUMNS, *([] if label_column is None else [label_column])]
    absent = [column for column in wanted if column not in tracks.columns]
    if absent:
        raise ValueError(
            f"the tracks have no column {absent[0]!r}; they have {listing(tracks.columns)}. "
            f"Needed: {listing(TRACK_COLUMNS)}."
        )
    repeated = tracks.columns[tracks.columns.duplicated()]
    if len(repeated):
        raise ValueError(f"the tracks have two columns named {repeated[0]!r}.")
    if not len(tracks):
        return tracks
    if tracks["cell"].isna().any():
        raise ValueError(f"{tracks['cell'].isna().sum()} rows of the tracks have no cell.")
    if pd.api.types.infer_dtype(tracks["cell"]).startswith("mixed"):
        raise ValueError("column 'cell' of the tracks mixes numbers and text.")
    for column in ("frame", "x", "y"):
        _check_finite(tracks, column)
    tracks = tracks.assign(
        frame=_whole_frames(tracks), x=tracks["x"].astype(float), y=tracks["y"].astype(float)
    )
    tracks = tracks.sort_values(["cell", "frame"], kind="stable", ignore_index=True)
    _refuse_repeated_rows(tracks)
    return tracks


def _check_finite(tracks, column):
    values = tracks[column]
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        raise ValueError(f"column {column!r} of the tracks has dtype {values.dtype}, not numbers.")
    finite = np.isfinite(values.to_numpy(dtype=float, na_value=np.nan))
    _refuse_rows(tracks, ~finite, f"{column} is missing or infinite")


def _refuse_rows(tracks, wrong, what):
    """Name the first of the rows that are wrong, and say how many there are."""
    if np.any(wrong):
        raise ValueError(
            f"in {np.count_nonzero(wrong)} of {len(tracks)} rows of the tracks {what}; the first "
            f"is {_name_first(tracks, wrong)}."
        )


def _name_first(tracks, wrong):
    i = np.flatnonzero(wrong)[0]
    return f"cell {tracks['cell'].iloc[i]} in frame {tracks['frame'].iloc[i]:g}"


def _whole_frames(tracks):
    frames = tracks["frame"].to_numpy(dtype=float)
    _refuse_rows(tracks, frames % 1 != 0, "frame is not a whole number")
    return frames.astype(np.int64)


def _refuse_repeated_rows(tracks):
    repeated = tracks.duplicated(["cell", "frame"])
    if repeated.any():
        raise ValueError(
            f"{repeated.sum()} rows of the tracks repeat a cell and frame (the first: "
            f"{_name_first(tracks, repeated)}); a cell is at one place at a time."
        )


def _check_frames(tracks, stack):
    last = len(stack) - 1
    found = tracks["frame"]
    wrong = (found < 0) | (found > last)
    if not wrong.any():
        return
    hint = ""
    if found.min() >= 1 and found.max() - found.min() <= last:
        hint = (
            f" Are they counted from {found.min()}? read_tracks(..., first_frame={found.min()})."
        )
    raise ValueError(
        f"the tracks have frames {found.min()} to {found.max()}, but the stack has {len(stack)} "
        f"frames, 0 to {last}: {wrong.sum()} rows lie outside, first "
        f"{_name_first(tracks, wrong)}.{hint}"
    )


def _check_positions(tracks, stack):
    height, width = stack.shape[2:]
    wrong = ~(tracks["y"].between(-0.5, height - 0.5) & tracks["x"].between(-0.5, width - 0.5))
    if not wrong.any():
        return
    x, y = tracks.loc[wrong, ["x", "y"]].iloc[0]
    known = "" if stack.pixel_size is None else f" of {stack.pixel_size:g} um"
    raise ValueError(
        f"{wrong.sum()} of {len(tracks)} positions lie outside the field of {height} x {width} "
        f"pixels{known}, first {_name_first(tracks, wrong)} at x={x:g}, y={y:g}. Are they in "
        "micrometres? They must be in pixels: read_tracks(..., pixel_size=...) converts."
    )


def _check_labels(labels, stack):
    if not isinstance(labels, ImageStack) or labels.dtype.kind != "u":
        labels = as_labels(labels)  # which looks into the first frame
    frames, channels, height, width = labels.shape
    if channels != 1:
        raise ValueError(f"labels have {channels} channels; expected one.")
    if (frames, height, width) != (len(stack), *stack.shape[2:]):
        raise ValueError(
            f"labels are {frames} frames of {height} x {width} pixels, the stack is {len(stack)} "
            f"frames of {stack.shape[2]} x {stack.shape[3]}; they must agree."
        )
    return labels


def _own_labels(tracks, label_column):
    """Labels that a column of the tracks names; a missing one is 0, a row without an object."""
    column = tracks[label_column]
    if not pd.api.types.is_numeric_dtype(column):
        raise ValueError(
            f"label_column {label_column!r} has dtype {column.dtype}; expected whole numbers."
        )
    values = column.to_numpy(dtype=float, na_value=np.nan)
    given = ~np.isnan(values)
    wrong = given & ((values % 1 != 0) | (values < 1) | np.isinf(values))
    _refuse_rows(
        tracks,
        wrong,
        f"label_column {label_column!r} is no label (whole numbers from 1; 0 is the background "
        f"of a label image; missing where a cell has no object)",
    )
    own = np.zeros(len(tracks), np.int64)
    own[given] = column[given].to_numpy(dtype=np.int64)
    return own


def _with_cells(fields):
    """Leave out fields without any cell, which is worth a warning, and compare the others."""
    full = [field for field in fields if len(field.tracks)]
    if not full:
        raise ValueError("the tracks have no rows: there is no cell to extract.")
    if len(full) < len(fields):
        empty = [field.name for field in fields if not len(field.tracks)]
        warnings.warn(f"the tracks of fields {listing(empty)} have no rows.", stacklevel=4)
    for field in full[1:]:
        for what, found, expected in zip(
            ("number of channels", "dtype", "cells that are numbers"),
            _must_agree(field),
            _must_agree(full[0]),
        ):
            if found != expected:
                raise ValueError(
                    f"fields {full[0].name!r} and {field.name!r} differ in {what}: {expected} and "
                    f"{found}; all fields of a table must agree."
                )
    return full


def _must_agree(field):
    numbered = pd.api.types.is_numeric_dtype(field.tracks["cell"])
    return field.stack.shape[1], field.stack.dtype, numbered
