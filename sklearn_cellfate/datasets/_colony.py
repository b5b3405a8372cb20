"""Who is in a simulated field of view, when, and what goes wrong with whom.

Lengths are in pixels, except where a name says micrometres.
"""

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklearn_cellfate.datasets._fate import solve_intercept
from sklearn_cellfate.datasets._life import (
    MEDIAN_PHOTONS,
    draw_frames,
    draw_population,
    lifetimes,
)
from sklearn_cellfate.datasets._nucleus import FRAME, draw_textures
from sklearn_cellfate.datasets._places import draw_drift, place

# How many nuclei each planted defect takes.
DEFECTS = {
    "edge": 1,
    "touching": 2,
    "merged": 2,
    "late": 1,
    "short": 1,
    "gap": 1,
    "off_mask": 1,
    "hot_pixel": 1,
    "debris": 1,
}
LOST_AFTER = 3  # frames, of a nucleus whose track is short
GAP = 3  # frames
N_FLOATING = 4  # pieces of debris on their own, every second one segmented
N_BESIDE = 2  # clean cells with a piece of debris beside them, one of them segmented
FADING = 4  # frames in which the remains of a dead cell can be seen

FATE_FRACTION = 0.4  # of the clean cells
EFFECT = (2.0, 1.5)  # as in make_cell_movies
DAUGHTER_RADIUS = 0.79  # of the mother's: half the volume
OUTLINE_MARGIN = 2.0  # that a mask may exceed the ellipse, by lobes, edge and rounding


def draw_colony(rng, n_cells, n_defects, n_frames, field_shape, pixel_size):
    """Draw what is in a field of view in all its frames.

    Returns
    -------
    colony : Bunch
        cells : DataFrame, one row a nucleus
            Columns of :func:`draw_population`, with ``planted`` (a name in `DEFECTS` or ""),
            ``mother`` (a row, or -1), ``start`` and ``lifetime`` in frames, and ``group`` and
            ``side`` as in :func:`place`.
        bodies : ndarray, dtype FRAME
            Whatever gives light, frame by frame; its ``cell`` points into `textures`.
        of_body : DataFrame, parallel to `bodies`
            ``frame``; ``object``, a row of `cells` or, behind those, of `debris`, and -1 for
            the remains of the dead; ``label_of``, the object whose label the segmentation
            gives the body, or -1 if it does not find it.
        debris : DataFrame, one row a piece
            ``radius``, ``segmented``, and ``host``: the cell whose label it got, or -1.
        textures : ndarray, dtype TEXTURE
        drift : ndarray of shape (n_frames, 2)
            How far the stage has moved what is seen, in rows and columns.
        windows : ndarray of shape (n_cells, 2)
            Frames from and before which a cell's defect shows, for those that pass.
        reach : ndarray of shape (n_cells,)
            How far from its centre each nucleus gets.
        background : float
            Photons a pixel.
    """
    cells = _draw_founders(rng, n_cells, n_defects, n_frames)
    cells = pd.concat([cells, _draw_daughters(rng, cells, n_frames)], ignore_index=True)
    windows = _draw_windows(rng, cells, n_frames)
    lifetime = cells["lifetime"].to_numpy()
    bodies = draw_frames(rng, cells, lifetime, n_frames, (1, 1), pixel_size)
    bodies["background"] = 0  # which is the field's, not theirs
    nth = np.arange(len(bodies)) - np.repeat(np.cumsum(lifetime) - lifetime, lifetime)
    of_body = pd.DataFrame({"frame": cells["start"].to_numpy()[bodies["cell"]] + nth})
    of_body["object"] = bodies["cell"]
    of_body["label_of"] = _labels(cells, windows, of_body)

    debris = _draw_debris(rng, cells, pixel_size)
    drift = draw_drift(rng, n_frames)
    reach = _reach(bodies, len(cells))
    paths = place(rng, cells, reach, windows, debris, drift, field_shape, pixel_size)

    bodies["row"], bodies["column"] = paths[of_body["object"], of_body["frame"]].T
    parts = [
        (bodies, of_body),
        _let_remains_fade(cells, bodies, of_body, n_frames),
        _let_debris_lie(debris, paths[len(cells) :], len(cells)),
    ]
    return Bunch(
        cells=cells,
        bodies=np.concatenate([records for records, _ in parts]),
        of_body=pd.concat([table for _, table in parts], ignore_index=True),
        debris=debris,
        textures=draw_textures(rng, len(cells) + len(debris)),
        drift=drift,
        windows=windows,
        reach=reach,
        background=float(cells["background"].iloc[0]),
    )


