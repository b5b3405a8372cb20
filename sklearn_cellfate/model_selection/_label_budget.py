"""How many labelled cells are enough."""

from numbers import Integral

import numpy as np
from sklearn.utils import Bunch

from sklearn_cellfate.model_selection._study import Fit, Study, seeded
from sklearn_cellfate.table import listing

__all__ = ["label_budget"]


def label_budget(
    estimator,
    X,
    y,
    *,
    sizes=None,
    n_repeats=5,
    groups=None,
    cv=None,
    scoring="balanced_accuracy",
    n_jobs=None,
    memory=None,
    verbose=0,
    random_state=None,
):
    """Score an estimator by the number of labelled cells that it learns from.

    From the training side of each fold, labelled cells are drawn with the classes in the shares
    they have there; every size is scored on the same held-out rows, which are never drawn from.
    Draws of one repeat are nested: the larger ones hold the smaller ones, as when a lab goes on
    labelling.

    Parameters
    ----------
    estimator : classifier
        Any; cloned for each fit.
    X : DataFrame or array-like of shape (n, ...)
        Whatever the estimator accepts.
    y : array-like of shape (n,)
        Classes.
    sizes : sequence of int, default=None
        Numbers of labelled cells. By default six, each twice the one before, up to the smallest
        training side, from two cells a class on.
    n_repeats : int, default=5
        Draws from each fold's training side.
    groups : array-like of shape (n,), default=None
        Donor, clone, field ... of each row. A group is on one side of each split,
        unless `cv` is a splitter or iterable that breaks groups up, which is warned of.
    cv : int, cross-validation splitter or iterable, default=None
        See :func:`~sklearn_cellfate.model_selection.make_folds`.
    scoring : str, callable, list of str or dict, default="balanced_accuracy"
        Metrics, see :func:`sklearn.metrics.check_scoring`.
    n_jobs : int, default=None
        Fits that run at once, see :class:`joblib.Parallel`. Under
        ``joblib.parallel_config("dask")`` they run on a Dask cluster.
    memory : str, path or joblib.Memory, default=None
        Folder in which finished fits are kept. A run that was stopped and is started again with
        the same arguments goes on where it was. Workers on other machines must see the folder.
    verbose : int, default=0
        1 shows a progress bar over fits.
    random_state : int, default=None
        Seed of folds, draws and models: each repeat sets every ``random_state`` of the
        estimator, whatever it was.

    Returns
    -------
    budget : Bunch
        scores : DataFrame
            A row a fit and metric: ``size``, ``fold``, ``repeat``, ``held_out`` (groups),
            ``metric``, ``value``, ``n_train``, ``n_test``, ``fit_time`` and ``score_time`` (s).
            NaN where the held-out rows lack a class.
        summary : DataFrame
            By size and metric: mean over folds (of the means over repeats), standard deviation
            over folds and the corrected 95 % interval [1]_ of the mean, ``low`` to ``high``.
        differences : DataFrame
            By size and metric: mean paired difference to the largest size, with its interval.
        sizes : list of int
            Numbers of labelled cells that were tried.
        folds : list of (train, test)
            Row numbers of each fold.
        classes : ndarray
            Classes, in the order of the probabilities.

    Raises
    ------
    ValueError
        If a size exceeds a fold's training side or has no room for every class, labels are
        missing, a fold would train without a class, or no fold can be scored.

    References
    ----------
    .. [1] Nadeau and Bengio (2003), Inference for the generalization error,
       doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_cellfate.model_selection import label_budget
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> budget = label_budget(GaussianNB(), X, y, sizes=[10, 400], random_state=0)
    >>> budget.summary["mean"].round(2)
    size  metric
    10    balanced_accuracy    0.90
    400   balanced_accuracy    0.93
    Name: mean, dtype: float64
    """
    study = Study(
        X,
        y,
        groups=groups,
        cv=cv,
        scoring=scoring,
        n_jobs=n_jobs,
        memory=memory,
        verbose=verbose,
        random_state=random_state,
    )
    sizes = _check_sizes(sizes, min(len(train) for train, _ in study.folds), study.classes)
    plan = []
    for repeat, seed in enumerate(study.seeds(n_repeats)):
        for fold, (train, test) in enumerate(study.folds):
            order = _draw(study.y[train], np.random.default_rng([seed, fold]))
            for size in sizes:
                labels = {"size": size, "fold": fold, "repeat": repeat}
                drawn = train[order[:size]]
                plan.append(Fit(labels, seeded(estimator, seed), drawn, test))
    scores, _ = study.run(plan)
    scores = scores.sort_values(["size", "fold", "repeat"], kind="stable", ignore_index=True)
    return Bunch(
        scores=scores,
        summary=study.summarize(scores, "size"),
        differences=study.compare_with(sizes[-1], scores, "size"),
        sizes=sizes,
        folds=study.folds,
        classes=study.classes,
    )


def _draw(y, rng):
    """Order rows at random so that any first `k` of them hold the classes in their shares."""
    place = np.empty(len(y))
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
        place[rows[0]] = 0  # no class may be left out
    return np.argsort(place, kind="stable")


def _check_sizes(sizes, most, classes):
    if sizes is None:
        fewest = 2 * len(classes)
        if most < fewest:
            raise ValueError(
                f"a fold has only {most} labelled cells to draw from, but the default sizes need "
                f"{fewest}, two for each of the {len(classes)} classes; name sizes, or label more."
            )
        sizes = [most // 2**halvings for halvings in range(5, -1, -1)]
        return [size for size in sizes if size >= fewest]
    found, sizes = sizes, list(sizes) if np.iterable(sizes) else []
    if not sizes or not all(isinstance(size, Integral) for size in sizes):
        raise ValueError(f"sizes must be whole numbers of cells, found {found!r}.")
    if sorted(set(sizes)) != sizes:
        raise ValueError(f"sizes must rise from each to the next, found {listing(sizes)}.")
    if sizes[0] < len(classes):
        raise ValueError(
            f"sizes asks for {sizes[0]} labelled cells, which cannot hold each of the "
            f"{len(classes)} classes {listing(classes)}."
        )
    if sizes[-1] > most:
        raise ValueError(
            f"sizes asks for {sizes[-1]} labelled cells, but a fold has only {most} to draw from."
        )
    return [int(size) for size in sizes]
