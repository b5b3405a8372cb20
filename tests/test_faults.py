"""Interrupts, kills, full disks, too little memory, numbers without end: what is left after them.

The unbroken fit is the truth: a fit that goes on after a fault must end in the same bits.
"""

import contextlib
import errno
import functools
import hashlib
import io
import pickle
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from conftest import make_blobs_of_light
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback, EarlyStopping

from sklearn_cellfate import write_cells
from sklearn_cellfate.cli import main
from sklearn_cellfate.feature_extraction import IntensityStatistics, PixelFeatures, TraceFeatures
from sklearn_cellfate.neural_network import (
    AAEClassifier,
    AdversarialAutoencoder,
    DivergenceError,
    EfficientNetClassifier,
)
from sklearn_cellfate.neural_network._autoencoder_net import AdversarialAutoencoderNet
from sklearn_cellfate.neural_network._base_net import BaseNet
from sklearn_cellfate.neural_network._efficientnet_net import EfficientNetNet
from sklearn_cellfate.over_sampling import AugmentationOverSampler
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.preprocessing import IntensityScaler, RelativeTimeSampler

AAE = {"pretrain_epochs": 1, "max_epochs": 3, "batch_size": 10, "random_state": 0}
V2 = {"variant": "tiny", "max_epochs": 4, "batch_size": 10, "random_state": 0}
ESTIMATORS = {
    "unsupervised": AdversarialAutoencoder(augment=True, **AAE),
    "criteria": AAEClassifier(early_stopping="criteria", min_epochs=2, max_kl=9, **AAE),
    "patience": AAEClassifier(early_stopping=True, lr_schedule="cosine", **AAE),
    "efficientnet": EfficientNetClassifier(
        n_components=2, frozen_epochs=1, unfreeze_every=1, augment=True, contrast=0.1, **V2
    ),
    "efficientnet, patience": EfficientNetClassifier(early_stopping=True, **V2),
}
each_estimator = pytest.mark.parametrize("name", ESTIMATORS)
IMAGES, LABELS = make_blobs_of_light(40, (1, 8, 8))


