"""Trees of histogram-based gradient boosting in a file, rebuilt once their nodes are checked.

Like other trees they are numbers that scikit-learn follows without a check, see ``_trees``. Splits
by category are looked up in tables of bits, which are checked nowhere: such models are refused.
"""

import numpy as np
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

from sklearn_cellfate.persistence._stand_ins import StandIn
from sklearn_cellfate.persistence._walk import flatten

__all__ = ["StoredPredictor", "check_boosted_trees"]


class StoredPredictor(StandIn):
    """Stands for a tree of histogram-based gradient boosting."""

    def __new__(cls, nodes):
        _check_nodes(nodes)
        no_categories = np.zeros((0, 8), dtype=np.uint32)
        return TreePredictor(nodes, no_categories, no_categories.copy())

    @classmethod
    def of(cls, predictor):
        """Return a stand-in of a tree."""
        _check_nodes(predictor.nodes)
        return super().of(predictor.nodes)


def _check_nodes(nodes):
    if type(nodes) is not np.ndarray or nodes.dtype != PREDICTOR_RECORD_DTYPE or nodes.ndim != 1:
        raise ValueError(f"the nodes of a boosted tree are {nodes!r:.80}")
    inner = nodes["is_leaf"] == 0
    if nodes["is_categorical"][inner].any():
        raise ValueError("gradient boosting that splits by category goes into a pickle only")
    # Children come after their parent, so that no walk down the tree goes in a circle.
    after = np.arange(len(nodes))[inner]
    children = [nodes[side][inner].astype(np.int64) for side in ("left", "right")]
    sound = (
        len(nodes) > 0
        and all(((child > after) & (child < len(nodes))).all() for child in children)
        and (nodes["feature_idx"][inner] >= 0).all()
    )
    if not sound:
        raise ValueError("a boosted tree points to nodes or features that it does not have")


def check_boosted_trees(one):
    """Refuse boosted trees that would be handed rows narrower than they expect."""
    if isinstance(one, BaseHistGradientBoosting) and "_predictors" in vars(one):
        _check_width(one)


def _check_width(estimator):
    if "_in_fit" in vars(estimator):
        raise ValueError("gradient boosting is in the middle of its fit, when it checks no rows")
    of_categories = estimator._bin_mapper.is_categorical_
    if (
        type(of_categories) is not np.ndarray
        or of_categories.any()
        or estimator._preprocessor is not None
    ):
        raise ValueError("gradient boosting that splits by category goes into a pickle only")
    for predictor in flatten(estimator._predictors):
        if type(predictor) is not TreePredictor:
            raise ValueError(f"gradient boosting has a {type(predictor).__name__} as a tree")
        nodes = predictor.nodes
        used = nodes["feature_idx"][nodes["is_leaf"] == 0]
        if len(used) and used.max() >= estimator.n_features_in_:
            raise ValueError(
                f"a boosted tree asks for feature {used.max()} of {estimator.n_features_in_}"
            )
