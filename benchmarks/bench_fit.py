"""One fit of the paper's size against bare loops of plain torch, and skorch's own.

    python -m benchmarks fit

2184 images of 20 x 20 pixels, batches of 30, epochs of stage two: 72 steps each.

- plain: a bare loop over `plain_autoencoder.py`, batches cut whole out of a tensor on the device;
- as usual: the same step with a DataLoader, and the loss asked for after every batch;
- skorch: the same step in skorch's own loop, with its loader and callbacks;
- ours, bare loop: our step without skorch;
- ours, whole: epochs as ``AAEClassifier.fit`` runs them, one operation at a time;
  ``over_bare_loop`` is what history, callbacks and checks make of the time of the same step, in
  turns with the bare loop;
- ours, captured: the same as CUDA graphs, on a GPU only. Epochs of one fit, without the first two,
  in which steps are tried and captured. ``over_skorch`` is the time of skorch's loop, in the same
  run, over ours;
- early stopping: a tenth of the rows held out; ``rule_share`` is the time of the stopping rule
  over that of an epoch's training, ``validation_share`` the same of the losses of these rows.

Losses leave the device at the end of each epoch, so the clock of the host is right on a GPU, too.
``share_of_product`` is the time that the step's products would take at the speed of a large matrix
product over the time that it takes. `bench_growth.py` shows how time grows.
"""

import time

import numpy as np
import pytest
import torch
from plain_autoencoder import PlainAutoencoder
from skorch import NeuralNet
from skorch.callbacks import EpochTimer
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from sklearn_cellfate.neural_network import AAEClassifier
from sklearn_cellfate.neural_network._autoencoder_net import AdversarialAutoencoderNet
from sklearn_cellfate.neural_network._rows import TrainingRows

N_IMAGES, BATCH = 2184, 30
GROUP = "an epoch of stage two, 2184 images"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
N_STEPS = N_IMAGES // BATCH
# Epochs of a fit in which a GPU's libraries choose their kernels and steps are captured.
N_WARM = 2
needs_gpu = pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU: torch finds no CUDA device")


def cells():
    """Noise of two classes."""
    rng = np.random.default_rng(0)
    return rng.random((N_IMAGES, 1, 20, 20), dtype=np.float32), np.arange(N_IMAGES) % 2


def tensors():
    """Give the same on the device."""
    return [torch.from_numpy(array).to(DEVICE) for array in cells()]


def batches(images, labels):
    """Cut an epoch's batches."""
    order = torch.randperm(N_IMAGES).to(DEVICE)
    for rows in order.tensor_split(N_IMAGES // BATCH):
        yield images[rows], labels[rows]


@pytest.fixture(scope="module")
def flops():
    """Count what a step needs of one image, multiplications and additions of products alone."""
    model, (images, labels) = PlainAutoencoder().to(DEVICE), tensors()
    with FlopCounterMode(display=False) as counter:
        model.step(images[:BATCH], labels[:BATCH])
    return counter.get_total_flops() / BATCH


def autoencoder(**settings):
    """Make the paper's networks."""
    return AAEClassifier(
        **{"pretrain_epochs": 0, "max_epochs": 1, "batch_size": BATCH, "random_state": 0}
        | settings
    )


def test_plain(measure, flops):
    """A bare loop."""
    model, (images, labels) = PlainAutoencoder().to(DEVICE), tensors()

    def epoch():
        losses = [model.step(*batch) for batch in batches(images, labels)]
        return torch.stack(losses).mean().item()

    measure(epoch, group=GROUP, n_images=N_IMAGES, flops=flops, baseline=True)


def test_as_usual(measure, flops):
    """With torch's loader and a loss a batch."""
    model, (images, labels) = PlainAutoencoder().to(DEVICE), tensors()
    loader = DataLoader(TensorDataset(images.cpu(), labels.cpu()), BATCH, shuffle=True)

    def epoch():
        for batch in loader:
            model.step(*(part.to(DEVICE) for part in batch)).item()

    measure(epoch, group=GROUP, n_images=N_IMAGES, flops=flops)


class SkorchLoop(NeuralNet):
    """skorch as it is, around the plain step; its own optimiser has nothing to do."""

    def train_step(self, batch, **fit_params):
        """Update the networks."""
        images, labels = (part.to(self.device) for part in batch)
        return {"loss": self.module_.step(images, labels), "y_pred": None}


@pytest.fixture(scope="module")
def skorch_seconds():
    """Time epochs of skorch's loop, which asks for the loss of every batch."""
    net = SkorchLoop(
        PlainAutoencoder,
        torch.nn.MSELoss,
        max_epochs=N_WARM + 3,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        device=DEVICE,
    )
    return net.fit(*cells()).history[N_WARM:, "dur"]


def test_skorch(record, benchmark, flops, skorch_seconds):
    """Loop of skorch."""
    record(skorch_seconds, group=GROUP, n_images=N_IMAGES, flops=flops)
    note_step(benchmark, skorch_seconds)


def note_step(benchmark, skorch_seconds):
    """Note what a step of an epoch takes, and how much skorch's loop does."""
    median = benchmark.stats.stats.median
    benchmark.extra_info["ms_per_step"] = 1e3 * median / N_STEPS
    benchmark.extra_info["over_skorch"] = np.median(skorch_seconds) / median


def prepared_net():
    """Give a net at the beginning of stage two, and the rows to train it on."""
    images, codes = cells()
    net = autoencoder().fit(images[:BATCH], codes[:BATCH]).net_
    return net, TrainingRows(images, codes, np.ones(N_IMAGES), None)


@pytest.mark.parametrize("how", ["bare loop", "whole"])
def test_ours(measure, benchmark, flops, skorch_seconds, monkeypatch, how):
    """Our step in a bare loop, and an epoch with all that belongs to a fit."""
    monkeypatch.setattr(AdversarialAutoencoderNet, "_captures_steps", False)
    (net, rows), (images, labels) = prepared_net(), tensors()

    def whole():
        net.fit_images(rows, None, 1, scheduled=False)

    def bare():
        for batch in batches(images, labels):
            net.train_step(batch)

    whole()
    net._recomputes = False
    epochs = {"bare loop": bare, "whole": whole}
    measure(epochs[how], group=GROUP, n_images=N_IMAGES, flops=flops)
    note_step(benchmark, skorch_seconds)
    if how == "whole":
        benchmark.extra_info["over_bare_loop"] = ratio_in_turn(whole, bare)


@needs_gpu
def test_captured(record, benchmark, flops, skorch_seconds):
    """Epochs of a fit on a GPU; the aims are 0.4 ms a step and 20 times skorch's loop."""
    model = autoencoder(max_epochs=N_WARM + 20).fit(*cells())
    record(model.history_["dur"][N_WARM:], group=GROUP, n_images=N_IMAGES, flops=flops)
    note_step(benchmark, skorch_seconds)


def ratio_in_turn(one, other, n_turns=7):
    """Median ratio of the times of two functions that take turns."""
    ratios = []
    for _ in range(n_turns):
        seconds = []
        for function in (one, other):
            started = time.perf_counter()
            function()
            if DEVICE == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - started)
        ratios.append(seconds[0] / seconds[1])
    return float(np.median(ratios))


