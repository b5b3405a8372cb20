"""Scores of whole clones, wells, donors from the predictions of their images."""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_cellfate.table import listing

__all__ = ["score_by_group"]


def score_by_group(y, probabilities, groups, *, classes=None, by=None, aggregate="mean"):
    """Judge groups (clones, wells, donors) by what their images say together.

    Every group counts once. With six clones that leaves a wide interval, which is shown: the
    exact one of Clopper and Pearson [1]_.

    Parameters
    ----------
    y : array-like of shape (n,)
        Class of each image; the same for all images of a group.
    probabilities : array-like of shape (n, n_classes)
        Held-out probabilities of each image, as of ``cross_val_predict(...,
        method="predict_proba")``. The columns of a data frame that are named as the classes are
        taken by name, in whatever order they stand.
    groups : array-like of shape (n,)
        Clone, well, donor ... of each image.
    classes : array-like of shape (n_classes,), default=None
        Classes in the order of the columns of `probabilities`, each once; by default those in
        `y`, sorted.
    by : array-like of shape (n,), default=None
        Hour, washed or not ...: groups are judged anew at each of its values. All images of a
        group together by default.
    aggregate : {"mean", "majority"}, default="mean"
        A group's class is that of the highest mean probability, or the one that most of its
        images are predicted to be (of two with equal votes, the one with the higher mean).

    Returns
    -------
    scores : DataFrame
        A row a value of `by` (``"all"`` without it): ``n_groups``, ``n_images``, ``accuracy`` of
        the groups, ``low`` and ``high`` (95 % interval), ``image_accuracy``, and ``wrong``, the
        groups that were taken for another class.

    Raises
    ------
    ValueError
        If there are no images, a group has images of several classes, or the lengths or columns
        do not agree.

    References
    ----------
    .. [1] Clopper and Pearson (1934), doi:10.1093/biomet/26.4.404.

    Examples
    --------
    >>> from sklearn_cellfate.model_selection import score_by_group
    >>> y = ["bad", "bad", "good", "good"]
    >>> probabilities = [[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]]
    >>> score_by_group(y, probabilities, groups=["a", "a", "b", "b"]).round(3)
         n_groups  n_images  accuracy    low  high  image_accuracy wrong
    all         2         4       1.0  0.158   1.0            0.75
    """
    y, groups = column_or_1d(y), column_or_1d(groups)
    by = np.full(len(y), "all") if by is None else column_or_1d(by)
    check_consistent_length(y, probabilities, groups, by)
    if not len(y):
        raise ValueError("y is empty: at least one image is needed.")
    for name, values in {"y": y, "groups": groups, "by": by}.items():
        if pd.isna(values).any():
            raise ValueError(f"{name} is missing in {pd.isna(values).sum()} of {len(y)} rows.")
    classes = np.unique(y) if classes is None else np.asarray(classes)
    if len(np.unique(classes)) < len(classes):
        raise ValueError(f"classes must each be named once, found {listing(classes)}.")
    probabilities = _in_order(probabilities, classes)
    _check(y, probabilities, groups, classes, aggregate)
    columns = [f"probability_{number}" for number in range(len(classes))]
    images = pd.DataFrame(probabilities, columns=columns)
    images["y"], images["group"], images["by"] = y, groups, by
    images["predicted"] = classes[probabilities.argmax(axis=1)]
    rows = {
        value: _score(part, columns, classes, aggregate) for value, part in images.groupby("by")
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _in_order(probabilities, classes):
    """Return an array with the columns as `classes`, if it is by them that they are named."""
    if isinstance(probabilities, pd.DataFrame):
        names = list(map(str, probabilities.columns))
        wanted = list(map(str, classes))
        if sorted(names) == sorted(wanted):
            probabilities = probabilities.iloc[:, [names.index(name) for name in wanted]]
    return np.asarray(probabilities, dtype=float)


def _score(images, columns, classes, aggregate):
    by_group = images.groupby("group")
    truth, means = by_group["y"].first(), by_group[columns].mean().to_numpy()
    if aggregate == "majority":
        votes = pd.crosstab(images["group"], images["predicted"])
        means = means + votes.reindex(columns=classes, fill_value=0).to_numpy()
    right = classes[means.argmax(axis=1)] == truth.to_numpy()
    interval = stats.binomtest(int(right.sum()), len(right)).proportion_ci(0.95, method="exact")
    return {
        "n_groups": len(right),
        "n_images": len(images),
        "accuracy": right.mean(),
        "low": interval.low,
        "high": interval.high,
        "image_accuracy": (images["predicted"] == images["y"]).mean(),
        "wrong": ", ".join(map(str, truth.index[~right])),
    }


def _check(y, probabilities, groups, classes, aggregate):
    if aggregate not in ("mean", "majority"):
        raise ValueError(f'aggregate must be "mean" or "majority", found {aggregate!r}.')
    if probabilities.ndim != 2 or probabilities.shape[1] != len(classes):
        raise ValueError(
            f"probabilities must have a column for each of the classes {listing(classes)}, found "
            f"shape {probabilities.shape}."
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities contain NaN or infinite values.")
    if (probabilities < 0).any() or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        raise ValueError("probabilities must be 0 or more, and sum to 1 in each row.")
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(f"y has {listing(unknown)}, expected one of {listing(classes)}.")
    n_classes = pd.Series(y).groupby(groups).nunique()
    mixed = n_classes.index[n_classes > 1]
    if len(mixed):
        raise ValueError(
            f"a group must have one class, but {listing(mixed)} have images of several; score "
            "by image, or group by well."
        )
