"""How many latent features are enough."""

import contextlib
from functools import partial

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from sklearn_cellfate.metrics import latent_correlation
from sklearn_cellfate.model_selection._held_out import predict_held_out
from sklearn_cellfate.model_selection._metrics import score_fold
from sklearn_cellfate.model_selection._study import Study, parameters_named
from sklearn_cellfate.table import listing

__all__ = ["latent_dimension_study"]

BY = "latent_dim"


def latent_dimension_study(
    estimator,
    X,
    y,
    *,
    dimensions=(2, 3, 5, 10),
    n_repeats=3,
    n_permutations=5,
    groups=None,
    cv=None,
    scoring="balanced_accuracy",
    n_jobs=None,
    memory=None,
    verbose=0,
    random_state=None,
):
    """Score an autoencoder by the number of its latent features, and ask which of them are used.

    On the held-out rows of each fold: the score, the mean absolute correlation between latent
    features, and the relevance of each, which is what the score loses when that feature is
    shuffled among the held-out rows [1]_. Nothing is fitted anew for that.

    Parameters
    ----------
    estimator : classifier
        An :class:`~sklearn_cellfate.neural_network.AAEClassifier`, or a
        :class:`~sklearn.pipeline.Pipeline`, :class:`~sklearn.compose.ColumnTransformer` in one,
        or search around it or around an ``AdversarialAutoencoder``: whatever has one parameter
        ``latent_dim``.
    X : DataFrame or array-like of shape (n, ...)
        Whatever the estimator accepts.
    y : array-like of shape (n,)
        Classes.
    dimensions : sequence of int, default=(2, 3, 5, 10)
        Numbers of latent features; the first is what the others are compared with.
    n_repeats : int, default=3
        Seeds with which each fold is fitted.
    n_permutations : int, default=5
        Shuffles of each latent feature.
    groups : array-like of shape (n,), default=None
        Donor, clone, field ... of each row. A group is on one side of each split,
        unless `cv` is a splitter or iterable that breaks groups up, which is warned of.
    cv : int, cross-validation splitter or iterable, default=None
        See :func:`~sklearn_cellfate.model_selection.make_folds`.
    scoring : str, callable, list of str or dict, default="balanced_accuracy"
        Metrics, as of :func:`~sklearn_cellfate.model_selection.compare_estimators`. Relevance is
        in the unit of the first.
    n_jobs : int, default=None
        Fits that run at once, see :class:`joblib.Parallel`. Under
        ``joblib.parallel_config("dask")`` they run on a Dask cluster.
    memory : str, path or joblib.Memory, default=None
        Folder in which finished fits are kept. A run that was stopped and is started again with
        the same arguments goes on where it was. Workers on other machines must see the folder.
    verbose : int, default=0
        1 shows a progress bar over fits.
    random_state : int, default=None
        Seed of folds, models and shuffles: each repeat sets every ``random_state`` of the
        estimator, whatever it was.

    Returns
    -------
    study : Bunch
        scores : DataFrame
            A row a fit and metric: ``latent_dim``, ``fold``, ``repeat``, ``held_out`` (groups),
            ``metric``, ``value``, ``n_train``, ``n_test``, ``fit_time`` and ``score_time`` (s).
            ``latent_correlation`` is one of the metrics.
        summary : DataFrame
            By dimension and metric: mean over folds (of the means over repeats), standard
            deviation over folds and the corrected 95 % interval [2]_ of the mean.
        differences : DataFrame
            By dimension and metric: mean paired difference to the first of `dimensions`.
        relevance : DataFrame
            A row a fit and latent feature: ``latent_dim``, ``fold``, ``repeat``, ``latent``
            (its column), ``rank`` in its fit (1 is the most relevant) and ``relevance``. Columns
            are in no order that two fits share; ranks are.
        metric : str
            The metric of which `relevance` is a loss.
        dimensions : list of int
            Numbers of latent features that were tried.
        folds : list of (train, test)
            Row numbers of each fold.
        classes : ndarray
            Classes, in the order of the probabilities.

    Raises
    ------
    ValueError
        If the estimator has not one parameter ``latent_dim``, labels are missing, a fold would
        train without a class, or no fold can be scored.

    Notes
    -----
    Of two latent features that say the same, neither is missed when it is shuffled alone: read
    relevance together with correlation.

    References
    ----------
    .. [1] Breiman (2001), Random forests, doi:10.1023/A:1010933404324.
    .. [2] Nadeau and Bengio (2003), Inference for the generalization error,
       doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.model_selection import latent_dimension_study
    >>> from sklearn_cellfate.neural_network import AAEClassifier
    >>> images = np.random.default_rng(0).random((12, 1, 4, 4))
    >>> fate = np.array(["dies", "divides"] * 6)
    >>> study = latent_dimension_study(
    ...     AAEClassifier(pretrain_epochs=0, max_epochs=1),
    ...     images,
    ...     fate,
    ...     dimensions=[1, 2],
    ...     cv=2,
    ...     n_repeats=1,
    ...     random_state=0,
    ... )
    >>> study.relevance[["latent_dim", "fold", "rank"]].head(3)
       latent_dim  fold  rank
    0           1     0     1
    1           1     1     1
    2           2     0     1
    """
    name = _dimension_parameter(estimator)
    dimensions = _check_dimensions(dimensions)
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
    plan = study.plan(
        {n: clone(estimator).set_params(**{name: n}) for n in dimensions}, n_repeats, BY
    )
    measure = partial(
        _measure_latents,
        path=name.split("__")[:-1],
        n_permutations=n_permutations,
        seed=study.seeds(1)[0],
    )
    scores, measured = study.run(plan, measure)
    correlations = scores.drop_duplicates([BY, "fold", "repeat"]).assign(
        metric="latent_correlation", value=[correlation for correlation, _ in measured]
    )
    relevance = [
        {**job.labels, "latent": latent, "rank": rank, "relevance": values[latent]}
        for job, (_, values) in zip(plan, measured)
        for rank, latent in enumerate(np.argsort(values)[::-1], start=1)
    ]
    metric = scores["metric"].iloc[0]
    scores = pd.concat([scores, correlations], ignore_index=True)
    return Bunch(
        scores=scores,
        summary=study.summarize(scores, BY),
        differences=study.compare_with(dimensions[0], scores, BY),
        relevance=pd.DataFrame(relevance),
        metric=metric,
        dimensions=dimensions,
        folds=study.folds,
        classes=study.classes,
    )


