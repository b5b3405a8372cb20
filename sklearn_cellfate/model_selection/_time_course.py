"""How well the fate can be told at each time of a life."""

import warnings

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import check_consistent_length

from sklearn_cellfate.model_selection._compare import check_estimators, gather, with_labels
from sklearn_cellfate.model_selection._folds import make_folds
from sklearn_cellfate.model_selection._held_out import (
    check_groups,
    check_labels,
    fit_clone,
    number_repeats,
    predict_held_out,
    run_fits,
)
from sklearn_cellfate.model_selection._intervals import compare_pairs, summarize
from sklearn_cellfate.model_selection._metrics import (
    check_pos_label,
    check_scoring,
    score_fold,
    warn_of_missing,
)
from sklearn_cellfate.model_selection._moments import see_at_times
from sklearn_cellfate.table import listing

__all__ = ["time_course"]


def time_course(
    estimator,
    X,
    y,
    *,
    times=11,
    unit="relative",
    frame_interval=None,
    frames=None,
    models="per_time",
    groups=None,
    cv=None,
    scoring=None,
    pos_label=None,
    baseline=None,
    n_jobs=None,
    random_state=None,
    verbose=0,
):
    """Cross-validate a classifier of images at each time of the cells' lives.

    Each row of X is a life; at each time the estimator gets a table with the same columns, in
    which each movie column holds the one image of that time and each column of lists its one
    number. All times share the same folds, so a cell that is held out is held out at all times.

    Parameters
    ----------
    estimator : classifier or dict of str to classifier
        What predicts the fate from a table of images; several by name, such as a network and a
        baseline beside it.
    X : DataFrame
        The cell table, with at least one movie column or column of lists of numbers.
    y : array-like of shape (n,)
        Fates.
    times : int or array-like of float, default=11
        How many times, evenly spaced, or which: fractions from 0 to 1 for relative time, else
        frames or hours since each cell's first frame.
    unit : {"relative", "frames", "hours"}, default="relative"
        ``"relative"`` is the share of the life that has passed, by
        :class:`~sklearn_cellfate.preprocessing.RelativeTimeSampler`. In frames or hours a cell is
        seen as it last was by then; cells whose movie has ended are left out and counted.
    frame_interval : float, default=None
        Hours between two frames, for ``unit="hours"``.
    frames : str, default=None
        Column with the list of each row's frame numbers, where tracks have gaps.
    models : {"per_time", "shared"}, default="per_time"
        ``"per_time"`` fits a model at each time; ``"shared"`` one model for all, on the training
        cells at all times together.
    groups : array-like of shape (n,), default=None
        Donor, clone, field ... of each cell. A group is on one side of each split,
        unless `cv` is a splitter or iterable that breaks groups up, which is warned of.
    cv, scoring, pos_label, baseline, n_jobs, random_state, verbose : optional
        As of :func:`compare_estimators`.

    Returns
    -------
    course : Bunch
        scores : DataFrame
            A row an estimator, ``time``, fold and metric, as of :func:`compare_estimators`. A
            fold that would train without a class at a time, or score no cell, has none.
        summary : DataFrame
            ``mean``, ``sd``, ``folds`` and the corrected 95 % interval from ``low`` to ``high``
            over folds, a row an estimator, time and metric.
        differences : DataFrame
            The same of paired differences to the baseline: ``mean``, ``low``, ``high``.
        counts : DataFrame
            A row a time: ``n`` cells still observed, ``n_ended`` whose movie is shorter, and
            ``n_<class>`` of each class among the former.
        predictions : DataFrame
            Every cell at every time while held out: ``estimator``, ``time``, ``fold``,
            ``repeat``, ``row``, ``y_true``, ``y_pred`` and ``probability_<class>``.
        times : ndarray of shape (n_times,)
            In `unit`.
        unit, models, baseline : str
            As asked for.
        classes : ndarray
            Classes, in the order of the probabilities.
        pos_label : label
            The class of precision, recall and their like, where there are two.
        folds : list of (train, test)
            Row numbers of each fold.
        y, groups : ndarray
            Of all rows.

    Raises
    ------
    ValueError
        If X has no movies or a row no frame, labels are missing, times lie outside of what there
        is, or no fold can be trained and scored at any time.

    Warns
    -----
    UserWarning
        If at some time no fold has every class to train on and a cell to score.

    See Also
    --------
    how_early : The first time at which the calls are good enough.
    sklearn_cellfate.inspection.TimeCourseDisplay : Draws the course.

    Notes
    -----
    Relative time is known only afterwards: at 50 % of its life nobody knows yet when a cell will
    divide. Scores against relative time say when in a life the fate shows, scores in hours how
    well cells can be called while they live. In hours, cells that divide or die early fall out, so
    that later times are about those that are left.

    ``"shared"`` trains on each cell several times. A search or an estimator that takes ``groups``
    is handed the number of the cell as group where there are no others, to keep a cell on one
    side of its own splits.

    References
    ----------
    Nadeau and Bengio (2003), "Inference for the generalization error",
    :doi:`10.1023/A:1024068626366`

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_cellfate.datasets import make_cell_movies
    >>> from sklearn_cellfate.feature_extraction import IntensityStatistics
    >>> from sklearn_cellfate.model_selection import time_course
    >>> cells = make_cell_movies(90, max_frames=12, fate_fraction=0.4, random_state=0).frame
    >>> model = make_pipeline(IntensityStatistics(), StandardScaler(), LogisticRegression())
    >>> course = time_course(
    ...     model, cells, cells["fate"], groups=cells["replicate"], times=[0, 1]
    ... )
    >>> means = course.summary["mean"].unstack("metric")["roc_auc"]
    >>> bool(means["estimator", 1.0] > means["estimator", 0.0])  # mitosis is easy to see
    True
    """
    estimators = estimator if isinstance(estimator, dict) else {"estimator": estimator}
    baseline = check_estimators(estimators, baseline)
    if models not in ("per_time", "shared"):
        raise ValueError(f'models must be "per_time" or "shared", found {models!r}.')
    y, groups = check_labels(y), check_groups(groups)
    check_consistent_length(X, y, groups)
    moments = see_at_times(X, times, unit, frame_interval, frames)
    folds = make_folds(y, groups, cv, random_state)
    classes = np.unique(y)
    metrics = {
        "scoring": check_scoring(scoring),
        "classes": classes,
        "pos_label": check_pos_label(pos_label, classes),
    }
    counts = _count(moments, y, classes)
    together = _plan(moments, y, folds, models, len(classes))
    # One cell seen at several times stays on one side of a search's own splits.
    kept_whole = np.arange(len(y)) if groups is None and models == "shared" else groups
    fits = [
        delayed(_fit_and_score)(
            {"estimator": name, **labels}, one, views, y, kept_whole, groups, metrics
        )
        for name, one in estimators.items()
        for labels, views in together
    ]
    if not fits:
        raise ValueError(
            "no fold has every class to train on and a cell to score at any of the times "
            f"{listing(moments.times)} ({unit}); the longest movies may be of one class only."
        )
    results = [of_time for of_fit in run_fits(fits, n_jobs, verbose) for of_time in of_fit]
    scores = gather(results, "scores").sort_values("time", kind="stable", ignore_index=True)
    predictions = gather(results, "predictions")
    _warn_of_times(scores, moments.times, unit)
    warn_of_missing(scores)
    return Bunch(
        scores=scores,
        summary=summarize(scores, ["estimator", "time", "metric"]),
        differences=compare_pairs(scores, baseline, ["time", "metric"]),
        counts=counts,
        predictions=predictions.sort_values("time", kind="stable", ignore_index=True),
        times=moments.times,
        unit=unit,
        models=models,
        baseline=baseline,
        classes=classes,
        pos_label=metrics["pos_label"],
        folds=folds,
        y=y,
        groups=groups,
    )


