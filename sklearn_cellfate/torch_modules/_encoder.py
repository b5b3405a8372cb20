"""From an image to its latent features."""

from torch import nn

from sklearn_cellfate.torch_modules._blocks import Dropout, GaussianNoise, ResidualDown
from sklearn_cellfate.torch_modules._spectral_norm import SpectralConv2d, SpectralLinear

__all__ = ["Encoder"]


class Encoder(nn.Sequential):
    """Residual convolutional encoder.

    Parameters
    ----------
    architecture : Architecture
        From :func:`plan_architecture`.
    latent_dim : int
        Number of latent features.
    noise_std : float, default=0.003
        Standard deviation of the Gaussian noise between layers, in training.
    dropout : float, default=0.3
        Share of features dropped after each block, in training.
    """

    def __init__(self, architecture, latent_dim, *, noise_std=0.003, dropout=0.3):
        plan = architecture
        layers = [SpectralConv2d(plan.image_shape[0], plan.stem, 3, padding=1), nn.ReLU()]
        for n_in, n_out in zip((plan.stem, *plan.widths), plan.widths):
            layers += [ResidualDown(n_in, n_out, noise_std), Dropout(dropout)]
        for n_in, n_out in zip((plan.widths[-1], *plan.bottleneck), plan.bottleneck):
            layers += [SpectralConv2d(n_in, n_out, 1), nn.LeakyReLU(0.2)]
        channels, height, width = plan.flat_shape
        layers += [
            nn.Flatten(),
            GaussianNoise(noise_std),
            nn.SiLU(),
            SpectralLinear(channels * height * width, latent_dim),
            GaussianNoise(noise_std),
        ]
        super().__init__(*layers)