def fit(estimator, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return clone(estimator).set_params(**settings).fit(IMAGES, LABELS)


def results(model):
    """All that a user can see of a model: outputs, weights, history."""
    outputs = {"transform": model.transform(IMAGES)}
    if hasattr(model, "predict_proba"):
        outputs["predict_proba"] = model.predict_proba(IMAGES)
    history = {name: model.history_[name].to_numpy() for name in model.history_ if name != "dur"}
    return outputs | model.net_.get_weights() | history


@functools.cache
def unbroken(name):
    """Results of a fit that nothing disturbed."""
    return results(fit(ESTIMATORS[name]))


def assert_same(one, other):
    assert list(one) == list(other)
    for name in one:
        assert_array_equal(one[name], other[name], err_msg=name)


@contextlib.contextmanager
def before_step(number, act):
    """Act before a training step, counted from 1 over the whole block."""
    classes, count = (AdversarialAutoencoderNet, EfficientNetNet), [0]

    def patched(train_step):
        def step(self, batch, **kwargs):
            count[0] += 1
            if count[0] == number:
                act(self)
            return train_step(self, batch, **kwargs)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for net_class in classes:
            patch.setattr(net_class, "train_step", patched(net_class.train_step))
        yield


def ctrl_c(net):
    signal.raise_signal(signal.SIGINT)


# Interrupted fits


@pytest.mark.parametrize("name", ["unsupervised", "patience", "efficientnet"])
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_refit_that_is_interrupted_leaves_the_model_of_before(name, warm_start):
    model = fit(ESTIMATORS[name], warm_start=warm_start)
    before, attributes = results(model), set(vars(model))
    changed = IMAGES[::-1] ** 2 if warm_start else np.concatenate([IMAGES, IMAGES], axis=3)
    with before_step(6, ctrl_c), pytest.raises(KeyboardInterrupt):
        model.fit(changed, LABELS if warm_start else np.arange(40) % 3)
    assert set(vars(model)) == attributes
    assert_same(results(model), before)


@pytest.mark.parametrize("name", ["patience", "efficientnet"])
def test_training_goes_on_after_an_interrupt_as_if_there_was_none(name):
    estimator = clone(ESTIMATORS[name]).set_params(early_stopping=False)
    models = [clone(estimator) for _ in range(2)]
    for model in models:
        model.partial_fit(IMAGES, LABELS)
    with before_step(2, ctrl_c), pytest.raises(KeyboardInterrupt):
        models[0].partial_fit(IMAGES, LABELS)
    for model in models:
        model.partial_fit(IMAGES, LABELS)
    assert_same(results(models[0]), results(models[1]))


def test_a_first_fit_that_is_interrupted_leaves_nothing():
    model = clone(ESTIMATORS["patience"])
    before = dict(vars(model))
    with before_step(6, ctrl_c), pytest.raises(KeyboardInterrupt):
        model.fit(IMAGES, LABELS)
    assert vars(model) == before
    with pytest.raises(NotFittedError):
        model.transform(IMAGES)


def test_an_interrupt_while_held_out_rows_are_judged_is_no_end_of_training(monkeypatch):
    def encode(net, images):
        raise KeyboardInterrupt

    monkeypatch.setattr(BaseNet, "encode", encode)
    with pytest.raises(KeyboardInterrupt):
        fit(ESTIMATORS["patience"])


def test_callbacks_of_skorch_end_a_fit_well():
    stopper = EarlyStopping(monitor="train_loss", patience=1, threshold=1e9, threshold_mode="abs")
    model = fit(ESTIMATORS["unsupervised"], callbacks=[stopper])
    assert 1 <= len(model.history_) < 4
    assert np.isfinite(model.transform(IMAGES)).all()


def test_refits_of_patches_and_of_pixel_constants_are_whole_too(monkeypatch):
    patches = PatchClassifier(make_pipeline(PixelFeatures(), LogisticRegression()), 4)
    patches.fit(IMAGES, LABELS)
    scaler = IntensityScaler().fit(IMAGES)
    expected = patches.predict_proba(IMAGES), scaler.transform(IMAGES)
    for place in (LogisticRegression, IntensityScaler):
        method = "fit" if place is LogisticRegression else "_fit_images"
        monkeypatch.setattr(place, method, lambda *args, **kwargs: ctrl_c(None))
    larger = np.concatenate([IMAGES, IMAGES], axis=3)
    for model in (patches, scaler):
        with pytest.raises(KeyboardInterrupt):
            model.fit(larger, LABELS)
    assert_array_equal(patches.predict_proba(IMAGES), expected[0])
    assert_array_equal(scaler.transform(IMAGES), expected[1])


@pytest.mark.slow
def test_ctrl_c_leaves_the_files_of_the_last_evaluation_alone(cells, tmp_path, capsys):
    table, output = tmp_path / "cells.parquet", tmp_path / "report"
    write_cells(cells, table)
    output.mkdir()
    (output / "report.txt").write_text("of before")
    arguments = ["--target", "fate", "--groups", "donor", "--max-epochs", "2", "--jobs", "1"]
    with before_step(5, ctrl_c):
        status = main(["evaluate", str(table), "--output", str(output), *arguments])
    assert status == 130
    assert {path.name for path in tmp_path.iterdir()} == {"cells.parquet", "report"}
    assert [path.name for path in output.iterdir()] == ["report.txt"]
    assert (output / "report.txt").read_text() == "of before"


# Checkpoints


@each_estimator
def test_a_fit_goes_on_from_its_checkpoint_to_the_same_bits(name, tmp_path):
    for step in (9, 6):  # twice, in the middle of an epoch each time
        with before_step(step, ctrl_c), pytest.raises(KeyboardInterrupt):
            fit(ESTIMATORS[name], checkpoint_dir=tmp_path)
        assert len(list(tmp_path.iterdir())) == 1
    steps = []
    with before_step(1, lambda net: steps.append(len(net.history))):
        model = fit(ESTIMATORS[name], checkpoint_dir=str(tmp_path))
    assert steps == [4]  # the first step of all belongs to the fourth epoch
    assert_same(results(model), unbroken(name))
    assert list(tmp_path.iterdir()) == []


def test_a_warm_start_goes_on_from_its_checkpoint(tmp_path):
    models = [fit(ESTIMATORS["unsupervised"], warm_start=True) for _ in range(2)]
    expected = results(models[0].fit(IMAGES**2))
    models[1].set_params(checkpoint_dir=tmp_path)
    with before_step(9, ctrl_c), pytest.raises(KeyboardInterrupt):
        models[1].fit(IMAGES**2)
    assert_same(results(models[1].fit(IMAGES**2)), expected)


SCRIPT = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import numpy as np
from test_faults import ESTIMATORS, before_step, fit, results

def kill(*args):
    os.kill(os.getpid(), signal.SIGKILL)

if {where!r} == "step":
    with before_step(10, kill):
        fit(ESTIMATORS["patience"], checkpoint_dir={folder!r})
replace, count = os.replace, []
def replace_twice(*args):
    count.append(args)
    kill() if len(count) == 3 else replace(*args)
os.replace = replace_twice
fit(ESTIMATORS["patience"], checkpoint_dir={folder!r})
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["step", "writing"])
def test_a_process_that_was_killed_is_continued_by_the_next(where, tmp_path):
    folder = tmp_path / "checkpoints"
    script = SCRIPT.format(tests=str(Path(__file__).parent), where=where, folder=str(folder))
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(list(folder.glob("*.pt"))) == 1
    assert len(list(folder.iterdir())) == (2 if where == "writing" else 1)
    first_steps = []
    with before_step(1, lambda net: first_steps.append(len(net.history))):
        model = fit(ESTIMATORS["patience"], checkpoint_dir=folder)
    assert first_steps == [{"step": 4, "writing": 3}[where]]
    assert_same(results(model), unbroken("patience"))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("change", ["lr", "pixel", "label"])
