"""Steps captured as CUDA graphs: what is captured when, and what is left behind.

There may be no GPU here: a recorder that runs a step anew takes the place of the graph. Like a
graph it reads and writes the same tensors each time, leaves the counters of their versions as they
were, and does nothing while it captures.
"""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from skorch.callbacks import Callback

from sklearn_cellfate.neural_network import AAEClassifier, _captured_step
from sklearn_cellfate.neural_network._autoencoder_net import AdversarialAutoencoderNet

# 50 rows give batches of 13 and of 12; three epochs a stage meet each size six times.
N_ROWS, SIZES, STAGES = 50, 2, 2
SETTINGS = {"pretrain_epochs": 3, "max_epochs": 3, "batch_size": 12, "random_state": 0}


def cells():
    rng = np.random.default_rng(0)
    return rng.random((N_ROWS, 1, 8, 8)), np.arange(N_ROWS) % 2


class Recorder:
    """Takes the place of `capture`."""

    def __init__(self, error=None):
        self.error, self.n_captured, self.n_run = error, 0, 0

    def __call__(self, function, device):
        self.n_captured += 1
        if self.error is not None:
            raise self.error
        names, losses = [], torch.empty(0)

        def run():
            self.n_run += 1
            net = function.func.__self__.net
            tensors = [
                tensor
                for network in net.networks.values()
                for tensor in (*network.parameters(), *network.buffers())
            ]
            versions = [tensor._version for tensor in tensors]
            names[:], found = function()
            torch._C._autograd._unsafe_set_version_counter(tensors, versions)
            losses.resize_(found.shape).copy_(found)

        return run, (names, losses)


@pytest.fixture
def record(monkeypatch):
    """Pretend that steps can be captured."""

    def start(error=None):
        recorder = Recorder(error)
        monkeypatch.setattr(_captured_step, "capture", recorder)
        monkeypatch.setattr(_captured_step, "run_aside", lambda function, device: function())
        monkeypatch.setattr(AdversarialAutoencoderNet, "_captures_steps", True)
        return recorder

    return start


def assert_same_bits(model, other):
    pd.testing.assert_frame_equal(
        model.history_.drop(columns="dur"), other.history_.drop(columns="dur"), check_exact=True
    )
    weights = other.net_.get_weights()
    for name, array in model.net_.get_weights().items():
        np.testing.assert_array_equal(array, weights[name], err_msg=name)


@pytest.mark.parametrize(
    "settings",
    [{}, {"lr_schedule": "cosine", "augment": True}],
    ids=["constant", "cosine"],
)
def test_captured_fits_are_those_of_single_operations(record, settings):
    alone = AAEClassifier(**SETTINGS, **settings).fit(*cells())
    recorder = record()
    model = AAEClassifier(**SETTINGS, **settings).fit(*cells())
    assert_same_bits(model, alone)
    assert recorder.n_captured == SIZES * STAGES
    n_steps = 6 * (N_ROWS // SETTINGS["batch_size"])
    assert recorder.n_run == n_steps - SIZES * STAGES * _captured_step.N_EAGER


def test_early_stopping_judges_the_weights_that_a_graph_has_just_changed(record):
    settings = SETTINGS | {"early_stopping": True, "max_epochs": 6}
    alone = AAEClassifier(**settings).fit(*cells())
    recorder = record()
    assert_same_bits(AAEClassifier(**settings).fit(*cells()), alone)
    assert recorder.n_run > 0


def test_what_cannot_be_captured_runs_as_ever_with_one_warning(record):
    alone = AAEClassifier(**SETTINGS).fit(*cells())
    recorder = record(RuntimeError("operation not permitted when stream is capturing"))
    with pytest.warns(UserWarning, match="cannot be captured as CUDA graphs here") as caught:
        model = AAEClassifier(**SETTINGS).fit(*cells())
    assert len(caught) == recorder.n_captured == 1
    assert_same_bits(model, alone)


def test_optimisers_and_files_are_as_without(record):
    alone = AAEClassifier(**SETTINGS, warm_start=True).fit(*cells())
    record()
    model = AAEClassifier(**SETTINGS, warm_start=True).fit(*cells())
    for optimizer in model.net_.optimizers:
        for group in optimizer.param_groups:
            assert group["lr"] == pytest.approx(0.001) and isinstance(group["lr"], float)
            assert not group["capturable"]
    goes_on = pickle.loads(pickle.dumps(model)).fit(*cells())
    assert_same_bits(goes_on, alone.fit(*cells()))


def test_nothing_is_captured_on_a_cpu_or_under_callbacks_of_others(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(_captured_step, "capture", recorder)
    monkeypatch.setattr(_captured_step, "run_aside", lambda function, device: function())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AAEClassifier(**SETTINGS, device="cpu").fit(*cells())
    monkeypatch.setattr(AdversarialAutoencoderNet, "_on_cuda", True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    AAEClassifier(**SETTINGS, callbacks=[Callback()], device="cpu").fit(*cells())
    assert recorder.n_captured == 0
    AAEClassifier(**SETTINGS, device="cpu").fit(*cells())
    assert recorder.n_captured > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_captured_steps_give_the_losses_of_single_operations(monkeypatch):
    captured = AAEClassifier(**SETTINGS, noise_std=0, dropout=0).fit(*cells())
    monkeypatch.setattr(AdversarialAutoencoderNet, "_captures_steps", False)
    alone = AAEClassifier(**SETTINGS, noise_std=0, dropout=0).fit(*cells())
    np.testing.assert_allclose(
        captured.history_["train_reconstruction"],
        alone.history_["train_reconstruction"],
        rtol=0.05,
    )
