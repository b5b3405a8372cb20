"""LatentSpaceDisplay: cells in the latent plane, coloured by class."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_consistent_length

__all__ = ["LatentSpaceDisplay"]


class LatentSpaceDisplay:
    """Scatter of cells in the plane of two latent features.

    More than two features are shown in the plane of their first two principal components.

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
        self.y = np.asarray(y)
        self.held_out = None if held_out is None else np.asarray(held_out, dtype=bool)
        check_consistent_length(self.latents, self.y, self.held_out)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, held_out=None, ax=None):
        """Encode images and draw them.

        Parameters
        ----------
        estimator : fitted transformer of images
            Its ``transform`` gives the latent features.
        X : as the estimator accepts
            Images.
        y : array-like of shape (n,)
            Classes.
        held_out : ndarray of shape (n,), bool, default=None
            Rows that were not trained on.
        ax : matplotlib Axes, default=None
            Where to draw.

        Returns
        -------
        display : LatentSpaceDisplay
        """
        return cls(np.asarray(estimator.transform(X)), y, held_out=held_out).plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : LatentSpaceDisplay
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(5, 4.5), layout="constrained")
        points, names = self._plane()
        held_out = np.zeros(len(points), bool) if self.held_out is None else self.held_out
        for number, label in enumerate(np.unique(self.y)):
            of_class = self.y == label
            colour = f"C{number % 10}"
            pale = of_class & ~held_out
            ax.scatter(*points[pale].T, s=12, color=colour, alpha=0.35, lw=0, label=str(label))
            ax.scatter(*points[of_class & held_out].T, s=22, color=colour, ec="black", lw=0.7)
        if self.held_out is not None:
            ax.scatter([], [], s=22, color="white", ec="black", lw=0.7, label="held out")
        ax.set(xlabel=names[0], ylabel=names[1])
        ax.legend(frameon=False)
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
