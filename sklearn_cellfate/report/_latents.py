"""The latent space of one fold's autoencoder, ready to be drawn and explored without it."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils import Bunch

from sklearn_cellfate.inspection import latent_traversal
from sklearn_cellfate.table import to_images

__all__ = ["explore_latents", "fold_autoencoder", "shrink", "to_bytes"]

STEPS = 24  # decoded cells along each axis of the plane
LARGEST_TILE = 64  # pixels a side
MARGIN = 0.04  # around the outermost cells, as a share of the range
PERCENTILES = 0.2, 99.8  # of the pixels shown, those that become black and white


def fold_autoencoder(comparison, fold):
    """Network that encoded the images of a fold, fitted on its training rows alone."""
    columns = comparison.estimators["images"][fold].named_steps["columns"]
    return columns.named_transformers_["images"].named_steps["autoencoder"]


def explore_latents(comparison, table, rows, fold=0):
    """Encode cells, lay them in a plane and decode that plane point by point.

    Parameters
    ----------
    comparison : Bunch
        From :func:`~sklearn_cellfate.model_selection.compare_modalities`.
    table : DataFrame
        The cell table compared on.
    rows : ndarray of int of shape (n,)
        Positions of the cells to show.
    fold : int, default=0
        Whose autoencoder: it has never seen the rows that this fold held out.

    Returns
    -------
    arrays : dict of str to ndarray
        ``row``, ``latents`` (n, latent_dim), ``held_out`` (n,) bool, ``points`` (n, 2) in the
        plane, ``shares`` of the variance that its two axes hold, ``limits`` [[x0, x1], [y0, y1]],
        ``scale`` (2, C), the intensities that become black and white, and ``fold``. Of a network
        with a decoder also ``reconstructions`` (n, C, h, w) and ``decoded``
        (n_rows, n_columns, C, h, w), bytes, its first row at the upper end of the plane.
    traversal : Bunch or None
        Of :func:`~sklearn_cellfate.inspection.latent_traversal`, of the rows trained on.
    """
    network = fold_autoencoder(comparison, fold)
    chosen = table.iloc[rows]
    images = to_images(chosen[[comparison.image]])
    latents = network.transform(images)
    plane = _lay_in_plane(latents)
    scale = np.percentile(images, PERCENTILES, axis=(0, 2, 3))
    held_out = np.isin(rows, comparison.folds[fold][1])
    arrays = {
        "row": rows,
        "latents": latents,
        "held_out": held_out,
        "points": plane.points,
        "shares": plane.shares,
        "limits": plane.limits,
        "scale": scale,
        "fold": np.array(fold),
    }
    if not hasattr(network, "inverse_transform"):
        return arrays, None
    arrays["reconstructions"] = to_bytes(shrink(network.inverse_transform(latents)), scale)
    arrays["decoded"] = np.stack(
        [to_bytes(shrink(network.inverse_transform(line)), scale) for line in plane.lines]
    )
    return arrays, latent_traversal(network, images[~held_out])


def _lay_in_plane(latents):
    """Coordinates of the cells, and latent features of a grid over the plane, line by line."""
    n_latents = latents.shape[1]
    if n_latents > 2:
        pca = PCA(2).fit(latents)
        points, shares, back = pca.transform(latents), pca.explained_variance_ratio_, pca
    else:
        points, shares, back = latents[:, :2], np.full(n_latents, np.nan), None
    if n_latents == 1:  # on one line dots would hide each other
        height = np.random.default_rng(0).uniform(-1, 1, len(latents))
        points = np.column_stack([latents[:, 0], height])
    limits = _widen(points.min(axis=0), points.max(axis=0))
    n_lines = STEPS if n_latents > 1 else 1
    across, up = (_centres(ends, n) for ends, n in zip(limits, (STEPS, n_lines)))
    lines = []
    for y in up[::-1]:
        line = np.column_stack([across, np.full(STEPS, y)])
        lines.append(line[:, :n_latents] if back is None else back.inverse_transform(line))
    return Bunch(points=points, shares=shares, limits=limits, lines=lines)


def _widen(low, high):
    width = np.where(high > low, high - low, 1)
    return np.column_stack([low - MARGIN * width, high + MARGIN * width])


def _centres(ends, n):
    low, high = ends
    edges = np.linspace(low, high, n + 1)
    return (edges[1:] + edges[:-1]) / 2


def shrink(images):
    """Average neighbouring pixels of large images until they are at most 64 a side."""
    n, channels, height, width = images.shape
    factor = -(-max(height, width) // LARGEST_TILE)
    height, width = max(height // factor, 1), max(width // factor, 1)
    if factor == 1:
        return images
    rows, columns = (
        np.minimum(np.arange(n * factor), m - 1) for n, m in zip((height, width), images.shape[2:])
    )
    cut = images[:, :, rows][:, :, :, columns]
    return cut.reshape(n, channels, height, factor, width, factor).mean(axis=(3, 5))


def to_bytes(images, scale):
    """Grey values from 0 to 255, each channel on its own scale, the same for all images."""
    low, high = (ends[:, np.newaxis, np.newaxis] for ends in np.asarray(scale, dtype=float))
    shares = (images - low) / np.where(high > low, high - low, 1)
    return np.round(255 * np.clip(shares, 0, 1)).astype(np.uint8)
