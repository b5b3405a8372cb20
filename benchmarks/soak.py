"""Whether memory, threads and open files grow over many fits, and predictions stay in memory.

``python benchmarks/soak.py`` fits and pickles an autoencoder 200 times in one process, then
predicts 1 000 000 cells of 20 x 20 pixels from a Parquet file with the command. It prints what it
measures, and exits with status 1 if memory, threads or files grow by more than 5 % after the
first fifth of the fits, or if predicting holds more than a quarter of the pixels. Linux only.
"""

import argparse
import gc
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import joblib
import numpy as np
import pandas as pd

from sklearn_cellfate import image_column, write_cells
from sklearn_cellfate.neural_network import AAEClassifier

MOST_GROWTH = 0.05
MOST_HELD = 0.25
MB = 2**20


def simulate(n_cells, seed=0):
    """Noise with a brighter middle in every other cell, as a camera counts it."""
    rng = np.random.default_rng(seed)
    images = rng.integers(90, 130, (n_cells, 1, 20, 20), np.uint16)
    images[::2, :, 7:13, 7:13] += 60
    return images, np.where(np.arange(n_cells) % 2, "dies", "divides")


def make_model():
    """Return a small but whole model."""
    return AAEClassifier(pretrain_epochs=1, max_epochs=2, width=0.5, random_state=0)


def state():
    """Resident memory in MB, threads, and open files of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    counts = (len(os.listdir(f"/proc/self/{what}")) for what in ("task", "fd"))
    return pages * os.sysconf("SC_PAGESIZE") / MB, *counts


def soak(n_fits):
    """Fit, pickle, open and predict again and again; return a table of the state after each."""
    images, labels = simulate(120)
    states = []
    for number in range(n_fits):
        model = make_model().set_params(random_state=number).fit(images, labels)
        again = pickle.loads(pickle.dumps(model))
        assert (again.predict_proba(images) == model.predict_proba(images)).all()
        states.append(state())
    return pd.DataFrame(states, columns=["MB", "threads", "files"])


def growth(states):
    """Return by which share the last fifth is above the second fifth; the first warms up."""
    fifth = len(states) // 5
    early, late = states.iloc[fifth : 2 * fifth].median(), states.iloc[-fifth:].median()
    return early, late, (late - early) / early


def predict_file(n_cells, folder):
    """Return the peak memory in MB and the seconds of predicting so many cells by the command."""
    table = folder / f"{n_cells}.parquet"
    subprocess.run([sys.executable, __file__, "--write", str(n_cells), str(table)], check=True)
    command = ["predict", str(folder / "model.joblib"), str(table)]
    output = folder / f"{n_cells} predicted.parquet"
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "sklearn_cellfate", *command, "--output", str(output)]
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status or len(pd.read_parquet(output, columns=["prediction"])) != n_cells:
        raise SystemExit(f"predicting {n_cells} cells failed.")
    table.unlink()
    return usage.ru_maxrss / 1024, seconds


def main():
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=200, help="fits and pickles, at least 10")
    parser.add_argument("--cells", type=int, default=1_000_000, help="cells to predict")
    parser.add_argument("--write", nargs=2, metavar=("N", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        n_cells, path = int(options.write[0]), options.write[1]
        images, _ = simulate(n_cells)
        write_cells(
            pd.DataFrame({"cell": np.arange(n_cells), "image": image_column(images)}), path
        )
        return 0

    failed = False
    start = time.perf_counter()
    early, late, grown = growth(soak(options.fits))
    print(f"{options.fits} fits and pickles in {time.perf_counter() - start:.0f} s")
    for name in grown.index:
        print(f"  {name}: {early[name]:g} early, {late[name]:g} late, {100 * grown[name]:+.1f} %")
        failed |= bool(grown[name] > MOST_GROWTH)

    with tempfile.TemporaryDirectory() as folder:
        joblib.dump(make_model().fit(*simulate(120)), Path(folder, "model.joblib"))
        few = options.cells // 10
        peaks = {n: predict_file(n, Path(folder)) for n in (few, options.cells)}
    for n_cells, (peak, seconds) in peaks.items():
        print(f"{n_cells} cells predicted in {seconds:.0f} s, at most {peak:.0f} MB of memory")
    held = peaks[options.cells][0] - peaks[few][0]
    pixels = (options.cells - few) * 20 * 20 * 2 / MB
    print(f"  {held:.0f} MB more for {pixels:.0f} MB more of pixels")
    failed |= held > MOST_HELD * pixels
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
