"""Steps captured as CUDA graphs: what is captured when, and what is left behind.

There may be no GPU here: a recorder that runs a step anew takes the place of the graph. Like a
graph it reads and writes the same tensors each time, leaves the counters of their versions as they
were, and does nothing while it captures.
"""

import contextlib
import pickle
import warnings
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
import torch
from skorch.callbacks import Callback
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sklearn_cellfate.model_selection import stacked_cross_validate
from sklearn_cellfate.neural_network import AAEClassifier, _captured_step
from sklearn_cellfate.neural_network._autoencoder_net import AdversarialAutoencoderNet
from sklearn_cellfate.neural_network._stacked_adam import StackedAdam
from sklearn_cellfate.neural_network._stacked_fit import _Training
from sklearn_cellfate.neural_network._stacked_program import StackedProgram, StackedState
from sklearn_cellfate.neural_network._stacked_random import SharedStream

# 50 rows give batches of 13 and of 12; three epochs a stage meet each size six times.
N_ROWS, SIZES, STAGES = 50, 2, 2
SETTINGS = {"pretrain_epochs": 3, "max_epochs": 3, "batch_size": 12, "random_state": 0}


def cells():
    rng = np.random.default_rng(0)
    return rng.random((N_ROWS, 1, 8, 8)), np.arange(N_ROWS) % 2


class Recorder:
    """Takes the place of the stream in which steps are tried and captured."""

    def __init__(self, error=None):
        self.error, self.n_streams, self.n_captured, self.n_run = error, 0, 0, 0
        self.generators = []

    def __call__(self, device, generators):
        self.n_streams += 1
        self.generators += generators
        return self

    def run(self, function):
        return function()

    def capture(self, function):
        self.n_captured += 1
        if self.error is not None:
            raise self.error
        result = torch.empty(0)

        def run():
            self.n_run += 1
            with without_versions(function):
                found = function()
            result.resize_(found.shape).copy_(found)

        return run, result


@contextlib.contextmanager
def without_versions(function):
    """Let weights and buffers of a net, where there is one, keep their versions in the block."""
    net = getattr(getattr(function.func, "__self__", None), "net", None)
    tensors = [
        tensor
        for network in ([] if net is None else net.networks.values())
        for tensor in (*network.parameters(), *network.buffers())
    ]
    with contextlib.ExitStack() as kept:
        for tensor in tensors:
            kept.enter_context(torch.autograd._unsafe_preserve_version_counter(tensor))
        yield


@pytest.fixture
def record(monkeypatch):
    """Pretend that steps can be captured."""

    def start(error=None):
        recorder = Recorder(error)
        monkeypatch.setattr(_captured_step, "SideStream", recorder)
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
    assert recorder.n_captured == SIZES * STAGES and recorder.n_streams == 1
    n_steps = 6 * (N_ROWS // SETTINGS["batch_size"])
    assert recorder.n_run == n_steps - SIZES * STAGES * _captured_step.N_EAGER


def test_early_stopping_judges_the_weights_that_a_graph_has_just_changed(record):
    settings = SETTINGS | {"early_stopping": True, "max_epochs": 6}
    alone = AAEClassifier(**settings).fit(*cells())
    recorder = record()
    assert_same_bits(AAEClassifier(**settings).fit(*cells()), alone)
    assert recorder.n_run > 0


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("operation not permitted when stream is capturing"),
        torch.OutOfMemoryError("no room for graphs"),
    ],
    ids=["forbidden", "memory"],
)
def test_what_cannot_be_captured_runs_as_ever_with_one_warning(record, error):
    alone = AAEClassifier(**SETTINGS).fit(*cells())
    recorder = record(error)
    with pytest.warns(UserWarning, match="cannot be captured as CUDA graphs here") as caught:
        model = AAEClassifier(**SETTINGS).fit(*cells())
    assert len(caught) == recorder.n_captured == 1
    assert_same_bits(model, alone)


