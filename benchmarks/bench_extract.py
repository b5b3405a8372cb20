"""extract_cells against a plain loop and against reading the same planes alone.

    python -m benchmarks extract

A group is one movie of 60 frames and 2 channels of 1024 x 1024 pixels, with 100 cells, as in a
20x field of the published study, or 300. The files are in the page cache, so that reading is as
fast as it can be. On a machine that does other things as well, ``python -m pytest
benchmarks/bench_extract.py --benchmark-timer=time.process_time`` tells more.
"""

import numpy as np
import pytest
import tifffile
from memory_extract import write_movie

from sklearn_cellfate import to_movies
from sklearn_cellfate.io import extract_cells, read_labels, read_stack, read_tracks

N_FRAMES, SIZE = 60, 20
MOVIES = {
    "100 cells": (100, None),
    "300 cells": (300, None),
    "100 cells, zlib": (100, "zlib"),
}


class Movie:
    """Files of a movie, and what is read of them beforehand."""

    def __init__(self, folder, n_cells, compression):
        write_movie(folder, N_FRAMES, n_cells, compression, compression)
        self.files = folder / "movie.tif", folder / "labels.tif"
        self.tracks = read_tracks(folder / "tracks.parquet")
        self.stack, self.labels = read_stack(self.files[0]), read_labels(self.files[1])


@pytest.fixture(scope="module", params=MOVIES)
def movie(request, tmp_path_factory):
    """Name of the movie, and its files."""
    return request.param, Movie(tmp_path_factory.mktemp("movie"), *MOVIES[request.param])


@pytest.fixture
def measure(benchmark, movie):
    """Time a function of the movie, and say how many crops and MB of planes a second."""
    name, files = movie

    def run(function, with_labels):
        benchmark.group = f"{name}, {'with' if with_labels else 'without'} labels"
        n_planes = N_FRAMES * (3 if with_labels else 2)
        benchmark.pedantic(function, (files, with_labels), rounds=9, warmup_rounds=1)
        seconds = benchmark.stats.stats.min
        benchmark.extra_info["crops_per_s"] = len(files.tracks) / seconds
        benchmark.extra_info["MB_per_s"] = n_planes * 2 * 1024**2 / seconds / 1e6
        if function is read:
            benchmark.extra_info["baseline"] = True

    return run


def planes(file):
    """Every plane of a file, read by tifffile alone."""
    with tifffile.TiffFile(file) as tif:
        for page in tif.pages:
            yield page.asarray()


def read(movie, with_labels):
    """Read the planes and do nothing with them."""
    for file in movie.files[: 1 + with_labels]:
        for _ in planes(file):
            pass


def loop(movie, with_labels):
    """Read each frame, slice each cell out of it, and mask it by the object under its position."""
    frames, labels = map(planes, movie.files)
    half = SIZE // 2
    crops = {cell: [] for cell in movie.tracks["cell"].unique()}
    for _, rows in movie.tracks.groupby("frame"):
        frame = np.pad([next(frames), next(frames)], ((0, 0), (half, half), (half, half)))
        objects = np.pad(next(labels), half) if with_labels else None
        for cell, y, x in zip(rows["cell"], rows["y"].astype(int), rows["x"].astype(int)):
            where = np.s_[y : y + SIZE, x : x + SIZE]
            crop = frame[:, *where]
            if with_labels:
                crop = crop * (objects[where] == objects[y + half, x + half])
            crops[cell].append(crop)
    return [np.stack(movie) for movie in crops.values()]


def extract(movie, with_labels):
    """Do the same with extract_cells, which also measures what the labels say of each crop."""
    labels = movie.labels if with_labels else None
    return extract_cells(movie.stack, movie.tracks, labels, size=SIZE)


@pytest.mark.parametrize("function", [read, extract, loop])
@pytest.mark.parametrize("with_labels", [False, True], ids=["raw", "masked"])
def test_extract(measure, function, with_labels):
    """Time one of the three ways."""
    measure(function, with_labels)


@pytest.mark.parametrize("with_labels", [False, True], ids=["raw", "masked"])
def test_loop_and_extract_give_the_same_pixels(movie, with_labels):
    """Compare what is compared in speed."""
    pairs = zip(to_movies(extract(movie[1], with_labels)), loop(movie[1], with_labels))
    for mine, other in pairs:
        np.testing.assert_array_equal(mine, other)
