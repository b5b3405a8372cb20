"""One small sound file or folder of each format, in the forms that programs write it."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from microscope_files import ilastik_file, write, zarr_image
from PIL import Image

from sklearn_cellfate import image_column, movie_column, read_cells, to_images, to_movies
from sklearn_cellfate.datasets import make_time_lapse
from sklearn_cellfate.io import read_stack, read_tracks
from sklearn_cellfate.table import image_column_names, movie_column_names, write_cells

MOVIE = np.random.default_rng(0).integers(0, 4000, (4, 2, 12, 14), np.uint16)
FRAMES = MOVIE[:, 0]
# A movie that says that it is larger is read frame by frame, as extract_cells does.
READ_WHOLE = 2**26


@dataclasses.dataclass
class Format:
    """How to write the sound forms of a format into a folder, and how to read one of them."""

    write: Callable[[Path], list[Path]]
    read: Callable[[Path], object]


def tiff(options):
    """Return a writer of a TIFF of each of these forms."""

    def write_all(folder):
        return [
            write(folder / f"film {number}.tif", MOVIE, "TCYX", **one)
            for number, one in enumerate(options)
        ]

    return write_all


def zarr_folders(folder):
    """OME-Zarr in both versions of Zarr."""
    return [
        zarr_image(folder / f"film {version}.zarr", MOVIE, "tcyx", version=version)
        for version in ("0.4", "0.5")
    ]


def hdf5_files(folder):
    """Exports of ilastik, in one piece and in compressed chunks."""
    return [
        ilastik_file(folder / "film.h5", MOVIE, "tcyx", units="um", resolution=0.5),
        ilastik_file(
            folder / "film in chunks.h5", MOVIE, "tcyx", chunks=(2, 1, 6, 14), compression="gzip"
        ),
    ]


def png_folders(folder):
    """A folder of numbered grey PNG files, and one in colours."""
    colours = np.random.default_rng(1).integers(0, 255, (3, 10, 12, 3), np.uint8)
    for name, frames in (("film grey", FRAMES), ("film colour", colours)):
        (folder / name).mkdir()
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(folder / name / f"t{number:03d}.png")
    return [folder / "film grey", folder / "film colour"]


def simulated_tracks(folder):
    """Write a little experiment and return its table of files."""
    experiment = make_time_lapse(
        folder, n_fields=1, n_cells=3, n_defects=0, n_frames=12, size=96, random_state=0
    )
    return experiment.paths.iloc[0]


def trackmate_files(folder):
    """TrackMate's model, and its export of tracks alone."""
    model = folder / "tracks.xml"
    simulated_tracks(folder / "experiment")["tracks_xml"].replace(model)
    simple = folder / "simple tracks.xml"
    detections = "".join(f'<detection t="{t}" x="{5.5 + t}" y="{t}" z="0" />\n' for t in range(4))
    simple.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<Tracks nTracks="2" spaceUnits="pixel">\n'
        + 2 * f'<particle nSpots="4">\n{detections}</particle>\n'
        + "</Tracks>\n"
    )
    return [model, simple]


def csv_files(folder):
    """A plain table of tracks, one with semicolons, and TrackMate's table of spots."""
    rows = [(cell, t, 10.5 + t, 20.25 * cell, 90 + t) for cell in (1, 2, 3) for t in range(5)]
    table = pd.DataFrame(rows, columns=["cell", "frame", "x", "y", "area"])
    table["parent"] = table["cell"].where(table["cell"] < 0, 0)
    plain, european = folder / "tracks.csv", folder / "tracks european.csv"
    table.to_csv(plain, index=False)
    table.to_csv(european, index=False, sep=";", decimal=",")
    spots = folder / "spots.csv"
    simulated_tracks(folder / "experiment")["tracks_csv"].replace(spots)
    return [plain, european, spots]


def parquet_files(folder):
    """Cell tables of images and of movies."""
    rng = np.random.default_rng(0)
    cells = pd.DataFrame(
        {
            "cell": np.arange(6),
            "donor": pd.Categorical(list("aabbcc")),
            "area": rng.normal(size=6),
            "name": [f"cell {i}" for i in range(6)],
            "image": image_column(rng.normal(size=(6, 2, 5, 4)).astype(np.float32)),
        }
    )
    lengths = (3, 1, 4, 2, 2, 5)
    movies = movie_column([rng.integers(0, 99, (n, 1, 4, 4), np.uint16) for n in lengths])
    paths = [folder / "cells.parquet", folder / "movies.parquet"]
    write_cells(cells, paths[0])
    write_cells(cells.drop(columns="image").assign(movie=movies), paths[1])
    return paths


