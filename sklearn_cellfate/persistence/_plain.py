"""A copy of a model made of what skops can write: arrays, numbers, text, lists and dicts.

skops writes estimators, arrays and dicts with text for keys. Data frames, dicts with other keys
(which would come back as text, and False as True), decision trees, trees of neighbours and
requests for metadata get stand-ins here.
"""

from collections import OrderedDict
from pathlib import PurePath

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.calibration import _CalibratedClassifier
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.metrics._scorer import _BaseScorer, _MultimetricScorer, _PassthroughScorer
from sklearn.neighbors import BallTree, KDTree
from sklearn.tree._tree import Tree
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import MetadataRequest

from sklearn_cellfate.persistence._boosting import StoredPredictor
from sklearn_cellfate.persistence._neighbors import StoredNeighborTree
from sklearn_cellfate.persistence._stand_ins import StoredDict, StoredFrame, StoredRequests
from sklearn_cellfate.persistence._trees import StoredTree

# What is copied attribute by attribute: what holds estimators.
WITH_ATTRIBUTES = (
    *(BaseEstimator, _CalibratedClassifier),
    *(_BaseScorer, _MultimetricScorer, _PassthroughScorer),
)
# Methods whose requests are stored as they are; scikit-learn makes those of the others of them.
SIMPLE_METHODS = (
    "fit",
    "partial_fit",
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score",
    "split",
    "transform",
    "inverse_transform",
)

__all__ = ["plain_copy"]


def plain_copy(model):
    """Copy a model with stand-ins for what skops cannot write.

    Parameters
    ----------
    model : estimator

    Returns
    -------
    copy : estimator
        To be written, not to be used.
    """
    return _copy(model, {})


def _copy(value, seen):
    """Copy `value`; `seen` keeps each original beside its copy, so that one stays one."""
    if id(value) in seen:
        return seen[id(value)][1]
    if isinstance(value, WITH_ATTRIBUTES):
        copy = object.__new__(type(value))
        seen[id(value)] = value, copy
        # Our networks turn into arrays in __getstate__.
        state = value.__getstate__() if "net_" in vars(value) else vars(value)
        vars(copy).update({name: _copy(part, seen) for name, part in state.items()})
        return copy
    copy = _copy_container(value, seen)
    seen[id(value)] = value, copy
    return copy


def _copy_container(value, seen):
    kind = type(value)
    if kind in (list, tuple):
        return kind(_copy(part, seen) for part in value)
    if kind in (dict, OrderedDict, Bunch):
        return _copy_dict(value, seen)
    if kind is np.ndarray and value.dtype == object:
        copy = np.empty(value.shape, dtype=object)
        for place, part in np.ndenumerate(value):
            copy[place] = _copy(part, seen)
        return copy
    return _stand_in(value)


def _copy_dict(value, seen):
    parts = [_copy(part, seen) for part in value.values()]
    if not all(type(key) is str for key in value):
        return StoredDict.of(list(value), parts)
    copy = type(value)()
    copy.update(zip(value, parts))
    return copy


def _stand_in(value):
    if type(value) is pd.DataFrame and isinstance(value.index, pd.RangeIndex):
        names = value.columns.tolist()
        return StoredFrame.of(names, [value[name].to_numpy() for name in names])
    if isinstance(value, Tree):
        return StoredTree.of(value)
    if isinstance(value, TreePredictor):
        return StoredPredictor.of(value)
    if isinstance(value, KDTree | BallTree):
        return StoredNeighborTree.of(value)
    if isinstance(value, MetadataRequest):
        asked = {method: dict(getattr(value, method).requests) for method in SIMPLE_METHODS}
        return StoredRequests.of(type(value.owner).__name__, asked)
    return str(value) if isinstance(value, PurePath) else value