def _dimension_parameter(estimator):
    names = parameters_named(estimator, lambda name: name == "latent_dim")
    if len(names) != 1:
        raise ValueError(
            f"{type(estimator).__name__} must have one parameter latent_dim, found "
            f"{listing(names) or 'none'}; it takes an AAEClassifier, or a pipeline with an "
            "autoencoder."
        )
    return names[0]


def _check_dimensions(dimensions):
    found, dimensions = dimensions, list(dimensions) if np.iterable(dimensions) else []
    if not dimensions or not all(isinstance(n, int | np.integer) and n > 0 for n in dimensions):
        raise ValueError(f"dimensions must be whole numbers above 0, found {found!r}.")
    if len(set(dimensions)) < len(dimensions):
        raise ValueError(f"dimensions must differ from each other, found {listing(dimensions)}.")
    return [int(n) for n in dimensions]


def _measure_latents(fitted, held_out, metrics, *, path, n_permutations, seed):
    """Correlation among the latent features of held-out rows, and the relevance of each."""
    encoder = _inside(fitted, path)
    latents = _record_latents(encoder, fitted, held_out.X)
    right = _first_score(fitted, held_out, metrics)
    rng = np.random.default_rng(seed)
    relevance = []
    for column in range(latents.shape[1]):
        scores = []
        for _ in range(n_permutations):
            shuffled = _shuffle(latents, column, rng)
            with _replaced_transform(encoder, lambda X, latents=shuffled: latents):
                scores.append(_first_score(fitted, held_out, metrics))
        relevance.append(right - np.mean(scores))
    return latent_correlation(np.asarray(latents)), np.array(relevance)


def _inside(fitted, path):
    """Follow the path of a parameter to the fitted estimator that has it."""
    for name in path:
        if isinstance(fitted, Pipeline):
            fitted = fitted.named_steps[name]
        elif isinstance(fitted, ColumnTransformer):
            fitted = fitted.named_transformers_[name]
        elif isinstance(fitted, BaseSearchCV):
            fitted = fitted.best_estimator_
        else:
            raise ValueError(
                f"the autoencoder must stand in a Pipeline, ColumnTransformer or search, found "
                f"it in a {type(fitted).__name__}."
            )
    return fitted


def _record_latents(encoder, fitted, X):
    """Latent features of rows, however many steps stand before the encoder."""
    seen, transform = [], encoder.transform

    def record(images):
        seen.append(transform(images))
        return seen[-1]

    with _replaced_transform(encoder, record):
        fitted.predict(X)
    return seen[0]


@contextlib.contextmanager
def _replaced_transform(encoder, transform):
    """Let whatever stands behind the encoder see other latent features for a while."""
    encoder.transform = transform  # hides the method of the class
    try:
        yield
    finally:
        del encoder.transform


def _shuffle(latents, column, rng):
    shuffled = latents.copy()
    values = rng.permutation(np.asarray(latents)[:, column])
    if hasattr(shuffled, "iloc"):  # with set_output
        shuffled.isetitem(column, values)
    else:
        shuffled[:, column] = values
    return shuffled


def _first_score(fitted, held_out, metrics):
    y_true = held_out.predictions["y_true"].to_numpy()
    again = predict_held_out(fitted, held_out.X, y_true, None, np.arange(len(y_true)))
    return score_fold(fitted, again, metrics)["value"].iloc[0]
