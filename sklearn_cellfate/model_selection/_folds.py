"""Folds that keep groups whole, and what is wrong with groups that cannot be kept."""

import warnings
from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    LeaveOneGroupOut,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)

from sklearn_cellfate.table import listing

__all__ = ["count_mixed", "make_folds"]

MOST_GROUPS_TO_LEAVE_OUT = 10


def make_folds(y, groups=None, cv=None, random_state=None):
    """Split rows into folds, whole groups where groups are given and `cv` is no splitter.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Classes.
    groups : ndarray of shape (n,) or None
        Donor, clone, field ... of each row.
    cv : int, splitter, iterable or None
        By default each group is held out once where there are at most ten and each has every
        class; else five stratified folds of groups, or of rows without groups. A number asks
        for that many stratified folds, of groups too. A splitter or iterable is taken as it is:
        it keeps groups whole only if it was made for that, as ``GroupKFold`` is.
    random_state : int or None
        Seed of the shuffling.

    Returns
    -------
    folds : list of (train, test)
        Indices.

    Raises
    ------
    ValueError
        If a fold would train without one of the classes; the message names class and group. If
        `cv` is a bool.

    Warns
    -----
    UserWarning
        If there are groups, but folds of `cv` have one on both sides.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.model_selection import make_folds
    >>> fate, donor = np.array([0, 1] * 6), np.repeat(["a", "b", "c"], 4)
    >>> [str(donor[test][0]) for train, test in make_folds(fate, donor)]
    ['a', 'b', 'c']
    """
    folds = list(_splitter(y, groups, cv, random_state).split(np.zeros(len(y)), y, groups))
    classes = np.unique(y)
    for train, test in folds:
        absent = np.setdiff1d(classes, y[train])
        if len(absent):
            raise ValueError(_describe_swallowed(absent[0], y, groups, test))
    n_mixed = count_mixed(folds, groups)
    if n_mixed:
        warnings.warn(
            f"{n_mixed} of {len(folds)} folds have a group on both sides of the split, so their "
            "scores do not speak of new groups; use a number of folds or a splitter that keeps "
            "groups whole, such as GroupKFold.",
            stacklevel=3,
        )
    return folds


def count_mixed(folds, groups):
    """Count the folds that train on a group and score it too.

    Parameters
    ----------
    folds : list of (train, test)
        Indices.
    groups : ndarray of shape (n,) or None
        Of each row; None for none.

    Returns
    -------
    n_mixed : int
    """
    if groups is None:
        return 0
    codes = np.unique(groups, return_inverse=True)[1]
    return sum(bool(np.isin(codes[test], codes[train]).any()) for train, test in folds)


def _splitter(y, groups, cv, random_state):
    if isinstance(cv, bool):
        raise ValueError(
            f"cv must be a number of folds, a splitter or an iterable of splits, found {cv}."
        )
    if cv is not None and not isinstance(cv, Integral):
        return check_cv(cv)
    n_folds = 5 if cv is None else int(cv)
    if groups is None:
        sizes = pd.Series(y).value_counts()
        n_smallest = sizes.min()
        if n_smallest < 2:
            raise ValueError(
                f"class {listing([sizes.idxmin()])} has a single row; two are needed to train and "
                "to score."
            )
        return StratifiedKFold(min(n_folds, n_smallest), shuffle=True, random_state=random_state)
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(
            f"all rows belong to one group, {listing(groups[:1])}; two are needed to hold one out."
        )
    if (
        cv is None
        and n_groups <= MOST_GROUPS_TO_LEAVE_OUT
        and _every_group_has_every_class(y, groups)
    ):
        return LeaveOneGroupOut()
    return StratifiedGroupKFold(min(n_folds, n_groups), shuffle=True, random_state=random_state)


def _every_group_has_every_class(y, groups):
    return bool((pd.crosstab(groups, y) > 0).all(axis=None))


def _describe_swallowed(label, y, groups, test):
    message = f"no row of class {listing([label])} is left to train on when a fold is held out"
    if groups is None:
        return message + "."
    holders = np.unique(groups[y == label])
    if len(holders) == 1:
        return (
            f"group {listing(holders)} holds every row of class {listing([label])}, so "
            + message
            + "."
        )
    return message + f" (groups {listing(np.unique(groups[test]))})."
