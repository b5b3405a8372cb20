"""What a comparison found, as text, tables, figures and a page."""

from sklearn_cellfate.report._figures import (
    plot_confusion,
    plot_latent_space,
    plot_losses,
    plot_roc,
)
from sklearn_cellfate.report._folder import write_comparison, write_time_course
from sklearn_cellfate.report._page import write_report
from sklearn_cellfate.report._run import describe_run
from sklearn_cellfate.report._tables import format_comparison

__all__ = [
    "describe_run",
    "format_comparison",
    "plot_confusion",
    "plot_latent_space",
    "plot_losses",
    "plot_roc",
    "write_comparison",
    "write_report",
    "write_time_course",
]
