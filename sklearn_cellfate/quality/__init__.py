"""Flags for the defects of tracked cells: boolean columns of the cell table, nothing dropped.

Every ``flag_<name>`` returns a copy of the table with one more boolean column, ``flag_<name>``.
Defects of single frames are also marked in a list column of booleans, one value a frame, which
:func:`drop_frames` takes. Leaving cells out stays one line of the user's::

    table = flag_all(table)
    print(summarize_quality(table))
    table = drop_frames(table, "after_mitosis", "hot_pixel")
    table = table[~table.filter(like="flag_").any(axis=1)]
"""

from sklearn_cellfate.quality._all import flag_all
from sklearn_cellfate.quality._debris import flag_debris
from sklearn_cellfate.quality._drop_frames import drop_frames
from sklearn_cellfate.quality._hot_pixel import flag_hot_pixel
from sklearn_cellfate.quality._lineage import flag_after_mitosis, flag_daughter
from sklearn_cellfate.quality._mask import flag_cut, flag_edge, flag_merged, flag_off_mask
from sklearn_cellfate.quality._summary import summarize_quality
from sklearn_cellfate.quality._time import flag_gap, flag_short

__all__ = [
    "drop_frames",
    "flag_after_mitosis",
    "flag_all",
    "flag_cut",
    "flag_daughter",
    "flag_debris",
    "flag_edge",
    "flag_gap",
    "flag_hot_pixel",
    "flag_merged",
    "flag_off_mask",
    "flag_short",
    "summarize_quality",
]
