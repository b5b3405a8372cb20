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
        Takes images of shape (n, C, H, W) and a column of the scores for each; gives relevance
        in the images' shape.
    """
    canonical = canonize(network)
    bias = canonical[-1].bias

    def explain(images, columns):
        def evidence(scores):
            # The score's constant part is no evidence of the image's.
            chosen = torch.nn.functional.one_hot(columns, scores.shape[1])
            return (scores - bias) * chosen

        with Gradient(canonical, make_composite(composite, images)) as attributor:
            return attributor(images, evidence)[1]

    return explain
