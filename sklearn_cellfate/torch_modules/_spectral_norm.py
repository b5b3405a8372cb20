"""Layers whose weights are divided by their largest singular value."""

import contextlib

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sklearn_cellfate.torch_modules._convolution import convolve

__all__ = ["SpectralConv2d", "SpectralLinear", "normalized_together", "thirds"]


class _SpectralWeight:
    """Divide ``weight`` by an estimate of its spectral norm.

    One power iteration a training step (Miyato et al., 2018, doi:10.48550/arXiv.1802.05957).
    torch's own parametrization does the same but makes modules that cannot be pickled and several
    times as many small operations, which is what a step on 20 x 20 images is made of.
    """

    def _start_power_iteration(self, n_iterations=15):
        rows, columns = self.weight.flatten(1).shape
        self.register_buffer("u", F.normalize(torch.randn(rows), dim=0))
        self.register_buffer("v", torch.zeros(columns))
        # A buffer, so that who computes a block a second time finds the same.
        self.register_buffer("ready", None, persistent=False)
        for _ in range(n_iterations):
            _iterate([self])

    def normalized_weight(self):
        """Divide the weight by its spectral norm, differentiable through both.

        Returns
        -------
        weight : Tensor of the weight's shape
            In training mode after one more power iteration.
        """
        return _normalize([self])[0] if self.ready is None else self.ready


@contextlib.contextmanager
def normalized_together(network):
    """Normalise the weights of all layers of a network at once, for one pass in the block.

    Parameters
    ----------
    network : Module
        Its spectrally normalised layers use what was computed here.
    """
    layers = [part for part in network.modules() if isinstance(part, _SpectralWeight)]
    for layer, weight in zip(layers, _normalize(layers)):
        layer.ready = weight
    try:
        yield
    finally:
        for layer in layers:
            layer.ready = None


def _normalize(layers):
    weights = [layer.weight for layer in layers]
    sigmas, vectors = (_iterate if layers[0].training else _estimate)(layers)
    return _Quotients.apply(sigmas, *weights, *vectors)


@torch.no_grad()
def _iterate(layers):
    """Make a step of the power iteration; return norms and singular vectors, left ones first."""
    matrices = [layer.weight.flatten(1) for layer in layers]
    right, _ = _unit([torch.mv(matrix.t(), layer.u) for matrix, layer in zip(matrices, layers)])
    left, sigmas = _unit([torch.mv(matrix, v) for matrix, v in zip(matrices, right)])
    # In place, where a captured step looks for them again. The backward pass has the others.
    torch._foreach_copy_(_vectors(layers), left + right)
    return sigmas, left + right


@torch.no_grad()
def _estimate(layers):
    """Return norms and singular vectors without a step of the power iteration."""
    sigmas = [torch.dot(layer.u, torch.mv(layer.weight.flatten(1), layer.v)) for layer in layers]
    return torch.stack(sigmas).clamp_min(1e-12), _vectors(layers)


def _vectors(layers):
    return [layer.u for layer in layers] + [layer.v for layer in layers]


def _unit(vectors):
    """Divide vectors by their lengths; return both."""
    lengths = torch.stack(torch._foreach_norm(vectors)).clamp_min(1e-12)
    return list(torch._foreach_div(vectors, lengths.unbind())), lengths


class _Quotients(torch.autograd.Function):
    """Weights W over their norms u W v, for singular vectors u and v that count as constants."""

    @staticmethod
    def forward(ctx, sigmas, *tensors):
        weights, left, right = thirds(tensors)
        quotients = torch._foreach_div(weights, sigmas.unbind())
        ctx.save_for_backward(sigmas, *quotients, *left, *right)
        return tuple(quotients)

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients):
        sigmas, *tensors = ctx.saved_tensors
        quotients, left, right = thirds(tensors)
        shares = [
            torch.dot(gradient.flatten(), quotient.flatten())
            for gradient, quotient in zip(gradients, quotients)
        ]
        left = torch._foreach_mul(left, shares)
        of_weights = [
            torch.addr(gradient.flatten(1), u, v, alpha=-1).view_as(gradient)
            for gradient, u, v in zip(gradients, left, right)
        ]
        torch._foreach_div_(of_weights, sigmas.unbind())
        return None, *of_weights, *[None] * (2 * len(of_weights))


def thirds(tensors):
    """Part a tuple in three of one length: weights, left and right singular vectors."""
    n = len(tensors) // 3
    return tensors[:n], tensors[n : 2 * n], tensors[2 * n :]


class SpectralConv2d(_SpectralWeight, nn.Conv2d):
    """2-D convolution with a spectrally normalised weight.

    Parameters
    ----------
    *args, **kwargs : arguments of :class:`torch.nn.Conv2d`
        Sizes, bias and so on.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._start_power_iteration()

    def forward(self, x):
        """Convolve.

        Parameters
        ----------
        x : Tensor of shape (n, C_in, H, W)
            Input.

        Returns
        -------
        y : Tensor of shape (n, C_out, H_out, W_out)
            Output.
        """
        (stride, _), (padding, _) = self.stride, self.padding
        return convolve(x, self.normalized_weight(), self.bias, stride=stride, padding=padding)


class SpectralLinear(_SpectralWeight, nn.Linear):
    """Dense layer with a spectrally normalised weight.

    Parameters
    ----------
    *args, **kwargs : arguments of :class:`torch.nn.Linear`
        Sizes, bias and so on.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._start_power_iteration()

    def forward(self, x):
        """Multiply.

        Parameters
        ----------
        x : Tensor of shape (..., in_features)
            Input.

        Returns
        -------
        y : Tensor of shape (..., out_features)
            Output.
        """
        return F.linear(x, self.normalized_weight(), self.bias)
