"""Taking one metric out of the result of a study."""

import pandas as pd

from sklearn_cellfate.table import listing

__all__ = ["keep_to_shares", "take_metric"]

SHARES = "accuracy average_precision balanced_accuracy f1 precision recall roc_auc".split()


def keep_to_shares(ax, metric):
    """Cut the axis of a metric from 0 to 1 where intervals of few folds reach beyond."""
    if metric in SHARES:
        low, high = ax.get_ylim()
        ax.set_ylim(max(low, -0.02), min(high, 1.02))


def take_metric(result, metric):
    """Tables of one metric.

    Parameters
    ----------
    result : Bunch
        With ``scores``, and perhaps ``summary`` and ``differences`` indexed by the setting and
        ``metric``.
    metric : str or None
        None is the first metric that was scored.

    Returns
    -------
    tables : dict of str to DataFrame
        ``scores``, ``summary`` and ``differences``, as far as there are any.
    metric : str
    """
    known = list(pd.unique(result.scores["metric"]))
    metric = known[0] if metric is None else metric
    if metric not in known:
        raise ValueError(f"metric={metric!r} was not scored; scored are {listing(known)}.")
    tables = {"scores": result.scores[result.scores["metric"] == metric].drop(columns="metric")}
    for name in ("summary", "differences"):
        if name in result:
            table = result[name]
            of_metric = table.index.get_level_values("metric") == metric
            tables[name] = table[of_metric].droplevel("metric")
    return tables, metric
