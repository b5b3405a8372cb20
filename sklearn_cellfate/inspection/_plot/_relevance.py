"""RelevanceDisplay: images and their relevance maps."""

import numpy as np

from sklearn_cellfate.inspection._pipelines import find_explained
from sklearn_cellfate.inspection._plot._panels import panel_grid
from sklearn_cellfate.inspection._relevance._relevance import relevance
from sklearn_cellfate.inspection._relevance._units import describe_relevance
from sklearn_cellfate.table import to_images

__all__ = ["RelevanceDisplay"]

# Share of the pixels whose relevance the colours cover; beyond, they are as strong as they get.
COVERED = 0.995


class RelevanceDisplay:
    """Images with their relevance maps below.

    Red speaks for the target, blue against it, white is no relevance. All maps share one
    symmetrical scale, which the colour bar states; it covers 99.5 % of the pixels. All images
    share one scale too, so that dark cells look dark.

    Parameters
    ----------
    images : ndarray of shape (n, H, W) or (n, C, H, W)
        Images.
    maps : ndarray of shape (n, H, W) or (n, C, H, W)
        Their relevance, which is summed over channels.
    masks : ndarray of bool of shape (n, H, W), default=None
        Outlined in image and map, such as the true place of the evidence.
    names : sequence of str of length n, default=None
        Titles of the images.
    channel : int, default=0
        Channel of the images to show.
    unit : str, default="relevance"
        Label of the colour bar.
    scores : DataFrame with n rows, default=None
        What :func:`relevance` returns beside the maps; written below them, so that what a map says
        is seen beside what it does not.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2, n)
        Those of the images, and those of their maps.
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

    def __init__(
        self, images, maps, *, masks=None, names=None, channel=0, unit="relevance", scores=None
    ):
        self.images, self.maps = to_images(np.asarray(images)), to_images(np.asarray(maps))
        sizes = [(len(part), *part.shape[2:]) for part in (self.images, self.maps)]
        if sizes[0] != sizes[1]:
            raise ValueError(
                "images and maps must have one shape, but for their channels; found "
                f"{self.images.shape} and {self.maps.shape}."
            )
        self.masks = None if masks is None else np.asarray(masks, dtype=bool)
        self.names, self.channel, self.unit, self.scores = names, channel, unit, scores
        self._check()

    def _check(self):
        n_images, n_channels, height, width = self.images.shape
        if self.masks is not None and self.masks.shape != (n_images, height, width):
            raise ValueError(
                f"masks must have shape {(n_images, height, width)}, found {self.masks.shape}."
            )
        for name in ("names", "scores"):
            given = getattr(self, name)
            if given is not None and len(given) != n_images:
                raise ValueError(f"{name} has {len(given)} entries for {n_images} images.")
        if self.channel not in range(n_channels):
            raise ValueError(f"channel={self.channel!r}, but there are {n_channels} channel(s).")

    @classmethod
    def from_estimator(
        cls, estimator, X, target=None, *, masks=None, names=None, channel=0, ax=None, **how
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
        ax : matplotlib Axes, default=None
            See :meth:`plot`.
        **how : dict
            Further parameters of :func:`relevance`.

        Returns
        -------
        display : RelevanceDisplay
        """
        explained, images = find_explained(estimator, X)
        maps, scores = relevance(estimator, X, target, return_scores=True, **how)
        maps = maps.reshape(len(images), -1, *images.shape[2:])
        unit = describe_relevance(explained, target, how.get("method", "lrp"))
        what = {"masks": masks, "names": names, "channel": channel}
        return cls(images, maps, **what, unit=unit, scores=scores).plot(ax=ax)

    def plot(self, ax=None, *, n_columns=8):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Its place is divided among the panels; it must come from ``subplots``. A new figure
            by default.
        n_columns : int, default=8
            Images in a row, at most; more go on in rows below.

        Returns
        -------
        display : RelevanceDisplay
        """
        n_images, n_columns = len(self.images), min(len(self.images), n_columns)
        n_rows = -(-n_images // n_columns)
        size = (1.6 + 1.6 * n_columns, 0.4 + 3.8 * n_rows)
        grid = panel_grid(ax, 2 * n_rows, n_columns, size)
        # Rows of images and of maps in turn.
        pairs = grid.reshape(n_rows, 2, n_columns).swapaxes(0, 1).reshape(2, -1)
        for empty in pairs[:, n_images:].ravel():
            empty.set_axis_off()
        self.axes_, self.figure_ = pairs[:, :n_images], grid[0, 0].figure
        self._draw(grid)
        return self

    def _draw(self, grid):
        pixels, totals = self.images[:, self.channel], self.maps.sum(axis=1)
        self.limit_ = float(np.quantile(np.abs(totals), COVERED)) or 1.0
        brightness = {"vmin": pixels.min(), "vmax": np.quantile(pixels, COVERED)}
        for column, (above, below) in enumerate(self.axes_.T):
            above.imshow(pixels[column], cmap="gray", **brightness)
            shown = below.imshow(
                totals[column], cmap="RdBu_r", vmin=-self.limit_, vmax=self.limit_
            )
            if self.names is not None:
                above.set_title(self.names[column], fontsize="small")
            for ax in (above, below):
                ax.set(xticks=[], yticks=[])
                if self.masks is not None and self.masks[column].any():
                    colour = "#E69F00" if ax is above else "black"
                    ax.contour(self.masks[column], [0.5], colors=colour, linewidths=0.8)
        if self.scores is not None:
            self._write_sums(self.axes_[1])
        bar = self.figure_.colorbar(shown, ax=grid, extend="both")
        bar.set_label(f"{self.unit}\n(one scale for all, to ±{self.limit_:.2g})")

    def _write_sums(self, axes):
        """Write below each map how much of the score it is, where there is such a sum."""
        table = self.scores[["relevance", "constant", "score"]].to_numpy()
        for ax, (of_map, constant, score) in zip(axes, table):
            if np.isfinite(constant):
                text = f"map {of_map:+.2g}\nconstant {constant:+.2g}\nscore {score:+.2g}"
                ax.set_xlabel(text, fontsize="x-small")
