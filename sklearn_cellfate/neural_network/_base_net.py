"""What the skorch nets of all estimators share: epochs over whole batches, weights as arrays."""

import numpy as np
import pandas as pd
import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer
from skorch.dataset import Dataset
from skorch.helper import predefined_split

from sklearn_cellfate.neural_network._batches import EpochBatches
from sklearn_cellfate.neural_network._checkpoint import Checkpoint
from sklearn_cellfate.neural_network._divergence import DivergenceError, check_finite
from sklearn_cellfate.neural_network._gradients import GradientsMixin
from sklearn_cellfate.neural_network._kept_memory import keep_freed_memory, memory_kept
from sklearn_cellfate.neural_network._net_state import StateMixin
from sklearn_cellfate.neural_network._passes import apply_in_passes
from sklearn_cellfate.neural_network._progress import ProgressBar
from sklearn_cellfate.neural_network._schedule import lr_factor
from sklearn_cellfate.neural_network._stopping import EpochMonitor, StopTraining

__all__ = ["BaseNet"]

# Pixels in one forward pass outside training, all images together. On a CPU more gain nothing
# (V2-S at 224 pixels: 212 ms an image two at a time, 200 four at a time), and whoever asks for one
# image pays for all of them.
INFERENCE_PIXELS = {"cpu": 2**17, "cuda": 2**23}
# Bytes of a GPU's memory for each of them: a pass, of a kilobyte a pixel, gets a quarter.
BYTES_A_PIXEL = 2**12

# Callbacks that end no fit by an interrupt.
OWN_CALLBACKS = (Checkpoint, EpochMonitor, EpochTimer, ProgressBar)


