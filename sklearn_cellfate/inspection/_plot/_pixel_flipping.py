"""PixelFlippingDisplay: the score as the most relevant patches are blanked."""

from sklearn_cellfate.inspection._plot._palette import OKABE_ITO
from sklearn_cellfate.inspection._plot._panels import single_axes
from sklearn_cellfate.inspection._plot._result import ResultDisplay
from sklearn_cellfate.metrics import pixel_flipping

__all__ = ["PixelFlippingDisplay"]

GREY = "0.45"


class PixelFlippingDisplay(ResultDisplay):
    """Score of the class against the share of the image blanked, beside random order.

    Parameters
    ----------
    result : Bunch
        From :func:`~sklearn_cellfate.metrics.pixel_flipping`.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_cellfate.feature_extraction import PixelFeatures
    >>> from sklearn_cellfate.inspection import PixelFlippingDisplay
    >>> images = np.random.default_rng(0).random((20, 8, 8))
    >>> y = images[:, 0, 0] > 0.5
    >>> model = make_pipeline(PixelFeatures(), LogisticRegression()).fit(images, y)
    >>> display = PixelFlippingDisplay.from_estimator(model, images, images, target=True)
    >>> display.ax_.get_ylabel()
    'probability of True'
    """

    @classmethod
    def from_estimator(cls, estimator, X, relevance, *, ax=None, **kwargs):
        """Blank patches and draw the curves.

        Parameters
        ----------
        estimator : fitted classifier
            Takes `X`.
        X : as the estimator accepts
            Images.
        relevance : array-like of shape (n, H, W) or (n, C, H, W)
            Relevance of each pixel.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **kwargs
            Of :func:`~sklearn_cellfate.metrics.pixel_flipping`.

        Returns
        -------
        display : PixelFlippingDisplay
        """
        return cls(pixel_flipping(estimator, X, relevance, **kwargs)).plot(ax=ax)

    def plot(self, ax=None, *, label="most relevant first", color=OKABE_ITO[0]):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        label : str, default="most relevant first"
            Of the curve in the legend: give the name of the map to draw several into one axes.
        color : matplotlib colour, default="#0072B2"
            Of that curve.

        Returns
        -------
        display : PixelFlippingDisplay
        """
        ax = single_axes(ax, (5, 4.2))
        curve = self.result.curve
        is_random = curve["order"] == "random"
        informed = curve[~is_random]
        blind = curve[is_random].groupby("share_blanked")["score"]
        low, middle, high = blind.min(), blind.mean(), blind.max()
        named = ax.get_legend_handles_labels()[1]
        ax.plot(
            100 * informed["share_blanked"],
            informed["score"],
            "o-",
            ms=3,
            color=color,
            label=f"{label}, area {self.result.area:.2f}",
        )
        if not any(text.startswith("random order") for text in named):
            ax.fill_between(100 * low.index, low, high, color=GREY, alpha=0.25, lw=0)
            ax.plot(
                100 * middle.index,
                middle,
                "--",
                color=GREY,
                label=f"random order (mean, range), area {self.result.random_area:.2f}",
            )
        ax.set(xlabel="patches blanked (%)", ylabel=self.result.score_name)
        ax.set_xlim(left=0)
        ax.legend(frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0, 1))
        self.ax_, self.figure_ = ax, ax.figure
        return self
