"""Networks as they are used once trained: what only training needs is folded away.

Spectral norms and batch norms that follow a convolution become part of its weights; noise and
dropout are left out.
"""

from copy import deepcopy
from functools import singledispatch

from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from sklearn_cellfate.torch_modules._blocks import (
    Dropout,
    GaussianNoise,
    ResidualDown,
    ResidualUp,
)
from sklearn_cellfate.torch_modules._spectral_norm import SpectralConv2d, SpectralLinear

__all__ = ["fold", "take_over"]


@singledispatch
def fold(module):
    """Return a module of plain layers that computes what a module does in evaluation mode.

    Parameters
    ----------
    module : Encoder, Decoder or a part of either, in evaluation mode
        Not changed; the result holds copies of its weights.

    Returns
    -------
    folded : Module
        Gives the same output, to rounding; cannot be trained.

    Raises
    ------
    TypeError
        If there is a block in it that cannot be folded.
    """
    if any(module.children()):
        raise TypeError(f"blocks of type {type(module).__name__} cannot be folded.")
    return deepcopy(module).eval().requires_grad_(False)


@fold.register
def _(module: nn.Sequential):
    layers = []
    for layer in map(fold, module):
        if isinstance(layer, nn.Identity):
            continue
        if layers and isinstance(layer, nn.BatchNorm2d) and isinstance(layers[-1], nn.Conv2d):
            _take_in(layers[-1], layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


@fold.register
def _(module: nn.ReLU):
    return nn.ReLU(inplace=True)  # what comes before it are convolutions and norms


@fold.register(Dropout)
@fold.register(GaussianNoise)
def _(module):
    return nn.Identity()


@fold.register
def _(module: SpectralConv2d):
    plain = _UnsetConv2d(
        module.in_channels,
        module.out_channels,
        module.kernel_size[0],
        stride=module.stride[0],
        padding=module.padding[0],
    )
    return take_over(plain, module.normalized_weight(), module.bias)


@fold.register
def _(module: SpectralLinear):
    plain = _UnsetLinear(module.in_features, module.out_features)
    return take_over(plain, module.normalized_weight(), module.bias)


@fold.register
def _(module: ResidualDown):
    return _FoldedDown(fold(module.path), fold(module.skip))


@fold.register
def _(module: ResidualUp):
    return _FoldedUp(fold(module.before), fold(module.path), fold(module.skip), module.size)


class _Unset:
    """Draw no first weights: that would move torch's generator."""

    def reset_parameters(self):
        pass


class _UnsetConv2d(_Unset, nn.Conv2d):
    pass


class _UnsetLinear(_Unset, nn.Linear):
    pass


class _FoldedDown(nn.Module):
    def __init__(self, path, skip):
        super().__init__()
        self.path, self.skip = path, skip

    def forward(self, x):
        return self.path(x).add_(self.skip(x))


class _FoldedUp(nn.Module):
    def __init__(self, before, path, skip, size):
        super().__init__()
        self.before, self.path, self.skip, self.size = before, path, skip, size

    def forward(self, x):
        path = self.path(F.interpolate(self.before(x), size=self.size, mode="nearest"))
        return path.add_(F.interpolate(self.skip(x), size=self.size, mode="nearest"))


def _take_in(convolution, norm):
    """Let a folded convolution do what the batch norm behind it does."""
    take_over(
        convolution,
        *fuse_conv_bn_weights(
            convolution.weight,
            convolution.bias,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
        ),
    )


def take_over(layer, weight, bias):
    """Give a layer its weights, to use and not to train."""
    layer.weight = nn.Parameter(weight.detach(), requires_grad=False)
    layer.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return layer.eval()
