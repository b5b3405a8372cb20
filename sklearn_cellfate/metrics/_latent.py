"""How well the latent space is laid out."""

import numpy as np
from sklearn.metrics import pairwise_distances
from sklearn.utils.validation import check_array, check_X_y

from sklearn_cellfate.table import listing

__all__ = ["centroid_separation", "latent_correlation", "latent_kl_divergence"]


def latent_kl_divergence(latents):
    r"""Kullback-Leibler divergence of each latent feature from a standard normal.

    Each feature is taken as Gaussian with its own mean and variance, so a wrong mean or scale
    shows: :math:`\frac{1}{2} (\sigma^2 + \mu^2 - 1 - \ln \sigma^2)`.

    Parameters
    ----------
    latents : array-like of shape (n_samples, latent_dim)
        At least two rows.

    Returns
    -------
    divergence : ndarray of shape (latent_dim,)
        In nats; 0 for a standard normal, infinite for a constant feature.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.metrics import latent_kl_divergence
    >>> z = np.random.default_rng(0).normal([[0.0, 5.0]], [[1.0, 0.05]], size=(10_000, 2))
    >>> latent_kl_divergence(z).round(1)
    array([ 0., 15.])
    """
    latents = check_array(latents, dtype=np.float64, ensure_min_samples=2)
    mean, variance = latents.mean(0), latents.var(0)
    variance[_constant(latents)] = 0
    with np.errstate(divide="ignore"):
        return 0.5 * (variance + mean**2 - 1 - np.log(variance))


def centroid_separation(latents, y):
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
        If `y` has one class only.

    Examples
    --------
    >>> from sklearn_cellfate.metrics import centroid_separation
    >>> fates = ["dies", "dies", "divides", "divides"]
    >>> centroid_separation([[0, 0], [0, 2], [3, 1], [3, 1]], fates)
    3.0
    """
    latents, y = check_X_y(latents, y)
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(f"centroid_separation needs two classes, found only {listing(classes)}.")
    centroids = np.stack([latents[y == label].mean(0) for label in classes])
    distances = pairwise_distances(centroids)
    return float(distances[np.triu_indices(len(classes), 1)].min())


def latent_correlation(latents):
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

    Examples
    --------
    >>> from sklearn_cellfate.metrics import latent_correlation
    >>> round(latent_correlation([[0, 0], [1, -2], [2, -4]]), 6)
    1.0
    """
    latents = check_array(latents, dtype=np.float64, ensure_min_samples=2)
    n_features = latents.shape[1]
    if n_features == 1:
        return 0.0
    with np.errstate(invalid="ignore"):
        correlation = np.nan_to_num(np.corrcoef(latents, rowvar=False))
    constant = _constant(latents)
    correlation[constant] = correlation[:, constant] = 0
    return float(np.abs(correlation[np.triu_indices(n_features, 1)]).mean())


def _constant(latents):
    # Not by the variance, which the rounding of the mean leaves a little above zero.
    return np.ptp(latents, axis=0) == 0
