"""What a network says of an image, as a linear function of the features of its encoder."""

from dataclasses import dataclass

import numpy as np

from sklearn_cellfate.table import listing

__all__ = ["Readout", "find_columns", "find_readout"]


@dataclass(frozen=True)
class Readout:
    """Scores that are linear in the features of an encoder.

    Attributes
    ----------
    weight : ndarray of shape (n_scores, n_features)
        A row a score.
    bias : ndarray of shape (n_scores,)
        The constant part of each.
    names : ndarray of shape (n_scores,)
        The classes, or the names of the latent features.
    column : int or None
        The score that was asked for; None where each image's largest is meant.
    """

    weight: np.ndarray
    bias: np.ndarray
    names: np.ndarray
    column: int | None


def find_readout(estimator, target):
    """Find the scores that can be explained, and the one that is asked for.

    The score of a class is its logit less the mean logit of the other classes: with two classes
    the log odds. A logit by itself says nothing, for adding the same to all changes no
    probability.

    Parameters
    ----------
    estimator : AdversarialAutoencoder, AAEClassifier or EfficientNetClassifier
        Fitted.
    target : class label, "latent k", int or None
        See :func:`relevance`.

    Returns
    -------
    readout : Readout

    Raises
    ------
    ValueError
        If the estimator has no such target, or its head is not linear.
    """
    classes = getattr(estimator, "classes_", np.array([]))
    is_autoencoder = not hasattr(estimator.net_, "classifier_weights")
    matches = []
    if target is not None and np.ndim(target) == 0:
        matches = np.flatnonzero([label == target for label in classes])
    if len(matches) or (target is None and len(classes)):
        net = estimator.net_
        logits = _logits_of_head(estimator) if is_autoencoder else net.classifier_weights()
        return Readout(*_contrasts(*logits), classes, matches[0] if len(matches) else None)
    n_latents = estimator._n_features_out if is_autoencoder else 0
    column = _latent_number(target, n_latents, with_classes=len(classes) > 0)
    if column is None:
        raise ValueError(_describe_targets(estimator, target, classes, n_latents))
    names = np.array([f"latent {number}" for number in range(n_latents)], dtype=object)
    return Readout(np.eye(n_latents), np.zeros(n_latents), names, column)


def find_columns(estimator, labels, n_images):
    """Find the score of a class for each image: ndarray of shape (n_images,), int."""
    labels, classes = np.asarray(labels), getattr(estimator, "classes_", np.array([]))
    if len(labels) != n_images:
        raise ValueError(f"target names {len(labels)} classes, but X has {n_images} images.")
    is_class = np.asarray(labels)[:, None] == classes
    unknown = ~is_class.any(axis=1)
    if unknown.any():
        raise ValueError(
            f"target holds {listing(np.unique(labels[unknown]))}, and the classes are "
            f"{listing(classes) or 'none'}."
        )
    return is_class.argmax(axis=1)


def _logits_of_head(estimator):
    """Read a linear head through its decisions, so that any pipeline of linear steps is one."""
    head, n_features = estimator.head_, estimator._n_features_out
    weight, bias = _probe(head, n_features) if hasattr(head, "decision_function") else (None, None)
    if weight is None or len(weight) not in (1, len(estimator.classes_)):
        raise ValueError(
            f"the head {type(head).__name__} is not linear in the latent features, so a class "
            "cannot be traced through it; explain a latent feature with target='latent 0', or "
            "fit with a linear head such as the default one."
        )
    if len(weight) == 1:  # two classes: the decision is the second's log odds
        return np.vstack([0 * weight, weight]), np.append(0.0, bias)
    return weight, bias


def _probe(head, n_features):
    points = np.vstack([np.zeros(n_features), np.eye(n_features)])
    others = 3 * np.random.default_rng(0).standard_normal((2 * n_features + 8, n_features))
    decisions = np.asarray(head.decision_function(np.vstack([points, others])), dtype=float)
    decisions = decisions.reshape(len(decisions), -1)
    bias, weight = decisions[0], (decisions[1 : len(points)] - decisions[0]).T
    expected = others @ weight.T + bias
    linear = np.allclose(expected, decisions[len(points) :], rtol=1e-6, atol=1e-8)
    return (weight, bias) if linear else (None, None)


def _contrasts(weight, bias):
    n_classes = len(bias)
    contrast = np.eye(n_classes) - (1 - np.eye(n_classes)) / (n_classes - 1)
    return contrast @ weight, contrast @ bias


def _latent_number(target, n_latents, *, with_classes):
    numbers = {f"latent {number}": number for number in range(n_latents)}
    if not with_classes:  # where there are classes a plain number is one of them
        numbers |= {number: number for number in range(n_latents)}
    is_name = isinstance(target, (str, int, np.integer)) and not isinstance(target, bool)
    return numbers.get(target) if is_name else None


def _describe_targets(estimator, target, classes, n_latents):
    offers = [f"a class ({listing(classes)})"] if len(classes) else []
    if n_latents:
        offers.append(f"a latent feature ('latent 0' to 'latent {n_latents - 1}')")
    return f"target of {type(estimator).__name__} must be {' or '.join(offers)}, found {target!r}."
