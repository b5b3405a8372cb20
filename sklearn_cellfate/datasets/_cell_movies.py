"""Movies of single nuclei with a biosensor for ERK, whose fate follows a known law."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from skimage.measure import regionprops_table
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_cellfate.datasets._fate import best_scores, solve_intercept
from sklearn_cellfate.datasets._life import (
    MEAN_RADIUS,
    draw_frames,
    draw_population,
    lifetimes,
)
from sklearn_cellfate.datasets._nucleus import draw_photons, draw_textures, take_picture
from sklearn_cellfate.table import movie_column

FACTOR_NAMES = ["true_erk", "true_radius", "true_orientation"]
PIXELS_AT_ONCE = 400_000  # bounds the memory of drawing, and fits a processor's cache


@validate_params(
    {
        "n_cells": [Interval(Integral, 2, None, closed="left")],
        "image_size": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "max_frames": [Interval(Integral, 1, None, closed="left")],
        "n_replicates": [Interval(Integral, 1, None, closed="left")],
        "n_fields": [Interval(Integral, 1, None, closed="left")],
        "fate_fraction": [Interval(Real, 0, 1, closed="neither")],
        "effect": [tuple, list, np.ndarray],
        "pixel_size": [Interval(Real, 0, 2, closed="right")],
        "masked": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_cell_movies(
    n_cells=200,
    *,
    image_size=20,
    max_frames=100,
    n_replicates=3,
    n_fields=6,
    fate_fraction=0.17,
    effect=(2.0, 1.5),
    pixel_size=1.24,
    masked=True,
    random_state=None,
):
    """Simulate movies of nuclei with an ERK biosensor whose fate follows a known law.

    Each cell is followed for three days, or until it divides or dies, in crops centred on its
    nucleus. The nucleus carries the biosensor EKAREV-NLS: its ratio YFP / CFP rises with the
    activity of ERK. Chromatin and nucleoli give texture; light comes as photons, and the camera
    adds noise. ERK pulses, more often where its baseline is high. Nuclei grow; before mitosis
    they round up and brighten; dying ones shrink, brighten and fall to pieces.

    Whether a cell divides is drawn from a logistic of its ERK activity and size at the first
    frame, so the best scores that any classifier of first frames can reach are known, and
    returned. Fate shows in no other way in the first frame.

    Parameters
    ----------
    n_cells : int, default=200
        Number of cells, at least 2.
    image_size : int or tuple (height, width), default=20
        Size of a frame in pixels. Either side must span at least 18 micrometres, three mean
        radii of a nucleus.
    max_frames : int, default=100
        Number of frames in three days, which is how long the longest movies are. The study's
        interval of 4 minutes is ``max_frames=1080``.
    n_replicates : int, default=3
        Number of biological replicates. They differ in brightness (a gain common to both
        channels) and background, not in the law of the fate.
    n_fields : int, default=6
        Number of fields of view in each replicate. Cells are spread evenly over all fields.
    fate_fraction : float, default=0.17
        Expected fraction of cells that divide, between 0 and 1, both excluded.
    effect : array-like of shape (2,), default=(2.0, 1.5)
        How the log-odds of dividing change with one standard deviation of, in this order, the
        log-odds of ERK activity and the logarithm of the nuclear radius. ``(0, 0)`` makes fate
        a matter of chance.
    pixel_size : float, default=1.24
        Side of a pixel in micrometres, at most 2. Choose it smaller for larger images:
        ``image_size=144, pixel_size=0.17`` shows the same nuclei in more detail.
    masked : bool, default=True
        Whether pixels outside the segmented nucleus are set to 0, as in crops multiplied by
        their segmentation mask. With False they hold the background. Pixels of the nucleus are
        the same either way and never 0.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same cells at every call. The global NumPy generator is neither used
        nor changed.

    Returns
    -------
    cells : :class:`~sklearn.utils.Bunch`
        With the attributes

        frame : DataFrame with one row a cell
            - ``cell``, ``replicate``, ``field``: names such as ``"r1_f3_c7"``, ``"r1"`` and
              ``"r1_f3"``.
            - ``fate``: 1 for a cell that divides within the three days, otherwise 0.
            - ``lifetime``: length of the movie in frames. Cells that neither divide nor die
              have `max_frames`, the others at least 5 or `max_frames`, if that is less.
            - ``end``: ``"mitosis"``, ``"death"`` or ``"censored"``.
            - the columns of `feature_names`, measured on the noisy first frame within its mask.
            - ``true_erk``: fraction of active ERK in the first frame, 0 to 1.
            - ``true_radius``: radius in micrometres of a circle as large as the nucleus in the
              first frame.
            - ``true_orientation``: angle of the major axis in the first frame, in radians as
              from :func:`skimage.measure.regionprops`.
            - ``true_fate_probability``: probability with which ``fate`` was drawn.
            - ``movie``: movie column, frames of shape (2, height, width), uint16; channel 0 is
              CFP, channel 1 YFP. Camera counts with the camera's offset subtracted, saturated
              at 65535.
        best_balanced_accuracy : float
            Of a classifier that knows ``true_fate_probability``, in the population from which
            the cells are drawn. A finite sample scatters around it.
        best_auc : float
            The same for the area under the ROC curve.
        feature_names : list of str
            The 13 columns measured by hand. Lengths are in pixels, ``area`` in square pixels;
            means and standard deviations in counts; ``fret`` is the mean of YFP over that of CFP.
        factor_names : list of str
            ``["true_erk", "true_radius", "true_orientation"]``, the factors of variation that
            an unsupervised model should find. Orientation has no influence on fate.

    Notes
    -----
    The best scores hold for what is known at the first frame. Later frames betray more: a movie
    that ends early or rounds up at its end is no longer a prediction.

    With few cells or a small `fate_fraction` all cells may share one fate.

    Examples
    --------
    >>> from sklearn_cellfate import to_movies
    >>> from sklearn_cellfate.datasets import make_cell_movies
    >>> cells = make_cell_movies(50, max_frames=20, random_state=0)
    >>> cells.frame[["cell", "fate", "lifetime", "end"]].head(3)
           cell  fate  lifetime       end
    0  r3_f4_c1     0        20  censored
    1  r1_f5_c1     0         6     death
    2  r1_f3_c1     0        20  censored
    >>> to_movies(cells.frame)[1].shape
    (6, 2, 20, 20)
    >>> round(cells.best_balanced_accuracy, 3), round(cells.best_auc, 3)
    (0.826, 0.908)
    """
    image_shape = _image_shape(image_size, pixel_size)
    effect = _check_effect(effect)
    spread = float(np.hypot(*effect))
    intercept = solve_intercept(fate_fraction, spread)
    best_balanced_accuracy, best_auc = best_scores(intercept, spread)

    # Separate streams, so that the same cells can be had in larger images or more frames.
    cell_rng, life_rng, pixel_rng = _generator(random_state).spawn(3)
    cells = draw_population(cell_rng, n_cells, n_replicates, n_fields, intercept, effect)
    textures = draw_textures(cell_rng, n_cells)
    lifetime = lifetimes(cells, max_frames)
    frames = draw_frames(life_rng, cells, lifetime, max_frames, image_shape, pixel_size)
    pixels, first_masks = _film(pixel_rng, frames, textures, image_shape, pixel_size, masked)
    starts = np.cumsum(lifetime) - lifetime
    features = _measure(pixels[starts], first_masks)

    frame = pd.concat([_names(cells), features, _truth(cells)], axis=1)
    frame.insert(4, "lifetime", lifetime)
    frame["movie"] = movie_column(np.split(pixels, starts[1:]))
    return Bunch(
        frame=frame,
        best_balanced_accuracy=best_balanced_accuracy,
        best_auc=best_auc,
        feature_names=list(features.columns),
        factor_names=list(FACTOR_NAMES),
    )


def _image_shape(image_size, pixel_size):
    sides = (image_size, image_size) if isinstance(image_size, Integral) else tuple(image_size)
    if len(sides) != 2 or not all(isinstance(side, Integral) for side in sides):
        raise ValueError(
            f"image_size must be an int or a pair of ints (height, width), found {image_size!r}."
        )
    smallest = int(np.ceil(3 * MEAN_RADIUS / pixel_size))
    if min(sides) < smallest:
        raise ValueError(
            f"image_size={image_size!r} is too small for a nucleus: at pixel_size={pixel_size} "
            f"micrometres each side needs at least {smallest} pixels."
        )
    return int(sides[0]), int(sides[1])


def _check_effect(effect):
    values = np.asarray(effect)
    if values.shape != (2,) or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise ValueError(
            f"effect must be two finite numbers, of ERK activity and of size, found {effect!r}."
        )
    return values.astype(float)


def _generator(random_state):
    if random_state is None:  # check_random_state would use, and so change, the global generator
        return np.random.default_rng()
    seed = check_random_state(random_state).randint(2**32, size=4, dtype=np.uint32)
    return np.random.default_rng(seed)


def _film(rng, frames, textures, image_shape, pixel_size, masked):
    """Take all frames, a batch at a time; also return the masks of the cells' first frames."""
    # Noise costs most of the time, so none is drawn for pixels that the mask takes away; streams
    # of their own keep the nuclei the same with and without their background.
    nucleus_rng, background_rng = rng.spawn(2)
    pixels = np.zeros((len(frames), 2, *image_shape), np.uint16)
    first_masks = []
    n_batch = max(1, PIXELS_AT_ONCE // int(np.prod(image_shape)))
    for start in range(0, len(frames), n_batch):
        batch = frames[start : start + n_batch]
        counts = pixels[start : start + n_batch]
        photons, mask = draw_photons(batch, textures, image_shape, pixel_size)
        nucleus = np.repeat(mask[:, np.newaxis], 2, axis=1)
        counts[nucleus] = take_picture(nucleus_rng, photons[nucleus])
        if not masked:
            counts[~nucleus] = take_picture(background_rng, photons[~nucleus])
        first_masks.append(mask[batch["hours"] == 0])
    return pixels, np.concatenate(first_masks)


def _measure(images, masks):
    """Measure the study's 13 features of one nucleus an image, from its pixels."""
    n_images, height, width = masks.shape
    labels = masks * np.arange(1, n_images + 1, dtype=np.int32)[:, np.newaxis, np.newaxis]
    # One tall image with a label a cell is much quicker than a call for each cell.
    table = regionprops_table(
        labels.reshape(n_images * height, width),
        np.moveaxis(images, 1, -1).reshape(n_images * height, width, 2),
        properties=[
            "area",
            "perimeter",
            "axis_major_length",
            "axis_minor_length",
            "eccentricity",
            "equivalent_diameter_area",
            "intensity_mean",
            "intensity_std",
        ],
    )
    cfp, yfp = table["intensity_mean-0"], table["intensity_mean-1"]
    return pd.DataFrame(
        {
            "cfp_mean": cfp,
            "cfp_std": table["intensity_std-0"],
            "yfp_mean": yfp,
            "yfp_std": table["intensity_std-1"],
            "fret": yfp / cfp,
            "intensity_sum": (cfp + yfp) * table["area"],
            "major_axis_length": table["axis_major_length"],
            "minor_axis_length": table["axis_minor_length"],
            "eccentricity": table["eccentricity"],
            "equivalent_diameter": table["equivalent_diameter_area"],
            "perimeter": table["perimeter"],
            "area": table["area"],
            "aspect_ratio": table["axis_major_length"] / table["axis_minor_length"],
        }
    )


def _names(cells):
    replicate = "r" + (cells["replicate"] + 1).astype(str)
    field = replicate + "_f" + (cells["field"] + 1).astype(str)
    number = field.groupby(field).cumcount() + 1
    return pd.DataFrame(
        {
            "cell": field + "_c" + number.astype(str),
            "replicate": replicate,
            "field": field,
            "fate": cells["fate"],
            "end": cells["end"],
        }
    )


def _truth(cells):
    return pd.DataFrame(
        {
            "true_erk": cells["erk"],
            "true_radius": cells["radius"],
            "true_orientation": cells["orientation"],
            "true_fate_probability": cells["probability"],
        }
    )
