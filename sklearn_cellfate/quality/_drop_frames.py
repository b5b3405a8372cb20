"""Cut marked frames out of movies and lists."""

import warnings
from itertools import compress

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sklearn_cellfate.quality._lists import (
    any_in_cell,
    check_same_lengths,
    check_table,
    frames_marked,
    get_column,
    holds_lists,
    read_lists,
)
from sklearn_cellfate.table import listing

# Where the frames that a flag stands for are marked, if not in the list column of its own name.
MARKED_IN = {"edge": ("edge", "at_edge")}


def frame_marks(table, name):
    """Return the name of the list column behind the flag `name`; None if it judges whole cells."""
    for column in MARKED_IN.get(name, (name,)):
        if column in table.columns and holds_lists(table[column]):
            return column
    return None


def drop_frames(table, *columns):
    """Cut the frames that are marked out of the movies and out of all list columns.

    No row is dropped: a cell that loses all its frames stays, with an empty movie and empty
    lists, a warning counts such cells, and their flags stay as they are. Where frames remain, the
    flags that stand for frames (``flag_hot_pixel``, ``flag_after_mitosis``, ``flag_edge``,
    ``flag_merged``, ``flag_off_mask``) become those of the remaining frames, so that a cell is
    not left out for a frame that it has no more. ``flag_gap`` and ``flag_short`` tell of the
    table that they were given; give them the new one where the holes and the length matter.

    Parameters
    ----------
    table : DataFrame
        Cell table.
    *columns : str
        Names of one or more list columns of booleans, such as ``"hot_pixel"``,
        ``"after_mitosis"`` or ``"at_edge"``. A frame marked in any of them is cut.

    Returns
    -------
    cut : DataFrame
        A copy of `table`; the same rows, index, columns and types.

    Raises
    ------
    ValueError
        If no column is named, if one is absent, holds no lists of booleans or has missing values,
        or if another list column has not one value a frame.

    Warns
    -----
    UserWarning
        If cells have no frame left.

    Notes
    -----
    A list or movie that is missing altogether (null) stays missing.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_cellfate import movie_column, to_movies
    >>> from sklearn_cellfate.quality import drop_frames
    >>> cells = pd.DataFrame({"frame": [[0, 1, 2]], "hot_pixel": [[False, True, False]]})
    >>> cells["movie"] = movie_column([np.zeros((3, 2, 20, 20))])
    >>> cut = drop_frames(cells, "hot_pixel")
    >>> cut["frame"][0], to_movies(cut)[0].shape
    ([0, 2], (2, 2, 20, 20))
    """
    check_table(table)
    marked, lengths = _marked_frames(table, columns)
    keep = ~marked
    cut = table.copy()
    for name in table.columns:
        column = get_column(table, name)
        if holds_lists(column):
            cut[name] = _cut_lists(column, keep, lengths, columns[0])
    left = any_in_cell(keep, lengths)
    _update_flags(cut, left)
    emptied = np.flatnonzero(~left & (lengths > 0))
    if len(emptied):
        warnings.warn(
            f"{len(emptied)} of {len(table)} cells have no frame left after cutting those marked "
            f"in {listing(columns)} (the first is row {emptied[0]}); their rows stay, with empty "
            "lists. Drop them with flag_short.",
            stacklevel=2,
        )
    return cut


def _marked_frames(table, columns):
    if not columns:
        raise ValueError("drop_frames needs the name of at least one list column of booleans.")
    absent = [name for name in columns if name not in table.columns]
    if absent:
        raise ValueError(
            f"the table has no column {absent[0]!r} to cut frames by; it has "
            f"{listing(table.columns)}."
        )
    marked, lengths = read_lists(table, columns[0], "booleans")
    for name in columns[1:]:
        more, more_lengths = read_lists(table, name, "booleans")
        check_same_lengths(name, more_lengths, columns[0], lengths)
        marked = marked | more
    return marked, lengths


def _cut_lists(column, keep, lengths, first_name):
    missing = column.isna().to_numpy()
    held_by_arrow = isinstance(column.dtype, pd.ArrowDtype)
    if held_by_arrow:
        lists = pa.chunked_array(column.array.__arrow_array__()).combine_chunks()
        n_values = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    else:
        lists = column.tolist()
        n_values = np.array([0 if gone else len(v) for v, gone in zip(lists, missing)], dtype=int)
    check_same_lengths(column.name, n_values, first_name, np.where(missing, 0, lengths))
    cut = _cut_arrow if held_by_arrow else _cut_objects
    return pd.Series(cut(lists, missing, keep, lengths), index=column.index)


def _cut_arrow(lists, missing, keep, lengths):
    n_kept = np.where(missing, 0, frames_marked(keep, lengths))
    offsets = np.concatenate([[0], np.cumsum(n_kept)])
    values = pc.filter(lists.flatten(), pa.array(keep[np.repeat(~missing, lengths)]))
    is_large = pa.types.is_large_list(lists.type)
    make = pa.LargeListArray if is_large else pa.ListArray
    offsets = pa.array(offsets, pa.int64() if is_large else pa.int32())
    cut = make.from_arrays(offsets, values, type=lists.type, mask=pa.array(missing))
    return pd.arrays.ArrowExtensionArray(pa.chunked_array([cut]))


def _cut_objects(lists, missing, keep, lengths):
    of_row = np.split(keep, np.cumsum(lengths)[:-1])
    cut = np.empty(len(lists), dtype=object)
    for row, (values, kept) in enumerate(zip(lists, of_row)):
        cut[row] = values if missing[row] else _compress(values, kept)
    return cut


def _compress(values, keep):
    return values[keep] if isinstance(values, np.ndarray) else type(values)(compress(values, keep))


def _update_flags(table, left):
    """Judge anew, in place, the flags that stand for frames, where a cell has frames left."""
    for flag in [name for name in table.columns if str(name).startswith("flag_")]:
        marks = frame_marks(table, flag.removeprefix("flag_"))
        if marks is not None:
            judged = any_in_cell(*read_lists(table, marks, "booleans"))
            table[flag] = table[flag].mask(left, judged)
