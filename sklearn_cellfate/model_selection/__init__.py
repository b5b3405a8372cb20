"""Honest comparisons: the same folds, whole groups, intervals."""

from sklearn_cellfate.model_selection._compare import compare_estimators
from sklearn_cellfate.model_selection._folds import make_folds
from sklearn_cellfate.model_selection._group_scores import score_by_group
from sklearn_cellfate.model_selection._modalities import (
    compare_modalities,
    fit_pipeline,
    make_default_autoencoder,
    make_modality_pipelines,
    numeric_features,
)

__all__ = [
    "compare_estimators",
    "compare_modalities",
    "fit_pipeline",
    "make_default_autoencoder",
    "make_folds",
    "make_modality_pipelines",
    "numeric_features",
    "score_by_group",
]
