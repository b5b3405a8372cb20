"""What the studies share: many fits on the same folds that can be stopped and resumed."""

import os
import warnings
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble._base import _set_random_states
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import check_consistent_length, check_memory

from sklearn_cellfate.model_selection._folds import make_folds
from sklearn_cellfate.model_selection._held_out import (
    check_groups,
    check_labels,
    fit_clone,
    predict_held_out,
    run_fits,
)
from sklearn_cellfate.model_selection._intervals import compare_pairs, summarize
from sklearn_cellfate.model_selection._metrics import check_pos_label, check_scoring, score_fold
from sklearn_cellfate.table import listing

__all__ = ["Fit", "Study", "parameters_named", "seeded"]


class Fit(NamedTuple):
    """One fit to do: what tells it from others, an unfitted classifier, and row numbers.

    `columns` are the positions of the columns to use, all by default.
    """

    labels: dict
    estimator: Any
    train: np.ndarray
    test: np.ndarray
    columns: tuple | None = None


class Study:
    """Rows, folds and metrics, and how to fit many estimators on them.

    Parameters
    ----------
    X, y, groups, cv, scoring, n_jobs, memory, verbose, random_state
        As of :func:`~sklearn_cellfate.model_selection.label_budget`.
    """

    def __init__(self, X, y, *, groups, cv, scoring, n_jobs, memory, verbose, random_state):
        self.X, self.y, self.groups = X, check_labels(y), check_groups(groups)
        check_consistent_length(X, self.y, self.groups)
        if memory is not None and random_state is None:
            raise ValueError(
                "memory needs random_state to be a number: a second run would draw other folds "
                "and seeds, and find none of the first one's fits."
            )
        self.folds = make_folds(self.y, self.groups, cv, random_state)
        self.classes = np.unique(self.y)
        self.metrics = {
            "scoring": check_scoring(scoring),
            "classes": self.classes,
            "pos_label": check_pos_label(None, self.classes),
        }
        self.n_jobs, self.memory, self.verbose = n_jobs, memory, verbose
        self.random_state = random_state
        self._check_held_out()

    def seeds(self, n_repeats):
        """One seed a repeat, the same for everything that is compared."""
        if n_repeats < 1:
            raise ValueError(f"n_repeats must be 1 or more, found {n_repeats}.")
        drawn = np.random.SeedSequence(self.random_state).generate_state(n_repeats)
        return [int(seed) for seed in drawn]

    def plan(self, estimators, n_repeats, by):
        """Fit each of the estimators on each fold, and again with other seeds.

        Parameters
        ----------
        estimators : dict of setting to classifier
            What is compared.
        n_repeats : int
            Seeds.
        by : str
            What a setting is, the name of its column.

        Returns
        -------
        plan : list of Fit
        """
        return [
            Fit({by: setting, "fold": fold, "repeat": repeat}, seeded(estimator, seed), *sides)
            for setting, estimator in estimators.items()
            for fold, sides in enumerate(self.folds)
            for repeat, seed in enumerate(self.seeds(n_repeats))
        ]

    def run(self, plan, measure=None):
        """Fit and score.

        Parameters
        ----------
        plan : list of Fit
        measure : callable, default=None
            Called with the fitted classifier, its ``held_out`` rows (see ``predict_held_out``)
            and ``metrics``.

        Returns
        -------
        scores : DataFrame
            A row a fit and metric.
        measured : list
            What `measure` returned, one a fit.
        """
        memory = self.memory
        memory = check_memory(os.fspath(memory) if isinstance(memory, os.PathLike) else memory)
        # The rows are hashed once for all fits, and only where something is remembered.
        data = None if self.memory is None else joblib.hash((self.X, self.y, self.groups))
        fit = memory.cache(_fit_and_score, ignore=["X", "y", "groups"])
        fits = [
            delayed(fit)(
                *(job.estimator, job.train, job.test, job.columns),
                *(self.metrics, measure, data, self.X, self.y, self.groups),
            )
            for job in plan
        ]
        results = run_fits(fits, self.n_jobs, self.verbose)
        rows = [{**job.labels, **row} for job, (rows, _) in zip(plan, results) for row in rows]
        scores = pd.DataFrame(rows)
        self._warn_of_missing(scores)
        return scores, [measured for _, measured in results]

    def summarize(self, scores, by):
        """Mean over folds with its interval, a row a setting and metric."""
        return summarize(self.average_repeats(scores, by), [by, "metric"])

    def compare_with(self, baseline, scores, by):
        """Mean paired difference to a baseline, with its interval, a row a setting and metric."""
        by_fold = self.average_repeats(scores, by).rename(columns={by: "estimator"})
        return compare_pairs(by_fold, baseline, ["metric"]).rename_axis([by, "metric"])

    def average_repeats(self, scores, by):
        """One row a setting, metric and fold.

        Repeats of a fold share their held-out rows, so they are no further evidence. The sizes
        are those of the fold's two sides, whatever was drawn from them: it is the overlap of the
        sides that makes folds alike.
        """
        by_fold = scores.groupby([by, "metric", "fold"], sort=False)["value"].mean().reset_index()
        for name, side in (("n_train", 0), ("n_test", 1)):
            by_fold[name] = [len(self.folds[fold][side]) for fold in by_fold["fold"]]
        return by_fold

    def _warn_of_missing(self, scores):
        defined = scores.groupby("metric", sort=False)["value"].count()
        missing = list(defined.index[defined == 0])
        if missing:
            warnings.warn(
                f"no fold defines {listing(missing)}: the estimator has neither probabilities nor "
                "decisions that this needs.",
                stacklevel=4,
            )

    def _check_held_out(self):
        lacking = [np.setdiff1d(self.classes, self.y[test]) for _, test in self.folds]
        lacking = [classes for classes in lacking if len(classes)]
        if not lacking:
            return
        if len(lacking) == len(self.folds):
            raise ValueError(
                f"no fold holds out rows of all classes {listing(self.classes)}, so none can be "
                "scored; use fewer folds, or groups that hold several classes."
            )
        warnings.warn(
            f"{len(lacking)} of {len(self.folds)} folds hold out no row of class "
            f"{listing(np.unique(np.concatenate(lacking)))}; their scores are NaN.",
            stacklevel=4,
        )


def seeded(estimator, seed, **parameters):
    """Unfitted copy with some parameters, and every ``random_state`` in it, set anew."""
    copy = clone(estimator).set_params(**parameters)
    _set_random_states(copy, seed)
    return copy


def parameters_named(estimator, is_wanted):
    """Names of the parameters whose last part is wanted: ``images__encoder__latent_dim``."""
    return [name for name in estimator.get_params() if is_wanted(name.rpartition("__")[2])]


def _fit_and_score(estimator, train, test, columns, metrics, measure, data, X, y, groups):
    """Rows of scores, and what `measure` says; `data` stands for X, y and groups in the cache."""
    X = X if columns is None else _safe_indexing(X, list(columns), axis=1)
    groups_train = None if groups is None else groups[train]
    fitted, fit_time = fit_clone(estimator, _safe_indexing(X, train), y[train], groups_train)
    held_out = predict_held_out(fitted, X, y, groups, test)
    scores = score_fold(fitted, held_out, metrics).assign(
        n_train=len(train), n_test=len(test), fit_time=fit_time, score_time=held_out.score_time
    )
    measured = None if measure is None else measure(fitted, held_out, metrics)
    return scores.to_dict("records"), measured
