"""Decision trees in a file: their nodes are numbers that scikit-learn follows without a check.

A forged tree whose child or feature does not exist would read memory that is not its own, so a
tree is rebuilt here, from arrays, after every index has been checked.
"""

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._forest import BaseForest
from sklearn.ensemble._gb import BaseGradientBoosting
from sklearn.tree import BaseDecisionTree
from sklearn.tree._tree import Tree

from sklearn_cellfate.persistence._stand_ins import StandIn
from sklearn_cellfate.persistence._walk import flatten
from sklearn_cellfate.table import listing

__all__ = ["StoredTree", "check_trees"]

LEAF = -1
# Ensembles that hand rows to their trees without another look at them.
TRUSTING = (BaseForest, IsolationForest, BaseGradientBoosting)


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
    arrays = (n_classes, state["nodes"], state["values"])
    if any(type(array) is not np.ndarray for array in arrays):
        raise ValueError(f"a decision tree is made of {listing(type(a).__name__ for a in arrays)}")
    nodes, values = state["nodes"], state["values"]
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    n_nodes = len(nodes)
    inner = left != LEAF
    # Children come after their parent, so that no walk down the tree goes in a circle.
    after = np.arange(n_nodes)[inner]
    sound = (
        type(n_features) is int
        and type(n_outputs) is int
        and nodes.ndim == 1
        and {left.dtype.kind, right.dtype.kind, feature.dtype.kind, n_classes.dtype.kind} == {"i"}
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


def check_trees(one):
    """Refuse trees that would be handed rows narrower than they expect."""
    if isinstance(one, BaseDecisionTree) and "tree_" in vars(one):
        if type(one.tree_) is not Tree:
            raise ValueError(f"a decision tree has the nodes of a {type(one.tree_).__name__}")
        _compare(one.tree_.n_features, one.n_features_in_)
    if isinstance(one, TRUSTING) and "estimators_" in vars(one):
        _check_ensemble(one)


def _check_ensemble(ensemble):
    trees = flatten(ensemble.estimators_)
    if not all(isinstance(tree, BaseDecisionTree) and "tree_" in vars(tree) for tree in trees):
        raise ValueError(f"a {type(ensemble).__name__} has estimators that are no decision trees")
    for number, tree in enumerate(trees):
        # An isolation forest that draws all features for each tree hands its rows on as they are.
        if (
            isinstance(ensemble, IsolationForest)
            and ensemble._max_features < ensemble.n_features_in_
        ):
            _compare(tree.n_features_in_, len(ensemble.estimators_features_[number]))
        else:
            _compare(tree.n_features_in_, ensemble.n_features_in_)
    if isinstance(ensemble, BaseGradientBoosting):
        _check_stages(ensemble)


def _check_stages(boosting):
    """Each stage has as many trees as there are numbers to add to."""
    stages, init = boosting.estimators_, boosting.init_
    if type(init) is str:
        n_numbers = boosting.n_trees_per_iteration_
    elif type(init) is DummyRegressor:
        n_numbers = init.n_outputs_
    elif type(init) is DummyClassifier and init._strategy == "prior":
        n_numbers = len(init.class_prior_) if boosting._loss.is_multiclass else 1
    else:
        raise ValueError(
            "gradient boosting that begins with another model goes into a pickle only"
        )
    if type(init) is DummyClassifier and np.shape(init.class_prior_) != (len(init.classes_),):
        raise ValueError(f"gradient boosting begins with shares {np.shape(init.class_prior_)}")
    if stages.ndim != 2 or stages.shape[1] != n_numbers:
        raise ValueError(f"gradient boosting has {stages.shape} trees for {n_numbers} numbers")


def _compare(n_of_tree, n_of_rows):
    if n_of_tree != n_of_rows:
        raise ValueError(f"a decision tree of {n_of_tree} features would get {n_of_rows}")
