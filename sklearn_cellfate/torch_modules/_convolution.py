"""Convolutions of small images with few channels, each by the quickest of equal ways.

One network or many, side by side in groups: see ``_stacked_layers``. The libraries behind
``conv2d`` are made for many channels; at 20 x 20 pixels with 1 to 16 of them most of their time
goes into arranging memory. ``benchmarks/RESULTS.md`` has the times.
"""

import functools

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

__all__ = ["convolve", "convolve_enlarged"]

# Weights of a 1 x 1 convolution up to which a matrix product is quicker, and output channels of
# a 3 x 3 one below which its gradient is quicker as another convolution; where its input has fewer
# too, a matrix product is quicker, on a CPU.
FEW_WEIGHTS = 1024
FEW_CHANNELS = 8


def convolve(x, weight, bias, *, stride=1, padding=0, groups=1):
    """Compute ``torch.nn.functional.conv2d`` for square filters.

    Parameters
    ----------
    x : Tensor of shape (n, C_in, H, W)
        Images.
    weight : Tensor of shape (C_out, C_in // groups, k, k)
        Filters.
    bias : Tensor of shape (C_out,)
        Added to each channel.
    stride, padding, groups : int
        As of ``conv2d``.

    Returns
    -------
    y : Tensor of shape (n, C_out, H_out, W_out)
        Differentiable once.
    """
    side, few = weight.shape[2], len(weight) // groups < FEW_CHANNELS
    thin = few and weight.shape[1] < FEW_CHANNELS
    if side == 1 and weight.numel() // groups <= FEW_WEIGHTS:
        return _mix_channels(x[:, :, ::stride, ::stride], weight, bias, groups)
    if side == 3 and padding == stride == 1 and few:
        if thin and x.device.type == "cpu":
            return _ThinProduct.apply(x, weight, bias, groups)
        return _ThinConvolution.apply(x, weight, bias, groups)
    return F.conv2d(x, weight, bias, stride=stride, padding=padding, groups=groups)


def convolve_enlarged(x, weight, bias, size, *, groups=1):
    """Enlarge images by nearest neighbours, then convolve them, 3 x 3.

    Where sides double, each output pixel sees at most 2 x 2 pixels of the small image, so one
    convolution of the small image gives all four.

    Parameters
    ----------
    x : Tensor of shape (n, C_in, H, W)
        Images.
    weight : Tensor of shape (C_out, C_in // groups, 3, 3)
        Filters.
    bias : Tensor of shape (C_out,)
        Added to each channel.
    size : tuple of (int, int)
        Height and width to enlarge to.
    groups : int, default=1
        As of ``conv2d``.

    Returns
    -------
    y : Tensor of shape (n, C_out, *size)
        Differentiable once.
    """
    if tuple(size) != (2 * x.shape[2], 2 * x.shape[3]):
        x = F.interpolate(x, size=size, mode="nearest")
        return convolve(x, weight, bias, padding=1, groups=groups)
    of_phases = weight.flatten(2) @ _phases(x.dtype, x.device)
    of_phases = of_phases.unflatten(2, (4, 3, 3)).transpose(1, 2).flatten(0, 1)
    bias = bias.repeat_interleave(4)
    return F.pixel_shuffle(F.conv2d(x, of_phases, bias, padding=1, groups=groups), 2)


@functools.cache
@torch.inference_mode(False)  # kept for fits, wherever it is first asked for
def _phases(dtype, device):
    """Matrix (9, 4 * 9) from a filter of an image twice enlarged to filters of the small one."""
    # An even row of the large image takes its three from the small rows -1, 0, 0; an odd one
    # from 0, 0, 1.
    rows = torch.zeros(2, 3, 3, dtype=dtype)
    for parity, sources in enumerate([(-1, 0, 0), (0, 0, 1)]):
        for tap, source in enumerate(sources):
            rows[parity, source + 1, tap] = 1
    return torch.einsum("ayt,bxu->tuabyx", rows, rows).reshape(9, 36).to(device)


def _mix_channels(x, weight, bias, groups):
    """Convolve 1 x 1: a matrix product at every pixel."""
    apart = x.unflatten(1, (groups, -1)).flatten(3)
    y = weight.view(groups, -1, weight.shape[1]) @ apart + bias.view(groups, -1, 1)
    return y.flatten(1, 2).unflatten(2, x.shape[2:])


class _ThinConvolution(torch.autograd.Function):
    """Convolution, 3 x 3 and with a border of one pixel, to few channels.

    The gradient of the images is a convolution too, and as one quicker than as the library's
    backward pass.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, groups):
        ctx.save_for_backward(x, weight)
        ctx.groups = groups
        return F.conv2d(x, weight, bias, padding=1, groups=groups)

    @staticmethod
    @once_differentiable
    def backward(ctx, of_y):
        x, weight = ctx.saved_tensors
        of_x = None
        if ctx.needs_input_grad[0]:
            turned = weight.unflatten(0, (ctx.groups, -1)).transpose(1, 2).flatten(0, 1)
            of_x = F.conv2d(of_y, turned.flip(2, 3), padding=1, groups=ctx.groups)
        _, of_weight, _ = torch.ops.aten.convolution_backward(
            of_y,
            x,
            weight,
            None,
            stride=[1, 1],
            padding=[1, 1],
            dilation=[1, 1],
            transposed=False,
            output_padding=[0, 0],
            groups=ctx.groups,
            output_mask=[False, True, False],
        )
        return of_x, of_weight, of_y.sum((0, 2, 3)), None


class _ThinProduct(torch.autograd.Function):
    """The same from few channels too: a matrix product with the neighbourhoods of all pixels.

    The library takes up to twice as long, of many groups up to three times. The matrix of the
    forward pass also serves the gradient of the filters.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, groups):
        around = _neighbourhoods(x, groups)
        ctx.save_for_backward(around, weight)
        ctx.groups, ctx.size = groups, x.shape[2:]
        filters = weight.flatten(1).unflatten(0, (groups, -1))
        return _images(torch.baddbmm(bias.view(groups, -1, 1), filters, around), ctx.size)

    @staticmethod
    @once_differentiable
    def backward(ctx, of_y):
        around, weight = ctx.saved_tensors
        of_x = None
        if ctx.needs_input_grad[0]:
            turned = weight.unflatten(0, (ctx.groups, -1)).transpose(1, 2).flip(3, 4).flatten(2)
            of_x = _images(torch.bmm(turned, _neighbourhoods(of_y, ctx.groups)), ctx.size)
        apart = of_y.flatten(2).unflatten(1, (ctx.groups, -1)).permute(1, 2, 0, 3).flatten(2)
        of_weight = torch.bmm(apart, around.mT).view_as(weight)
        return of_x, of_weight, apart.sum(2).flatten(), None


def _neighbourhoods(x, groups):
    """Give the 3 x 3 pixels about each: (groups, channels of a group * 9, n * H * W)."""
    n, n_channels, height, width = x.shape
    padded = F.pad(x, (1, 1, 1, 1))
    of_image, of_channel, of_row, of_column = padded.stride()
    n_channels //= groups
    return padded.as_strided(
        (groups, n_channels, 3, 3, n, height, width),
        (n_channels * of_channel, of_channel, of_row, of_column, of_image, of_row, of_column),
    ).reshape(groups, n_channels * 9, n * height * width)


def _images(pixels, size):
    """Turn (groups, channels, n * H * W) into images with the channels of all groups."""
    apart = pixels.unflatten(2, (-1, size[0] * size[1])).permute(2, 0, 1, 3)
    # Noise is drawn in the order of memory.
    return apart.flatten(1, 2).contiguous().unflatten(2, size)