class DeviceGenerator(torch.Generator):
    """Generator that counts as captured, as one of a GPU in older torch, until its state goes."""

    captured = False

    def clone_state(self):
        """Copy the state, but for what captures it."""
        twin = DeviceGenerator()
        twin.set_state(self.get_state())
        return twin

    def graphsafe_set_state(self, state):
        """Put a state in place."""
        self.set_state(state.get_state())
        self.captured = state.captured


class DeviceDraws(TorchFunctionMode):
    """Refuse to draw from a generator that is captured."""

    def __init__(self, own):
        super().__init__()
        self.own = own

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Call a function of torch."""
        kwargs = kwargs or {}
        drawn_from = kwargs.get("generator") or self.own
        draws = func.__name__ in ("normal_", "uniform_", "random_", "randn_like", "rand_like")
        if draws and getattr(drawn_from, "captured", False):
            raise RuntimeError("Offset increment outside graph capture encountered unexpectedly.")
        return func(*args, **kwargs)


@pytest.fixture
def captures_fail(monkeypatch):
    """Let the capture itself fail, in the stream of a device that is not there."""
    own = DeviceGenerator()

    class Graph:
        def __init__(self):
            self.generators = [own]
            self.register_generator_state = self.generators.append

    @contextlib.contextmanager
    def capture(graph, **options):
        for generator in graph.generators:
            generator.captured = True
        raise RuntimeError("operation failed due to a previous error during capture")
        yield

    for name in ("Stream", "graph_pool_handle", "current_stream", "set_stream"):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    for name in ("device", "stream"):
        monkeypatch.setattr(torch.cuda, name, contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "default_generators", [own])
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    monkeypatch.setattr(torch, "Generator", DeviceGenerator)
    with DeviceDraws(own):
        yield


def test_after_a_capture_that_failed_random_numbers_go_on(monkeypatch, captures_fail):
    alone = AAEClassifier(**SETTINGS, augment=True, device="cpu").fit(*cells())
    monkeypatch.setattr(AdversarialAutoencoderNet, "_captures_steps", True)
    with pytest.warns(UserWarning, match="cannot be captured as CUDA graphs here") as caught:
        model = AAEClassifier(**SETTINGS, augment=True, device="cpu").fit(*cells())
    assert len(caught) == 1
    assert_same_bits(model, alone)


def test_so_do_those_of_a_program(monkeypatch, captures_fail):
    held_out = [range(0, 4), range(4, 8)]
    monkeypatch.setattr(_Training, "_draws_for_all", True)
    alone = stacked_fits(held_out)
    monkeypatch.setattr(_Training, "_captures_steps", True)
    with pytest.warns(UserWarning, match="cannot be captured as CUDA graphs here") as caught:
        fits = stacked_fits(held_out)
    assert len(caught) == 1
    for model, other in zip(fits, alone):
        assert_same_bits(model, other)


def test_an_error_of_the_device_is_the_one_that_is_raised(record, monkeypatch):
    nets = []

    def fail(net, batch):
        nets.append(net)
        for optimizer in net.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["lr"].to("meta")  # its number cannot be had any more
        raise RuntimeError("CUDA error: device-side assert triggered")

    record()
    monkeypatch.setattr(AdversarialAutoencoderNet, "train_step", fail)
    with pytest.raises(RuntimeError, match="device-side assert"):
        AAEClassifier(**SETTINGS, lr=0.002).fit(*cells())
    for optimizer in nets[0].optimizers:
        assert [group["lr"] for group in optimizer.param_groups] == [0.002]


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
    monkeypatch.setattr(_captured_step, "SideStream", recorder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AAEClassifier(**SETTINGS, device="cpu").fit(*cells())
    monkeypatch.setattr(AdversarialAutoencoderNet, "_on_cuda", True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    AAEClassifier(**SETTINGS, callbacks=[Callback()], device="cpu").fit(*cells())
    assert recorder.n_captured == 0
    AAEClassifier(**SETTINGS, device="cpu").fit(*cells())
    assert recorder.n_captured > 0


@pytest.fixture
def stack_as_on_a_gpu(monkeypatch):
    """Let a program draw for all networks at once, and capture its steps if they can be."""
    monkeypatch.setattr(_Training, "_draws_for_all", True)

    def start(captures):
        recorder = Recorder()
        monkeypatch.setattr(_captured_step, "SideStream", recorder)
        monkeypatch.setattr(_Training, "_captures_steps", captures)
        return recorder

    return start


def stacked_fits(held_out):
    """Fit on all rows but some, fold by fold, in one program."""
    folds = [(np.setdiff1d(np.arange(N_ROWS), rows), rows) for rows in held_out]
    model = AAEClassifier(**SETTINGS, augment=True, lr_schedule="cosine", device="cpu")
    options = {"cv": folds, "return_estimator": True}
    return stacked_cross_validate(model, *cells(), **options)["estimator"]


def test_a_captured_program_trains_as_one_of_single_operations(stack_as_on_a_gpu):
    # 46 rows: batches of 16, 15 and 15, so that in three epochs a stage the sixteens stay eager.
    held_out = [range(0, 4), range(4, 8), range(8, 12)]
    stack_as_on_a_gpu(captures=False)
    alone = stacked_fits(held_out)
    recorder = stack_as_on_a_gpu(captures=True)
    for model, other in zip(stacked_fits(held_out), alone):
        assert_same_bits(model, other)
    assert recorder.n_streams == 1 and recorder.n_captured == STAGES
    assert recorder.n_run == STAGES * (3 * 2 - _captured_step.N_EAGER)
    # A graph knows the device's own generator only; this is another.
    assert [type(generator) for generator in recorder.generators] == [torch.Generator]


def test_networks_that_leave_a_captured_program_for_a_step_train_on(stack_as_on_a_gpu):
    held_out = [range(0, 4), range(4, 9), range(9, 13)]  # 46, 45 and 46 rows
    stack_as_on_a_gpu(captures=False)
    alone = stacked_fits(held_out)
    recorder = stack_as_on_a_gpu(captures=True)
    for model, other in zip(stacked_fits(held_out), alone):
        assert_same_bits(model, other)
    assert recorder.n_run > 0


def test_a_program_too_large_to_be_captured_is_halved_at_once(stack_as_on_a_gpu, monkeypatch):
    recorder = stack_as_on_a_gpu(captures=True)
    recorder.error = torch.OutOfMemoryError("no room for graphs")
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: setattr(recorder, "error", None))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fits = stacked_fits([range(0, 4), range(4, 8)])
    assert [len(model.history_) for model in fits] == [6, 6]
    assert recorder.n_streams == 3
    assert recorder.n_captured == 1 + 2 * STAGES


class OnDeviceOnly(TorchDispatchMode):
    """Fail at tensors of the host, but for numbers among the arguments of a kernel.

    Numbers of meta tensors cannot be asked for: torch fails by itself.
    """

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Call a function of torch."""
        result = function(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, torch.Tensor)]
        of_host = [tensor for tensor in tensors if tensor.device.type != "meta"]
        moves = 0 < len(of_host) < len(tensors) and "copy" in str(function)
        if moves or any(tensor.ndim for tensor in of_host):
            pytest.fail(f"{function} works on the host")
        return result


