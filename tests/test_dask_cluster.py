"""What runs on one machine runs on a Dask cluster, and a worker that is lost costs no result."""

import contextlib
import logging
import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
from conftest import make_blobs_of_light
from joblib import parallel_config
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate import image_column
from sklearn_cellfate.feature_extraction import PixelFeatures
from sklearn_cellfate.io import extract_cells
from sklearn_cellfate.model_selection import stacked_cross_validate
from sklearn_cellfate.neural_network import AAEClassifier
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.utils import register_dask

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client():
    """Client of a cluster of two worker processes of one thread each."""
    distributed = pytest.importorskip("distributed")
    register_dask()
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextlib.contextmanager
def losing_a_worker(client):
    """Kill a worker of the cluster once it has something to do."""
    client.wait_for_workers(2)
    pids, killed = client.run(os.getpid), []

    def kill_a_busy_one():
        while not killed:
            for worker, tasks in client.processing().items():
                if tasks and not killed:
                    os.kill(pids[worker], signal.SIGKILL)
                    killed.append(pids[worker])
            time.sleep(0.01)

    killer = threading.Thread(target=kill_a_busy_one, daemon=True)
    killer.start()
    yield
    killer.join(timeout=10)
    client.wait_for_workers(2)
    assert killed and killed[0] not in client.run(os.getpid).values()


def cell_table(n_cells=300):
    """Cells of three donors; what concerns each is larger than what joblib sends with a task."""
    images, fate = make_blobs_of_light(n_cells)
    rng = np.random.default_rng(0)
    donor = np.array(["a", "b", "c"])[np.arange(n_cells) % 3]
    area = rng.normal(size=n_cells)
    return pd.DataFrame({"image": image_column(images), "area": area, "donor": donor}), fate


def pipeline():
    """Latent features beside a measured one."""
    aae = AAEClassifier(pretrain_epochs=0, max_epochs=1, random_state=0)
    columns = make_column_transformer((aae, ["image"]), (StandardScaler(), ["area"]))
    return make_pipeline(columns, LogisticRegression())


@pytest.mark.filterwarnings("error:Sending large graph")
def test_a_grid_search_that_loses_a_worker(client):
    table, fate = cell_table()
    grid = {"columntransformer__aaeclassifier__latent_dim": [2, 3], "logisticregression__C": [1]}
    search = GridSearchCV(
        pipeline(), grid, cv=LeaveOneGroupOut(), scoring="neg_log_loss", refit=False
    )
    expected = search.fit(table, fate, groups=table["donor"]).cv_results_
    with losing_a_worker(client), parallel_config("dask"):
        found = search.fit(table, fate, groups=table["donor"]).cv_results_
    assert found["params"] == expected["params"]
    for fold in range(3):
        name = f"split{fold}_test_score"
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9)


def test_cross_validation(client):
    table, fate = cell_table()
    options = {"groups": table["donor"], "cv": LeaveOneGroupOut(), "return_estimator": True}
    expected = cross_validate(pipeline(), table, fate, **options)
    with parallel_config("dask"):
        found = cross_validate(pipeline(), table, fate, **options)
    for one, other in zip(found["estimator"], expected["estimator"]):
        np.testing.assert_allclose(one.predict_proba(table), other.predict_proba(table), rtol=1e-9)


def process_id(estimator, X, y):
    """Of the process that scores, as if it were a score."""
    return os.getpid()


def test_a_stacked_search_trains_on_the_cluster(client):
    table, fate = cell_table()
    scoring = {"loss": "neg_log_loss", "process": process_id}
    options = {"groups": table["donor"], "cv": LeaveOneGroupOut(), "scoring": scoring}
    expected = cross_validate(pipeline(), table, fate, **options)
    with parallel_config("dask"):
        found = stacked_cross_validate(pipeline(), table, fate, **options)
    assert set(found["test_process"]) <= set(client.run(os.getpid).values())
    np.testing.assert_allclose(found["test_loss"], expected["test_loss"], atol=0.01)


def test_an_extraction_that_loses_a_worker(client):
    rng = np.random.default_rng(0)
    stacks = {f"field {i}": rng.integers(0, 999, (30, 2, 256, 256), "uint16") for i in range(6)}
    tracks = pd.DataFrame(
        {
            "cell": np.repeat(np.arange(50), 30),
            "frame": np.tile(np.arange(30), 50),
            "x": rng.uniform(0, 255, 1500),
            "y": rng.uniform(0, 255, 1500),
        }
    )
    arguments = stacks, dict.fromkeys(stacks, tracks)
    expected = extract_cells(*arguments)
    with losing_a_worker(client), parallel_config("dask"):
        found = extract_cells(*arguments)
    pd.testing.assert_frame_equal(found, expected)


def test_patches_of_large_images(client):
    images, labels = make_blobs_of_light(12, (1, 64, 64))
    model = PatchClassifier(make_pipeline(PixelFeatures(), LogisticRegression()), patch_size=16)
    model.fit(images, labels)
    expected = model.predict_patches(images), model.predict_proba(images)
    with parallel_config("dask"):
        found = model.predict_patches(images), model.predict_proba(images)
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one, other)