class StoppingTimes(EpochTimer):
    """Time what comes after an epoch's training: losses of held-out rows, and the rule.

    A timer, since under callbacks of another kind steps are not captured.
    """

    def on_train_begin(self, net, **kwargs):
        """Start the clock."""
        self.epochs, self.ended = [], None

    def on_epoch_begin(self, net, **kwargs):
        """End the epoch before: what follows the callbacks of users is the rule."""
        self._end_epoch()
        self.started, self.validates = time.perf_counter(), None

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        """Note where the held-out rows begin."""
        if not training and self.validates is None:
            self.validates = time.perf_counter()

    def on_epoch_end(self, net, **kwargs):
        """Note the end of the epoch proper."""
        self.ended = time.perf_counter()

    def on_train_end(self, net, **kwargs):
        """End the last epoch."""
        self._end_epoch()

    def _end_epoch(self):
        if self.ended is not None:
            now, training = time.perf_counter(), self.validates - self.started
            self.epochs.append(
                [(now - self.ended) / training, (self.ended - self.validates) / training]
            )
        self.ended = None


def test_early_stopping(measure, benchmark):
    """Hold a tenth of the rows out and judge every epoch by them."""
    times = StoppingTimes()
    n_epochs = N_WARM + 5
    model = autoencoder(
        max_epochs=n_epochs, early_stopping=True, n_iter_no_change=100, callbacks=[times]
    )
    measure(
        model.fit,
        *cells(),
        group="a fit of seven epochs, early stopping",
        n_images=n_epochs * N_IMAGES,
        rounds=2,
    )
    rule, validation = np.median(times.epochs[N_WARM:], axis=0)
    benchmark.extra_info["rule_share"] = float(rule)
    benchmark.extra_info["validation_share"] = float(validation)


@needs_gpu
def test_a_fit_of_paper_size_on_a_gpu(measure, benchmark, skorch_seconds):
    """15 + 60 epochs with all that belongs to a fit, captures too; the aim is 3 s."""
    model = autoencoder(pretrain_epochs=15, max_epochs=60)
    measure(
        model.fit,
        *cells(),
        group="a fit of paper size, GPU",
        n_images=75 * N_IMAGES,
        rounds=3,
    )
    median = benchmark.stats.stats.median
    benchmark.extra_info["seconds"] = median
    benchmark.extra_info["ms_per_step"] = 1e3 * model.history_["dur"].median() / N_STEPS
    benchmark.extra_info["over_skorch"] = 75 * np.median(skorch_seconds) / median
