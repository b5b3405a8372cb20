"""EfficientNetClassifier and PatchClassifier against loops written by hand.

    python -m benchmarks cultures

Training: the loop of ``speed_efficientnet.py`` with everything that is known to help. A fit also
standardises pixels, builds the network and settles batch norm. ``ratio of epochs`` leaves that
out: epochs of both take turns, as in ``speed_efficientnet.py``, which is fair on a busy machine
too. Prediction: patches cut, stacked, scored and averaged. On a GPU also EfficientNet-V2-S at 300
pixels, epochs in turns with the loop's; ``share_of_bfloat16`` is of the speed of a large product.
"""

import numpy as np
import pytest
import torch
from speed_efficientnet import AlternateEpochs, HandWrittenLoop, count_training_flops

from sklearn_cellfate.neural_network import EfficientNetClassifier
from sklearn_cellfate.patches import PatchClassifier

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ON_CPU = DEVICE.type == "cpu"
EPOCHS, BATCH = 3, 64
SIDE, PATCH = 512, 64


def cultures(n, side):
    """Noise of two classes."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((n, 1, side, side), dtype=np.float32)
    return images, np.arange(n) % 2


def network(**settings):
    """Make the smallest EfficientNet-V2."""
    return EfficientNetClassifier(
        "tiny", batch_size=BATCH, augment=True, random_state=0, **settings
    )


@pytest.mark.parametrize("side", [20, 32, 64])
@pytest.mark.parametrize("kind", ["EfficientNetClassifier", "hand-written loop"])
def test_training(benchmark, measure, kind, side):
    """Three epochs."""
    n_images = 20_480 // side
    images, labels = cultures(n_images, side)
    loop = HandWrittenLoop(images, labels, "tiny", BATCH, DEVICE)
    by_hand = kind == "hand-written loop"

    def run_loop():
        for _ in range(EPOCHS):
            loop.epoch()

    measure(
        run_loop if by_hand else network(max_epochs=EPOCHS).fit,
        *(() if by_hand else (images, labels)),
        group=f"training, {side} px",
        n_images=EPOCHS * n_images,
        baseline=by_hand,
        rounds=3,
        flops=count_training_flops(loop.network, loop.images[:2]),
    )
    if not by_hand:
        turns = AlternateEpochs(loop)
        network(max_epochs=7, callbacks=[turns]).fit(images, labels)
        ratio = np.median(turns.loop_seconds[1:]) / np.median(turns.seconds[1:])
        benchmark.extra_info["ratio_of_epochs"] = ratio


@pytest.fixture(scope="module")
def epochs_in_turns():
    """Time epochs of V2-S at 300 pixels and of the loop; also give its arithmetic an image."""
    images, labels = cultures(2048, 300)
    loop = HandWrittenLoop(images, labels, "s", 128, DEVICE)
    flops = count_training_flops(loop.network, loop.images[:2])
    turns = AlternateEpochs(loop)
    EfficientNetClassifier(
        "s", batch_size=128, augment=True, max_epochs=6, callbacks=[turns], random_state=0
    ).fit(images, labels)
    seconds = {"EfficientNetClassifier": turns.seconds, "hand-written loop": turns.loop_seconds}
    return seconds, flops


@pytest.mark.skipif(ON_CPU, reason="needs a GPU: torch finds no CUDA device")
@pytest.mark.parametrize("kind", ["EfficientNetClassifier", "hand-written loop"])
def test_training_of_v2_s_on_a_gpu(record, epochs_in_turns, kind):
    """Epochs; the aims are 2000 images/s and 0.35 of what products reach in bfloat16."""
    seconds, flops = epochs_in_turns
    record(
        seconds[kind][1:],
        group="training of V2-S, 300 px, GPU",
        n_images=2048,
        baseline=kind != "EfficientNetClassifier",
        bfloat16=flops,
    )


class LoopOverImages:
    """Cut each image into patches, score them, average."""

    def __init__(self, model):
        inner = model.estimator_
        self.module = inner.net_.module_.eval()
        self.mean, self.std = (
            torch.tensor(values, dtype=torch.float32, device=DEVICE)[:, None, None]
            for values in (inner.pixel_mean_, inner.pixel_std_)
        )

    @torch.inference_mode()
    def __call__(self, images):
        """Probabilities of each image."""
        return np.stack([self._score(torch.from_numpy(image)) for image in images])

    def _score(self, image):
        patches = image.unfold(1, PATCH, PATCH).unfold(2, PATCH, PATCH)
        patches = patches.permute(1, 2, 0, 3, 4).reshape(-1, len(image), PATCH, PATCH)
        batches = ((patches.to(DEVICE) - self.mean) / self.std).split(32 if ON_CPU else 256)
        logits = torch.cat([self.module(batch) for batch in batches])
        return logits.softmax(1).mean(0).cpu().numpy()


@pytest.mark.parametrize("kind", ["PatchClassifier", "hand-written loop"])
def test_patches_of_large_images(measure, kind):
    """Sixty-four patches of 64 x 64 pixels an image."""
    images, labels = cultures(8, SIDE)
    inner = network(max_epochs=1).set_params(augment=False)
    model = PatchClassifier(inner, patch_size=PATCH, max_patches=64, random_state=0)
    model.fit(images, labels)
    by_hand = LoopOverImages(model)
    # A GPU's convolutions round to ten bits, batches of another size otherwise.
    tolerance = 1e-5 if ON_CPU else 1e-2
    np.testing.assert_allclose(by_hand(images), model.predict_proba(images), atol=tolerance)
    measure(
        model.predict_proba if kind == "PatchClassifier" else by_hand,
        images,
        group=f"prediction by patches, {SIDE} px",
        n_images=len(images),
        baseline=kind != "PatchClassifier",
        rounds=3,
    )
