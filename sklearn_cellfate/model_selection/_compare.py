"""Several estimators on the same folds, compared in pairs."""

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import check_consistent_length

from sklearn_cellfate.model_selection._folds import make_folds
from sklearn_cellfate.model_selection._held_out import (
    check_groups,
    check_labels,
    fit_on,
    number_repeats,
    predict_held_out,
    run_fits,
    takes_groups,
)
from sklearn_cellfate.model_selection._intervals import compare_pairs, summarize
from sklearn_cellfate.model_selection._metrics import (
    check_pos_label,
    check_scoring,
    score_fold,
    score_groups,
    warn_of_missing,
)

__all__ = [
    "check_estimators",
    "compare_estimators",
    "gather",
    "takes_groups",
    "with_labels",
]


def compare_estimators(
    estimators,
    X,
    y,
    *,
    groups=None,
    cv=None,
    scoring=None,
    pos_label=None,
    baseline=None,
    n_jobs=None,
    random_state=None,
    verbose=0,
):
    """Cross-validate several classifiers on the same folds and compare each with a baseline.

    Nothing is learned from rows that are scored: each fold clones and fits every estimator on the
    training rows alone, and folds keep groups whole unless `cv` is one that does not.

    Parameters
    ----------
    estimators : dict of str to classifier
        By name.
    X : DataFrame or array-like of shape (n, ...)
        Whatever the estimators accept.
    y : array-like of shape (n,)
        Classes.
    groups : array-like of shape (n,), default=None
        Donor, clone, field ... of each row. A group is on one side of each split,
        unless `cv` is a splitter or iterable that breaks groups up, which is warned of.
        They are handed on to searches (for inner folds), to estimators whose ``fit`` takes
        ``groups``, and with metadata routing to whatever asks for them.
    cv : int, cross-validation splitter or iterable, default=None
        By default each group is held out once where there are at most ten and each has every
        class; else five stratified folds of groups, or of rows without groups. Repeated splitters
        are welcome.
    scoring : str, callable, list of str or dict, default=None
        Metrics as in :func:`~sklearn.model_selection.cross_validate`. By default balanced
        accuracy, area under the ROC curve, precision and recall. Metrics named by a string are
        those of `pos_label`; a callable gets the labels as they are, and a single one that
        returns a number is named ``"score"``.
    pos_label : label, default=None
        Of two classes, the one whose precision, recall, F1 ... is meant; ``classes[1]`` by
        default. Precision and recall of more classes are macro averages, their area
        one-vs-rest.
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
            A row an estimator, fold and metric: ``repeat`` (of a repeated splitter, from 0),
            ``value``, ``held_out`` (five of the fold's groups at most), ``n_train``, ``n_test``,
            ``fit_time`` and ``score_time`` (s). The metrics of a fold whose held-out rows lack a
            class are NaN, all but accuracy.
        summary : DataFrame
            ``mean`` and standard deviation ``sd`` over folds, number of ``folds`` that define the
            metric, and the 95 % interval of the mean from ``low`` to ``high`` [1]_, a row an
            estimator and metric.
        differences : DataFrame
            ``mean`` paired difference to the baseline with its interval [1]_, a row an estimator
            and metric.
        by_group : DataFrame
            A row an estimator, group and metric: ``value`` on the held-out rows of the group
            alone and their number ``n``. ``accuracy`` is always among the metrics, as groups of
            one class have no other. Without groups there are no rows.
        predictions : DataFrame
            Every row while held out: ``estimator``, ``fold``, ``repeat``, ``row`` (position in
            X), ``y_true``, ``y_pred`` and ``probability_<class>`` or, of estimators without
            probabilities, ``decision`` (positive for ``classes[1]``).
        estimators : dict of str to list
            The fitted estimators, one a fold.
        folds : list of (train, test)
            Row numbers of each fold.
        classes : ndarray
            Classes, in the order of the probabilities.
        pos_label : label
            None for more than two classes.
        baseline : str
            Name of the estimator that the others are compared with.

    Raises
    ------
    ValueError
        If labels are missing, there is one class only, a fold would train without a class, or
        `scoring`, `pos_label` or `baseline` is not among what there is.

    Warns
    -----
    UserWarning
        If an estimator has neither probabilities nor decisions for a metric that needs them;
        the metric is NaN. If folds of `cv` have a group on both sides.

    Notes
    -----
    The intervals are t intervals whose variance is enlarged by ``n_test / n_train``, as training
    sets overlap [1]_; with repeats, all folds of all repeats count [2]_. They are honest only
    about the rows at hand: four donors remain four donors.

    References
    ----------
    .. [1] Nadeau and Bengio (2003), "Inference for the generalization error",
       :doi:`10.1023/A:1024068626366`
    .. [2] Bouckaert and Frank (2004), "Evaluating the replicability of significance tests for
       comparing learning algorithms", :doi:`10.1007/978-3-540-24775-3_3`

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
    >>> from sklearn.model_selection import RepeatedStratifiedKFold
    >>> cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    >>> comparison = compare_estimators(models, X, y, cv=cv, scoring=["f1", "accuracy"])
    >>> comparison.scores["repeat"].max(), sorted(comparison.scores["metric"].unique())
    (np.int64(1), ['accuracy', 'f1'])
    """
    y, groups = check_labels(y), check_groups(groups)
    check_consistent_length(X, y, groups)
    baseline = check_estimators(estimators, baseline)
    scoring = check_scoring(scoring)
    folds = make_folds(y, groups, cv, random_state)
    classes = np.unique(y)
    metrics = {
        "scoring": scoring,
        "classes": classes,
        "pos_label": check_pos_label(pos_label, classes),
    }
    fits = [
        delayed(_fit_and_score)(
            {"estimator": name, "fold": number, "repeat": repeat},
            estimator,
            (X, y, groups),
            fold,
            metrics,
        )
        for name, estimator in estimators.items()
        for number, (fold, repeat) in enumerate(zip(folds, number_repeats(folds)))
    ]
    results = run_fits(fits, n_jobs, verbose)
    scores, predictions = gather(results, "scores"), gather(results, "predictions")
    warn_of_missing(scores)
    return Bunch(
        scores=scores,
        summary=summarize(scores, ["estimator", "metric"]),
        differences=compare_pairs(scores, baseline, ["metric"]),
        by_group=_over_folds(gather(results, "by_group"), predictions, groups),
        predictions=predictions,
        estimators={
            name: [result.fitted for result in results if result.name == name]
            for name in estimators
        },
        folds=folds,
        classes=classes,
        pos_label=metrics["pos_label"],
        baseline=baseline,
    )


