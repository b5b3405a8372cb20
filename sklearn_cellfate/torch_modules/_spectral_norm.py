"""Layers whose weights are divided by their largest singular value."""

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["SpectralConv2d", "SpectralLinear"]


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
        for _ in range(n_iterations):
            self._power_iteration()

    @torch.no_grad()
    def _power_iteration(self):
        matrix = self.weight.flatten(1)
        self.v = F.normalize(torch.mv(matrix.t(), self.u), dim=0)
        self.u = F.normalize(torch.mv(matrix, self.v), dim=0)

    def normalized_weight(self):
        """Divide the weight by its spectral norm, differentiable through both.

        Returns
        -------
        weight : Tensor of the weight's shape
            In training mode after one more power iteration.
        """
        if self.training:
            self._power_iteration()
        sigma = torch.dot(self.u, torch.mv(self.weight.flatten(1), self.v))
        return self.weight / sigma.clamp_min(1e-12)


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
        return self._conv_forward(x, self.normalized_weight(), self.bias)


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
