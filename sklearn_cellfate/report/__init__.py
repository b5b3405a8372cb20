"""What a comparison found, as text, tables and figures."""

from sklearn_cellfate.report._figures import (
    plot_confusion,
    plot_latent_space,
    plot_losses,
    plot_roc,
)
from sklearn_cellfate.report._folder import write_comparison
from sklearn_cellfate.report._tables import format_comparison

__all__ = [
    "format_comparison",
    "plot_confusion",
    "plot_latent_space",
    "plot_losses",
    "plot_roc",
    "write_comparison",
]
