"""BlockImportanceDisplay: what the score loses when a block is shuffled."""

import numpy as np

from sklearn_cellfate.inspection._block_importance import block_importance
from sklearn_cellfate.inspection._plot._palette import OKABE_ITO
from sklearn_cellfate.inspection._plot._panels import single_axes
from sklearn_cellfate.inspection._plot._result import ResultDisplay

__all__ = ["BlockImportanceDisplay"]


class BlockImportanceDisplay(ResultDisplay):
    """Importance of each block with its interval, and of each fold by itself.

    Parameters
    ----------
    result : Bunch
        From :func:`block_importance`.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_cellfate.inspection import BlockImportanceDisplay
    >>> cells = pd.DataFrame(np.random.default_rng(0).random((60, 2)), columns=["area", "fret"])
    >>> fate = cells["fret"] > 0.5
    >>> model = LogisticRegression()
    >>> display = BlockImportanceDisplay.from_estimator(model, cells, fate, random_state=0)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['area', 'fret']
    """

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None, **kwargs):
        """Fit, shuffle and draw.

        Parameters
        ----------
        estimator : classifier or list of fitted classifiers
            As of :func:`block_importance`.
        X : DataFrame of shape (n, n_columns)
            The cell table.
        y : array-like of shape (n,)
            Classes.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **kwargs
            Of :func:`block_importance`.

        Returns
        -------
        display : BlockImportanceDisplay
        """
        return cls(block_importance(estimator, X, y, **kwargs)).plot(ax=ax)

    def plot(self, ax=None):
        """Draw, the most important block at the top.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : BlockImportanceDisplay
        """
        summary = self.result.summary.sort_values("mean", kind="stable")
        height = 1.2 + 0.3 * len(summary)
        ax = single_axes(ax, (5.5, height))
        places = np.arange(len(summary))
        ax.axvline(0, color="black", lw=0.8)
        by_fold = self.result.importances.groupby(["block", "fold"])["importance"].mean()
        for place, block in zip(places, summary.index):
            # A little below the interval, which would hide them.
            height = np.full(len(by_fold[block]), place - 0.22)
            label = "a fold" if place == 0 else None
            ax.plot(by_fold[block], height, "o", ms=4, mfc="none", mec="0.5", label=label)
        ax.errorbar(
            summary["mean"],
            places,
            xerr=[summary["mean"] - summary["low"], summary["high"] - summary["mean"]],
            fmt="o",
            ms=6,
            color=OKABE_ITO[0],
            capsize=3,
            label="mean, 95 % interval",
        )
        ax.set_yticks(places, summary.index.astype(str))
        ax.set(
            xlabel=f"fall of {_words(self.result.scoring)} when shuffled",
            ylim=(-0.6, len(summary) - 0.4),
        )
        ax.legend(frameon=False, fontsize="small", loc="best")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _words(scoring):
    known = {"roc_auc_ovr": "area under the ROC curve", "roc_auc": "area under the ROC curve"}
    return known.get(scoring, scoring.replace("_", " "))
