"""Rules of layer-wise relevance propagation, and which layer gets which."""

import torch
from torch import nn
from zennit.composites import LayerMapComposite, SpecialFirstLayerMapComposite
from zennit.core import BasicHook, stabilize
from zennit.rules import ClampMod, Flat, Norm, Pass, ZBox
from zennit.types import Activation

from sklearn_cellfate.inspection._relevance._canonizers import Gate, ResidualSum

__all__ = ["COMPOSITES", "make_composite"]

# Added to denominators; activations and scores are of order one.
STABILIZER = 1e-9
LINEAR = (nn.Conv2d, ResidualSum)
ELEMENTWISE = (Activation, nn.BatchNorm2d)


class _SignRule(BasicHook):
    """Share the relevance of a neuron by the sign of what its inputs sum up to.

    A neuron's contributions, input times weight without the bias, are its *own* where they have
    the sign of their sum, and *other* where they have not. The rules known from ReLU networks
    speak of positive and negative contributions; for a neuron whose sum is negative they lose its
    relevance or divide by little. SiLU and LeakyReLU pass on such neurons, so the rules must hold
    for either sign, as in Andeol et al. (2021), doi:10.48550/arXiv.2106.04923. A sum of one sign
    has own contributions, so nothing is lost and no denominator is smaller than the sum.

    Parameters
    ----------
    map_shares : callable
        Takes sums of own and of other contributions; gives the factors that turn a contribution
        of either kind into its share of the relevance.
    of_differences : bool, default=False
        Whether the first half of a batch are images and the second their baselines, and the
        difference between the two takes the place of the input. What a layer adds to both cancels,
        biases too, so that nothing is lost to them; and an activation passes all on, whatever it
        makes of the difference. So in DeepLIFT, Shrikumar et al. (2017),
        doi:10.48550/arXiv.1704.02685.
    """

    def __init__(self, map_shares, *, of_differences=False):
        no_bias = {"zero_params": "bias"}
        parts = [(0, None, 0, None), (None, 0, None, 0), (0, None, None, 0), (None, 0, 0, None)]
        super().__init__(
            input_modifiers=[_clamp(low, high, of_differences) for low, high, _, _ in parts],
            param_modifiers=[ClampMod(low, high, **no_bias) for _, _, low, high in parts],
            output_modifiers=[lambda output: output] * 4,
            gradient_mapper=lambda relevance, sums: _share(relevance, sums, map_shares),
            reducer=lambda inputs, gradients: sum(x * g for x, g in zip(inputs, gradients)),
        )


def _clamp(low, high, of_differences):
    def modify(values):
        values = _less_baselines(values) if of_differences else values
        return values.clamp(min=low, max=high)

    return modify


def _less_baselines(inputs):
    images, baselines = inputs.chunk(2)
    return torch.cat([images - baselines, torch.zeros_like(baselines)])


def _share(relevance, sums, map_shares):
    positive, negative = sums[0] + sums[1], sums[2] + sums[3]
    above = positive + negative >= 0
    own, other = torch.where(above, positive, negative), torch.where(above, negative, positive)
    of_own, of_other = map_shares(own, other)
    for_positive = relevance * torch.where(above, of_own, of_other)
    for_negative = relevance * torch.where(above, of_other, of_own)
    return [for_positive, for_positive, for_negative, for_negative]


def _gamma_shares(own_weight, other_weight):
    """Contributions weighted, and normalised together; without the others it is the plus rule."""

    def map_shares(own, other):
        factor = 1 / stabilize(own_weight * own + other_weight * other, STABILIZER)
        return own_weight * factor, other_weight * factor

    return map_shares


def _alpha_beta_shares(alpha):
    """Contributions normalised apart; where there are no others, the own share is one."""

    def map_shares(own, other):
        beta = torch.where(other == 0, 0.0, alpha - 1)
        of_own = (1 + beta) / stabilize(own, STABILIZER)
        return of_own, -beta / stabilize(other, STABILIZER)

    return map_shares


PLUS = _gamma_shares(1.0, 0.0)
GAMMA = _gamma_shares(1.25, 1.0)
ALPHA_BETA = _alpha_beta_shares(2.0)
EPSILON = _gamma_shares(1.0, 1.0)


def _flat_first(images):
    return Flat(STABILIZER)


def _box_first(images):
    # The box of each image by itself, so that its map does not depend on others.
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return ZBox(low, high, STABILIZER, zero_params="bias")


# By name: the rule of convolutions and residual sums, and that of the first convolution.
COMPOSITES = {
    "epsilon_plus_flat": (PLUS, _flat_first),
    "epsilon_gamma": (GAMMA, lambda images: _SignRule(GAMMA)),
    "epsilon_gamma_box": (GAMMA, _box_first),
    "alpha_beta": (ALPHA_BETA, lambda images: _SignRule(ALPHA_BETA)),
}


def make_composite(name, images):
    """Map the layers of a canonical network to rules.

    Parameters
    ----------
    name : str
        One of `COMPOSITES`, or "difference".
    images : Tensor of shape (n, C, H, W)
        The images to be explained; for "difference" also their baselines, the second half.

    Returns
    -------
    composite : zennit Composite
    """
    if name == "difference":
        of_linear = _SignRule(EPSILON, of_differences=True)
        of_others = _SignRule(GAMMA, of_differences=True)
        return LayerMapComposite(
            [(LINEAR, of_others), (nn.Linear, of_linear), (ELEMENTWISE, Pass())]
        )
    shares, make_first = COMPOSITES[name]
    layer_map = [
        (LINEAR, _SignRule(shares)),
        (nn.Linear, _SignRule(EPSILON)),
        (nn.AdaptiveAvgPool2d, Norm(STABILIZER)),
        ((*ELEMENTWISE, Gate), Pass()),
    ]
    return SpecialFirstLayerMapComposite(layer_map, [(nn.Conv2d, make_first(images))])
