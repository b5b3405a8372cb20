"""What both autoencoder estimators share: parameters to net, rows to training, net to pickle."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from sklearn_cellfate._validation import validate_images
from sklearn_cellfate.neural_network._device import available_device, resolve_device, seeded
from sklearn_cellfate.neural_network._net import AdversarialAutoencoderNet
from sklearn_cellfate.neural_network._progress import ProgressBar
from sklearn_cellfate.neural_network._rows import arrange_rows
from sklearn_cellfate.neural_network._stopping import ValidationMonitor, split_validation
from sklearn_cellfate.preprocessing._symmetries import apply_symmetry, symmetries


class BaseAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Hold a skorch net and train it on the rows of a table."""

    _parameter_constraints: dict = {
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "lambda_reconstruction": [Interval(Real, 0, None, closed="left")],
        "lambda_adversarial": [Interval(Real, 0, None, closed="left")],
        "lambda_contrastive": [Interval(Real, 0, None, closed="left")],
        "lambda_covariance": [Interval(Real, 0, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "contrastive_form": [StrOptions({"in", "out"})],
        "prior": [StrOptions({"normal", "uniform"})],
        "label_smoothing": [Interval(Real, 0, 0.5, closed="left")],
        "noise_std": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "width": [Interval(Real, 0, None, closed="neither")],
        "pretrain_epochs": [Interval(Integral, 0, None, closed="left")],
        "pretrain_ratio": [Interval(Real, 0, None, closed="neither")],
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "betas": ["array-like"],
        "augment": ["boolean"],
        "early_stopping": ["boolean", StrOptions({"criteria"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "min_epochs": [Interval(Integral, 0, None, closed="left")],
        "min_separation": [Interval(Real, 0, None, closed="left")],
        "max_kl": [Interval(Real, 0, None, closed="left")],
        "min_accuracy": [Interval(Real, 0, 1, closed="both")],
        "min_precision": [Interval(Real, 0, 1, closed="both")],
        "image_shape": ["array-like", None],
        "device": [str, torch.device],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "callbacks": [list, None],
    }

    def __init__(
        self,
        latent_dim=2,
        *,
        lambda_reconstruction=8.0,
        lambda_adversarial=4.0,
        lambda_contrastive=6.0,
        lambda_covariance=1e-4,
        temperature=0.5,
        contrastive_form="in",
        prior="normal",
        label_smoothing=0.1,
        noise_std=0.003,
        dropout=0.3,
        width=1.0,
        pretrain_epochs=15,
        pretrain_ratio=5.0,
        max_epochs=100,
        batch_size=30,
        lr=0.001,
        betas=(0.0, 0.9),
        augment=False,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        min_epochs=50,
        min_separation=1.0,
        max_kl=0.2,
        min_accuracy=0.65,
        min_precision=0.65,
        image_shape=None,
        device="auto",
        warm_start=False,
        random_state=None,
        verbose=0,
        callbacks=None,
    ):
        self.latent_dim = latent_dim
        self.lambda_reconstruction = lambda_reconstruction
        self.lambda_adversarial = lambda_adversarial
        self.lambda_contrastive = lambda_contrastive
        self.lambda_covariance = lambda_covariance
        self.temperature = temperature
        self.contrastive_form = contrastive_form
        self.prior = prior
        self.label_smoothing = label_smoothing
        self.noise_std = noise_std
        self.dropout = dropout
        self.width = width
        self.pretrain_epochs = pretrain_epochs
        self.pretrain_ratio = pretrain_ratio
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.betas = betas
        self.augment = augment
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.min_epochs = min_epochs
        self.min_separation = min_separation
        self.max_kl = max_kl
        self.min_accuracy = min_accuracy
        self.min_precision = min_precision
        self.image_shape = image_shape
        self.device = device
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    def transform(self, X):
        """Encode images.

        Parameters
        ----------
        X : see ``fit``
            Images of the shape fitted on.

        Returns
        -------
        latents : ndarray of shape (n_samples, latent_dim)
            Latent features, float64. With ``augment=True`` the mean over the symmetries of each
            image, so that they do not depend on how a cell happens to lie.
        """
        check_is_fitted(self)
        return self._encode(self._scale(validate_images(self, X, reset=False)))

    def inverse_transform(self, latents):
        """Decode latent features to images.

        Parameters
        ----------
        latents : array-like of shape (n_samples, latent_dim)
            Latent features.

        Returns
        -------
        images : ndarray of shape (n_samples, C, H, W)
            In the units of the images fitted on.
        """
        check_is_fitted(self)
        latents = check_array(latents, dtype=np.float32)
        if latents.shape[1] != self._latent_dim:
            raise ValueError(
                f"latents have {latents.shape[1]} columns, but {type(self).__name__} was fitted "
                f"with latent_dim={self._latent_dim}."
            )
        span = self.pixel_max_ - self.pixel_min_
        return self.net_.decode(latents) * span[:, None, None] + self.pixel_min_[:, None, None]

    @property
    def _n_features_out(self):
        return self._latent_dim

    # Fitting

    def _arrange(self, X, codes, weights, groups, *, reset):
        """Check X and what belongs to its rows; return the rows as training sees them."""
        continued = self.warm_start and hasattr(self, "net_")
        images = validate_images(self, X, reset=reset and not continued)
        if groups is not None:
            groups = column_or_1d(groups)
        check_consistent_length(images, codes, groups)
        return arrange_rows(images, codes, weights, groups)

    def _fit_rows(self, rows, classes=None, n_epochs=None):
        """Train a new net, or with warm_start the one there is; returns the rows, scaled.

        Parameters
        ----------
        rows : TrainingRows
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
        self._check_losses(rows)
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
            self._check_same_networks()
        else:
            self._learn_pixel_range(rows.take(train))
        rows = rows.with_images(self._scale(rows.images))
        device = resolve_device(self.device)
        with seeded(seed, device):
            if not continued:
                self._net_config = self._configure_net()
                self._latent_dim = self.latent_dim
                self.net_ = self._make_net(device)
            self._train(
                rows.take(train), held_out if held_out is None else rows.take(held_out), n_epochs
            )
        self.history_ = self.net_.history_frame()
        self.n_iter_ = len(self.history_)
        return rows

    def _check_losses(self, rows):
        if np.shape(self.betas) != (2,) or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be two numbers in [0, 1), found {self.betas!r}.")
        weights = [self.lambda_reconstruction, self.lambda_adversarial, self.lambda_covariance]
        weights += [] if rows.codes is None else [self.lambda_contrastive]
        if not any(weights):
            raise ValueError("all lambda_... that apply are 0; there is nothing to minimise.")

    def _check_same_networks(self):
        for name in ("latent_dim", "width"):
            before = self._net_config[f"module__{name}"]
            if getattr(self, name) != before:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, but the networks that training would go on "
                    f"with have {name}={before}; fit with warm_start=False to build new ones."
                )

    def _train(self, train, held_out, n_epochs):
        if n_epochs is None:
            n_epochs = self.pretrain_epochs + self.max_epochs
            if self.net_.history:  # warm start: stage two goes on
                n_epochs = self.max_epochs
        callbacks = list(self.callbacks or [])
        if held_out is not None:
            callbacks.append(("validation_monitor", self._make_monitor(train, held_out)))
        if self.verbose:
            callbacks.append(("progress_bar", ProgressBar(n_epochs)))
        self.net_.callbacks = callbacks
        self.net_.initialize_callbacks()
        self.net_.fit_images(train, held_out, n_epochs)

    def _configure_net(self):
        """Parameters of the net, from which a pickle builds it again."""
        return {
            "module__image_shape": self.image_shape_,
            "module__latent_dim": self.latent_dim,
            "module__width": self.width,
            "module__noise_std": self.noise_std,
            "module__dropout": self.dropout,
            "discriminator__latent_dim": self.latent_dim,
            "discriminator__dropout": self.dropout,
            "criterion__size": self.image_shape_[1:],
            "criterion__lambda_reconstruction": self.lambda_reconstruction,
            "criterion__lambda_adversarial": self.lambda_adversarial,
            "criterion__lambda_contrastive": self.lambda_contrastive,
            "criterion__lambda_covariance": self.lambda_covariance,
            "criterion__pretrain_ratio": self.pretrain_ratio,
            "criterion__temperature": self.temperature,
            "criterion__contrastive_form": self.contrastive_form,
            "criterion__real_label": 1 - self.label_smoothing,
            "real_label": 1 - self.label_smoothing,
            "fake_label": self.label_smoothing,
            "prior": self.prior,
            "augment": self.augment,
            "pretrain_epochs": self.pretrain_epochs,
            "batch_size": self.batch_size,
            "lr": self.lr,
            "optimizer": torch.optim.Adam,
            "optimizer__betas": tuple(float(beta) for beta in self.betas),
            "optimizer__fused": True,
        }

    def _make_net(self, device):
        return AdversarialAutoencoderNet(
            **self._net_config, device=device, train_split=None, verbose=0
        ).initialize()

    def _make_head(self):
        """Unfitted classifier on the latents, by which early stopping judges an epoch."""
        return LogisticRegression()

    def _make_monitor(self, train, held_out):
        by_criteria = self.early_stopping == "criteria"
        criteria = {
            name: getattr(self, name)
            for name in ("min_separation", "max_kl", "min_accuracy", "min_precision")
        }
        return ValidationMonitor(
            train,
            held_out,
            self._make_head() if train.codes is not None else None,
            n_iter_no_change=None if by_criteria else self.n_iter_no_change,
            criteria=criteria if by_criteria else None,
            min_epochs=self.min_epochs,
        )

    # Pixels and latents

    def _learn_pixel_range(self, rows):
        # Not the extremes over all rows: a few broken images would leave the others no contrast.
        darkest, brightest = rows.images.min((2, 3)), rows.images.max((2, 3))
        how = {"axis": 0, "weights": rows.visits, "method": "inverted_cdf"}
        self.pixel_min_ = np.percentile(darkest, 1, **how)
        self.pixel_max_ = np.percentile(brightest, 99, **how)

    def _scale(self, images):
        span = self.pixel_max_ - self.pixel_min_
        span = np.where(span > 0, span, 1)[:, None, None]
        return ((images - self.pixel_min_[:, None, None]) / span).astype(np.float32)

    def _encode(self, scaled):
        numbers = symmetries(*scaled.shape[2:]) if self.augment else [0]
        views = (np.ascontiguousarray(apply_symmetry(scaled, number)) for number in numbers)
        return np.mean([self.net_.encode(view).astype(np.float64) for view in views], axis=0)

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
