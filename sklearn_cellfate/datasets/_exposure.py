"""Pictures of a simulated field of view, their segmentation, and the truth about both."""

import numpy as np
import pandas as pd

from sklearn_cellfate.datasets._nucleus import draw_photons, take_picture
from sklearn_cellfate.datasets._places import off_mask_distance

HOT = 40_000  # counts
N_HITS = 3  # hot pixels of a movie that lie outside all nuclei
DARK_CORNERS = 0.15  # of the light that a corner of the field loses
CHANNELS = ("CFP", "YFP")


def expose(rng, colony, field_shape, pixel_size):
    """Take the pictures of a field of view, one frame after the other.

    Yields
    ------
    counts : ndarray of shape (2, H, W), uint16
    labels : ndarray of shape (H, W), uint16
    seen : DataFrame, one row a nucleus or piece of debris
        ``frame``; ``object`` (a row of ``colony.cells`` or, behind those, of
        ``colony.debris``); ``x`` and ``y``, where its track runs; ``true_x`` and ``true_y``,
        where it is; ``label``; ``area``; ``mean_1`` and ``mean_2``, the means of the channels;
        ``at_edge``, ``touching``, ``merged``, ``tracked``, ``on_mask`` and ``hot_pixel``.
    hits : DataFrame, one row a hot pixel
        ``frame``, ``channel``, ``row``, ``column``, and ``object`` or -1.
    """
    window = _window_side(colony.bodies)
    order = np.argsort(colony.of_body["frame"].to_numpy(), kind="stable")
    ends = np.cumsum(np.bincount(colony.of_body["frame"], minlength=len(colony.drift)))
    hit_frames = rng.integers(len(colony.drift), size=N_HITS)
    direction = rng.uniform(0, 2 * np.pi, len(colony.cells))
    illumination = _illumination(field_shape)
    for frame, rows in enumerate(np.split(order, ends[:-1])):
        bodies, of_body = colony.bodies[rows], colony.of_body.iloc[rows].reset_index(drop=True)
        light = np.full((2, *field_shape), colony.background, np.float32)
        segmented = of_body["label_of"].to_numpy() >= 0
        owner = _draw(light, bodies, segmented, colony.textures, window, pixel_size)
        counts = take_picture(rng, light * illumination)
        labels, label = _label(owner, of_body["label_of"].to_numpy())
        seen = _measure(bodies, of_body, owner, labels, label, counts)
        seen = _plant(seen[seen["object"] >= 0], colony, frame, direction)
        hits = _hit(rng, counts, owner, seen, np.count_nonzero(hit_frames == frame))
        yield counts, labels, seen.drop(columns="body"), hits.assign(frame=frame)


def _window_side(bodies):
    """Pixels that the largest nucleus takes, with its blur."""
    half_axis = bodies["radius"] * np.sqrt(bodies["aspect_ratio"]) * (1 + bodies["decay"])
    return 2 * int(np.ceil(half_axis.max() + 4)) + 1


def _illumination(field_shape):
    rows, columns = (np.linspace(-1, 1, side, dtype=np.float32) for side in field_shape)
    return 1 - DARK_CORNERS * (rows[:, np.newaxis] ** 2 + columns**2) / 2


def _draw(light, bodies, segmented, textures, window, pixel_size):
    """Add the bodies' light; return which of them each pixel belongs to, or -1."""
    owner = np.full(light.shape[1:], -1)
    nearest = np.full(light.shape[1:], np.inf, np.float32)
    if not len(bodies):
        return owner
    # Each body is drawn in a small window about it, all of them at once.
    middle = window // 2
    top = np.rint(bodies["row"]).astype(int) - middle
    left = np.rint(bodies["column"]).astype(int) - middle
    local = bodies.copy()
    local["row"] -= top
    local["column"] -= left
    photons, masks = draw_photons(local, textures, (window, window), pixel_size)
    span = np.arange(window, dtype=np.float32)
    for k in range(len(bodies)):
        of_field, of_window = _overlap(top[k], left[k], window, light.shape[1:])
        light[(slice(None), *of_field)] += photons[k][(slice(None), *of_window)]
        if not segmented[k]:
            continue
        down, right = span[:, np.newaxis] - local["row"][k], span - local["column"][k]
        distance = (np.hypot(down, right) / bodies["radius"][k])[of_window]
        # Where two masks overlap, a segmentation draws the line between the two centres.
        won = masks[k][of_window] & (distance < nearest[of_field])
        owner[of_field][won] = k
        nearest[of_field][won] = distance[won]
    return owner


