"""Means of clusters in a file: they are compared to rows without a look at their width."""

import numpy as np
from sklearn.cluster._kmeans import _BaseKMeans

__all__ = ["check_clusters"]


def check_clusters(one):
    """Refuse means that have another number of features than the rows that they will get."""
    if isinstance(one, _BaseKMeans) and "cluster_centers_" in vars(one):
        centers = one.cluster_centers_
        if type(centers) is not np.ndarray or centers.shape[1:] != (one.n_features_in_,):
            raise ValueError(
                f"means of shape {np.shape(centers)} would be compared to rows of "
                f"{one.n_features_in_} features"
            )
