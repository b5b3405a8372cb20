"""What a stacked program is told of its networks, and what it says of them afterwards."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

__all__ = ["StackPlan", "StackedJob", "StackedOutcome"]


@dataclass(frozen=True)
class StackPlan:
    """What networks that train in one program have in common.

    Attributes
    ----------
    n_epochs, pretrain_epochs, batch_size : int
    lr_schedule, prior, contrastive_form : str
    augment : bool
    device : str
    shapes : tuple
        Whatever else must be equal: the architecture, and whether there are classes.
    """

    n_epochs: int
    pretrain_epochs: int
    batch_size: int
    lr_schedule: str
    prior: str
    contrastive_form: str
    augment: bool
    device: str
    shapes: tuple


@dataclass
class StackedJob:
    """A network that is to be trained.

    Attributes
    ----------
    module, discriminator : Module
        With the weights to start from.
    images : ndarray of shape (n, C, H, W)
        Scaled, of the type of the weights; networks that train on the same rows share one array.
    codes : ndarray of shape (n,), int, or None
    visits : ndarray of shape (n,), float64
    generator_state : Tensor
        Of torch's generator as training starts.
    settings : dict of str to float
        See ``StackedState.settings``; also ``lr``, ``betas``, ``noise_std`` and ``dropout``.
    """

    module: Any
    discriminator: Any
    images: np.ndarray
    codes: np.ndarray | None
    visits: np.ndarray
    generator_state: torch.Tensor
    settings: dict


@dataclass
class StackedOutcome:
    """A network that has been trained.

    Attributes
    ----------
    weights : list of two dicts of str to Tensor
        State of the autoencoder and the discriminator.
    optimizers : list of two dicts
        ``step``, and ``exp_avg`` and ``exp_avg_sq`` in the order of the parameters.
    epochs : list of dict
        Rows of the history.
    diverged : bool
        Whether a loss ceased to be finite; then nothing else is of use.
    """

    weights: list = field(default_factory=list)
    optimizers: list = field(default_factory=list)
    epochs: list = field(default_factory=list)
    diverged: bool = False
