"""The score that a fitted classifier gives a chosen class."""

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.utils.validation import check_is_fitted

from sklearn_cellfate.table import listing

__all__ = [
    "are_log_odds",
    "check_responds",
    "class_number",
    "class_numbers",
    "respond",
    "score_class",
]


def class_number(estimator, label):
    """Place of a class among ``classes_``, or an error that lists them."""
    check_is_fitted(estimator)
    found = np.flatnonzero(estimator.classes_ == label)
    if not len(found):
        raise ValueError(
            f"target {label!r} is no class of {type(estimator).__name__}, which knows "
            f"{listing(estimator.classes_)}."
        )
    return int(found[0])


def class_numbers(estimator, target, n_rows):
    """Places among ``classes_`` of one class for all rows, or of a class for each row."""
    if np.ndim(target) == 0:
        return np.full(n_rows, class_number(estimator, target))
    labels = np.asarray(target)
    if labels.shape != (n_rows,):
        raise ValueError(
            f"target must be one class or one for each of the {n_rows} rows, found shape "
            f"{labels.shape}."
        )
    uniques = pd.unique(labels)
    numbers = {label: class_number(estimator, label) for label in uniques}
    return np.array([numbers[label] for label in labels])


def score_class(estimator, X, numbers, response_method="predict_proba"):
    """Probability, or decision value, of the class with the given number in each row.

    Parameters
    ----------
    estimator : fitted classifier
        Of the rows of `X`.
    X : as `estimator` accepts
        Rows.
    numbers : int or ndarray of int of shape (n,)
        Place of the class among ``classes_``.
    response_method : {"predict_proba", "decision_function"}, default="predict_proba"
        What to ask the estimator for.

    Returns
    -------
    scores : ndarray of shape (n,)

    Raises
    ------
    ValueError
        If the estimator has no such method.
    """
    responses = respond(estimator, X, response_method)
    return responses[np.arange(len(responses)), numbers]


def respond(estimator, X, response_method):
    """Return what the estimator says of each class, (n, n_classes)."""
    check_responds(estimator, response_method)
    responses = np.asarray(getattr(estimator, response_method)(X), dtype=np.float64)
    # A decision between two classes is one number, for the second and against the first.
    return np.column_stack([-responses, responses]) if responses.ndim == 1 else responses


def are_log_odds(estimator, X, decisions):
    """Whether decision values, (n, 2), are logarithms of odds; distances to a margin are not."""
    if decisions.shape[1] != 2 or not hasattr(estimator, "predict_proba"):
        return False
    expected = respond(estimator, X, "predict_proba")
    return np.allclose(expit(decisions), expected, atol=1e-5)


def check_responds(estimator, response_method):
    """Raise if the estimator is not fitted or has no such method."""
    check_is_fitted(estimator)
    if not hasattr(estimator, response_method):
        others = {"predict_proba", "decision_function"} - {response_method}
        hint = "".join(f"; it has {name}" for name in others if hasattr(estimator, name))
        raise ValueError(f"{type(estimator).__name__} has no {response_method}{hint}.")