def second_step(step):
    """Watch a step after one that makes constants, as the first, which is never captured, does."""
    step()
    with OnDeviceOnly():
        return step()


@pytest.mark.parametrize(
    "settings",
    [{}, {"augment": True, "prior": "uniform", "contrastive_form": "out", "pretrain_epochs": 9}],
    ids=["stage two", "stage one"],
)
def test_a_step_asks_the_device_for_nothing_and_sends_it_nothing(settings, monkeypatch):
    model = AAEClassifier(**SETTINGS | settings, device="cpu").fit(*cells())
    net = model.net_
    monkeypatch.setattr(AdversarialAutoencoderNet, "_on_cuda", True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    for module in (*net.networks.values(), net.criterion_):
        module.to("meta").train()
    for optimizer in net.optimizers:
        monkeypatch.setattr(optimizer, "step", lambda: None)  # torch's own, made to be captured
    images = torch.empty(13, 1, 8, 8, device="meta")
    labels = torch.empty(13, dtype=torch.int64, device="meta")
    losses = second_step(lambda: net.train_step((images, labels)))
    assert ("contrastive" in losses) == (net.stage == 2)


@pytest.mark.parametrize("pretraining", [True, False])
def test_a_step_of_a_program_does_neither(pretraining):
    net = AAEClassifier(**SETTINGS, device="cpu").fit(*cells()).net_
    program, state = program_without_numbers(net, n_members=3)
    images = torch.empty(13, 3, 1, 8, 8, device="meta")
    labels = torch.empty(13, 3, dtype=torch.int64, device="meta")
    schedule = torch.ones(2, 3, device="meta")
    losses = second_step(
        lambda: program.step(state, images, labels, schedule, pretraining=pretraining)
    )
    assert losses.shape == (3, 6)


def program_without_numbers(net, n_members):
    """Give a program of networks like those of a net, and their state on the meta device."""
    program = StackedProgram(
        net.module_,
        net.discriminator_,
        net.criterion_.similarity.to("meta"),
        contrastive_form="in",
        prior="normal",
        augment=True,
    )
    on_device = torch.ones(n_members, device="meta")
    randomness = SharedStream(torch.full((n_members,), 0.003), torch.full((n_members,), 0.3), None)
    randomness.noise_std = randomness.dropout = on_device
    autoencoder, discriminator = (
        StackedAdam(
            [dict(network.named_parameters())] * n_members, torch.stack([on_device] * 2, 1)
        )
        for network in net.networks.values()
    )
    buffers = {
        name: torch.stack([tensor] * n_members).to("meta")
        for name, tensor in net.module_.named_buffers()
    }
    names = ("reconstruction", "adversarial", "contrastive", "covariance", "pretrain_ratio")
    names += ("temperature", "real_label", "fake_label")
    settings = dict.fromkeys(names, on_device)
    return program, StackedState(autoencoder, discriminator, buffers, settings, randomness)


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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_a_captured_program_gives_the_losses_of_single_operations(monkeypatch):
    model = AAEClassifier(**SETTINGS, noise_std=0, dropout=0, device="cuda")
    options = {"cv": 2, "return_estimator": True}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # as where steps cannot be captured
        captured = stacked_cross_validate(model, *cells(), **options)["estimator"]
    monkeypatch.setattr(_Training, "_captures_steps", False)
    alone = stacked_cross_validate(model, *cells(), **options)["estimator"]
    for ours, theirs in zip(captured, alone):
        np.testing.assert_allclose(
            ours.history_["train_reconstruction"],
            theirs.history_["train_reconstruction"],
            rtol=0.05,
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_a_step_that_cannot_be_captured_goes_on_to_the_same_bits(monkeypatch):
    def asks(net, batch):
        losses = step(net, batch)
        losses["loss"].item()
        return losses

    step = AdversarialAutoencoderNet.train_step
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(AdversarialAutoencoderNet, "train_step", asks)
    with pytest.warns(UserWarning, match="cannot be captured as CUDA graphs here") as caught:
        model = AAEClassifier(**SETTINGS, device="cuda").fit(*cells())
    assert sum("cannot be captured" in str(warning.message) for warning in caught) == 1
    assert torch.rand(2, device="cuda").isfinite().all()  # nor is the generator of others stuck
    monkeypatch.setattr(_captured_step, "N_EAGER", 10**6)
    assert_same_bits(model, AAEClassifier(**SETTINGS, device="cuda").fit(*cells()))
