"""How much structure images have at each spatial frequency."""

from numbers import Integral, Real

import numpy as np
from scipy.fft import rfft2
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_cellfate.feature_extraction._image_features import ImageFeatures, in_parts
from sklearn_cellfate.feature_extraction._radial_bins import (
    bin_edges,
    bin_numbers,
    half_plane,
    sum_by_bin,
)

__all__ = ["PowerSpectrum"]

FLOOR = 1e-6  # of the mean power over the training rows


class PowerSpectrum(ImageFeatures):
    """Radially averaged power spectrum (structure factor) of each channel of each image.

    The power of an image at each spatial frequency, in any direction, says how coarse its
    structure is: cells in a dense layer give a peak at one over their distance, holes in the layer
    power at lower frequencies.

    Parameters
    ----------
    n_bins : int, default=24
        Number of bins of frequency between the lowest and the highest. A bin without any
        frequency of the image is joined to its neighbour above, so there may be fewer.
    spacing : {"log", "linear"}, default="log"
        Whether each bin is as many times wider than the one before, or all are equally wide.
        ``"log"`` resolves low frequencies, of structure larger than a cell.
    scaling : {"density", "spectrum"}, default="density"
        What is given for each bin.

        - ``"density"``: the mean over its frequencies of variance per area of the frequency plane
          (the structure factor). White noise is flat, of height ``variance * pixel_size ** 2``.
        - ``"spectrum"``: the variance at its frequencies. The sum over all bins is the variance of
          the image (Parseval's theorem), of the windowed image if there is a window.

        One is the other times ``areas_``.
    window : {"hann", None}, default="hann"
        Without a window, the jump from one edge of an image to the opposite one leaks power into
        all frequencies. The Hann window, ``sin(pi * (i + 1/2) / n) ** 2`` along both axes, is
        divided by its root mean square, so that noise keeps its power. It blurs the spectrum by
        about one frequency step, one cycle an image.
    log : bool, default=True
        Whether to take the logarithm to base 10. Values below ``floor_`` are raised to it first.
    pixel_size : float, default=None
        Side of a pixel in micrometres. Frequencies are in cycles per micrometre then; without it,
        in cycles per pixel.
    image_shape : tuple of (channels, height, width), default=None
        How each row of a 2-D X folds into an image. By default a row is an image of one line.

    Attributes
    ----------
    frequencies_ : ndarray of shape (n_bins_out,)
        Mean of the frequencies in each bin, in cycles per pixel or per micrometre.
    bin_edges_ : ndarray of shape (n_bins_out + 1,)
        Edges of the bins, in the same unit. A bin includes its lower edge, the last one both.
    areas_ : ndarray of shape (n_bins_out,)
        Area of each bin in the frequency plane, in the square of that unit: its number of
        frequencies over the area of the image.
    floor_ : ndarray of shape (n_channels, n_bins_out)
        Smallest power that is told from none: one millionth of the mean over the training rows;
        1 where these have no power at all. Only with ``log=True``.
    image_shape_ : tuple of (channels, height, width)
        Shape of the images fitted on.
    n_features_in_ : int
        Number of columns of a data frame or 2-D array fitted on; values an image otherwise.
    feature_names_in_ : ndarray of str
        Columns of the data frame fitted on, where their names are all strings.

    See Also
    --------
    IntensityStatistics : Statistics without any structure.
    sklearn_cellfate.preprocessing.PatchNormalizer : Before it, the spectrum has the same
        total for all images.

    Notes
    -----
    The mean of each image, weighted by the window, is subtracted first, so frequency 0 holds
    nothing and is left out. The highest frequency is that of the corners of the frequency plane,
    0.71 cycles per pixel for square pixels. Bins go by physical frequency, so images need not be
    square. An image of one pixel has one bin, without power.

    Columns are named by frequency and channel: ``power_0.0442_per_pixel_0``, or
    ``..._per_um_0`` with `pixel_size`.

    References
    ----------
    .. [1] P. Stoica, R. L. Moses, "Spectral Analysis of Signals", Prentice Hall, 2005.
    .. [2] J. P. Hansen, I. R. McDonald, "Theory of Simple Liquids", 2013, on the structure
       factor. :doi:`10.1016/C2010-0-66723-X`

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.feature_extraction import PowerSpectrum
    >>> column = np.arange(64)
    >>> stripes = np.cos(2 * np.pi * column / 8) * np.ones((1, 64, 1))
    >>> spectrum = PowerSpectrum(8, spacing="linear", scaling="spectrum", window=None, log=False)
    >>> spectrum.fit_transform(stripes).round(3)  # the variance of a cosine is 1/2
    array([[0. , 0.5, 0. , 0. , 0. , 0. , 0. , 0. ]])
    >>> spectrum.bin_edges_[1:3].round(3)  # 1/8 lies between
    array([0.088, 0.177])
    >>> spectrum.get_feature_names_out()[1]
    'power_0.1368_per_pixel_0'
    """

    _parameter_constraints: dict = {
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "spacing": [StrOptions({"log", "linear"})],
        "scaling": [StrOptions({"density", "spectrum"})],
        "window": [StrOptions({"hann"}), None],
        "log": ["boolean"],
        "pixel_size": [Interval(Real, 0, None, closed="neither"), None],
        "image_shape": ["array-like", None],
    }

    _learned_in_pixel_units = ("floor_",)

    def __init__(
        self,
        n_bins=24,
        *,
        spacing="log",
        scaling="density",
        window="hann",
        log=True,
        pixel_size=None,
        image_shape=None,
    ):
        self.n_bins = n_bins
        self.spacing = spacing
        self.scaling = scaling
        self.window = window
        self.log = log
        self.pixel_size = pixel_size
        self.image_shape = image_shape

    def _fit_images(self, images):
        channels, height, width = images.shape[1:]
        radius, times = half_plane(height, width, self._side())
        self.bin_edges_ = bin_edges(radius[times > 0], self.n_bins, self.spacing)
        bins = bin_numbers(radius, self.bin_edges_)
        number = sum_by_bin(bins, times, len(self.bin_edges_) - 1)
        total = sum_by_bin(bins, times * radius, len(number))
        self.frequencies_ = total / np.maximum(number, 1)
        self.areas_ = number / (height * width * self._side() ** 2)
        self._names = self._column_names(channels)
        self.__dict__.pop("floor_", None)  # of an earlier fit with log=True
        if self.log:
            mean = self._power(images).mean(axis=0)
            self.floor_ = np.where(mean > 0, FLOOR * mean, 1.0)

    def _transform_images(self, images):
        power = self._power(images)
        if self.log:
            power = np.log10(np.maximum(power, self.floor_))
        return power.reshape(len(images), -1)

    def _power(self, images):
        """Return the power of each image, channel and bin."""
        height, width = images.shape[2:]
        window = self._window(height, width)
        radius, times = half_plane(height, width, self._side())
        bins = bin_numbers(radius, self.bin_edges_)
        scale = times / (height * width) ** 2
        power = np.empty((*images.shape[:2], len(self.areas_)))
        for rows in in_parts(images):
            pixels = images[rows].astype(np.float64)
            pixels -= (pixels * window).mean(axis=(2, 3), keepdims=True) / window.mean()
            spectrum = rfft2(pixels * window)
            squares = scale * (spectrum.real**2 + spectrum.imag**2)
            for place in np.ndindex(squares.shape[:2]):
                power[rows][place] = sum_by_bin(bins, squares[place], power.shape[2])
        if self.scaling == "density":
            power /= np.where(self.areas_ > 0, self.areas_, 1)
        return power

    def _window(self, height, width):
        if self.window is None:
            return np.ones((height, width))
        # Between the samples of the usual form, so that no pixel, not even an only one, has 0.
        rows, columns = (np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in (height, width))
        window = rows[:, np.newaxis] * columns
        return window / np.sqrt(np.square(window).mean())

    def _side(self):
        return 1.0 if self.pixel_size is None else float(self.pixel_size)

    def _column_names(self, channels):
        unit = "per_pixel" if self.pixel_size is None else "per_um"
        digits = 4
        while len({f"{f:.{digits}g}" for f in self.frequencies_}) < len(self.frequencies_):
            digits += 1
        return [
            f"power_{frequency:.{digits}g}_{unit}_{channel}"
            for channel in range(channels)
            for frequency in self.frequencies_
        ]
