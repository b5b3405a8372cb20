"""Objects moved to the centre of their images."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import StrOptions

from sklearn_cellfate.preprocessing._object import ObjectTransformer, object_mask


class CenterObject(ObjectTransformer):
    """Shift each image by whole pixels so that its object lies at the centre.

    All channels of an image move together, each frame of a movie by itself. What leaves the image
    is lost, what enters is 0. The object is where the mask channel is positive or, without one,
    where any channel is; an image without an object is not moved. Half a pixel too many is
    rounded to the even number of pixels.

    Parameters
    ----------
    mask_channel : int, default=None
        Index of the channel that is positive inside the object. It moves with the others. By
        default the background of all channels is 0.
    by : {"centroid", "bounding_box"}, default="centroid"
        What comes to the centre: the mean position of the object's pixels, each counting the
        same whatever its brightness, or the middle between the object's outermost rows and
        columns. The centroid hardly notices a thin protrusion; the bounding box never pushes a
        pixel of the object out of the image.
    image_shape : tuple of (channels, height, width), default=None
        How each row of a 2-D X folds into an image. By default all columns of a 2-D X are pixels
        of one channel.

    Attributes
    ----------
    image_shape_ : tuple of (channels, height, width)
        Shape of the images fitted on.
    n_features_in_ : int
        Number of columns of a data frame or 2-D array fitted on; values an image otherwise.
    feature_names_in_ : ndarray of str
        Columns of the data frame fitted on, where their names are all strings.

    Raises
    ------
    ValueError
        If X lacks the mask channel, or is no valid container of images.

    Warns
    -----
    UserWarning
        If ``transform`` pushes pixels of objects out of their images; it says how many.

    See Also
    --------
    LargestObject : Remove debris first, which would draw the centre to itself.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.preprocessing import CenterObject
    >>> crop = np.array([[[0, 0, 0, 5, 6], [0, 0, 0, 7, 8], [0, 0, 0, 9, 4]]])
    >>> CenterObject().fit_transform(crop)[0]
    array([[0., 5., 6., 0., 0.],
           [0., 7., 8., 0., 0.],
           [0., 9., 4., 0., 0.]], dtype=float32)
    """

    _parameter_constraints: dict = {
        "mask_channel": [Integral, None],
        "by": [StrOptions({"centroid", "bounding_box"})],
        "image_shape": ["array-like", None],
    }

    def __init__(self, mask_channel=None, *, by="centroid", image_shape=None):
        self.mask_channel = mask_channel
        self.by = by
        self.image_shape = image_shape

    def _transform_images(self, images):
        inside = object_mask(images, self.mask_channel)
        middle = _twice_centroids if self.by == "centroid" else _twice_box_centers
        shifts = np.stack(
            [_shifts(middle(inside.sum(axis=2))), _shifts(middle(inside.sum(axis=1)))], axis=1
        )
        centered = shift_images(images, shifts)
        lost = inside.sum() - object_mask(centered, self.mask_channel).sum()
        if lost:
            warnings.warn(
                f"{lost} of {inside.sum()} pixels of objects were pushed out of their images; "
                "larger crops, or by='bounding_box', keep them.",
                stacklevel=5,
            )
        return centered


def shift_images(images, shifts):
    """Shift each image by whole pixels.

    Parameters
    ----------
    images : ndarray of shape (n, C, H, W)
        Images.
    shifts : ndarray of int of shape (n, 2)
        Rows down and columns to the right, each less than the image's height or width.

    Returns
    -------
    shifted : ndarray of shape (n, C, H, W)
        A copy; 0 where nothing came from.
    """
    shifted = np.zeros_like(images)
    # Images with one shift move together: there are far fewer shifts than images.
    different, which = np.unique(shifts, axis=0, return_inverse=True)
    which = which.ravel()
    order = np.argsort(which, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(which))[:-1])
    for (down, right), rows in zip(different, groups):
        to_rows, from_rows = _slices(down, images.shape[2])
        to_columns, from_columns = _slices(right, images.shape[3])
        shifted[rows, :, to_rows, to_columns] = images[rows, :, from_rows, from_columns]
    return shifted


def _slices(shift, length):
    """Where to, and where from, along an axis."""
    here, there = slice(max(shift, 0), length + min(shift, 0)), slice(max(-shift, 0), None)
    return here, slice(there.start, length - max(shift, 0))


def _shifts(twice_middles):
    """Whole pixels from twice the middles, relative to the centre, to the centre."""
    # numpy rounds halves to even, alike on both sides of zero: a second shift is none, and a
    # flipped image is shifted to the other side.
    return np.round(-twice_middles / 2).astype(int)


def _twice_centroids(profiles):
    """Twice the mean position, from the centre, of the pixels that `profiles` counts by row."""
    positions = _twice_positions(profiles.shape[1])
    n_pixels = profiles.sum(axis=1)
    return profiles @ positions / np.maximum(n_pixels, 1)


def _twice_box_centers(profiles):
    """Twice the middle, from the centre, between the first and the last row with a pixel."""
    occupied = profiles > 0
    positions = _twice_positions(profiles.shape[1])
    first = positions[occupied.argmax(axis=1)]
    last = positions[-1 - occupied[:, ::-1].argmax(axis=1)]
    return np.where(occupied.any(axis=1), (first + last) / 2, 0)


def _twice_positions(length):
    """Twice the positions along an axis from the image's centre: whole numbers, so exact."""
    return 2 * np.arange(length) - (length - 1)
