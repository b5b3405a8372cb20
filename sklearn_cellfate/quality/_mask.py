"""Flags judged by a cell's own mask: cut by the field's edge, merged with a neighbour, left."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_cellfate.quality._lists import (
    any_in_cell,
    cannot_judge,
    check_same_lengths,
    check_table,
    has_only,
    read_lists,
    require_columns,
    rows_of_frames,
    with_marks,
)
from sklearn_cellfate.table import listing

MERGED_BY = ("touching", "shared", "area")
TRACKED = 0.9  # of the cells keep their label, where labels are tracked


def flag_edge(table):
    """Flag cells that the edge of the field cuts in at least one frame.

    With masks (column ``at_edge``) a cell is cut where its own mask reaches the border of the
    field. Without masks (column ``padding``) it may be cut where its crop reaches over the
    border; this flags more cells, as a crop is wider than a cell.

    Parameters
    ----------
    table : DataFrame
        Cell table with the list column ``at_edge`` (bool) or else ``padding`` (pixels of the crop
        outside the field).

    Returns
    -------
    flagged : DataFrame
        A copy of `table` with the boolean column ``flag_edge`` and, if judged by ``padding``, the
        list column ``edge``.

    Raises
    ------
    ValueError
        If both columns are absent, or if the one taken has missing values.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.quality import flag_edge
    >>> cells = pd.DataFrame({"cell": [1, 2], "at_edge": [[False, False], [False, True]]})
    >>> flag_edge(cells)["flag_edge"].tolist()
    [False, True]
    """
    check_table(table)
    if "at_edge" in table.columns:
        at_edge, lengths = read_lists(table, "at_edge", "booleans")
        return table.assign(flag_edge=any_in_cell(at_edge, lengths))
    if "padding" not in table.columns:
        raise cannot_judge("flag_edge", "the column 'at_edge' or 'padding'", has_only(table))
    padding, lengths = read_lists(table, "padding", "whole numbers")
    return with_marks(table, "edge", padding > 0, lengths)


def flag_cut(table):
    """Flag cells that the border of their crop cuts in at least one frame.

    Their own mask may go on beyond, and what is measured in the crop, as ``area``, is then only
    a part of the cell. A larger `size` in :func:`~sklearn_cellfate.io.extract_cells` helps.

    Parameters
    ----------
    table : DataFrame
        Cell table with the list column ``cut`` (bool): the own mask reaches the crop's border.

    Returns
    -------
    flagged : DataFrame
        A copy of `table` with the boolean column ``flag_cut``.

    Raises
    ------
    ValueError
        If there is no column ``cut``, or if it has missing values.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.quality import flag_cut
    >>> cells = pd.DataFrame({"cell": [1, 2], "cut": [[False, False], [False, True]]})
    >>> flag_cut(cells)["flag_cut"].tolist()
    [False, True]
    """
    require_columns(table, "flag_cut", "cut")
    return table.assign(flag_cut=any_in_cell(*read_lists(table, "cut", "booleans")))


@validate_params(
    {
        "table": "no_validation",
        "by": ["array-like"],
        "area_jump": [Interval(Real, 1, None, closed="neither")],
        "window": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def flag_merged(table, *, by=MERGED_BY, area_jump=1.6, window=11):
    """Flag cells whose mask is merged with, or touches, that of a neighbour in some frame.

    A frame is merged where one of these is true, as far as the table has the columns:

    - ``"touching"``: a pixel of another label lies next to the cell's own mask;
    - ``"shared"``: another cell of the tracks has the same label in that frame;
    - ``"area"``: the area, of what is in the crop, is more than `area_jump` times the cell's
      running median, which is the median of its last `window` frames that have a mask and are not
      merged themselves. So a merger stays marked until the area is back, however long it takes,
      and slow growth is none.

    Parameters
    ----------
    table : DataFrame
        Cell table with at least one of the list columns ``touching`` (bool), ``shared`` (bool)
        and ``area`` (pixels within the crop; 0 where the cell has no mask). Where the crop cuts
        the cell (:func:`flag_cut`), `area` is less than the cell's, and less of a jump is seen.
    by : sequence of {"touching", "shared", "area"}, default=("touching", "shared", "area")
        What counts. In a confluent culture, where all cells touch, ``("shared", "area")``.
    area_jump : float, default=1.6
        More than 1. Two equal nuclei merge to twice the area; from frame to frame the area of a
        segmented nucleus changes by a few percent.
    window : int, default=11
        How many frames the running median looks back.

    Returns
    -------
    flagged : DataFrame
        A copy of `table` with the boolean column ``flag_merged`` and the list column ``merged``.

    Raises
    ------
    ValueError
        If the table has none of the columns that `by` names, if one of them has missing values,
        or if they do not have one value a frame all.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.quality import flag_merged
    >>> areas = [[100, 103, 99, 198, 201, 104], [100, 120, 145, 170, 200, 0]]
    >>> cells = pd.DataFrame({"area": areas})
    >>> flagged = flag_merged(cells)
    >>> flagged["flag_merged"].tolist()
    [True, False]
    >>> flagged["merged"][0]
    [False, False, False, True, True, False]
    """
    check_table(table)
    unknown = [name for name in by if name not in MERGED_BY]
    if unknown or not len(by):
        raise ValueError(f"by must be a sequence out of {listing(MERGED_BY)}, found {by!r}.")
    columns = [name for name in MERGED_BY if name in by and name in table.columns]
    if not columns:
        raise cannot_judge("flag_merged", f"one of the columns {listing(by)}", has_only(table))
    kinds = {"touching": "booleans", "shared": "booleans", "area": "numbers"}
    read = {name: read_lists(table, name, kinds[name]) for name in columns}
    lengths = read[columns[0]][1]
    for name in columns[1:]:
        check_same_lengths(name, read[name][1], columns[0], lengths)
    merged = np.zeros(lengths.sum(), dtype=bool)
    for name in columns:
        if name == "area":
            merged |= _area_jumps(read[name][0], lengths, merged, area_jump, window)
        else:
            merged |= read[name][0]
    return with_marks(table, "merged", merged, lengths)


@validate_params(
    {"table": "no_validation", "same_label": ["boolean", None]}, prefer_skip_nested_validation=True
)
def flag_off_mask(table, *, same_label=None):
    """Flag cells whose track leaves their mask in at least one frame.

    A frame is off the mask where ``label`` is 0: the tracked position lies on background. Where
    labels are tracked, so that a cell has one label all its life, another label is off the mask
    too. Most segmentations number the objects of each frame anew, and then it is no defect.

    Parameters
    ----------
    table : DataFrame
        Cell table with the list column ``label`` (whole numbers, 0 where there is no mask).
    same_label : bool, default=None
        Whether labels are tracked: also mark the frames whose label is not the cell's most
        frequent one (the lower of two). By default they are if nine of ten cells of the table,
        out of those with a label in at least two frames, have the same in all of these.

    Returns
    -------
    flagged : DataFrame
        A copy of `table` with the boolean column ``flag_off_mask`` and the list column
        ``off_mask``.

    Raises
    ------
    ValueError
        If there is no column ``label``, or if it has missing values.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.quality import flag_off_mask
    >>> cells = pd.DataFrame({"label": [[7, 7, 7], [8, 0, 8], [9, 9, 5]]})
    >>> flag_off_mask(cells, same_label=False)["flag_off_mask"].tolist()
    [False, True, False]
    >>> flag_off_mask(cells, same_label=True)["flag_off_mask"].tolist()
    [False, True, True]
    """
    require_columns(table, "flag_off_mask", "label")
    labels, lengths = read_lists(table, "label", "whole numbers")
    off_mask = labels == 0
    if _are_tracked(labels, lengths) if same_label is None else same_label:
        off_mask |= labels != np.repeat(_most_frequent(labels, lengths), lengths)
    return with_marks(table, "off_mask", off_mask, lengths)


def _are_tracked(labels, lengths):
    """Whether nearly every cell has one label all its life, and some have a life."""
    seen = labels != 0
    rows = rows_of_frames(lengths)
    same = seen & (labels == np.repeat(_most_frequent(labels, lengths), lengths))
    n_seen, n_same = (np.bincount(rows[which], minlength=len(lengths)) for which in (seen, same))
    kept = (n_same == n_seen)[n_seen >= 2]
    return len(kept) > 0 and kept.sum() >= TRACKED * len(kept)


def _area_jumps(areas, lengths, merged, area_jump, window):
    """Mark the frames whose area exceeds `area_jump` times the running median."""
    in_life = np.arange(lengths.max(initial=0)) < lengths[:, np.newaxis]
    by_cell = np.zeros(in_life.shape)
    by_cell[in_life] = areas
    usable = by_cell > 0
    usable[in_life] &= ~merged
    jumps = np.zeros(in_life.shape, dtype=bool)
    # Frame by frame for all cells at once: a frame is in the median only if it is no jump. Places
    # not filled yet are infinite, so they sort last, and nothing jumps before the first value.
    rows = np.arange(len(lengths))
    last = np.full((len(lengths), window), np.inf)
    n_seen = np.zeros(len(lengths), dtype=int)
    for t in range(in_life.shape[1]):
        now, n_last = by_cell[:, t], np.minimum(n_seen, window)
        ordered = np.sort(last, axis=1)
        median = (ordered[rows, (n_last - 1) // 2] + ordered[rows, n_last // 2]) / 2
        jumps[:, t] = now > area_jump * median
        normal = rows[usable[:, t] & ~jumps[:, t]]
        last[normal, n_seen[normal] % window] = now[normal]
        n_seen[normal] += 1
    return jumps[in_life]


def _most_frequent(labels, lengths):
    """Return each cell's most frequent label other than 0; 0 for a cell that has none."""
    rows = rows_of_frames(lengths)[labels != 0]
    pairs, counts = np.unique(
        np.stack([rows, labels[labels != 0]], axis=1), axis=0, return_counts=True
    )
    best = np.zeros(len(lengths), dtype=np.int64)
    order = np.lexsort([-pairs[:, 1], counts])  # the last of a row is written last
    best[pairs[order, 0]] = pairs[order, 1]
    return best
