"""Flags judged by frame numbers: tracks with holes, and tracks that are too short."""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_cellfate.quality._lists import (
    cannot_judge,
    check_table,
    has_only,
    read_lists,
    refuse_missing,
    require_columns,
    rows_of_frames,
)
from sklearn_cellfate.table import movie_column_names, to_movies


def flag_gap(table):
    """Flag cells whose frame numbers have holes: the tracking lost the cell in between.

    Parameters
    ----------
    table : DataFrame
        Cell table with the list column ``frame`` (whole, increasing numbers).

    Returns
    -------
    flagged : DataFrame
        A copy of `table` with the boolean column ``flag_gap``.

    Raises
    ------
    ValueError
        If there is no column ``frame``, or if it has missing values or numbers that do not
        increase.

    Notes
    -----
    :class:`~sklearn_cellfate.preprocessing.RelativeTimeSampler` bridges gaps by the frame
    numbers, so a gap need not be a reason to leave a cell out.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.quality import flag_gap
    >>> cells = pd.DataFrame({"frame": [[3, 4, 5], [3, 4, 6]]})
    >>> flag_gap(cells)["flag_gap"].tolist()
    [False, True]
    """
    require_columns(table, "flag_gap", "frame")
    numbers, lengths = read_lists(table, "frame", "whole numbers")
    rows = rows_of_frames(lengths)
    steps, same_cell = np.diff(numbers), np.diff(rows) == 0
    back = np.flatnonzero(same_cell & (steps <= 0))
    if len(back):
        i = back[0]
        raise ValueError(
            f"frame numbers must increase; column 'frame' has {numbers[i + 1]} after "
            f"{numbers[i]} in row {rows[i]}."
        )
    gaps = same_cell & (steps > 1)
    return table.assign(flag_gap=np.bincount(rows[1:][gaps], minlength=len(table)) > 0)


@validate_params(
    {"table": "no_validation", "min_frames": [Interval(Integral, 1, None, closed="left")]},
    prefer_skip_nested_validation=True,
)
def flag_short(table, *, min_frames=11):
    """Flag cells with fewer than `min_frames` frames.

    Parameters
    ----------
    table : DataFrame
        Cell table with the list column ``frame`` or a movie column, whose frames are counted.
    min_frames : int, default=11
        The fewest frames that are enough. The default is the number of moments that
        :class:`~sklearn_cellfate.preprocessing.RelativeTimeSampler` picks: a shorter life would
        show frames twice.

    Returns
    -------
    flagged : DataFrame
        A copy of `table` with the boolean column ``flag_short``.

    Raises
    ------
    ValueError
        If the table has neither, or if a row has no value in the column counted.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.quality import flag_short
    >>> cells = pd.DataFrame({"frame": [[3, 4, 5], [3, 5]]})
    >>> flag_short(cells, min_frames=3)["flag_short"].tolist()
    [False, True]
    """
    check_table(table)
    return table.assign(flag_short=_count_frames(table) < min_frames)


def _count_frames(table):
    if "frame" in table.columns:
        return read_lists(table, "frame", "whole numbers")[1]
    movies = movie_column_names(table)
    if not movies:
        raise cannot_judge("flag_short", "the column 'frame' or a movie column", has_only(table))
    refuse_missing(table[movies[0]])
    return np.array([len(movie) for movie in to_movies(table[movies[0]])], dtype=int)
