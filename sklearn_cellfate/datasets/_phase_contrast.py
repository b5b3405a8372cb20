"""What a phase-contrast microscope sees of a confluent layer of cells with gaps.

Cells delay the light by an optical thickness. The microscope shows thick as dark, but only
relative to the surroundings: light that the cells bend little still passes the phase ring, which
surrounds them with a bright halo. That is a linear filter of the thickness, and all that is drawn
here but the borders between cells is made by filters of white noise and of points.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import distance_transform_edt

MARGIN = 20.0  # um drawn around each image and cut off: filters wrap around the edge
BLUR = 0.7  # um, standard deviation of the point spread function
CAMERA_NOISE = 1.5  # grey levels
DEBRIS_SIGMAS = (0.8, 1.4, 2.2)  # um, of grains, fragments and dead cells
DEBRIS_SHARES = (0.55, 0.3, 0.15)
DEBRIS_HEIGHT = 4.0  # brightness of a piece in units of the cells' optical thickness


@dataclass(frozen=True)
class Look:
    """How the cells of a clone look, and how bright its cultures are imaged.

    Lengths are in micrometres, strengths in units of a cell's optical thickness.
    """

    level: float  # grey level of what is as thick as its surroundings
    contrast: float  # grey levels, relative to `level`, of one unit of optical thickness
    cell_diameter: float
    hole_scale: float
    nucleus: float
    nucleoli: float
    grain: float
    border: float  # width of the thin seam between cells
    rim: float  # how much thicker cells are at the edge of a hole
    halo: float  # share of the unbent light that passes the ring, 0 to 1
    halo_width: float
    debris: float  # pieces relative to other clones


def draw_looks(rng, n_clones, variety=1.0):
    """Draw what each clone looks like; with `variety` 0 they all look the same."""

    def around(middle, spread):
        return middle * np.exp(variety * spread * rng.standard_normal(n_clones))

    columns = {
        "level": around(105, 0.12),
        "contrast": around(0.55, 0.3),
        "cell_diameter": around(15, 0.13),
        "hole_scale": around(11, 0.12),
        "nucleus": around(0.25, 0.35),
        "nucleoli": around(0.9, 0.35),
        "grain": around(0.16, 0.35),
        "border": around(1.3, 0.2),
        "rim": around(0.7, 0.3),
        "halo": 0.775 + variety * rng.uniform(-0.075, 0.075, n_clones),
        "halo_width": around(4, 0.2),
        "debris": around(1, 0.4),
    }
    return [
        Look(**{name: float(values[clone]) for name, values in columns.items()})
        for clone in range(n_clones)
    ]


def draw_culture(rng, look, hole_fraction, debris_density, shape, pixel_size):
    """Draw one field of a culture.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    look : Look
        Of the clone.
    hole_fraction : float
        Share of the image without cells, to the nearest pixel.
    debris_density : float
        Expected number of pieces of debris a square millimetre, for a clone of average look.
    shape : tuple of (height, width)
        In pixels.
    pixel_size : float
        Side of a pixel in micrometres.

    Returns
    -------
    image : ndarray of uint8 of shape `shape`
    holes : ndarray of bool of shape `shape`
    """
    canvas = _Canvas(shape, pixel_size)
    to_center, to_border, height = _draw_cells(rng, look, canvas)
    holes = _draw_holes(rng, look, canvas, hole_fraction, to_border)
    thickness = _thickness(rng, look, canvas, to_center, to_border, height)
    bright = _draw_debris(rng, debris_density * look.debris, canvas)
    ring = canvas.low_pass(BLUR) * (1 - look.halo * canvas.halo(look.halo_width))
    thickness += look.rim * canvas.filter(holes.astype(np.float32), canvas.low_pass(2.5))
    seen = canvas.filter(np.where(holes, 0, thickness) - DEBRIS_HEIGHT * bright, ring)
    light = _illumination(rng, shape)
    grey = look.level * light * (1 - look.contrast * canvas.cut(seen))
    grey += CAMERA_NOISE * rng.standard_normal(shape, np.float32)
    return np.rint(grey).clip(0, 255).astype(np.uint8), canvas.cut(holes)


class _Canvas:
    """The field with a margin, and filters on it."""

    def __init__(self, shape, pixel_size):
        self.pixel_size = pixel_size
        self.margin = int(np.ceil(MARGIN / pixel_size))
        self.inside = tuple(slice(self.margin, self.margin + side) for side in shape)
        self.shape = tuple(next_fast_len(side + 2 * self.margin, real=True) for side in shape)
        rows = np.fft.fftfreq(self.shape[0], pixel_size).astype(np.float32)
        columns = np.fft.rfftfreq(self.shape[1], pixel_size).astype(np.float32)
        self._decay = -2 * np.pi**2 * (rows[:, np.newaxis] ** 2 + columns**2)

    def cut(self, field):
        """Cut off the margin."""
        return field[self.inside]

    def low_pass(self, sigma):
        """Return the transfer function of a Gaussian of standard deviation `sigma`, in um."""
        return np.exp(self._decay * np.float32(sigma**2))

    def halo(self, width):
        """Return the transfer function of a blur that falls off as exp(-r / width), in um."""
        return (1 - 2 * self._decay * np.float32(width**2)) ** -1.5

    def filter(self, field, transfer):
        """Multiply the spectrum of a field."""
        return irfft2(rfft2(field) * transfer, s=self.shape, overwrite_x=True)

    def noise(self, rng, transfer):
        """Return filtered white noise of zero mean and unit variance."""
        field = self.filter(rng.standard_normal(self.shape, np.float32), transfer)
        field -= field.mean()
        return field / field.std()


def _draw_cells(rng, look, canvas):
    """Return distances to a cell's centre and to its border, in um, and its height."""
    centers, number = _scatter_centers(rng, look.cell_diameter / canvas.pixel_size, canvas.shape)
    to_center, nearest = distance_transform_edt(centers, return_indices=True)
    # Borders of nearest neighbours are straight; shifted by a smooth field they wind.
    wind = canvas.low_pass(look.cell_diameter / 5)
    rows, columns = np.indices(canvas.shape, dtype=np.int32, sparse=True)
    shift = 0.13 * look.cell_diameter / canvas.pixel_size
    rows = _shift(rows, shift * canvas.noise(rng, wind), canvas.shape[0])
    columns = _shift(columns, shift * canvas.noise(rng, wind), canvas.shape[1])
    cell = number[tuple(nearest[:, rows, columns])]
    to_center = to_center[rows, columns].astype(np.float32) * canvas.pixel_size
    border = np.zeros(canvas.shape, bool)
    border[:, 1:] |= cell[:, 1:] != cell[:, :-1]
    border[1:] |= cell[1:] != cell[:-1]
    to_border = distance_transform_edt(~border).astype(np.float32) * canvas.pixel_size
    heights = rng.uniform(0.75, 1.25, number.max() + 1).astype(np.float32)
    return to_center, to_border, heights[cell]


