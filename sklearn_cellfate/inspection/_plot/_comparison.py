"""ComparisonDisplay: estimators side by side, fold by fold or group by group."""

import pandas as pd

from sklearn_cellfate.inspection._plot._palette import class_colours
from sklearn_cellfate.inspection._plot._panels import single_axes
from sklearn_cellfate.table import listing

__all__ = ["ComparisonDisplay"]

MARKERS = "osD^vPX*<>"


class ComparisonDisplay:
    """Scores of several estimators on the same folds, and on each group.

    Parameters
    ----------
    scores : DataFrame
        A row an estimator and fold of one metric: ``estimator``, ``fold`` and ``value``.
    summary : DataFrame
        Indexed by estimator: ``mean``, and ``low`` and ``high`` of its interval.
    differences : DataFrame
        Indexed by estimator: ``mean``, ``low`` and ``high`` of its difference to the baseline.
    by_group : DataFrame
        A row an estimator and group: ``estimator``, ``group``, ``value`` and ``n`` (rows).
    metric : str
        What is scored.
    baseline : str
        Name of the estimator that the others are compared with.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    sklearn_cellfate.model_selection.compare_estimators : Makes the comparison.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_cellfate.inspection import ComparisonDisplay
    >>> from sklearn_cellfate.model_selection import compare_estimators
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> models = {"chance": DummyClassifier(), "tree": DecisionTreeClassifier(random_state=0)}
    >>> comparison = compare_estimators(models, X, y, random_state=0)
    >>> display = ComparisonDisplay.from_result(comparison, metric="roc_auc").plot()
    >>> display.ax_.get_xlabel()
    'area under the ROC curve'
    """

    def __init__(self, scores, summary, differences, by_group, *, metric, baseline):
        self.scores = scores
        self.summary = summary
        self.differences = differences
        self.by_group = by_group
        self.metric = metric
        self.baseline = baseline

    @classmethod
    def from_result(cls, comparison, *, metric="balanced_accuracy"):
        """Take one metric out of a comparison.

        Parameters
        ----------
        comparison : Bunch
            From :func:`~sklearn_cellfate.model_selection.compare_estimators` or
            :func:`~sklearn_cellfate.model_selection.compare_modalities`.
        metric : str, default="balanced_accuracy"
            One of those that were scored; of groups there is also ``"accuracy"``.

        Returns
        -------
        display : ComparisonDisplay

        Raises
        ------
        ValueError
            If the metric was not scored.
        """
        known = pd.unique(pd.concat([comparison.scores["metric"], comparison.by_group["metric"]]))
        if metric not in known:
            raise ValueError(f"metric={metric!r} was not scored; scored are {listing(known)}.")
        of_metric, of_group = (
            table[table["metric"] == metric].drop(columns="metric")
            for table in (comparison.scores, comparison.by_group)
        )
        summary, differences = (
            table[table.index.get_level_values("metric") == metric].droplevel("metric")
            for table in (comparison.summary, comparison.differences)
        )
        return cls(
            of_metric,
            summary,
            differences,
            of_group,
            metric=metric,
            baseline=comparison.baseline,
        )

    def plot(self, ax=None, *, by="fold"):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        by : {"fold", "group"}, default="fold"
            ``"fold"`` joins the points of each fold by a line, with mean, interval and paired
            difference to the baseline; ``"group"`` shows who fails: a row a group, with the
            number of its rows.

        Returns
        -------
        display : ComparisonDisplay

        Raises
        ------
        ValueError
            If there are no groups, or no folds of this metric, to draw.
        """
        if by not in ("fold", "group"):
            raise ValueError(f'by must be "fold" or "group", found {by!r}.')
        table = self.scores if by == "fold" else self.by_group
        if not len(table):
            raise ValueError(
                "the estimators were compared without groups; there are none to draw."
                if by == "group"
                else f"metric {self.metric!r} is known of groups only; draw it with by='group'."
            )
        names = list(pd.unique(table["estimator"]))
        labels = names if by == "fold" else self._group_labels()
        height = 1.2 + (0.55 if by == "fold" else 0.35) * len(labels)
        ax = single_axes(ax, (6.5, height + 0.4))
        if by == "fold":
            self._plot_folds(ax, names)
        else:
            self._plot_groups(ax, names)
        ax.set_yticks(range(len(labels)), labels)
        ax.set_ylim(len(labels) - 0.5, -0.5)
        ax.set_xlabel(metric_words(self.metric))
        ax.spines[["top", "right"]].set_visible(False)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _plot_folds(self, ax, names):
        values = self.scores.pivot(index="fold", columns="estimator", values="value")[names]
        for fold, of_fold in values.iterrows():
            ax.plot(of_fold, range(len(names)), color="0.75", lw=0.8, zorder=1, gid=f"fold {fold}")
        colours = class_colours(len(names))
        for row, name in enumerate(names):
            colour = colours[row]
            ax.scatter(values[name], [row] * len(values), s=18, color=colour, alpha=0.6)
            at = self.summary.loc[name]
            ax.plot(
                at[["low", "high"]],
                [row + 0.22] * 2,
                color=colour,
                lw=2.5,
                solid_capstyle="butt",
                gid=f"interval {name}",
            )
            ax.plot(
                at["mean"], row + 0.22, "o", color=colour, mec="white", ms=9, gid=f"mean {name}"
            )
            # Beside the axes, in line with the row.
            ax.annotate(
                self._difference_text(name),
                (1.02, row),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize="small",
            )
        ax.axvline(self.summary.loc[self.baseline, "mean"], color="0.4", lw=0.9, ls=":", zorder=0)

    def _difference_text(self, name):
        mean = f"{self.summary.loc[name, 'mean']:.3f}"
        if name == self.baseline:
            return f"{mean} (baseline)"
        row = self.differences.loc[name]
        if pd.isna(row["low"]):
            return mean
        return f"{mean}\n{row['mean']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"

    def _plot_groups(self, ax, names):
        groups = pd.unique(self.by_group["group"])
        by_name = self.by_group.set_index("group").groupby("estimator", sort=False)["value"]
        colours = class_colours(len(names))
        for number, (name, values) in enumerate(by_name):
            ax.plot(
                values.reindex(groups),
                range(len(groups)),
                MARKERS[number % len(MARKERS)],
                color=colours[number],
                alpha=0.85,
                label=name,
            )
        ax.grid(axis="y", color="0.9", lw=0.8)
        ax.set_axisbelow(True)
        ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))

    def _group_labels(self):
        sizes = self.by_group.drop_duplicates("group").set_index("group")["n"]
        return [f"{group} (n = {n})" for group, n in sizes.items()]


WORDS = {
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "area under the ROC curve",
    "average_precision": "average precision",
}


def metric_words(metric):
    """Name a metric for an axis."""
    return WORDS.get(metric, metric.replace("_", " "))
