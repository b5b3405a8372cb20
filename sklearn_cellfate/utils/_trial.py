"""The fits and predictions with altered rows, and what each says about leaks."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length

from sklearn_cellfate.model_selection import make_folds
from sklearn_cellfate.model_selection._compare import takes_groups
from sklearn_cellfate.utils._alter import (
    alter_groups,
    alter_labels,
    alter_rows,
    with_content_of,
)
from sklearn_cellfate.utils._held_rows import parameters_with_rows
from sklearn_cellfate.utils._outputs import apply_model, as_outputs, differing_rows
from sklearn_cellfate.utils._splits import watched_splits

__all__ = ["Trial"]


@dataclass
class Trial:
    """Rows, what is fitted on them, and what came out when nothing was altered."""

    estimator: Any
    X: Any
    y: np.ndarray | None
    groups: np.ndarray | None
    train: np.ndarray
    test: np.ndarray
    tolerance: float
    rng: np.random.Generator
    is_procedure: bool
    expected: dict = field(default_factory=dict)
    complaints: set = field(default_factory=set)

    @classmethod
    def of(cls, estimator, X, y, groups, test, tolerance, random_state):
        """Check the arguments."""
        is_procedure = not hasattr(estimator, "fit")
        if (is_procedure and not callable(estimator)) or isinstance(estimator, type):
            raise TypeError(
                f"estimator must be an estimator or a function of (X, y, groups, train, test), "
                f"found {estimator!r:.80}."
            )
        if not isinstance(random_state, int | np.integer):
            raise ValueError(f"random_state must be an int, found {random_state!r}.")
        if not isinstance(X, pd.DataFrame):
            X = np.asarray(X)
        y, groups = (None if values is None else np.asarray(values) for values in (y, groups))
        check_consistent_length(X, y, groups)
        if test is None:
            test = _hold_out(y, groups, len(X), random_state)
        test = np.unique(_positions(test, len(X)))
        train = np.setdiff1d(np.arange(len(X)), test)
        if len(test) < 2 or len(train) + len(test) != len(X) or not len(train):
            raise ValueError(
                f"test must be the positions of two rows or more, below {len(X)}, and leave rows "
                f"to train on; found {len(test)} positions."
            )
        if not is_procedure:
            estimator = _seeded_clone(estimator, random_state)
        rng = np.random.default_rng(random_state)
        return cls(estimator, X, y, groups, train, test, tolerance, rng, is_procedure)

    def run_as_it_is(self):
        """Remember the results, and make sure that they mean something."""
        with watched_splits() as self.complaints:
            self.expected = self._run()
        if self._changed(self._run()).any():
            raise ValueError(
                "two runs on the same rows give different results, so nothing can be said about "
                "leaks; set random_state."
            )
        if not self._changed(self._run_altered(**self._all_altered())).any():
            raise ValueError(
                "results stay the same when every row is altered, so nothing can be said about "
                "leaks; does the procedure use the rows that it is given?"
            )

    def check_parameters(self):
        """Look for held-out rows among the parameters."""
        if self.is_procedure:
            return pd.NA, "not tried: a function has no parameters to look into"
        held, rest = (_safe_indexing(self.X, rows) for rows in (self.test, self.train))
        names = parameters_with_rows(self.estimator, held, rest)
        if names:
            return False, f"held-out rows are in {', '.join(names)}"
        return True, "no parameter holds held-out rows"

    def check_labels(self):
        """Alter the labels of held-out rows."""
        if self.y is None:
            return pd.NA, "not tried: no labels"
        changed = self._changed(self._run_altered(y=alter_labels(self.y, self.test)))
        return _judge(changed, "other labels of held-out rows change", "a rule is set by them")

    def check_groups(self):
        """Alter the groups of held-out rows."""
        if self.groups is None:
            return pd.NA, "not tried: no groups"
        groups = alter_groups(self.groups, self.test, self.rng)
        changed = self._changed(self._run_altered(groups=groups))
        return _judge(changed, "other groups of held-out rows change", "fitting looks at them")

    def check_rows(self):
        """Alter half of the held-out rows, then the other half: brighter, ordinary, darker.

        Brighter rows cannot show a maximum that is saturated already, nor darker ones a minimum
        of 0, if a held-out row has it. So held-out rows get the content of training rows, too,
        and what is theirs alone comes and goes.
        """
        changed = np.zeros(len(self.test), dtype=bool)
        first = self.rng.permutation(len(self.test)) < len(self.test) // 2
        fill = np.resize(self.train, len(self.test))
        ordinary = with_content_of(self.X, self.test, fill)
        without_extremes = self._run_altered(X=ordinary)
        for half in (first, ~first):
            brighter = self._run_altered(X=alter_rows(self.X, self.test[half]))
            changed |= self._changed(brighter) & ~half
            own = with_content_of(self.X, self.test[~half], fill[~half])
            for X in (own, alter_rows(ordinary, self.test[half], darker=True)):
                result = self._run_altered(X=X)
                changed |= differing_rows(without_extremes, result, self.tolerance) & ~half
        return _judge(
            changed,
            "other pixels in held-out rows change",
            "constants are taken over rows that are scored",
        )

    def check_companions(self):
        """Predict fewer rows, and the rows in another order."""
        changed = np.zeros(len(self.test), dtype=bool)
        last = len(self.test) - 1
        for chosen in (np.arange(0, last + 1, 2), np.array([last]), np.arange(last, -1, -1)):
            result = self._run(test=self.test[chosen])
            changed[chosen] |= differing_rows(self.expected, result, self.tolerance, chosen)
        return _judge(
            changed, "other rows in the same call change", "a row is judged by its company"
        )

    def check_earlier_fit(self):
        """Fit on altered rows first, then on those that count."""
        if self.is_procedure:
            return pd.NA, "not tried: a function may keep nothing"
        if any(
            value is True
            for name, value in self.estimator.get_params(deep=True).items()
            if name.rpartition("__")[2] == "warm_start"
        ):
            return pd.NA, "not tried: warm_start=True goes on from an earlier fit"
        model = clone(self.estimator)
        self._run_altered(model, **self._all_altered())
        changed = self._changed(self._run(model))
        return _judge(changed, "an earlier fit on other rows changes", "fit keeps what it learned")

    def check_internal_validation(self):
        """Report on the splits that were watched."""
        if self.groups is None:
            return pd.NA, "not tried: no groups"
        if self.complaints:
            return False, "; ".join(sorted(self.complaints))
        return True, "no split of the training rows breaks a group"

    def _all_altered(self):
        everything = np.arange(len(self.X))
        X = alter_rows(self.X, everything)
        return {"X": X, "y": None if self.y is None else self.rng.permutation(self.y)}

    def _changed(self, result):
        return differing_rows(self.expected, result, self.tolerance)

    def _run_altered(self, *arguments, **altered):
        try:
            return self._run(*arguments, **altered)
        except Exception as error:
            error.add_note(
                f"This came up when check_no_leakage had altered {' and '.join(altered)}: rows "
                "swapped places, numbers were made three times as large."
            )
            raise

    def _run(self, model=None, *, X=None, y=None, groups=None, test=None):
        """Fit on the training rows and return results for held-out ones, some of them altered."""
        X = self.X if X is None else X
        y = self.y if y is None else y
        groups = self.groups if groups is None else groups
        test = self.test if test is None else test
        if self.is_procedure:
            result = self.estimator(X, y, groups, self.train.copy(), test.copy())
            return as_outputs(result, len(test), "the procedure")
        model = clone(self.estimator) if model is None else model
        take = partial(_safe_indexing, indices=self.train)
        passed = {"groups": take(groups)} if groups is not None and takes_groups(model) else {}
        labels = () if y is None else (take(y),)
        model.fit(take(X), *labels, **passed)
        return apply_model(model, _safe_indexing(X, test))


def _judge(changed, what, why):
    if changed.any():
        return False, f"{what} the results of {changed.sum()} of {len(changed)} rows; {why}"
    return True, f"{what} nothing"


def _positions(test, n_rows):
    """Return positions of rows that are given by position or by a mask."""
    test = np.asarray(test)
    if test.dtype == bool and test.shape == (n_rows,):
        return np.flatnonzero(test)
    if test.ndim != 1 or (len(test) and test.dtype.kind not in "iu"):
        raise ValueError(
            f"test must be positions of rows, or a mask of {n_rows} booleans; found an array of "
            f"{test.dtype} of shape {test.shape}."
        )
    return test.astype(int)


def _seeded_clone(estimator, seed):
    estimator = clone(estimator)
    seeds = {
        name: seed
        for name, value in estimator.get_params(deep=True).items()
        if name.rpartition("__")[2] == "random_state" and value is None
    }
    return estimator.set_params(**seeds)


def _hold_out(y, groups, n_rows, seed):
    """Return about a third of the rows, whole groups, with every class left to train on."""
    classes = np.zeros(n_rows, dtype=int)
    if y is not None and y.dtype.names is None and type_of_target(y) in ("binary", "multiclass"):
        classes = np.unique(y, return_inverse=True)[1]
    return make_folds(classes, groups, cv=3, random_state=seed)[0][1]
