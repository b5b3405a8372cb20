"""Latent features and probabilities of 20 x 20 pixels, many at once and one alone.

    python -m benchmarks inference

The baseline is the module in evaluation mode, as it was trained: no weights folded, gradients
off, batches cut out of a tensor that is scaled already, 64 images each (8192 on a GPU, whose
results leave it once). Ours reads and checks X, scales pixels and, for ``predict_proba``, asks the
head, too. `bench_growth.py` shows how time grows with cells.
"""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sklearn_cellfate.neural_network import AAEClassifier

ON_GPU = torch.cuda.is_available()
N_IMAGES, BATCH = (1_000_000, 8192) if ON_GPU else (20_000, 64)
GROUPS = {N_IMAGES: f"{N_IMAGES:,} images of 20 x 20 pixels", 1: "one image"}


@pytest.fixture(scope="module")
def images():
    """Noise."""
    return np.random.default_rng(0).random((N_IMAGES, 1, 20, 20), dtype=np.float32)


@pytest.fixture(scope="module")
def model(images):
    """Train the paper's networks, shortly."""
    few = images[:90]
    return AAEClassifier(pretrain_epochs=1, max_epochs=1, random_state=0).fit(
        few, np.arange(90) % 2
    )


@pytest.fixture(scope="module")
def flops(model, images):
    """Count multiplications and additions of the encoder's products, an image."""
    encoder, few = model.net_.module_.encoder.eval(), torch.from_numpy(images[:10])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(few.to(model.net_.device))
    return counter.get_total_flops() / 10


@pytest.mark.parametrize("n", GROUPS)
def test_module_in_evaluation_mode(measure, model, images, flops, n):
    """Encode tensors, pass by pass."""
    encoder, device = model.net_.module_.encoder.eval(), model.net_.device
    scaled = torch.from_numpy(images[:n])

    @torch.no_grad()
    def encode():
        return torch.cat([encoder(batch.to(device)) for batch in scaled.split(BATCH)]).cpu()

    measure(encode, group=GROUPS[n], n_images=n, flops=flops, baseline=True, rounds=11)


@pytest.mark.parametrize("method", ["transform", "predict_proba"])
@pytest.mark.parametrize("n", GROUPS)
def test_ours(measure, model, images, flops, n, method):
    """Call an estimator as users do."""
    measure(
        getattr(model, method), images[:n], group=GROUPS[n], n_images=n, flops=flops, rounds=11
    )
