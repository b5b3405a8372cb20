"""How near the distribution of latent features is to the prior."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.utils.validation import check_array

__all__ = ["latent_normality"]


def latent_normality(latents: Any) -> pd.DataFrame:
    """Moments of each latent feature, its distance from the prior, and two tests.

    With thousands of cells every test finds some departure from a normal distribution: look at
    the distance first, which says how large it is, and at p only where cells are few.

    Parameters
    ----------
    latents : array-like of shape (n_samples, latent_dim)
        At least 20 rows, for the tests' approximations to hold.

    Returns
    -------
    normality : DataFrame
        A row a latent feature:

        - ``mean``, ``std``, ``skewness``, ``excess_kurtosis``: 0, 1, 0 and 0 for the prior;
        - ``ks_distance``: largest difference between the cumulative distribution and that of the
          standard normal, from 0 to 1 (Kolmogorov and Smirnov);
        - ``p_prior``: of that distance, were the feature standard normal;
        - ``p_normal``: of skewness and kurtosis, were it normal of any mean and scale
          (D'Agostino and Pearson [1]_).

        The shape of a constant feature has no meaning and is NaN.

    References
    ----------
    .. [1] R. D'Agostino and E. S. Pearson, "Tests for departure from normality", Biometrika
       60(3), 1973. :doi:`10.1093/biomet/60.3.613`

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.metrics import latent_normality
    >>> latents = np.random.default_rng(0).normal([0, 5], [1, 0.05], size=(1000, 2))
    >>> latent_normality(latents)[["mean", "std", "ks_distance"]].round(2)
       mean   std  ks_distance
    0 -0.03  1.02         0.03
    1  5.00  0.05         1.00
    """
    latents = check_array(latents, dtype=np.float64, ensure_min_samples=20)
    rows = [_describe(feature) for feature in latents.T]
    return pd.DataFrame(rows)


def _describe(feature):
    distance = stats.kstest(feature, "norm")
    row = {"mean": feature.mean(), "std": feature.std()}
    row |= dict.fromkeys(("skewness", "excess_kurtosis", "p_normal"), np.nan)
    if np.ptp(feature) > 0:
        row["skewness"], row["excess_kurtosis"] = stats.skew(feature), stats.kurtosis(feature)
        row["p_normal"] = stats.normaltest(feature).pvalue
    row |= {"ks_distance": distance.statistic, "p_prior": distance.pvalue}
    order = ["mean", "std", "skewness", "excess_kurtosis", "ks_distance", "p_prior", "p_normal"]
    return {name: row[name] for name in order}
