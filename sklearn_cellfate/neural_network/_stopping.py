"""Watching held-out rows while training: when to stop, and which epoch to keep."""

import numpy as np
import torch
from sklearn.base import clone
from sklearn.ensemble._base import _set_random_states
from sklearn.model_selection import (
    GroupShuffleSplit,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedShuffleSplit,
)
from skorch.callbacks import Callback

from sklearn_cellfate.metrics import centroid_separation, latent_kl_divergence
from sklearn_cellfate.table import listing

# What a monitor knows of a fit under way.
STATE = ("best_loss_", "best_weights_", "n_epochs_", "n_idle_")
# Training rows that the head of an epoch's judgement is fitted on: a line through a few latent
# features needs no more, and to encode all rows would take a twentieth of an epoch.
JUDGED_ROWS = 128
TRIALS = 20  # seeds tried for a split of groups that leaves every class on both sides

__all__ = ["EpochMonitor", "LatentMonitor", "StopTraining", "split_validation"]


def split_validation(n_rows, codes, classes, groups, fraction, seed):
    """Set rows aside for validation, whole groups where there are groups.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    codes : ndarray of shape (n,) or None
        Class indices; the split is stratified by them.
    classes : ndarray or None
        Names of the classes, for messages.
    groups : array-like of shape (n,) or None
        Donor, clone, field ... of each row.
    fraction : float
        Share of rows (of groups, where there are any) set aside; more where so few groups lack
        a class.
    seed : int
        Seed of the split.

    Returns
    -------
    train, held_out : ndarray of int

    Raises
    ------
    ValueError
        If either side would lack a class, or there are too few rows or groups to split.
    """
    if groups is not None and len(np.unique(groups)) < 2:
        raise ValueError(
            "validation rows are set aside by group, but all rows belong to one group: "
            f"{listing(np.unique(groups))}. Fit without groups, or with early_stopping=False."
        )
    try:
        for train, held_out in _draw_splits(n_rows, codes, groups, fraction, seed):
            if len(held_out) > 1 and (codes is None or _has_every_class(codes, train, held_out)):
                return train, held_out
    except ValueError as error:
        raise ValueError(
            f"early_stopping needs rows of every class on both sides of a split with "
            f"validation_fraction={fraction}: {error}"
        ) from error
    raise ValueError(
        f"no split with validation_fraction={fraction} leaves "
        + ("two rows" if codes is None else f"each of the classes {listing(classes)}")
        + " on both sides"
        + ("" if groups is None else " and keeps groups whole")
        + ". Use early_stopping=False, a larger validation_fraction or other groups."
    )


def _draw_splits(n_rows, codes, groups, fraction, seed):
    """Give splits to choose from: one without groups; with them, larger and larger ones.

    Six clones of one class each have no sixth with both classes, but they have a third.
    """
    if groups is None:
        kind = ShuffleSplit if codes is None else StratifiedShuffleSplit
        splitters = [kind(1, test_size=fraction, random_state=seed)]
    elif codes is None:
        splitters = [GroupShuffleSplit(1, test_size=fraction, random_state=seed)]
    else:
        most = min(max(2, round(1 / fraction)), len(np.unique(groups)))
        splitters = [
            StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed + trial)
            for n_folds in range(most, 1, -1)
            for trial in range(TRIALS)
        ]
    for splitter in splitters:
        yield next(splitter.split(np.zeros(n_rows), codes, groups))


def _has_every_class(codes, *sides):
    return all(len(np.unique(codes[side])) == len(np.unique(codes)) for side in sides)


class StopTraining(Exception):
    """Training is to end here, and well."""


