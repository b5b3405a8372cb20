"""Predictions that may say "not sure yet", with a promise that holds."""

from numbers import Real

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import HasMethods, Interval, validate_params
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_cellfate.model_selection._held_out import check_labels
from sklearn_cellfate.table import listing

__all__ = ["predict_or_abstain"]


@validate_params(
    {
        "fitted": [HasMethods("fit")],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "unsure": [str],
    },
    prefer_skip_nested_validation=True,
)
def predict_or_abstain(
    fitted, X_calibration, y_calibration, X, *, confidence_level=0.9, unsure="not sure yet"
):
    """Predict the classes that a cell may have, and one class only where no other is possible.

    Split conformal prediction [1]_ by MAPIE: cells that the classifier has never seen tell how
    improbable a true class may be made to look. The set of classes that are no less probable
    holds the truth for `confidence_level` of all cells like these, however good or bad the
    classifier is; a bad one is often unsure.

    Parameters
    ----------
    fitted : fitted classifier
        With ``predict_proba``; any of this package or a pipeline around it.
    X_calibration : as `fitted` accepts
        Rows that it was not fitted on, at least ``1 / (1 - confidence_level)``.
    y_calibration : array-like of shape (n_calibration,)
        Their classes.
    X : as `fitted` accepts
        Rows to predict.
    confidence_level : float, default=0.9
        Share of cells whose true class is to be in their set, between 0 and 1.
    unsure : str, default="not sure yet"
        What to say where the set does not hold exactly one class; none of the classes.

    Returns
    -------
    predictions : DataFrame
        A row a row of X: ``prediction``, a class or `unsure`, and ``may_be_<class>``, bool, the
        set. A set without any class is a cell unlike those that were calibrated on.

    Raises
    ------
    ImportError
        If MAPIE is not installed.
    ValueError
        If `fitted` has no ``predict_proba``, `unsure` is one of its classes, or there are too few
        calibration rows or unknown classes among them.

    See Also
    --------
    how_early : When calls are precise enough, by thresholds.

    Notes
    -----
    The promise is about all cells together, not about each class or donor: of a rare fate fewer
    may be covered. It holds for cells that come as the calibration cells came; a new donor is no
    such cell where donors differ.

    MAPIE itself takes networks on 2-D arrays with ``image_shape``, and pipelines on tables of one
    image column too, but refuses arrays of images, networks fitted on tables, and tables with
    other columns, so it is given the probabilities.

    References
    ----------
    .. [1] Sadinle, Lei and Wasserman (2019), "Least ambiguous set-valued classifiers with bounded
       error levels", :doi:`10.1080/01621459.2017.1395341`

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_cellfate.model_selection import predict_or_abstain
    >>> X, y = make_classification(600, flip_y=0.25, random_state=0)
    >>> model = LogisticRegression().fit(X[:200], y[:200])
    >>> said = predict_or_abstain(model, X[200:400], y[200:400], X[400:])
    >>> said["prediction"].value_counts()
    prediction
    0               95
    1               87
    not sure yet    18
    Name: count, dtype: int64
    """
    try:
        from mapie.classification import SplitConformalClassifier
    except ImportError as error:
        raise ImportError(
            'predict_or_abstain needs MAPIE: pip install "sklearn-cellfate[conformal]".'
        ) from error
    check_is_fitted(fitted)
    if not hasattr(fitted, "predict_proba"):
        raise ValueError(
            f"predict_or_abstain needs probabilities, which {type(fitted).__name__} does not "
            "give; wrap it in CalibratedClassifierCV."
        )
    if unsure in fitted.classes_.tolist():
        raise ValueError(
            f"unsure={unsure!r} is a class too, so nobody could tell an unsure call from one of "
            f"this class; the classes are {listing(fitted.classes_)}."
        )
    y = check_labels(y_calibration)
    check_consistent_length(X_calibration, y)
    _check_calibration(y, fitted.classes_, confidence_level)
    known = _Probabilities(fitted.classes_)
    conformal = SplitConformalClassifier(known, confidence_level=confidence_level, prefit=True)
    conformal.conformalize(fitted.predict_proba(X_calibration), y)
    _, sets = conformal.predict_set(fitted.predict_proba(X))
    return _describe(sets[:, :, 0], fitted.classes_, unsure, getattr(X, "index", None))


def _check_calibration(y, classes, confidence_level):
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"y_calibration has {listing(unknown)}, but the classifier knows {listing(classes)}."
        )
    needed = int(np.ceil(1 / (1 - confidence_level) - 1e-9))
    if len(y) < needed:
        raise ValueError(
            f"confidence_level={confidence_level} needs at least {needed} calibration rows, found "
            f"{len(y)}."
        )


def _describe(sets, classes, unsure, index):
    is_sure = sets.sum(axis=1) == 1
    prediction = np.where(is_sure, classes.astype(object)[sets.argmax(axis=1)], unsure)
    table = {"prediction": prediction}
    table |= {f"may_be_{label}": held for label, held in zip(classes, sets.T)}
    return pd.DataFrame(table, index=index)


class _Probabilities(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose rows are its probabilities."""

    def __init__(self, classes):
        self.classes = classes
        self.classes_ = np.asarray(classes)
        self.n_features_in_ = len(classes)

    def fit(self, X, y):
        return self

    def predict(self, X):
        return self.classes_[np.argmax(X, axis=1)]

    def predict_proba(self, X):
        return np.asarray(X)