def test_the_checkpoint_of_another_fit_is_left_alone(change, tmp_path):
    with before_step(9, ctrl_c), pytest.raises(KeyboardInterrupt):
        fit(ESTIMATORS["patience"], checkpoint_dir=tmp_path)
    (other,) = tmp_path.iterdir()
    content = other.read_bytes()
    images, labels = IMAGES.copy(), LABELS.copy()
    settings = {"lr": 0.002} if change == "lr" else {}
    if change == "pixel":
        images[3, 0, 2, 2] *= 1.001
    if change == "label":
        labels[3] = labels[4]
    estimator = clone(ESTIMATORS["patience"]).set_params(**settings)
    expected = results(clone(estimator).fit(images, labels))
    estimator.set_params(checkpoint_dir=tmp_path)
    with pytest.warns(UserWarning, match=r"1 checkpoint\(s\) of other fits.*from scratch"):
        estimator.fit(images, labels)
    assert_same(results(estimator), expected)
    assert list(tmp_path.iterdir()) == [other] and other.read_bytes() == content


class Payload:
    """Makes a file when it is unpickled."""

    def __reduce__(self):  # noqa: D105
        return (Path.touch, (self.path,))


def sealed(state):
    """Write what a checkpoint would be, checksum and all."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return hashlib.blake2b(buffer.getvalue(), digest_size=32).digest() + buffer.getvalue()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "another fit's", "code"])
def test_a_checkpoint_that_cannot_be_read_is_said_and_not_used(damage, tmp_path):
    folder = tmp_path / "checkpoints"
    with before_step(9, ctrl_c), pytest.raises(KeyboardInterrupt):
        fit(ESTIMATORS["patience"], checkpoint_dir=folder)
    (path,) = folder.iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    payload = Payload()
    payload.path = tmp_path / "code was run"
    if damage == "another fit's":
        path.write_bytes(sealed({"key": "other"}))
    elif damage == "code":
        path.write_bytes(sealed({"key": path.stem.split("-")[1], "net": payload}))
    else:
        cut = path.read_bytes()[:-500]
        path.write_bytes({"cut": cut, "flipped": bytes(content), "empty": b""}[damage])
    estimator = clone(ESTIMATORS["patience"]).set_params(checkpoint_dir=folder)
    with pytest.warns(UserWarning, match="cannot be read.*from scratch"):
        estimator.fit(IMAGES, LABELS)
    assert_same(results(estimator), unbroken("patience"))
    assert not payload.path.exists() and list(folder.iterdir()) == []


def test_a_full_disk_is_said_once_and_training_goes_on(tmp_path, monkeypatch):
    write_bytes, count = Path.write_bytes, []

    def half_of_it(path, content):
        count.append(path)
        if len(count) == 1:
            return write_bytes(path, content)
        write_bytes(path, bytes(content)[:1000])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", half_of_it)
    estimator = clone(ESTIMATORS["patience"]).set_params(checkpoint_dir=tmp_path)
    with (
        before_step(11, ctrl_c),
        pytest.raises(KeyboardInterrupt),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        estimator.fit(IMAGES, LABELS)
    assert len(count) == 3 and len(list(tmp_path.iterdir())) == 1  # nothing half-written
    (warning,) = caught
    assert "No space left on device" in str(warning.message)
    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    first_steps = []
    with before_step(1, lambda net: first_steps.append(len(net.history))):
        estimator.fit(IMAGES, LABELS)
    assert first_steps == [2]  # from the checkpoint of before the disk was full
    assert_same(results(estimator), unbroken("patience"))


def test_two_fits_share_a_folder(tmp_path):
    first, second = (
        clone(ESTIMATORS["unsupervised"]).set_params(checkpoint_dir=tmp_path, random_state=seed)
        for seed in (0, 1)
    )
    with before_step(9, ctrl_c), pytest.raises(KeyboardInterrupt):
        first.fit(IMAGES)
    with (
        before_step(9, ctrl_c),
        pytest.raises(KeyboardInterrupt),
        pytest.warns(UserWarning, match="other fits"),
    ):
        second.fit(IMAGES)
    for model in (first, second):
        with before_step(9, ctrl_c):  # too few steps are left for that
            model.fit(IMAGES)
        expected = clone(model).set_params(checkpoint_dir=None).fit(IMAGES)
        assert_same(results(model), results(expected))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"random_state": None}, "checkpoint_dir needs a random_state"),
        ({"callbacks": [Callback()]}, "cannot be combined with callbacks"),
    ],
)
def test_what_no_checkpoint_can_repeat_is_refused(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        fit(ESTIMATORS["patience"], checkpoint_dir=tmp_path, **settings)


# Too little memory


class Memory:
    """Counts what is kept for backward passes, and is out beyond a limit."""

    def __init__(self, limit=np.inf):
        self.limit, self.used, self.peak = limit, 0, 0

    def pack(self, tensor):
        kept = Kept(tensor, self)
        self.peak = max(self.peak, self.used)
        if self.used > self.limit:
            raise torch.OutOfMemoryError("simulated")
        return kept

    @contextlib.contextmanager
    def used_by_training(self):
        def patched(train_step):
            def step(net, batch, **kwargs):
                with torch.autograd.graph.saved_tensors_hooks(self.pack, lambda kept: kept.tensor):
                    return train_step(net, batch, **kwargs)

            return step

        with pytest.MonkeyPatch.context() as patch:
            for net_class in (AdversarialAutoencoderNet, EfficientNetNet):
                patch.setattr(net_class, "train_step", patched(net_class.train_step))
                patch.setattr(net_class, "_memory_may_run_out", True)  # as on a GPU
            yield self


class Kept:
    """A tensor that takes memory until it is forgotten."""

    def __init__(self, tensor, memory):
        self.tensor, self.memory = tensor.detach(), memory
        self.size = tensor.numel() * tensor.element_size()
        memory.used += self.size

    def __del__(self):  # noqa: D105
        self.memory.used -= self.size


@pytest.mark.parametrize("name", ["unsupervised", "patience", "efficientnet"])
def test_with_too_little_memory_the_same_batches_give_the_same_bits(name):
    with Memory().used_by_training() as enough:
        fit(ESTIMATORS[name])
    with Memory(0.7 * enough.peak).used_by_training() as little:
        with pytest.warns(UserWarning, match="activations computed twice") as caught:
            model = clone(ESTIMATORS[name]).fit(IMAGES, LABELS)
    assert len(caught) == 1
    assert little.peak < enough.peak
    assert_same(results(model), unbroken(name))


def test_far_too_little_memory_is_an_error_that_says_what_to_do():
    model = fit(ESTIMATORS["efficientnet"])
    before = results(model)
    with (
        Memory(10_000).used_by_training(),
        pytest.warns(UserWarning, match="batches of 10 images"),
        pytest.raises(torch.OutOfMemoryError, match="use a smaller batch_size"),
    ):
        model.fit(IMAGES, LABELS)
    assert_same(results(model), before)


# Numbers without end


def break_weights(net):
    with torch.no_grad():
        next(net.module_.parameters()).fill_(torch.nan)


@each_estimator
def test_a_loss_that_is_nan_is_named_and_the_best_epoch_kept(name):
    seen = AllEpochs()
    fit(ESTIMATORS[name], callbacks=[seen])  # the same epochs until it happens
    model = clone(ESTIMATORS[name])
    n_batches = seen.n_batches // 4
    with before_step(3 * n_batches + 2, break_weights):
        with pytest.raises(DivergenceError, match="Likely cause: the learning rate") as caught:
            model.fit(IMAGES, LABELS)
    error = caught.value
    assert (error.epoch, error.batch) == (4, 2)
    assert f"epoch 4, batch 2 of {n_batches}" in str(error)
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    kept = error.model
    assert type(kept) is type(model) and len(kept.history_) == 3
    of_stage = kept.history_[kept.history_["stage"] == kept.history_["stage"].max()]
    watched = "valid_log_loss" if "valid_log_loss" in of_stage else "valid_loss"
    if watched not in of_stage:
        watched = "train_loss"
    best = int(of_stage.loc[of_stage[watched].idxmin(), "epoch"])
    names = [n for n in seen.weights[best] if n.endswith(("weight", "bias"))]
    for parameter in names:
        assert_array_equal(kept.net_.get_weights()[parameter], seen.weights[best][parameter])
    assert np.isfinite(kept.transform(IMAGES)).all()
    again = pickle.loads(pickle.dumps(error))  # as from another process of cross-validation
    assert (again.epoch, again.batch) == (4, 2)
    assert_same(results(again.model), results(kept))


class AllEpochs(Callback):
    """Remembers the weights of each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.weights, self.n_batches = {}, 0

    def on_batch_end(self, net, training, **kwargs):
        self.n_batches += training

    def on_epoch_end(self, net, **kwargs):
        self.weights[len(net.history)] = net.get_weights()


