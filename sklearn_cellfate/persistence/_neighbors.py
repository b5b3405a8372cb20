"""Nearest neighbours in a file: of their trees the points alone, of which they are grown anew.

scikit-learn follows the nodes of such a tree without a check; grown from the same points it is the
same tree. The numbers of the classes that it counts among neighbours are checked here.
"""

import numpy as np
from sklearn.neighbors import BallTree, KDTree
from sklearn.neighbors._base import NeighborsBase

from sklearn_cellfate.persistence._stand_ins import StandIn

__all__ = ["StoredNeighborTree", "check_neighbors"]

KINDS = {"KDTree": KDTree, "BallTree": BallTree}
METRICS = ("euclidean", "manhattan", "chebyshev", "minkowski")
# Where scikit-learn keeps them in the state of a tree.
POINTS, LEAF_SIZE, DISTANCE, WEIGHTS = 0, 4, -2, -1


class StoredNeighborTree(StandIn):
    """Stands for a tree of nearest neighbours by one of the plain metrics."""

    def __new__(cls, kind, points, leaf_size, metric, p):
        if kind not in KINDS or metric not in METRICS:
            raise ValueError(f"a {kind} by {metric!r} is not among what models are made of")
        if type(points) is not np.ndarray:
            raise ValueError(f"the points of a {kind} are a {type(points).__name__}")
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


def check_neighbors(one):
    """Refuse neighbours of classes that do not exist, or wider than the rows beside them."""
    if isinstance(one, NeighborsBase) and "_fit_X" in vars(one):
        _check(one)


def _check(neighbors):
    points = neighbors._fit_X
    if type(points) is not np.ndarray:
        raise ValueError("neighbours fitted on sparse rows go into a pickle only")
    if points.ndim != 2 or points.shape[1] != neighbors.n_features_in_:
        raise ValueError(
            f"neighbours of shape {points.shape} would be compared to rows of "
            f"{neighbors.n_features_in_} features"
        )
    codes, classes = vars(neighbors).get("_y"), vars(neighbors).get("classes_")
    if classes is None or neighbors.outputs_2d_:
        return
    sound = (
        type(codes) is np.ndarray
        and codes.dtype.kind == "i"
        and codes.shape == points.shape[:1]
        and ((codes >= 0) & (codes < len(classes))).all()
    )
    if not sound:
        raise ValueError("the labels of neighbours are not among their classes")
