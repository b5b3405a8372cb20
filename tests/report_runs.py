"""Run folders for the tests of the report, with names that a page must not take for markup."""

import functools
import json
import re
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from conftest import make_blobs_of_light
from sklearn.utils import Bunch

from sklearn_cellfate import image_column
from sklearn_cellfate.model_selection import compare_modalities, fit_pipeline
from sklearn_cellfate.neural_network import AAEClassifier
from sklearn_cellfate.report import describe_run, write_comparison, write_report

CLASSES = ("<script>alert(1)</script>", "costs $5 & $\\more")
TARGET, GROUPS, FEATURE = "fate <i>", 'donor "x"', "size <b>µm</b>"


def make_cells(n_cells=66, classes=CLASSES, shape=(1, 10, 10)):
    """Cells of three donors, with two quality flags."""
    images, labels = make_blobs_of_light(n_cells, shape, classes)
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            TARGET: labels,
            GROUPS: np.array(["d1", "<d2>", "d3"])[np.arange(n_cells) // 2 % 3],
            FEATURE: (labels == classes[1]) + rng.normal(0, 0.7, n_cells),
            "flag_edge": rng.random(n_cells) < 0.2,
            "flag_gap": rng.random(n_cells) < 0.2,
            "image": image_column(images),
        }
    )


def compare(cells, *, latent_dim=3, features=(FEATURE,), groups=GROUPS, cv=None):
    """Compare on a network that is quickly trained."""
    network = AAEClassifier(
        latent_dim=latent_dim, pretrain_epochs=1, max_epochs=4, batch_size=16, random_state=0
    )
    return compare_modalities(
        cells,
        TARGET,
        groups=groups,
        features=list(features),
        autoencoder=network,
        cv=cv if groups else 2,
        random_state=0,
    )


def write_run(comparison, cells, folder, **about):
    """Write the run folder of a comparison."""
    model = fit_pipeline(comparison, "pixels", cells)
    run = describe_run(comparison, cells, **about)
    return write_comparison(comparison, cells, model, folder, run=run, name="pixels")


@functools.cache  # both files of tests look at the same run
def make_run():
    """Return a comparison, its cells, its folder, and its page as a path and as text."""
    place = tempfile.TemporaryDirectory()
    folder = Path(place.name, "run")
    cells = make_cells()
    comparison = compare(cells)
    write_run(comparison, cells, folder, seed=7, arguments={"jobs": 1}, simulated=True)
    path = write_report(folder, folder.parent / "report.html")
    page = path.read_text(encoding="utf-8")
    return Bunch(
        comparison=comparison, cells=cells, folder=folder, path=path, page=page, place=place
    )


def embedded(page):
    """Return what the explorer of a page was given."""
    return json.loads(re.search(r'id="explorer-data">(.*?)</script>', page)[1])
