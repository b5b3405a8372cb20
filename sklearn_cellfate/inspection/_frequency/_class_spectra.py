"""The power spectra of the images of each class, and where they differ."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import clone
from sklearn.utils import Bunch

from sklearn_cellfate.feature_extraction import PowerSpectrum
from sklearn_cellfate.inspection._frequency._tables import check_rows, group_means

__all__ = ["class_spectra"]


def class_spectra(X, y, *, spectrum=None, groups=None):
    """Average the power spectrum of the images of each class, and compare the classes.

    Parameters
    ----------
    X : DataFrame with one image column, or array of shape (n, H, W), (n, C, H, W) or \
(n, n_features)
        Images.
    y : array-like of shape (n,)
        Class of each image.
    spectrum : PowerSpectrum, default=None
        How to measure: its bins, window, and ``pixel_size`` for cycles per micrometre. A copy is
        fitted on all of X. With the default ``PowerSpectrum()`` power is the logarithm to base
        10 of the density.
    groups : array-like of shape (n,), default=None
        Clone, well, donor ... of each image. Means, spread and intervals are over the means of
        groups within a class then, each counting once: six clones are six witnesses, however
        many images they have.

    Returns
    -------
    spectra : :class:`~sklearn.utils.Bunch`
        With the attributes

        table : DataFrame with one row a class, channel and frequency
            - ``class``, ``channel`` (from 0) and ``frequency``.
            - ``mean`` over images (or groups), ``low`` and ``high`` (one standard deviation over
              them below and above; NaN for a single one) and ``n``, how many there are.
        differences : DataFrame with one row a pair of classes, channel and frequency
            - ``class_a``, ``class_b``, ``channel`` and ``frequency``.
            - ``difference``, of the means of class a minus class b: of logarithms, so 1 is ten
              times the power; ``low`` and ``high``, its 95 % interval (Welch's t). One frequency
              in twenty is outside by chance.
        spectrum : PowerSpectrum
            The fitted copy.
        unit : {"cycles/pixel", "cycles/um"}
            Of the frequencies.

    Raises
    ------
    ValueError
        If X is no valid container of images, or y or groups do not belong to its rows.

    See Also
    --------
    FrequencyDisplay.from_images : Draw them.
    frequency_sensitivity : What a classifier makes of them.

    References
    ----------
    Welch (1947), The generalization of "Student's" problem when several different population
    variances are involved, doi:10.1093/biomet/34.1-2.28.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.feature_extraction import PowerSpectrum
    >>> from sklearn_cellfate.inspection import class_spectra
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["coarse", "fine"], 10)
    >>> images = rng.normal(size=(20, 32, 32))
    >>> images[:10] += np.roll(images[:10], 1, axis=2)  # smooth along the rows
    >>> spectra = class_spectra(images, y, spectrum=PowerSpectrum(4, pixel_size=0.5))
    >>> spectra.differences.round(2)[["frequency", "difference", "low", "high"]]
       frequency  difference   low  high
    0       0.09        0.66  0.36  0.96
    1       0.22        0.60  0.43  0.78
    2       0.49        0.48  0.41  0.55
    3       0.93        0.14  0.10  0.18
    """
    spectrum = PowerSpectrum() if spectrum is None else clone(spectrum)
    values = spectrum.set_output(transform="default").fit(X).transform(X)
    if isinstance(values, pd.DataFrame):
        raise ValueError("expected images, found movies; RelativeTimeSampler picks frames.")
    y, groups = check_rows(values, y=y, groups=groups)
    if y is None:
        raise ValueError("y must give the class of each image, found None.")
    n_bins = len(spectrum.frequencies_)
    places = pd.DataFrame(
        {
            "channel": np.arange(values.shape[1]) // n_bins,
            "frequency": np.tile(spectrum.frequencies_, values.shape[1] // n_bins),
        }
    )
    of_class = {
        label: group_means(values[y == label], None if groups is None else groups[y == label])
        for label in np.unique(y)
    }
    return Bunch(
        table=_means(of_class, places),
        differences=_differences(of_class, places),
        spectrum=spectrum,
        unit="cycles/pixel" if spectrum.pixel_size is None else "cycles/um",
    )


def _means(of_class, places):
    parts = []
    for label, values in of_class.items():
        part = places.copy()
        part.insert(0, "class", label)
        mean = values.mean(axis=0)
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(mean.shape, np.nan)
        parts.append(part.assign(mean=mean, low=mean - spread, high=mean + spread, n=len(values)))
    return pd.concat(parts, ignore_index=True)


def _differences(of_class, places):
    parts = []
    for a, b in combinations(of_class, 2):
        part = places.copy()
        part.insert(0, "class_a", a)
        part.insert(1, "class_b", b)
        parts.append(part.assign(**_welch(of_class[a], of_class[b])))
    return pd.concat(parts, ignore_index=True) if parts else places.iloc[:0]


def _welch(a, b):
    """Difference of means over rows with its 95 % interval, NaN where a side has one row."""
    difference = a.mean(axis=0) - b.mean(axis=0)
    low = high = np.full(difference.shape, np.nan)
    if min(len(a), len(b)) > 1:
        low, high = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    return {"difference": difference, "low": low, "high": high}
