"""FrequencyDisplay: spectra by class, and what a classifier makes of each band."""

import numpy as np

from sklearn_cellfate.feature_extraction import PowerSpectrum
from sklearn_cellfate.inspection._frequency._class_spectra import class_spectra
from sklearn_cellfate.inspection._frequency._frequency import frequency_sensitivity
from sklearn_cellfate.inspection._plot._palette import class_colours

__all__ = ["FrequencyDisplay"]

METHOD_NAMES = {
    "remove": "removed",
    "permute": "exchanged",
    "scramble": "phases scrambled",
    "gradient": "gradient",
}
# What a panel of the sensitivity shows, and its level without any dependence on frequency.
QUANTITIES = {
    "score_change": ("change of {score_name}", 0),
    "energy_density": ("gradient energy\n(1: like white noise)", 1),
}
LINE_STYLES = ("-", "--", ":", "-.")


class FrequencyDisplay:
    """Power spectra of the classes over the sensitivity of a classifier to frequency bands.

    One panel each for the spectra (mean and one standard deviation to either side), the change of
    score when a band is removed, exchanged or scrambled, and the energy of the gradient (means and
    95 % intervals), above one another on one axis of frequency, with wavelengths on top.
    Intensity is in the unit of the pixels.

    Parameters
    ----------
    spectra : Bunch, default=None
        From :func:`class_spectra`.
    sensitivity : Bunch, default=None
        From :func:`frequency_sensitivity`. At least one of both is needed.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One a panel.
    figure_ : matplotlib Figure

    Raises
    ------
    ValueError
        If there is nothing to draw, or frequencies are in different units.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.feature_extraction import PowerSpectrum
    >>> from sklearn_cellfate.inspection import FrequencyDisplay
    >>> images, y = np.random.default_rng(0).random((12, 32, 32)), ["no", "yes"] * 6
    >>> display = FrequencyDisplay.from_images(images, y, spectrum=PowerSpectrum(pixel_size=0.65))
    >>> display.axes_[0].get_xlabel()
    'spatial frequency (cycles/µm)'
    """

    def __init__(self, spectra=None, sensitivity=None):
        self.spectra, self.sensitivity = spectra, sensitivity
        units = {part.unit for part in (spectra, sensitivity) if part is not None}
        if not units:
            raise ValueError("give spectra, sensitivity or both; there is nothing to draw.")
        if len(units) > 1:
            raise ValueError(
                f"spectra are in {spectra.unit}, the sensitivity in {sensitivity.unit}; give both "
                "the same pixel_size."
            )
        self.unit = units.pop()

    @classmethod
    def from_images(cls, X, y, *, spectrum=None, groups=None, ax=None):
        """Measure the spectra of the classes and draw them.

        Parameters
        ----------
        X, y, spectrum, groups : as in :func:`class_spectra`
            Images, their classes, how to measure, and clones or wells that count once each.
        ax : matplotlib Axes, default=None
            Where to draw.

        Returns
        -------
        display : FrequencyDisplay
        """
        return cls(class_spectra(X, y, spectrum=spectrum, groups=groups)).plot(ax=ax)

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, pixel_size=None, groups=None, image_shape=None, ax=None, **how
    ):
        """Measure the spectra of the classes and the sensitivity of a classifier, and draw both.

        Parameters
        ----------
        estimator : fitted classifier
            Of images.
        X, y : as in :func:`frequency_sensitivity`
            Images and their true classes.
        pixel_size, groups, image_shape : as in :func:`frequency_sensitivity`
            Used for the spectra too.
        ax : array of matplotlib Axes, default=None
            Where to draw; see `plot`.
        **how
            Further arguments of :func:`frequency_sensitivity`.

        Returns
        -------
        display : FrequencyDisplay
        """
        sensitivity = frequency_sensitivity(
            estimator,
            X,
            y,
            pixel_size=pixel_size,
            groups=groups,
            image_shape=image_shape,
            **how,
        )
        spectrum = PowerSpectrum(pixel_size=pixel_size, image_shape=image_shape)
        spectra = class_spectra(X, y, spectrum=spectrum, groups=groups)
        return cls(spectra, sensitivity).plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, or array of as many as there are panels, default=None
            Where to draw, from top to bottom; a new figure by default.

        Returns
        -------
        display : FrequencyDisplay

        Raises
        ------
        ValueError
            If there are not as many Axes as panels.
        """
        panels = self._panels()
        axes = _new_axes(len(panels)) if ax is None else np.atleast_1d(np.asarray(ax)).ravel()
        if len(axes) != len(panels):
            raise ValueError(f"there are {len(panels)} panels, but {len(axes)} Axes in ax.")
        self.axes_, self.figure_ = axes, axes[0].figure
        for panel, draw in zip(axes, panels):
            panel.set_xscale("log")
            draw(panel)
            panel.legend(frameon=False, fontsize="small")
        _label_plainly(axes[-1].xaxis)
        axes[-1].set_xlabel(f"spatial frequency ({self.unit.replace('um', 'µm')})")
        self._add_wavelengths(axes[0])
        return self

    def _panels(self):
        """Return a function for each panel that draws it."""
        panels = [] if self.spectra is None else [self._draw_spectra]
        if self.sensitivity is not None:
            table = self.sensitivity.table
            found = [name for name in QUANTITIES if (table["quantity"] == name).any()]
            panels += [lambda ax, name=name: self._draw_bands(ax, name) for name in found]
        return panels

    def _draw_spectra(self, ax):
        table = self.spectra.table
        labels, channels = table["class"].unique(), table["channel"].unique()
        colours = dict(zip(labels, class_colours(len(labels))))
        for (label, channel), part in table.groupby(["class", "channel"], sort=False):
            name = f"{label}" if len(channels) == 1 else f"{label}, channel {channel}"
            style = LINE_STYLES[channel % len(LINE_STYLES)]
            frequency, colour = part["frequency"], colours[label]
            ax.plot(frequency, part["mean"], style, color=colour, label=name)
            ax.fill_between(
                frequency, part["low"], part["high"], color=colour, alpha=0.2, linewidth=0
            )
        ax.set_ylabel(self._power_label())

    def _power_label(self):
        spectrum = self.spectra.spectrum
        unit = "intensity²"
        if spectrum.scaling == "density":  # per area of the frequency plane
            unit += " µm²" if self.unit.endswith("um") else " pixel²"
        log = "log10 " if spectrum.log else ""
        return f"{log}power {spectrum.scaling}\n({unit})"

    def _draw_bands(self, ax, quantity):
        table = self.sensitivity.table
        table = table[table["quantity"] == quantity]
        label, level = QUANTITIES[quantity]
        ax.axhline(level, color="0.6", linewidth=0.8)
        methods = table["method"].unique()
        for number, method in enumerate(methods):
            part = table[table["method"] == method]
            self._draw_method(ax, part, METHOD_NAMES[method], (number + 1) / (len(methods) + 1))
        ax.set_ylabel(label.format(score_name=self.sensitivity.score_name))

    def _draw_method(self, ax, part, name, place):
        """Draw a level for each band, and its interval at a place between the band's edges."""
        # Not the first two, which are classes as a rule.
        colour = class_colours(len(METHOD_NAMES) + 2)[2 + list(METHOD_NAMES.values()).index(name)]
        high = part["frequency_high"].to_numpy()
        low = part["frequency_low"].to_numpy()
        low = np.where(low > 0, low, part["frequency"] / 2)  # a logarithmic axis has no 0
        middle = low ** (1 - place) * high**place
        mean = part["mean"].to_numpy()
        ax.hlines(mean, low, high, color=colour, linewidth=2, label=name)
        ax.vlines(middle, part["low"], part["high"], color=colour, linewidth=1.2)

    def _add_wavelengths(self, ax):
        top = ax.secondary_xaxis("top", functions=(_reciprocal, _reciprocal))
        _label_plainly(top.xaxis)
        top.set_xlabel(f"wavelength ({'µm' if self.unit.endswith('um') else 'pixels'})")


def _new_axes(n_panels):
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(
        n_panels,
        figsize=(5.5, 1.2 + 2.1 * n_panels),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    return axes[:, 0]


def _label_plainly(axis):
    """Write 0.2 rather than 2 x 10^-1; the range is seldom more than two decades."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_formatter(NullFormatter())


def _reciprocal(values):
    # matplotlib asks for 0, too, before the limits are set.
    return 1 / np.maximum(np.asarray(values, dtype=float), 1e-12)
