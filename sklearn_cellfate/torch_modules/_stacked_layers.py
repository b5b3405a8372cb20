"""The autoencoder's layers for many networks of one shape at once.

A stack of K networks runs as one: the channels of their images stand side by side, so that a
batch is ``(n, K * C, H, W)``, convolutions are grouped by network and all that works pixel by
pixel needs one call instead of K. Latent features are ``(K, n, features)``, dense layers batched
products. On 20 x 20 images a step is made of small operations whose cost is that of the call.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from sklearn_cellfate.torch_modules._autoencoder import Autoencoder
from sklearn_cellfate.torch_modules._blocks import (
    Dropout,
    GaussianNoise,
    ResidualDown,
    ResidualUp,
)
from sklearn_cellfate.torch_modules._convolution import convolve, convolve_enlarged
from sklearn_cellfate.torch_modules._decoder import Decoder
from sklearn_cellfate.torch_modules._discriminator import Discriminator
from sklearn_cellfate.torch_modules._encoder import Encoder
from sklearn_cellfate.torch_modules._spectral_norm import SpectralConv2d, SpectralLinear
from sklearn_cellfate.torch_modules._stacked_norms import StackedNorms

__all__ = ["StackedWeights", "stack_layers"]


@dataclass
class StackedWeights:
    """Weights of K networks by the names that a single network gives them.

    Attributes
    ----------
    parameters, buffers : dict of str to Tensor of shape (K, ...)
        Layers change the buffers in place, as those of a single network do in training.
    randomness : object
        ``add_noise(x)`` and ``drop(x)`` for tensors of shape (K, n, ...).
    normalized : dict of str to Tensor of shape (K, ...)
        Weights over their spectral norms, by the names of their layers; an autoencoder computes
        them as a pass begins.
    """

    parameters: dict
    buffers: dict
    randomness: Any
    normalized: dict = field(default_factory=dict)


def stack_layers(module, prefix=""):
    """Return a function that does to K batches what K modules like this one do in training.

    Parameters
    ----------
    module : Autoencoder, Discriminator or a part of them
        A network of the stack; only its settings are read.
    prefix : str, default=""
        What the names of its weights start with.

    Returns
    -------
    forward : callable
        Takes a tensor and :class:`StackedWeights`.

    Raises
    ------
    TypeError
        If there is a layer in it that has no stacked form.
    """
    if type(module) not in _STACKED:
        raise TypeError(f"layers of type {type(module).__name__} cannot be stacked.")
    return _STACKED[type(module)](module, prefix)


def _sequential(module, prefix):
    layers = [stack_layers(part, f"{prefix}{name}.") for name, part in module.named_children()]

    def forward(x, weights):
        for layer in layers:
            x = layer(x, weights)
        return x

    return forward


def _autoencoder(module, prefix):
    encode = stack_layers(module.encoder, f"{prefix}encoder.")
    decode = stack_layers(module.decoder, f"{prefix}decoder.")
    normalize = StackedNorms(
        [
            f"{prefix}{name}."
            for name, part in module.named_modules()
            if isinstance(part, (SpectralConv2d, SpectralLinear))
        ]
    )

    def forward(x, weights):
        weights.normalized = normalize(weights.parameters, weights.buffers)
        latents = encode(x, weights)
        return latents, decode(latents, weights)

    return forward


def _residual_down(module, prefix):
    path = stack_layers(module.path, f"{prefix}path.")
    skip = stack_layers(module.skip, f"{prefix}skip.")
    return lambda x, weights: path(x, weights) + skip(x, weights)


def _residual_up(module, prefix):
    before = stack_layers(module.before, f"{prefix}before.")
    first, *others = module.path.named_children()
    convolve_enlarged = _enlarged_convolution(first[1], f"{prefix}path.{first[0]}.", module.size)
    path = [stack_layers(part, f"{prefix}path.{name}.") for name, part in others]
    skip = stack_layers(module.skip, f"{prefix}skip.")

    def forward(x, weights):
        y = convolve_enlarged(before(x, weights), weights)
        for layer in path:
            y = layer(y, weights)
        return y + F.interpolate(skip(x, weights), size=module.size, mode="nearest")

    return forward


def _enlarged_convolution(module, prefix, size):
    def forward(x, weights):
        weight = weights.normalized[prefix]
        bias = weights.parameters[f"{prefix}bias"].flatten()
        return convolve_enlarged(x, weight.flatten(0, 1), bias, size, groups=len(weight))

    return forward


def _convolution(module, prefix):
    (stride, _), (padding, _) = module.stride, module.padding

    def forward(x, weights):
        weight = weights.normalized[prefix]
        return convolve(
            x,
            weight.flatten(0, 1),
            weights.parameters[f"{prefix}bias"].flatten(),
            stride=stride,
            padding=padding,
            groups=len(weight),
        )

    return forward


def _dense(module, prefix):
    spectral = isinstance(module, SpectralLinear)

    def forward(x, weights):
        name = f"{prefix}weight"
        weight = weights.normalized[prefix] if spectral else weights.parameters[name]
        return torch.baddbmm(weights.parameters[f"{prefix}bias"][:, None], x, weight.mT)

    return forward


def _batch_norm(module, prefix):
    def forward(x, weights):
        parameters, buffers = weights.parameters, weights.buffers
        buffers[f"{prefix}num_batches_tracked"] += 1
        return F.batch_norm(
            x,
            buffers[f"{prefix}running_mean"].view(-1),
            buffers[f"{prefix}running_var"].view(-1),
            parameters[f"{prefix}weight"].flatten(),
            parameters[f"{prefix}bias"].flatten(),
            training=True,
            momentum=module.momentum,
            eps=module.eps,
        )

    return forward


def _random(method):
    """Noise or dropout, which see the tensors network by network."""

    def build(module, prefix):
        def forward(x, weights):
            change = getattr(weights.randomness, method)
            if x.ndim == 3:
                return change(x)
            n_members = weights.randomness.n_members
            apart = x.unflatten(1, (n_members, -1)).transpose(0, 1)
            return change(apart).transpose(0, 1).flatten(1, 2)

        return forward

    return build


def _flatten(module, prefix):
    if module.start_dim == 0:  # the discriminator's logits, (K, n, 1)
        return lambda x, weights: x.squeeze(2)
    return lambda x, weights: (
        x.unflatten(1, (weights.randomness.n_members, -1)).transpose(0, 1).flatten(2)
    )


def _unflatten(module, prefix):
    return lambda x, weights: x.unflatten(2, module.unflattened_size).transpose(0, 1).flatten(1, 2)


def _pointwise(module, prefix):
    return lambda x, weights: module(x)


_STACKED = {
    Autoencoder: _autoencoder,
    Decoder: _sequential,
    Discriminator: _sequential,
    Dropout: _random("drop"),
    Encoder: _sequential,
    GaussianNoise: _random("add_noise"),
    ResidualDown: _residual_down,
    ResidualUp: _residual_up,
    SpectralConv2d: _convolution,
    SpectralLinear: _dense,
    nn.BatchNorm2d: _batch_norm,
    nn.Flatten: _flatten,
    nn.LeakyReLU: _pointwise,
    nn.Linear: _dense,
    nn.ReLU: _pointwise,
    nn.SiLU: _pointwise,
    nn.Sequential: _sequential,
    nn.Sigmoid: _pointwise,
    nn.Unflatten: _unflatten,
}
