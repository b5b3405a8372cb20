"""Honest comparisons: the same folds, whole groups, intervals."""

from sklearn_cellfate.model_selection._ablation import ablation
from sklearn_cellfate.model_selection._abstain import predict_or_abstain
from sklearn_cellfate.model_selection._compare import compare_estimators
from sklearn_cellfate.model_selection._feature_pairs import feature_pairs
from sklearn_cellfate.model_selection._folds import make_folds
from sklearn_cellfate.model_selection._group_scores import score_by_group
from sklearn_cellfate.model_selection._how_early import how_early
from sklearn_cellfate.model_selection._label_budget import label_budget
from sklearn_cellfate.model_selection._latent_dimension import latent_dimension_study
from sklearn_cellfate.model_selection._modalities import (
    compare_modalities,
    fit_pipeline,
    make_default_autoencoder,
    make_modality_pipelines,
    numeric_features,
)
from sklearn_cellfate.model_selection._stacked_search import (
    StackedGridSearchCV,
    stacked_cross_validate,
)
from sklearn_cellfate.model_selection._time_course import time_course
from sklearn_cellfate.model_selection._time_to_fate import time_to_fate

__all__ = [
    "StackedGridSearchCV",
    "ablation",
    "compare_estimators",
    "compare_modalities",
    "feature_pairs",
    "fit_pipeline",
    "how_early",
    "label_budget",
    "latent_dimension_study",
    "make_default_autoencoder",
    "make_folds",
    "make_modality_pipelines",
    "numeric_features",
    "predict_or_abstain",
    "score_by_group",
    "stacked_cross_validate",
    "time_course",
    "time_to_fate",
]
