"""The one place that turns any accepted X into ``(n, C, H, W)`` float32 pixels, and back."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d, validate_data

from sklearn_cellfate.table import (
    image_column,
    image_column_names,
    is_image_dtype,
    only_column,
    refuse_arrays_as_objects,
    to_images,
    unmasked,
)

__all__ = [
    "check_groups",
    "check_pixel_scale",
    "complete_labels",
    "images_like",
    "label_array",
    "read_images",
    "refuse_infinite",
    "validate_images",
    "without_masks",
]

# What pixels may be, as far as they say.
COUNTS, FRACTIONS = "whole numbers above 1", "fractions of 1"
# Pixels looked at along each side of an image to tell how bright it is.
SAMPLED_SIDE = 32
# Images looked at, spread over X, to tell how bright a typical one is.
SAMPLED_IMAGES = 4096
# Pixels whose smallest and largest are looked for together: so many stay in a processor's cache.
PIXELS_AT_ONCE = 2**15
# So many times brighter or darker than all images fitted on is another unit more likely than
# another exposure; 16-bit counts are 257 times those of 8 bits.
OTHER_UNIT = 30
# Counts and fractions of 1 in one X differ by more than this: 8-bit counts by 255.
MIXED_UNITS = 100


def validate_images(estimator, X, *, reset, dtype=np.float32):
    """Return the images in X and hold them against what `estimator` was fitted on.

    Parameters
    ----------
    estimator : estimator
        Gets ``image_shape_`` and ``n_features_in_`` when `reset`. Its parameter ``image_shape``,
        if it has one, says how the rows of a 2-D X fold into images.
    X : DataFrame with one image column, Series of images, or array of shape (n, H, W), \
