"""Bands of spatial frequency in images: what is in them, and images in which one is changed."""

import numpy as np
from scipy.fft import dctn, idctn, irfft2, rfft2

from sklearn_cellfate.feature_extraction._image_features import in_parts
from sklearn_cellfate.feature_extraction._radial_bins import (
    bin_edges,
    bin_numbers,
    half_plane,
    sum_by_bin,
)

# By which an edge may exceed the highest frequency: 0.71 stands for the root of 1/2.
TOLERANCE = 0.01
# Of the sum of squares of the pixels, in float32.
ROUNDING = 1e-14


class FrequencyBands:
    """Radial frequency bands of images of one size.

    Parameters
    ----------
    shape : tuple of (height, width)
        Size of the images in pixels.
    bands : int or ndarray of shape (n_bands + 1,)
        Number of bands, each as many times wider than the one before, or their edges.
    pixel_size : float or None
        Side of a pixel in micrometres; frequencies are in cycles per pixel without it.
    border : {"mirror", "periodic"}
        How an image goes on beyond its border.

    Attributes
    ----------
    edges : ndarray of shape (n_bands + 1,)
    numbers : ndarray of int, of the shape of a transform
        Band of each frequency; -1 for those in none, the mean among them.
    counts : ndarray of shape (n_bands,)
        Number of frequencies in each band.
    means : ndarray of shape (n_bands,)
        Mean of the frequencies in each band.
    n_frequencies : int
        Number of all frequencies but 0, in bands or not.
    """

    def __init__(self, shape, bands, pixel_size, border):
        self.shape, self.border = tuple(shape), border
        self.unit = "cycles/pixel" if pixel_size is None else "cycles/um"
        side = 1.0 if pixel_size is None else float(pixel_size)
        radius, self._times = _plane(self.shape, side, border)
        self.n_frequencies = int(self._times.sum())
        if not self.n_frequencies:
            raise ValueError("images of 1 x 1 pixels have no spatial frequencies.")
        if np.ndim(bands) == 0:
            self.edges = bin_edges(radius[self._times > 0], bands, "log")
        else:
            self.edges = self._check_edges(bands, side)
        self.numbers = bin_numbers(radius, self.edges)
        outside = (radius < self.edges[0] * (1 - 1e-9)) | (radius > self.edges[-1] * (1 + 1e-9))
        self.numbers[outside | (self._times == 0)] = -1
        self.counts = self._sum(self._times)
        self._refuse_empty()
        self.means = self._sum(self._times * radius) / self.counts

    @property
    def n_bands(self):
        """Number of bands."""
        return len(self.edges) - 1

    def shares(self, images):
        """Return the share of each image's variance at each band's frequencies, (n, n_bands).

        Bands that cover all frequencies sum to 1 (Parseval's theorem), or to 0 where all pixels
        are alike.
        """
        shares = np.empty((len(images), self.n_bands))
        for rows in in_parts(images):
            spectrum = self._transform(images[rows].astype(np.float64))
            squares = self._times * (spectrum.real**2 + spectrum.imag**2).sum(axis=1)
            total = squares.sum(axis=(1, 2))
            power = np.array([self._sum(square) for square in squares])
            # What rounding leaves of pixels that are all alike is no structure.
            flat = total <= ROUNDING * np.square(images[rows], dtype=float).sum(axis=(1, 2, 3))
            shares[rows] = power * (~flat / np.where(flat, 1, total))[:, np.newaxis]
        return shares

    def remove(self, images, band):
        """Return the images without one band, float32."""
        kept = self.numbers != band
        return self._change(images, lambda spectrum, rows: spectrum * kept)

    def scramble(self, images, band, rng):
        """Return the images with the phases of one band drawn at random, float32.

        Each channel of an image gets the same shifts of phase, so that what lies over what in
        its channels stays so.
        """
        inside = self.numbers == band

        def change(spectrum, rows):
            # The phases of white noise: those of a real image, whatever its size.
            noise = self._transform(rng.normal(size=(len(spectrum), 1, *self.shape)))
            turns = noise / np.maximum(np.abs(noise), np.finfo(float).tiny)
            return np.where(inside, spectrum * turns, spectrum)

        return self._change(images, change)

    def permute(self, images, band, rng):
        """Return the images with one band of another of them, drawn at random, float32."""
        inside, order = self.numbers == band, rng.permutation(len(images))

        def change(spectrum, rows):
            other = self._transform(images[order[rows]].astype(np.float64))
            return np.where(inside, other, spectrum)

        return self._change(images, change)

    def _change(self, images, change):
        changed = np.empty(images.shape, dtype=np.float32)
        for rows in in_parts(images):
            spectrum = change(self._transform(images[rows].astype(np.float64)), rows)
            changed[rows] = self._invert(spectrum)
        return changed

    def _transform(self, images):
        """Return coefficients whose squares sum to the mean square of the pixels."""
        if self.border == "mirror":
            # The cosine transform is the Fourier transform of the image and its mirror images.
            return dctn(images, axes=(2, 3), norm="ortho") / np.sqrt(np.prod(self.shape))
        return rfft2(images, norm="forward")

    def _invert(self, spectrum):
        if self.border == "mirror":
            return idctn(spectrum * np.sqrt(np.prod(self.shape)), axes=(2, 3), norm="ortho")
        return irfft2(spectrum, s=self.shape, norm="forward")

    def _sum(self, values):
        inside = self.numbers >= 0
        return sum_by_bin(self.numbers[inside], values[inside], self.n_bands)

    def _check_edges(self, bands, side):
        edges = np.asarray(bands, dtype=float)
        if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all() or edges[0] < 0:
            raise ValueError(
                "bands must be a number of bands, or at least two edges from 0 that rise, found "
                f"{bands!r}."
            )
        highest = np.hypot(*(0.5 / side * (length > 1) for length in self.shape))
        if not edges[-1] <= highest * (1 + TOLERANCE):
            raise ValueError(
                f"bands reach to {edges[-1]:.4g} {self.unit}, but pixels hold no frequencies "
                f"above {highest:.4g} {self.unit}, Nyquist's limit along both axes."
            )
        return edges

    def _refuse_empty(self):
        empty = np.flatnonzero(self.counts == 0)
        if len(empty):
            low, high = self.edges[empty[0] : empty[0] + 2]
            raise ValueError(
                f"the band from {low:.4g} to {high:.4g} {self.unit} holds no frequency of images "
                f"of {self.shape[0]} x {self.shape[1]} pixels; make it wider or leave it out."
            )


def _plane(shape, side, border):
    """Return the frequency of each coefficient, and how often it counts."""
    if border == "periodic":
        return half_plane(*shape, side)
    rows, columns = (np.arange(n) / (2 * n * side) for n in shape)
    radius = np.hypot(rows[:, np.newaxis], columns)
    return radius, (radius > 0).astype(int)
