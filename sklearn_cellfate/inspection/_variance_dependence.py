"""Does the score follow the contrast of the patches, or their structure."""

from numbers import Integral

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.validation import check_consistent_length

from sklearn_cellfate._validation import images_like, validate_images
from sklearn_cellfate.metrics._class_scores import check_responds, class_number, score_class
from sklearn_cellfate.model_selection._held_out import check_groups
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.preprocessing import PatchNormalizer
from sklearn_cellfate.table import listing

__all__ = ["variance_dependence"]

FEWEST_PATCHES = 3
SCORE_DECIMALS = 6  # what float32 pixels leave of differences below is rounding, and has no rank
EQUAL = 1e-4  # variances that differ by less, relatively, come from normalised patches


@validate_params(
    {
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "n_bootstrap": [Interval(Integral, 1, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def variance_dependence(
    estimator,
    X,
    *,
    target=None,
    groups=None,
    n_bins=8,
    n_bootstrap=1000,
    random_state=None,
):
    """Relate the score of a class to the variance of the patches, before and after taking it away.

    The variance of a patch is the simplest thing that a network of phase contrast can learn, and
    it depends on the lamp as much as on the cells. Scores are asked for twice: of the patches as
    they are, and after :class:`~sklearn_cellfate.preprocessing.PatchNormalizer` has brought all to
    the same mean and variance, those of the median patch, so that the pixels stay in the range
    that the estimator knows. Both are related to the variance that the patches had. What
    dependence is left after normalisation is one on structure that goes with the variance.

    Parameters
    ----------
    estimator : fitted classifier
        Takes `X`. Of a :class:`~sklearn_cellfate.patches.PatchClassifier`, the patches of each
        image are judged one by one; else each image is a patch.
    X : DataFrame with exactly one image column, or array of shape (n, H, W) or (n, C, H, W)
        Images, best held-out ones, with their own brightness and contrast.
    target : class, default=None
        The class whose probability is the score; by default the last of ``classes_``.
    groups : array-like of shape (n,), default=None
        Clone, well, donor ... of each image. Whole groups are drawn for the intervals, as images
        of one clone are alike; with fewer than ten groups, intervals are too narrow all the
        same. By default images are drawn, each with all its patches.
    n_bins : int, default=8
        Number of bins of the curve, of equally many patches.
    n_bootstrap : int, default=1000
        Number of draws for the intervals.
    random_state : int, default=None
        Seed of the draws.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        summary : DataFrame
            Rows ``"before"`` and ``"after"`` normalisation: ``spearman``, the rank correlation of
            score and variance, with its 95 % interval from ``low`` to ``high`` (percentiles of
            the draws), and ``score_mean`` and ``score_sd`` over patches. Scores that do not
            differ count as uncorrelated. A correlation of scores with a tiny ``score_sd``
            means little.
        change : float
            Mean absolute change of the score by normalisation.
        curve : DataFrame
            A row a bin, ``"before"`` and ``"after"`` (column ``pixels``): median ``variance``,
            mean ``score``, its standard deviation ``sd`` over patches, and their number ``n``.
        patches : DataFrame
            A row a patch: ``row`` (position of its image in `X`), ``variance`` (in the squared
            unit of the pixels, mean over channels), and the scores ``before`` and ``after``.
        score_name : str
            What the score is, for axis labels.

    Raises
    ------
    ValueError
        If the estimator has no ``predict_proba``, there is one group only, or all patches have
        the same variance.

    See Also
    --------
    sklearn_cellfate.feature_extraction.IntensityStatistics : A baseline of mean, variance and
        entropy, to compare a model with.

    Notes
    -----
    Score and variance may go together without one causing the other: holes in a layer of cells
    raise the variance, so a model that sees holes follows it. Only the change by normalisation
    tells what the model does with the variance itself. An estimator that normalises patches
    itself scores the same before and after.

    References
    ----------
    Field and Welsh (2007), Bootstrapping clustered data, doi:10.1111/j.1467-9868.2007.00593.x.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_cellfate.feature_extraction import IntensityStatistics
    >>> from sklearn_cellfate.inspection import variance_dependence
    >>> rng = np.random.default_rng(0)
    >>> contrast = rng.uniform(1, 3, size=(80, 1, 1))
    >>> images, y = contrast * rng.normal(size=(80, 16, 16)), contrast.ravel() > 2
    >>> model = make_pipeline(IntensityStatistics(), StandardScaler(), LogisticRegression())
    >>> result = variance_dependence(model.fit(images, y), images, random_state=0)
    >>> bool(result.summary.loc["before", "low"] > 0.9)
    True
    """
    check_responds(estimator, "predict_proba")
    images = validate_images(BaseEstimator(), X, reset=True)
    groups = check_groups(np.arange(len(images)) if groups is None else groups)
    check_consistent_length(images, groups)
    if len(np.unique(groups)) < 2:
        raise ValueError(
            f"all images belong to one group, {listing(groups[:1])}; two are needed for an "
            "interval, or groups=None to draw images."
        )
    number = class_number(estimator, estimator.classes_[-1] if target is None else target)
    name = f"probability of {estimator.classes_[number]}"
    rows = np.arange(len(images))
    if isinstance(estimator, PatchClassifier):
        rows, images = _cut_patches(estimator, X)
        estimator, X = estimator.estimator_, images
    variance = images.var(axis=(2, 3), dtype=np.float64).mean(axis=1)
    _check_variance(variance)
    patches = pd.DataFrame({"row": rows, "variance": variance})
    patches["before"] = score_class(estimator, X, number)
    patches["after"] = score_class(estimator, images_like(X, _equalise(images)), number)
    draws = _draw(groups[rows], n_bootstrap, np.random.default_rng(random_state))
    summary = {pixels: _correlate(patches, pixels, draws) for pixels in ("before", "after")}
    return Bunch(
        summary=pd.DataFrame.from_dict(summary, orient="index"),
        change=float((patches["after"] - patches["before"]).abs().mean()),
        curve=_bin(patches, n_bins),
        patches=patches,
        score_name=name,
    )


def _cut_patches(estimator, X):
    """Return the patches that count, and the image that each is from."""
    images = validate_images(estimator, X, reset=False)
    rows, places = estimator._find_patches(images)
    return rows, estimator._cut_all(images, rows, places)


def _check_variance(variance):
    if len(variance) < FEWEST_PATCHES:
        raise ValueError(f"{FEWEST_PATCHES} patches or more are needed, found {len(variance)}.")
    if np.ptp(variance) <= EQUAL * variance.max():
        raise ValueError(
            f"all patches have the same variance, {variance.max():.3g}; pass the images as they "
            "were before normalisation."
        )


def _equalise(images):
    """Bring all patches to the mean and standard deviation of the median patch."""
    axes = {"axis": (2, 3), "keepdims": True, "dtype": np.float64}
    level = np.median(images.mean(**axes), axis=0)
    spread = np.median(images.std(**axes), axis=0)
    return (PatchNormalizer().fit_transform(images) * spread + level).astype(np.float32)


def _draw(groups, n_draws, rng):
    """Return the patches of each draw of whole groups."""
    _, numbers = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]
    drawn = rng.integers(len(members), size=(n_draws, len(members)))
    return [np.concatenate([members[number] for number in draw]) for draw in drawn]


def _correlate(patches, pixels, draws):
    variance, exact = patches["variance"].to_numpy(), patches[pixels].to_numpy()
    scores = exact.round(SCORE_DECIMALS)
    of_draws = [_spearman(variance[draw], scores[draw]) for draw in draws]
    low, high = np.percentile(of_draws, [2.5, 97.5])
    return {
        "spearman": _spearman(variance, scores),
        "low": low,
        "high": high,
        "score_mean": exact.mean(),
        "score_sd": exact.std(ddof=1),
    }


def _spearman(x, y):
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return np.corrcoef(rankdata(x), rankdata(y))[0, 1]


def _bin(patches, n_bins):
    bins = pd.qcut(patches["variance"], n_bins, labels=False, duplicates="drop").rename("bin")
    parts = []
    for pixels in ("before", "after"):
        of_bins = patches.groupby(bins)
        part = of_bins.agg(variance=("variance", "median"), score=(pixels, "mean"))
        part["sd"], part["n"] = of_bins[pixels].std(), of_bins.size()
        parts.append(part.reset_index().assign(pixels=pixels))
    return pd.concat(parts, ignore_index=True)[["pixels", "bin", "variance", "score", "sd", "n"]]
