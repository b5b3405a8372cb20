"""What the frequency analyses share: rows, and means with an interval over groups."""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.utils.validation import check_consistent_length, column_or_1d


def check_rows(images, **columns):
    """Return as 1-D arrays what belongs to the rows, None for None; nothing may be missing."""
    checked = []
    for name, values in columns.items():
        if values is not None:
            values = column_or_1d(values)
            check_consistent_length(images, values)
            if pd.isna(values).any():
                missing = pd.isna(values).sum()
                raise ValueError(f"{name} is missing in {missing} of {len(values)} rows.")
        checked.append(values)
    return checked


def group_means(values, groups):
    """Return the mean of each group, so that each counts once; the values without groups."""
    if groups is None:
        return values
    return pd.DataFrame(values).groupby(np.asarray(groups)).mean().to_numpy()


def mean_interval(values, level=0.95):
    """Mean over rows and the interval of Student's t, NaN for a single row.

    Parameters
    ----------
    values : ndarray of shape (n, n_columns)
    level : float, default=0.95

    Returns
    -------
    interval : dict
        ``mean``, ``low`` and ``high`` of shape (n_columns,), and ``n``.
    """
    mean, n = values.mean(axis=0), len(values)
    half = np.full(mean.shape, np.nan)
    if n > 1:
        half = stats.t.ppf(0.5 + level / 2, n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": n}
