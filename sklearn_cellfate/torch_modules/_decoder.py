"""From latent features back to an image."""

import itertools

from torch import nn

from sklearn_cellfate.torch_modules._blocks import Dropout, GaussianNoise, ResidualUp
from sklearn_cellfate.torch_modules._spectral_norm import SpectralConv2d, SpectralLinear

__all__ = ["Decoder"]


class Decoder(nn.Sequential):
    """Residual convolutional decoder; pixels between 0 and 1.

    Parameters
    ----------
    architecture : Architecture
        The encoder's, walked backwards.
    latent_dim : int
        Number of latent features.
    noise_std : float, default=0.003
        Standard deviation of the Gaussian noise between layers, in training.
    dropout : float, default=0.3
        Share of features dropped after each block, in training.
    """

    def __init__(self, architecture, latent_dim, *, noise_std=0.003, dropout=0.3):
        plan = architecture
        channels, height, width = plan.flat_shape
        layers = [
            SpectralLinear(latent_dim, channels * height * width),
            nn.Unflatten(1, (channels, height, width)),
            GaussianNoise(noise_std),
        ]
        undone = (plan.widths[-1], *plan.bottleneck)[::-1]
        for n_in, n_out in itertools.pairwise(undone):
            layers += [SpectralConv2d(n_in, n_out, 1), nn.LeakyReLU(0.2)]
        n_filters = (plan.stem, *plan.widths)[::-1]
        for n_in, n_out, size in zip(n_filters, n_filters[1:], plan.sides[-2::-1]):
            layers += [ResidualUp(n_in, n_out, size, noise_std), Dropout(dropout)]
        layers += [SpectralConv2d(plan.stem, plan.image_shape[0], 3, padding=1), nn.Sigmoid()]
        super().__init__(*layers)
