"""What all image estimators share: rows to training, validation rows, pickling."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from sklearn_cellfate._validation import check_pixel_scale, validate_images
from sklearn_cellfate.neural_network._device import available_device, resolve_device, seeded
from sklearn_cellfate.neural_network._progress import ProgressBar
from sklearn_cellfate.neural_network._rows import arrange_rows
from sklearn_cellfate.neural_network._stopping import split_validation
from sklearn_cellfate.preprocessing._symmetries import apply_symmetry, symmetries

ROWS_AT_ONCE = 64  # scaled together, to bound the memory beside the rows


class BaseImageEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Hold a skorch net and train it on the rows of a table.

    A subclass builds its net (`_configure_net`, `_make_net`), says how long a whole fit is
    (`_count_epochs`), who watches validation rows (`_make_monitor`), and how pixels are scaled
    (`_learn_pixel_scale`, `_scale`).
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
        return self._encode(self._scale(self._read_images(X)))

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
            groups = column_or_1d(groups)
        check_consistent_length(images, codes, groups)
        return arrange_rows(images, codes, weights, groups)

    def _fit_rows(self, rows, classes=None, n_epochs=None):
        """Train a new net, or with warm_start the one there is; returns the rows, scaled.

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
            self._adopt_settings()
        else:
            self._learn_pixel_scale(rows if held_out is None else rows.take(train))
        # In place: the rows are a copy already, and patches of large images fill half a memory.
        for part in gen_batches(len(rows.images), ROWS_AT_ONCE):
            rows.images[part] = self._scale(rows.images[part])
        device = resolve_device(self.device)
        with seeded(seed, device):
            if not continued:
                self._net_config = self._configure_net()
                self.net_ = self._start_net(device)
            if held_out is None:
                self._train(rows, None, n_epochs)
            else:
                self._train(rows.take(train), rows.take(held_out), n_epochs)
        self.history_ = self.net_.history_frame()
        self.n_iter_ = len(self.history_)
        return rows

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

    def _train(self, train, held_out, n_epochs):
        whole_fit = n_epochs is None
        n_epochs = self._count_epochs() if whole_fit else n_epochs
        callbacks = list(self.callbacks or [])
        if held_out is not None:
            callbacks.append(("validation_monitor", self._make_monitor(train, held_out)))
        if self.verbose:
            callbacks.append(("progress_bar", ProgressBar(n_epochs)))
        self.net_.callbacks = callbacks
        self.net_.initialize_callbacks()
        self.net_.fit_images(train, held_out, n_epochs, scheduled=whole_fit)

    def _start_net(self, device):
        """Build the net with the weights that training starts from."""
        return self._make_net(device)

    def _count_epochs(self):
        return self.max_epochs

    def _encode(self, scaled):
        """Features of scaled images, the mean over their symmetries with ``augment``."""
        numbers = symmetries(*scaled.shape[2:]) if self.augment else [0]
        # All views of a few images together, so that those of one image share a forward pass.
        features = []
        for part in gen_batches(len(scaled), self.net_.inference_batch):
            views = np.concatenate([apply_symmetry(scaled[part], number) for number in numbers])
            of_views = self.net_.encode(views).astype(np.float64)
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
            with seeded(0, device):
                self.net_ = self._make_net(device)
            self.net_.set_state(net_state)
