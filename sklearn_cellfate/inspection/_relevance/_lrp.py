"""Layer-wise relevance propagation of images through a canonical network."""

import torch
from zennit.attribution import Gradient

from sklearn_cellfate.inspection._relevance._canonizers import canonize
from sklearn_cellfate.inspection._relevance._composites import make_composite

__all__ = ["make_propagation"]


def make_propagation(network, composite):
    """Bring a network into canonical form and return what explains images by it.

    Parameters
    ----------
    network : Sequential
        From :func:`copy_network`; it is taken apart.
    composite : str
        Name of the rules.

    Returns
    -------
    explain : callable
        Takes images of shape (n, C, H, W), as many baselines and a column of the scores for each;
        gives relevance in the images' shape.
    """
    canonical = canonize(network)
    bias = canonical[-1].bias

    def propagate(images, columns, constant):
        def evidence(scores):
            chosen = torch.nn.functional.one_hot(columns, scores.shape[1])
            return (scores - constant(scores)) * chosen

        with Gradient(canonical, make_composite(composite, images)) as attributor:
            return attributor(images, evidence)[1]

    def explain_alone(images, baselines, columns):
        # The score's constant part is no evidence of the image's.
        return propagate(images, columns, lambda scores: bias)

    def explain_difference(images, baselines, columns):
        # The rule looks for the baselines in the second half of the batch.
        def of_baselines(scores):
            return scores.chunk(2)[1].repeat(2, 1)

        both = torch.cat([images, baselines])
        return propagate(both, columns.repeat(2), of_baselines).chunk(2)[0]

    return explain_difference if composite == "difference" else explain_alone
