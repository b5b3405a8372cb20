"""latent_correlations: which measured property each latent feature follows."""

import itertools
import warnings
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array, check_consistent_length

from sklearn_cellfate._validation import check_groups
from sklearn_cellfate.inspection._latent_traversal import find_decoder
from sklearn_cellfate.table import listing

__all__ = ["latent_correlations"]


def latent_correlations(
    estimator,
    X,
    features,
    *,
    groups=None,
    n_bootstrap=1000,
    confidence=0.95,
    random_state=None,
):
    """Spearman correlation of each latent feature with each measured feature.

    Parameters
    ----------
    estimator : AdversarialAutoencoder, AAEClassifier, pipeline, or array of shape \
(n, latent_dim)
        Fitted; of a pipeline, the autoencoder inside. Or latent features already computed.
    X : as `estimator` accepts, or None
        Cells, best such that were not trained on. With latent features in the place of
        `estimator`, the table that holds the columns `features`, or None.
    features : DataFrame of shape (n, n_features) or list of str
        Numbers measured on the same cells, in the order of `X`; or the columns of `X` that hold
        them. For each feature, cells where it is missing are left out.
    groups : array-like of shape (n,), default=None
        Donor, clone, field ... of each cell. With them whole groups are drawn for the intervals,
        for cells of one group are alike and tell less than as many strangers. Fewer than some
        ten groups give intervals that are too narrow.
    n_bootstrap : int, default=1000
        Samples drawn with replacement for the intervals.
    confidence : float, default=0.95
        Coverage of the intervals, between 0 and 1. It holds for each pair by itself: of a
        hundred pairs without any relation some five exclude 0.
    random_state : int, default=None
        Pass an int for the same intervals at every call.

    Returns
    -------
    correlations : DataFrame with one row a pair
        ``latent`` (its number), ``feature``, ``spearman`` from -1 to 1, ``low`` and ``high`` (the
        bootstrap's percentile interval), and ``n``, the number of cells. NaN where one of the two
        is constant.

    Raises
    ------
    ValueError
        If lengths differ, a column is missing, there twice or holds no numbers, fewer than three
        cells have a feature, or there is one group only.
    NotFittedError
        If `estimator` is not fitted.

    See Also
    --------
    latent_traversal : What the decoder draws along a latent feature.
    LatentCorrelationsDisplay : Draws the table.

    Notes
    -----
    The sign of a latent feature, and their order, are a matter of the seed.

    References
    ----------
    B. Efron and R. J. Tibshirani, "An introduction to the bootstrap", 1993.
    :doi:`10.1201/9780429246593`

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_cellfate.inspection import latent_correlations
    >>> latents = np.random.default_rng(0).normal(size=(200, 2))
    >>> measured = pd.DataFrame({"area": np.exp(latents[:, 0])})
    >>> latent_correlations(latents, None, measured, random_state=0).round(1)
       latent feature  spearman  low  high    n
    0       0    area       1.0  1.0   1.0  200
    1       1    area       0.1 -0.1   0.2  200
    """
    _check_numbers(n_bootstrap, confidence)
    latents = _encode(estimator, X)
    features = _read_features(features, X)
    groups = None if groups is None else check_groups(groups)
    check_consistent_length(latents, features, groups)
    values = features.to_numpy(dtype=float, na_value=np.nan)
    seed = np.random.default_rng(random_state).integers(2**32)
    spearman, low, high = np.empty((3, latents.shape[1], values.shape[1]))
    # Features that are missing in the same cells share their draws, and the latents' ranks.
    patterns, pattern_of = np.unique(~np.isnan(values), axis=1, return_inverse=True)
    for number, there in enumerate(patterns.T):
        of_pattern = np.flatnonzero(pattern_of == number)
        _check_rows(there, features.columns[of_pattern])
        both = np.hstack([latents[there], values[np.ix_(there, of_pattern)]])
        draws = _draws(there.sum(), None if groups is None else groups[there], seed)
        spearman[:, of_pattern], low[:, of_pattern], high[:, of_pattern] = _with_interval(
            both, latents.shape[1], itertools.islice(draws, n_bootstrap), confidence
        )
    return pd.DataFrame(
        {
            "latent": np.repeat(np.arange(latents.shape[1]), values.shape[1]),
            "feature": np.tile(features.columns, latents.shape[1]),
            "spearman": spearman.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
            "n": np.tile((~np.isnan(values)).sum(axis=0), latents.shape[1]),
        }
    )


