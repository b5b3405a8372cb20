"""Watch the splits of rows that scikit-learn makes while a model is fitted."""

import contextlib
from unittest import mock

import numpy as np
from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit

__all__ = ["watched_splits"]


@contextlib.contextmanager
def watched_splits():
    """Collect what is wrong with the splits made inside the block.

    Yields
    ------
    complaints : set of str
        Empty as long as every split was given groups and kept them whole.
    """
    complaints = set()
    with contextlib.ExitStack() as stack:
        for kind in (BaseCrossValidator, BaseShuffleSplit):
            watched = _watch(kind.split, complaints)
            stack.enter_context(mock.patch.object(kind, "split", watched))
        yield complaints


def _watch(split, complaints):
    def watched(self, X, y=None, groups=None):
        for train, test in split(self, X, y, groups):
            if groups is None:
                complaints.add(f"{type(self).__name__} split the training rows without groups")
            elif np.isin(np.asarray(groups)[test], np.asarray(groups)[train]).any():
                complaints.add(f"{type(self).__name__} put a group on both sides of a split")
            yield train, test

    return watched
