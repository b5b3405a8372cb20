"""Where nuclei sit in a field of view and how they move, so that only those meet that should.

Nuclei that have to do with each other (a mother and her daughters, two that touch) are a group,
which wanders about its place; groups keep their distance. All lengths are in pixels.
"""

import numpy as np

from sklearn_cellfate.datasets._life import DURATION

WANDER_UM = 1.5  # standard deviation about the place
WANDER_TIME = 6.0  # hours
LARGEST_WANDER = 2.0  # standard deviations
DRIFT = 2.5  # largest excursion of the stage, on either axis
TOUCHING = 0.8  # distance over the sum of the radii of two nuclei whose masks meet
FREE = 3.0  # between the outlines of nuclei, or nucleus and debris, that do not meet
AT_EDGE = 0.3  # distance of a cut nucleus from the edge of the field, in radii
N_TRIES = 300
N_RESTARTS = 30


def draw_drift(rng, n_frames):
    """Draw how the stage moves: it creeps, shakes, and jumps once.

    Returns
    -------
    drift : ndarray of shape (n_frames, 2)
        In rows and columns, about a mean of nearly 0.
    """
    time = np.linspace(-1, 1, n_frames)[:, np.newaxis]
    drift = time * rng.uniform(-1, 1, 2)
    drift[rng.integers(n_frames // 4, 3 * n_frames // 4) :] += rng.uniform(-2, 2, 2)
    drift += rng.normal(0, 0.1, drift.shape)
    return np.clip(drift - drift.mean(axis=0), -DRIFT, DRIFT)


def place(rng, cells, reach, windows, debris, drift, field_shape, pixel_size):
    """Find a place for all groups and move them.

    Parameters
    ----------
    rng : Generator
    cells : DataFrame
        ``group``: number of the group; ``side``: -1 or 1 for the two nuclei that move apart,
        0 for the one in the middle; ``planted``, ``mother``, ``start``, ``radius`` (um).
    reach : ndarray of shape (n_cells,)
        Farthest from its centre that each nucleus gets.
    windows : ndarray of shape (n_cells, 2)
        Frames in which the nuclei of a pair touch.
    debris : DataFrame
        ``group``; ``beside``: the cell beside which a piece lies, or -1; ``radius``.
    drift : ndarray of shape (n_frames, 2)
    field_shape : tuple of (height, width)
    pixel_size : float

    Returns
    -------
    paths : ndarray of shape (n_cells + n_debris, n_frames, 2)
        Rows and columns in each frame, drift included, whether or not the nucleus lives then.

    Raises
    ------
    ValueError
        If there is no room.
    """
    n_frames = len(drift)
    n_groups = 1 + max(cells["group"].max(), debris["group"].max())
    angle = rng.uniform(0, 2 * np.pi, n_groups)
    direction = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    group = np.concatenate([cells["group"], debris["group"]])

    apart = _separations(cells, reach, windows, n_frames, pixel_size)
    offset = (cells["side"].to_numpy()[:, np.newaxis] * apart)[..., np.newaxis]
    offset = offset * direction[cells["group"], np.newaxis]
    aside = _debris_distance(debris, reach)[:, np.newaxis] * direction[debris["group"]]
    aside = np.repeat(aside[:, np.newaxis], n_frames, axis=1)
    offset = np.concatenate([offset, aside])

    wander = _draw_wander(rng, n_groups, n_frames, pixel_size)
    extent = np.concatenate([reach, debris["radius"] * 1.2 + 1])
    extent = extent + np.linalg.norm(offset, axis=-1).max(axis=1)
    room = np.zeros(n_groups)
    np.maximum.at(room, group, extent)
    room += np.linalg.norm(wander, axis=-1).max(axis=1) + FREE / 2
    off_mask = cells["planted"] == "off_mask"
    room[cells["group"][off_mask]] += off_mask_distance(reach[off_mask]) - reach[off_mask]

    at_edge = np.full(n_groups, np.nan)
    cut = cells["planted"] == "edge"
    at_edge[cells["group"][cut]] = AT_EDGE * cells["radius"][cut] / pixel_size
    wander[~np.isnan(at_edge)] = 0
    places = _draw_places(rng, room, at_edge, field_shape)
    return places[group, np.newaxis] + wander[group] + offset + drift


def off_mask_distance(reach):
    """How far beside a nucleus a track runs that has left it."""
    return reach + FREE


def _separations(cells, reach, windows, n_frames, pixel_size):
    """Half the distance of the two nuclei of each cell's group, frame by frame."""
    frame = np.arange(n_frames)
    apart = np.zeros((len(cells), n_frames))
    for _, pair in cells[cells["side"] != 0].groupby("group"):
        close = TOUCHING * pair["radius"].sum() / pixel_size
        far = reach[pair.index].sum() + FREE
        if pair["mother"].iloc[0] >= 0:
            away = frame - pair["start"].iloc[0]
        else:
            start, stop = windows[pair.index[0]]
            away = np.maximum(start - frame, frame - stop + 1)
        apart[pair.index] = np.interp(away, [0, 3], [close, far]) / 2
    return apart


def _debris_distance(debris, reach):
    beside = debris["beside"].to_numpy()
    return np.where(beside >= 0, reach[beside] + 1.2 * debris["radius"] + FREE / 2, 0)


def _draw_wander(rng, n_groups, n_frames, pixel_size):
    """Draw random motion that forgets where it was, and never leaves a circle."""
    memory = np.exp(-DURATION / n_frames / WANDER_TIME)
    steps = rng.standard_normal((n_groups, n_frames, 2))
    for frame in range(1, n_frames):
        steps[:, frame] *= np.sqrt(1 - memory**2)
        steps[:, frame] += memory * steps[:, frame - 1]
    distance = np.linalg.norm(steps, axis=-1, keepdims=True)
    steps *= np.minimum(1, LARGEST_WANDER / distance)
    return steps * WANDER_UM / pixel_size


def _draw_places(rng, room, at_edge, field_shape):
    """Draw places so that circles of radius `room` neither overlap nor leave the field.

    Groups with a number in `at_edge` lie that far from the edge of the field.
    """
    order = np.lexsort([-room, np.isnan(at_edge)])  # the hardest to place first
    for _ in range(N_RESTARTS):
        places = np.full((len(room), 2), np.nan)
        for k in order:
            candidates = _candidates(rng, room[k], at_edge[k], field_shape)
            distance = np.linalg.norm(candidates[:, np.newaxis] - places, axis=-1)
            free = ~(distance < room[k] + room).any(axis=1)
            if not free.any():
                break
            places[k] = candidates[np.argmax(free)]
        else:
            return places
    raise ValueError(
        f"{len(room)} nuclei, pairs and pieces of debris do not find room in a field of "
        f"{field_shape[0]} x {field_shape[1]} pixels; make size larger, or n_cells or "
        "n_defects smaller."
    )


def _candidates(rng, room, at_edge, field_shape):
    height, width = field_shape
    inset = room + DRIFT + 1
    if min(field_shape) <= 2 * inset:
        return np.empty((0, 2))
    places = rng.uniform(inset, [height - 1 - inset, width - 1 - inset], (N_TRIES, 2))
    if np.isnan(at_edge):
        return places
    axis, far = rng.integers(2, size=(2, N_TRIES))
    edge = np.where(far, np.array(field_shape)[axis] - 0.5 - at_edge, at_edge - 0.5)
    places[np.arange(N_TRIES), axis] = edge
    return places
