"""Tells the latent features of cells from draws of the prior."""

from torch import nn

from sklearn_cellfate.torch_modules._blocks import Dropout

__all__ = ["Discriminator"]


class Discriminator(nn.Sequential):
    """Dense network from latent features to the logit of "drawn from the prior".

    Parameters
    ----------
    latent_dim : int
        Number of latent features.
    dropout : float, default=0.3
        Share of features dropped before the last layer, in training.
    """

    def __init__(self, latent_dim, *, dropout=0.3):
        super().__init__(
            nn.Linear(latent_dim, 32),
            nn.LeakyReLU(0.2),
            nn.Linear(32, 16),
            nn.LeakyReLU(0.2),
            Dropout(dropout),
            nn.Linear(16, 1),
            nn.Flatten(0),
        )
