"""Numbers that say how good latent features and reconstructions are."""

from sklearn_cellfate.metrics._latent import (
    centroid_separation,
    latent_correlation,
    latent_kl_divergence,
)
from sklearn_cellfate.metrics._ms_ssim import ms_ssim

__all__ = ["centroid_separation", "latent_correlation", "latent_kl_divergence", "ms_ssim"]
