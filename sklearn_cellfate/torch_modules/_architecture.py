"""How deep and wide the autoencoder is, from the size of the images alone."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Architecture", "plan_architecture"]


@dataclass(frozen=True)
class Architecture:
    """Sizes of the autoencoder's layers.

    Parameters
    ----------
    image_shape : tuple of (int, int, int)
        Channels, height and width of an image.
    stem : int
        Filters of the first convolution.
    widths : tuple of int
        Filters of the residual blocks, each of which halves the image.
    bottleneck : tuple of int
        Filters of the 1 x 1 convolutions before flattening; empty for small images.
    """

    image_shape: tuple
    stem: int
    widths: tuple
    bottleneck: tuple

    @property
    def sides(self):
        """Height and width before the first block and after each, image first."""
        sides = [self.image_shape[1:]]
        for _ in self.widths:
            sides.append(tuple((side + 1) // 2 for side in sides[-1]))
        return sides

    @property
    def flat_shape(self):
        """Shape of the feature maps that are flattened."""
        return (self.bottleneck[-1] if self.bottleneck else self.widths[-1], *self.sides[-1])


def plan_architecture(image_shape, width=1.0):
    """Choose the layers for images of a shape.

    The rule goes through both published networks: 20 x 20 pixels give a stem of 2 filters and
    blocks of 8 and 16; 144 x 144 give 32 and 64, 128, 256 with 1 x 1 convolutions of 64 and 8
    before flattening. Between and beyond, the last block's filters grow with the side of the
    image to the power 1.4, in multiples of 8, and the depth with its logarithm; smaller images
    keep the filters of 20 x 20.

    Parameters
    ----------
    image_shape : tuple of (int, int, int)
        Channels, height and width.
    width : float, default=1.0
        Factor on the number of filters.

    Returns
    -------
    architecture : Architecture

    Examples
    --------
    >>> from sklearn_cellfate.torch_modules import plan_architecture
    >>> plan_architecture((1, 20, 20)).widths
    (8, 16)
    >>> plan_architecture((2, 144, 144)).widths
    (64, 128, 256)
    """
    side = float(np.sqrt(image_shape[1] * image_shape[2]))
    last = 8 * int(np.clip(round(2 * width * max(side / 20, 1) ** 1.4), 1, 64))
    n_blocks = 2 if side < 64 else 3 if side < 256 else 4
    widths = tuple(last // 2**level for level in reversed(range(n_blocks)))
    bottleneck = (64, 8) if side >= 64 else ()
    return Architecture(tuple(image_shape), max(last // 8, 1), widths, bottleneck)
