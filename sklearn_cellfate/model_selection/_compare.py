"""Several estimators on the same folds, compared in pairs."""

import time
import warnings

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import clone
from sklearn.metrics import (
    balanced_accuracy_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import Bunch, _safe_indexing
from sklearn.utils._metadata_requests import _routing_enabled
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_consistent_length, column_or_1d, has_fit_parameter
from tqdm.auto import tqdm

from sklearn_cellfate.model_selection._folds import make_folds
from sklearn_cellfate.table import listing

__all__ = ["compare_estimators"]

METRICS = ("balanced_accuracy", "roc_auc", "precision", "recall")


def compare_estimators(
    estimators,
    X,
    y,
    *,
    groups=None,
    cv=None,
    baseline=None,
    n_jobs=None,
    random_state=None,
    verbose=0,
):
    """Cross-validate several classifiers on the same folds and compare each with a baseline.

    Nothing is learned from rows that are scored: each fold clones and fits every estimator on the
    training rows alone, and folds keep groups whole.

    Parameters
    ----------
    estimators : dict of str to classifier
        By name.
    X : DataFrame or array-like of shape (n, ...)
        Whatever the estimators accept.
    y : array-like of shape (n,)
        Classes.
    groups : array-like of shape (n,), default=None
        Donor, clone, field ... of each row; a group is never on both sides of a split. They are
        handed on to searches (for inner folds), to estimators whose ``fit`` takes ``groups``, and
        with metadata routing to whatever asks for them.
    cv : int, cross-validation splitter or iterable, default=None
        By default each group is held out once where there are at most ten and each has every
        class; else five stratified folds of groups, or of rows without groups.
    baseline : str, default=None
        Name of the estimator that the others are compared with; the first by default.
    n_jobs : int, default=None
        Fits that run at once, see :class:`joblib.Parallel`.
    random_state : int, default=None
        Seed of shuffled folds.
    verbose : int, default=0
        1 shows a progress bar over fits.

    Returns
    -------
    comparison : Bunch
        scores : DataFrame
            A row an estimator, fold and metric: ``value``, ``held_out`` (five of the fold's
            groups at most), ``n_train``, ``n_test``, ``fit_time`` and ``score_time`` (s).
            Metrics are balanced accuracy, area under the ROC curve, precision and recall: of
            ``classes[1]`` for two classes, macro averages (one-vs-rest) for more. The metrics of
            a fold whose held-out rows lack a class are NaN.
        summary : DataFrame
            Mean and standard deviation over folds, a row an estimator and metric.
        differences : DataFrame
            Mean paired difference to the baseline with a 95 % interval, corrected for the overlap
            of training sets, a row an estimator and metric.
        predictions : DataFrame
            Every row while held out: ``estimator``, ``fold``, ``row`` (position in X), ``y_true``,
            ``y_pred`` and ``probability_<class>``.
        estimators : dict of str to list
            The fitted estimators, one a fold.
        folds : list of (train, test)
        classes : ndarray
        baseline : str

    Raises
    ------
    ValueError
        If labels are missing, there is one class only, or a fold would train without a class.

    References
    ----------
    Nadeau and Bengio (2003), Inference for the generalization error,
    doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_cellfate.model_selection import compare_estimators
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> models = {"chance": DummyClassifier(), "tree": DecisionTreeClassifier(random_state=0)}
    >>> comparison = compare_estimators(models, X, y, random_state=0)
    >>> comparison.summary.loc[("tree", "balanced_accuracy"), "mean"].round(1)
    np.float64(0.9)
    >>> bool(comparison.differences.loc[("tree", "balanced_accuracy"), "low"] > 0)
    True
    """
    y = _check_labels(y)
    groups = None if groups is None else _check_groups(groups)
    check_consistent_length(X, y, groups)
    baseline = next(iter(estimators)) if baseline is None else baseline
    if baseline not in estimators:
        raise ValueError(f"baseline={baseline!r} is none of the estimators: {list(estimators)}.")
    folds = make_folds(y, groups, cv, random_state)
    classes = np.unique(y)
    fits = [
        delayed(_fit_and_predict)(name, estimator, number, X, y, groups, *fold)
        for name, estimator in estimators.items()
        for number, fold in enumerate(folds)
    ]
    results = _run(fits, n_jobs, verbose)
    predictions = pd.concat([result.predictions for result in results], ignore_index=True)
    scores = pd.concat(
        [_score(result, classes, folds, groups) for result in results], ignore_index=True
    )
    return Bunch(
        scores=scores,
        summary=_summarize(scores),
        differences=_compare_pairs(scores, baseline),
        predictions=predictions,
        estimators={
            name: [result.estimator for result in results if result.name == name]
            for name in estimators
        },
        folds=folds,
        classes=classes,
        baseline=baseline,
    )


def _run(fits, n_jobs, verbose):
    finished = Parallel(n_jobs=n_jobs, return_as="generator")(fits)
    with warnings.catch_warnings():
        # joblib replaces workers that have grown, and says so; nothing is lost.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
        return list(tqdm(finished, total=len(fits), unit="fit", disable=not verbose))


def corrected_interval(differences, n_train, n_test, level=0.95):
    """Mean of paired differences over folds with the corrected resampled t interval.

    Returns
    -------
    mean, low, high : float
        The bounds are NaN for fewer than two folds.
    """
    differences = np.asarray(differences, dtype=float)
    n_folds = len(differences)
    mean = differences.mean() if n_folds else np.nan
    if n_folds < 2:
        return mean, np.nan, np.nan
    # Training sets overlap, so folds vary less than fresh data would: the term n_test / n_train.
    variance = (1 / n_folds + np.mean(n_test) / np.mean(n_train)) * differences.var(ddof=1)
    half = stats.t.ppf(0.5 + level / 2, n_folds - 1) * np.sqrt(variance)
    return mean, mean - half, mean + half


def _check_labels(y):
    y = column_or_1d(y.to_numpy() if hasattr(y, "to_numpy") else y)
    if not len(y):
        raise ValueError("the table has no rows.")
    missing = np.flatnonzero(pd.isna(y))
    if len(missing):
        raise ValueError(
            f"{len(missing)} of {len(y)} labels are missing (the first in row {missing[0]}); "
            "drop these rows first."
        )
    check_classification_targets(y)
    if len(np.unique(y)) < 2:
        raise ValueError(f"at least two classes are needed, found only {listing(y[:1])}.")
    return y


def _check_groups(groups):
    if isinstance(groups, str):
        raise ValueError(f"groups must hold the group of each row, found the string {groups!r}.")
    groups = column_or_1d(groups)
    if pd.isna(groups).any():
        raise ValueError(f"{pd.isna(groups).sum()} of {len(groups)} rows have no group.")
    return groups


def _fit_and_predict(name, estimator, number, X, y, groups, train, test):
    fitted = clone(estimator)
    passed = {"groups": groups[train]} if groups is not None and takes_groups(fitted) else {}
    started = time.perf_counter()
    with warnings.catch_warnings():
        # joblib's advice on a cache that is ours, not the user's.
        warnings.filterwarnings("ignore", message="Persisting input arguments")
        fitted.fit(_safe_indexing(X, train), y[train], **passed)
    fit_time = time.perf_counter() - started
    started = time.perf_counter()
    X_test = _safe_indexing(X, test)
    columns = {"estimator": name, "fold": number, "row": test, "y_true": y[test]}
    columns["y_pred"] = fitted.predict(X_test)
    if hasattr(fitted, "predict_proba"):
        for label, values in zip(fitted.classes_, fitted.predict_proba(X_test).T):
            columns[f"probability_{label}"] = values
    score_time = time.perf_counter() - started
    return Bunch(
        name=name,
        fold=number,
        estimator=fitted,
        predictions=pd.DataFrame(columns),
        fit_time=fit_time,
        score_time=score_time,
    )


def takes_groups(estimator):
    """Whether ``fit`` wants the groups: by signature, as a search, or by metadata routing."""
    if _routing_enabled():
        return "groups" in get_routing_for_object(estimator).consumes("fit", ["groups"])
    return has_fit_parameter(estimator, "groups") or isinstance(estimator, BaseSearchCV)


def _score(result, classes, folds, groups):
    train, test = folds[result.fold]
    values = fold_scores(result.predictions, classes)
    return pd.DataFrame(
        {
            "estimator": result.name,
            "fold": result.fold,
            "held_out": "" if groups is None else _name_groups(groups[test]),
            "metric": list(values),
            "value": list(values.values()),
            "n_train": len(train),
            "n_test": len(test),
            "fit_time": result.fit_time,
            "score_time": result.score_time,
        }
    )


def _name_groups(groups, most=5):
    names = [str(name) for name in np.unique(groups)]
    more = [f"... ({len(names)} in all)"] if len(names) > most else []
    return ", ".join(names[:most] + more)


def fold_scores(predictions, classes):
    """Metrics of one fold's predictions, by name."""
    y_true, y_pred = predictions["y_true"].to_numpy(), predictions["y_pred"].to_numpy()
    if len(np.unique(y_true)) < len(classes):  # a held-out group may lack a class
        return dict.fromkeys(METRICS, np.nan)
    average = {"average": "macro"} if len(classes) > 2 else {"pos_label": classes[1]}
    return {
        "balanced_accuracy": balanced_accuracy_score(y_true, y_pred),
        "roc_auc": _roc_auc(predictions, y_true, classes),
        "precision": precision_score(y_true, y_pred, zero_division=0.0, **average),
        "recall": recall_score(y_true, y_pred, zero_division=0.0, **average),
    }


def _roc_auc(predictions, y_true, classes):
    columns = [f"probability_{label}" for label in classes]
    if not set(columns) <= set(predictions):
        return np.nan
    probabilities = predictions[columns].to_numpy()
    if len(classes) == 2:
        return roc_auc_score(y_true == classes[1], probabilities[:, 1])
    return roc_auc_score(y_true, probabilities, multi_class="ovr", labels=classes)


def _summarize(scores):
    by = scores.groupby(["estimator", "metric"], sort=False)["value"]
    return by.agg(mean="mean", sd="std", folds="count")


def _compare_pairs(scores, baseline):
    rows = {}
    for (name, metric), mine in scores.groupby(["estimator", "metric"], sort=False):
        if name == baseline:
            continue
        theirs = scores[(scores["estimator"] == baseline) & (scores["metric"] == metric)]
        pair = mine.merge(theirs[["fold", "value"]], on="fold", suffixes=("", "_baseline"))
        pair = pair.dropna(subset=["value", "value_baseline"])
        rows[name, metric] = corrected_interval(
            pair["value"] - pair["value_baseline"], pair["n_train"], pair["n_test"]
        )
    index = pd.MultiIndex.from_tuples(rows, names=["estimator", "metric"])
    return pd.DataFrame(rows.values(), index=index, columns=["mean", "low", "high"])