(n, C, H, W) or (n, C * H * W)
        Other columns of a data frame that has an image column are ignored. A 2-D row is a
        ``(1, 1, n_features)`` image when ``image_shape`` is None.
    reset : bool
        True in ``fit``; False where X must have the shape of the images fitted on.
    dtype : NumPy dtype or None, default=np.float32
        Of the result; None leaves pixels as they are, for images too many to convert at once.

    Returns
    -------
    images : ndarray of shape (n, C, H, W), C-contiguous

    Raises
    ------
    ValueError
        If X has no rows, no or several image columns, pixels that are missing, masked or
        infinite, or images of another shape than those fitted on.
    """
    if _holds_images(X):
        images = _finite(to_images(X), dtype)
        if reset:
            _remember_column(estimator, X, images)
    elif n_dimensions(X) > 2:
        X = unmasked(X, "X")
        check_array(X, allow_nd=True, dtype="numeric", ensure_all_finite=False)
        images = _finite(to_images(X.astype(np.uint8) if X.dtype == bool else X), dtype)
        if reset:
            _remember_column(estimator, X, images)
    else:
        rows = _validate_rows(estimator, X, reset)
        images = _finite(_fold_rows(estimator, rows), dtype, given=X)
    _check_shape(estimator, images.shape[1:], reset)
    return images


def read_images(X, image_shape=None):
    """Return the images in X, for a function that fits nothing.

    Parameters
    ----------
    X : as accepted by validate_images
        Images.
    image_shape : tuple of (channels, height, width), default=None
        How the rows of a 2-D X fold into images.

    Returns
    -------
    images : ndarray of shape (n, C, H, W), float32
    """
    reader = BaseEstimator()
    reader.image_shape = image_shape
    return validate_images(reader, X, reset=True)


def check_pixel_scale(estimator, X, *, reset):
    """Refuse whole-number pixels where fractions were fitted on, and the other way round.

    Other signs of a wrong unit only warn, since a dim batch may look the same: images much
    brighter or darker than all that were fitted on, and at `reset` counts next to fractions.

    Parameters
    ----------
    estimator : estimator
        Remembers when `reset` what the pixels were.
    X : as accepted by validate_images
        Images; the rows of a 2-D X are not looked at.
    reset : bool
        True in ``fit``.

    Raises
    ------
    ValueError
        If a camera's counts meet a model of pixels between 0 and 1, or the reverse.

    Warns
    -----
    UserWarning
        If the typical image of X is over 30 times as bright as the brightest fitted on, or as
        dark; or if fractions of 1 are fitted on together with images 100 times as bright.
    """
    images = _pixels_with_a_unit(X)
    if reset:
        levels = _pixel_levels(images)
        estimator._pixel_scale = _pixel_scale(images)
        estimator._pixel_levels = (levels.min(), levels.max()) if len(levels) else None
        _warn_of_mixed_units(images)
        return
    fitted = estimator._pixel_scale
    # What is not whole is no counts, what is whole no fractions: most often no more is asked.
    may_differ = fitted and images is not None and _is_whole(images) != (fitted == COUNTS)
    scale = _pixel_scale(images) if may_differ else fitted
    if scale and scale != fitted:
        raise ValueError(
            f"X has pixels that are {scale}, but {type(estimator).__name__} was fitted on pixels "
            f"that are {fitted}; bring both to one scale first."
        )
    some = None if images is None else images[:: -(-len(images) // SAMPLED_IMAGES)]
    _warn_of_another_unit(estimator, _pixel_levels(some))


def _pixels_with_a_unit(X):
    if not _holds_images(X) and n_dimensions(X) < 3:
        return None
    images = to_images(X) if _holds_images(X) else np.asarray(X)
    return images if images.size and images.dtype.kind in "iuf" else None


def _sample_pixels(images):
    """Take some pixels of every channel, spread over the image."""
    height, width = images.shape[-2:]
    return images[..., :: -(-height // SAMPLED_SIDE), :: -(-width // SAMPLED_SIDE)]


def _pixel_levels(images):
    """Mean size of the pixels of each image that is not dark all over."""
    if images is None:
        return np.empty(0)
    pixels = np.abs(_sample_pixels(images))
    levels = pixels.mean(axis=tuple(range(1, pixels.ndim)), dtype=np.float64)
    return levels[levels > 0]


def _warn_of_another_unit(estimator, levels):
    # An estimator of an earlier version has not looked.
    fitted = getattr(estimator, "_pixel_levels", None)
    if fitted is None or not len(levels):
        return
    typical, (darkest, brightest) = np.median(levels), fitted
    if not darkest / OTHER_UNIT <= typical <= brightest * OTHER_UNIT:
        warnings.warn(
            f"X has pixels of about {typical:.3g} on average, but {type(estimator).__name__} was "
            f"fitted on images that have {darkest:.3g} to {brightest:.3g}. If the unit is "
            "another, bring both to one scale first.",
            stacklevel=5,
        )


def _warn_of_mixed_units(images):
    if images is None or images.dtype.kind in "iu":
        return
    pixels = _sample_pixels(images).reshape(len(images), -1)
    fractions = (pixels.min(axis=1) >= 0) & (pixels.max(axis=1) <= 1)
    fractions[fractions] = (pixels[fractions] % 1 != 0).any(axis=1)
    if not fractions.any() or fractions.all():
        return
    bright = _pixel_levels(images[~fractions])
    level = np.median(_pixel_levels(images[fractions]))
    if len(bright) and np.median(bright) > MIXED_UNITS * level:
        warnings.warn(
            f"{fractions.sum()} of {len(images)} images in X have pixels that are fractions of 1, "
            f"about {level:.3g} on average; the others have about {np.median(bright):.3g}. If "
            "units are mixed, bring all to one scale first.",
            stacklevel=5,
        )


def _pixel_scale(images):
    if images is None:
        return None
    smallest, largest = _extremes(images)
    if _is_whole(images):
        return COUNTS if largest > 1 else None
    return FRACTIONS if smallest >= 0 and largest <= 1 else None


def _is_whole(images):
    """Whether all pixels are whole numbers; the first image with fractions says no."""
    return images.dtype.kind in "iu" or not any(
        (image != np.trunc(image)).any() for image in images
    )


def _extremes(images):
    """Smallest and largest pixel, NaN if there is one; memory is read once for both."""
    n_rows = max(PIXELS_AT_ONCE * len(images) // images.size, 1)
    extremes = [
        (part.min(), part.max()) for part in np.split(images, range(n_rows, len(images), n_rows))
    ]
    smallest, largest = zip(*extremes)
    return np.min(smallest), np.max(largest)


def complete_labels(y):
    """Return the label of each row, or refuse labels of which some are missing.

    Parameters
    ----------
    y : array-like of shape (n,)
        Classes.

    Returns
    -------
    y : ndarray of shape (n,)

    Raises
    ------
    ValueError
        If the label of a row is missing: it would count as a class.
    """
    y, missing = label_array(y)
    if len(missing):
        raise ValueError(
            f"{len(missing)} of {len(y)} labels are missing (the first in row {missing[0]}); "
            "drop these rows first."
        )
    return y


def label_array(y, *, warn=False):
    """Return labels as an array, and the rows that have none.

    Parameters
    ----------
    y : array-like of shape (n,)
        Classes; Arrow arrays and nullable columns too.
    warn : bool, default=False
        Whether to warn of a column of shape (n, 1), as scikit-learn does.

    Returns
    -------
    y : ndarray of shape (n,)
    missing : ndarray of int
    """
    y = without_masks(y)
    if isinstance(y, pa.Array):  # which copies text only if told to
        y = y.to_numpy(zero_copy_only=False)
    elif hasattr(y, "to_numpy"):  # of nullable columns scikit-learn would make floats
        y = y.to_numpy()
    # Looked for in what was given: in an array of text, NaN is the word "nan".
    return column_or_1d(y, warn=warn), np.flatnonzero(pd.isna(np.asarray(y, dtype=object)))


def check_groups(groups):
    """Return the group of each row, or refuse groups of which some are missing.

    Parameters
    ----------
    groups : array-like of shape (n,)
        Donor, clone, field ... of each row.

    Returns
    -------
    groups : ndarray of shape (n,)

    Raises
    ------
    ValueError
        If the group of a row is missing: it would count as a group, or each such row as one.
    """
    groups = column_or_1d(without_masks(groups))
    missing = pd.isna(groups)
    if missing.any():
        raise ValueError(f"groups is missing in {missing.sum()} of {len(groups)} rows.")
    return groups


def without_masks(values):
    """Let masked labels be missing ones; NumPy would hand out what lies under the mask."""
    return values.astype(object).filled(np.nan) if np.ma.is_masked(values) else values


def images_like(X, images):
    """Return `images` in the form that X had.

    Parameters
    ----------
    X : as accepted by validate_images
        What the images were read from.
    images : ndarray of shape (n, C, H, W)
        The images to hand back.

    Returns
    -------
    X_like : DataFrame, Series or ndarray
        A data frame keeps its other columns; an ``(n, H, W)`` array stays one while there is one
        channel; a 2-D array stays 2-D.
    """
    if isinstance(X, pd.DataFrame) and image_column_names(X):
        return X.assign(**{only_column(X, image_column_names(X), "image"): image_column(images)})
    if isinstance(X, pd.Series):
        return pd.Series(image_column(images), index=X.index, name=X.name)
    if n_dimensions(X) == 3 and images.shape[1] == 1:
        return images[:, 0]
    return images.reshape(len(images), -1) if n_dimensions(X) == 2 else images


def n_dimensions(X):
    """Count the axes of anything that NumPy can read; :func:`numpy.ndim` refuses duck arrays."""
    return X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim


def describe_shape(shape):
    """Say an image shape in words: ``2 channels of 20 x 20 pixels``."""
    channels, height, width = shape
    return f"{channels} channel{'s' * (channels != 1)} of {height} x {width} pixels"


def _holds_images(X):
    if not isinstance(X, pd.DataFrame):
        return is_image_dtype(getattr(X, "dtype", None))
    if image_column_names(X):
        return True
    if len(X.columns) and not all(dtype.kind in "biuf" for dtype in X.dtypes):
        only_column(X, [], "image")  # not rows of pixels either: raises
    return False


def _remember_column(estimator, X, images):
    if isinstance(X, pd.DataFrame):
        estimator.feature_names_in_ = np.array(image_column_names(X), dtype=object)
        estimator.n_features_in_ = 1
    else:
        vars(estimator).pop("feature_names_in_", None)  # of an earlier fit on a data frame
        estimator.n_features_in_ = int(np.prod(images.shape[1:]))


def _finite(images, dtype, given=None):
    given = images if given is None else given
    if not len(images):
        raise ValueError("Found array with 0 sample(s): X has no rows, at least one is needed.")
    with np.errstate(over="ignore"):
        pixels = np.ascontiguousarray(images, dtype=dtype).ravel()
    # Folded anew: an axis of length 1 may have any stride, and torch reads some as channels last,
    # for which it sums in another order.
    images = pixels.reshape(images.shape)
    try:
        refuse_infinite(images)
    except ValueError:
        _refuse_too_large(given, np.dtype(dtype))
        raise
    return images


def _refuse_too_large(images, dtype):
    """Raise a ValueError if finite pixels are infinite in a dtype, and no others are."""
    rows = np.asarray(images, dtype=np.longdouble).reshape(len(images), -1)
    bad = np.flatnonzero((np.abs(rows) > np.finfo(dtype).max).any(axis=1))
    if len(bad) and np.isfinite(rows).all():
        raise ValueError(
            f"{len(bad)} of {len(rows)} images have pixels that are too large for {dtype} (the "
            f"first is row {bad[0]}): above {np.finfo(dtype).max:.2g}; scale the pixels first."
        )


def refuse_infinite(images):
    """Raise a ValueError that counts the images with pixels that are no finite numbers."""
    if images.dtype.kind in "iu" or not images.size:
        return
    if not np.isfinite(_extremes(images)).all():
        bad = np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))
        if len(bad):
            raise ValueError(
                f"{len(bad)} of {len(images)} images contain NaN or infinite pixels "
                f"(the first is row {bad[0]}); drop these rows or fill the pixels first."
            )


def _validate_rows(estimator, X, reset):
    refuse_arrays_as_objects(X, "X")
    if isinstance(X, np.ndarray | list | tuple):
        unmasked(X, "X")
    how = {"dtype": np.float32, "ensure_all_finite": False}
    if not reset and getattr(estimator, "image_shape", None) is not None:
        # The shape of the images is what counts, in whatever form those fitted on came.
        return check_array(X, **how)
    return validate_data(estimator, X, reset=reset, **how)


def _fold_rows(estimator, rows):
    shape = getattr(estimator, "image_shape", None)
    if shape is None:
        return rows[:, np.newaxis, np.newaxis, :]
    if np.shape(shape) != (3,) or min(shape) < 1:
        raise ValueError(f"image_shape must be (channels, height, width), found {shape!r}.")
    if int(np.prod(shape)) != rows.shape[1]:
        raise ValueError(
            f"image_shape={tuple(shape)} asks for {int(np.prod(shape))} values a row, "
            f"but X has {rows.shape[1]}."
        )
    return rows.reshape(len(rows), *shape)


def _check_shape(estimator, shape, reset):
    if reset:
        estimator.image_shape_ = tuple(int(side) for side in shape)
        return
    check_is_fitted(estimator)
    if tuple(shape) != estimator.image_shape_:
        raise ValueError(
            f"X has images with {describe_shape(shape)}, but {type(estimator).__name__} "
            f"was fitted on images with {describe_shape(estimator.image_shape_)}."
        )
