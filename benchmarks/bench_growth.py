"""How the time of the autoencoder grows with cells, with the size of images, with latents.

    python -m benchmarks growth

`bench_search.py` shows how it grows with the number of fits in one program, and
`bench_preprocessing.py` what a transformer takes from 1000 cells to a million. On a GPU fits as
short as these are over before their steps are captured.
"""

import numpy as np
import pytest

from sklearn_cellfate.neural_network import AAEClassifier

BATCH = 30


def cells(n, side=20):
    """Noise of two classes."""
    rng = np.random.default_rng(0)
    return rng.random((n, 1, side, side), dtype=np.float32), np.arange(n) % 2


def autoencoder(**settings):
    """Make the paper's networks, to be trained shortly."""
    return AAEClassifier(
        **{"pretrain_epochs": 0, "max_epochs": 1, "batch_size": BATCH, "random_state": 0}
        | settings
    )


@pytest.mark.parametrize("n_cells", [1_000, 10_000, 100_000, 1_000_000])
def test_prediction_by_cells(measure, n_cells):
    """Class probabilities of 20 x 20 pixels."""
    images, fate = cells(1000)
    model = autoencoder().fit(images, fate)
    measure(
        model.predict_proba,
        np.resize(images, (n_cells, *images.shape[1:])),
        group="predict_proba by cells",
        n_images=n_cells,
        rounds=1 if n_cells > 10_000 else 3,
        x=n_cells,
    )


@pytest.mark.parametrize("side", [10, 20, 40, 80])
def test_training_by_size(measure, side):
    """One epoch of four batches."""
    images, fate = cells(4 * BATCH, side)
    measure(
        autoencoder().fit,
        images,
        fate,
        group="training by side of the image, in pixels",
        n_images=4 * BATCH,
        rounds=2,
        x=side,
    )


@pytest.mark.parametrize("latent_dim", [2, 8, 32, 128])
def test_training_by_latents(measure, latent_dim):
    """One epoch of ten batches of 20 x 20 pixels."""
    images, fate = cells(10 * BATCH)
    measure(
        autoencoder(latent_dim=latent_dim).fit,
        images,
        fate,
        group="training by latent features",
        n_images=10 * BATCH,
        rounds=2,
        x=latent_dim,
    )
