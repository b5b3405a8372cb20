"""VarianceDependenceDisplay: the score against the variance of patches."""

from sklearn_cellfate.inspection._plot._palette import OKABE_ITO
from sklearn_cellfate.inspection._plot._panels import single_axes
from sklearn_cellfate.inspection._plot._result import ResultDisplay
from sklearn_cellfate.inspection._variance_dependence import variance_dependence

__all__ = ["VarianceDependenceDisplay"]

STYLES = {
    "before": {"marker": "o", "ls": "-", "color": OKABE_ITO[1], "name": "pixels as they are"},
    "after": {"marker": "s", "ls": "--", "color": OKABE_ITO[0], "name": "same mean and variance"},
}


class VarianceDependenceDisplay(ResultDisplay):
    """Scores of patches against their variance, before and after normalisation.

    Each dot is a patch; the lines are means of bins of equally many patches.

    Parameters
    ----------
    result : Bunch
        From :func:`variance_dependence`.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_cellfate.feature_extraction import IntensityStatistics
    >>> from sklearn_cellfate.inspection import VarianceDependenceDisplay
    >>> rng = np.random.default_rng(0)
    >>> images = rng.uniform(1, 3, size=(40, 1, 1)) * rng.normal(size=(40, 8, 8))
    >>> y = images.var(axis=(1, 2)) > 4
    >>> model = make_pipeline(IntensityStatistics(), LogisticRegression()).fit(images, y)
    >>> VarianceDependenceDisplay.from_estimator(model, images).ax_.get_ylabel()
    'probability of True'
    """

    @classmethod
    def from_estimator(cls, estimator, X, *, ax=None, **kwargs):
        """Score the patches and draw them.

        Parameters
        ----------
        estimator : fitted classifier
            Takes `X`.
        X : as the estimator accepts
            Images.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **kwargs
            Of :func:`variance_dependence`.

        Returns
        -------
        display : VarianceDependenceDisplay
        """
        return cls(variance_dependence(estimator, X, **kwargs)).plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : VarianceDependenceDisplay
        """
        ax = single_axes(ax, (5.2, 4))
        patches = self.result.patches
        for pixels, style in STYLES.items():
            of_bins = self.result.curve.query("pixels == @pixels")
            look = {"marker": style["marker"], "color": style["color"]}
            ax.scatter(patches["variance"], patches[pixels], s=12, alpha=0.4, lw=0, **look)
            label = f"{style['name']}: {self._describe(pixels)}"
            ax.plot(of_bins["variance"], of_bins["score"], ls=style["ls"], label=label, **look)
        if patches["variance"].min() > 0:
            ax.set_xscale("log")
        ax.set(xlabel="patch variance (squared unit of the pixels)", ylim=(-0.03, 1.03))
        ax.set_ylabel(self.result.score_name)
        ax.legend(frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(-0.05, 1))
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _describe(self, pixels):
        row = self.result.summary.loc[pixels]
        return f"rank correlation {row['spearman']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
