"""How a nucleus looks in the camera: its outline, its texture, the light and the noise.

Lengths are in pixels, except where a name says micrometres. Everything is drawn for many frames
at once; a loop runs over waves or nucleoli, never over cells or pixels.
"""

import numpy as np

N_WAVES = 8
N_NUCLEOLI = 3
N_FRAGMENTS = 3  # that a dying nucleus falls into

# A frame of one nucleus. `ratio` is YFP / CFP, `photons` the light of both channels together that
# a pixel in the middle of the nucleus gives, `background` the light of a channel without nucleus.
FRAME = np.dtype(
    [
        ("cell", np.intp),
        ("hours", np.float32),
        ("row", np.float32),
        ("column", np.float32),
        ("radius", np.float32),
        ("aspect_ratio", np.float32),
        ("orientation", np.float32),
        ("ratio", np.float32),
        ("photons", np.float32),
        ("background", np.float32),
        ("rounding", np.float32),
        ("decay", np.float32),
        ("mask_margin", np.float32),
    ]
)

# What a cell keeps for life. Positions are in units of the half axes.
TEXTURE = np.dtype(
    [
        ("lobe", np.float32),
        ("lobe_phase", np.float32),
        ("wave_u", np.float32, N_WAVES),
        ("wave_v", np.float32, N_WAVES),
        ("wave_phase", np.float32, N_WAVES),
        ("wave_drift", np.float32, N_WAVES),
        ("nucleolus_u", np.float32, N_NUCLEOLI),
        ("nucleolus_v", np.float32, N_NUCLEOLI),
        ("nucleolus_depth", np.float32, N_NUCLEOLI),
        ("fragment_u", np.float32, N_FRAGMENTS),
        ("fragment_v", np.float32, N_FRAGMENTS),
        ("fragment_radius", np.float32, N_FRAGMENTS),
    ]
)

CHROMATIN_CONTRAST = 0.13  # standard deviation relative to the mean
NUCLEOLUS_RADIUS = 0.2  # of the nucleus
BLUR_UM = 0.5  # half width of the microscope's blur, beside that of a pixel
READ_NOISE = 1.6  # electrons
COUNTS_PER_ELECTRON = 4.0


def draw_textures(rng, n_cells):
    """Draw chromatin, nucleoli and outline of each cell."""
    textures = np.empty(n_cells, TEXTURE)
    textures["lobe"] = rng.uniform(0.01, 0.06, n_cells)
    textures["lobe_phase"] = rng.uniform(0, 2 * np.pi, n_cells)
    # Grains of chromatin 3 to 8 micrometres apart in a nucleus 12 wide: a smooth random field.
    # Directions all around, or stripes would show.
    waves = (n_cells, N_WAVES)
    number = rng.uniform(4.5, 13, waves)
    direction = np.pi * (np.arange(N_WAVES) + rng.random(waves)) / N_WAVES
    textures["wave_u"] = number * np.cos(direction)
    textures["wave_v"] = number * np.sin(direction)
    textures["wave_phase"] = rng.uniform(0, 2 * np.pi, waves)
    textures["wave_drift"] = rng.normal(0, 0.15, waves)  # radians an hour
    nucleoli = (n_cells, N_NUCLEOLI)
    distance, angle = 0.65 * np.sqrt(rng.random(nucleoli)), rng.uniform(0, 2 * np.pi, nucleoli)
    textures["nucleolus_u"] = distance * np.cos(angle)
    textures["nucleolus_v"] = distance * np.sin(angle)
    present = np.arange(N_NUCLEOLI) < rng.integers(1, N_NUCLEOLI + 1, n_cells)[:, np.newaxis]
    textures["nucleolus_depth"] = present * rng.uniform(0.25, 0.5, nucleoli)
    fragments = (n_cells, N_FRAGMENTS)
    distance = rng.uniform(0.4, 0.8, fragments)
    angle = 2 * np.pi * (np.arange(N_FRAGMENTS) / N_FRAGMENTS + rng.random((n_cells, 1)))
    angle += rng.normal(0, 0.4, fragments)
    textures["fragment_u"] = distance * np.cos(angle)
    textures["fragment_v"] = distance * np.sin(angle)
    textures["fragment_radius"] = rng.uniform(0.35, 0.65, fragments)
    return textures


def draw_photons(frames, textures, image_shape, pixel_size):
    """Return the expected photons of each pixel, and where a segmentation finds the nucleus.

    Parameters
    ----------
    frames : ndarray of shape (n,), dtype FRAME
        Place, shape and light of the nucleus in each frame.
    textures : ndarray of shape (n_cells,), dtype TEXTURE
        What ``frames["cell"]`` points into.
    image_shape : tuple of int
        Height and width.
    pixel_size : float
        In micrometres.

    Returns
    -------
    photons : ndarray of shape (n, 2, H, W), float32
        CFP, then YFP.
    mask : ndarray of shape (n, H, W), bool
    """
    frames = {name: frames[name][:, np.newaxis, np.newaxis] for name in frames.dtype.names}
    texture = textures[frames["cell"][:, 0, 0]]
    u, v = _body_coordinates(frames, image_shape)
    depth = _depth(u, v, frames, texture)
    edge = np.float32(np.hypot(BLUR_UM / pixel_size, 0.5))
    light = 0.5 + 0.5 * np.tanh(depth / edge)
    light *= _structure(u, v, frames, texture)
    light *= frames["photons"]
    cfp = light / (1 + frames["ratio"])
    photons = np.stack([cfp, light - cfp], axis=1)
    photons += frames["background"][:, np.newaxis]
    # However small a fragment, its deepest pixel is found: no mask is empty.
    margin = np.minimum(frames["mask_margin"], depth.max(axis=(1, 2), keepdims=True))
    return photons, depth >= margin


