"""The paper's networks and its training step as one writes them in plain torch, to compare with.

torch's own layers throughout: spectral norm by parametrization, upsampling before the convolution,
dropout, MS-SSIM by convolutions with a Gaussian window.
"""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from sklearn_cellfate.torch_modules import covariance_loss, supervised_contrastive_loss

__all__ = ["PlainAutoencoder"]

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001)


class Noise(nn.Module):
    """Gaussian noise in training."""

    def forward(self, x):
        """Add it."""
        return x + 0.003 * torch.randn_like(x) if self.training else x


def convolution(n_in, n_out, side, **how):
    """Convolution of a normalised weight."""
    return spectral_norm(nn.Conv2d(n_in, n_out, side, padding=side // 2, **how))


class Block(nn.Module):
    """Residual block that halves, or doubles, height and width."""

    def __init__(self, n_in, n_out, *, doubles=False):
        super().__init__()
        stride = 1 if doubles else 2
        enlarge = [nn.Upsample(scale_factor=2)] if doubles else []
        self.path = nn.Sequential(
            nn.BatchNorm2d(n_in),
            nn.ReLU(),
            *enlarge,
            convolution(n_in, n_out, 3, stride=stride),
            Noise(),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            convolution(n_out, n_out, 3),
            Noise(),
        )
        self.skip = nn.Sequential(*enlarge, convolution(n_in, n_out, 1, stride=stride))

    def forward(self, x):
        """Add both ways."""
        return self.path(x) + self.skip(x)


class PlainAutoencoder(nn.Module):
    """Networks for images of 20 x 20 pixels, their optimisers, and a step of stage two."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            convolution(1, 2, 3),
            nn.ReLU(),
            Block(2, 8),
            nn.Dropout(0.3),
            Block(8, 16),
            nn.Dropout(0.3),
            nn.Flatten(),
            Noise(),
            nn.SiLU(),
            spectral_norm(nn.Linear(400, 2)),
            Noise(),
        )
        self.decoder = nn.Sequential(
            spectral_norm(nn.Linear(2, 400)),
            nn.Unflatten(1, (16, 5, 5)),
            Noise(),
            Block(16, 8, doubles=True),
            nn.Dropout(0.3),
            Block(8, 2, doubles=True),
            nn.Dropout(0.3),
            convolution(2, 1, 3),
            nn.Sigmoid(),
        )
        self.discriminator = nn.Sequential(
            nn.Linear(2, 32),
            nn.LeakyReLU(0.2),
            nn.Linear(32, 16),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.3),
            nn.Linear(16, 1),
            nn.Flatten(0),
        )
        ours = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(ours, 0.001, betas=(0.0, 0.9))
        self.opponent = torch.optim.Adam(self.discriminator.parameters(), 0.001, betas=(0.0, 0.9))
        window = torch.exp(-0.5 * torch.arange(-2.0, 3.0) ** 2)
        window = torch.outer(window, window) / window.sum() ** 2
        self.register_buffer("window", window[None, None])

    def step(self, images, labels):
        """Update autoencoder, then discriminator; return the loss."""
        latents = self.encoder(images)
        loss = 8 * (1 - self.ms_ssim(images, self.decoder(latents)).mean())
        loss = loss + 4 * bce(self.discriminator(latents), 0.9)
        loss = loss + 6 * supervised_contrastive_loss(latents, labels)
        loss = loss + 1e-4 * covariance_loss(latents)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        real = bce(self.discriminator(torch.randn_like(latents)), 0.9)
        fake = bce(self.discriminator(latents.detach()), 0.1)
        self.opponent.zero_grad()
        (0.5 * (real + fake)).backward()
        self.opponent.step()
        return loss.detach()

    def ms_ssim(self, x, y):
        """Multi-scale structural similarity."""
        product = 1.0
        for scale, weight in enumerate(SCALE_WEIGHTS):
            padded = [F.pad(image, [2] * 4, mode="reflect") for image in (x, y)]
            mx, my, mxx, myy, mxy = (
                F.conv2d(image, self.window)
                for image in (*padded, *(image**2 for image in padded), padded[0] * padded[1])
            )
            similar = (2 * (mxy - mx * my) + 9e-4) / (mxx - mx**2 + myy - my**2 + 9e-4)
            if scale == len(SCALE_WEIGHTS) - 1:
                similar = similar * (2 * mx * my + 1e-4) / (mx**2 + my**2 + 1e-4)
            product = product * similar.mean((2, 3)).clamp_min(1e-3) ** (
                weight / sum(SCALE_WEIGHTS)
            )
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        return product.mean(1)


def bce(logits, label):
    """Cross-entropy with a smoothed label."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