def _draw_founders(rng, n_cells, n_defects, n_frames):
    planted, group, side = [""] * n_cells, list(range(n_cells)), [0] * n_cells
    for name, n_nuclei in DEFECTS.items():
        for _ in range(n_defects):
            planted += [name] * n_nuclei
            group += [group[-1] + 1] * n_nuclei
            side += [0] if n_nuclei == 1 else [-1, 1]
    order = rng.permutation(len(planted))  # so that a cell's number tells nothing
    planted = np.array(planted)[order]
    cells = _draw_ends(rng, planted == "")
    cells = cells.assign(
        planted=planted, mother=-1, group=np.array(group)[order], side=np.array(side)[order]
    )
    # Later than two frames before the end, nobody could tell division or death from the end.
    seen_to_end = cells["end"] == "censored"
    cells["lifetime"] = lifetimes(cells, n_frames - 3)
    cells.loc[seen_to_end, "lifetime"] = n_frames
    cells["start"] = 0
    late, lost = planted == "late", planted == "short"
    cells.loc[late, "start"] = rng.integers(n_frames // 4, n_frames // 2, late.sum())
    cells.loc[late, "lifetime"] = n_frames - cells.loc[late, "start"]
    cells.loc[lost, "lifetime"] = LOST_AFTER
    cells.loc[lost, "end"] = "lost"
    return cells


def _draw_ends(rng, clean):
    """Draw nuclei until every end occurs among the clean ones, if these are enough."""
    intercept = solve_intercept(FATE_FRACTION, float(np.hypot(*EFFECT)))
    wanted = 3 if np.count_nonzero(clean) >= 3 else 1
    while True:
        cells = draw_population(rng, len(clean), 1, 1, intercept, EFFECT)
        if cells.loc[clean, "end"].nunique() >= wanted:
            break
    cells.loc[~clean, "end"] = "censored"
    return cells.drop(columns=["replicate", "field", "fate"])


def _draw_daughters(rng, founders, n_frames):
    mothers = founders.index[founders["end"] == "mitosis"].repeat(2)
    daughters = founders.loc[mothers].reset_index(drop=True)
    n = len(daughters)
    start = daughters["lifetime"].to_numpy()
    return daughters.assign(
        mother=mothers.to_numpy(),
        end="censored",
        start=start,
        lifetime=n_frames - start,
        side=np.tile([-1, 1], n // 2),
        radius=daughters["radius"] * DAUGHTER_RADIUS,
        orientation=rng.uniform(-np.pi / 2, np.pi / 2, n),
        aspect_ratio=1.1 + 0.4 * rng.beta(2, 2, n),
    )


def _draw_windows(rng, cells, n_frames):
    """Draw when two nuclei of a group are close, when a track is lost or a pixel hot."""
    passing = {
        "touching": max(3, n_frames // 5),
        "merged": max(3, n_frames // 5),
        "gap": GAP,
        "off_mask": max(3, n_frames // 6),
        "hot_pixel": 1,
    }
    planted = cells["planted"].mask(cells["mother"] >= 0, "")
    length = planted.map(passing).fillna(0).astype(int).to_numpy()
    # One draw a group; not in the first two frames nor the last two.
    draw = rng.random(cells["group"].max() + 1)[cells["group"]]
    first = 2 + np.floor(draw * (n_frames - 3 - length)).astype(int)
    return np.stack([first, first + length], axis=1)


def _labels(cells, windows, of_body):
    """Whose label each nucleus gets: its own, or while merged its partner's."""
    label_of = of_body["object"].to_numpy().copy()
    frame = of_body["frame"].to_numpy()
    merged = cells[cells["planted"] == "merged"]
    for _, pair in merged.groupby("group"):
        first, second = pair.index
        start, stop = windows[first]
        label_of[(label_of == second) & (start <= frame) & (frame < stop)] = first
    return label_of


def _reach(bodies, n_cells):
    """How far from its centre each nucleus gets in its life."""
    half_axis = bodies["radius"] * np.sqrt(bodies["aspect_ratio"])
    half_axis = half_axis * (1 + 0.4 * bodies["decay"])  # fragments lie farther out
    reach = np.zeros(n_cells)
    np.maximum.at(reach, bodies["cell"], half_axis)
    return reach + OUTLINE_MARGIN


def _draw_debris(rng, cells, pixel_size):
    """Draw pieces far from all nuclei, beside clean ones, and joined to one by its label."""
    group = cells["group"].max() + 1 + np.arange(N_FLOATING)
    floating = pd.DataFrame({"group": group, "beside": -1, "host": -1})
    staying = cells.index[(cells["planted"] == "") & (cells["end"] == "censored")]
    beside = pd.DataFrame({"beside": staying[cells["mother"][staying] < 0][:N_BESIDE]})
    joined = pd.DataFrame({"beside": cells.index[cells["planted"] == "debris"]})
    beside["host"], joined["host"] = -1, joined["beside"]
    debris = pd.concat([floating, beside, joined], ignore_index=True)
    attached = debris["beside"] >= 0
    debris.loc[attached, "group"] = cells["group"].to_numpy()[debris["beside"][attached]]
    n = len(debris)
    return debris.astype({"group": int}).assign(
        segmented=(np.arange(n) % 2 == 0) | (debris["host"] >= 0),
        radius=rng.uniform(1.0, 1.8, n) / pixel_size,
        photons=MEDIAN_PHOTONS * rng.uniform(0.5, 1.5, n),
        ratio=rng.uniform(0.9, 1.3, n),
    )


def _let_remains_fade(cells, bodies, of_body, n_frames):
    """Show what is left of the dead, which the segmentation no longer finds."""
    last = np.flatnonzero(np.diff(bodies["cell"], append=-1))
    last = last[(cells["end"] == "death").to_numpy()[bodies["cell"][last]]]
    later = np.tile(np.arange(1, FADING + 1), len(last))
    last = last.repeat(FADING)
    records = bodies[last]
    records["photons"] *= 0.5**later
    table = pd.DataFrame({"frame": of_body["frame"].to_numpy()[last] + later})
    table["object"] = table["label_of"] = -1
    shown = (table["frame"] < n_frames).to_numpy()
    return records[shown], table[shown]


def _let_debris_lie(debris, paths, n_cells):
    n_pieces, n_frames = paths.shape[:2]
    piece = np.repeat(np.arange(n_pieces), n_frames)
    records = np.zeros(len(piece), FRAME)
    records["cell"] = n_cells + piece
    records["row"], records["column"] = paths.reshape(-1, 2).T
    records["aspect_ratio"], records["rounding"] = 1.2, 1
    for name in ("radius", "photons", "ratio"):
        records[name] = debris[name].to_numpy()[piece]
    table = pd.DataFrame({"frame": np.tile(np.arange(n_frames), n_pieces)})
    table["object"] = n_cells + piece
    label_of = np.where(debris["host"] >= 0, debris["host"], n_cells + np.arange(n_pieces))
    table["label_of"] = np.where(debris["segmented"], label_of, -1)[piece]
    return records, table
