"""Networks and losses in plain torch: no scikit-learn, no skorch."""

from sklearn_cellfate.torch_modules._architecture import Architecture, plan_architecture
from sklearn_cellfate.torch_modules._augment import random_symmetries
from sklearn_cellfate.torch_modules._autoencoder import Autoencoder
from sklearn_cellfate.torch_modules._decoder import Decoder
from sklearn_cellfate.torch_modules._discriminator import Discriminator
from sklearn_cellfate.torch_modules._encoder import Encoder
from sklearn_cellfate.torch_modules._losses import (
    adversarial_loss,
    covariance_loss,
    discriminator_loss,
    supervised_contrastive_loss,
)
from sklearn_cellfate.torch_modules._ms_ssim import MSSSIM
from sklearn_cellfate.torch_modules._objective import AutoencoderObjective
from sklearn_cellfate.torch_modules._spectral_norm import SpectralConv2d, SpectralLinear

__all__ = [
    "MSSSIM",
    "Architecture",
    "Autoencoder",
    "AutoencoderObjective",
    "Decoder",
    "Discriminator",
    "EfficientNetV2",
    "Encoder",
    "SpectralConv2d",
    "SpectralLinear",
    "adversarial_loss",
    "covariance_loss",
    "discriminator_loss",
    "plan_architecture",
    "random_symmetries",
    "supervised_contrastive_loss",
]


def __getattr__(name):
    if name == "EfficientNetV2":  # torchvision takes seconds to import, and autoencoders need none
        from sklearn_cellfate.torch_modules._efficientnet import EfficientNetV2

        return EfficientNetV2
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
