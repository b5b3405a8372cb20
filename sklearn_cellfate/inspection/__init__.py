"""Look into fitted estimators."""

from sklearn_cellfate.inspection._block_importance import block_importance
from sklearn_cellfate.inspection._frequency._class_spectra import class_spectra
from sklearn_cellfate.inspection._frequency._frequency import frequency_sensitivity
from sklearn_cellfate.inspection._latent_correlations import latent_correlations
from sklearn_cellfate.inspection._latent_traversal import latent_traversal
from sklearn_cellfate.inspection._plot._ablation import AblationDisplay
from sklearn_cellfate.inspection._plot._block_importance import BlockImportanceDisplay
from sklearn_cellfate.inspection._plot._cell_sheet import plot_cells
from sklearn_cellfate.inspection._plot._comparison import ComparisonDisplay
from sklearn_cellfate.inspection._plot._feature_pairs import FeaturePairsDisplay
from sklearn_cellfate.inspection._plot._frequency import FrequencyDisplay
from sklearn_cellfate.inspection._plot._label_budget import LabelBudgetDisplay
from sklearn_cellfate.inspection._plot._latent_correlations import LatentCorrelationsDisplay
from sklearn_cellfate.inspection._plot._latent_dimension import LatentDimensionDisplay
from sklearn_cellfate.inspection._plot._latent_space import LatentSpaceDisplay
from sklearn_cellfate.inspection._plot._latent_traversal import LatentTraversalDisplay
from sklearn_cellfate.inspection._plot._pixel_flipping import PixelFlippingDisplay
from sklearn_cellfate.inspection._plot._relevance import RelevanceDisplay
from sklearn_cellfate.inspection._plot._survival import SurvivalDisplay
from sklearn_cellfate.inspection._plot._time_course import TimeCourseDisplay
from sklearn_cellfate.inspection._plot._training_history import TrainingHistoryDisplay
from sklearn_cellfate.inspection._plot._variance_dependence import VarianceDependenceDisplay
from sklearn_cellfate.inspection._relevance._randomization import parameter_randomization
from sklearn_cellfate.inspection._relevance._relevance import relevance
from sklearn_cellfate.inspection._variance_dependence import variance_dependence

__all__ = [
    "AblationDisplay",
    "BlockImportanceDisplay",
    "ComparisonDisplay",
    "FeaturePairsDisplay",
    "FrequencyDisplay",
    "LabelBudgetDisplay",
    "LatentCorrelationsDisplay",
    "LatentDimensionDisplay",
    "LatentSpaceDisplay",
    "LatentTraversalDisplay",
    "PixelFlippingDisplay",
    "RelevanceDisplay",
    "SurvivalDisplay",
    "TimeCourseDisplay",
    "TrainingHistoryDisplay",
    "VarianceDependenceDisplay",
    "block_importance",
    "class_spectra",
    "frequency_sensitivity",
    "latent_correlations",
    "latent_traversal",
    "parameter_randomization",
    "plot_cells",
    "relevance",
    "variance_dependence",
]
