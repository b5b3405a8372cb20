"""Phase-contrast images of stem-cell cultures, whose promise follows a known law."""

from dataclasses import replace
from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_cellfate.datasets._cell_movies import _generator
from sklearn_cellfate.datasets._phase_contrast import draw_culture, draw_looks
from sklearn_cellfate.table import image_column

# The hours and accuracies of the study; a line through them says how far the classes lie apart.
STUDY_HOURS = (24, 53)
STUDY_ACCURACIES = (0.767, 0.967)
MIDDLE_FRACTION = 0.04  # of holes, halfway between the classes
SPREAD = 0.35  # standard deviation of the log-odds of the hole fraction among images of a class
DEBRIS_BEFORE, DEBRIS_AFTER = 400, 20  # pieces a square millimetre, of washing
WELL_SPREAD = (0.1, 0.25)  # of brightness and of contrast, relative
SMALLEST_SIDE = 30  # um, two cells


@validate_params(
    {
        "n_clones": [Interval(Integral, 2, None, closed="left")],
        "n_wells": [Interval(Integral, 1, None, closed="left")],
        "n_fields": [Interval(Integral, 1, None, closed="left")],
        "hours": ["array-like"],
        "wash_hour": [Interval(Real, 0, None, closed="left")],
        "size": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "pixel_size": [Interval(Real, 0, 2, closed="right")],
        "effect": [Interval(Real, 0, None, closed="left")],
        "variety": [Interval(Real, 0, 2, closed="both")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_cultures(
    n_clones=6,
    *,
    n_wells=2,
    n_fields=2,
    hours=(24, 34, 44, 53),
    wash_hour=30,
    size=256,
    pixel_size=1.0,
    effect=1.0,
    variety=1.0,
    random_state=None,
):
    """Simulate phase contrast of stem-cell cultures, of clones that will differentiate or not.

    Each image shows a confluent layer of cells: dark granules and nucleoli, bright seams between
    the cells, the halo of phase contrast, and holes where the layer has torn. Debris lies on it
    before washing and little after. The light is uneven. Clones differ in the size of their
    cells, in contrast and brightness, in nuclei, grain, halo, size of holes and debris; wells
    differ in brightness and contrast.

    A clone is efficient or not, and images of inefficient clones have more area in holes,
    the more so the later. The class shows in nothing else, so the best score that any classifier
    of an image can reach is known, and returned. By default it is 0.767 at 24 h and 0.967 at 53 h,
    accuracies of the study that this follows (there by clone).

    Parameters
    ----------
    n_clones : int, default=6
        Number of clones, at least 2. Half of them, rounded down, are efficient.
    n_wells : int, default=2
        Number of wells of each clone.
    n_fields : int, default=2
        Number of images of each well at each hour. Each shows a place of its own.
    hours : array-like of float, default=(24, 34, 44, 53)
        Hours after the start at which images are taken, none twice, between 0 and 96.
    wash_hour : float, default=30
        Images from this hour on are taken after washing.
    size : int or tuple of (height, width), default=256
        Size of an image in pixels. Either side must span at least 30 micrometres.
    pixel_size : float, default=1.0
        Side of a pixel in micrometres, at most 2. Cells are about 15 micrometres wide.
    effect : float, default=1.0
        Distance between the classes relative to the study's. 0 makes the class a matter of
        chance.
    variety : float, default=1.0
        How much clones differ in their looks, from 0 (not at all) to 2. The more they do, the more
        clones a model must have seen before it knows a hole from a look.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same cultures at every call. The global NumPy generator is neither
        used nor changed.

    Returns
    -------
    cultures : :class:`~sklearn.utils.Bunch`
        With the attributes

        frame : DataFrame with one row an image, sorted by clone, well and hour
            - ``clone``, ``well``, ``field``: names such as ``"c1"``, ``"c1_w2"`` and
              ``"c1_w2_f3"``; a field has one image.
            - ``hour`` (float) and ``washed`` (bool).
            - ``efficient``: the class, True for clones that will differentiate.
            - ``true_hole_fraction``: share of the image's pixels in holes.
            - ``image``: image column, (1, height, width), uint8. Bright debris saturates.
        holes : ndarray of bool of shape (n_images, height, width)
            Where the layer has holes, in the order of `frame`. It is no column, so that `frame`
            has one image column.
        best_balanced_accuracy : DataFrame with one row an hour
            - ``hour``: as in `hours`.
            - ``image``: balanced accuracy, in the population, of a classifier that knows the
              hour and ``true_hole_fraction`` of one image. A finite sample scatters around it.
            - ``clone``: of one that knows them for all ``n_wells * n_fields`` images of a clone
              at that hour.
        pixel_size : float
            In micrometres.

    Raises
    ------
    ValueError
        If the size is too small, an hour is out of its range or given twice, or a parameter is
        not valid.

    See Also
    --------
    make_cell_movies : Single cells instead of cultures.

    Notes
    -----
    At the hour ``t`` the log-odds of the hole fraction are drawn from a normal distribution of
    standard deviation 0.35 around ``logit(0.04) - d(t) * 0.35 / 2`` for efficient clones and
    ``logit(0.04) + d(t) * 0.35 / 2`` for the others, with the distance ``d(t)`` linear in the
    hour, at least 0, and multiplied by `effect`. Between two such classes the best balanced
    accuracy is ``norm.cdf(d(t) / 2)`` of one image and ``norm.cdf(sqrt(m) * d(t) / 2)`` of the
    mean of ``m``.

    An image shows relative optical thickness, as positive phase contrast does: the thickness
    of the layer minus a blur of itself, the halo, is subtracted from the light.

    With few clones, beware of leaving one out: half of the clones are of either class, so what is
    left has more of the other class, and a model that learns this alone is always wrong. Balance
    the classes (``class_weight="balanced"``), and do not take six clones for a proof. The best
    possible scores are those of a classifier that knows the law and nothing of the other clones.

    Only the share of holes depends on the class, but what can be measured in an image depends
    on the share of holes: so weakly, beside what clones and wells differ in, for mean, variance
    and entropy that these say next to nothing of a clone not seen before. With six clones, though,
    the score of any model that tells clones apart is a matter of luck: brightness may well part
    three of them from three others. Only many clones, or many values of `random_state`, show that
    it means nothing.

    Examples
    --------
    >>> from sklearn_cellfate.datasets import make_cultures
    >>> cultures = make_cultures(2, hours=(24, 53), n_wells=1, size=64, random_state=0)
    >>> cultures.frame.drop(columns="image").head(3)
      clone   well     field  hour  washed  efficient  true_hole_fraction
    0    c1  c1_w1  c1_w1_f1  24.0   False       True            0.037842
    1    c1  c1_w1  c1_w1_f2  24.0   False       True            0.031250
    2    c1  c1_w1  c1_w1_f3  53.0    True       True            0.019287
    >>> cultures.best_balanced_accuracy.round(3)
       hour  image  clone
    0  24.0  0.767  0.849
    1  53.0  0.967  0.995
    """
    shape = _image_shape(size, pixel_size)
    hours = _check_hours(hours)
    distance = effect * _study_distance(hours)
    # Separate streams, so that the same cultures can be had in larger images.
    law_rng, look_rng, pixel_rng = _generator(random_state).spawn(3)
    frame = _plan(n_clones, n_wells, n_fields, hours)
    frame["washed"] = frame["hour"] >= wash_hour
    frame["efficient"] = _draw_classes(law_rng, frame["clone"], n_clones)
    distance_of = frame["hour"].map(dict(zip(hours, distance)))
    asked = _draw_fractions(law_rng, frame["efficient"], distance_of)
    looks = _looks_of_wells(look_rng, n_clones, n_wells, variety)
    debris = np.where(frame["washed"], DEBRIS_AFTER, DEBRIS_BEFORE)

    images = np.empty((len(frame), *shape), np.uint8)
    holes = np.empty((len(frame), *shape), bool)
    for row, rng in enumerate(pixel_rng.spawn(len(frame))):
        images[row], holes[row] = draw_culture(
            rng, looks[frame["well"][row]], asked[row], debris[row], shape, pixel_size
        )
    frame["true_hole_fraction"] = holes.mean(axis=(1, 2))
    frame["image"] = image_column(images)
    best = {
        "hour": hours,
        "image": norm.cdf(distance / 2),
        "clone": norm.cdf(np.sqrt(n_wells * n_fields) * distance / 2),
    }
    return Bunch(
        frame=frame,
        holes=holes,
        best_balanced_accuracy=pd.DataFrame(best),
        pixel_size=float(pixel_size),
    )


def _image_shape(size, pixel_size):
    sides = (size, size) if isinstance(size, Integral) else tuple(size)
    if len(sides) != 2 or not all(isinstance(side, Integral) for side in sides):
        raise ValueError(f"size must be an int or a pair of ints (height, width), found {size!r}.")
    smallest = int(np.ceil(SMALLEST_SIDE / pixel_size))
    if min(sides) < smallest:
        raise ValueError(
            f"size={size!r} is too small for a layer of cells: at pixel_size={pixel_size} "
            f"micrometres each side needs at least {smallest} pixels."
        )
    return int(sides[0]), int(sides[1])


def _check_hours(hours):
    values = np.asarray(hours)
    usable = values.ndim == 1 and values.size and values.dtype.kind in "iuf"
    if not usable or not ((values >= 0) & (values <= 96)).all():
        raise ValueError(f"hours must be one or more numbers between 0 and 96, found {hours!r}.")
    if len(set(values.tolist())) < len(values):
        raise ValueError(f"hours must not hold an hour twice, found {hours!r}.")
    return values.astype(float)


def _study_distance(hours):
    """Return how many standard deviations the classes lie apart."""
    first, last = 2 * norm.ppf(STUDY_ACCURACIES)
    slope = (last - first) / (STUDY_HOURS[1] - STUDY_HOURS[0])
    return np.maximum(first + slope * (hours - STUDY_HOURS[0]), 0)


def _plan(n_clones, n_wells, n_fields, hours):
    """Return a row for each image to take."""
    sides = (range(1, n_clones + 1), range(1, n_wells + 1), sorted(hours), range(n_fields))
    rows = pd.MultiIndex.from_product(sides, names=["clone", "well", "hour", "field"])
    rows = rows.to_frame(index=False)
    rows["field"] = rows.groupby(["clone", "well"]).cumcount() + 1
    clone = "c" + rows["clone"].astype(str)
    well = clone + "_w" + rows["well"].astype(str)
    field = well + "_f" + rows["field"].astype(str)
    return pd.DataFrame({"clone": clone, "well": well, "field": field, "hour": rows["hour"]})


def _draw_classes(rng, clones, n_clones):
    efficient = rng.permutation(np.arange(n_clones) < n_clones // 2)
    return clones.map(dict(zip(clones.unique(), efficient)))


def _draw_fractions(rng, efficient, distance):
    shift = np.where(efficient, -0.5, 0.5) * distance
    return expit(logit(MIDDLE_FRACTION) + SPREAD * (shift + rng.standard_normal(len(shift))))


def _looks_of_wells(rng, n_clones, n_wells, variety):
    """Return what the cells look like in each well, by its name."""
    looks = {}
    for clone, look in enumerate(draw_looks(rng, n_clones, variety), start=1):
        for well in range(1, n_wells + 1):
            level, contrast = np.exp(WELL_SPREAD * rng.standard_normal(2))
            looks[f"c{clone}_w{well}"] = replace(
                look, level=look.level * level, contrast=look.contrast * contrast
            )
    return looks