def take_picture(rng, photons):
    """Turn expected photons into camera counts, the camera's own offset already subtracted.

    Counts start at 1, so that 0 is free to mean "no nucleus here"; they saturate at 65535.
    """
    electrons = rng.poisson(photons).astype(np.float32)
    electrons += READ_NOISE * rng.standard_normal(photons.shape, dtype=np.float32)
    return np.clip(np.rint(COUNTS_PER_ELECTRON * electrons), 1, 65535).astype(np.uint16)


def _body_coordinates(frames, image_shape):
    """Pixel centres in units of the half axes, the major axis along u.

    The orientation is that of :func:`skimage.measure.regionprops`: from the rows' axis to the
    major axis, counter-clockwise.
    """
    down = np.arange(image_shape[0], dtype=np.float32)[:, np.newaxis] - frames["row"]
    right = np.arange(image_shape[1], dtype=np.float32) - frames["column"]
    cosine, sine = np.cos(frames["orientation"]), np.sin(frames["orientation"])
    stretch = np.sqrt(frames["aspect_ratio"])
    u = (cosine * down + sine * right) / (frames["radius"] * stretch)
    v = (cosine * right - sine * down) * (stretch / frames["radius"])
    return u, v


def _depth(u, v, frames, texture):
    """How deep a pixel lies inside the outline, in pixels; negative outside."""
    rho = np.sqrt(u**2 + v**2) + np.float32(1e-6)
    cosine, sine = u / rho, v / rho
    # No nucleus is quite an ellipse: three slight lobes. Their triple angle is had from sine and
    # cosine, which is quicker than an arctangent.
    phase = texture["lobe_phase"][:, np.newaxis, np.newaxis]
    lobe = texture["lobe"][:, np.newaxis, np.newaxis] * (1 - frames["rounding"])
    cosine_3, sine_3 = cosine * (4 * cosine**2 - 3), sine * (3 - 4 * sine**2)
    outline = 1 + lobe * (np.cos(phase) * cosine_3 - np.sin(phase) * sine_3)
    depth = outline - rho
    # In the second half of dying, one outline changes into those of the fragments.
    broken = np.clip(2 * frames["decay"] - 1, 0, 1)
    dying = broken[:, 0, 0] > 0
    if dying.any():
        pieces = _depth_in_fragments(u[dying], v[dying], texture[dying])
        depth[dying] += broken[dying] * (pieces - depth[dying])
    return depth * frames["radius"]


def _depth_in_fragments(u, v, texture):
    depths = []
    for k in range(N_FRAGMENTS):
        centre_u, centre_v, radius = (
            texture[name][:, k, np.newaxis, np.newaxis]
            for name in ("fragment_u", "fragment_v", "fragment_radius")
        )
        depths.append(radius - np.sqrt((u - centre_u) ** 2 + (v - centre_v) ** 2))
    return np.maximum.reduce(depths)


def _structure(u, v, frames, texture):
    """Brightness inside the nucleus around 1: thickness, chromatin and dark nucleoli."""
    grains = np.zeros_like(u)
    for k in range(N_WAVES):
        wave_u, wave_v, phase, drift = (
            texture[name][:, k, np.newaxis, np.newaxis]
            for name in ("wave_u", "wave_v", "wave_phase", "wave_drift")
        )
        grains += np.cos(wave_u * u + wave_v * v + (phase + drift * frames["hours"]))
    # Chromatin clumps when a cell dies.
    contrast = CHROMATIN_CONTRAST * np.sqrt(2 / N_WAVES) * (1 + 1.5 * frames["decay"])
    structure = 1 + contrast * grains
    structure *= 1.1 - 0.2 * np.minimum(u**2 + v**2, 1)
    intact = (1 - frames["rounding"]) * (1 - frames["decay"])  # nucleoli dissolve in both
    for k in range(N_NUCLEOLI):
        centre_u, centre_v, darkness = (
            texture[name][:, k, np.newaxis, np.newaxis]
            for name in ("nucleolus_u", "nucleolus_v", "nucleolus_depth")
        )
        distance = ((u - centre_u) ** 2 + (v - centre_v) ** 2) / (2 * NUCLEOLUS_RADIUS**2)
        structure *= 1 - darkness * intact * np.exp(-distance)
    return np.maximum(structure, np.float32(0.05))
