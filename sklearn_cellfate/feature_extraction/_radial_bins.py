"""Bins of spatial frequency, whatever its direction: what spectra of images are summed over."""

import numpy as np

__all__ = ["bin_edges", "bin_numbers", "half_plane", "sum_by_bin"]


def half_plane(height, width, side=1.0):
    """Return the frequencies that a real Fourier transform gives, and how often each counts.

    Parameters
    ----------
    height, width : int
        Size of the image in pixels.
    side : float, default=1.0
        Side of a pixel.

    Returns
    -------
    radius : ndarray of shape (height, width // 2 + 1)
        Frequency in any direction, in cycles per unit of `side`.
    times : ndarray of int of the same shape
        2 for a frequency whose mirror image is not computed, 1 for one without, 0 for frequency
        0, the mean.
    """
    rows = np.fft.fftfreq(height, side)
    columns = np.fft.rfftfreq(width, side)
    radius = np.hypot(rows[:, np.newaxis], columns)
    times = np.full(radius.shape, 2)
    times[:, 0] = 1
    if width % 2 == 0:
        times[:, -1] = 1
    times[0, 0] = 0
    return radius, times


def bin_edges(frequencies, n_bins, spacing):
    """Return the edges of bins of which none is without a frequency.

    Parameters
    ----------
    frequencies : ndarray of shape (n,)
        All frequencies above 0 of an image.
    n_bins : int
        Number of bins; one without a frequency is joined to its neighbour above.
    spacing : {"log", "linear"}
        Equal ratios, or equal widths from 0.

    Returns
    -------
    edges : ndarray of shape (at most n_bins + 1,)
    """
    if not len(frequencies):  # of a single pixel
        return np.array([0.0, 1.0])
    lowest, highest = frequencies.min(), frequencies.max()
    if spacing == "linear":
        edges = np.linspace(0, highest, n_bins + 1)
    else:
        edges = np.geomspace(lowest, highest, n_bins + 1)
    counts = np.bincount(bin_numbers(frequencies, edges), minlength=n_bins)
    return np.concatenate([edges[:1], edges[1:][counts > 0]])


def bin_numbers(frequencies, edges):
    """Return the number of each frequency's bin; the outer bins take what lies beyond them."""
    # A frequency that is an edge belongs above it, whatever rounding makes of either.
    return np.searchsorted((1 - 1e-9) * edges[1:-1], frequencies, side="right")


def sum_by_bin(bins, values, n_bins):
    """Sum the values, of any shape, over the bins that `bins`, of the same shape, puts them in."""
    return np.bincount(bins.ravel(), values.ravel(), n_bins)
