"""LabelBudgetDisplay: the score by the number of labelled cells."""

from sklearn_cellfate.inspection._plot._comparison import metric_words
from sklearn_cellfate.inspection._plot._palette import class_colours
from sklearn_cellfate.inspection._plot._panels import single_axes
from sklearn_cellfate.inspection._plot._scored import keep_to_shares, take_metric

__all__ = ["LabelBudgetDisplay"]


class LabelBudgetDisplay:
    """Learning curve by the number of labelled cells, with its interval and each fold.

    Parameters
    ----------
    scores : DataFrame
        A row a fit of one metric: ``size``, ``fold``, ``repeat``, ``held_out`` and ``value``.
    summary : DataFrame
        Indexed by size: ``mean``, and ``low`` and ``high`` of its interval.
    metric : str
        What is scored.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    sklearn_cellfate.model_selection.label_budget : Makes the scores.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_cellfate.inspection import LabelBudgetDisplay
    >>> from sklearn_cellfate.model_selection import label_budget
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> budget = label_budget(GaussianNB(), X, y, sizes=[10, 400], n_repeats=2, random_state=0)
    >>> LabelBudgetDisplay.from_result(budget).plot().ax_.get_xlabel()
    'labelled cells'
    """

    def __init__(self, scores, summary, *, metric):
        self.scores = scores
        self.summary = summary
        self.metric = metric

    @classmethod
    def from_result(cls, budget, *, metric=None):
        """Take one metric out of a label budget.

        Parameters
        ----------
        budget : Bunch
            From :func:`~sklearn_cellfate.model_selection.label_budget`.
        metric : str, default=None
            The first that was scored by default.

        Returns
        -------
        display : LabelBudgetDisplay
        """
        tables, metric = take_metric(budget, metric)
        return cls(tables["scores"], tables["summary"], metric=metric)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : LabelBudgetDisplay
        """
        ax = single_axes(ax, (5.2, 3.6))
        colour = class_colours(1)[0]
        sizes = self.summary.index.to_numpy()
        by_fold = self.scores.pivot_table(index="size", columns="fold", values="value")
        folds = ax.plot(by_fold.index, by_fold, color="0.7", lw=0.8, zorder=1)
        folds[0].set_label("each fold" if not self._has_groups() else "each held-out group")
        low, high = self.summary["low"].astype(float), self.summary["high"].astype(float)
        ax.fill_between(sizes, low, high, color=colour, alpha=0.2, lw=0, label="95 % interval")
        ax.plot(sizes, self.summary["mean"], "o-", color=colour, label="mean")
        ax.set_xscale("log")
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.minorticks_off()
        keep_to_shares(ax, self.metric)
        ax.set(xlabel="labelled cells", ylabel=metric_words(self.metric))
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _has_groups(self):
        held_out = self.scores["held_out"]
        return bool(held_out.ne("").all() and not held_out.str.contains(", ").any())
