"""LatentTraversalDisplay: decoded cells along each latent feature, and their shape."""

from sklearn_cellfate.inspection._latent_traversal import latent_traversal
from sklearn_cellfate.inspection._plot._panels import panel_grid

__all__ = ["LatentTraversalDisplay"]

BLUE = "#0072B2"


class LatentTraversalDisplay:
    """A row of decoded cells for each latent feature, and beside it how their shape changes.

    Parameters
    ----------
    result : Bunch
        From :func:`latent_traversal`.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_latents, n_steps + 6)
        The decoded cells, then area, mean and maximum intensity, eccentricity, aspect ratio and
        circularity.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.inspection import LatentTraversalDisplay
    >>> from sklearn_cellfate.neural_network import AdversarialAutoencoder
    >>> images = np.random.default_rng(0).random((40, 1, 12, 12))
    >>> aae = AdversarialAutoencoder(pretrain_epochs=1, max_epochs=1, random_state=0).fit(images)
    >>> LatentTraversalDisplay.from_estimator(aae, images, n_steps=3).axes_.shape
    (2, 9)
    """

    def __init__(self, result):
        self.result = result

    @classmethod
    def from_estimator(cls, estimator, X, *, shown_channel=0, ax=None, **kwargs):
        """Decode along the latent features of an autoencoder and draw.

        Parameters
        ----------
        estimator : AdversarialAutoencoder, AAEClassifier or pipeline
            Fitted.
        X : as `estimator` accepts
            Cells, best those trained on.
        shown_channel : int, default=0
            See :meth:`plot`.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.
        **kwargs
            Of :func:`latent_traversal`.

        Returns
        -------
        display : LatentTraversalDisplay
        """
        return cls(latent_traversal(estimator, X, **kwargs)).plot(shown_channel, ax=ax)

    @classmethod
    def from_result(cls, result, *, shown_channel=0, ax=None):
        """Draw a traversal that is there already.

        Parameters
        ----------
        result : Bunch
            From :func:`latent_traversal`.
        shown_channel : int, default=0
            See :meth:`plot`.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.

        Returns
        -------
        display : LatentTraversalDisplay
        """
        return cls(result).plot(shown_channel, ax=ax)

    def plot(self, shown_channel=0, *, ax=None, cmap="viridis"):
        """Draw.

        Parameters
        ----------
        shown_channel : int, default=0
            Which channel to draw, and the intensities of which. All its images share the scale
            of one colour bar.
        ax : matplotlib Axes, default=None
            Its place is divided among the panels; it must come from ``subplots``. A new figure
            by default.
        cmap : str or matplotlib Colormap, default="viridis"
            Colours of the pixels.

        Returns
        -------
        display : LatentTraversalDisplay

        Raises
        ------
        ValueError
            If there is no such channel.
        """
        n_latents, n_steps, n_channels = self.result.images.shape[:3]
        if shown_channel not in range(n_channels):
            raise ValueError(
                f"shown_channel={shown_channel!r}, but the images have {n_channels} channel(s)."
            )
        features = _panels_of(shown_channel, self.result.pixel_size)
        axes = panel_grid(
            ax,
            n_latents,
            n_steps + len(features),
            (n_steps + 1.5 * len(features) + 1.2, 1.3 * n_latents + 0.4),
            width_ratios=[1] * n_steps + [1.4] * len(features),
        )
        drawn = self._draw_images(axes[:, :n_steps], shown_channel, cmap)
        self._draw_features(axes[:, n_steps:], features)
        axes[0, 0].figure.colorbar(
            drawn,
            ax=axes[:, :n_steps],
            location="left",
            label=f"intensity, channel {shown_channel}\n(unit of the images)",
            fraction=0.05,
        )
        self.axes_, self.figure_ = axes, axes[0, 0].figure
        return self

    def _draw_images(self, axes, channel, cmap):
        images = self.result.images[:, :, channel]
        scale = {"cmap": cmap, "vmin": images.min(), "vmax": images.max()}
        for row, latent in enumerate(self.result.latents):
            for step, ax in enumerate(axes[row]):
                drawn = ax.imshow(images[row, step], interpolation="nearest", **scale)
                ax.set(xticks=[], yticks=[])
                ax.set_title(
                    f"{self.result.latent_values[row, step]:.2g}", fontsize="small", pad=2
                )
            axes[row, 0].set_ylabel(f"latent {latent}")
        return drawn

    def _draw_features(self, axes, features):
        by_latent = dict(list(self.result.table.groupby("latent")))
        for column, (name, label) in enumerate(features.items()):
            for row, latent in enumerate(self.result.latents):
                ax, steps = axes[row, column], by_latent[latent]
                ax.plot(steps["value"], steps[name], "o-", color=BLUE, ms=3, lw=1)
                ax.set_ylim(_limits(self.result.table[name]))
                ax.tick_params(labelsize="x-small")
                ax.margins(x=0.1)
            axes[0, column].set_title(label, fontsize="small")
        for row, latent in enumerate(self.result.latents):
            axes[row, 0].set_xlabel(f"latent {latent}", fontsize="x-small")


def _panels_of(channel, pixel_size):
    """Return the columns of the table to draw, and what to write above them."""
    return {
        "area": "area\n(pixels)" if pixel_size == 1 else "area\n(µm²)",
        f"intensity_mean_{channel}": "mean\nintensity",
        f"intensity_max_{channel}": "maximum\nintensity",
        "eccentricity": "eccentricity\n",
        "aspect_ratio": "aspect\nratio",
        "circularity": "circularity\n",
    }


def _limits(values):
    """Return the same limits for all latent features, or those that move nothing seem to."""
    if values.isna().all():
        return 0, 1
    low, high = values.min(), values.max()
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 1
    return low - margin, high + margin
