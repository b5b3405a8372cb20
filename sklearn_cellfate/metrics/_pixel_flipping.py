"""Is a relevance map faithful? The score falls as what it calls relevant is blanked."""

from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from sklearn_cellfate._validation import images_like, read_images
from sklearn_cellfate.metrics._class_scores import (
    are_log_odds,
    class_numbers,
    respond,
    score_class,
)
from sklearn_cellfate.metrics._relevance import sum_channels

__all__ = ["pixel_flipping"]

PATCHES_A_SIDE = 8


@validate_params(
    {
        "target": "no_validation",
        "patch_size": [Interval(Integral, 1, None, closed="left"), None],
        "max_share": [Interval(Real, 0, 1, closed="right")],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "fill": [StrOptions({"mean", "blur"}), Interval(Real, None, None, closed="neither")],
        "response_method": [StrOptions({"predict_proba", "decision_function"})],
        "n_random": [Interval(Integral, 1, None, closed="left")],
        "image_shape": ["array-like", None],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def pixel_flipping(
    estimator: BaseEstimator,
    X: Any,
    relevance: Any,
    *,
    target: Any = None,
    patch_size: int | None = None,
    max_share: float = 1.0,
    n_steps: int = 16,
    fill: str | float = "mean",
    response_method: str = "predict_proba",
    n_random: int = 10,
    image_shape: tuple[int, int, int] | None = None,
    random_state: int | None = None,
) -> Bunch:
    """Blank the most relevant patches first and watch the score of the class fall.

    If a map shows what the classifier went by, the score falls faster than when patches are
    blanked in random order. Blanked images look like nothing that a classifier has been trained
    on, so the fall by itself says little: the random order, which suffers from that as well,
    is the measure. Maps of one classifier can be compared by their areas, different classifiers
    cannot. Where the evidence is emptiness, such as holes between cells, blank patches are
    evidence themselves: the score may rise, the area be negative, and only what is gained over
    random order counts.

    Parameters
    ----------
    estimator : fitted classifier
        Takes `X`; may be a pipeline that joins images and tabular features, of which only the
        pixels are changed.
    X : DataFrame with exactly one image column, or array of shape (n, H, W), (n, C, H, W) or \
(n, n_features)
        Images, of which each is blanked step by step.
    relevance : array-like of shape (n, H, W) or (n, C, H, W), or of the shape of a 2-D X
        Relevance of each pixel for the target class, signed. It is summed over channels and
        averaged over patches.
    target : class or array-like of shape (n,), default=None
        The class whose score is followed: one for all images or one for each. By default the one
        that the classifier predicts for each whole image.
    patch_size : int, default=None
        Largest side of the patches, in pixels. Images are divided into patches of equal size, or
        one pixel smaller. By default an eighth of the image's shorter side.
    max_share : float, default=1.0
        Share of the patches that is blanked in the end, above 0; at least one is. Samek et al.
        stopped at about a sixth of the pixels. The less is blanked, the more is what is left
        an image that the classifier can judge, and the more the very top of the map counts.
    n_steps : int, default=16
        Number of steps from the whole image to the last, at most one a patch.
    fill : {"mean", "blur"} or float, default="mean"
        What takes the place of a patch.

        - ``"mean"``: the mean of the image's channel.
        - ``"blur"``: the same place in the image blurred by a Gaussian whose standard deviation
          is the patch's larger side; brightness stays, structure goes.
        - a number: this value, in the unit of the pixels. 0 is the background of masked cells.
    response_method : {"predict_proba", "decision_function"}, default="predict_proba"
        Whether the score is the probability of the class or its decision value, which does not
        level off where the classifier is sure.
    n_random : int, default=10
        Number of random orders, each drawn for every image anew.
    image_shape : tuple of (channels, height, width), default=None
        How each row of a 2-D `X` folds into an image. By default a row is an image of one line.
    random_state : int, default=None
        Seed of the random orders, and of the order of equally relevant patches.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        curve : DataFrame
            Mean score over images, a row a step: ``order`` (``"relevance"`` or ``"random"``),
            ``repeat``, ``share_blanked`` (of the patches, from 0), ``score``.
        area : float
            Area over the curve in the order of relevance: the mean fall of the score from that of
            the whole image to those at all shares blanked between 0 and `max_share`. The larger,
            the more faithful.
        random_area : float
            The same in random order, mean over the repeats.
        random_sd : float
            Its standard deviation over the repeats; NaN for one repeat.
        gain : float
            ``area - random_area``.
        p_value : float
            Share of the random orders, this one counted among them, that do as well as the order
            of relevance; at least ``1 / (n_random + 1)``.
        images : DataFrame
            A row an image: ``target``, ``score`` (of the whole image), ``area``,
            ``random_area`` and ``gain``.
        score_name : str
            What the score is, for axis labels.

    Raises
    ------
    ValueError
        If `relevance` has another shape than the images or is not finite, the classifier has no
        `response_method`, or `target` is none of its classes.

    See Also
    --------
    relevance_mass : Where the truth is known, a stricter judge.

    References
    ----------
    Samek et al. (2017), Evaluating the visualization of what a deep neural network has learned,
    doi:10.1109/TNNLS.2016.2599820.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_cellfate.feature_extraction import PixelFeatures
    >>> from sklearn_cellfate.metrics import pixel_flipping
    >>> rng = np.random.default_rng(0)
    >>> images, y = rng.random((40, 8, 8)), np.repeat([0, 1], 20)
    >>> images[y == 1, :2, :2] += 1  # the class shows in one corner
    >>> model = make_pipeline(PixelFeatures(), LogisticRegression()).fit(images, y)
    >>> corner = np.zeros_like(images)
    >>> corner[:, :2, :2] = 1
    >>> result = pixel_flipping(model, images, corner, patch_size=2, target=1, random_state=0)
    >>> bool(result.area > result.random_area + 2 * result.random_sd)
    True
    """
    images = read_images(X, image_shape)
    relevance = _check_relevance(relevance, images.shape)
    patches = _divide(images.shape[2:], patch_size)
    filler = _filler(images, patches, fill)
    n_patches = patches.max() + 1
    n_blanked = max(1, round(max_share * n_patches))
    counts = np.unique(np.linspace(0, n_blanked, n_steps + 1).round().astype(int))
    rng = np.random.default_rng(random_state)
    whole = respond(estimator, X, response_method)
    if target is None:
        numbers = whole.argmax(axis=1)
    else:
        numbers = class_numbers(estimator, target, len(images))

    def follow(places):
        """Scores of every image, (n_steps + 1, n), as patches go in the order of their places."""
        scores = [whole[np.arange(len(images)), numbers]]
        for count in counts[1:]:
            blank = (places < count)[:, patches]
            changed = images_like(X, np.where(blank[:, np.newaxis], filler, images))
            scores.append(score_class(estimator, changed, numbers, response_method))
        return np.stack(scores)

    kind = "probability"
    if response_method == "decision_function":
        kind = "log odds" if are_log_odds(estimator, X, whole) else "decision value"
    informed = follow(_places(relevance, patches, rng))
    any_order = np.tile(np.arange(n_patches), (len(images), 1))
    blind = np.stack([follow(rng.permuted(any_order, axis=1)) for _ in range(n_random)])
    return Bunch(
        **_areas(counts / n_patches, informed, blind, estimator.classes_[numbers]),
        score_name=_name(kind, target),
    )


def _check_relevance(relevance, shape):
    """Return the relevance of each pixel, (n, H, W)."""
    n_images, n_channels, height, width = shape
    if np.shape(relevance) == (n_images, n_channels * height * width):
        relevance = np.reshape(relevance, shape)
    pixels = sum_channels(relevance)
    if np.shape(relevance) not in (shape, (n_images, height, width)):
        raise ValueError(
            f"relevance must have the shape of the images, {shape}, or one channel of it; "
            f"found {np.shape(relevance)}."
        )
    return pixels


def _divide(sides, patch_size):
    """Return the number of the patch that each pixel belongs to, (H, W)."""
    if patch_size is None:
        patch_size = max(1, round(min(sides) / PATCHES_A_SIDE))
    n_rows, n_columns = (-(-side // patch_size) for side in sides)
    row, column = (np.arange(side) * n // side for side, n in zip(sides, (n_rows, n_columns)))
    return row[:, np.newaxis] * n_columns + column


def _filler(images, patches, fill):
    """Return the blank images, of which patches are taken."""
    if fill == "mean":
        means = images.mean(axis=(2, 3), keepdims=True, dtype=np.float64)
        return np.broadcast_to(means, images.shape).astype(np.float32)
    if fill == "blur":
        side = max((patches == 0).any(axis=1).sum(), (patches == 0).any(axis=0).sum())
        return gaussian_filter(images, (0, 0, side, side), mode="reflect")
    return np.full_like(images, fill)


def _places(relevance, patches, rng):
    """Return the place of each patch in the order of falling relevance, (n, n_patches)."""
    flat = patches.ravel()
    sums = np.stack([np.bincount(flat, pixels.ravel()) for pixels in relevance])
    # Equal patches, such as empty ones, must not go in the order of reading.
    order = np.lexsort([rng.random(sums.shape), -sums / np.bincount(flat)], axis=-1)
    return order.argsort(axis=1)


def _areas(shares, informed, blind, targets):
    """Curves, and the areas over them, of one informed and several blind orders."""

    def area(scores):  # (..., n_steps + 1, n)
        return np.trapezoid(scores[..., :1, :] - scores, shares / shares[-1], axis=-2)

    images = pd.DataFrame({"target": targets, "score": informed[0], "area": area(informed)})
    images["random_area"] = area(blind).mean(axis=0)
    images["gain"] = images["area"] - images["random_area"]
    of_repeats = area(blind).mean(axis=1)
    mean_area = float(images["area"].mean())
    as_good = int((of_repeats >= mean_area).sum())
    return {
        "curve": _tidy(shares, informed, blind),
        "area": mean_area,
        "random_area": float(of_repeats.mean()),
        "random_sd": float(of_repeats.std(ddof=1)) if len(of_repeats) > 1 else np.nan,
        "gain": float(images["gain"].mean()),
        "p_value": (1 + as_good) / (1 + len(of_repeats)),
        "images": images,
    }


def _tidy(shares, informed, blind):
    orders = [("relevance", 0, informed)]
    orders += [("random", repeat, scores) for repeat, scores in enumerate(blind)]
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "order": order,
                    "repeat": repeat,
                    "share_blanked": shares,
                    "score": scores.mean(axis=1),
                }
            )
            for order, repeat, scores in orders
        ],
        ignore_index=True,
    )


def _name(kind, target):
    if target is None:
        return f"{kind} of the predicted class"
    return f"{kind} of {target}" if np.ndim(target) == 0 else f"{kind} of the target class"
