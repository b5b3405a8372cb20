"""How well the latent space is laid out."""

from typing import Any

import numpy as np
from sklearn.metrics import pairwise_distances
from sklearn.utils.validation import check_array, check_X_y

from sklearn_cellfate._validation import complete_labels
from sklearn_cellfate.table import listing

__all__ = ["centroid_separation", "latent_correlation", "latent_correlation_matrix"]


def centroid_separation(latents: Any, y: Any) -> float:
    """Smallest Euclidean distance between the centroids of two classes.

    Parameters
    ----------
    latents : array-like of shape (n_samples, latent_dim)
        Latent features.
    y : array-like of shape (n_samples,)
        Classes, two or more.

    Returns
    -------
    separation : float

    Raises
    ------
    ValueError
        If `y` has one class only, or labels are missing.

    Examples
    --------
    >>> from sklearn_cellfate.metrics import centroid_separation
    >>> fates = ["dies", "dies", "divides", "divides"]
    >>> centroid_separation([[0, 0], [0, 2], [3, 1], [3, 1]], fates)
    3.0
    """
    latents, y = check_X_y(latents, complete_labels(y))
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(f"centroid_separation needs two classes, found only {listing(classes)}.")
    centroids = np.stack([latents[y == label].mean(0) for label in classes])
    distances = pairwise_distances(centroids)
    return float(distances[np.triu_indices(len(classes), 1)].min())


def latent_correlation(latents: Any) -> float:
    """Mean absolute Pearson correlation between different latent features.

    Parameters
    ----------
    latents : array-like of shape (n_samples, latent_dim)
        At least two rows.

    Returns
    -------
    correlation : float
        0 where all features are uncorrelated or there is only one, 1 where one says it all.
        A constant feature counts as uncorrelated.

    See Also
    --------
    latent_correlation_matrix : Pair by pair, with sign.

    Examples
    --------
    >>> from sklearn_cellfate.metrics import latent_correlation
    >>> round(latent_correlation([[0, 0], [1, -2], [2, -4]]), 6)
    1.0
    """
    correlation = latent_correlation_matrix(latents)
    n_features = len(correlation)
    if n_features == 1:
        return 0.0
    return float(np.abs(correlation[np.triu_indices(n_features, 1)]).mean())


def latent_correlation_matrix(latents: Any) -> np.ndarray:
    """Pearson correlation of every pair of latent features.

    Parameters
    ----------
    latents : array-like of shape (n_samples, latent_dim)
        At least two rows.

    Returns
    -------
    correlation : ndarray of shape (latent_dim, latent_dim)
        1 on the diagonal. A constant feature counts as uncorrelated: 0 beside the diagonal.

    See Also
    --------
    latent_correlation : The mean over all pairs, without sign.

    Examples
    --------
    >>> from sklearn_cellfate.metrics import latent_correlation_matrix
    >>> latent_correlation_matrix([[0, 0, 1], [1, -2, 1], [2, -4, 1]]).round(6)
    array([[ 1., -1.,  0.],
           [-1.,  1.,  0.],
           [ 0.,  0.,  1.]])
    """
    latents = check_array(latents, dtype=np.float64, ensure_min_samples=2)
    with np.errstate(invalid="ignore"):
        correlation = np.atleast_2d(np.nan_to_num(np.corrcoef(latents, rowvar=False)))
    # Not by the variance, which the rounding of the mean leaves a little above zero.
    constant = np.ptp(latents, axis=0) == 0
    correlation[constant] = correlation[:, constant] = 0
    np.fill_diagonal(correlation, 1)
    return correlation
