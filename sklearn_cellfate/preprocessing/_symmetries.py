"""The symmetries of the square, for augmentation: a cell has no up, down, left or right."""

import numpy as np


def symmetries(height, width):
    """List the numbers of the symmetries that keep the shape of an image.

    Parameters
    ----------
    height, width : int
        Size of the image in pixels.

    Returns
    -------
    numbers : list of int
        For :func:`apply_symmetry`; 0, the identity, first. Eight for a square, four for a
        rectangle, two for a single row or column of pixels, one for a single pixel.

    Examples
    --------
    >>> symmetries(20, 20), symmetries(20, 30), symmetries(1, 30)
    ([0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3], [0, 1])
    """
    return [
        number
        for number in range(8 if height == width > 1 else 4)
        if (width > 1 or not number & 1) and (height > 1 or not number & 2)
    ]


def apply_symmetry(images, number):
    """Apply one symmetry to all images.

    Parameters
    ----------
    images : ndarray or torch.Tensor of shape (..., H, W)
        Images, or whole movies.
    number : int from 0 to 7
        Its bits say what to do, in this order: 4 transposes, 2 turns upside down, 1 swaps left
        and right. So 0 is the identity, 3 the rotation by 180 degrees, 5 and 6 those by 90.

    Returns
    -------
    images : ndarray or torch.Tensor of shape (..., H, W), or (..., W, H) if transposed
        A view where the library has one.

    Examples
    --------
    >>> import numpy as np
    >>> apply_symmetry(np.array([[1, 2], [3, 4]]), 5)
    array([[3, 1],
           [4, 2]])
    """
    if number & 4:
        images = images.swapaxes(-2, -1)
    if number & 2:
        images = _flip(images, -2)
    return _flip(images, -1) if number & 1 else images


def apply_symmetries(images, numbers):
    """Apply to each image a symmetry of its own.

    Parameters
    ----------
    images : ndarray of shape (n, ..., H, W)
        Images; square ones if a number exceeds 3.
    numbers : ndarray of int of shape (n,)
        See :func:`apply_symmetry`.

    Returns
    -------
    images : ndarray of shape (n, ..., H, W)
        A copy.
    """
    transformed = np.empty_like(images)
    for number in np.unique(numbers):
        rows = numbers == number
        transformed[rows] = apply_symmetry(images[rows], number)
    return transformed


def _flip(images, axis):
    # torch tensors have no negative strides, so np.flip cannot take them.
    return np.flip(images, axis) if isinstance(images, np.ndarray) else images.flip(axis)
