"""List columns of a cell table, one value a frame, as one flat array for all cells."""

import numpy as np
import pandas as pd
import pyarrow as pa

from sklearn_cellfate.table import listing

# What a column may hold: the message's word, and the kinds of NumPy's dtypes.
KINDS = {
    "booleans": "b",
    "whole numbers": "iu",
    "numbers": "iuf",
}


class CannotJudgeError(ValueError):
    """The table lacks what a flag is judged by.

    ``needs`` says what, in a few words.
    """

    needs = ""


def cannot_judge(flag, needs, found):
    """Make the error; not in its __init__, which would not survive pickling by a worker."""
    error = CannotJudgeError(f"{flag} needs {needs}, but {found}.")
    error.needs = needs
    return error


def has_only(table):
    """Say which columns there are, for cannot_judge."""
    return f"the table has only {listing(table.columns)}"


def check_table(table):
    """Refuse what is no data frame."""
    if not isinstance(table, pd.DataFrame):
        raise TypeError(
            f"table must be a pandas DataFrame with a row a cell, found {type(table).__name__}."
        )


def require_columns(table, flag, *names):
    """Refuse a table without one of the columns that a flag is judged by."""
    check_table(table)
    absent = [name for name in names if name not in table.columns]
    if absent:
        raise cannot_judge(flag, f"the column {absent[0]!r}", has_only(table))


def get_column(table, name):
    """Return the one column of that name."""
    column = table[name]
    if isinstance(column, pd.DataFrame):
        raise ValueError(f"the table has {column.shape[1]} columns named {name!r}; rename one.")
    return column


def refuse_missing(column):
    """Refuse a column, of one value a cell, with missing values."""
    missing = np.flatnonzero(column.isna())
    if len(missing):
        raise ValueError(
            f"column {column.name!r} has no value in {len(missing)} of {len(column)} rows "
            f"(the first is row {missing[0]})."
        )


def holds_lists(column):
    """Whether a column has a list a row; movies are lists of frames."""
    if isinstance(column.dtype, pd.ArrowDtype):
        arrow_type = column.dtype.pyarrow_dtype
        return pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type)
    if column.dtype != object:
        return False
    present = column.dropna()
    return len(present) > 0 and isinstance(present.iloc[0], (list, tuple, np.ndarray))


def read_lists(table, name, kind):
    """Read a list column.

    Parameters
    ----------
    table : DataFrame
        The cell table, which has the column.
    name : str
        Name of the column: lists of Arrow, or Python objects.
    kind : {"booleans", "whole numbers", "numbers"}
        What the lists must hold.

    Returns
    -------
    values : ndarray of shape (n_frames_of_all_cells,)
        The values of the first cell, then those of the second, and so on.
    lengths : ndarray of int of shape (n_cells,)
        How many of them each cell has.
    """
    lists = _as_arrow(get_column(table, name))
    if lists.null_count:
        rows = np.flatnonzero(lists.is_null().to_numpy(zero_copy_only=False))
        raise ValueError(
            f"column {name!r} has no list in {len(rows)} of {len(lists)} rows (the first is "
            f"row {rows[0]}); flag these rows apart from the others, or drop them first."
        )
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    return _flat_values(lists.flatten(), lengths, name, kind), lengths


def bool_lists(values, lengths):
    """Make a column of lists of booleans from one flat array: what read_lists undoes."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values, pa.bool_()))
    return pd.arrays.ArrowExtensionArray(pa.chunked_array([lists]))


def with_marks(table, name, marks, lengths):
    """Add the list column `name` of marked frames and the flag of the cells that have one."""
    if name in table.columns and not holds_lists(get_column(table, name)) and len(table):
        raise ValueError(
            f"the table has a column {name!r} of its own, which the marks of flag_{name} would "
            "replace; rename it."
        )
    columns = {name: bool_lists(marks, lengths), f"flag_{name}": any_in_cell(marks, lengths)}
    return table.assign(**columns)


def check_same_lengths(name, lengths, other_name, other_lengths):
    """Refuse two list columns that do not have one value a frame both."""
    unequal = np.flatnonzero(lengths != other_lengths)
    if len(unequal):
        row = unequal[0]
        raise ValueError(
            f"row {row} has {lengths[row]} values in column {name!r} but {other_lengths[row]} in "
            f"column {other_name!r}; list columns have one value a frame."
        )


def any_in_cell(values, lengths):
    """Say of each cell whether one of its frames is marked."""
    return frames_marked(values, lengths) > 0


def frames_marked(values, lengths):
    """Count the marked frames of each cell."""
    return np.bincount(rows_of_frames(lengths)[values], minlength=len(lengths))


def rows_of_frames(lengths):
    """Return the row of the table that each frame belongs to."""
    return np.repeat(np.arange(len(lengths)), lengths)


def first_frames(numbers, lengths):
    """Return each cell's first frame number; NaN for a cell without frames."""
    first = np.full(len(lengths), np.nan)
    lives = lengths > 0
    first[lives] = numbers[(np.cumsum(lengths) - lengths)[lives]]
    return first


def _as_arrow(column):
    if isinstance(column.dtype, pd.ArrowDtype):
        lists = pa.chunked_array(column.array.__arrow_array__())
    else:
        try:
            lists = pa.array(column, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise ValueError(f"column {column.name!r} must hold lists: {error}") from error
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    if pa.types.is_null(lists.type):  # no rows, or no list in any, in a column of objects
        lists = lists.cast(pa.list_(pa.null()))
    if not (pa.types.is_list(lists.type) or pa.types.is_large_list(lists.type)):
        raise ValueError(
            f"column {column.name!r} must hold lists, one value a frame, found one {lists.type} "
            f"a cell."
        )
    return lists


def _flat_values(values, lengths, name, kind):
    if not len(values):  # of whatever type: an empty list of objects says nothing
        return np.empty(0, {"booleans": bool, "whole numbers": np.int64, "numbers": float}[kind])
    wrong = f"column {name!r} must hold lists of {kind}, found {values.type}."
    if not pa.types.is_primitive(values.type) and not pa.types.is_null(values.type):
        raise ValueError(wrong)
    missing = np.flatnonzero(values.is_null(nan_is_null=True))
    if len(missing):
        raise ValueError(
            f"column {name!r} has no value in {len(missing)} of {len(values)} frames (the first "
            f"is in row {rows_of_frames(lengths)[missing[0]]}); fill them or drop these rows "
            "first."
        )
    values = values.to_numpy(zero_copy_only=False)
    if kind == "whole numbers" and values.dtype.kind == "f" and (values % 1 == 0).all():
        values = values.astype(np.int64)  # which a column with gaps, once filled, had been
    if values.dtype.kind not in KINDS[kind]:
        raise ValueError(wrong)
    return values
