"""The parts that encoder and decoder are made of."""

import torch
from torch import nn
from torch.nn import functional as F

from sklearn_cellfate.torch_modules._convolution import convolve_enlarged
from sklearn_cellfate.torch_modules._spectral_norm import SpectralConv2d

__all__ = ["Dropout", "GaussianNoise", "ResidualDown", "ResidualUp", "draw_words", "kept_from"]


class GaussianNoise(nn.Module):
    """Add Gaussian noise in training, nothing in evaluation."""

    def __init__(self, std):
        super().__init__()
        self.std = std

    def forward(self, x):
        """Add the noise."""
        if not (self.training and self.std):
            return x
        return torch.add(x, torch.randn_like(x), alpha=self.std)


class Dropout(nn.Dropout):
    """Drop features in training, as torch does, from a quarter of its random bits on a CPU."""

    def forward(self, x):
        """Set some to zero and enlarge the others."""
        if not (self.training and self.p and x.device.type == "cpu"):
            return super().forward(x)
        return x * _draw_kept(x, self.p)


def _draw_kept(x, p):
    """Draw the factors of a dropout on a CPU.

    A draw of 64 bits serves four features; torch's own takes one a feature, and the time of a
    whole convolution.
    """
    threshold, factor = kept_from(p)
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64)
    draw_words(words)
    kept = words.view(torch.int16)[: x.numel()].view(x.shape) >= threshold
    return kept.to(x.dtype) * factor


def kept_from(p):
    """Say of a dropout, of 16 random bits, from what number on features are kept.

    Parameters
    ----------
    p : float
        Probability of a zero, to 16 bits.

    Returns
    -------
    threshold : int
    factor : float
        Of the features kept.
    """
    n_zero = min(round(p * 2**16), 2**16 - 1)
    return n_zero - 2**15, 2**16 / (2**16 - n_zero)


def draw_words(words, generator=None):
    """Fill a tensor of type int64 with random bits."""
    words.random_(-(2**63), None, generator=generator)


class ResidualDown(nn.Module):
    """Residual block that halves height and width.

    Batch norm, ReLU, 3 x 3 convolution of stride 2, noise, batch norm, ReLU, 3 x 3 convolution,
    noise; added to a 1 x 1 convolution of stride 2.
    """

    def __init__(self, n_in, n_out, noise_std):
        super().__init__()
        self.path = nn.Sequential(
            nn.BatchNorm2d(n_in),
            nn.ReLU(),
            SpectralConv2d(n_in, n_out, 3, stride=2, padding=1),
            GaussianNoise(noise_std),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            SpectralConv2d(n_out, n_out, 3, padding=1),
            GaussianNoise(noise_std),
        )
        self.skip = SpectralConv2d(n_in, n_out, 1, stride=2)

    def forward(self, x):
        """Halve."""
        return self.path(x) + self.skip(x)


class ResidualUp(nn.Module):
    """Residual block that enlarges to a given height and width by nearest neighbours.

    The same order as :class:`ResidualDown`, with the upsampling before the first convolution and
    a skip of upsampling and a 1 x 1 convolution.
    """

    def __init__(self, n_in, n_out, size, noise_std):
        super().__init__()
        self.size = tuple(size)
        self.before = nn.Sequential(nn.BatchNorm2d(n_in), nn.ReLU())
        self.path = nn.Sequential(
            SpectralConv2d(n_in, n_out, 3, padding=1),
            GaussianNoise(noise_std),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            SpectralConv2d(n_out, n_out, 3, padding=1),
            GaussianNoise(noise_std),
        )
        self.skip = SpectralConv2d(n_in, n_out, 1)

    def forward(self, x):
        """Enlarge. The skip convolves first: 1 x 1 filters commute with nearest neighbours."""
        first, *others = self.path
        path = convolve_enlarged(self.before(x), first.normalized_weight(), first.bias, self.size)
        for layer in others:
            path = layer(path)
        return path + F.interpolate(self.skip(x), size=self.size, mode="nearest")
