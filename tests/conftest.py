"""Shared fixtures: small simulated cells and the place of the real data."""

import os
from pathlib import Path

# Tests run in several processes, and threads of their own would only be in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import numpy as np
import pandas as pd
import pytest

from sklearn_cellfate import image_column

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def shared_data():
    """Folder of real tables beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}")
    return SHARED_DATA


def make_blobs_of_light(n_cells=80, shape=(1, 12, 12), classes=("dies", "divides"), seed=0):
    """Cells whose class is the size of a bright spot: easy, but not from the mean pixel alone."""
    rng = np.random.default_rng(seed)
    channels, height, width = shape
    labels = np.array(classes)[np.arange(n_cells) % len(classes)]
    sizes = 1.2 + 1.3 * (np.arange(n_cells) % len(classes))
    rows, columns = np.mgrid[:height, :width]
    distance = (rows - height / 2) ** 2 + (columns - width / 2) ** 2
    spots = np.exp(-distance / (2 * sizes[:, None, None] ** 2))
    images = spots[:, None] * rng.uniform(0.7, 1.3, (n_cells, channels, 1, 1))
    images = images + rng.normal(0, 0.05, images.shape)
    return images.astype(np.float32), labels


@pytest.fixture
def spots():
    """Images and labels."""
    return make_blobs_of_light()


@pytest.fixture
def cells(spots):
    """A cell table with four donors."""
    images, labels = spots
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "donor": np.array(["d1", "d2", "d3", "d4"])[rng.permutation(len(labels)) % 4],
            "fate": labels,
            "size": (labels == "divides") + rng.normal(0, 1, len(labels)),
            "noise": rng.normal(size=len(labels)),
            "image": image_column(images),
        }
    )
