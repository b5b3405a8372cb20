"""Every flag that a table can be judged by."""

import warnings
from collections.abc import Callable
from functools import partial

from sklearn_cellfate.quality._debris import flag_debris
from sklearn_cellfate.quality._hot_pixel import flag_hot_pixel
from sklearn_cellfate.quality._lineage import flag_after_mitosis, flag_daughter
from sklearn_cellfate.quality._lists import CannotJudgeError, cannot_judge, has_only
from sklearn_cellfate.quality._mask import (
    MERGED_BY,
    flag_cut,
    flag_edge,
    flag_merged,
    flag_off_mask,
)
from sklearn_cellfate.quality._time import flag_gap, flag_short


def flag_all(
    table,
    *,
    first_frame=0,
    merged_by=MERGED_BY,
    area_jump=1.6,
    channel=(0, 1),
    threshold=4.0,
    mask_channel=None,
    min_frames=11,
    same_label=None,
):
    """Add every flag for which the table has the columns, and say which it has not.

    The flags, in the order in which they are added: edge, daughter, after_mitosis, merged,
    hot_pixel, gap, short, off_mask, cut, debris. The first five are the steps of the study that
    this toolkit began with, in its order.

    Parameters
    ----------
    table : DataFrame
        Cell table, as ``extract_cells`` makes it.
    first_frame : int, default=0
        See :func:`flag_daughter`.
    merged_by : sequence of str, default=("touching", "shared", "area")
        `by` of :func:`flag_merged`.
    area_jump : float, default=1.6
        See :func:`flag_merged`.
    channel : int, tuple of (int, int) or None, default=(0, 1)
        See :func:`flag_hot_pixel`. None leaves this flag out.
    threshold : float, default=4.0
        See :func:`flag_hot_pixel`.
    mask_channel : int, default=None
        See :func:`flag_hot_pixel` and :func:`flag_debris`. Without it, debris is judged only
        where column ``area`` says that the movies show nothing but the cells' own objects.
    min_frames : int, default=11
        See :func:`flag_short`.
    same_label : bool, default=None
        See :func:`flag_off_mask`.

    Returns
    -------
    flagged : DataFrame
        A copy of `table` with the boolean columns ``flag_<name>`` and the list columns of the
        flags that judge single frames.

    Raises
    ------
    ValueError
        If a column that a flag is judged by is there but not usable.

    Warns
    -----
    UserWarning
        If a flag cannot be judged because the table lacks a column, or the movies a channel.
        That flag is then not added (nor touched, if the table has it already).

    See Also
    --------
    summarize_quality : How many cells each flag takes.
    drop_frames : Cut the marked frames out.

    Examples
    --------
    >>> import warnings
    >>> import pandas as pd
    >>> from sklearn_cellfate.quality import flag_all
    >>> cells = pd.DataFrame({"frame": [[0, 1], [1, 3]], "label": [[5, 5], [6, 0]]})
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     flag_all(cells, min_frames=2).filter(like="flag_")
       flag_daughter  flag_gap  flag_short  flag_off_mask
    0          False     False       False          False
    1           True      True       False           True
    """
    judges: dict[str, Callable] = {
        "edge": flag_edge,
        "daughter": partial(flag_daughter, first_frame=first_frame),
        "after_mitosis": flag_after_mitosis,
        "merged": partial(flag_merged, by=merged_by, area_jump=area_jump),
        "hot_pixel": partial(
            flag_hot_pixel, channel=channel, threshold=threshold, mask_channel=mask_channel
        ),
        "gap": flag_gap,
        "short": partial(flag_short, min_frames=min_frames),
        "off_mask": partial(flag_off_mask, same_label=same_label),
        "cut": flag_cut,
        "debris": partial(_flag_debris, mask_channel=mask_channel),
    }
    if channel is None:
        del judges["hot_pixel"]
    not_judged = []
    for name, judge in judges.items():
        try:
            table = judge(table)
        except CannotJudgeError as error:
            not_judged.append(f"{name} (needs {error.needs})")
    if not_judged:
        warnings.warn(
            f"{len(not_judged)} of {len(judges)} flags could not be judged: "
            f"{', '.join(not_judged)}.",
            stacklevel=2,
        )
    return table


def _flag_debris(table, mask_channel):
    """Judge only where it is known that the movies have no background."""
    if mask_channel is None and "area" not in table.columns:
        raise cannot_judge("flag_debris", "the column 'area' or mask_channel", has_only(table))
    return flag_debris(table, mask_channel=mask_channel)
