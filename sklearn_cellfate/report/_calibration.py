"""Whether a probability of 0.8 comes true in 8 of 10 held-out cells."""

import numpy as np
import pandas as pd
from scipy import stats

__all__ = ["calibration", "calibration_gap", "plot_calibration"]

MOST_BINS = 10
CELLS_IN_A_BIN = 15


def calibration(is_class, probability):
    """Compare predicted probabilities with how often they came true.

    Parameters
    ----------
    is_class : array-like of bool of shape (n,)
        Whether each cell is of the class.
    probability : array-like of shape (n,)
        Predicted probability of the class.

    Returns
    -------
    bins : DataFrame
        A row a bin of about as many cells as any other: ``predicted`` mean probability,
        ``observed`` share of the class with its 95 % Wilson interval from ``low`` to ``high``,
        and ``n`` cells. No bin divides equal probabilities; at most ten bins.

    Examples
    --------
    >>> from sklearn_cellfate.report._calibration import calibration
    >>> bins = calibration([False, True] * 20, [0.1, 0.9] * 20)
    >>> bins[["predicted", "observed", "n"]].to_numpy().tolist()
    [[0.1, 0.0, 20.0], [0.9, 1.0, 20.0]]
    """
    rows = pd.DataFrame({"observed": np.asarray(is_class), "predicted": probability}).dropna()
    n_bins = int(np.clip(len(rows) // CELLS_IN_A_BIN, 2, MOST_BINS))
    if rows["predicted"].nunique() > 1:
        rows["bin"] = pd.qcut(rows["predicted"], n_bins, labels=False, duplicates="drop")
    else:
        rows["bin"] = 0
    of_bins = rows.groupby("bin").agg(
        predicted=("predicted", "mean"), hits=("observed", "sum"), n=("observed", "size")
    )
    intervals = [
        stats.binomtest(int(hits), int(n)).proportion_ci(0.95, method="wilson")
        for hits, n in zip(of_bins["hits"], of_bins["n"])
    ]
    return pd.DataFrame(
        {
            "predicted": of_bins["predicted"],
            "observed": of_bins["hits"] / of_bins["n"],
            "low": [interval.low for interval in intervals],
            "high": [interval.high for interval in intervals],
            "n": of_bins["n"],
        }
    ).reset_index(drop=True)


def calibration_gap(bins):
    """Mean distance of predicted from observed over the bins, weighted by their cells."""
    return float(np.average((bins["observed"] - bins["predicted"]).abs(), weights=bins["n"]))


def plot_calibration(axes, by_estimator, labels, colours):
    """Draw reliability, a panel a pipeline and a line a class.

    Parameters
    ----------
    axes : iterable of matplotlib Axes
        One a pipeline.
    by_estimator : iterable of (str, DataFrame)
        Name and held-out predictions of each pipeline.
    labels : list
        The classes to show.
    colours : list of str
        One a class.
    """
    for ax, (name, rows) in zip(axes, by_estimator):
        ax.plot([0, 1], [0, 1], color="0.7", lw=0.8, ls=":")
        for label, colour in zip(labels, colours):
            bins = calibration(rows["y_true"] == label, rows[f"probability_{label}"])
            reach = np.abs(bins[["low", "high"]].to_numpy().T - bins["observed"].to_numpy())
            ax.errorbar(
                bins["predicted"],
                bins["observed"],
                yerr=reach,
                fmt="o-",
                ms=4,
                lw=1,
                color=colour,
                label=str(label),
            )
        ax.set(title=name, xlabel="predicted probability", ylabel="share of cells")
        ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        if len(labels) > 1:
            ax.legend(frameon=False, fontsize="small")
