"""Encoder and decoder of one shape, side by side."""

from torch import nn

from sklearn_cellfate.torch_modules._architecture import plan_architecture
from sklearn_cellfate.torch_modules._decoder import Decoder
from sklearn_cellfate.torch_modules._encoder import Encoder
from sklearn_cellfate.torch_modules._spectral_norm import normalized_together

__all__ = ["Autoencoder"]


class Autoencoder(nn.Module):
    """Encoder and decoder for images of one shape.

    Parameters
    ----------
    image_shape : tuple of (int, int, int)
        Channels, height and width.
    latent_dim : int
        Number of latent features.
    width : float, default=1.0
        Factor on the number of filters, see :func:`plan_architecture`.
    noise_std : float, default=0.003
        Standard deviation of the Gaussian noise between layers, in training.
    dropout : float, default=0.3
        Share of features dropped after each block, in training.
    """

    def __init__(self, image_shape, latent_dim, *, width=1.0, noise_std=0.003, dropout=0.3):
        super().__init__()
        plan = plan_architecture(image_shape, width)
        self.encoder = Encoder(plan, latent_dim, noise_std=noise_std, dropout=dropout)
        self.decoder = Decoder(plan, latent_dim, noise_std=noise_std, dropout=dropout)

    def forward(self, images):
        """Encode, and decode again.

        Parameters
        ----------
        images : Tensor of shape (n, C, H, W)
            Pixels from 0 to 1.

        Returns
        -------
        latents : Tensor of shape (n, latent_dim)
            Latent features.
        reconstructions : Tensor of shape (n, C, H, W)
            What the decoder makes of them.
        """
        with normalized_together(self):
            latents = self.encoder(images)
            return latents, self.decoder(latents)