def _plan(moments, y, folds, models, n_classes):
    """List what is fitted together: the fold, and at which times on which rows."""
    plan = []
    for number, (fold, repeat) in enumerate(zip(folds, number_repeats(folds))):
        views = [
            (time, table, *(rows[here[rows]] for rows in fold))
            for time, table, here in zip(moments.times, moments.tables, moments.present)
        ]
        labels = {"fold": number, "repeat": repeat}
        parts = [views] if models == "shared" else [[view] for view in views]
        plan += [
            (labels, part)
            for part in parts
            if len(np.unique(y[_trained_on(part)])) == n_classes and any(len(v[3]) for v in part)
        ]
    return plan


def _trained_on(views):
    return np.concatenate([train for _, _, train, _ in views])


def _fit_and_score(labels, estimator, views, y, kept_whole, groups, metrics):
    """Fit one model on the training rows of all views, and score each view."""
    rows = _trained_on(views)
    X_train = pd.concat([table.iloc[train] for _, table, train, _ in views])
    trained_on = None if kept_whole is None else kept_whole[rows]
    fitted, fit_time = fit_clone(estimator, X_train, y[rows], trained_on)
    results = []
    for time, table, _, test in views:
        if not len(test):
            continue
        held_out = predict_held_out(fitted, table, y, groups, test)
        of_time = {"estimator": labels["estimator"], "time": time} | labels
        scores = score_fold(fitted, held_out, metrics).assign(
            n_train=len(rows),
            n_test=len(test),
            fit_time=fit_time,
            score_time=held_out.score_time,
        )
        results.append(
            Bunch(
                scores=with_labels(scores, of_time),
                predictions=with_labels(held_out.predictions, of_time),
            )
        )
    return results


def _count(moments, y, classes):
    counts = {"n": moments.present.sum(axis=1), "n_ended": (~moments.present).sum(axis=1)}
    counts |= {f"n_{label}": moments.present[:, y == label].sum(axis=1) for label in classes}
    return pd.DataFrame(counts, index=pd.Index(moments.times, name="time"))


def _warn_of_times(scores, times, unit):
    defined = scores.dropna(subset="value")["time"].unique()
    missing = np.setdiff1d(times, defined)
    if len(missing):
        warnings.warn(
            f"at {len(missing)} of {len(times)} times ({listing(missing)}, {unit}) no fold has "
            "every class to train on and to score; see counts.",
            stacklevel=3,
        )
