"""A tracker's links between spots, cut at divisions and merges into the lives of single cells."""

import dataclasses

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


@dataclasses.dataclass
class Branches:
    """For each spot its cell, that cell's parent (-1: none), and whether the cell is a merged one.

    `n_merges` counts the spots into which several others were linked.
    """

    cell: np.ndarray
    parent: np.ndarray
    merged: np.ndarray
    n_merges: int


def cut_into_branches(spot, frame, track, source, target, *, next_number, merges, where):
    """Make every branch of every track a cell.

    The first branch of a track keeps the track's number, the others are numbered from
    `next_number` on. Links are between rows of the spots and have no direction of their own: time
    gives it.

    Parameters
    ----------
    spot, frame, track : ndarray of int of shape (n_spots,)
        Number, frame and track of each spot.
    source, target : ndarray of int of shape (n_links,)
        Rows of the two spots of each link.
    next_number : int
        A number above those of all tracks.
    merges : {"cut", "raise"}
        What to do where two spots are linked to the same later one.
    where : str
        The file, for messages.
    """
    source, target = _along_time(spot, frame, source, target, where)
    n_into = np.bincount(target, minlength=len(spot))
    starts_merged = n_into > 1
    if starts_merged.any() and merges == "raise":
        first = int(np.argmax(starts_merged))
        raise ValueError(
            f"{where}: {n_into[first]} spots of track {track[first]} merge into spot "
            f"{spot[first]} in frame {frame[first]} ({int(starts_merged.sum())} merges in all), "
            "and cells do not; cut these links in TrackMate, or call read_tracks with "
            "merges='cut'."
        )
    kept = ~starts_merged[target]
    source, target = source[kept], target[kept]
    within = np.bincount(source, minlength=len(spot))[source] == 1
    links = coo_array(
        (np.ones(int(within.sum())), (source[within], target[within])), (len(spot), len(spot))
    )
    n_branches, branch = connected_components(links, directed=False)
    # Written in the order of time from late to early, the first spot of each branch is what stays.
    head = np.empty(n_branches, dtype=np.int64)
    late_to_early = np.lexsort((-spot, -frame))
    head[branch[late_to_early]] = late_to_early
    merged = starts_merged[head]
    mother = np.full(n_branches, -1)
    mother[branch[target[~within]]] = branch[source[~within]]
    # What leaves a merged spot is one of those who entered it, or a daughter: nobody can say.
    mother[merged[mother] & (mother >= 0)] = -1
    number = _numbers(spot[head], frame[head], track[head], mother, next_number)
    parent = np.where(mother >= 0, number[mother], -1)
    return Branches(number[branch], parent[branch], merged[branch], int(starts_merged.sum()))


def _along_time(spot, frame, source, target, where):
    still = frame[source] == frame[target]
    if still.any():
        a, b = spot[source[still][0]], spot[target[still][0]]
        raise ValueError(
            f"{where}: spots {a} and {b} are linked, but both lie in frame "
            f"{frame[source[still][0]]}; expected links between different frames."
        )
    backwards = frame[source] > frame[target]
    earlier, later = np.where(backwards, (target, source), (source, target))
    return np.unique(np.stack([earlier, later]), axis=1)


def _numbers(spot, frame, track, mother, next_number):
    """Give each branch a number; all arguments but the last are of its first spot."""
    in_order = np.lexsort((spot, frame, mother >= 0, track))
    opens_track = np.ones(len(spot), dtype=bool)
    opens_track[in_order[1:]] = np.diff(track[in_order]) != 0
    # The others follow in the order of tracks, then of birth, whether or not the mother is known.
    others = np.lexsort((spot, frame, track))
    others = others[~opens_track[others]]
    number = track.copy()
    number[others] = next_number + np.arange(len(others))
    return number
