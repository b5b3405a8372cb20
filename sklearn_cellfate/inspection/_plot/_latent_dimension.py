"""LatentDimensionDisplay: score, correlation and relevance by the number of latent features."""

import numpy as np

from sklearn_cellfate.inspection._plot._comparison import metric_words
from sklearn_cellfate.inspection._plot._palette import class_colours
from sklearn_cellfate.inspection._plot._panels import panel_grid
from sklearn_cellfate.inspection._plot._scored import take_metric

__all__ = ["LatentDimensionDisplay"]


class LatentDimensionDisplay:
    """Three panels: the score, the correlation among latent features, the relevance of each.

    Parameters
    ----------
    score, correlation : DataFrame
        Indexed by number of latent features: ``mean``, and ``low`` and ``high`` of its interval.
    relevance : DataFrame
        A row a fit and latent feature: ``latent_dim``, ``rank`` and ``relevance``.
    metric : str
        What is scored; relevance is a loss of it.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, of shape (3,)
    figure_ : matplotlib Figure

    See Also
    --------
    sklearn_cellfate.model_selection.latent_dimension_study : Makes the tables.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.inspection import LatentDimensionDisplay
    >>> by_dimension = pd.DataFrame({"mean": [0.7], "low": [0.6], "high": [0.8]}, index=[2])
    >>> relevance = pd.DataFrame({"latent_dim": 2, "rank": [1, 2], "relevance": [0.2, 0.0]})
    >>> display = LatentDimensionDisplay(
    ...     by_dimension, by_dimension, relevance, metric="accuracy"
    ... )
    >>> [ax.get_ylabel() for ax in display.plot().axes_]
    ['accuracy', 'mean |correlation| among latents', 'loss of accuracy']
    """

    def __init__(self, score, correlation, relevance, *, metric):
        self.score = score
        self.correlation = correlation
        self.relevance = relevance
        self.metric = metric

    @classmethod
    def from_result(cls, study):
        """Draw the metric that chose the relevance.

        Parameters
        ----------
        study : Bunch
            From :func:`~sklearn_cellfate.model_selection.latent_dimension_study`.

        Returns
        -------
        display : LatentDimensionDisplay
        """
        score, _ = take_metric(study, study.metric)
        correlation, _ = take_metric(study, "latent_correlation")
        return cls(score["summary"], correlation["summary"], study.relevance, metric=study.metric)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Its place is divided among three panels; it must come from ``subplots``. A new figure
            by default.

        Returns
        -------
        display : LatentDimensionDisplay
        """
        axes = panel_grid(ax, 1, 3, (9.5, 3.1))[0]
        colour = class_colours(1)[0]
        labels = (metric_words(self.metric), "mean |correlation| among latents")
        for panel, table, label in zip(axes, (self.score, self.correlation), labels):
            self._plot_means(panel, table, colour)
            panel.set(xlabel="latent features", ylabel=label)
        axes[1].set_ylim(-0.03, 1.03)
        self._plot_relevance(axes[2])
        for panel in axes:
            panel.spines[["top", "right"]].set_visible(False)
        self.axes_, self.figure_ = axes, axes[0].figure
        return self

    def _plot_means(self, ax, table, colour):
        places = np.arange(len(table))
        mean = table["mean"].to_numpy(float)
        ends = np.stack([mean - table["low"], table["high"] - mean])
        ax.errorbar(places, mean, ends, fmt="o", color=colour, capsize=3)
        ax.set_xticks(places, table.index)
        ax.set_xlim(-0.5, len(table) - 0.5)

    def _plot_relevance(self, ax):
        means = self.relevance.groupby(["latent_dim", "rank"])["relevance"].mean()
        dimensions = self.score.index
        for number, (dimension, colour) in enumerate(
            zip(dimensions, class_colours(len(dimensions)))
        ):
            of_rank = means.loc[dimension]
            ax.plot(
                of_rank.index, of_rank, marker="os^Dv"[number % 5], color=colour, label=dimension
            )
        ax.axhline(0, color="0.6", lw=0.8)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel="rank of the latent feature", ylabel=f"loss of {metric_words(self.metric)}")
        ax.legend(frameon=False, title="latent features")
