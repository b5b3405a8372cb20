"""Networks in the form that the rules of layer-wise relevance propagation are written for.

The rules know linear layers and elementwise activations, one after the other. Our networks have
more: batch norm, spectral norm, residual sums, squeeze-excitation gates, noise and dropout. A
canonical network computes the same function of such layers only. What becomes of each follows
Montavon et al. (2019), doi:10.1007/978-3-030-28954-6_10, and for gates, whose factor counts as a
constant so that all relevance follows the signal, Arras et al. (2017), doi:10.18653/v1/W17-5221.
"""

from functools import singledispatch

import torch
from torch import nn
from torch.nn.utils import skip_init
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.efficientnet import FusedMBConv, MBConv
from torchvision.ops import SqueezeExcitation, StochasticDepth

from sklearn_cellfate.torch_modules import SpectralConv2d, SpectralLinear
from sklearn_cellfate.torch_modules._blocks import GaussianNoise, ResidualDown
from sklearn_cellfate.torch_modules._folded import fold, take_over

__all__ = ["Gate", "ResidualSum", "canonize"]


class Gate(nn.Module):
    """Multiply each channel by a factor that counts as a constant.

    Parameters
    ----------
    squeeze_excitation : SqueezeExcitation
        Computes the factors.
    """

    def __init__(self, squeeze_excitation):
        super().__init__()
        self.squeeze_excitation = squeeze_excitation

    def forward(self, x):
        """Multiply."""
        return x * self.squeeze_excitation._scale(x.detach())


class ResidualSum(nn.Module):
    """Sum of two paths, as a linear layer with weights of one.

    Written so, the rule of the convolutions shares relevance between the paths too.
    """

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2), requires_grad=False)

    def forward(self, paths):
        """Add up the paths, the last axis of a tensor."""
        return paths @ self.weight


class Residual(nn.Module):
    """A path and a shortcut around it, added.

    Parameters
    ----------
    path, shortcut : Module
        Both take the input.
    """

    def __init__(self, path, shortcut):
        super().__init__()
        self.path, self.shortcut = path, shortcut
        self.sum = ResidualSum().to(next(path.parameters()))

    def forward(self, x):
        """Apply both and add."""
        return self.sum(torch.stack([self.path(x), self.shortcut(x)], -1))


@singledispatch
def canonize(module):
    """Return a module in canonical form, in evaluation mode; its parts are taken over.

    Parameters
    ----------
    module : Module
        Encoder, whole network or a block of either, in evaluation mode. Hand in a copy.

    Returns
    -------
    canonical : Module
        Gives the same output.

    Raises
    ------
    TypeError
        If a layer has no canonical form.
    """
    if any(module.children()):
        raise TypeError(f"there is no canonical form of {type(module).__name__}.")
    if hasattr(module, "inplace"):
        module.inplace = False  # rules need what went in
    return module


@canonize.register(nn.Sequential)
def _(module):
    layers = []
    for child in map(canonize, module):
        inner = list(child) if isinstance(child, nn.Sequential) else [child]
        layers += [layer for layer in inner if not isinstance(layer, nn.Identity)]
    joined = []
    for layer in layers:
        together = _join(joined[-1], layer) if joined else None
        if together is None:
            joined.append(layer)
        else:
            joined[-1] = together
    return nn.Sequential(*joined)


@canonize.register(MBConv)
@canonize.register(FusedMBConv)
def _(module):
    path = canonize(module.block)
    return Residual(path, nn.Identity()) if module.use_res_connect else path


@canonize.register(SqueezeExcitation)
def _(module):
    return Gate(module)


@canonize.register(ResidualDown)
def _(module):
    return Residual(canonize(module.path), canonize(module.skip))


@canonize.register(SpectralConv2d)
@canonize.register(SpectralLinear)
def _(module):
    return fold(module)


@canonize.register(nn.Dropout)
@canonize.register(StochasticDepth)
@canonize.register(GaussianNoise)
def _(module):
    return nn.Identity()


def _join(before, after):
    """Return one linear layer for two; None where they cannot be joined."""
    if isinstance(after, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
        return fuse_conv_bn_eval(before, after)
    if isinstance(after, nn.Linear) and isinstance(before, nn.Linear):
        return _chain(before, after)
    return None


def _chain(before, after):
    # Between two linear layers a feature may be zero and pass on a score all the same: its share
    # would be divided by zero. Joined, there is no such place.
    chained = skip_init(nn.Linear, before.in_features, after.out_features)
    bias = after.weight @ before.bias + after.bias
    return take_over(chained, after.weight @ before.weight, bias)
