"""What the numbers of a relevance map are, in words for a colour bar."""

import numpy as np

from sklearn_cellfate.inspection._pipelines import find_network
from sklearn_cellfate.patches import PatchClassifier

__all__ = ["describe_relevance"]

PER_PIXEL = ("gradient", "smoothgrad")


def describe_relevance(explained, target, method):
    """Say what a map is relevance for, and its unit.

    Parameters
    ----------
    explained : AdversarialAutoencoder, AAEClassifier, EfficientNetClassifier or PatchClassifier
        Fitted.
    target, method : as of :func:`relevance`
        What was explained, and how.

    Returns
    -------
    text : str
        Such as ``"relevance for dies"`` and, below, ``"(log odds)"``.
    """
    if target is None:
        what = "the predicted class"
    else:
        what = "the class of each image" if np.ndim(target) == 1 else str(target)
    return f"relevance for {what}\n({_unit(explained, target, method)})"


def _unit(explained, target, method):
    is_patches = isinstance(explained, PatchClassifier)
    network = find_network(explained.estimator_) if is_patches else explained
    classes = getattr(network, "classes_", ())
    is_class = target is None or np.ndim(target) == 1 or target in list(classes)
    if not is_class:
        unit = "unit of the latent feature"
    elif len(classes) == 2:
        unit = "log odds"
    else:
        unit = "logit over the mean of the others"
    return f"{unit} per unit of the network's pixels" if method in PER_PIXEL else unit
