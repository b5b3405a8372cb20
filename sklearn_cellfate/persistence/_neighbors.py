"""Trees of nearest neighbours in a file: their points alone, of which the tree is grown anew.

scikit-learn follows the nodes of such a tree without a check; grown from the same points it is the
same tree.
"""

import numpy as np
from sklearn.neighbors import BallTree, KDTree

from sklearn_cellfate.persistence._stand_ins import StandIn

__all__ = ["StoredNeighborTree"]

KINDS = {"KDTree": KDTree, "BallTree": BallTree}
METRICS = ("euclidean", "manhattan", "chebyshev", "minkowski")
# Where scikit-learn keeps them in the state of a tree.
POINTS, LEAF_SIZE, DISTANCE, WEIGHTS = 0, 4, -2, -1


class StoredNeighborTree(StandIn):
    """Stands for a tree of nearest neighbours by one of the plain metrics."""

    def __new__(cls, kind, points, leaf_size, metric, p):
        if kind not in KINDS or metric not in METRICS:
            raise ValueError(f"a {kind} by {metric!r} is not among what models are made of")
        power = {"p": p} if metric == "minkowski" else {}
        return KINDS[kind](points, leaf_size=leaf_size, metric=metric, **power)

    @classmethod
    def of(cls, tree):
        """Return a stand-in of a tree."""
        state = tree.__getstate__()
        distance = type(state[DISTANCE]).__name__
        metric = distance.removesuffix("64").removesuffix("Distance").lower()
        p, of_features, _ = state[DISTANCE].__getstate__()
        weighted = state[WEIGHTS] is not None or (metric == "minkowski" and of_features.size > 0)
        if metric not in METRICS or weighted:
            raise ValueError(
                f"a {type(tree).__name__} by {distance}, or with weights, goes into a pickle only"
            )
        points = np.asarray(state[POINTS])
        return super().of(type(tree).__name__, points, int(state[LEAF_SIZE]), metric, float(p))