def challenge_folders(folder):
    """A lineage of the Cell Tracking Challenge beside its label images."""
    labels = np.zeros((4, 12, 16), np.uint16)
    labels[:2, 2:5, 3:8] = 1
    labels[2:, 2:5, 3:6] = 2
    labels[2:, 8:11, 8:13] = 3
    inside = folder / "01_GT" / "TRA"
    inside.mkdir(parents=True)
    (inside / "man_track.txt").write_text("1 0 1 0\n2 2 3 1\n3 2 3 1\n")
    for number, frame in enumerate(labels):
        write(inside / f"man_track{number:03d}.tif", frame, compression="zlib")
    return [inside]


def btrack_files(folder):
    """Export of btrack of a cell that divides."""
    path = folder / "tracks.h5"
    seen = np.array([[t, 10 + t, 20, 0, 0] for t in (0, 1, 2, 2, 4)], np.float32)
    with h5py.File(path, "w") as file:
        objects = file.create_group("objects/obj_type_1")
        objects["coords"] = seen
        objects["labels"] = np.full((5, 1), 5, np.float32)
        objects["properties/area"] = np.arange(5, dtype=np.float32)
        tracks = file.create_group("tracks/obj_type_1")
        tracks["tracks"] = np.array([0, 1, 2, 3, -1, 4], np.int32)
        tracks["map"] = np.array([[0, 2], [2, 3], [3, 6]], np.uint32)
        tracks["dummies"] = np.array([[3, 12.5, 20, 0, 1]], np.float32)
        lineage = [[1, 0, 1, 0, 1, 0], [2, 2, 2, 1, 1, 1], [3, 2, 4, 1, 1, 1]]
        tracks["LBEPR"] = np.array(lineage)
        tracks["fates"] = np.array([4, 22, 5], np.int32)
    return [path]


def read_movie(path):
    """Return every pixel; a movie too large to hold is read frame by frame, at most 20."""
    stack = read_stack(path)
    if math.prod(stack.shape) * stack.dtype.itemsize > READ_WHOLE:
        return [_sound_frame(stack, t).shape for t in range(min(len(stack), 20))]
    for t in range(len(stack)):
        _sound_frame(stack, t)
    return np.asarray(stack), stack.pixel_size


def _sound_frame(stack, t):
    frame = stack[t]
    assert frame.shape == stack.shape[1:] and frame.dtype == stack.dtype, "not as declared"
    return frame


def read_table(path):
    """Return the table, of which every row has its pixels."""
    table = read_cells(path)
    for name in image_column_names(table):
        assert len(to_images(table[name])) == len(table), "not as declared"
    for name in movie_column_names(table):
        assert len(to_movies(table[name])) == len(table), "not as declared"
    return table


def read_tidy(path, **options):
    """Return tracks, which are what the tidy form promises."""
    tracks = read_tracks(path, **options)
    assert len(tracks) and tracks["frame"].min() >= 0, "frames below 0"
    assert np.isfinite(tracks[["x", "y"]].to_numpy(float)).all(), "positions that are no numbers"
    assert not tracks.duplicated(["cell", "frame"]).any(), "a cell twice in a frame"
    assert tracks["cell"].notna().all() and tracks["frame"].dtype == np.int64, "not tidy"
    return tracks


def read_spots(path):
    """Read a table of tracks, of which TrackMate's alone is in micrometres."""
    return read_tidy(path, pixel_size=1.24 if path.name == "spots.csv" else None)


PLAIN, ZLIB, BIG_ENDIAN = {}, {"compression": "zlib"}, {"byteorder": ">"}
FORMATS = {
    "TIFF": Format(tiff([PLAIN, ZLIB, BIG_ENDIAN, ZLIB | {"predictor": True}]), read_movie),
    "BigTIFF": Format(tiff([{"bigtiff": True}, ZLIB | {"bigtiff": True}]), read_movie),
    "OME-TIFF": Format(tiff([{"ome": True}, ZLIB | {"ome": True}]), read_movie),
    "ImageJ TIFF": Format(tiff([{"imagej": True}, {"imagej": True, **ZLIB}]), read_movie),
    "OME-Zarr": Format(zarr_folders, read_movie),
    "HDF5": Format(hdf5_files, read_movie),
    "PNG folder": Format(png_folders, read_movie),
    "Parquet": Format(parquet_files, read_table),
    "TrackMate XML": Format(trackmate_files, read_tidy),
    "CSV tracks": Format(csv_files, read_spots),
    "Cell Tracking Challenge": Format(challenge_folders, read_tidy),
    "btrack HDF5": Format(btrack_files, read_tidy),
}
