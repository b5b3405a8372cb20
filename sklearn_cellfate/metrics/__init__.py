"""Numbers that say how good latent features and reconstructions are."""

from sklearn_cellfate.metrics._latent import (
    centroid_separation,
    latent_correlation,
    latent_correlation_matrix,
)
from sklearn_cellfate.metrics._latent_divergence import latent_kl_divergence
from sklearn_cellfate.metrics._latent_normality import latent_normality
from sklearn_cellfate.metrics._ms_ssim import ms_ssim
from sklearn_cellfate.metrics._pixel_flipping import pixel_flipping
from sklearn_cellfate.metrics._relevance import relevance_mass, relevance_rank_accuracy

__all__ = [
    "centroid_separation",
    "latent_correlation",
    "latent_correlation_matrix",
    "latent_kl_divergence",
    "latent_normality",
    "ms_ssim",
    "pixel_flipping",
    "relevance_mass",
    "relevance_rank_accuracy",
]
