"""Symmetries of the image plane, drawn anew for every image of a batch."""

import torch

__all__ = ["random_symmetries"]


def random_symmetries(images):
    """Flip each image at random, and for squares also transpose it: all 8 right-angle symmetries.

    Parameters
    ----------
    images : Tensor of shape (n, C, H, W)
        Rectangles keep their shape, which leaves 4 symmetries.

    Returns
    -------
    images : Tensor of shape (n, C, H, W)
    """
    images = _randomly(images, images.flip(-1))
    images = _randomly(images, images.flip(-2))
    square = images.shape[-1] == images.shape[-2]
    return _randomly(images, images.transpose(-1, -2)) if square else images


def _randomly(images, changed):
    coin = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(coin, changed, images)