def _overlap(top, left, window, field_shape):
    """Slices of the field and of the window where the two overlap."""
    of_field, of_window = [], []
    for start, side in zip((top, left), field_shape):
        first, last = max(start, 0), max(min(start + window, side), 0)
        of_field.append(slice(min(first, last), last))
        of_window.append(slice(first - start, max(last, first) - start))
    return tuple(of_field), tuple(of_window)


def _label(owner, label_of):
    """Give numbers from 1 to a frame's objects, from the top left; bodies may share a number."""
    objects = np.where(owner >= 0, label_of[owner], -1)
    present, first = np.unique(objects, return_index=True)
    first, present = first[present >= 0], present[present >= 0]
    number = np.zeros(max(label_of.max(), 0) + 2, np.uint16)  # the last one is that of -1
    number[present[np.argsort(first)]] = np.arange(1, len(present) + 1)
    return number[objects], number[label_of]


def _measure(bodies, of_body, owner, labels, label, counts):
    inside = owner >= 0
    body = owner[inside]
    rows, columns = np.nonzero(inside)
    area = np.bincount(body, minlength=len(bodies))

    def mean(values):
        return np.bincount(body, values, len(bodies)) / np.maximum(area, 1)

    seen = of_body[["frame", "object"]].assign(
        body=np.arange(len(bodies)),
        x=np.where(area, mean(columns), bodies["column"]),
        y=np.where(area, mean(rows), bodies["row"]),
        true_x=bodies["column"],
        true_y=bodies["row"],
        label=label,
        area=area,
        mean_1=mean(counts[0][inside]),
        mean_2=mean(counts[1][inside]),
    )
    border = np.concatenate([owner[0], owner[-1], owner[:, 0], owner[:, -1]])
    seen["at_edge"] = np.isin(seen["body"], border)
    _pull_onto_mask(seen, owner)
    touched = np.isin(np.arange(labels.max() + 1), _touching_labels(labels))
    seen["touching"] = touched[label]
    return seen


def _pull_onto_mask(seen, owner):
    """Move centroids that lie beside their mask, as of a dying nucleus in pieces, onto it."""
    for k in seen.index[seen["area"] > 0]:
        row, column = (int(np.ceil(seen.at[k, name] - 0.5)) for name in ("y", "x"))
        if owner[row, column] == k:
            continue
        rows, columns = np.nonzero(owner == k)
        nearest = np.argmin((rows - seen.at[k, "y"]) ** 2 + (columns - seen.at[k, "x"]) ** 2)
        seen.loc[k, ["y", "x"]] = rows[nearest], columns[nearest]


def _touching_labels(labels):
    touching = []
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        meet = (one != other) & (one > 0) & (other > 0)
        touching += [one[meet], other[meet]]
    return np.unique(np.concatenate(touching))


def _plant(seen, colony, frame, direction):
    """Spoil segmentation and tracks as planned; all this the pixels do not show."""
    n_cells = len(colony.cells)
    is_cell = (seen["object"] < n_cells).to_numpy()
    cell = np.where(is_cell, seen["object"], 0)
    planted = np.where(is_cell, colony.cells["planted"].to_numpy()[cell], "")
    planted[colony.cells["mother"].to_numpy()[cell] >= 0] = ""
    start, stop = colony.windows[cell].T
    now = (start <= frame) & (frame < stop)
    # A track that has left its nucleus runs beside it.
    away = now & (planted == "off_mask")
    distance = np.where(away, off_mask_distance(colony.reach[cell]), 0)
    return seen.assign(
        merged=now & (planted == "merged"),
        tracked=is_cell & (seen["area"] > 0) & ~(now & (planted == "gap")),
        on_mask=~away,
        hot_pixel=now & (planted == "hot_pixel"),
        x=np.where(away, seen["true_x"] + distance * np.cos(direction[cell]), seen["x"]),
        y=np.where(away, seen["true_y"] + distance * np.sin(direction[cell]), seen["y"]),
    )


def _hit(rng, counts, owner, seen, n_hits):
    """Let the camera have hot pixels, in nuclei as planned and a few outside."""
    hits = [(k, *_draw_pixel(rng, owner == body)) for k, body in _struck(seen)]
    hits += [(-1, *_draw_pixel(rng, owner < 0)) for _ in range(n_hits)]
    hits = pd.DataFrame(hits, columns=["object", "row", "column"]).astype(int)
    hits["channel"] = rng.integers(len(CHANNELS), size=len(hits))
    counts[hits["channel"], hits["row"], hits["column"]] = HOT
    return hits


def _struck(seen):
    return seen.loc[seen["hot_pixel"], ["object", "body"]].itertuples(index=False)


def _draw_pixel(rng, mask):
    rows, columns = np.nonzero(mask)
    k = rng.integers(len(rows))
    return rows[k], columns[k]
