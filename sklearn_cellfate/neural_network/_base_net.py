"""What the skorch nets of all estimators share: epochs over whole batches, weights as arrays."""

import numpy as np
import pandas as pd
import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch.utils._pytree import tree_map_only

from sklearn_cellfate.neural_network._batches import EpochBatches
from sklearn_cellfate.neural_network._schedule import lr_factor

__all__ = ["BaseNet"]

# Pixels in one forward pass outside training, all images together. On a CPU more gain nothing
# (V2-S at 224 pixels: 212 ms an image two at a time, 200 four at a time), and whoever asks for one
# image pays for all of them.
INFERENCE_PIXELS = {"cpu": 2**17, "cuda": 2**23}


class BaseNet(NeuralNet):
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

    # Images in one forward pass outside training, at most.
    most_at_once = {"cpu": 128, "cuda": 128}

    def __init__(self, module, criterion, *, lr_schedule="constant", warmup=0.0, **kwargs):
        self.lr_schedule = lr_schedule
        self.warmup = warmup
        super().__init__(module, criterion, **kwargs)

    @property
    def inference_batch(self):
        """Images a forward pass outside training, always: fewer of large ones.

        With one shape for every call, an image's features cannot depend on how many were asked
        for. They would: with passes of 1, 4 or 8 images the CPU's libraries choose other ways to
        sum, and the last bits differ from those of passes of 32.
        """
        _, height, width = self.module__image_shape
        kind = "cuda" if self._on_cuda else "cpu"
        return min(max(INFERENCE_PIXELS[kind] // (height * width), 1), self.most_at_once[kind])

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

    # skorch's hooks

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer())]

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
        total, n_rows = None, 0
        for number, batch in enumerate(iterator):
            if training:
                self._set_lr((number + 0.5) / len(iterator))
            self.notify("on_batch_begin", batch=batch, training=training)
            losses = step_fn(batch, **fit_params)
            values = torch.stack([loss.detach() for loss in losses.values()]) * len(batch[0])
            total = values if total is None else total + values
            n_rows += len(batch[0])
            self.notify("on_batch_end", batch=batch, training=training, **losses)
        for name, value in zip(losses, (total / n_rows).tolist()):
            self.history.record(f"{prefix}_{name}", value)
        # Stages minimise different sums, so only epochs of one stage are compared.
        stage = self.history[-1, "stage"]
        past = [row[f"{prefix}_loss"] for row in self.history if row["stage"] == stage]
        self.history.record(f"{prefix}_loss_best", past[-1] == min(past))

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
        """
        self._visits = torch.from_numpy(rows.visits)
        self._scheduled = scheduled
        self._first_epoch, self._n_epochs = len(self.history), n_epochs
        if held_out is not None:
            self.train_split = predefined_split(Dataset(*self._tensors(held_out)))
        try:
            self.partial_fit(*self._tensors(rows), epochs=n_epochs)
        finally:
            self.train_split = None
            del self._visits
        return self

    def encode(self, images):
        """Features of scaled images, float32."""
        return self._infer(self.module_.encoder, images)

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

    def get_weights(self):
        """Copy the networks' weights, as NumPy arrays by name."""
        return {
            f"{prefix}.{name}": tensor.detach().cpu().numpy().copy()
            for prefix, network in self.networks.items()
            for name, tensor in network.state_dict().items()
        }

    def set_weights(self, weights):
        """Load what `get_weights` returned."""
        for prefix, network in self.networks.items():
            network.load_state_dict(
                {
                    name: torch.from_numpy(np.array(weights[f"{prefix}.{name}"]))
                    for name in network.state_dict()
                }
            )

    def get_state(self, with_optimizers):
        """Copy what a pickle needs: weights and history, and the optimisers if asked."""
        optimizers = self.optimizers if with_optimizers else ()
        return {
            "device": str(self.device),
            "history": self.history,
            "weights": self.get_weights(),
            "optimizers": [as_arrays(optimizer.state_dict()) for optimizer in optimizers],
        }

    def set_state(self, state):
        """Take over what `get_state` returned."""
        self.set_weights(state["weights"])
        self.history = state["history"]
        for optimizer, arrays in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(as_tensors(arrays))

    def _set_lr(self, share_of_epoch):
        if self.lr_schedule == "constant" and not self.warmup:
            return  # callbacks may have a schedule of their own
        n_done = len(self.history) - 1 - self._first_epoch
        progress = (n_done + share_of_epoch) / self._n_epochs
        factor = lr_factor(progress, self.lr_schedule, self.warmup) if self._scheduled else 1.0
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

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

    @torch.no_grad()
    def _infer(self, network, rows):
        self._set_training(False)
        results, size = [], self.inference_batch
        for start in range(0, len(rows), size):
            batch = torch.from_numpy(rows[start : start + size])
            padded = batch.new_zeros(size, *batch.shape[1:])
            padded[: len(batch)] = batch
            results.append(network(padded.to(self.device))[: len(batch)].cpu())
        return torch.cat(results).numpy()


def as_arrays(state):
    """Copy nested containers with NumPy arrays in place of tensors, which may lie on a device."""
    return tree_map_only(torch.Tensor, _as_array, state)


def _as_array(tensor):
    tensor = tensor.detach().cpu()
    # NumPy has no bfloat16; float32 holds its numbers exactly.
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy().copy()


def as_tensors(state):
    """Turn what `as_arrays` made into tensors."""
    return tree_map_only(np.ndarray, lambda array: torch.from_numpy(np.array(array)), state)