def test_a_file_in_the_place_of_the_checkpoint_folder_is_named(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    for folder in (path, path / "below"):
        with pytest.raises(ValueError, match="checkpoint_dir=.* is a file, or lies below one"):
            fit(ESTIMATORS["patience"], checkpoint_dir=folder)
    assert path.read_text() == ""


@pytest.mark.parametrize("extreme", [1e25, 1e37])
def test_pixels_beyond_measure_are_named_as_the_cause(extreme):
    images = np.tile(IMAGES, (3, 1, 1, 1))
    images[3, 0, 4, 4] = extreme
    with pytest.raises(DivergenceError, match="pixel values; 1 of 120 images") as caught:
        clone(ESTIMATORS["unsupervised"]).fit(images)
    assert caught.value.epoch == 1 and caught.value.model is None


def test_a_learning_rate_without_bounds_is_named():
    with pytest.raises(DivergenceError, match=r"try lr=0\.1 instead of 1e\+30"):
        fit(EfficientNetClassifier(**V2 | {"max_grad_norm": None, "warmup": 0}), lr=1e30)


def test_weights_that_break_after_the_last_batch_are_found():
    def break_after_the_step(net):
        step = net.optimizer_.step

        def broken():
            step()
            break_weights(net)

        net.optimizer_.step = broken

    model = clone(ESTIMATORS["unsupervised"])
    with before_step(16, break_after_the_step):
        with pytest.raises(DivergenceError, match="batch 4 of 4: the weights are no longer"):
            model.fit(IMAGES)


def test_a_checkpoint_of_the_last_good_epoch_is_left(tmp_path):
    with before_step(14, break_weights), pytest.raises(DivergenceError):
        fit(ESTIMATORS["unsupervised"], checkpoint_dir=tmp_path)
    model = fit(ESTIMATORS["unsupervised"], checkpoint_dir=tmp_path)
    assert_same(results(model), unbroken("unsupervised"))


def test_the_number_of_looks_at_the_device_does_not_grow_with_batches(monkeypatch):
    counts = []
    for batch_size in (20, 5):
        count = [0]
        for method in ("item", "tolist", "cpu", "__bool__"):
            original = getattr(torch.Tensor, method)

            def counted(self, *args, original=original, count=count, **kwargs):
                count[0] += 1
                return original(self, *args, **kwargs)

            monkeypatch.setattr(torch.Tensor, method, counted)
        model = clone(ESTIMATORS["unsupervised"]).set_params(batch_size=batch_size)
        model.fit(IMAGES)
        counts.append(count[0])
        monkeypatch.undo()
    assert counts[0] == counts[1] > 0


# Pickles of another version

VERSIONED = [
    AAEClassifier(),
    AdversarialAutoencoder(),
    AugmentationOverSampler(),
    EfficientNetClassifier("tiny"),
    IntensityScaler(),
    IntensityStatistics(),
    PatchClassifier(LogisticRegression()),
    PixelFeatures(),
    RelativeTimeSampler(),
    TraceFeatures(),
]


@pytest.mark.parametrize("estimator", VERSIONED, ids=lambda estimator: type(estimator).__name__)
def test_a_pickle_of_another_version_warns_as_scikit_learn_does(estimator, tmp_path, monkeypatch):
    path = tmp_path / "model.joblib"
    joblib.dump(estimator, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert vars(joblib.load(path)).keys() == vars(estimator).keys()
    monkeypatch.setattr("sklearn_cellfate._versioned.__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match="version 0.* when using version 99.0"):
        joblib.load(path)


def test_a_fitted_model_of_another_version_predicts_the_same(monkeypatch):
    model = fit(ESTIMATORS["patience"])
    pickled = pickle.dumps(model)
    monkeypatch.setattr("sklearn_cellfate._versioned.__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match="AAEClassifier of sklearn-cellfate"):
        assert_same(results(pickle.loads(pickled)), results(model))
