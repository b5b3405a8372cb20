"""Means over folds with intervals that own up to the overlap of training sets."""

import numpy as np
import pandas as pd
from scipy import stats

__all__ = ["compare_pairs", "corrected_interval", "summarize"]


def corrected_interval(values, n_train, n_test, level=0.95):
    """Mean over folds with the corrected resampled t interval of Nadeau and Bengio.

    Parameters
    ----------
    values : array-like of shape (n_folds,)
        A score, or a paired difference of scores, of each fold; of all repeats together.
    n_train, n_test : array-like of int of shape (n_folds,)
        Rows trained on and scored in each fold.
    level : float, default=0.95
        Of the interval.

    Returns
    -------
    mean, low, high : float
        The bounds are NaN for fewer than two folds.
    """
    values = np.asarray(values, dtype=float)
    n_folds = len(values)
    mean = values.mean() if n_folds else np.nan
    if n_folds < 2:
        return mean, np.nan, np.nan
    # Training sets overlap, so folds vary less than fresh data would: the term n_test / n_train.
    variance = (1 / n_folds + np.mean(n_test) / np.mean(n_train)) * values.var(ddof=1)
    half = stats.t.ppf(0.5 + level / 2, n_folds - 1) * np.sqrt(variance)
    return mean, mean - half, mean + half


def summarize(scores, by):
    """Mean, spread and 95 % interval over folds.

    Parameters
    ----------
    scores : DataFrame
        A row a fold: the columns `by`, ``value``, ``n_train`` and ``n_test``.
    by : list of str
        Columns, such as estimator and metric, that tell the summaries apart.

    Returns
    -------
    summary : DataFrame
        ``mean``, ``sd``, ``folds`` (those that define the metric), ``low`` and ``high``, a row
        an entry of `by`, its index.
    """
    rows = {}
    for key, part in scores.groupby(by, sort=False):
        part = part.dropna(subset="value")
        mean, low, high = corrected_interval(part["value"], part["n_train"], part["n_test"])
        rows[key] = mean, part["value"].std(), len(part), low, high
    index = pd.MultiIndex.from_tuples(rows, names=by)
    return pd.DataFrame(rows.values(), index=index, columns=["mean", "sd", "folds", "low", "high"])


def compare_pairs(scores, baseline, by):
    """Mean difference to the baseline on the same folds, with its 95 % interval.

    Parameters
    ----------
    scores : DataFrame
        A row a fold: ``estimator``, ``fold``, the columns `by`, ``value``, ``n_train`` and
        ``n_test``.
    baseline : str
        The estimator to compare with.
    by : list of str
        Columns beside the estimator, such as the metric, that tell the comparisons apart.

    Returns
    -------
    differences : DataFrame
        ``mean``, ``low`` and ``high`` of value minus baseline, a row an estimator and entry of
        `by`; none for the baseline itself.
    """
    theirs = scores.loc[scores["estimator"] == baseline, [*by, "fold", "value"]]
    mine = scores[scores["estimator"] != baseline]
    pairs = mine.merge(theirs, on=[*by, "fold"], suffixes=("", "_baseline"))
    pairs["value"] -= pairs["value_baseline"]
    return summarize(pairs, ["estimator", *by])[["mean", "low", "high"]]