class BaseNet(GradientsMixin, StateMixin, NeuralNet):
    """A skorch net that trains on tensors which lie on the device, whole batches at a time.

    A subclass says what a step does (``train_step`` and ``validation_step`` return the losses of
    a batch by name), and which `networks` and `optimizers` belong to its state.

    Parameters
    ----------
    lr_schedule : {"constant", "cosine"}, default="constant"
        See :func:`lr_factor`.
    warmup : float, default=0.0
        Share of a fit over which the learning rate rises.
    **kwargs
        As of :class:`skorch.NeuralNet`.
    """

    # Images in one forward pass outside training, at most. On a CPU 128 of 20 x 20 pixels are a
    # fifth quicker an image, but one alone waits half as long again. A GPU needs thousands to be
    # busy for longer than it takes to launch a pass.
    most_at_once = {"cpu": 64, "cuda": 8192}

    def __init__(self, module, criterion, *, lr_schedule="constant", warmup=0.0, **kwargs):
        self.lr_schedule = lr_schedule
        self.warmup = warmup
        super().__init__(module, criterion, **kwargs)

    @property
    def inference_batch(self):
        """Images a forward pass outside training, always: fewer of large ones.

        With one shape for every call, an image's features cannot depend on how many were asked
        for. They would: with passes of 1, 4 or 8 images the CPU's libraries choose other ways to
        sum, and the last bits differ from those of passes of 32. So one image on a GPU pays for
        a pass of thousands, and another card may give other last bits.
        """
        _, height, width = self.module__image_shape
        device = torch.device(self.device)
        kind = "cuda" if device.type == "cuda" else "cpu"
        n_pixels = INFERENCE_PIXELS[kind]
        if kind == "cuda":
            memory = torch.cuda.get_device_properties(device).total_memory
            n_pixels = min(n_pixels, memory // BYTES_A_PIXEL)
        return min(max(n_pixels // (height * width), 1), self.most_at_once[kind])

    @property
    def networks(self):
        """Networks by name: what is trained and what a pickle holds."""
        return {"module": self.module_}

    @property
    def optimizers(self):
        """Optimisers, whose state a pickle holds with ``warm_start``."""
        return (self.optimizer_,)

    @property
    def stage(self):
        """Number of the training stage of the epoch under way; losses compare within one."""
        return 2

    @property
    def n_epochs_done(self):
        """Epochs of the fit under way that have begun."""
        return len(self.history) - self._first_epoch

    # skorch's hooks

    def initialize(self):
        """Make networks, optimisers and callbacks."""
        keep_freed_memory()
        return super().initialize()

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer())]

    def notify(self, method_name, **kwargs):
        """Call the callbacks; one of skorch's ends a fit by an interrupt of its own."""
        getattr(self, method_name)(self, **kwargs)
        for _, callback in self.callbacks_:
            try:
                getattr(callback, method_name)(self, **kwargs)
            except KeyboardInterrupt as stop:
                if isinstance(callback, OWN_CALLBACKS):
                    raise  # Ctrl-C while they were at work
                raise StopTraining from stop

    def partial_fit(self, X, y=None, **fit_params):
        """Train; unlike skorch's this does not take Ctrl-C for the end of a good fit."""
        self.notify("on_train_begin", X=X, y=y)
        try:
            # A checkpoint may have some of the epochs behind it.
            self.fit_loop(X, y, self._n_epochs - self.n_epochs_done, **fit_params)
        except StopTraining:
            pass
        except DivergenceError as error:
            if self._best_weights is None:
                raise
            self._put_weights(self._best_weights)
            self._diverged = error
        self.notify("on_train_end", X=X, y=y)
        return self

    def get_iterator(self, dataset, training=False):
        """Cut whole batches out of the tensors of a dataset."""
        visits = self._visits if training else None
        return EpochBatches(dataset.X, dataset.y, self.batch_size, visits, shuffle=training)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run an epoch; the losses leave the device once, at its end."""
        if iterator is None:  # no validation rows
            return
        if training:
            self.history.record("stage", self.stage)
        self._set_training(training)
        names, values, sizes = self._run_batches(iterator, training, step_fn, **fit_params)
        values = torch.stack(values).cpu().double()
        if training:
            self._check_finite(values, names, iterator.images)
        for name, value in zip(names, np.average(values, axis=0, weights=sizes).tolist()):
            self.history.record(f"{prefix}_{name}", value)
        # Stages minimise different sums, so only epochs of one stage are compared.
        stage = self.history[-1, "stage"]
        past = [row[f"{prefix}_loss"] for row in self.history if row["stage"] == stage]
        self.history.record(f"{prefix}_loss_best", past[-1] == min(past))
        if training and past[-1] == min(past):
            self._best_weights = self._copy_weights()

    # what the estimators call

    def fit_images(self, rows, held_out, n_epochs, *, scheduled=True):
        """Train on scaled images for some epochs more.

        Parameters
        ----------
        rows : TrainingRows
            Scaled pixels.
        held_out : TrainingRows or None
            Rows on which the losses are recorded, but not trained.
        n_epochs : int
            Number of epochs.
        scheduled : bool, default=True
            Whether these epochs are a fit of their own, over which the learning rate changes, or
            some of many, at a constant rate.

        Returns
        -------
        diverged : DivergenceError or None
            Why training ended early, with the weights of the best epoch before.

        Raises
        ------
        DivergenceError
            If there is no such epoch.
        """
        self._visits = torch.from_numpy(rows.visits)
        self._scheduled = scheduled
        self._first_epoch, self._n_epochs = len(self.history), n_epochs
        self._best_weights, self._diverged, self._recomputes = None, None, False
        if held_out is not None:
            self.train_split = predefined_split(Dataset(*self._tensors(held_out)))
        try:
            with memory_kept():
                self.partial_fit(*self._tensors(rows))
            return self._diverged
        finally:
            self.train_split = None
            del self._visits, self._best_weights, self._diverged

    def encode(self, images, scale=None):
        """Features of images, float32.

        Parameters
        ----------
        images : ndarray of shape (n, C, H, W)
            Scaled, or pixels as they come.
        scale : tuple of two ndarray of shape (C, 1, 1) or None
            What scales the latter on the device: see :func:`apply_in_passes`.

        Returns
        -------
        features : ndarray of shape (n, n_features)
        """
        return self._infer(self.module_.encoder, images, scale)

    def adopt(self, name, value):
        """Train with another value of a parameter from now on."""
        if name == "lr":
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    for key in {"lr", "initial_lr"} & set(group):
                        group[key] *= value / self.lr
        setattr(self, name, value)

    def history_frame(self):
        """History as a table, a row an epoch."""
        rows = [
            {name: row[name] for name in row if name != "batches" and not name.endswith("_best")}
            for row in self.history
        ]
        return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["epoch", "stage"])

    def _run_batches(self, iterator, training, step_fn, **fit_params):
        """Run an epoch's steps; return the names of the losses, theirs and the sizes of each."""
        values, sizes = [], []
        for number, batch in enumerate(iterator):
            if training:
                self._set_lr((number + 0.5) / len(iterator))
            self.notify("on_batch_begin", batch=batch, training=training)
            losses = step_fn(batch, **fit_params)
            values.append(torch.stack([loss.detach() for loss in losses.values()]))
            sizes.append(len(batch[0]))
            self.notify("on_batch_end", batch=batch, training=training, **losses)
        return list(losses), values, sizes

    def _check_finite(self, losses, names, images):
        """Take an epoch that diverged out of the history before saying so."""
        try:
            check_finite(
                losses,
                names,
                self.networks.values(),
                images,
                epoch=len(self.history),
                lr=self.lr,
            )
        except DivergenceError:
            del self.history[-1]
            raise

    def _set_lr(self, share_of_epoch):
        if self.lr_schedule == "constant" and not self.warmup:
            return  # callbacks may have a schedule of their own
        progress = (self.n_epochs_done - 1 + share_of_epoch) / self._n_epochs
        factor = lr_factor(progress, self.lr_schedule, self.warmup) if self._scheduled else 1.0
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                rate = group.setdefault("initial_lr", group["lr"]) * factor
                if isinstance(group["lr"], torch.Tensor):
                    group["lr"].fill_(rate)  # a captured step reads it there
                else:
                    group["lr"] = rate

    @property
    def _on_cuda(self):
        return torch.device(self.device).type == "cuda"

    def _set_training(self, training):
        for network in self.networks.values():
            network.train(training)

    def _tensors(self, rows):
        return tuple(
            None if values is None else torch.from_numpy(values).to(self.device)
            for values in (rows.images, rows.codes)
        )

    def _for_inference(self, network):
        """Return what computes as the network does, once it is not trained."""
        return network

    def _infer(self, network, rows, scale=None):
        self._set_training(False)
        network = self._for_inference(network)
        return apply_in_passes(network, rows, self.inference_batch, self.device, scale)
