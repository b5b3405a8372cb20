"""The parts that encoder and decoder are made of."""

import torch
from torch import nn
from torch.nn import functional as F

from sklearn_cellfate.torch_modules._spectral_norm import SpectralConv2d

__all__ = ["GaussianNoise", "ResidualDown", "ResidualUp"]


class GaussianNoise(nn.Module):
    """Add Gaussian noise in training, nothing in evaluation."""

    def __init__(self, std):
        super().__init__()
        self.std = std

    def forward(self, x):
        """Add the noise."""
        return x + self.std * torch.randn_like(x) if self.training and self.std else x


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
        path = self.path(F.interpolate(self.before(x), size=self.size, mode="nearest"))
        return path + F.interpolate(self.skip(x), size=self.size, mode="nearest")
