"""EfficientNetClassifier and PatchClassifier against loops written by hand.

    python -m benchmarks cultures

Training: the loop of ``speed_efficientnet.py`` with everything that is known to help. A fit also
standardises pixels, builds the network and settles batch norm, and so does the loop; how much of
its time goes into settling is ``share of settling``. Both keep freed memory while they train.
Ratios "of fits", "of epochs" and "of calls" are of medians of times that took turns, which is fair
on a busy machine too; an epoch has no settling. Prediction: patches cut, stacked, scored and
averaged. On a GPU also EfficientNet-V2-S at 300 pixels, epochs in turns with the loop's;
``share_of_bfloat16`` is of the speed of a large product.
"""

import time
from functools import partial

import numpy as np
import pytest
import torch
from speed_efficientnet import AlternateEpochs, HandWrittenLoop, count_training_flops

from sklearn_cellfate.neural_network import EfficientNetClassifier
from sklearn_cellfate.neural_network._kept_memory import memory_kept
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


def seconds_of(function, *args):
    """Time of a call, the device waited for."""
    started = time.perf_counter()
    function(*args)
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def ratio_of_turns(mine, theirs, rounds):
    """Time of `theirs` over that of `mine`, called in turn."""
    times = [(seconds_of(theirs), seconds_of(mine)) for _ in range(rounds)]
    loop, estimator = np.median(times, axis=0)
    return loop / estimator


@pytest.mark.parametrize("side", [20, 32, 64])
@pytest.mark.parametrize("kind", ["EfficientNetClassifier", "hand-written loop"])
def test_training(benchmark, measure, kind, side):
    """Three epochs, and what else belongs to a fit."""
    n_images = 20_480 // side
    images, labels = cultures(n_images, side)
    settling = []

    def fit_by_hand():
        loop = HandWrittenLoop(images, labels, "tiny", BATCH, DEVICE)
        with memory_kept():
            for _ in range(EPOCHS):
                loop.epoch()
            settling.append(loop.settle())

    def fit():
        network(max_epochs=EPOCHS).fit(images, labels)

    by_hand = kind == "hand-written loop"
    loop = HandWrittenLoop(images, labels, "tiny", BATCH, DEVICE)
    measure(
        fit_by_hand if by_hand else fit,
        group=f"training, {side} px",
        n_images=EPOCHS * n_images,
        baseline=by_hand,
        rounds=5,
        flops=count_training_flops(loop.network, loop.images[:2]),
    )
    extra = benchmark.extra_info
    if by_hand:
        extra["share_of_settling"] = np.median(settling) / benchmark.stats.stats.median
        return
    turns = AlternateEpochs(loop)
    network(max_epochs=11, callbacks=[turns]).fit(images, labels)
    extra["ratio_of_epochs"] = np.median(turns.loop_seconds[1:]) / np.median(turns.seconds[1:])
    extra["ratio_of_fits"] = ratio_of_turns(fit, fit_by_hand, 7)


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
def test_patches_of_large_images(benchmark, measure, kind):
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
        rounds=5,
    )
    if kind == "PatchClassifier":
        benchmark.extra_info["ratio_of_calls"] = ratio_of_turns(
            partial(model.predict_proba, images), partial(by_hand, images), 15
        )
