"""LatentCorrelationsDisplay: a heat map of latent against measured features."""

from sklearn_cellfate.inspection._latent_correlations import latent_correlations
from sklearn_cellfate.inspection._plot._panels import single_axes
from sklearn_cellfate.inspection._plot._result import ResultDisplay

__all__ = ["LatentCorrelationsDisplay"]


class LatentCorrelationsDisplay(ResultDisplay):
    """Heat map: a row a measured feature, a column a latent one, the interval in each field.

    Parameters
    ----------
    result : DataFrame
        From :func:`latent_correlations`.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_cellfate.inspection import LatentCorrelationsDisplay
    >>> latents = np.random.default_rng(0).normal(size=(50, 2))
    >>> measured = pd.DataFrame({"area": latents[:, 0], "fret": latents[:, 1]})
    >>> display = LatentCorrelationsDisplay.from_estimator(latents, None, measured)
    >>> [text.get_text() for text in display.ax_.get_yticklabels()]
    ['area', 'fret']
    """

    @classmethod
    def from_estimator(cls, estimator, X, features, *, ax=None, **kwargs):
        """Correlate and draw.

        Parameters
        ----------
        estimator : fitted transformer
            As in :func:`latent_correlations`.
        X : DataFrame or array-like
            As in :func:`latent_correlations`.
        features : DataFrame or list of str
            As in :func:`latent_correlations`.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **kwargs
            Of :func:`latent_correlations`.

        Returns
        -------
        display : LatentCorrelationsDisplay
        """
        return cls(latent_correlations(estimator, X, features, **kwargs)).plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : LatentCorrelationsDisplay
        """
        by_pair = self.result.set_index(["feature", "latent"])
        features, latents = by_pair.index.unique(0), by_pair.index.unique(1)
        table = by_pair["spearman"].unstack().loc[features, latents]
        size = (1.15 * len(latents) + 3, 0.42 * len(features) + 1)
        ax = single_axes(ax, size)
        drawn = ax.imshow(table, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        for row, feature in enumerate(features):
            for column, latent in enumerate(latents):
                self._write(ax, column, row, by_pair.loc[(feature, latent)])
        ax.set_xticks(range(len(latents)), latents)
        ax.set_yticks(range(len(features)), features)
        ax.set_xlabel("latent feature")
        ax.figure.colorbar(drawn, ax=ax, label="Spearman correlation")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _write(self, ax, column, row, pair):
        if pair["spearman"] != pair["spearman"]:  # NaN: one of the two is constant
            text, colour = "constant", "black"
        else:
            text = f"{pair['spearman']:.2f}\n{pair['low']:.2f} to {pair['high']:.2f}"
            colour = "white" if abs(pair["spearman"]) > 0.6 else "black"
        ax.text(column, row, text, ha="center", va="center", fontsize="x-small", color=colour)
