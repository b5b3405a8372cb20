"""Look into fitted estimators."""

from sklearn_cellfate.inspection._cell_sheet import plot_cells
from sklearn_cellfate.inspection._latent_space import LatentSpaceDisplay
from sklearn_cellfate.inspection._training_history import TrainingHistoryDisplay

__all__ = ["LatentSpaceDisplay", "TrainingHistoryDisplay", "plot_cells"]
