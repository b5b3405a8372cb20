"""Multi-scale structural similarity as a loss, for images of any size."""

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

__all__ = ["MSSSIM"]

# Keep in step with sklearn_cellfate.metrics.ms_ssim, which is written apart from this in NumPy
# so that each can be tested against the other.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
LINEAR_BELOW = 0.05


class MSSSIM(nn.Module):
    """Multi-scale structural similarity of image pairs, one number a pair.

    The definition is that of :func:`sklearn_cellfate.metrics.ms_ssim`. A Gaussian filter of a
    small image is two products with a banded matrix; the matrices also hold the mirrored border.

    Parameters
    ----------
    size : tuple of (int, int)
        Height and width of the images.
    window_size : int, default=5
        Side of the Gaussian window, odd, in pixels.
    sigma : float, default=1.0
        Its standard deviation, in pixels.
    k1, k2 : float, default=0.01, 0.03
        Stabilise luminance and contrast.

    References
    ----------
    Wang, Simoncelli and Bovik (2003), doi:10.1109/ACSSC.2003.1292216.
    """

    def __init__(self, size, *, window_size=5, sigma=1.0, k1=0.01, k2=0.03):
        super().__init__()
        self.c1, self.c2 = k1**2, k2**2
        self.n_scales = 1
        while self.n_scales < len(SCALE_WEIGHTS) and min(size) >> self.n_scales >= window_size:
            self.n_scales += 1
        weights = np.array(SCALE_WEIGHTS[: self.n_scales])
        self.weights = (weights / weights.sum()).tolist()
        for scale in range(self.n_scales):
            for axis, side in zip("hw", size):
                band = _gaussian_band(side >> scale, window_size, sigma)
                self.register_buffer(f"{axis}{scale}", band, persistent=False)

    def forward(self, target, image):
        """Compare images, pair by pair.

        Parameters
        ----------
        target : Tensor of shape (n, C, H, W)
            Images, pixels from 0 to 1.
        image : Tensor of shape (n, C, H, W)
            Those compared with them.

        Returns
        -------
        similarity : Tensor of shape (n,)
            From above 0 to 1.
        """
        log_similarity = 0.0
        for scale, weight in enumerate(self.weights):
            last = scale == self.n_scales - 1
            factor = self._factor(target, image, scale, with_luminance=last)
            log_similarity = log_similarity + weight * _extended_log(factor)
            if not last:
                target, image = F.avg_pool2d(target, 2), F.avg_pool2d(image, 2)
        return log_similarity.exp().mean(1)

    def _factor(self, x, y, scale, with_luminance):
        rows, columns = getattr(self, f"h{scale}"), getattr(self, f"w{scale}")
        c1 = self.c1 if with_luminance else None
        return _Similarity.apply(x, y, rows, columns, c1, self.c2)


class _Similarity(torch.autograd.Function):
    """Mean structural similarity of image pairs at one scale, without luminance if `c1` is None.

    The backward pass is written out: one filter over all moments' gradients, as one over all
    moments forward, and a third of the small operations that autograd would make of it.
    """

    @staticmethod
    def forward(ctx, x, y, rows, columns, c1, c2):
        moments = torch.stack([x, y, torch.addcmul(x * x, y, y), x * y])
        mx, my, of_squares, mxy = rows @ moments @ columns.t()
        squares, product = torch.addcmul(mx * mx, my, my), mx * my
        variances = of_squares.sub_(squares).add_(c2)
        contrast = mxy.sub(product).mul_(2).add_(c2).div_(variances)
        luminance = None
        if c1 is not None:
            squares = squares.add_(c1)
            luminance = product.mul_(2).add_(c1).div_(squares)
        ctx.save_for_backward(x, y, rows, columns, mx, my, variances, contrast, luminance, squares)
        similarity = contrast if luminance is None else contrast * luminance
        return similarity.mean((-2, -1))

    @staticmethod
    @once_differentiable
    def backward(ctx, outer):
        x, y, rows, columns, mx, my, variances, contrast, luminance, squares = ctx.saved_tensors
        of_contrast = (outer / (x.shape[-2] * x.shape[-1]))[..., None, None]
        of_product = of_squares = 0
        if luminance is not None:
            of_luminance = of_contrast * contrast / squares
            of_product, of_squares = 2 * of_luminance, -luminance * of_luminance
            of_contrast = of_contrast * luminance
        of_mxy = 2 * of_contrast / variances
        of_mxx = -0.5 * contrast * of_mxy
        of_product = of_product - of_mxy
        of_squares = 2 * (of_squares - of_mxx)
        gradients = []
        for needed, image, other, mean, other_mean in (
            (ctx.needs_input_grad[0], x, y, mx, my),
            (ctx.needs_input_grad[1], y, x, my, mx),
        ):
            if not needed:
                gradients.append(None)
                continue
            of_mean = torch.addcmul(mean * of_squares, other_mean, of_product)
            of_mean, of_mxx_, of_mxy_ = rows.t() @ torch.stack([of_mean, of_mxx, of_mxy]) @ columns
            gradients.append(of_mean + 2 * image * of_mxx_ + other * of_mxy_)
        return *gradients, None, None, None, None


def _gaussian_band(side, window_size, sigma):
    """Matrix that filters ``side`` pixels, mirrored about their outer edges."""
    radius = window_size // 2
    window = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    window /= window.sum()
    sources = np.pad(np.arange(side), radius, mode="symmetric")
    band = np.zeros((side, side))
    for shift, weight in enumerate(window):
        np.add.at(band, (np.arange(side), sources[shift : shift + side]), weight)
    return torch.from_numpy(band).to(torch.get_default_dtype())


def _extended_log(factor):
    """Natural logarithm above ``LINEAR_BELOW``, its tangent below: negatives keep a gradient."""
    low = factor < LINEAR_BELOW
    safe = torch.where(low, LINEAR_BELOW, factor)
    return safe.log() + torch.where(low, factor / LINEAR_BELOW - 1, 0.0)
