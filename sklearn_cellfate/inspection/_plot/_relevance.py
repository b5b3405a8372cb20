"""RelevanceDisplay: images and their relevance maps."""

import numpy as np

from sklearn_cellfate.inspection._pipelines import find_image_estimator
from sklearn_cellfate.inspection._relevance._relevance import relevance
from sklearn_cellfate.table import to_images

__all__ = ["RelevanceDisplay"]

# Share of the pixels whose relevance the colours cover; beyond, they are as strong as they get.
COVERED = 0.995


class RelevanceDisplay:
    """Images with their relevance maps below.

    Red speaks for the target, blue against it, white is no relevance. All maps share one
    symmetrical scale, which the colour bar states; it covers 99.5 % of the pixels.

    Parameters
    ----------
    images : ndarray of shape (n, H, W) or (n, C, H, W)
        Images.
    maps : ndarray of the same shape
        Their relevance; summed over channels.
    masks : ndarray of bool of shape (n, H, W), default=None
        Outlined in image and map, such as the true place of the evidence.
    names : sequence of str of length n, default=None
        Titles of the images.
    channel : int, default=0
        Channel of the images to show.
    unit : str, default="relevance"
        Label of the colour bar.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2, n)
    figure_ : matplotlib Figure
    limit_ : float
        Relevance at which the colours end.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.inspection import RelevanceDisplay
    >>> rng = np.random.default_rng(0)
    >>> display = RelevanceDisplay(rng.random((3, 20, 20)), rng.normal(size=(3, 20, 20))).plot()
    >>> display.axes_.shape
    (2, 3)
    """

    def __init__(self, images, maps, *, masks=None, names=None, channel=0, unit="relevance"):
        self.images, self.maps = to_images(np.asarray(images)), to_images(np.asarray(maps))
        if self.images.shape != self.maps.shape:
            raise ValueError(
                f"images and maps must have one shape, found {self.images.shape} and "
                f"{self.maps.shape}."
            )
        self.masks = None if masks is None else np.asarray(masks, dtype=bool)
        self.names, self.channel, self.unit = names, channel, unit
        self._check()

    def _check(self):
        n_images, n_channels, height, width = self.images.shape
        if self.masks is not None and self.masks.shape != (n_images, height, width):
            raise ValueError(
                f"masks must have shape {(n_images, height, width)}, found {self.masks.shape}."
            )
        if self.names is not None and len(self.names) != n_images:
            raise ValueError(f"names has {len(self.names)} entries for {n_images} images.")
        if self.channel not in range(n_channels):
            raise ValueError(f"channel={self.channel!r}, but there are {n_channels} channel(s).")

    @classmethod
    def from_estimator(
        cls, estimator, X, target=None, *, masks=None, names=None, channel=0, axes=None, **how
    ):
        """Explain images and draw them.

        Parameters
        ----------
        estimator : fitted estimator
            As for :func:`relevance`.
        X : as for :func:`relevance`
            The images to draw.
        target : as for :func:`relevance`, default=None
            What to explain.
        masks, names, channel : as in the class
            What to draw beside.
        axes : array of matplotlib Axes of shape (2, n), default=None
            Where to draw.
        **how : dict
            Further parameters of :func:`relevance`.

        Returns
        -------
        display : RelevanceDisplay
        """
        _, images = find_image_estimator(estimator, X)
        maps = relevance(estimator, X, target, **how).reshape(images.shape)
        unit = f"relevance for {target}"
        if target is None:
            unit = "relevance for the class that the network predicts"
        elif np.ndim(target) == 1:
            unit = "relevance for the class of each image"
        display = cls(images, maps, masks=masks, names=names, channel=channel, unit=unit)
        return display.plot(axes=axes)

    def plot(self, axes=None):
        """Draw.

        Parameters
        ----------
        axes : array of matplotlib Axes of shape (2, n), default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : RelevanceDisplay
        """
        n_images = len(self.images)
        if axes is None:
            import matplotlib.pyplot as plt

            size = (1.2 + 2.2 * n_images, 4.4)
            _, axes = plt.subplots(2, n_images, figsize=size, layout="constrained")
        axes = np.asarray(axes).reshape(2, n_images)
        totals = self.maps.sum(axis=1)
        self.limit_ = float(np.quantile(np.abs(totals), COVERED)) or 1.0
        for column in range(n_images):
            above, below = axes[:, column]
            above.imshow(self.images[column, self.channel], cmap="gray")
            shown = below.imshow(
                totals[column], cmap="RdBu_r", vmin=-self.limit_, vmax=self.limit_
            )
            if self.names is not None:
                above.set_title(self.names[column])
            for ax in (above, below):
                ax.set(xticks=[], yticks=[])
                if self.masks is not None and self.masks[column].any():
                    colour = "#E69F00" if ax is above else "black"
                    ax.contour(self.masks[column], [0.5], colors=colour, linewidths=0.8)
        figure = axes[0, 0].figure
        bar = figure.colorbar(shown, ax=axes, extend="both")
        bar.set_label(f"{self.unit}\n(one scale for all, to ±{self.limit_:.2g})")
        self.axes_, self.figure_ = axes, figure
        return self
