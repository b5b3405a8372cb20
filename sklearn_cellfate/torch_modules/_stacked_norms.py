"""Spectral norms of all layers of many networks in one power iteration."""

import torch
from torch.autograd.function import once_differentiable

from sklearn_cellfate.torch_modules._spectral_norm import thirds

__all__ = ["StackedNorms"]


class StackedNorms:
    """Divide the weights of K networks by their spectral norms, all layers at once.

    Each layer needs two products a step; all else is done to the vectors of all layers side by
    side, for the many small calls would take longer than the arithmetic.

    Parameters
    ----------
    names : list of str
        What the names of the layers' weights start with.
    """

    def __init__(self, names):
        self.names = names
        self._members = {}

    def __call__(self, parameters, buffers):
        """Make a step of the power iteration and normalise.

        Parameters
        ----------
        parameters, buffers : dict of str to Tensor of shape (K, ...)
            The buffers are changed in place.

        Returns
        -------
        weights : dict of str to Tensor of shape (K, ...)
            By the names of the layers, differentiable once.
        """
        weights = [parameters[f"{name}weight"] for name in self.names]
        left = [buffers[f"{name}u"] for name in self.names]
        right = [buffers[f"{name}v"] for name in self.names]
        with torch.no_grad():
            matrices = [weight.flatten(2) for weight in weights]
            new_right, _ = self._unit([_product(m.mT, u) for m, u in zip(matrices, left)])
            new_left, sigmas = self._unit([_product(m, v) for m, v in zip(matrices, new_right)])
            torch._foreach_copy_(left + right, new_left + new_right)
        quotients = _Quotients.apply(sigmas, *weights, *new_left, *new_right)
        return dict(zip(self.names, quotients))

    def _unit(self, vectors):
        """Divide vectors, (K, n) a layer, by their lengths; return both, lengths of (K, L)."""
        sizes = [vector.shape[1] for vector in vectors]
        beside = torch.cat(vectors, 1)
        members = self._memberships(tuple(sizes), beside)
        lengths = (beside.square() @ members).sqrt().clamp_min(1e-12)
        return list((beside / (lengths @ members.t())).split(sizes, 1)), lengths

    def _memberships(self, sizes, like):
        """Matrix that says which layer each number of their vectors, side by side, belongs to."""
        if sizes not in self._members:
            layers = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
            ones = torch.nn.functional.one_hot(layers, len(sizes))
            self._members[sizes] = ones.to(like)
        return self._members[sizes]


def _product(matrices, vectors):
    return torch.bmm(matrices, vectors[:, :, None]).squeeze(2)


class _Quotients(torch.autograd.Function):
    """Weights W over their norms u W v, for singular vectors u and v that count as constants."""

    @staticmethod
    def forward(ctx, sigmas, *tensors):
        weights, left, right = thirds(tensors)
        quotients = [
            weight / sigma.view(-1, *[1] * (weight.ndim - 1))
            for weight, sigma in zip(weights, sigmas.unbind(1))
        ]
        ctx.save_for_backward(sigmas, *quotients, *left, *right)
        return tuple(quotients)

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients):
        sigmas, *tensors = ctx.saved_tensors
        quotients, left, right = thirds(tensors)
        shares = torch.cat(
            [
                torch.bmm(gradient.flatten(1)[:, None], quotient.flatten(1)[:, :, None])
                for gradient, quotient in zip(gradients, quotients)
            ],
            2,
        ).squeeze(1)
        ones, shares = (1 / sigmas).unbind(1), (-shares / sigmas).unbind(1)
        of_weights = [
            torch.baddbmm(
                gradient.flatten(2) * one[:, None, None],
                u[:, :, None],
                (v * share[:, None])[:, None],
            ).view_as(gradient)
            for gradient, u, v, one, share in zip(gradients, left, right, ones, shares)
        ]
        return None, *of_weights, *[None] * (2 * len(of_weights))
