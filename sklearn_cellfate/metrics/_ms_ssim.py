"""Multi-scale structural similarity, in NumPy."""

from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from sklearn_cellfate.table import unmasked

__all__ = ["ms_ssim", "ssim_maps"]

_SCALE_WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
_LINEAR_BELOW = 0.05


def ms_ssim(
    images_true: Any,
    images_pred: Any,
    *,
    data_range: float = 1.0,
    window_size: int = 5,
    sigma: float = 1.0,
    n_scales: int | None = None,
) -> np.ndarray:
    """Multi-scale structural similarity of pairs of images.

    Differs from the usual form where that fails on crops of cells. There are as many of the five
    scales as fit (the smallest still holds a window; weights are brought to a sum of one). The
    border is mirrored, not zero-padded, so it is not darkened. And where contrast and structure
    of a scale fall below 0.05, the logarithm goes on along its tangent: a reconstruction that is
    anticorrelated with the image scores close to 0, not NaN, and the worse the lower.

    Parameters
    ----------
    images_true, images_pred : array-like of shape (n, H, W) or (n, C, H, W)
        The images to compare.
    data_range : float, default=1.0
        Difference between the largest and smallest possible pixel.
    window_size : int, default=5
        Side of the Gaussian window, odd, in pixels.
    sigma : float, default=1.0
        Its standard deviation, in pixels.
    n_scales : int, default=None
        Number of scales, 1 to 5; by default as many as fit. With 1 this is the SSIM.

    Returns
    -------
    similarity : ndarray of shape (n,)
        In (0, 1], the mean over channels; 1 for equal images.

    Raises
    ------
    ValueError
        If the two differ in shape, or if the images cannot be halved for so many scales.

    References
    ----------
    Wang, Simoncelli and Bovik (2003), doi:10.1109/ACSSC.2003.1292216.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.metrics import ms_ssim
    >>> images = np.random.default_rng(0).random((2, 20, 20))
    >>> ms_ssim(images, images)
    array([1., 1.])
    """
    x, y = _as_channels(images_true), _as_channels(images_pred)
    if x.shape != y.shape:
        raise ValueError(f"images_true has shape {x.shape}, images_pred {y.shape}.")
    side = min(x.shape[-2:])
    if n_scales is None:
        n_scales = min(len(_SCALE_WEIGHTS), int(np.log2(max(side // window_size, 1))) + 1)
    most = min(len(_SCALE_WEIGHTS), int(np.log2(max(side, 1))) + 1)
    if not 1 <= n_scales <= most:
        raise ValueError(f"n_scales is {n_scales}; expected 1 to {most} for {side} pixels a side.")
    weights = _SCALE_WEIGHTS[:n_scales] / _SCALE_WEIGHTS[:n_scales].sum()
    log_similarity = np.zeros(x.shape[:2])
    for scale, weight in enumerate(weights):
        luminance, contrast = ssim_maps(x, y, data_range, window_size, sigma)
        last = scale == n_scales - 1
        factor = (luminance * contrast if last else contrast).mean((-2, -1))
        log_similarity += weight * _extended_log(factor)
        x, y = _halve(x), _halve(y)
    return np.exp(log_similarity).mean(1)


def _as_channels(images):
    images = unmasked(images, "images").astype(np.float64)
    if images.ndim not in (3, 4):
        raise ValueError(
            f"expected images of shape (n, H, W) or (n, C, H, W), found {images.shape}."
        )
    return images[:, np.newaxis] if images.ndim == 3 else images


def ssim_maps(x, y, data_range=1.0, window_size=5, sigma=1.0):
    """Luminance and contrast-with-structure around each pixel of images (..., H, W)."""

    def blur(images):
        for axis in (-2, -1):
            images = gaussian_filter1d(
                images, sigma, axis=axis, mode="reflect", radius=window_size // 2
            )
        return images

    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mx, my = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    luminance = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
    return luminance, (2 * vxy + c2) / (vx + vy + c2)


def _halve(images):
    height, width = images.shape[-2] // 2, images.shape[-1] // 2
    blocks = images[..., : 2 * height, : 2 * width]
    return blocks.reshape(*images.shape[:2], height, 2, width, 2).mean((3, 5))


def _extended_log(factor):
    safe = np.maximum(factor, _LINEAR_BELOW)
    return np.log(safe) + np.minimum(factor / _LINEAR_BELOW - 1, 0)
