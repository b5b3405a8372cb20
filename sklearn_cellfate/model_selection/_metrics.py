"""Scores of held-out predictions: of which metrics, and of which class."""

import warnings

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import (
    balanced_accuracy_score,
    get_scorer,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.utils import _safe_indexing
from sklearn.utils.metaestimators import available_if

from sklearn_cellfate.table import listing

__all__ = [
    "METRICS",
    "check_pos_label",
    "check_scoring",
    "fold_scores",
    "held_out_scores",
    "score_fold",
    "score_groups",
    "warn_of_missing",
]

METRICS = ("balanced_accuracy", "roc_auc", "precision", "recall")


def check_pos_label(pos_label, classes):
    """Return the class that precision and recall are of; None where there are more than two.

    Parameters
    ----------
    pos_label : label or None
        None is ``classes[1]``.
    classes : ndarray
        Sorted.

    Returns
    -------
    pos_label : label or None
    """
    if len(classes) > 2:
        if pos_label is not None:
            raise ValueError(
                f"pos_label={pos_label!r} is for two classes, found {listing(classes)}; name "
                'metrics such as "precision_macro", or none.'
            )
        return None
    if pos_label is None:
        return classes[1]
    if pos_label not in list(classes):
        raise ValueError(f"pos_label={pos_label!r} is none of the classes {listing(classes)}.")
    return classes[list(classes).index(pos_label)]


def check_scoring(scoring):
    """Read `scoring` as cross_validate does.

    Parameters
    ----------
    scoring : None, str, callable, iterable of str, or dict of str to str or callable
        See :func:`sklearn.model_selection.cross_validate`.

    Returns
    -------
    scorers : dict of str to (str or callable), callable, or None
        A lone callable may return one number or a dict of them.
    """
    if scoring is None or callable(scoring):
        return scoring
    if isinstance(scoring, str):
        scoring = [scoring]
    scorers = dict(scoring) if isinstance(scoring, dict) else {name: name for name in scoring}
    if not scorers:
        raise ValueError("scoring names no metric.")
    for name, scorer in scorers.items():
        if isinstance(scorer, str):
            get_scorer(scorer)  # raises if there is none
        elif not callable(scorer):
            raise ValueError(
                f"scoring[{name!r}] must be the name of a scorer or callable, found {scorer!r}."
            )
    return scorers


def held_out_scores(fitted, X, predictions, *, scoring, classes, pos_label):
    """Metrics of held-out rows, by name.

    Parameters
    ----------
    fitted : classifier
        Not trained on these rows.
    X : DataFrame or array
        The held-out rows.
    predictions : DataFrame
        One row each: ``y_true``, ``y_pred`` and, where known, ``probability_<class>`` or
        ``decision``.
    scoring : as check_scoring returns
        Names are scored on `predictions`; callables on ``(fitted, X, y_true)``.
    classes : ndarray
        All classes.
    pos_label : label or None
        Which of two classes is the positive one.

    Returns
    -------
    values : dict of str to float
        NaN where the rows lack a class that the metric needs, or the estimator has neither
        probabilities nor decisions.
    """
    if scoring is None:
        return fold_scores(predictions, classes, pos_label)
    y_true = predictions["y_true"].to_numpy()
    if callable(scoring):
        found = _call(scoring, fitted, X, y_true, classes)
        return found if isinstance(found, dict) else {"score": found}
    remembered = _Remembered(predictions, classes, pos_label)
    return {
        name: remembered.score_by_name(scorer)
        if isinstance(scorer, str)
        else _call(scorer, fitted, X, y_true, classes)
        for name, scorer in scoring.items()
    }


def _call(scorer, fitted, X, y_true, classes):
    try:
        return scorer(fitted, X, y_true)
    except ValueError:
        if _lacks_a_class(y_true, classes):  # many metrics are not defined then
            return np.nan
        raise


def _lacks_a_class(y_true, classes):
    return len(np.unique(y_true)) < len(classes)


def fold_scores(predictions, classes, pos_label=None):
    """Balanced accuracy, area under the ROC curve, precision and recall, by name."""
    pos_label = check_pos_label(pos_label, classes)
    y_true, y_pred = predictions["y_true"].to_numpy(), predictions["y_pred"].to_numpy()
    if _lacks_a_class(y_true, classes):  # a held-out group may
        return dict.fromkeys(METRICS, np.nan)
    average = {"average": "macro"} if pos_label is None else {"pos_label": pos_label}
    return {
        "balanced_accuracy": balanced_accuracy_score(y_true, y_pred),
        "roc_auc": _roc_auc(predictions, y_true, classes, pos_label),
        "precision": precision_score(y_true, y_pred, zero_division=0.0, **average),
        "recall": recall_score(y_true, y_pred, zero_division=0.0, **average),
    }


def _roc_auc(predictions, y_true, classes, pos_label):
    remembered = _Remembered(predictions, classes, pos_label)
    if not remembered.has_probabilities() and not remembered.has_decisions():
        return np.nan
    if pos_label is None:
        probabilities = remembered.predict_proba()
        return roc_auc_score(y_true, probabilities, multi_class="ovr", labels=classes)
    values = (
        remembered.predict_proba()[:, 1]
        if remembered.has_probabilities()
        else remembered.decision_function()
    )
    return roc_auc_score(y_true == pos_label, values)


class _Remembered(ClassifierMixin, BaseEstimator):
    """A classifier that has predicted already, for scikit-learn's scorers.

    Of two classes the positive one is 1 and the other 0: what every scorer takes by default, so
    that "precision" is that of `pos_label` whatever the labels are and however they sort.
    """

    def __init__(self, predictions, classes, pos_label):
        self.predictions = predictions
        self.classes = classes
        self.pos_label = pos_label
        self.classes_ = classes if pos_label is None else np.array([0, 1])

    def __sklearn_is_fitted__(self):
        return True

    def has_probabilities(self):
        return {f"probability_{label}" for label in self.classes} <= set(self.predictions)

    def has_decisions(self):
        return "decision" in self.predictions

    def predict(self, X=None):
        return self._recode("y_pred")

    @available_if(has_probabilities)
    def predict_proba(self, X=None):
        labels = list(self.classes)
        if self.pos_label is not None:
            labels.sort(key=lambda label: label == self.pos_label)
        return self.predictions[[f"probability_{label}" for label in labels]].to_numpy()

    @available_if(has_decisions)
    def decision_function(self, X=None):
        sign = 1 if self.pos_label == self.classes[1] else -1
        return sign * self.predictions["decision"].to_numpy()

    def score_by_name(self, name):
        """Score as scikit-learn's scorer of this name does; NaN where it cannot be."""
        # The share of right answers is the one score that rows of a single class have too.
        if name != "accuracy" and _lacks_a_class(self.predictions["y_true"], self.classes):
            return np.nan
        try:
            return get_scorer(name)(self, self.predictions[[]], self._recode("y_true"))
        except AttributeError:  # the scorer wants probabilities that there are not
            return np.nan

    def _recode(self, name):
        labels = self.predictions[name].to_numpy()
        return labels if self.pos_label is None else (labels == self.pos_label).astype(int)


def score_fold(fitted, held_out, metrics):
    """Metrics of one fold.

    Parameters
    ----------
    fitted : classifier
    held_out : Bunch
        From ``predict_held_out``.
    metrics : dict
        The last arguments of :func:`held_out_scores`: ``scoring``, ``classes``, ``pos_label``.

    Returns
    -------
    scores : DataFrame
        ``held_out`` (names of groups), ``metric`` and ``value``.
    """
    values = held_out_scores(fitted, held_out.X, held_out.predictions, **metrics)
    return pd.DataFrame(
        {
            "held_out": "" if held_out.groups is None else name_groups(held_out.groups),
            "metric": list(values),
            "value": list(values.values()),
        }
    )


def name_groups(groups, most=5):
    names = [str(name) for name in np.unique(groups)]
    more = [f"... ({len(names)} in all)"] if len(names) > most else []
    return ", ".join(names[:most] + more)


def score_groups(fitted, held_out, metrics):
    """Metrics of each group of one fold, and its share of right answers.

    Parameters
    ----------
    fitted, held_out, metrics : as of score_fold

    Returns
    -------
    scores : DataFrame
        ``group``, ``n`` (rows), ``metric`` and ``value``; no rows without groups.
    """
    rows = []
    for group in [] if held_out.groups is None else np.unique(held_out.groups):
        of_group = np.flatnonzero(held_out.groups == group)
        part = held_out.predictions.iloc[of_group]
        values = held_out_scores(fitted, _safe_indexing(held_out.X, of_group), part, **metrics)
        values["accuracy"] = (part["y_true"] == part["y_pred"]).mean()
        rows += [(group, len(part), metric, value) for metric, value in values.items()]
    return pd.DataFrame(rows, columns=["group", "n", "metric", "value"])


def warn_of_missing(scores):
    """Say which metrics no fold defines."""
    defined = scores.groupby(["metric", "estimator"], sort=False)["value"].count()
    missing = defined.index[defined == 0]
    if len(missing):
        found = ", ".join(f"{metric} of {estimator!r}" for metric, estimator in missing)
        warnings.warn(
            f"no fold defines {found}: either the estimator has neither probabilities nor "
            "decisions, or every fold's held-out rows lack a class.",
            stacklevel=3,
        )
