"""Gradients of a batch, by a second and frugal way where memory runs out."""

import contextlib
import warnings

import torch

from sklearn_cellfate.neural_network._device import generator_states, set_generator_states
from sklearn_cellfate.neural_network._recompute import copy_buffers, put_buffers, recomputed

__all__ = ["GradientsMixin"]


class GradientsMixin:
    """Backward passes of a skorch net, which has ``_recomputes`` set to False before a fit."""

    def _backpropagate(self, optimizer, compute):
        """Compute losses and gradients of a batch; twice, the frugal way, if memory runs out.

        Parameters
        ----------
        optimizer : Optimizer
            Its gradients are zeroed first.
        compute : callable
            Returns outputs of the module and the losses by name, ``"loss"`` the one to minimise.

        Returns
        -------
        outputs : Tensor
            Detached.
        losses : dict of str to Tensor
        """
        if not self._memory_may_run_out:
            return self._gradients(optimizer, compute)
        if not self._recomputes:
            buffers, generators = copy_buffers(self.module_), generator_states(self.device)
            try:
                return self._gradients(optimizer, compute)
            except torch.OutOfMemoryError:
                pass
            # Past the clause, whose traceback keeps the activations of the first attempt.
            self._be_frugal(optimizer)
            put_buffers(buffers)
            set_generator_states(generators, self.device)
        try:
            return self._gradients(optimizer, compute)
        except torch.OutOfMemoryError as error:
            raise torch.OutOfMemoryError(
                f"memory of {self.device} is out at batches of {self.batch_size} images, even "
                "with activations computed twice; use a smaller batch_size."
            ) from error

    @property
    def _memory_may_run_out(self):
        """Whether torch would say so; on a CPU the system ends the process, or swaps."""
        # While a graph is captured, nothing is computed yet.
        return self._on_cuda and not torch.cuda.is_current_stream_capturing()

    def _be_frugal(self, optimizer):
        optimizer.zero_grad()
        if self._on_cuda:
            torch.cuda.empty_cache()
        self._recomputes = True
        warnings.warn(
            f"memory of {self.device} is out at batches of {self.batch_size} images; training "
            "goes on with activations computed twice, to the same result in about a third more "
            "time. A smaller batch_size avoids that.",
            stacklevel=2,
        )

    def _gradients(self, optimizer, compute):
        optimizer.zero_grad()
        with recomputed(self.module_) if self._recomputes else contextlib.nullcontext():
            outputs, losses = compute()
        losses["loss"].backward()
        return outputs.detach(), losses
