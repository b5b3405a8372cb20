"""latent_traversal: what each latent feature looks like, in pictures and in numbers."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklearn_cellfate.feature_extraction import RegionProperties
from sklearn_cellfate.inspection._pipelines import find_image_estimator

__all__ = ["find_decoder", "latent_traversal"]

MEASURED = ["area", "intensity_mean", "intensity_max", "eccentricity", "aspect_ratio"]


def latent_traversal(
    estimator,
    X,
    n_steps=5,
    *,
    latents=None,
    quantiles=None,
    limits=None,
    baseline="mean",
    threshold=None,
    channel=None,
    pixel_size=1.0,
):
    """Change one latent feature at a time and decode, to see which property of a cell it holds.

    Parameters
    ----------
    estimator : AdversarialAutoencoder, AAEClassifier or pipeline
        Fitted; of a pipeline, the autoencoder inside.
    X : as `estimator` accepts
        Cells, best those trained on: they say over what range each latent feature goes.
    n_steps : int, default=5
        Steps from one end of the range to the other, at least 2.
    latents : list of int, default=None
        Which latent features; all by default.
    quantiles : tuple of (float, float), default=None
        Of the latent features of `X`: the two ends of the range; by default 0.05 and 0.95.
    limits : tuple of (float, float) or array-like of shape (n_latents, 2), default=None
        The two ends themselves, for all latent features alike or for each of `latents`; in the
        place of `quantiles`, not beside them.
    baseline : {"mean", "zero"} or int, default="mean"
        Where the other latent features stay: at the mean over `X`, at 0, the middle of the
        prior, or at those of one cell, which is named by its row in `X`.
    threshold : float, default=None
        A decoded cell is where the intensity lies above this, in the unit of X. By default above
        the Otsu threshold of each decoded image by itself, so that bright cells do not pass for
        large ones.
    channel : int, default=None
        The channel that `threshold` looks at; by default the mean of all.
    pixel_size : float, default=1.0
        Side of a pixel in micrometres; with 1.0 areas are in square pixels.

    Returns
    -------
    traversal : :class:`~sklearn.utils.Bunch`
        With the attributes

        images : ndarray of shape (n_latents, n_steps, C, H, W)
            Decoded cells, in the unit of X as the autoencoder was fitted on it.
        latent_values : ndarray of shape (n_latents, n_steps)
            The latent feature's value at each step.
        latents : ndarray of int of shape (n_latents,)
            Which latent features.
        baseline : ndarray of shape (latent_dim,)
            Where the others stay.
        pixel_size : float
            As given.
        table : DataFrame with one row a latent feature and step
            ``latent``, ``step``, ``value``, and of the decoded cell ``area``, mean and maximum
            of each channel (``intensity_mean_0``, ``intensity_max_0``, ...), ``eccentricity``,
            ``aspect_ratio`` and ``circularity``. NaN where there is no cell.

    Raises
    ------
    ValueError
        If there is no autoencoder in `estimator`, the images have another size than those fitted
        on, a latent feature or the row of the baseline does not exist, a range has no width, or
        both `quantiles` and `limits` are given.
    NotFittedError
        If `estimator` is not fitted.

    See Also
    --------
    latent_correlations : The same question asked of the cells themselves.
    LatentTraversalDisplay : Draws it.

    Notes
    -----
    Latent features are those of ``transform``. With ``augment=True`` these are means over the
    symmetries of a cell, in which orientation cancels; so the decoded cells are rounder than
    real ones, and a latent feature of orientation goes nowhere.

    ``circularity`` is 4 pi area / perimeter squared, 1 for a disc, with Crofton's perimeter. Of
    discs 10 pixels across it is 1.00 on average, where the usual perimeter gives 1.08.

    A picture of what the decoder has learned is no proof. Where two latent features go together
    in real cells, changing one alone leads to cells that do not exist, and may show nothing of
    what both say. Compare :func:`latent_correlations` and
    :func:`~sklearn_cellfate.metrics.latent_correlation_matrix`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.inspection import latent_traversal
    >>> from sklearn_cellfate.neural_network import AdversarialAutoencoder
    >>> images = np.random.default_rng(0).random((40, 1, 12, 12))
    >>> aae = AdversarialAutoencoder(pretrain_epochs=1, max_epochs=1, random_state=0).fit(images)
    >>> traversal = latent_traversal(aae, images, n_steps=3, limits=(-1, 1))
    >>> traversal.images.shape
    (2, 3, 1, 12, 12)
    >>> traversal.table[["latent", "step", "value"]].tail(3)
       latent  step  value
    3       1     0   -1.0
    4       1     1    0.0
    5       1     2    1.0
    """
    if not isinstance(n_steps, Integral) or n_steps < 2:
        raise ValueError(f"n_steps must be a whole number from 2, found {n_steps!r}.")
    autoencoder, images = find_decoder(estimator, X)
    encoded = autoencoder.transform(images)
    chosen = _chosen_latents(latents, encoded.shape[1])
    ends = _ends(encoded[:, chosen], quantiles, limits)
    start = _baseline(encoded, baseline)
    _check_channel(channel, autoencoder.image_shape_[0])

    values = np.linspace(*ends, n_steps, axis=1)
    points = np.tile(start, (len(chosen), n_steps, 1))
    for number, latent in enumerate(chosen):
        points[number, :, latent] = values[number]
    decoded = autoencoder.inverse_transform(points.reshape(-1, len(start)))
    steps = {
        "latent": np.repeat(chosen, n_steps),
        "step": np.tile(np.arange(n_steps), len(chosen)),
        "value": values.ravel(),
    }
    shapes = _measure(decoded, threshold, channel, pixel_size)
    return Bunch(
        images=decoded.reshape(len(chosen), n_steps, *decoded.shape[1:]),
        latent_values=values,
        latents=chosen,
        baseline=start,
        pixel_size=pixel_size,
        table=pd.DataFrame(steps | shapes),
    )


def find_decoder(estimator, X):
    """Find the fitted autoencoder in an estimator or pipeline, and the images as it sees them."""
    image_estimator, images = find_image_estimator(estimator, X)
    if not hasattr(image_estimator, "inverse_transform"):
        raise ValueError(
            f"{type(image_estimator).__name__} has no decoder; expected an AdversarialAutoencoder "
            "or AAEClassifier."
        )
    return image_estimator, images


def _chosen_latents(latents, latent_dim):
    chosen = np.arange(latent_dim) if latents is None else np.atleast_1d(latents)
    whole = chosen.ndim == 1 and chosen.size and chosen.dtype.kind in "iu"
    if not whole or chosen.min() < 0 or chosen.max() >= latent_dim:
        raise ValueError(
            f"latents must be whole numbers from 0 to {latent_dim - 1}, for the model has "
            f"{latent_dim} latent feature(s), found {latents!r}."
        )
    return chosen


def _ends(encoded, quantiles, limits):
    """Return the lower and the upper ends of the ranges, two arrays of shape (n_latents,)."""
    if limits is not None and quantiles is not None:
        raise ValueError(
            f"quantiles={quantiles!r} and limits={limits!r} both name the range; give one."
        )
    if limits is None:
        quantiles = (0.05, 0.95) if quantiles is None else quantiles
        ends = np.quantile(encoded, _increasing(quantiles, "quantiles", 0, 1), axis=0)
        if (ends[0] == ends[1]).any():
            raise ValueError(
                f"X ({len(encoded)} row(s)) gives a latent feature no range to go over; name one "
                "with limits=(low, high)."
            )
        return ends
    n_latents = encoded.shape[1]
    limits = np.asarray(limits, dtype=float)
    if limits.shape not in ((2,), (n_latents, 2)):
        raise ValueError(
            f"limits must be two numbers or an array of shape ({n_latents}, 2), found shape "
            f"{limits.shape}."
        )
    limits = np.broadcast_to(limits, (n_latents, 2))
    return np.transpose([_increasing(pair, "limits", -np.inf, np.inf) for pair in limits])


def _increasing(pair, name, lowest, highest):
    pair = np.asarray(pair, dtype=float)
    if (
        pair.shape != (2,)
        or not np.isfinite(pair).all()
        or not (lowest <= pair[0] < pair[1] <= highest)
    ):
        bounds = f" from {lowest} to {highest}" if np.isfinite(lowest) else ""
        raise ValueError(
            f"{name} must be two numbers{bounds}, the lower first, found {pair.tolist()}."
        )
    return pair


def _baseline(encoded, baseline):
    if isinstance(baseline, str) and baseline in ("mean", "zero"):
        return encoded.mean(axis=0) if baseline == "mean" else np.zeros(encoded.shape[1])
    is_row = isinstance(baseline, Integral) and not isinstance(baseline, bool)
    if is_row and 0 <= baseline < len(encoded):
        return encoded[baseline].copy()
    raise ValueError(
        f'baseline must be "mean", "zero" or a row of X from 0 to {len(encoded) - 1}, found '
        f"{baseline!r}."
    )


def _check_channel(channel, n_channels):
    if channel is not None and not (isinstance(channel, Integral) and 0 <= channel < n_channels):
        raise ValueError(f"channel={channel!r}, but the images have {n_channels} channel(s).")


# Measuring --------------------------------------------------------------------------------------


def _measure(images, threshold, channel, pixel_size):
    """Return columns of properties of the cell in each image."""
    inside = _above(images.mean(1) if channel is None else images[:, channel], threshold)
    properties = RegionProperties(
        [*MEASURED, "perimeter_crofton"], mask_channel=-1, pixel_size=pixel_size
    )
    measured = properties.fit_transform(np.concatenate([images, inside[:, None]], axis=1))
    columns = dict(zip(properties.get_feature_names_out(), measured.T))
    perimeter = columns.pop("perimeter_crofton")
    with np.errstate(invalid="ignore", divide="ignore"):
        columns["circularity"] = 4 * np.pi * columns["area"] / perimeter**2
    return columns


def _above(planes, threshold):
    if threshold is None:
        from skimage.filters import threshold_otsu

        thresholds = np.array([threshold_otsu(plane) for plane in planes])
    elif isinstance(threshold, Real) and np.isfinite(threshold):
        thresholds = np.full(len(planes), threshold)
    else:
        raise ValueError(f"threshold must be a number or None, found {threshold!r}.")
    return planes > thresholds[:, None, None]
