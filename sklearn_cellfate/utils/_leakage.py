"""check_no_leakage: whether anything of held-out rows reaches what is fitted or predicted."""

from collections.abc import Callable
from typing import Any

import joblib
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sklearn_cellfate.utils._trial import Trial

__all__ = ["LeakageError", "check_no_leakage"]


class LeakageError(AssertionError):
    """Held-out rows reach what is fitted, or what other rows are predicted to be.

    Parameters
    ----------
    report : DataFrame
        As :func:`check_no_leakage` returns it; kept as an attribute.
    """

    def __init__(self, report):
        failed = report.loc[report["passed"].eq(False), "finding"]
        super().__init__("; ".join(f"{check}: {finding}" for check, finding in failed.items()))
        self.report = report


def check_no_leakage(
    estimator: BaseEstimator | Callable,
    X: Any,
    y: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    *,
    test: ArrayLike | None = None,
    tolerance: float = 1e-6,
    random_state: int = 0,
) -> pd.DataFrame:
    """Prove that held-out rows do not reach what is fitted on the others.

    Fits on some of the rows and predicts the rest, over and over, each time with other pixels,
    labels or groups in rows that are held out. Whatever changes in a result, though its own row
    did not, has leaked.

    Parameters
    ----------
    estimator : estimator or callable
        A classifier, regressor, transformer or pipeline; it is cloned. Or your whole procedure,
        ``estimator(X, y, groups, train, test)``, which returns the predictions of the rows
        `test`: an array or data frame with a row each. Only so can what you do before the split
        be checked, such as a normalisation or a selection of features.
    X : DataFrame or array-like of shape (n, ...)
        Whatever the estimator accepts. A hundred rows will do.
    y : array-like of shape (n,), default=None
        Labels or numbers to predict.
    groups : array-like of shape (n,), default=None
        Donor, clone, field ... of each row: then splits of the training rows, for early stopping
        or a search, must keep groups whole, too.
    test : array-like of int or bool, default=None
        Positions of the rows to hold out, at least two, or a mask that is true for them; by
        default about a third, whole groups.
    tolerance : float, default=1e-6
        Differences of results up to this share of the largest are rounding.
    random_state : int, default=0
        Seed of the held-out rows, and of the estimator where its own ``random_state`` is None.

    Returns
    -------
    report : DataFrame
        A row a check: whether it ``passed`` (missing where it does not apply), and the
        ``finding`` in words. The checks are

        - ``parameters``: no parameter of the estimator holds rows that are held out.
        - ``labels``: with other labels for the held-out rows, all predictions stay.
        - ``groups``: the same for their groups.
        - ``rows``: with other pixels and values in half of the held-out rows, the predictions of
          the other half stay.
        - ``companions``: a row is predicted alike in whatever company.
        - ``earlier fit``: an estimator that was fitted on other rows before forgets them.
        - ``internal validation``: splits of the training rows keep groups whole.

    Raises
    ------
    LeakageError
        If a check fails, with the findings. It is an AssertionError, so that a test can simply
        call this function.
    ValueError
        If nothing can be said: two runs on the same rows differ, or results do not depend on the
        rows at all.

    Notes
    -----
    What is altered is altered grossly: rows swap contents, and numbers become three times as
    large, or 64 times smaller; and held-out rows get the content of training rows, so that what
    is extreme in them alone vanishes. So a maximum or minimum over all rows gives itself away,
    unless it can never differ between training and held-out rows: with 0 and 255 in the training
    rows of 8-bit images, neither is moved by any other row. What no such test can see:

    - what happened before X was handed over (normalisation, feature selection, choosing the
      architecture by the test score);
    - splits that a model makes by its own random numbers instead of scikit-learn's splitters,
      or by a list of indices, which may break groups unseen;
    - a column of X that tells the label, or groups that are finer than what rows share (two
      fields of one well);
    - parameters that hold held-out rows in another form, say scaled.

    References
    ----------
    Kapoor and Narayanan (2023), Leakage and the reproducibility crisis in machine-learning-based
    science, doi:10.1016/j.patter.2023.100804.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_cellfate.feature_extraction import PixelFeatures
    >>> from sklearn_cellfate.preprocessing import IntensityScaler
    >>> from sklearn_cellfate.utils import check_no_leakage
    >>> rng = np.random.default_rng(0)
    >>> images, fate = rng.random((30, 8, 8)), np.array(["dies", "divides"] * 15)
    >>> model = make_pipeline(IntensityScaler(), PixelFeatures(), LogisticRegression())
    >>> report = check_no_leakage(model, images, fate)
    >>> report["passed"].to_dict()
    {'parameters': True, 'labels': True, 'groups': None, 'rows': True, 'companions': True, \
'earlier fit': True, 'internal validation': None}

    The published normalisation, by the brightest pixel of all images, is caught:

    >>> def procedure(X, y, groups, train, test):
    ...     X = X / X.max()
    ...     unscaled = model[1:]
    ...     return unscaled.fit(X[train], y[train]).predict_proba(X[test])
    >>> check_no_leakage(procedure, images, fate)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    sklearn_cellfate.utils._leakage.LeakageError: rows: other pixels in held-out rows change ...
    """
    trial = Trial.of(estimator, X, y, groups, test, tolerance, random_state)
    checks = {
        "parameters": trial.check_parameters,
        "labels": trial.check_labels,
        "groups": trial.check_groups,
        "rows": trial.check_rows,
        "companions": trial.check_companions,
        "earlier fit": trial.check_earlier_fit,
        "internal validation": trial.check_internal_validation,
    }
    # Another process would split rows unseen, and threads share torch's random numbers.
    with joblib.parallel_config("sequential"):
        trial.run_as_it_is()
        findings = {name: check() for name, check in checks.items()}
    report = pd.DataFrame.from_dict(findings, orient="index", columns=["passed", "finding"])
    report["passed"] = report["passed"].astype("boolean")
    report.index.name = "check"
    if report["passed"].eq(False).any():
        raise LeakageError(report)
    return report
