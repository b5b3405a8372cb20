"""EfficientNet's net, trained by several processes together through Hugging Face accelerate."""

import contextlib

import torch
from skorch import NeuralNet
from skorch.hf import AccelerateMixin
from torch import nn

from sklearn_cellfate.neural_network._efficientnet_net import EfficientNetNet

__all__ = ["AcceleratedEfficientNetNet", "make_accelerator"]


def make_accelerator(**kwargs):
    """Return an ``accelerate.Accelerator`` that leaves placement and precision to the net.

    Parameters
    ----------
    **kwargs
        Of ``Accelerator``.

    Raises
    ------
    ImportError
        If the package is not there.
    """
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise ImportError(
            "distributed=True needs the package accelerate: "
            'pip install "sklearn-cellfate[accelerate]".'
        ) from error
    return Accelerator(device_placement=False, mixed_precision="no", **kwargs)


class AcceleratedEfficientNetNet(AccelerateMixin, EfficientNetNet):
    """Train an EfficientNet in all processes that accelerate knows of, each on its own device.

    All processes hold all rows and draw the same mini-batches; each computes the gradients of its
    share of a batch, and all step by their mean. Outside of a fit it is a net like any other,
    which needs no accelerate.

    Parameters
    ----------
    module : class
        See :class:`EfficientNetNet`.
    accelerator : None
        Made for each fit.
    **kwargs
        As of :class:`EfficientNetNet`.
    """

    def __init__(self, module, *, accelerator=None, **kwargs):
        super().__init__(module, accelerator=accelerator, **kwargs)

    @property
    def networks(self):
        """The network itself, not what accelerate wraps around it."""
        if self.accelerator is None:
            return super().networks
        return {"module": self.accelerator.unwrap_model(self.module_)}

    def fit_images(self, rows, held_out, n_epochs, *, scheduled=True):
        """Train on scaled images, see :class:`BaseNet`; all processes with the same arguments."""
        from accelerate.utils import DistributedDataParallelKwargs

        changes = bool(self.frozen_epochs or self.unfreeze_every)  # which weights are trained
        ways = DistributedDataParallelKwargs(
            broadcast_buffers=False, find_unused_parameters=changes
        )
        self.accelerator = make_accelerator(kwargs_handlers=[ways])
        self._check_share(len(rows.images))
        self._order = _Stream()
        torch.manual_seed(torch.initial_seed() + 1 + self.accelerator.process_index)
        # Gradients are averaged of those weights that are to be trained as it is wrapped.
        self.module_.requires_grad_(True)
        optimizer = self.optimizer_
        try:
            self._initialize_accelerator()
            diverged = super().fit_images(rows, held_out, n_epochs, scheduled=scheduled)
            self._average_batch_norm()
            return diverged
        finally:
            self._unwrap_accelerator()
            self.optimizer_, self.accelerator = optimizer, None
            del self._order

    def get_iterator(self, dataset, training=False):
        """Whole batches, the same in all processes."""
        batches = super().get_iterator(dataset, training)
        return _CommonBatches(batches, self._order) if training else batches

    def train_step(self, batch, **fit_params):
        """Update the network by the share of a batch that is this process's."""
        share = [part[self.accelerator.process_index :: self._n_processes] for part in batch]
        # Means over shares of unequal length would not add up to that over the batch.
        self._weight = len(share[0]) * self._n_processes / len(batch[0])
        losses = super().train_step(share, **fit_params)
        values = torch.stack([loss.detach() for loss in losses.values()]) * self._weight
        return dict(zip(losses, self.accelerator.reduce(values, "mean")))

    @torch.no_grad()
    def validation_step(self, batch, **fit_params):
        """Losses of held-out rows, means over the processes, which must stop together."""
        losses = super().validation_step(batch, **fit_params)
        values = self.accelerator.reduce(torch.stack(list(losses.values())), "mean")
        return dict(zip(losses, values))

    @property
    def _n_processes(self):
        return self.accelerator.num_processes

    def _check_share(self, n_rows):
        least = 2 * self._n_processes  # batch norm cannot do with one row
        if min(self.batch_size, n_rows) < least:
            raise ValueError(
                f"batch_size={self.batch_size} and {n_rows} rows to train on leave fewer than two "
                f"rows a batch to each of {self._n_processes} processes; at least {least} are "
                "needed of both."
            )

    def _backpropagate(self, optimizer, compute):
        # No second attempt with less memory, which the other processes would not take part in.
        optimizer.zero_grad()
        outputs, losses = compute()
        self.accelerator.backward(losses["loss"] * self._weight)
        return outputs.detach(), losses

    def _settle_batch_norm(self):
        super()._settle_batch_norm()
        self._average_batch_norm()

    def _average_batch_norm(self):
        for norm in self.networks["module"].modules():
            if isinstance(norm, nn.BatchNorm2d):
                for buffer in (norm.running_mean, norm.running_var):
                    buffer.copy_(self.accelerator.reduce(buffer, "mean"))

    # The mixin expects an accelerator from the start, and wraps the network at once.

    def _initialize_accelerator(self):
        if self.accelerator is None:
            return self
        # Nothing in the criterion is trained, and on CPUs accelerate fails to wrap such modules.
        criteria, self._criteria = self._criteria, []
        try:
            return super()._initialize_accelerator()
        finally:
            self._criteria = criteria

    def _validate_params(self):
        NeuralNet._validate_params(self)


class _CommonBatches:
    """Batches drawn by a stream of random numbers that all processes share."""

    def __init__(self, batches, stream):
        self.batches, self.images, self._stream = batches, batches.images, stream

    def __iter__(self):
        batches = iter(self.batches)
        while True:
            with self._stream.drawn_from():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def __len__(self):
        return len(self.batches)


class _Stream:
    """Torch's random numbers as they would go on from here."""

    def __init__(self):
        self._state = torch.get_rng_state()

    @contextlib.contextmanager
    def drawn_from(self):
        """Let torch draw from this stream inside the block."""
        outside = torch.get_rng_state()
        torch.set_rng_state(self._state)
        try:
            yield
        finally:
            self._state = torch.get_rng_state()
            torch.set_rng_state(outside)