def _scatter_centers(rng, diameter, shape):
    """Set a centre near each point of a hexagonal lattice; return False there, and numbers."""
    step = np.array([diameter * np.sqrt(3) / 2, diameter])
    rows, columns = np.indices([int(side / s) + 2 for side, s in zip(shape, step)])
    places = np.stack([rows, columns + 0.5 * (rows % 2)], axis=-1) * step
    places += rng.normal(0, 0.17 * diameter, places.shape)
    inside = ((places >= 0) & (places < shape)).all(axis=-1)
    places = tuple(places[inside].astype(int).T)
    free = np.ones(shape, bool)
    free[places] = False
    number = np.zeros(shape, np.int32)
    number[places] = np.arange(len(places[0]))
    return free, number


def _shift(index, by, side):
    return (index + np.rint(by).astype(np.int32)).clip(0, side - 1)


def _draw_holes(rng, look, canvas, hole_fraction, to_border):
    """Leave out cells where a smooth field is highest, so that the share is as asked."""
    field = canvas.noise(rng, canvas.low_pass(look.hole_scale))
    # Layers tear between cells: holes have corners that reach into the seams.
    field += 0.3 * np.exp(-to_border / (look.cell_diameter / 10))
    within = canvas.cut(field).ravel()
    n_pixels = round(hole_fraction * within.size)
    if not n_pixels:
        return np.zeros(canvas.shape, bool)
    return field >= np.partition(within, -n_pixels)[-n_pixels]


def _thickness(rng, look, canvas, to_center, to_border, height):
    """Return the optical thickness of a layer without holes."""
    seam = canvas.noise(rng, canvas.low_pass(2.5)).clip(-1.2, 1.2) * 0.4 + 0.5
    dome = 1 - seam * np.exp(-to_border / look.border)
    radius = 0.27 * look.cell_diameter
    nucleus = 1 / (1 + np.exp(((to_center - radius) / 0.6).clip(-30, 30)))
    # Nucleoli and granules are what is highest of two fields of noise.
    spots = (canvas.noise(rng, canvas.low_pass(1.1)) - 1.0).clip(0, 1.5)
    grain = canvas.noise(rng, canvas.low_pass(0.8))
    inside = look.nucleoli * nucleus * spots + look.grain * (1 - 0.7 * nucleus) * grain
    return height * dome * (1 - look.nucleus * nucleus) + dome * inside


def _draw_debris(rng, density, canvas):
    """Return the pieces, each as bright as a Gaussian of height around 1."""
    area = canvas.shape[0] * canvas.shape[1] * canvas.pixel_size**2 / 1e6  # in square mm
    spectrum = 0
    for sigma, share in zip(DEBRIS_SIGMAS, DEBRIS_SHARES):
        points = np.zeros(canvas.shape, np.float32)
        n_pieces = rng.poisson(share * density * area)
        places = tuple(rng.integers(0, side, n_pieces) for side in canvas.shape)
        volume = 2 * np.pi * (sigma / canvas.pixel_size) ** 2
        np.add.at(points, places, volume * rng.uniform(0.5, 1.5, n_pieces))
        spectrum = spectrum + rfft2(points) * canvas.low_pass(sigma)
    return irfft2(spectrum, s=canvas.shape)


def _illumination(rng, shape):
    """Return the light on each pixel, around 1: brighter on one side, darker in the corners."""
    rows, columns = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    slope = rng.normal(0, 0.07, 2)
    vignette = rng.uniform(0, 0.12)
    rows = rows[:, np.newaxis]
    light = 1 + slope[0] * rows + slope[1] * columns
    return light - vignette * ((rows**2 + columns**2) / 2 - 1 / 3)
