"""What the pixels of an image are compared with."""

import numpy as np

from sklearn_cellfate._validation import describe_shape

__all__ = ["scale_baselines"]


def scale_baselines(estimator, scaled, baseline):
    """Return a baseline for each image, as the network takes images.

    Parameters
    ----------
    estimator : AdversarialAutoencoder, AAEClassifier or EfficientNetClassifier
        Fitted.
    scaled : ndarray of shape (n, C, H, W), float32
        Images as the network takes them.
    baseline : {"border", "empty"}, array-like of shape (C, H, W) or None
        See :func:`relevance`.

    Returns
    -------
    baselines : ndarray of shape (n, C, H, W), float32
        Perhaps a view of fewer numbers.
    """
    if baseline is None:
        baseline = "border" if hasattr(estimator, "inverse_transform") else "empty"
    if isinstance(baseline, str) and baseline == "border":
        baselines = _border_level(scaled)[:, :, np.newaxis, np.newaxis]
    elif isinstance(baseline, str) and baseline == "empty":
        baselines = np.float32(0)  # both kinds of networks scale so
    else:
        baselines = estimator._scale(_read(baseline, scaled.shape[1:])[np.newaxis])
    return np.broadcast_to(baselines, scaled.shape)


def _border_level(images):
    """Median of the outermost pixels, (n, C): what surrounds a cell in the middle."""
    sides = [images[:, :, [0, -1]].reshape(*images.shape[:2], -1)]
    sides += [images[:, :, 1:-1, [0, -1]].reshape(*images.shape[:2], -1)]
    return np.median(np.concatenate(sides, axis=2), axis=2)


def _read(baseline, shape):
    try:
        image = np.asarray(baseline, dtype=np.float32)
    except (TypeError, ValueError):
        image = np.empty(0, np.float32)
    if image.shape != shape or not np.isfinite(image).all():
        found = repr(baseline) if isinstance(baseline, str) else f"an array of {image.shape}"
        raise ValueError(
            f'baseline must be "border", "empty" or an array of shape {shape}, one finite image '
            f"with {describe_shape(shape)}, found {found}."
        )
    return image
