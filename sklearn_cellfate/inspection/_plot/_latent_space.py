"""LatentSpaceDisplay: cells in the latent plane, coloured by class."""

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_consistent_length

from sklearn_cellfate._validation import complete_labels
from sklearn_cellfate.inspection._pipelines import find_image_estimator
from sklearn_cellfate.inspection._plot._palette import class_colours
from sklearn_cellfate.inspection._plot._panels import single_axes
from sklearn_cellfate.table import listing

__all__ = ["LatentSpaceDisplay"]


class LatentSpaceDisplay:
    """Scatter of cells in the plane of two latent features, with an ellipse around each class.

    More than two features are shown in the plane of their first two principal components.
    An ellipse shows mean and covariance of the cells of one class; where some rows are held out,
    of those trained on. So held-out cells outside the ellipse of their class catch the eye.

    Parameters
    ----------
    latents : ndarray of shape (n, latent_dim)
        Latent features.
    y : array-like of shape (n,)
        Classes, for the colours.
    held_out : ndarray of shape (n,), bool, default=None
        Rows that were not trained on: drawn with a dark edge, the others pale.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Raises
    ------
    ValueError
        If labels are missing, or `held_out` is not boolean.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.inspection import LatentSpaceDisplay
    >>> latents = np.random.default_rng(0).normal(size=(20, 2))
    >>> display = LatentSpaceDisplay(latents, ["dies", "divides"] * 10).plot()
    >>> display.ax_.get_xlabel()
    'latent feature 0'
    """

    def __init__(self, latents, y, *, held_out=None):
        self.latents = np.asarray(latents)
        self.y = complete_labels(y)
        self.held_out = None if held_out is None else _read_mask(held_out)
        check_consistent_length(self.latents, self.y, self.held_out)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, held_out=None, ax=None, **kwargs):
        """Encode images and draw them.

        Parameters
        ----------
        estimator : fitted transformer of images, or pipeline
            Its ``transform`` gives the latent features; of a pipeline that ends in a classifier,
            that of the network inside.
        X : as the estimator accepts
            Images.
        y : array-like of shape (n,)
            Classes.
        held_out : ndarray of shape (n,), bool, default=None
            Rows that were not trained on.
        ax : matplotlib Axes, default=None
            Where to draw.
        **kwargs
            Of :meth:`plot`.

        Returns
        -------
        display : LatentSpaceDisplay
        """
        if not hasattr(estimator, "transform"):
            estimator, X = find_image_estimator(estimator, X)
        return cls(np.asarray(estimator.transform(X)), y, held_out=held_out).plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, n_std=2):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        n_std : float or None, default=2
            Half axes of the ellipses in standard deviations. Of normally distributed cells 39 %
            lie within 1 and 86 % within 2. None for no ellipses.

        Returns
        -------
        display : LatentSpaceDisplay
        """
        ax = single_axes(ax, (5, 4.5))
        points, names = self._plane()
        held_out = np.zeros(len(points), bool) if self.held_out is None else self.held_out
        classes = np.unique(self.y)
        for label, colour in zip(classes, class_colours(len(classes))):
            of_class = self.y == label
            trained, unseen = points[of_class & ~held_out], points[of_class & held_out]
            ax.scatter(*trained.T, s=12, color=colour, alpha=0.35, lw=0)
            ax.scatter(*unseen.T, s=22, color=colour, ec="black", lw=0.7)
            ax.scatter([], [], s=22, color=colour, label=str(label))  # full colour in the legend
            if n_std is not None and self.latents.shape[1] > 1:
                _draw_ellipse(ax, trained, n_std, colour)
        if self.held_out is not None:
            ax.scatter([], [], s=22, color="white", ec="black", lw=0.7, label="held out")
        ax.set(xlabel=names[0], ylabel=names[1])
        ax.legend(framealpha=0.85, fontsize="small")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _plane(self):
        if self.latents.shape[1] == 1:
            heights = np.zeros_like(self.latents)
            return np.hstack([self.latents, heights]), ("latent feature 0", "")
        if self.latents.shape[1] == 2:
            return self.latents, ("latent feature 0", "latent feature 1")
        pca = PCA(2).fit(self.latents)
        shares = pca.explained_variance_ratio_
        names = [
            f"latent component {i} ({share:.0%} of variance)" for i, share in enumerate(shares)
        ]
        return pca.transform(self.latents), names


def _read_mask(held_out):
    mask = pd.Series(np.asarray(held_out)).infer_objects()  # pandas' own booleans are objects here
    if mask.dtype != bool:
        raise ValueError(
            f"held_out must hold True or False for each row, found {mask.dtype} such as "
            f"{listing(mask[:3])}."
        )
    return mask.to_numpy()


def _draw_ellipse(ax, points, n_std, colour):
    """Draw where `n_std` standard deviations from the mean are, in every direction."""
    from matplotlib.patches import Ellipse

    if len(points) < 3:
        return
    variances, directions = np.linalg.eigh(np.cov(points, rowvar=False))
    height, width = 2 * n_std * np.sqrt(np.maximum(variances, 0))  # variances rise
    angle = np.degrees(np.arctan2(directions[1, 1], directions[0, 1]))
    ellipse = Ellipse(points.mean(axis=0), width, height, angle=angle)
    ellipse.set(facecolor="none", edgecolor=colour, lw=1.8)
    ax.add_patch(ellipse)
