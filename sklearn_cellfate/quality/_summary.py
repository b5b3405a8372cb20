"""What the flags take, one after the other."""

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype

from sklearn_cellfate.quality._drop_frames import frame_marks
from sklearn_cellfate.quality._lists import check_table, get_column, read_lists, refuse_missing
from sklearn_cellfate.table import listing


def summarize_quality(table, flags=None):
    """Say how many cells each flag takes, as a flow from all cells to the clean ones.

    Parameters
    ----------
    table : DataFrame
        Cell table with flags: boolean columns whose names begin with ``flag_``.
    flags : list of str, default=None
        The flags to apply, in order, with or without ``flag_``. By default all of the table, in
        the order of its columns, which is the order in which they were added.

    Returns
    -------
    summary : DataFrame
        One row a flag, in order of application, its name without ``flag_`` as the index. Columns:

        - ``flagged``: cells with the flag;
        - ``taken``: cells with the flag and with none of those above it;
        - ``remaining``: cells without this flag and those above it;
        - ``frames``: frames marked, in all cells; missing for a flag that judges whole cells.

    Raises
    ------
    ValueError
        If the table has no flag, or not one that `flags` names, or if a flag is not boolean or
        has missing values.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.quality import summarize_quality
    >>> cells = pd.DataFrame({"flag_edge": [True, True, False], "flag_gap": [True, False, False]})
    >>> summarize_quality(cells)[["flagged", "taken", "remaining"]]
          flagged  taken  remaining
    flag
    edge        2      2          1
    gap         1      0          1
    """
    check_table(table)
    names = _flag_names(table, flags)
    remaining = np.ones(len(table), dtype=bool)
    rows = []
    for name in names:
        flagged = _read_flag(table, name)
        taken = flagged & remaining
        remaining &= ~flagged
        rows.append(
            {
                "flagged": flagged.sum(),
                "taken": taken.sum(),
                "remaining": remaining.sum(),
                "frames": _count_marks(table, name),
            }
        )
    index = pd.Index([name.removeprefix("flag_") for name in names], name="flag")
    return pd.DataFrame(rows, index=index).astype({"frames": "Int64"})


def _count_marks(table, name):
    marks = frame_marks(table, name.removeprefix("flag_"))
    return pd.NA if marks is None else read_lists(table, marks, "booleans")[0].sum()


def _flag_names(table, flags):
    if flags is None:
        names = [name for name in table.columns if str(name).startswith("flag_")]
        if not names:
            raise ValueError(
                "the table has no column 'flag_...': add flags first, for example with flag_all; "
                f"it has {listing(table.columns)}."
            )
        return names
    if isinstance(flags, str):
        raise ValueError(f"flags must be a list of names, found the string {flags!r}.")
    names = [f"flag_{str(name).removeprefix('flag_')}" for name in flags]
    absent = [name for name in names if name not in table.columns]
    if absent or not names:
        raise ValueError(
            f"the table has no column {listing(absent) or 'to summarize'}; its flags are "
            f"{listing([name for name in table.columns if str(name).startswith('flag_')])}."
        )
    return names


def _read_flag(table, name):
    column = get_column(table, name)
    refuse_missing(column)
    if not is_bool_dtype(column.dtype) and not column.map(lambda v: isinstance(v, bool)).all():
        raise ValueError(f"column {name!r} must be boolean, found {column.dtype}.")
    return column.to_numpy(dtype=bool)
