"""FeaturePairsDisplay: a heat map of the scores of all pairs of features."""

import numpy as np

from sklearn_cellfate.inspection._plot._comparison import metric_words
from sklearn_cellfate.inspection._plot._panels import panel_grid

__all__ = ["FeaturePairsDisplay"]


class FeaturePairsDisplay:
    """Heat map of all pairs for each model, with the best pair marked and honestly judged.

    Parameters
    ----------
    means : dict of str to DataFrame
        By model: a square table of mean scores, features by features, NaN where there is none.
    best : DataFrame
        Indexed by model: ``pair``, ``n_pairs``, ``apparent``, ``honest``, ``low``, ``high`` and
        ``all_features``.
    metric : str
        What is scored.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One a model.
    figure_ : matplotlib Figure

    See Also
    --------
    sklearn_cellfate.model_selection.feature_pairs : Makes the scores.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_cellfate.inspection import FeaturePairsDisplay
    >>> from sklearn_cellfate.model_selection import feature_pairs
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> pairs = feature_pairs(X, y, models={"Bayes": GaussianNB()}, cv=2, random_state=0)
    >>> display = FeaturePairsDisplay.from_result(pairs).plot()
    >>> print(display.axes_[0].get_title(loc="left").splitlines()[1])
    best of 6: 0.967, honestly 0.953 [...
    """

    def __init__(self, means, best, *, metric):
        self.means = means
        self.best = best
        self.metric = metric

    @classmethod
    def from_result(cls, pairs):
        """Arrange the metric that chose the best pair.

        Parameters
        ----------
        pairs : Bunch
            From :func:`~sklearn_cellfate.model_selection.feature_pairs`.

        Returns
        -------
        display : FeaturePairsDisplay
        """
        names = pairs.feature_names
        scores = pairs.scores[pairs.scores["metric"] == pairs.metric].dropna(subset="first")
        means = {
            model: of_model.pivot_table(index="second", columns="first", values="value").reindex(
                index=names, columns=names
            )
            for model, of_model in scores.groupby("model", sort=False)
        }
        return cls(means, pairs.best, metric=pairs.metric)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Its place is divided among the panels, one a model; it must come from ``subplots``. A
            new figure by default.

        Returns
        -------
        display : FeaturePairsDisplay
        """
        n_features = len(next(iter(self.means.values())))
        side, n_models = 2.4 + 0.27 * n_features, len(self.means)
        axes = panel_grid(ax, 1, n_models, (side * n_models + 0.8, side))[0]
        values = np.stack([table.to_numpy() for table in self.means.values()])
        scale = {"vmin": np.nanmin(values), "vmax": np.nanmax(values), "cmap": "viridis"}
        for number, (panel, (model, table)) in enumerate(zip(axes, self.means.items())):
            # The first feature is never second, the last never first: no empty row or column.
            picture = panel.imshow(table.to_numpy()[1:, :-1], **scale)
            panel.set_xticks(range(n_features - 1), table.columns[:-1], rotation=90)
            panel.set_yticks(range(n_features - 1), table.index[1:] if number == 0 else [])
            panel.spines[:].set_visible(False)
            panel.tick_params(length=0)
            self._mark_best(panel, model, table)
        figure = axes[0].figure
        figure.colorbar(picture, ax=list(axes), label=metric_words(self.metric), shrink=0.8)
        self.axes_, self.figure_ = axes, figure
        return self

    def _mark_best(self, ax, model, table):
        values = table.to_numpy()[1:, :-1]
        if np.isnan(values).all():
            ax.set_title(f"{model}: not defined", loc="left", fontsize="small")
            return
        row, column = np.unravel_index(np.nanargmax(values), values.shape)
        ax.plot(column, row, "s", ms=9, mfc="none", mec="#D55E00", mew=2)
        best = self.best.loc[model]
        interval = "" if np.isnan(best["low"]) else f" [{best['low']:.3f}, {best['high']:.3f}]"
        ax.set_title(
            f"{model}: {best['pair']}\n"
            f"best of {best['n_pairs']}: {best['apparent']:.3f}, "
            f"honestly {best['honest']:.3f}{interval}\n"
            f"all features: {best['all_features']:.3f}",
            loc="left",
            fontsize="small",
        )
