"""A time-lapse experiment on disk, as a microscope, a segmentation and a tracker leave it."""

from numbers import Integral, Real
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_cellfate.datasets._cell_movies import _generator
from sklearn_cellfate.datasets._colony import draw_colony
from sklearn_cellfate.datasets._exposure import CHANNELS, expose
from sklearn_cellfate.datasets._life import DURATION
from sklearn_cellfate.datasets._time_lapse_truth import (
    true_cells,
    true_debris,
    true_frames,
    true_hits,
)
from sklearn_cellfate.datasets._trackmate_files import write_model, write_spot_table


@validate_params(
    {
        "folder": [str, Path],
        "n_fields": [Interval(Integral, 1, None, closed="left")],
        "n_cells": [Interval(Integral, 1, None, closed="left")],
        "n_defects": [Interval(Integral, 0, None, closed="left")],
        "n_frames": [Interval(Integral, 12, None, closed="left")],
        "size": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "pixel_size": [Interval(Real, 0, 2, closed="right")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_time_lapse(
    folder,
    *,
    n_fields=2,
    n_cells=10,
    n_defects=1,
    n_frames=24,
    size=200,
    pixel_size=1.24,
    random_state=None,
):
    """Write a simulated time-lapse experiment: movies, label images, tracks, and the truth.

    Nuclei with a biosensor for ERK, as in :func:`make_cell_movies`, are filmed for three days.
    They move, grow, divide and die; the stage drifts and once jumps; dead cells fall to pieces
    that fade. A segmentation finds the nuclei, and debris too; a tracker follows them. What goes
    wrong in such experiments is planted, each defect in known cells, so that a pipeline from the
    files to a table can be held against the truth.

    Parameters
    ----------
    folder : str or Path
        Where to write. It is made if need be; files of the same names are replaced.
    n_fields : int, default=2
        Number of fields of view, at least 1.
    n_cells : int, default=10
        Number of cells without any defect that each field starts with, at least 1. With three
        or more, some divide, some die and some stay to the end in every field.
    n_defects : int, default=1
        How often each defect is planted in each field, in cells beside the `n_cells`:

        - ``edge``: the nucleus is cut by the edge of the field.
        - ``touching``: two nuclei touch for some frames (2 cells).
        - ``merged``: two nuclei touch and have one label for some frames (2 cells).
        - ``late``: the cell is not there at the start, and has no mother.
        - ``short``: the cell is lost after 3 frames.
        - ``gap``: the tracker misses the cell for 3 frames.
        - ``off_mask``: the track runs beside the nucleus, on background, for some frames.
        - ``hot_pixel``: a pixel of the nucleus is hot in one channel of one frame.
        - ``debris``: a bright piece of debris beside the nucleus has the nucleus's label.

        0 plants none.
    n_frames : int, default=24
        Number of frames in three days, at least 12; the study's interval of 4 minutes is 1080.
    size : int or tuple of (height, width), default=200
        Size of a field in pixels.
    pixel_size : float, default=1.24
        Side of a pixel in micrometres, at most 2.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same experiment at every call. The global NumPy generator is neither
        used nor changed.

    Returns
    -------
    experiment : :class:`~sklearn.utils.Bunch`
        With the attributes

        paths : DataFrame, one row a field
            ``field`` (``"field_1"``, ...) and the paths ``stack`` (OME-TIFF, uint16, axes TCYX,
            channels CFP and YFP, pixel size in its metadata), ``labels`` (TIFF, uint16, axes
            TYX, numbered anew in each frame), ``tracks_csv`` and ``tracks_xml`` (of TrackMate,
            in micrometres).
        cells : DataFrame, one row a cell
            - ``field`` and ``cell`` (int, from 0 in each field: TRACK_ID of the CSV);
              ``parent``: the mother, missing for cells that have none in the movie.
            - ``end``: ``"mitosis"``, ``"death"``, ``"lost"`` (out of sight) or ``"censored"``
              (there in the last frame); ``first_frame`` and ``last_frame`` of its life.
            - ``true_erk``: fraction of active ERK in its first frame, 0 to 1.
            - ``true_radius``: radius in micrometres of a circle as large as the nucleus then.
            - ``planted``: name of the defect planted in it, or "".
            - ``edge``, ... (the defects above) and ``daughter``: whether this is so in any
              frame. Planted or not: daughters touch each other, and may be too short (fewer
              than 5 tracked frames).
            - ``clean``: none of these.
        frames : DataFrame, one row a cell and frame in which it is seen
            ``field``, ``cell``, ``frame``; ``x``, ``y``: its track; ``true_x``, ``true_y``: the
            middle of the nucleus, all in pixels; ``label`` in the label image; ``area`` of its
            own pixels, in pixels; ``spot``: ID in CSV and XML; ``at_edge``, ``touching``,
            ``merged``, ``tracked`` (not in a gap), ``on_mask``, ``hot_pixel``.
        debris : DataFrame, one row a piece and frame
            ``field``, ``piece``, ``frame``, ``x``, ``y``, ``label`` (0: not segmented), ``host``
            (the cell whose label it has, or missing), ``spot`` (missing without label of its
            own; no debris belongs to a track).
        hot_pixels : DataFrame
            ``field``, ``frame``, ``channel``, ``row``, ``column`` and ``cell`` (missing outside
            nuclei).
        drift : DataFrame, one row a field and frame
            ``field``, ``frame``, ``x``, ``y``: pixels by which the stage has moved what is seen.
        pixel_size : float
            In micrometres.
        frame_interval : float
            In hours.

        The tables are in the folder ``truth`` as Parquet files of the same names.

    Raises
    ------
    ValueError
        If the cells do not find room in a field, or a parameter is out of its range.

    See Also
    --------
    make_cell_movies : The same nuclei as a cell table, without the trouble of files.
    sklearn_cellfate.io.extract_cells : From such files to a cell table.

    Notes
    -----
    TrackMate's CSV cannot hold a lineage: mother and daughters have TRACK_IDs of their own, as
    where its splitting is switched off. The XML has a family as one track that divides.

    Positions are the centroids of the segmented pixels, or where those lie beside the nucleus,
    as between the pieces of a dying one (which have one label), the nearest of its pixels. Where
    two nuclei are merged, each has its own position still, as after correction by hand. Debris
    has spots that belong to no track.

    Whether a clean cell divides depends on its ERK activity and size in the first frame, as in
    :func:`make_cell_movies` with its default `effect`. Cells with a planted defect do not divide.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn_cellfate.datasets import make_time_lapse
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     experiment = make_time_lapse(folder, n_fields=1, n_frames=12, random_state=0)
    ...     experiment.paths["stack"][0].name
    'field_1.ome.tif'
    >>> experiment.cells.groupby("end")[["clean", "touching", "daughter"]].sum()
              clean  touching  daughter
    end
    censored      3        16        12
    death         1         0         0
    lost          0         0         0
    mitosis       6         0         0
    """
    field_shape = _field_shape(size)
    folder = Path(folder)
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    fields = []
    for number, rng in enumerate(_generator(random_state).spawn(n_fields), start=1):
        colony_rng, pixel_rng = rng.spawn(2)
        colony = draw_colony(colony_rng, n_cells, n_defects, n_frames, field_shape, pixel_size)
        name = f"field_{number}"
        field = _write_field(pixel_rng, folder, name, colony, field_shape, pixel_size)
        fields.append({key: _with_field(table, name) for key, table in field.items()})
    tables = {key: pd.concat([f[key] for f in fields], ignore_index=True) for key in fields[0]}
    for key, table in tables.items():
        if key != "paths":
            table.to_parquet(folder / "truth" / f"{key}.parquet")
    return Bunch(**tables, pixel_size=float(pixel_size), frame_interval=DURATION / n_frames)


def _field_shape(size):
    sides = (size, size) if isinstance(size, int | np.integer) else tuple(size)
    are_whole = all(isinstance(side, int | np.integer) and side > 0 for side in sides)
    if len(sides) != 2 or not are_whole:
        raise ValueError(f"size must be an int or a pair (height, width), found {size!r}.")
    return int(sides[0]), int(sides[1])


def _with_field(table, name):
    return table.assign(field=name)[["field", *table.columns]]


def _write_field(rng, folder, name, colony, field_shape, pixel_size):
    """Write the files of a field and return the tables of its truth."""
    paths = {
        "stack": folder / f"{name}.ome.tif",
        "labels": folder / f"{name}_labels.tif",
        "tracks_csv": folder / f"{name}_tracks.csv",
        "tracks_xml": folder / f"{name}_tracks.xml",
    }
    n_frames = len(colony.drift)
    interval = DURATION / n_frames * 3600
    stack = _create_stack(paths["stack"], (n_frames, 2, *field_shape), pixel_size, interval)
    labels = _create_labels(paths["labels"], (n_frames, *field_shape))
    seen, hits = [], []
    pictures = expose(rng, colony, field_shape, pixel_size)
    for frame, (stack_frame, label_frame, seen_now, hits_now) in enumerate(pictures):
        stack[frame], labels[frame] = stack_frame, label_frame
        seen.append(seen_now)
        hits.append(hits_now)
    stack.flush()
    labels.flush()

    seen = _number_spots(pd.concat(seen, ignore_index=True), len(colony.cells))
    spots = _spots(seen, len(colony.cells), pixel_size, interval)
    write_spot_table(paths["tracks_csv"], spots)
    image = {
        "filename": paths["stack"].name,
        "folder": "",
        "width": field_shape[1],
        "height": field_shape[0],
        "nslices": 1,
        "nframes": n_frames,
        "pixelwidth": pixel_size,
        "pixelheight": pixel_size,
        "voxeldepth": 1.0,
        "timeinterval": interval,
    }
    write_model(paths["tracks_xml"], spots, _links(seen, colony.cells), image)
    frames = true_frames(seen, len(colony.cells))
    return {
        "paths": pd.DataFrame([paths]),
        "cells": true_cells(colony, frames),
        "frames": frames,
        "debris": true_debris(seen, colony),
        "hot_pixels": true_hits(pd.concat(hits, ignore_index=True), len(colony.cells)),
        "drift": pd.DataFrame(
            {"frame": range(n_frames), "x": colony.drift[:, 1], "y": colony.drift[:, 0]}
        ),
    }


# Files ----------------------------------------------------------------------------------------


def _create_stack(path, shape, pixel_size, interval):
    """Return the pixels of a new file, to be filled frame by frame: no movie is too long."""
    import tifffile

    metadata = {
        "axes": "TCYX",
        "Channel": {"Name": list(CHANNELS)},
        "TimeIncrement": interval,
        "TimeIncrementUnit": "s",
    }
    for axis in "XY":
        metadata[f"PhysicalSize{axis}"] = pixel_size
        metadata[f"PhysicalSize{axis}Unit"] = "µm"
    return tifffile.memmap(
        path, shape=shape, dtype=np.uint16, photometric="minisblack", metadata=metadata
    )


def _create_labels(path, shape):
    import tifffile

    return tifffile.memmap(
        path, shape=shape, dtype=np.uint16, photometric="minisblack", metadata={"axes": "TYX"}
    )


# Tracks ---------------------------------------------------------------------------------------


def _number_spots(seen, n_cells):
    """Give a number to what the tracker has detected: tracked nuclei, and debris with a label."""
    is_debris = seen["object"] >= n_cells
    detected = seen["tracked"] | (is_debris & (seen["area"] > 0) & ~_shares_label(seen, n_cells))
    numbers = 1000 + np.arange(np.count_nonzero(detected))
    return seen.assign(spot=pd.Series(numbers, seen.index[detected]).astype("Int64"))


def _shares_label(seen, n_cells):
    """Whether debris has the label of a nucleus."""
    nuclei = seen[seen["object"] < n_cells]
    keys = pd.MultiIndex.from_frame(nuclei[["frame", "label"]])
    return pd.MultiIndex.from_frame(seen[["frame", "label"]]).isin(keys)


def _spots(seen, n_cells, pixel_size, interval):
    seen = seen[seen["spot"].notna()]
    track = seen["object"].astype("Int64").mask(seen["object"] >= n_cells)
    return pd.DataFrame(
        {
            "LABEL": "ID" + seen["spot"].astype(str),
            "ID": seen["spot"].astype(int),
            "TRACK_ID": track,
            "QUALITY": seen["area"].astype(float),
            "POSITION_X": seen["x"] * pixel_size,
            "POSITION_Y": seen["y"] * pixel_size,
            "POSITION_Z": 0.0,
            "POSITION_T": seen["frame"] * interval,
            "FRAME": seen["frame"],
            "RADIUS": np.sqrt(seen["area"] / np.pi) * pixel_size,
            "VISIBILITY": 1,
            "MEAN_INTENSITY_CH1": seen["mean_1"],
            "MEAN_INTENSITY_CH2": seen["mean_2"],
            "AREA": seen["area"] * pixel_size**2,
        }
    )


def _links(seen, cells):
    """Link each spot to the one before it: of the same cell, or for daughters of the mother."""
    tracked = seen[seen["tracked"]].sort_values(["object", "frame"])
    of_cell = tracked.groupby("object")["spot"]
    before = of_cell.shift()
    first = before.isna()
    mother = cells["mother"].to_numpy()[tracked["object"][first]]
    before[first] = of_cell.last().reindex(mother).to_numpy()
    links = pd.DataFrame({"source": before, "target": tracked["spot"]})
    links["track"] = _families(cells["mother"].to_numpy())[tracked["object"]]
    return links.dropna()


def _families(mother):
    """Return the family of each cell, that of its mother, who comes before her daughters."""
    family = np.cumsum(mother < 0) - 1
    family[mother >= 0] = family[mother[mother >= 0]]
    return family
