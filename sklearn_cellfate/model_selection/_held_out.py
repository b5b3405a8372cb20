"""One fit, and what it says of the rows that it has not seen."""

import time
import warnings

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import Bunch, _safe_indexing
from sklearn.utils._metadata_requests import _routing_enabled
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel
from sklearn.utils.validation import column_or_1d, has_fit_parameter
from tqdm.auto import tqdm

from sklearn_cellfate._validation import complete_labels, without_masks
from sklearn_cellfate.table import listing

__all__ = [
    "check_groups",
    "check_labels",
    "fit_clone",
    "fit_on",
    "number_repeats",
    "predict_held_out",
    "run_fits",
    "takes_groups",
]


def check_labels(y):
    """Return the classes of all rows as an array, or say what is wrong with them."""
    y = complete_labels(y)
    if not len(y):
        raise ValueError("the table has no rows.")
    check_classification_targets(y)
    if len(np.unique(y)) < 2:
        raise ValueError(f"at least two classes are needed, found only {listing(y[:1])}.")
    return y


def check_groups(groups):
    """Return the group of each row as an array; None stays None."""
    if groups is None:
        return None
    if isinstance(groups, str):
        raise ValueError(f"groups must hold the group of each row, found the string {groups!r}.")
    groups = column_or_1d(without_masks(groups))
    if pd.isna(groups).any():
        raise ValueError(f"{pd.isna(groups).sum()} of {len(groups)} rows have no group.")
    return groups


def number_repeats(folds):
    """Give each fold the number of its pass over the rows; another begins where rows recur.

    Parameters
    ----------
    folds : list of (train, test)

    Returns
    -------
    repeats : list of int
        One a fold, from 0.
    """
    repeats, seen, number = [], set(), 0
    for _, test in folds:
        test = set(np.asarray(test).tolist())
        if seen & test:
            number, seen = number + 1, set()
        seen |= test
        repeats.append(number)
    return repeats


def run_fits(fits, n_jobs, verbose):
    """Run delayed calls, in order, with a progress bar if `verbose`."""
    finished = Parallel(n_jobs=n_jobs, return_as="generator")(fits)
    with warnings.catch_warnings():
        # joblib replaces workers that have grown, and says so; nothing is lost.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
        return list(tqdm(finished, total=len(fits), unit="fit", disable=not verbose))


def fit_clone(estimator, X, y, groups):
    """Clone and fit.

    Parameters
    ----------
    estimator : classifier
    X, y, groups : rows to train on, their classes, and their groups or None

    Returns
    -------
    fitted : classifier
    fit_time : float
        Seconds.
    """
    fitted = clone(estimator)
    passed = {"groups": groups} if groups is not None and takes_groups(fitted) else {}
    started = time.perf_counter()
    with warnings.catch_warnings():
        # joblib's advice on a cache that is ours, not the user's.
        warnings.filterwarnings("ignore", message="Persisting input arguments")
        fitted.fit(X, y, **passed)
    return fitted, time.perf_counter() - started


def fit_on(estimator, X, y, groups, train):
    """Clone and fit on some of the rows; see :func:`fit_clone`.

    Parameters
    ----------
    estimator : classifier
    X, y, groups : rows, their classes, and their groups or None
    train : ndarray of int
        Which rows.

    Returns
    -------
    fitted : classifier
    fit_time : float
        Seconds.
    """
    trained_on = None if groups is None else groups[train]
    return fit_clone(estimator, _safe_indexing(X, train), y[train], trained_on)


def takes_groups(estimator):
    """Whether ``fit`` wants the groups: by signature, as a search, or by metadata routing."""
    if _routing_enabled():
        return "groups" in get_routing_for_object(estimator).consumes("fit", ["groups"])
    return has_fit_parameter(estimator, "groups") or isinstance(estimator, BaseSearchCV)


def predict_held_out(fitted, X, y, groups, test):
    """Predict rows that were not fitted on.

    Parameters
    ----------
    fitted : classifier
    X, y, groups : rows, their classes, and their groups or None
    test : ndarray of int
        Which rows.

    Returns
    -------
    held_out : Bunch
        ``X`` and ``groups`` of these rows; ``predictions``, a DataFrame of ``row``, ``y_true``,
        ``y_pred`` and ``probability_<class>``, or for two classes without probabilities
        ``decision``; and ``score_time`` in seconds.
    """
    started = time.perf_counter()
    X_test = _safe_indexing(X, test)
    columns = {"row": test, "y_true": y[test], "y_pred": fitted.predict(X_test)}
    if hasattr(fitted, "predict_proba"):
        for label, values in zip(fitted.classes_, fitted.predict_proba(X_test).T):
            columns[f"probability_{label}"] = values
    elif hasattr(fitted, "decision_function") and len(fitted.classes_) == 2:
        columns["decision"] = fitted.decision_function(X_test)
    score_time = time.perf_counter() - started
    return Bunch(
        X=X_test,
        groups=None if groups is None else groups[test],
        predictions=pd.DataFrame(columns),
        score_time=score_time,
    )
