"""Relevance of images for the scores of one network."""

from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sklearn_cellfate.inspection._relevance._baselines import scale_baselines
from sklearn_cellfate.inspection._relevance._readout import find_columns, find_readout
from sklearn_cellfate.table import listing

__all__ = ["Attribution", "Settings", "check_settings"]

METHODS = ("lrp", "gradient", "input_x_gradient", "integrated_gradients", "smoothgrad")
COMPOSITE_NAMES = (
    "difference",
    "epsilon_plus_flat",
    "epsilon_gamma",
    "epsilon_gamma_box",
    "alpha_beta",
)
# What each method needs that is not always installed.
PACKAGES = {"lrp": "zennit", "integrated_gradients": "captum", "smoothgrad": "captum"}


@dataclass(frozen=True)
class Settings:
    """How maps are made; see the parameters of :func:`relevance`."""

    method: str = "lrp"
    composite: str | None = None
    baseline: object = None
    batch_size: int | None = None
    n_samples: int = 50
    noise: float = 0.15
    seed: int = 0


def check_settings(method, composite=None, *, random_state=None, **others):
    """Return the settings, or say which name is unknown or which package missing.

    A seed is drawn from `random_state` only for the method that makes noise.
    """
    names = [("method", method, METHODS)]
    names += [] if composite is None else [("composite", composite, COMPOSITE_NAMES)]
    for name, value, known in names:
        if value not in known:
            raise ValueError(f"{name} must be one of {listing(known)}, found {value!r}.")
    if composite is not None and method != "lrp":
        raise ValueError(
            f"composite={composite!r} is for method='lrp'; method={method!r} has no rules."
        )
    package = PACKAGES.get(method)
    if package is not None and find_spec(package) is None:
        raise ImportError(
            f'method={method!r} needs {package}: pip install "sklearn-cellfate[lrp]"; '
            "method='gradient' needs nothing more."
        )
    settings = Settings(method, composite, **others)
    if method != "smoothgrad":
        return settings
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    return replace(settings, seed=seed)


class Attribution:
    """A network, images as it takes them, and for each the score that is to be explained.

    Parameters
    ----------
    estimator : AdversarialAutoencoder, AAEClassifier or EfficientNetClassifier
        Fitted; it is not touched.
    images : ndarray of shape (n, C, H, W), float32
        As it was fitted on.
    target : class label, "latent k", int, array-like of shape (n,) or None
        See :func:`relevance`.
    settings : Settings
        How.
    columns : ndarray of shape (n,), int, default=None
        Score to explain for each image, instead of that which `target` says.

    Attributes
    ----------
    columns : ndarray of shape (n,), int
        The score of each image.
    """

    def __init__(self, estimator, images, target, settings, columns=None):
        from sklearn_cellfate.inspection._relevance._attribution_network import (
            Views,
            copy_network,
        )

        self._estimator, self._settings = estimator, settings
        self._composite = _find_composite(estimator, settings)
        self._check_baseline()
        if np.ndim(target) == 1:
            columns, target = find_columns(estimator, target, len(images)), None
        self._readout = find_readout(estimator, target)
        scaled = estimator._scale(images)
        self._network = copy_network(estimator, self._readout)
        self._views = Views(
            estimator,
            scaled,
            scale_baselines(estimator, scaled, settings.baseline),
            self._network,
            settings.batch_size,
        )
        if columns is None and self._readout.column is not None:
            columns = np.full(len(images), self._readout.column)
        if columns is None:
            columns = self._views.score(self._network).argmax(axis=1)
        self.columns = columns

    def maps(self):
        """Make the maps: ndarray of shape (n, C, H, W), float32."""
        return self._views.explain(self._make_explainer(), self.columns)

    def scores(self):
        """Score of each image, and the part of it that no pixel has.

        Returns
        -------
        scores : DataFrame
            ``target``, ``score`` and ``constant``; see :func:`relevance`.
        """
        of_images = self._views.score(self._network)
        rows = np.arange(len(of_images))
        return pd.DataFrame(
            {
                "target": self._readout.names[self.columns],
                "score": of_images[rows, self.columns],
                "constant": self._constants()[rows, self.columns],
            }
        )

    def _constants(self):
        """Return the constant part of every score, (n, n_scores)."""
        shape = len(self.columns), len(self._readout.bias)
        if self._has_baseline():
            return self._views.score(self._network, of_baselines=True)
        is_lrp = self._settings.method == "lrp"
        return np.broadcast_to(self._readout.bias if is_lrp else np.nan, shape)

    def _has_baseline(self):
        return self._composite == "difference" or self._settings.method == "integrated_gradients"

    def _check_baseline(self):
        if self._settings.baseline is not None and not self._has_baseline():
            rules = "" if self._composite is None else f" by composite={self._composite!r}"
            raise ValueError(
                "baseline is for method='integrated_gradients', or composite='difference' of "
                f"autoencoders; method={self._settings.method!r}{rules} compares an image with "
                "nothing."
            )

    def _make_explainer(self):
        if self._settings.method == "lrp":
            from sklearn_cellfate.inspection._relevance._attribution_network import copy_network
            from sklearn_cellfate.inspection._relevance._lrp import make_propagation

            # Another copy, which is taken apart.
            network = copy_network(self._estimator, self._readout)
            return make_propagation(network, self._composite)
        from sklearn_cellfate.inspection._relevance import _gradients

        make = getattr(_gradients, f"make_{self._settings.method}")
        return make(self._network, self._settings)


def _find_composite(estimator, settings):
    """Name of the rules, None for methods that have none."""
    if settings.method != "lrp":
        return None
    is_autoencoder = hasattr(estimator, "inverse_transform")
    if settings.composite is None:
        return "difference" if is_autoencoder else "epsilon_plus_flat"
    if settings.composite == "difference" and not is_autoencoder:
        raise ValueError(
            f"composite='difference' is for autoencoders: the gates of {type(estimator).__name__} "
            "differ between an image and its baseline; choose another, or "
            "method='integrated_gradients'."
        )
    return settings.composite
