"""The object in an image: where it is, and what the transformers that look for it share."""

import numpy as np

from sklearn_cellfate._validation import describe_shape
from sklearn_cellfate.preprocessing._base import PixelTransformer


class ObjectTransformer(PixelTransformer):
    """Base of pixel transformers with the parameter ``mask_channel``; they learn nothing."""

    def _fit_images(self, images):
        check_mask_channel(self.mask_channel, images.shape[1:])


def check_mask_channel(mask_channel, shape):
    """Refuse the index of a channel that images of this shape do not have."""
    if mask_channel is not None and not -shape[0] <= mask_channel < shape[0]:
        raise ValueError(
            f"mask_channel={mask_channel} is no channel of X, which has {describe_shape(shape)}."
        )


def object_mask(images, mask_channel=None):
    """Say which pixels belong to the object.

    Parameters
    ----------
    images : ndarray of shape (n, C, H, W)
        Images whose background is exactly 0, or images with a mask as one of the channels.
    mask_channel : int, default=None
        Index of the mask. By default there is none.

    Returns
    -------
    inside : ndarray of bool of shape (n, H, W)
        Where the mask is positive; without a mask, where any channel is.
    """
    if mask_channel is None:
        return (images > 0).any(axis=1)
    return images[:, mask_channel] > 0


def keep_inside(images, inside):
    """Return the images with 0 in all channels outside the object."""
    return np.where(inside[:, np.newaxis], images, np.zeros((), dtype=images.dtype))
