"""How much of a relevance map lies where the truth does."""

from typing import Any

import numpy as np

__all__ = ["relevance_mass", "relevance_rank_accuracy"]


def relevance_mass(relevance: Any, mask: Any) -> np.ndarray:
    """Share of the positive relevance that lies inside a mask.

    Relevance is summed over channels, and pixels whose sum is negative count as 0. A map that
    knows nothing of the mask scores the mask's share of the area on average,
    ``mask.mean(axis=(1, 2))``: compare with that.

    Parameters
    ----------
    relevance : array-like of shape (n, H, W) or (n, C, H, W)
        Relevance of each pixel, signed, in any unit.
    mask : array-like of bool of shape (n, H, W)
        Where the evidence is known to lie.

    Returns
    -------
    mass : ndarray of shape (n,)
        Between 0 and 1, one value an image. NaN for an image whose mask is empty, where no map
        can be right, or without any positive relevance, where there is nothing to share out. Mean
        over the others with :func:`numpy.nanmean`, and say how many were left out.

    Raises
    ------
    ValueError
        If the shapes do not agree, `mask` is not boolean, or relevance is NaN or infinite.

    See Also
    --------
    relevance_rank_accuracy : The same question of the most relevant pixels only.

    References
    ----------
    Arras, Osman and Samek (2022), CLEVR-XAI: a benchmark dataset for the ground truth evaluation
    of neural network explanations, doi:10.1016/j.inffus.2021.11.008.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.metrics import relevance_mass
    >>> mask = np.array([[[True, False], [False, False]]])
    >>> relevance_mass([[[3.0, 1.0], [0.0, -5.0]]], mask)
    array([0.75])
    """
    positive, mask = _check(relevance, mask)
    total = positive.sum(axis=1)
    inside = np.where(mask, positive, 0).sum(axis=1)
    scored = mask.any(axis=1) & (total > 0)
    return np.divide(inside, total, out=np.full(len(mask), np.nan), where=scored)


def relevance_rank_accuracy(relevance: Any, mask: Any) -> np.ndarray:
    """Share of the most relevant pixels that lie inside a mask.

    Of a mask of K pixels, the K pixels with the highest relevance are looked at. Unlike
    :func:`relevance_mass` this does not depend on how steep the map is. Relevance is summed over
    channels, and pixels whose sum is negative count as 0. Where the K-th and other pixels are
    equal (zeros often are), the mean over all their orders is given, so that a constant map scores
    the mask's share of the area.

    Parameters
    ----------
    relevance : array-like of shape (n, H, W) or (n, C, H, W)
        Relevance of each pixel, signed, in any unit.
    mask : array-like of bool of shape (n, H, W)
        Where the evidence is known to lie.

    Returns
    -------
    accuracy : ndarray of shape (n,)
        Between 0 and 1, one value an image. NaN for an image whose mask is empty or that has no
        positive relevance.

    Raises
    ------
    ValueError
        If the shapes do not agree, `mask` is not boolean, or relevance is NaN or infinite.

    See Also
    --------
    relevance_mass : Share of the relevance itself.

    References
    ----------
    Arras, Osman and Samek (2022), CLEVR-XAI: a benchmark dataset for the ground truth evaluation
    of neural network explanations, doi:10.1016/j.inffus.2021.11.008.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.metrics import relevance_rank_accuracy
    >>> mask = np.array([[[True, True], [False, False]]])
    >>> relevance_rank_accuracy([[[3.0, 1.0], [2.0, -5.0]]], mask)
    array([0.5])
    """
    positive, mask = _check(relevance, mask)
    accuracy = np.full(len(mask), np.nan)
    for row in np.flatnonzero(mask.any(axis=1) & positive.any(axis=1)):
        accuracy[row] = _share_of_top(positive[row], mask[row])
    return accuracy


def _share_of_top(values, mask):
    n_top = mask.sum()
    threshold = np.partition(values, -n_top)[-n_top]
    above, equal = values > threshold, values == threshold
    among_equal = (n_top - above.sum()) * mask[equal].mean()
    return (mask[above].sum() + among_equal) / n_top


def _check(relevance, mask):
    """Return the positive relevance and the mask, both of shape (n, H * W)."""
    relevance, mask = sum_channels(relevance), np.asarray(mask)
    if mask.shape != relevance.shape:
        raise ValueError(
            f"mask must have shape {relevance.shape}, as the relevance maps do, found "
            f"{mask.shape}."
        )
    if mask.dtype != bool:
        raise ValueError(f"mask must be boolean (as mask > 0 is), found dtype {mask.dtype}.")
    flat = (len(mask), int(np.prod(mask.shape[1:])))
    return np.maximum(relevance, 0).reshape(flat), mask.reshape(flat)


def sum_channels(relevance):
    """Return the relevance of each pixel, (n, H, W), or say why it is none."""
    relevance = np.asarray(relevance, dtype=np.float64)
    if relevance.ndim not in (3, 4):
        raise ValueError(
            f"relevance must have shape (n, H, W) or (n, C, H, W), found {relevance.shape}."
        )
    finite = np.isfinite(relevance).all(axis=tuple(range(1, relevance.ndim)))
    if not finite.all():
        raise ValueError(
            f"relevance of {(~finite).sum()} of {len(finite)} images is NaN or infinite (the "
            f"first is row {np.argmin(finite)})."
        )
    return relevance if relevance.ndim == 3 else relevance.sum(axis=1)
