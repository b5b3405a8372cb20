"""What all image estimators share: rows to training, validation rows, pickling."""

import copy
from functools import partial
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_cellfate._validation import check_groups, check_pixel_scale, validate_images
from sklearn_cellfate._versioned import VersionedMixin
from sklearn_cellfate.neural_network._checkpoint import Checkpoint, fit_key
from sklearn_cellfate.neural_network._device import (
    DrawnApart,
    available_device,
    resolve_device,
    seeded,
)
from sklearn_cellfate.neural_network._progress import ProgressBar
from sklearn_cellfate.neural_network._rows import arrange_rows
from sklearn_cellfate.neural_network._stopping import split_validation
from sklearn_cellfate.preprocessing._symmetries import apply_symmetry, symmetries

# To bound the memory beside the rows: rows that are scaled together in training, and forward
# passes whose images are turned and mirrored together.
ROWS_AT_ONCE = 64
PASSES_AT_ONCE = 8


class BaseImageEstimator(
    VersionedMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Hold a skorch net and train it on the rows of a table.

    A subclass builds its net (`_configure_net`, `_make_net`), says how long a whole fit is
    (`_count_epochs`), who watches validation rows (`_make_monitor`), and how pixels are scaled
    (`_learn_pixel_scale`, `_shift_and_span`). If it has more to fit than the network, it does so
    in `_fit_on_features`.
    """

    _parameter_constraints: dict = {
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "augment": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "image_shape": ["array-like", None],
        "device": [str, torch.device],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "callbacks": [list, None],
        "checkpoint_dir": [str, Path, None],
    }

    def transform(self, X):
        """Encode images.

        Parameters
        ----------
        X : see ``fit``
            Images of the shape fitted on.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out)
            Learned features, float64. With ``augment=True`` the mean over the symmetries of each
            image, so that they do not depend on how a cell happens to lie.
        """
        return self._encode(self._read_images(X), self._shift_and_span())

    def _read_images(self, X):
        check_is_fitted(self)
        images = validate_images(self, X, reset=False)
        check_pixel_scale(self, X, reset=False)
        return images

    # Fitting

    def _arrange(self, X, codes, weights, groups, *, reset):
        """Check X and what belongs to its rows; return the rows as training sees them."""
        reset = reset and not (self.warm_start and hasattr(self, "net_"))
        images = validate_images(self, X, reset=reset)
        check_pixel_scale(self, X, reset=reset)
        if groups is not None:
            groups = check_groups(groups)
        check_consistent_length(images, codes, groups)
        return arrange_rows(images, codes, weights, groups)

    def _fit_rows(self, rows, classes=None, n_epochs=None):
        """Train a new net, or with warm_start a copy of the one there is, and what follows it.

        Parameters
        ----------
        rows : TrainingRows
            Their images are scaled in place.
        classes : ndarray or None
            Names of the classes; needed where there are any.
        n_epochs : int or None
            So many further epochs on all rows, as in ``partial_fit``; None for a whole fit.
        """
        if len(rows.images) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two rows to train on, found "
                f"n_samples={len(rows.images)} with a positive weight."
            )
        self._check_settings(rows)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        whole_fit = n_epochs is None
        if whole_fit and self.checkpoint_dir is not None:
            self._check_checkpoint()
        train, held_out = np.arange(len(rows.images)), None
        if self.early_stopping and whole_fit:
            train, held_out = split_validation(
                len(rows.images),
                rows.codes,
                classes,
                rows.groups,
                self.validation_fraction,
                seed,
            )
        continued = hasattr(self, "net_") and (self.warm_start or not whole_fit)
        if continued:
            self.net_ = self.net_.copy()  # a fit that fails leaves the other as it is
            self._adopt_settings()
        else:
            self._learn_pixel_scale(rows if held_out is None else rows.take(train))
        # In place: the rows are a copy already, and patches of large images fill half a memory.
        for part in gen_batches(len(rows.images), ROWS_AT_ONCE):
            rows.images[part] = self._scale(rows.images[part])
        device = self._training_device()
        with seeded(seed, device):
            if not continued:
                self._net_config = self._configure_net()
                self.net_ = self._start_net(device)
            if held_out is None:
                ended = self._train(rows, None, n_epochs, seed)
            else:
                ended = self._train(rows.take(train), rows.take(held_out), n_epochs, seed)
        self.history_ = self.net_.history_frame()
        self.n_iter_ = len(self.history_)
        self._fit_on_features(rows, whole_fit=whole_fit, first=not continued)
        ended()

    def _check_checkpoint(self):
        if self.random_state is None:
            raise ValueError(
                "checkpoint_dir needs a random_state, found None: an unseeded fit cannot go on "
                "to the result that it would have had."
            )
        if self.callbacks:
            raise ValueError(
                "checkpoint_dir cannot be combined with callbacks, whose state no checkpoint "
                f"knows; found {self.callbacks!r:.80}."
            )

    def _check_settings(self, rows):
        """Refuse parameters that do not go together."""

    def _adopt_settings(self):
        """Go on with parameters that have changed; refuse those that the networks are made of."""
        wanted = self._configure_net()
        for name, value in wanted.items():
            before = self._net_config[name]
            if value == before:
                continue
            if "__" in name:
                parameter = name.split("__")[1]
                raise ValueError(
                    f"{parameter} is {value!r}, but the networks that training would go on with "
                    f"have {parameter}={before!r}; fit with warm_start=False to build new ones."
                )
            self.net_.adopt(name, value)
        self._net_config = wanted

    def _train(self, train, held_out, n_epochs, seed):
        """Train; return what is to be done once all else is fitted, too."""
        whole_fit = n_epochs is None
        n_epochs = self._count_epochs() if whole_fit else n_epochs
        monitor = None if held_out is None else self._make_monitor(train, held_out)
        checkpoint = None
        if self.checkpoint_dir is not None and whole_fit:
            key = fit_key(self, self.net_, train, held_out, seed)
            checkpoint = Checkpoint(self.checkpoint_dir, type(self).__name__, key, monitor)
        bar = ProgressBar(n_epochs) if self.verbose else None
        ours = {"validation_monitor": monitor, "checkpoint": checkpoint, "progress_bar": bar}
        self.net_.callbacks = [
            *(self.callbacks or []),
            *((name, callback) for name, callback in ours.items() if callback is not None),
        ]
        self.net_.initialize_callbacks()
        try:
            diverged = self.net_.fit_images(train, held_out, n_epochs, scheduled=whole_fit)
        finally:
            if bar is not None:
                bar.close()
        return partial(self._end, diverged, checkpoint)

    def _end(self, diverged, checkpoint):
        """Hand the model out by an exception, if training diverged after it."""
        if diverged is not None:
            diverged.model = copy.copy(self)
            diverged.add_note(
                f"The error's attribute `model` is the {type(self).__name__} of the best epoch "
                "before; the estimator itself stays as it was before fit."
            )
            raise diverged
        if checkpoint is not None:
            checkpoint.remove()

    def _fit_on_features(self, rows, *, whole_fit, first):
        """Fit what stands behind the network, on the scaled rows that it was trained on.

        Nothing by default.

        Parameters
        ----------
        rows : TrainingRows
        whole_fit : bool
            True in ``fit``, False in ``partial_fit``.
        first : bool
            Whether the network is new.
        """

    def _training_device(self):
        return resolve_device(self.device)

    def _start_net(self, device):
        """Build the net with the weights that training starts from."""
        return self._make_net(device)

    def _count_epochs(self):
        return self.max_epochs

    def _scale(self, images):
        shift, span = self._shift_and_span()
        scaled = images - shift
        scaled /= span
        return scaled.astype(np.float32, copy=False)

    def _encode(self, images, scale=None):
        """Features of images, the mean over their symmetries with ``augment``.

        Parameters
        ----------
        images : ndarray of shape (n, C, H, W), float32
        scale : tuple of ndarray or None
            What `_shift_and_span` returns, unless the images are scaled.
        """
        numbers = symmetries(*images.shape[2:]) if self.augment else [0]
        if len(numbers) == 1:
            return self.net_.encode(images, scale).astype(np.float64)
        # All views of some images together, so that those of one image share a forward pass.
        at_once = max(PASSES_AT_ONCE * self.net_.inference_batch // len(numbers), 1)
        features = []
        for part in gen_batches(len(images), at_once):
            views = np.concatenate([apply_symmetry(images[part], number) for number in numbers])
            of_views = self.net_.encode(views, scale).astype(np.float64)
            features.append(of_views.reshape(len(numbers), -1, of_views.shape[1]).mean(axis=0))
        return np.concatenate(features)

    # A pickle holds weights as arrays and nothing of a device; without warm_start no optimiser.

    def __getstate__(self):
        """State with the net as parameters and arrays."""
        state = super().__getstate__().copy()
        if "net_" in state:
            net = state.pop("net_")
            state["_net_state"] = net.get_state(with_optimizers=self.warm_start)
        return state

    def __setstate__(self, state):
        """Build the net again, on a device that this machine has."""
        state = dict(state)
        net_state = state.pop("_net_state", None)
        super().__setstate__(state)
        if net_state is not None:
            device = available_device(net_state["device"])
            with DrawnApart():
                self.net_ = self._make_net(device)
            self.net_.set_state(net_state)
