"""What both autoencoder estimators share: parameters, the net made of them, pixels 0 to 1."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_cellfate.neural_network._autoencoder_net import AdversarialAutoencoderNet
from sklearn_cellfate.neural_network._base import BaseImageEstimator
from sklearn_cellfate.neural_network._stopping import LatentMonitor


class BaseAutoencoder(BaseImageEstimator):
    """Parameters of an adversarial autoencoder, and what follows from them."""

    _parameter_constraints: dict = {
        **BaseImageEstimator._parameter_constraints,
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
        "lr_schedule": [StrOptions({"constant", "cosine"})],
        "betas": ["array-like"],
        "early_stopping": ["boolean", StrOptions({"criteria"})],
        "min_epochs": [Interval(Integral, 0, None, closed="left")],
        "min_separation": [Interval(Real, 0, None, closed="left")],
        "max_kl": [Interval(Real, 0, None, closed="left")],
        "min_accuracy": [Interval(Real, 0, 1, closed="both")],
        "min_precision": [Interval(Real, 0, 1, closed="both")],
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
        lr_schedule="constant",
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
        checkpoint_dir=None,
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
        self.lr_schedule = lr_schedule
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
        self.checkpoint_dir = checkpoint_dir

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
        if latents.shape[1] != self._n_features_out:
            raise ValueError(
                f"latents have {latents.shape[1]} columns, but {type(self).__name__} was fitted "
                f"with latent_dim={self._n_features_out}."
            )
        span = self.pixel_max_ - self.pixel_min_
        return self.net_.decode(latents) * span[:, None, None] + self.pixel_min_[:, None, None]

    @property
    def _n_features_out(self):
        return self._net_config["module__latent_dim"]

    # Fitting

    def _check_settings(self, rows):
        if np.shape(self.betas) != (2,) or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be two numbers in [0, 1), found {self.betas!r}.")
        weights = [self.lambda_reconstruction, self.lambda_adversarial, self.lambda_covariance]
        weights += [] if rows.codes is None else [self.lambda_contrastive]
        if not any(weights):
            raise ValueError("all lambda_... that apply are 0; there is nothing to minimise.")

    def _count_epochs(self):
        goes_on = self.net_.history  # a warm start is past stage one
        return self.max_epochs if goes_on else self.pretrain_epochs + self.max_epochs

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
            "lr_schedule": self.lr_schedule,
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
        return LatentMonitor(
            train,
            held_out,
            self._make_head() if train.codes is not None else None,
            n_iter_no_change=None if by_criteria else self.n_iter_no_change,
            criteria=criteria if by_criteria else None,
            min_epochs=self.min_epochs,
        )

    # Pixels and latents

    def _learn_pixel_scale(self, rows):
        # Not the extremes over all rows: a few broken images would leave the others no contrast.
        darkest, brightest = rows.images.min((2, 3)), rows.images.max((2, 3))
        how = {"axis": 0, "weights": rows.visits, "method": "inverted_cdf"}
        self.pixel_min_ = np.percentile(darkest, 1, **how)
        self.pixel_max_ = np.percentile(brightest, 99, **how)

    def _shift_and_span(self):
        span = self.pixel_max_ - self.pixel_min_
        span = np.where(span > 0, span, 1)
        return self.pixel_min_[:, None, None], span[:, None, None]
