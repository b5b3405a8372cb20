"""Which inputs of a pipeline count: the images, or some measured feature."""

from numbers import Integral

import numpy as np
import pandas as pd
import sklearn
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_cellfate.model_selection import make_folds
from sklearn_cellfate.model_selection._held_out import (
    check_groups,
    check_labels,
    fit_on,
    run_fits,
    takes_groups,
)
from sklearn_cellfate.model_selection._intervals import summarize
from sklearn_cellfate.model_selection._metrics import name_groups
from sklearn_cellfate.table import listing

__all__ = ["block_importance"]


@validate_params(
    {
        "scoring": [StrOptions(set(get_scorer_names())), callable],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def block_importance(
    estimator,
    X,
    y,
    *,
    blocks=None,
    groups=None,
    cv=None,
    scoring="roc_auc_ovr",
    n_repeats=10,
    n_jobs=None,
    random_state=None,
    verbose=0,
):
    """Measure how much worse held-out rows are predicted when a block of columns is shuffled.

    A block is a column, or several that belong together. All its values are moved from row to row
    at once, an image with all its pixels, so that the block still looks right but tells nothing
    of its row. What the score loses is its importance to the model. The model is fitted on the
    training rows of a fold, and scored and shuffled on the held-out rows alone.

    Parameters
    ----------
    estimator : classifier or list of fitted classifiers
        Takes `X`, as ``"images + features"`` of
        :func:`~sklearn_cellfate.model_selection.make_modality_pipelines` does. It is cloned and
        fitted for each fold. To spare these fits, give the classifiers that were fitted on the
        training rows of the folds `cv`, one a fold, such as
        ``comparison.estimators["images + features"]`` with ``cv=comparison.folds`` of
        :func:`~sklearn_cellfate.model_selection.compare_modalities`.
    X : DataFrame of shape (n, n_columns)
        The cell table. Columns that the estimator does not use have importance 0.
    y : array-like of shape (n,)
        Classes.
    blocks : dict of str to list of str, default=None
        Columns of each block, by a name of your choice. Only these blocks are shuffled; columns
        may stand in several. By default every column of `X` is a block: an image with all its
        pixels, each feature by itself.
    groups : array-like of shape (n,), default=None
        Donor, clone, field ... of each row; a group is never trained on and scored in the same
        fold. They reach estimators that ask for them, as in ``compare_modalities``. Rows are
        shuffled across the groups of a fold.
    cv : int, cross-validation splitter or iterable, default=None
        As of :func:`~sklearn_cellfate.model_selection.make_folds`.
    scoring : str or callable, default="roc_auc_ovr"
        Name of a scikit-learn score or a scorer, greater is better. The default is the area under
        the ROC curve, averaged over classes for three or more.
    n_repeats : int, default=10
        How often each block is shuffled in each fold.
    n_jobs : int, default=None
        Folds that run at once, see :class:`joblib.Parallel`.
    random_state : int, default=None
        Seed of folds and of the shuffling; that of the estimator is its own.
    verbose : int, default=0
        1 shows a progress bar over folds.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        summary : DataFrame
            A row a block: ``mean`` importance over folds, ``sd`` over folds, a 95 % interval from
            ``low`` to ``high``, corrected for the overlap of training sets, and the number of
            ``folds``. In the unit of the score.
        importances : DataFrame
            A row a fold, repeat and block: ``importance``, score before minus score after.
        scores : DataFrame
            A row a fold: ``held_out`` (five of the fold's groups at most), ``n_train``,
            ``n_test`` and ``score`` of the rows as they are, NaN where a class is lacking.
        blocks : dict of str to list of str
            Columns of each block.
        scoring : str
            Name of the score.

    Raises
    ------
    ValueError
        If a block names a column that `X` lacks, rows have no label, there is one group only, or
        no fold can be scored.
    NotFittedError
        If `estimator` is a list, and one of it is not fitted.

    See Also
    --------
    sklearn_cellfate.model_selection.compare_modalities : Fits with and without the images, which
        asks a different question.
    sklearn.inspection.permutation_importance : Column by column, for one fitted estimator.

    Notes
    -----
    This is what the fitted model goes by, not what could be known. Where blocks say the same (the
    area of a nucleus can be seen in its image), a model spreads its trust over both: shuffle one,
    and the other makes up for it, so both look dispensable, and shuffled rows combine images and
    features that no cell has. Shuffle such blocks together, ``blocks={"size": ["area",
    "perimeter"], "all features": [...]}``, and ask ``compare_modalities`` what a model loses that
    never had them. An importance below 0 says that the block has misled the model on rows it had
    not seen.

    Folds whose held-out rows lack a class are left out: where all rows are of one class, an image
    of another row is as good as their own, whatever the score. With clones that have one class
    each, hold out several at once (``cv=2`` or ``cv=3``).

    References
    ----------
    Breiman (2001), Random forests, doi:10.1023/A:1010933404324, for the shuffling;
    Nadeau and Bengio (2003), doi:10.1023/A:1024068626366, for the interval.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_cellfate import image_column
    >>> from sklearn_cellfate.feature_extraction import IntensityStatistics
    >>> from sklearn_cellfate.inspection import block_importance
    >>> from sklearn_cellfate.model_selection import make_modality_pipelines
    >>> rng = np.random.default_rng(0)
    >>> images, fate = rng.random((60, 8, 8)), np.tile([0, 1], 30)
    >>> images[fate == 1] += 0.1  # the class shows in the brightness, not in the area
    >>> cells = pd.DataFrame({"area": rng.random(60), "image": image_column(images)})
    >>> pipelines = make_modality_pipelines("image", ["area"], autoencoder=IntensityStatistics())
    >>> model = pipelines["images + features"]
    >>> result = block_importance(model, cells, fate, n_repeats=3, random_state=0)
    >>> (result.summary["mean"] > 0.2).to_dict()
    {'area': False, 'image': True}
    """
    blocks = _check_blocks(X, blocks)
    y, groups = check_labels(y), check_groups(groups)
    check_consistent_length(X, y, groups)
    folds = make_folds(y, groups, cv, random_state)
    estimators = _one_a_fold(estimator, folds)
    scorable = _scorable(folds, y)
    seeds = np.random.SeedSequence(random_state).spawn(len(folds))
    fits = [
        delayed(_shuffle_fold)(
            estimators[fold], X, y, groups, folds[fold], blocks, scoring, n_repeats, seeds[fold]
        )
        for fold in scorable
    ]
    results = dict(zip(scorable, run_fits(fits, n_jobs, verbose)))
    scores = _describe(folds, groups, {fold: score for fold, (score, _) in results.items()})
    parts = [losses.assign(fold=fold) for fold, (_, losses) in results.items()]
    importances = pd.concat(parts, ignore_index=True)
    importances = importances[["fold", "repeat", "block", "importance"]]
    return Bunch(
        summary=_summarize(importances, scores),
        importances=importances,
        scores=scores,
        blocks=blocks,
        scoring=scoring if isinstance(scoring, str) else "score",
    )


def _check_blocks(X, blocks):
    if not isinstance(X, pd.DataFrame):
        raise ValueError(
            f"X must be a DataFrame, whose columns are named; found {type(X).__name__}."
        )
    if not X.columns.is_unique:
        twice = X.columns[X.columns.duplicated()]
        raise ValueError(f"X has several columns of the same name: {listing(twice.unique())}.")
    if blocks is None:
        return {name: [name] for name in X.columns}
    if not isinstance(blocks, dict) or not blocks:
        raise ValueError(f"blocks must be a dict of lists of columns, found {blocks!r}.")
    for block, names in blocks.items():
        if isinstance(names, str) or not len(names):
            raise ValueError(f"block {block!r} must be a list of columns, found {names!r}.")
        unknown = [name for name in names if name not in X.columns]
        if unknown:
            raise ValueError(
                f"block {block!r} names {listing(unknown)}, no column of X, which has "
                f"{listing(X.columns)}."
            )
    return {block: list(names) for block, names in blocks.items()}


def _one_a_fold(estimator, folds):
    """Return ``(estimator, is_fitted)`` for each fold."""
    if not isinstance(estimator, list | tuple):
        return [(estimator, False)] * len(folds)
    if len(estimator) != len(folds):
        raise ValueError(
            f"{len(estimator)} fitted estimators were given for {len(folds)} folds; pass the "
            "folds that they were fitted on as cv."
        )
    for fitted in estimator:
        check_is_fitted(fitted)
    return [(fitted, True) for fitted in estimator]


def _scorable(folds, y):
    """Numbers of the folds whose held-out rows have every class."""
    n_classes = len(np.unique(y))
    scorable = [i for i, (_, test) in enumerate(folds) if len(np.unique(y[test])) == n_classes]
    if not scorable:
        raise ValueError(
            f"each of the {len(folds)} folds lacks a class among its held-out rows, and moving "
            "images between rows of one class shows nothing; hold out more groups at once, with "
            "cv=2 for instance."
        )
    return scorable


def _shuffle_fold(estimator, X, y, groups, fold, blocks, scoring, n_repeats, seed):
    """Return the score of the held-out rows, and what they lose, a row a repeat and block."""
    train, test = fold
    model, is_fitted = estimator
    if not is_fitted:
        model = _fit(model, X, y, groups, train)
    scorer = check_scoring(model, scoring)
    held_out, truth = X.iloc[test], y[test]
    score = scorer(model, held_out, truth)
    rng = np.random.default_rng(seed)
    rows = []
    for repeat in range(n_repeats):
        order = rng.permutation(len(test))
        for block, names in blocks.items():
            loss = score - scorer(model, _shuffle(held_out, names, order), truth)
            rows.append({"repeat": repeat, "block": block, "importance": loss})
    return score, pd.DataFrame(rows)


def _shuffle(X, names, order):
    shuffled = X.copy(deep=False)
    for name in names:
        shuffled[name] = X[name].array.take(order)
    return shuffled


def _fit(estimator, X, y, groups, train):
    # Steps of a pipeline get groups only by metadata routing, if they have asked for them.
    route = True if groups is not None and not takes_groups(estimator) else None
    with sklearn.config_context(enable_metadata_routing=route):
        return fit_on(estimator, X, y, groups, train)[0]


def _describe(folds, groups, scores):
    return pd.DataFrame(
        {
            "held_out": ["" if groups is None else name_groups(groups[test]) for _, test in folds],
            "n_train": [len(train) for train, _ in folds],
            "n_test": [len(test) for _, test in folds],
            "score": [scores.get(fold, np.nan) for fold in range(len(folds))],
        },
        index=pd.RangeIndex(len(folds), name="fold"),
    )


def _summarize(importances, scores):
    by_fold = importances.groupby(["block", "fold"], sort=False)["importance"].mean()
    values = by_fold.rename("value").reset_index().join(scores, on="fold")
    summary = summarize(values, ["block"])
    return summary.set_axis(summary.index.get_level_values("block"))
