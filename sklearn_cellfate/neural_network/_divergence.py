"""Training that ran into numbers without end: what is raised, and what is likely to blame."""

import torch
from torch.nn.utils import get_total_norm

__all__ = ["DivergenceError", "check_finite"]

# Scaled pixels lie around 0 to 1, or within a few standard deviations of 0.
EXTREME_PIXEL = 1e3
LARGE_LR = 0.1


class DivergenceError(FloatingPointError, ValueError):
    """The loss or the weights became NaN or infinite while training.

    The estimator whose ``fit`` raised it stays as it was before.

    Parameters
    ----------
    message : str
        Where it happened, and what is likely to blame.

    Attributes
    ----------
    epoch : int
        Epoch in which it happened, as in ``history_``.
    batch : int
        Mini-batch of the epoch, from 1.
    model : estimator or None
        Fitted with the weights of the best epoch before: the one that `early_stopping` would
        have kept, otherwise that of the lowest training loss. None if it happened in the first
        epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.neural_network import AdversarialAutoencoder, DivergenceError
    >>> images = np.random.default_rng(0).random((120, 1, 8, 8))
    >>> images[0] = 1e30  # the camera's way to say that there is none
    >>> try:
    ...     AdversarialAutoencoder(random_state=0).fit(images)
    ... except DivergenceError as error:
    ...     print(error)
    training diverged in epoch 1, batch ... of 4: ... Likely cause: pixel values; 1 of 120 images
    have pixels up to 1e+30 times the range of the others. Look at these images, drop or clip them.
    """

    def __init__(self, message):
        super().__init__(message)
        self.epoch, self.batch, self.model = None, None, None


def check_finite(losses, names, networks, images, *, epoch, lr):
    """Raise where an epoch's losses, or the weights after it, are no finite numbers.

    Parameters
    ----------
    losses : Tensor of shape (n_batches, n_losses)
        Of each mini-batch, on the CPU.
    names : list of str
        Names of the losses.
    networks : iterable of Module
        What was trained.
    images : Tensor of shape (n, C, H, W)
        Scaled images trained on.
    epoch : int
        Number of the epoch, for the message.
    lr : float
        The learning rate.

    Raises
    ------
    DivergenceError
        If there is any.
    """
    wrong = ~torch.isfinite(losses)
    if wrong.any():
        batch = int(wrong.any(1).nonzero()[0])
        of_batch = dict(zip(names, losses[batch].tolist()))
        # The sum says nothing of which of its terms it is.
        guilty = [name for name, bad in zip(names, wrong[batch]) if bad]
        name = next((name for name in guilty if name != "loss"), "loss")
        found = f"the training loss {name!r} is {of_batch[name]}"
    elif not torch.isfinite(_norm(networks)):
        batch, found = len(losses) - 1, "the weights are no longer finite"
    else:
        return
    error = DivergenceError(
        f"training diverged in epoch {epoch}, batch {batch + 1} of {len(losses)}: {found}. "
        f"Likely cause: {_likely_cause(images, lr)}."
    )
    error.epoch, error.batch = epoch, batch + 1
    raise error


def _norm(networks):
    values = [
        tensor
        for network in networks
        for tensor in network.state_dict().values()
        if tensor.is_floating_point()
    ]
    return get_total_norm(values).cpu()


def _likely_cause(images, lr):
    largest = float(images.abs().max())
    if largest > EXTREME_PIXEL:
        n_extreme = int((images.abs().amax((1, 2, 3)) > EXTREME_PIXEL).sum())
        return (
            f"pixel values; {n_extreme} of {len(images)} images have pixels up to {largest:.3g} "
            "times the range of the others. Look at these images, drop or clip them"
        )
    # A tenth of a rate that no network bears may be another such rate.
    return f"the learning rate; try lr={min(lr / 10, LARGE_LR):.3g} instead of {lr:.3g}"