def _encode(estimator, X):
    if not hasattr(estimator, "fit"):
        return check_array(estimator, dtype=np.float64)
    autoencoder, images = find_decoder(estimator, X)
    return autoencoder.transform(images)


def _read_features(features, X):
    if isinstance(features, pd.DataFrame):
        table, names = features, list(features.columns)
    elif isinstance(features, list) and isinstance(X, pd.DataFrame):
        table, names = X, features
    else:
        raise ValueError(
            "features must be a DataFrame, or a list of columns where X is a DataFrame, found "
            f"{type(features).__name__} with X {type(X).__name__}."
        )
    absent = [name for name in names if name not in table.columns]
    if absent or not names:
        missing = f"no column {absent[0]!r}" if absent else "no column at all"
        raise ValueError(f"features: there is {missing}; the table has {listing(table.columns)}.")
    chosen = table[names].columns  # with every column of a name that the table has twice
    if not chosen.is_unique:
        twice = chosen[chosen.duplicated()].unique()
        raise ValueError(f"features: several columns have the same name: {listing(twice)}.")
    wrong = [name for name in names if not pd.api.types.is_numeric_dtype(table[name].dtype)]
    if wrong:
        raise ValueError(f"features must be numbers, but {listing(wrong)} are not.")
    return table[names]


def _check_numbers(n_bootstrap, confidence):
    if not isinstance(n_bootstrap, Integral) or n_bootstrap < 1:
        raise ValueError(f"n_bootstrap must be a whole number from 1, found {n_bootstrap!r}.")
    if not isinstance(confidence, Real) or not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, found {confidence!r}.")


def _check_rows(there, names):
    if there.sum() < 3:
        raise ValueError(
            f"a correlation needs three cells, but {listing(names)} have {there.sum()} that are "
            "not missing."
        )


def _draws(n_rows, groups, seed):
    """Give how often each row is in a bootstrap sample, one sample after the other."""
    group_of = np.arange(n_rows)
    if groups is not None:
        names, group_of = np.unique(groups, return_inverse=True)
        if len(names) < 2:
            raise ValueError(f"groups must be two or more, found only {listing(names)}.")
    rng = np.random.default_rng(seed)
    n_groups = group_of.max() + 1
    while True:
        yield np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups)[group_of]


def _with_interval(both, n_latents, draws, confidence):
    """Return the correlations and the two ends of their intervals."""
    # Sorted once; a sample changes how often a row comes, not the order of the rows.
    order = np.argsort(both, axis=0)
    ordered = np.take_along_axis(both, order, axis=0)
    columns = list(zip(ordered.T, both.T))
    first = np.transpose([np.searchsorted(column, of, "left") for column, of in columns])
    last = np.transpose([np.searchsorted(column, of, "right") for column, of in columns])

    def correlate(visits):
        return _spearman(visits, order, first, last, n_latents)

    drawn = [correlate(visits) for visits in draws]
    tail = (1 - confidence) / 2
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice")  # where a column is constant
        low, high = np.nanquantile(drawn, [tail, 1 - tail], axis=0)
    return correlate(np.ones(len(both), dtype=int)), low, high


def _spearman(visits, order, first, last, n_latents):
    """Return the rank correlations of the first columns with the others.

    Every row counts as often as `visits` says. In the order of a column, the rows of the same
    value stand from place `first` up to, without it, place `last`; their rank is the mean of
    the places that their copies take.
    """
    before = np.zeros((len(order) + 1, order.shape[1]))
    np.cumsum(visits[order], axis=0, out=before[1:])
    low, high = (np.take_along_axis(before, places, axis=0) for places in (first, last))
    ranks = (low + high + 1) / 2
    ranks -= visits @ ranks / visits.sum()
    length = np.sqrt(visits @ ranks**2)
    latents, features = ranks[:, :n_latents], ranks[:, n_latents:]
    products = (latents * visits[:, np.newaxis]).T @ features
    with np.errstate(invalid="ignore"):
        return products / np.outer(length[:n_latents], length[n_latents:])
