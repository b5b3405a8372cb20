"""The flag for debris that has the cell's own label, over all frames of all cells at once."""

from numbers import Integral

import numpy as np
from scipy.ndimage import label
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_cellfate.quality._hot_pixel import batches
from sklearn_cellfate.quality._lists import (
    cannot_judge,
    check_same_lengths,
    check_table,
    has_only,
    read_lists,
    refuse_missing,
    rows_of_frames,
    with_marks,
)
from sklearn_cellfate.table import movie_column_names, only_column, to_movies

WITHIN_A_FRAME = np.zeros((3, 3, 3), dtype=bool)
WITHIN_A_FRAME[1] = True


@validate_params(
    {
        "table": "no_validation",
        "mask_channel": [Integral, None],
        "min_pixels": [Interval(Integral, 1, None, closed="left")],
        "at_end": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def flag_debris(table, *, mask_channel=None, min_pixels=3, at_end=False):
    """Flag cells whose own object falls apart into several pieces in at least one frame.

    A segmentation that gives a piece of debris the label of the cell beside it makes one object
    of two pieces, and debris is bright: intensities and shape are then not those of the cell.
    Pixels that share an edge or a corner are one piece.

    Parameters
    ----------
    table : DataFrame
        Cell table with one movie column.
    mask_channel : int, default=None
        A channel that is positive inside the cell, such as -1 after ``extract_cells(...,
        mask="channel")``. By default the cell is where any channel is positive, so the movies'
        background must be 0, as after ``extract_cells(..., mask="apply")``.
    min_pixels : int, default=3
        A second piece of fewer pixels is no debris but the ragged outline of a segmentation.
    at_end : bool, default=False
        Whether to mark frames, too, from which on the object is in pieces until the track ends.
        By default they are not marked unless that is so from the first frame on: the nucleus of
        a dying cell falls to pieces, and deaths should not be taken for debris.

    Returns
    -------
    flagged : DataFrame
        A copy of `table` with the boolean column ``flag_debris`` and the list column ``debris``.

    Raises
    ------
    ValueError
        If there is no movie column or several, if a row has no movie, if the movies lack the
        channel, or if, without `mask_channel`, column ``area`` says that positive pixels lie
        outside of the cells: the movies then have a background.

    See Also
    --------
    sklearn_cellfate.preprocessing.LargestObject : Remove all pieces but the largest.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_cellfate import movie_column
    >>> from sklearn_cellfate.quality import flag_debris
    >>> movie = np.zeros((3, 1, 20, 20))
    >>> movie[:, :, 5:12, 5:12] = 1
    >>> movie[1, :, 15:17, 15:17] = 8
    >>> cells = flag_debris(pd.DataFrame({"movie": movie_column([movie])}))
    >>> cells["flag_debris"][0], cells["debris"][0]
    (np.True_, [False, True, False])
    """
    check_table(table)
    names = movie_column_names(table)
    if not names:
        raise cannot_judge("flag_debris", "a movie column", has_only(table))
    name = only_column(table, names, "movie")
    refuse_missing(table[name])
    movies = to_movies(table[name])
    lengths = np.array([len(movie) for movie in movies], dtype=np.int64)
    counted = [_count_pieces(_inside(f, mask_channel, name), min_pixels) for f in batches(movies)]
    none = np.empty(0, dtype=np.int64)
    pieces, pixels = (np.concatenate([none, *part]) for part in zip((none, none), *counted))
    if mask_channel is None and "area" in table.columns:
        _refuse_background(table, name, pixels, lengths)
    debris = pieces > 1
    if not at_end:
        debris &= ~_stay_to_the_end(debris, lengths)
    return with_marks(table, "debris", debris, lengths)


def _inside(frames, mask_channel, name):
    if mask_channel is None:
        return (frames > 0).any(axis=1)
    if not -frames.shape[1] <= mask_channel < frames.shape[1]:
        raise ValueError(
            f"mask_channel={mask_channel} is none of the {frames.shape[1]} channel(s) of the "
            f"movies in column {name!r}."
        )
    return frames[:, mask_channel] > 0


def _count_pieces(inside, min_pixels):
    """Return, of each frame, how many pieces are large enough, and how many pixels are inside."""
    labels, n_pieces = label(inside, WITHIN_A_FRAME)
    frame, row, column = np.nonzero(inside)
    of_pixel = labels[frame, row, column]
    sizes = np.bincount(of_pixel, minlength=n_pieces + 1)
    frame_of_piece = np.zeros(n_pieces + 1, dtype=np.int64)
    frame_of_piece[of_pixel] = frame
    pieces = np.bincount(frame_of_piece[sizes >= min_pixels], minlength=len(inside))
    return pieces, np.bincount(frame, minlength=len(inside))


def _refuse_background(table, name, pixels, lengths):
    areas, area_lengths = read_lists(table, "area", "numbers")
    check_same_lengths("area", area_lengths, name, lengths)
    outside = np.flatnonzero(pixels > areas)
    if len(outside):
        i = outside[0]
        raise cannot_judge(
            "flag_debris",
            "movies whose background is 0, or mask_channel",
            f"row {rows_of_frames(lengths)[i]} has {pixels[i]} positive pixels in a frame where "
            f"its area is {areas[i]:g}",
        )


def _stay_to_the_end(in_pieces, lengths):
    """Mark the frames after the last whole one of each cell, if it has a whole one."""
    rows = rows_of_frames(lengths)
    position = np.arange(len(rows))
    last_whole = np.full(len(lengths), -1)
    last_whole[rows[~in_pieces]] = position[~in_pieces]  # the last of a cell is written last
    return (last_whole[rows] >= 0) & (position > last_whole[rows])
