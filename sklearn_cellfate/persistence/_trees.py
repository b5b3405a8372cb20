"""Decision trees in a file: their nodes are numbers that scikit-learn follows without a check.

A forged tree whose child or feature does not exist would read memory that is not its own, so a
tree is rebuilt here, from arrays, after every index has been checked.
"""

import numpy as np
from sklearn.tree import BaseDecisionTree
from sklearn.tree._tree import Tree

from sklearn_cellfate.persistence._stand_ins import StandIn

__all__ = ["StoredTree", "check_widths"]

LEAF = -1


class StoredTree(StandIn):
    """Stands for the nodes of a fitted decision tree."""

    def __new__(cls, n_features, n_classes, n_outputs, state):
        _check_nodes(n_features, n_classes, n_outputs, state)
        tree = Tree(n_features, n_classes, n_outputs)
        tree.__setstate__(state)
        return tree

    @classmethod
    def of(cls, tree):
        """Return a stand-in of a tree."""
        _, arguments, state = tree.__reduce__()
        return super().of(*arguments, state)


def _check_nodes(n_features, n_classes, n_outputs, state):
    nodes, values = state["nodes"], state["values"]
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    n_nodes = len(nodes)
    inner = left != LEAF
    # Children come after their parent, so that no walk down the tree goes in a circle.
    after = np.arange(n_nodes)[inner]
    sound = (
        isinstance(n_features, int)
        and isinstance(n_outputs, int)
        and state["node_count"] == n_nodes > 0
        and n_classes.shape == (n_outputs,)
        and n_outputs > 0
        and (n_classes > 0).all()
        and values.shape == (n_nodes, n_outputs, n_classes.max())
        and all(
            ((child > after) & (child < n_nodes)).all() for child in (left[inner], right[inner])
        )
        and ((feature[inner] >= 0) & (feature[inner] < n_features)).all()
    )
    if not sound:
        raise ValueError("a decision tree points to nodes or features that it does not have")


def check_widths(estimators):
    """Refuse trees that would be handed rows narrower than they expect.

    Parameters
    ----------
    estimators : iterable of estimators
        All of a model, those inside others included.

    Raises
    ------
    ValueError
        If a tree has more features than the estimator that checks its rows.
    """
    for estimator in estimators:
        if isinstance(estimator, BaseDecisionTree) and hasattr(estimator, "tree_"):
            _compare(estimator.tree_.n_features, estimator.n_features_in_)
        inside = np.ravel(np.array(getattr(estimator, "estimators_", []), dtype=object))
        trees = [tree for tree in inside if isinstance(tree, BaseDecisionTree)]
        drawn = getattr(estimator, "estimators_features_", None)
        for number, tree in enumerate(trees):
            width = estimator.n_features_in_ if drawn is None else len(drawn[number])
            _compare(tree.n_features_in_, width)


def _compare(n_of_tree, n_of_rows):
    if n_of_tree != n_of_rows:
        raise ValueError(f"a decision tree of {n_of_tree} features would get {n_of_rows}")
