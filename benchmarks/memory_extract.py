"""Peak memory of extract_cells on a movie that is larger than it may take.

Simulates 1000 frames of 2 channels of 1024 x 1024 pixels (4.2 GB on disk) with 300 cells, their
labels and tracks, in a temporary folder, and cuts the cells out in a fresh process:

    python benchmarks/memory_extract.py
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

SIDE = 1024
RADIUS = 6


def write_movie(folder, n_frames, n_cells, compression=None, labels_compression="zlib", seed=0):
    """Write movie.tif (BigTIFF), labels.tif and tracks.parquet, plane by plane."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(80, 120, (2, SIDE, SIDE), dtype=np.uint16)
    side = int(np.ceil(n_cells**0.5))
    grid = (np.stack(np.divmod(np.arange(n_cells), side), axis=1) + 0.5) * SIDE / side
    places = np.round(grid + rng.uniform(-4, 4, (n_frames, n_cells, 2))).astype(int)
    cells = np.arange(1, n_cells + 1)
    disc = np.hypot(*np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]) <= RADIUS

    def label_planes():
        for of_frame in places:
            plane = np.zeros((SIDE, SIDE), np.uint16)
            for cell, (y, x) in zip(cells, of_frame):
                where = np.s_[y - RADIUS : y + RADIUS + 1, x - RADIUS : x + RADIUS + 1]
                plane[where][disc] = cell
            yield plane

    def movie_planes():
        for t, labels in enumerate(label_planes()):
            yield np.roll(noise[0], 7 * t, axis=1) + 10 * labels
            yield np.roll(noise[1], 7 * t, axis=1)

    tifffile.imwrite(
        Path(folder, "movie.tif"),
        movie_planes(),
        shape=(n_frames, 2, SIDE, SIDE),
        bigtiff=True,
        compression=compression,
        metadata={"axes": "TCYX"},
        dtype=np.uint16,
    )
    tifffile.imwrite(
        Path(folder, "labels.tif"),
        label_planes(),
        shape=(n_frames, SIDE, SIDE),
        compression=labels_compression,
        metadata={"axes": "TYX"},
        dtype=np.uint16,
    )
    tracks = pd.DataFrame(places.reshape(-1, 2), columns=["y", "x"])
    tracks["cell"], tracks["frame"] = np.tile(cells, n_frames), np.repeat(range(n_frames), n_cells)
    tracks.to_parquet(Path(folder, "tracks.parquet"))


def extract(folder):
    """Cut the cells out and say how much memory the process took at its peak."""
    from sklearn_cellfate import to_movies
    from sklearn_cellfate.io import extract_cells, read_labels, read_stack, read_tracks

    tracks = read_tracks(Path(folder, "tracks.parquet"))
    stack = read_stack(Path(folder, "movie.tif"))
    labels = read_labels(Path(folder, "labels.tif"))
    imported = peak_mb()
    started = time.perf_counter()
    table = extract_cells(stack, tracks, labels)
    seconds = time.perf_counter() - started
    crops = sum(movie.nbytes for movie in to_movies(table)) / 1e6
    print(f"{len(table)} cells, {len(tracks)} crops of {crops:.0f} MB in {seconds:.0f} s")
    print(f"peak memory {peak_mb():.0f} MB, of which {imported:.0f} MB before extract_cells")


def peak_mb():
    """Peak resident memory of this process."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main():
    """Write the movie, and extract in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--cells", type=int, default=300)
    parser.add_argument("--compression", help="of the movie, such as zlib; none by default")
    parser.add_argument("--folder", help="where to write the movie for a while")
    parser.add_argument("--extract-from", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.extract_from:
        extract(options.extract_from)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        write_movie(folder, options.frames, options.cells, options.compression)
        size = Path(folder, "movie.tif").stat().st_size / 1e9
        print(f"movie of {options.frames} frames, {size:.2f} GB on disk", flush=True)
        command = [sys.executable, __file__, "--extract-from", folder]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
