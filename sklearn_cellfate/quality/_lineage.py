"""Flags judged by birth and division: daughters, and mothers followed beyond their mitosis."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_cellfate.quality._lists import (
    cannot_judge,
    check_table,
    first_frames,
    get_column,
    has_only,
    read_lists,
    refuse_missing,
    require_columns,
    with_marks,
)


@validate_params(
    {"table": "no_validation", "first_frame": [Interval(Integral, 0, None, closed="left")]},
    prefer_skip_nested_validation=True,
)
def flag_daughter(table, *, first_frame=0):
    """Flag cells that were not there at the start of the film.

    These are the cells with a ``parent``, and the cells first seen after `first_frame`: born
    later, or moved into the field, so that their history is not known from its beginning.

    Parameters
    ----------
    table : DataFrame
        Cell table with the list column ``frame`` (frame numbers from 0), the column ``parent``
        (missing where there is none), or both.
    first_frame : int, default=0
        The frame in which a cell must have been seen. Give the number of the first frame tracked
        if that is not 0, or some more to let the tracking begin late.

    Returns
    -------
    flagged : DataFrame
        A copy of `table` with the boolean column ``flag_daughter``.

    Raises
    ------
    ValueError
        If both columns are absent, or if ``frame`` has missing values.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.quality import flag_daughter
    >>> cells = pd.DataFrame({"frame": [[0, 1], [0, 1], [1]], "parent": [None, 7, None]})
    >>> flag_daughter(cells)["flag_daughter"].tolist()
    [False, True, True]
    """
    check_table(table)
    if "frame" not in table.columns and "parent" not in table.columns:
        raise cannot_judge("flag_daughter", "the column 'frame' or 'parent'", has_only(table))
    daughter = np.zeros(len(table), dtype=bool)
    if "parent" in table.columns:
        daughter |= get_column(table, "parent").notna().to_numpy()
    if "frame" in table.columns:
        numbers, lengths = read_lists(table, "frame", "whole numbers")
        daughter |= first_frames(numbers, lengths) > first_frame
    return table.assign(flag_daughter=daughter)


def flag_after_mitosis(table):
    """Flag cells that are followed beyond their division, and mark the frames from there on.

    Some trackers end a mother at her division; others let her name go on as one of the daughters.
    A frame is after mitosis if its number is at or after the first frame of any of the cell's
    daughters: of the rows whose ``parent`` is that cell, in the same ``field`` if the table has
    that column. So the daughters must still be in the table.

    Parameters
    ----------
    table : DataFrame
        Cell table with the columns ``cell`` and ``parent`` and the list column ``frame``; with
        ``field`` if cells of several films are in it.

    Returns
    -------
    flagged : DataFrame
        A copy of `table` with the boolean column ``flag_after_mitosis`` and the list column
        ``after_mitosis``. With :func:`drop_frames` a mother keeps her own life.

    Raises
    ------
    ValueError
        If a column is absent, if ``cell``, ``field`` or ``frame`` has missing values, if two rows
        have the same cell of the same field, or if only one of ``cell`` and ``parent`` is text.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.quality import flag_after_mitosis
    >>> cells = pd.DataFrame(
    ...     {"cell": [1, 2], "parent": [None, 1], "frame": [[0, 1, 2, 3, 4], [3, 4]]}
    ... )
    >>> flagged = flag_after_mitosis(cells)
    >>> flagged["flag_after_mitosis"].tolist()
    [True, False]
    >>> flagged["after_mitosis"][0]
    [False, False, False, True, True]
    """
    require_columns(table, "flag_after_mitosis", "cell", "parent", "frame")
    numbers, lengths = read_lists(table, "frame", "whole numbers")
    mitosis = _mitosis_frames(table, first_frames(numbers, lengths))
    after = numbers >= np.repeat(mitosis, lengths)
    return with_marks(table, "after_mitosis", after, lengths)


def _mitosis_frames(table, births):
    """Return the first frame of each cell's first daughter; infinity without a daughter."""
    cells = _names(table, "cell")
    parents = get_column(table, "parent")
    _check_same_kind(cells, parents.dropna())
    fields = _names(table, "field") if "field" in table.columns else [None] * len(table)
    _refuse_repeated(fields, cells)
    divided = {}
    for field, parent, birth in zip(fields, parents, births):
        if not pd.isna(parent) and not np.isnan(birth):
            divided[field, parent] = min(birth, divided.get((field, parent), np.inf))
    return np.array([divided.get(key, np.inf) for key in zip(fields, cells)], dtype=float)


def _names(table, name):
    column = get_column(table, name)
    refuse_missing(column)
    return column.tolist()


def _check_same_kind(cells, parents):
    if len(cells) and len(parents):
        cell, parent = cells[0], parents.iloc[0]
        if isinstance(cell, str) != isinstance(parent, str):
            raise ValueError(
                f"column 'cell' holds {cell!r} but column 'parent' {parent!r}; both must be "
                "numbers, or both text, for daughters to be found."
            )


def _refuse_repeated(fields, cells):
    keys = pd.Series(list(zip(fields, cells)), dtype=object)
    repeated = keys[keys.duplicated()]
    if len(repeated):
        field, cell = repeated.iloc[0]
        where = "the table has no column 'field'" if field is None else f"in field {field!r}"
        raise ValueError(
            f"cell {cell!r} has {(keys == repeated.iloc[0]).sum()} rows ({where}); a cell must "
            "be one row of its field for its daughters to be found."
        )
