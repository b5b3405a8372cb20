"""Passes outside training: whatever their size and however rows get there, a row is a row.

There may be no GPU here: the CPU takes its place as the device, and events that are written down
that of its own.
"""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_cellfate.neural_network import AAEClassifier, EfficientNetClassifier, _passes
from sklearn_cellfate.neural_network._autoencoder_net import AdversarialAutoencoderNet
from sklearn_cellfate.neural_network._passes import apply_in_passes

ROWS = np.random.default_rng(0).random((23, 2, 4, 4), dtype=np.float32)
CPU = torch.device("cpu")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)).eval()


class Device:
    """A GPU and its stream: what it is told to copy is under way until somebody asks."""

    def __init__(self, monkeypatch):
        self.under_way, self.events = [], []
        monkeypatch.setattr(_passes, "is_staged", lambda device: True)
        monkeypatch.setattr(_passes, "pinned_like", lambda rows: torch.from_numpy(rows * np.nan))
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: self)
        monkeypatch.setattr(torch.cuda, "Event", lambda: Event(self))


class Event:
    """Of CUDA: known to have happened once waited for."""

    def __init__(self, device):
        self.device = device
        device.events.append(self)

    def record(self, stream):
        assert stream is self.device
        self.device.under_way.append(self)

    def synchronize(self):
        queue = self.device.under_way
        if self in queue:
            del queue[: queue.index(self) + 1]


@pytest.mark.parametrize("size", [1, 4, 22, 23, 24, 64])
@pytest.mark.parametrize("staged", [False, True])
def test_passes_of_any_size_give_what_the_network_gives(network, size, staged, monkeypatch):
    device = Device(monkeypatch) if staged else None
    with torch.no_grad():
        expected = network(torch.from_numpy(ROWS)).numpy()
    np.testing.assert_allclose(apply_in_passes(network, ROWS, size, CPU), expected, atol=1e-6)
    if staged:
        assert len(device.events) == (1 if size >= len(ROWS) else 2)


def test_a_buffer_is_filled_again_only_once_the_device_has_read_it(monkeypatch):
    device, ahead = Device(monkeypatch), []

    def network(x):
        ahead.append(len(device.under_way))
        return x.flatten(1).clone()

    found = apply_in_passes(network, ROWS, 5, CPU)
    np.testing.assert_array_equal(found, ROWS.reshape(23, -1))
    assert ahead == [1, 2, 2, 2, 2]


def test_rows_are_scaled_on_the_device_as_on_the_host(network):
    scale = (np.array([0.3, 0.1], np.float32)[:, None, None], np.float32([[[0.7]], [[1.3]]]))
    scaled = (ROWS - scale[0]) / scale[1]
    np.testing.assert_array_equal(
        apply_in_passes(network, ROWS, 4, CPU, scale), apply_in_passes(network, scaled, 4, CPU)
    )


def test_results_leave_the_device_when_they_have_become_many(network, monkeypatch):
    expected = apply_in_passes(network, ROWS, 4, CPU)
    monkeypatch.setattr(_passes, "RESULT_BYTES", 50)
    np.testing.assert_array_equal(apply_in_passes(network, ROWS, 4, CPU), expected)


def test_a_row_does_not_depend_on_its_companions_in_passes_as_large_as_on_a_gpu(monkeypatch):
    monkeypatch.setattr(AdversarialAutoencoderNet, "most_at_once", {"cpu": 300})
    rng = np.random.default_rng(0)
    images, labels = rng.random((700, 1, 8, 8)), np.arange(700) % 2
    model = AAEClassifier(pretrain_epochs=0, max_epochs=1, random_state=0, device="cpu")
    model.fit(images[:40], labels[:40])
    assert model.net_.inference_batch == 300
    together = model.transform(images)
    for rows in ([0], [299], [699], range(100, 650)):
        np.testing.assert_array_equal(model.transform(images[rows]), together[rows])
    monkeypatch.undo()
    np.testing.assert_allclose(model.transform(images), together, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        AAEClassifier(pretrain_epochs=0, max_epochs=1, random_state=0),
        AAEClassifier(pretrain_epochs=0, max_epochs=1, random_state=0, augment=True),
        EfficientNetClassifier("tiny", max_epochs=1, random_state=0),
    ],
    ids=["autoencoder", "with symmetries", "EfficientNet"],
)
def test_pixels_as_they_come_give_what_scaled_ones_give(model):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 900, (40, 2, 8, 8)).astype(np.uint16)
    model.set_params(device="cpu").fit(images, np.arange(40) % 2)
    read = model._read_images(images)
    np.testing.assert_array_equal(model.transform(images), model._encode(model._scale(read)))


def test_read_only_pixels_are_taken_without_a_warning():
    images = np.random.default_rng(0).random((40, 1, 8, 8), dtype=np.float32)
    model = AAEClassifier(pretrain_epochs=0, max_epochs=1, random_state=0, device="cpu")
    model.fit(images, np.arange(40) % 2)
    expected = model.transform(images)
    images.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(model.transform(images), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_features_are_those_of_the_cpu_and_a_row_is_a_row():
    rng = np.random.default_rng(0)
    images, labels = rng.random((20_000, 1, 8, 8), dtype=np.float32), np.arange(20_000) % 2
    model = AAEClassifier(pretrain_epochs=0, max_epochs=1, random_state=0, device="cuda")
    model.fit(images[:40], labels[:40])
    assert 20_000 > 2 * model.net_.inference_batch  # buffers take turns
    together = model.transform(images)
    for rows in ([0], [19_999], range(8000, 8400)):
        np.testing.assert_array_equal(model.transform(images[rows]), together[rows])
    network = model.net_._for_inference(model.net_.module_.encoder).cpu()
    on_cpu = apply_in_passes(network, model._scale(images[:500]), 64, CPU)
    # Convolutions of a GPU may round to ten bits.
    np.testing.assert_allclose(together[:500], on_cpu, atol=0.02)
