"""Tables of what is true of a simulated field of view, for its user to compare with."""

import numpy as np
import pandas as pd

from sklearn_cellfate.datasets._colony import DEFECTS
from sklearn_cellfate.datasets._life import SHORTEST_LIFE

FRAME_COLUMNS = [
    *["cell", "frame", "x", "y", "true_x", "true_y", "label", "area", "spot"],
    *["at_edge", "touching", "merged", "tracked", "on_mask", "hot_pixel"],
]


def true_frames(seen, n_cells):
    """One row a nucleus and frame, of what :func:`expose` has seen."""
    nuclei = seen[(seen["object"] < n_cells) & (seen["area"] > 0)]
    nuclei = nuclei.rename(columns={"object": "cell"})[FRAME_COLUMNS]
    return nuclei.sort_values(["cell", "frame"], ignore_index=True)


def true_cells(colony, frames):
    """One row a cell: its life and what is wrong with it."""
    cells = colony.cells
    has_mother = cells["mother"] >= 0
    planted = cells["planted"].mask(has_mother, "")
    life = pd.DataFrame(
        {
            "cell": np.arange(len(cells)),
            "parent": cells["mother"].astype("Int64").mask(~has_mother),
            "end": cells["end"],
            "first_frame": cells["start"],
            "last_frame": cells["start"] + cells["lifetime"] - 1,
            "true_erk": cells["erk"],
            "true_radius": cells["radius"],
            "planted": planted,
        }
    )
    ever = frames.assign(off_mask=~frames["on_mask"], edge=frames["at_edge"])
    ever = ever.groupby("cell").any().reindex(cells.index, fill_value=False)
    tracked = frames[frames["tracked"]].groupby("cell")["frame"].agg(["min", "max", "size"])
    tracked = tracked.reindex(cells.index, fill_value=0)
    wrong = {
        **{name: ever[name] for name in ("edge", "touching", "merged", "off_mask", "hot_pixel")},
        "late": (cells["start"] > 0) & ~has_mother,
        "short": tracked["size"] < SHORTEST_LIFE,
        "gap": tracked["max"] - tracked["min"] + 1 > tracked["size"],
        "debris": planted == "debris",
        "daughter": has_mother,
    }
    wrong = pd.DataFrame({name: wrong[name] for name in [*DEFECTS, "daughter"]}, dtype=bool)
    return pd.concat([life, wrong.assign(clean=~wrong.any(axis=1))], axis=1)


def true_debris(seen, colony):
    """One row a piece of debris and frame."""
    n_cells = len(colony.cells)
    pieces = seen[seen["object"] >= n_cells].rename(columns={"object": "piece"})
    pieces = pieces.assign(piece=pieces["piece"] - n_cells)
    host = colony.debris["host"].to_numpy()[pieces["piece"]]
    pieces["host"] = pd.Series(host, pieces.index).astype("Int64").mask(host < 0)
    names = ["piece", "frame", "x", "y", "label", "host", "spot"]
    return pieces[names].sort_values(["piece", "frame"], ignore_index=True)


def true_hits(hits, n_cells):
    """One row a hot pixel."""
    cell = hits["object"].astype("Int64").mask(hits["object"] < 0)
    return hits[["frame", "channel", "row", "column"]].assign(cell=cell)
