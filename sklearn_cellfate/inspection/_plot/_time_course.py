"""TimeCourseDisplay: scores against the time of a life, with bands, baseline and chance."""

import numpy as np
import pandas as pd

from sklearn_cellfate.inspection._plot._comparison import metric_words
from sklearn_cellfate.inspection._plot._palette import class_colours
from sklearn_cellfate.inspection._plot._panels import single_axes
from sklearn_cellfate.inspection._plot._scored import keep_to_shares
from sklearn_cellfate.table import listing

__all__ = ["TimeCourseDisplay"]

AXIS = {
    "relative": "relative time (% of life)",
    "frames": "time since first frame (frames)",
    "hours": "time since first frame (h)",
}


class TimeCourseDisplay:
    """Scores of one or more classifiers against time, with intervals over folds.

    Parameters
    ----------
    summary : DataFrame
        A row an estimator and time: ``estimator``, ``time``, ``mean``, ``low`` and ``high``.
    counts : DataFrame
        Indexed by time: ``n`` cells still observed and ``n_ended``.
    metric : str
        What is scored.
    unit : {"relative", "frames", "hours"}
        Of the times; relative ones are shares of the life.
    chance : Series, default=None
        Indexed by time: the score of guessing.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    sklearn_cellfate.model_selection.time_course : Makes the course.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.inspection import TimeCourseDisplay
    >>> summary = pd.DataFrame({
    ...     "estimator": "network", "time": [0.0, 6.0], "mean": [0.6, 0.8],
    ...     "low": [0.5, 0.7], "high": [0.7, 0.9],
    ... })
    >>> counts = pd.DataFrame({"n": [90, 80], "n_ended": [0, 10]}, index=[0.0, 6.0])
    >>> display = TimeCourseDisplay(summary, counts, metric="roc_auc", unit="hours").plot()
    >>> display.ax_.get_xlabel()
    'time since first frame (h)'
    """

    def __init__(self, summary, counts, *, metric, unit, chance=None):
        self.summary = summary
        self.counts = counts
        self.metric = metric
        self.unit = unit
        self.chance = chance

    @classmethod
    def from_result(cls, course, *, metric="balanced_accuracy"):
        """Take one metric out of a time course.

        Parameters
        ----------
        course : Bunch
            From :func:`~sklearn_cellfate.model_selection.time_course`.
        metric : str, default="balanced_accuracy"
            One of those that were scored.

        Returns
        -------
        display : TimeCourseDisplay

        Raises
        ------
        ValueError
            If the metric was not scored.
        """
        known = course.scores["metric"].unique()
        if metric not in known:
            raise ValueError(f"metric={metric!r} was not scored; scored are {listing(known)}.")
        summary = course.summary.xs(metric, level="metric").reset_index()
        return cls(
            summary, course.counts, metric=metric, unit=course.unit, chance=_chance(course, metric)
        )

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : TimeCourseDisplay
        """
        ax = single_axes(ax, (6.2, 4.2))
        names = pd.unique(self.summary["estimator"])
        for number, (name, colour) in enumerate(zip(names, class_colours(len(names)))):
            of_one = self.summary[self.summary["estimator"] == name].sort_values("time")
            times = self._on_axis(of_one["time"])
            ax.fill_between(times, of_one["low"], of_one["high"], color=colour, alpha=0.15, lw=0)
            style = {"marker": "osD^vP"[number % 6], "ls": "-" if number % 2 == 0 else "--"}
            ax.plot(times, of_one["mean"], color=colour, ms=5, label=name, **style)
        if self.chance is not None:
            chance = self.chance.dropna()
            ax.plot(
                self._on_axis(chance.index), chance, color="0.45", lw=1, ls=":", label="chance"
            )
        ax.set(xlabel=AXIS[self.unit], ylabel=metric_words(self.metric))
        keep_to_shares(ax, self.metric)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, loc="best", fontsize="small")
        if self.counts["n_ended"].any():
            self._say_cells(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _on_axis(self, times):
        return np.asarray(times, dtype=float) * (100 if self.unit == "relative" else 1)

    def _say_cells(self, ax):
        """Write along the top how many cells are still observed."""
        above = ax.secondary_xaxis("top")
        above.set_xticks(self._on_axis(self.counts.index), self.counts["n"].astype(str))
        above.tick_params(length=0, labelsize="x-small", labelcolor="0.35")
        above.spines["top"].set_visible(False)
        above.set_xlabel("cells still observed", fontsize="small", color="0.35")


def _chance(course, metric):
    """Score of guessing at each time, where it is known."""
    counts, classes = course.counts, course.classes
    if metric == "balanced_accuracy":
        return pd.Series(1 / len(classes), index=counts.index)
    if metric == "roc_auc":
        return pd.Series(0.5, index=counts.index)
    if metric in ("precision", "average_precision") and course.pos_label is not None:
        return counts[f"n_{course.pos_label}"] / counts["n"].where(counts["n"] > 0)
    return None