def check_estimators(estimators, baseline):
    """Return the name of the estimator that the others are compared with, the first by default."""
    if not isinstance(estimators, dict) or not estimators:
        raise ValueError(
            f"estimators must be a dict of classifiers by name, found {estimators!r}."
        )
    baseline = next(iter(estimators)) if baseline is None else baseline
    if baseline not in estimators:
        raise ValueError(f"baseline={baseline!r} is none of the estimators: {list(estimators)}.")
    return baseline


def with_labels(table, labels):
    """Put constant columns in front."""
    return table.assign(**labels)[[*labels, *table.columns]]


def gather(results, name):
    """One table of what each fit has under a name."""
    return pd.concat([result[name] for result in results], ignore_index=True)


def _fit_and_score(labels, estimator, data, fold, metrics):
    X, y, groups = data
    train, test = fold
    fitted, fit_time = fit_on(estimator, X, y, groups, train)
    held_out = predict_held_out(fitted, X, y, groups, test)
    scores = score_fold(fitted, held_out, metrics).assign(
        n_train=len(train), n_test=len(test), fit_time=fit_time, score_time=held_out.score_time
    )
    return Bunch(
        name=labels["estimator"],
        fitted=fitted,
        predictions=with_labels(held_out.predictions, labels),
        scores=with_labels(scores, labels),
        by_group=with_labels(score_groups(fitted, held_out, metrics), labels),
    )


def _over_folds(of_folds, predictions, groups):
    """Mean over the folds that define a group's metric, each weighted by its rows."""
    keys = ["estimator", "group", "metric"]
    if not len(of_folds):
        return pd.DataFrame(columns=[*keys, "value", "n"])
    defined = of_folds["n"].where(of_folds["value"].notna(), 0)
    sums = of_folds.assign(total=of_folds["value"] * of_folds["n"], weight=defined)
    sums = sums.groupby(keys, sort=False)[["total", "weight"]].sum()
    of_group = (sums["total"] / sums["weight"].where(sums["weight"] > 0)).rename("value")
    rows = pd.Series(groups[predictions["row"].unique()]).value_counts().rename("n")
    return of_group.reset_index().join(rows, on="group")