class EpochMonitor(Callback):
    """Watch the loss of held-out rows after each epoch, stop in time, keep the best epoch.

    Parameters
    ----------
    n_iter_no_change : int or None
        Stop when the loss that is watched has not improved for so many epochs; None: never.
    """

    def __init__(self, n_iter_no_change):
        self.n_iter_no_change = n_iter_no_change

    def on_train_begin(self, net, **kwargs):
        """Forget earlier fits."""
        self.best_loss_, self.best_weights_, self.n_epochs_, self.n_idle_ = np.inf, None, 0, 0

    def on_epoch_end(self, net, **kwargs):
        """Remember the best weights and decide; epochs of a first stage do not count."""
        if net.stage == 1:
            return
        watched = float(self._watch(net))
        self.n_epochs_ += 1
        self.n_idle_ += 1
        if watched < self.best_loss_:
            self.best_loss_, self.best_weights_, self.n_idle_ = watched, net.get_weights(), 0
        if self._is_enough() or self.n_idle_ == self.n_iter_no_change:
            raise StopTraining

    def on_train_end(self, net, **kwargs):
        """Go back to the best epoch."""
        if self.best_weights_ is not None:
            net.set_weights(self.best_weights_)

    def get_state(self):
        """Return what it knows of the fit under way."""
        return {name: getattr(self, name) for name in STATE}

    def set_state(self, state):
        """Take over what `get_state` returned, with arrays or tensors."""
        vars(self).update(state)

    def _watch(self, net):
        return net.history[-1, "valid_loss"]

    def _is_enough(self):
        return False


class LatentMonitor(EpochMonitor):
    """Judge an epoch by a head on the latents of held-out rows.

    Parameters
    ----------
    train, held_out : TrainingRows
        Rows with scaled images.
    head : classifier or None
        Cloned and fitted on the latents of training rows, 128 at most, at every epoch.
    n_iter_no_change : int or None
        Stop when the loss that is watched has not improved for so many epochs; None: never.
    criteria : dict or None
        Stop once all hold: ``min_separation``, ``max_kl``, ``min_accuracy``, ``min_precision``.
    min_epochs : int
        Epochs of stage two before `criteria` may stop the fit.
    """

    def __init__(self, train, held_out, head, *, n_iter_no_change, criteria, min_epochs):
        super().__init__(n_iter_no_change)
        if train.codes is not None:
            train = train.take(_some_of_every_class(train.codes))
        self.train, self.held_out, self.head = train, held_out, head
        self.criteria, self.min_epochs = criteria, min_epochs

    def _watch(self, net):
        with torch.random.fork_rng(devices=[]):
            self.scores_ = self._score(net)
        for name, value in self.scores_.items():
            net.history.record(name, value)
        return self.scores_.get("valid_log_loss", net.history[-1, "valid_loss"])

    def _score(self, net):
        latents = net.held_out_latents().astype(np.float64)
        scores = {"valid_kl": float(latent_kl_divergence(latents).max())}
        if self.head is None:
            return scores
        codes = self.held_out.codes
        head = clone(self.head)
        _set_random_states(head, 0)
        head.fit(net.encode(self.train.images).astype(np.float64), self.train.codes)
        scores["valid_separation"] = centroid_separation(latents, codes)
        scores |= _judge_classes(codes, head.predict(latents).astype(int), len(head.classes_))
        if hasattr(head, "predict_proba"):
            scores["valid_log_loss"] = _log_loss(codes, head.predict_proba(latents))
        return scores

    def _is_enough(self):
        if self.criteria is None or self.n_epochs_ < self.min_epochs:
            return False
        wanted, scores = self.criteria, self.scores_
        return (
            scores["valid_kl"] <= wanted["max_kl"]
            and scores.get("valid_separation", np.inf) >= wanted["min_separation"]
            and scores.get("valid_accuracy", 1.0) >= wanted["min_accuracy"]
            and scores.get("valid_precision", 1.0) >= wanted["min_precision"]
        )


# As scikit-learn's, whose checks of what they are given would take a quarter of the rule's time.


def _judge_classes(codes, predicted, n_classes):
    """Accuracy and precision: of the second of two classes, else the mean over all."""
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (codes, predicted), 1)
    right = counts.diagonal()
    precisions = right / counts.sum(0).clip(min=1)
    return {
        "valid_accuracy": float(right.sum() / len(codes)),
        "valid_precision": float(precisions[1] if n_classes == 2 else precisions.mean()),
    }


def _log_loss(codes, probabilities):
    of_truth = probabilities[np.arange(len(codes)), codes]
    eps = np.finfo(probabilities.dtype).eps
    return float(-np.log(of_truth.clip(eps, 1 - eps)).mean())


def _some_of_every_class(codes):
    """Choose rows by class, evenly; each class has one at least."""
    by_class = np.argsort(codes, kind="stable")
    chosen = by_class[np.linspace(0, len(codes) - 1, min(JUDGED_ROWS, len(codes))).astype(int)]
    _, first_of_class = np.unique(codes, return_index=True)
    return np.union1d(chosen, first_of_class)
