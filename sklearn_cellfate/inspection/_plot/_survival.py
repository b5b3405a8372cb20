"""SurvivalDisplay: the share of cells that have not met their fate yet, by predicted class."""

import numpy as np
import pandas as pd

from sklearn_cellfate.inspection._plot._palette import class_colours
from sklearn_cellfate.inspection._plot._panels import single_axes

__all__ = ["SurvivalDisplay"]


class SurvivalDisplay:
    """Kaplan-Meier curves by predicted class, with bands and the number of cells at risk.

    Parameters
    ----------
    curves : DataFrame
        A row a predicted class and time: ``predicted``, ``time``, ``survival``, ``low``,
        ``high``, ``at_risk``, ``events`` and ``censored``.
    p_value : float, default=None
        Of the log-rank test.
    concordance : Bunch, default=None
        ``value``, ``low`` and ``high``.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    sklearn_cellfate.model_selection.time_to_fate : Makes the curves.

    Examples
    --------
    >>> from sklearn_cellfate.inspection import SurvivalDisplay
    >>> from sklearn_cellfate.model_selection import time_to_fate
    >>> survival = time_to_fate(["divides", "stays"], [12, 72], [True, False])
    >>> display = SurvivalDisplay.from_result(survival).plot(unit="h")
    >>> display.ax_.get_ylabel()
    'share not divided'
    """

    def __init__(self, curves, *, p_value=None, concordance=None):
        self.curves = curves
        self.p_value = p_value
        self.concordance = concordance

    @classmethod
    def from_result(cls, survival):
        """Take the curves, the test and the concordance.

        Parameters
        ----------
        survival : Bunch
            From :func:`~sklearn_cellfate.model_selection.time_to_fate`.

        Returns
        -------
        display : SurvivalDisplay
        """
        return cls(
            survival.curves, p_value=survival.log_rank.p_value, concordance=survival.concordance
        )

    def plot(self, ax=None, *, unit="frames", event="divided"):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        unit : str, default="frames"
            Of time, for the axis.
        event : str, default="divided"
            What happens to cells, as a participle.

        Returns
        -------
        display : SurvivalDisplay
        """
        classes = list(pd.unique(self.curves["predicted"]))
        height = 3.4 + 0.2 * len(classes)
        ax = single_axes(ax, (5.6, height))
        ends = [self._plot_class(ax, *each) for each in zip(classes, class_colours(len(classes)))]
        ax.set(xlim=(0, max(ends)), ylim=(0, 1.03))
        ax.set(xlabel=f"time ({unit})", ylabel=f"share not {event}")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, loc="best", title=self._verdict(), alignment="left")
        self._write_at_risk(ax, classes)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _plot_class(self, ax, label, colour):
        curve = self.curves[self.curves["predicted"] == label]
        time, survival = curve["time"], curve["survival"]
        ax.step(time, survival, where="post", color=colour, label=f"predicted {label}")
        band = {"step": "post", "color": colour, "alpha": 0.18, "lw": 0}
        ax.fill_between(time, curve["low"].astype(float), curve["high"].astype(float), **band)
        censored = curve["censored"] > 0
        ax.plot(time[censored], survival[censored], "|", color=colour, ms=7)
        return time.max()

    def _verdict(self):
        lines = []
        if self.p_value is not None and np.isfinite(self.p_value):
            p_value = "< 0.001" if self.p_value < 0.001 else f"= {self.p_value:.3f}"
            lines.append(f"log-rank test: p {p_value}")
        if self.concordance is not None:
            c = self.concordance
            interval = "" if np.isnan(c.low) else f" [{c.low:.2f}, {c.high:.2f}]"
            lines.append(f"concordance {c.value:.2f}{interval}")
        return "\n".join(lines)

    def _write_at_risk(self, ax, classes):
        """Write beneath the axis how many cells are still watched at each tick."""
        ticks = [tick for tick in ax.get_xticks() if ax.get_xlim()[0] <= tick <= ax.get_xlim()[1]]
        ax.set_xticks(ticks)
        lines = []
        for tick in ticks:
            numbers = [self._count_at_risk(label, tick) for label in classes]
            lines.append("\n".join([f"{tick:g}", *map(str, numbers)]))
        ax.set_xticklabels(lines)
        names = "\n".join(["", *(f"at risk, {label}" for label in classes)])
        ax.annotate(
            names,
            (0, 0),
            xytext=(-14, -ax.xaxis.get_major_ticks()[0].get_pad() - 3.5),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            va="top",
        )

    def _count_at_risk(self, label, time):
        curve = self.curves[self.curves["predicted"] == label]
        return int(
            curve["at_risk"].iloc[0]
            - curve.loc[curve["time"] < time, ["events", "censored"]].sum().sum()
        )
