"""Which pixels speak for a class: layer-wise relevance propagation and gradients."""

from dataclasses import dataclass
from importlib.util import find_spec
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_cellfate._validation import images_like
from sklearn_cellfate.inspection._pipelines import find_image_estimator
from sklearn_cellfate.inspection._relevance._readout import find_columns, find_readout
from sklearn_cellfate.table import image_column_names, listing

__all__ = ["attribute_images", "relevance"]

METHODS = ("lrp", "gradient", "input_x_gradient", "integrated_gradients", "smoothgrad")
COMPOSITE_NAMES = ("epsilon_plus_flat", "epsilon_gamma", "epsilon_gamma_box", "alpha_beta")
# What each method needs that is not always installed.
PACKAGES = {"lrp": "zennit", "integrated_gradients": "captum", "smoothgrad": "captum"}


@dataclass(frozen=True)
class Settings:
    """How maps are made; see the parameters of :func:`relevance`."""

    method: str = "lrp"
    composite: str = "epsilon_plus_flat"
    batch_size: int | None = None
    n_samples: int = 50
    noise: float = 0.15
    seed: int = 0


@validate_params(
    {
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def relevance(
    estimator,
    X,
    target=None,
    *,
    method="lrp",
    composite="epsilon_plus_flat",
    batch_size=None,
    n_samples=50,
    noise=0.15,
    random_state=None,
):
    """Map which pixels speak for a class, and which against it.

    Positive relevance speaks for the class, negative against it. With ``method="lrp"`` the map of
    an image sums up to the score of the class, less its constant part: the score is shared out
    among the pixels, layer by layer. Believe a map only as far as it has been tested: see
    :func:`~sklearn_cellfate.metrics.pixel_flipping` and :func:`parameter_randomization`.

    Parameters
    ----------
    estimator : fitted estimator
        An :class:`~sklearn_cellfate.neural_network.EfficientNetClassifier`,
        :class:`~sklearn_cellfate.neural_network.AAEClassifier` or
        :class:`~sklearn_cellfate.neural_network.AdversarialAutoencoder`, or a pipeline with one
        inside. What is explained is the network's own score, not what later steps make of it. Of
        a :class:`~sklearn_cellfate.patches.PatchClassifier` take ``estimator_`` and patches.
    X : DataFrame with one image column, or array of shape (n, H, W), (n, C, H, W) or \
(n, n_features)
        Images of the shape fitted on.
    target : class label, str, int or array-like of shape (n,), default=None
        The class to explain, one for all images or one for each; by default the class that the
        network itself predicts for each image, which may differ from that of a pipeline with
        further steps. The score of a class is its logit less the mean logit of the other
        classes: for two classes the log odds. ``"latent 0"`` explains the first latent feature of
        an autoencoder, and so on; without classes, the number 0 does too, and a target is needed.
    method : {"lrp", "gradient", "input_x_gradient", "integrated_gradients", "smoothgrad"}, \
default="lrp"
        Layer-wise relevance propagation [1]_; the gradient of the score; that times the pixels;
        their integral from an empty image [2]_, whose maps sum up to the difference between the
        scores of both; the mean gradient over noisy copies [3]_. The empty image is the mean
        pixel of the training images for EfficientNet, the dark end of the scale for autoencoders.
    composite : {"epsilon_plus_flat", "epsilon_gamma", "epsilon_gamma_box", "alpha_beta"}, \
default="epsilon_plus_flat"
        Rules of layer-wise relevance propagation [4]_, for convolutions and residual sums. With
        "plus", a neuron's relevance goes to the inputs that have the sign of its sum; with
        "gamma" (0.25), to all inputs, those more; with "alpha_beta" (2, 1), twice to those and
        once, with opposite sign, to the others: such maps have the most contrast and the most
        noise. The first convolution shares evenly among its pixels ("flat"), by how far each
        pixel is from the image's extremes ("box"), or by the same rule as the others.
    batch_size : int, default=None
        Images at a time; with ``augment=True`` each counts as often as it is turned. By default
        as many as fit into a quarter of a million pixels.
    n_samples : int, default=50
        Steps of integrated gradients, noisy copies of SmoothGrad.
    noise : float, default=0.15
        Standard deviation of SmoothGrad's noise, relative to the range of an image's pixels.
    random_state : int, RandomState instance or None, default=None
        Seed of SmoothGrad's noise, which is the same for every image.

    Returns
    -------
    maps : ndarray of float32 in X's shape
        ``(n, C, H, W)`` for a data frame. Behind steps that change the images, such as
        ``FRETRatio``, of the images as the network sees them. "lrp", "input_x_gradient" and
        "integrated_gradients" are in units of the score; the others in units of the score per
        unit of the network's pixels (a standard deviation of the training images for
        EfficientNet, their range for autoencoders). With ``augment=True`` the mean over the
        symmetries of an image, as the score is.

    Raises
    ------
    ValueError
        If the method, composite or target is unknown, the images are not of the shape fitted on,
        or the autoencoder's head is not linear, so that no class can be traced through it.
    ImportError
        If zennit ("lrp") or captum ("integrated_gradients", "smoothgrad") is not installed:
        ``pip install "sklearn-cellfate[lrp]"``.
    NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    RelevanceDisplay : Draw images and maps.
    parameter_randomization : Do the maps depend on what was learned?

    Notes
    -----
    The estimator is not touched: a copy of the network, in double precision, is brought into the
    form that the rules are made for. Batch norm is folded into the convolution before it, spectral
    norm into the weights; residual sums become layers of their own; gates of squeeze and
    excitation count as constants; activations, and batch norm with no convolution before it, pass
    relevance on. Biases take no share but where they are all there is: where no input of a neuron
    contributes, as in the empty parts of an autoencoder's layers, its bias keeps the relevance.
    So the sum is exact for EfficientNet and nearly so for autoencoders.

    References
    ----------
    .. [1] Bach et al. (2015), On pixel-wise explanations for non-linear classifier decisions by
       layer-wise relevance propagation, doi:10.1371/journal.pone.0130140.
    .. [2] Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks,
       doi:10.48550/arXiv.1703.01365.
    .. [3] Smilkov et al. (2017), SmoothGrad: removing noise by adding noise,
       doi:10.48550/arXiv.1706.03825.
    .. [4] Montavon et al. (2019), Layer-wise relevance propagation: an overview,
       doi:10.1007/978-3-030-28954-6_10.

    Examples
    --------
    A bright spot in one corner or none: the relevance lies in that corner.

    >>> import numpy as np
    >>> from sklearn_cellfate.inspection import relevance
    >>> from sklearn_cellfate.neural_network import EfficientNetClassifier
    >>> images = np.random.default_rng(0).random((60, 16, 16))
    >>> spot = np.array(["none", "spot"] * 30)
    >>> images[spot == "spot", 2:6, 2:6] += 2
    >>> net = EfficientNetClassifier("tiny", max_epochs=6, random_state=0).fit(images, spot)
    >>> maps = relevance(net, images[1:2], "spot")
    >>> maps.shape
    (1, 16, 16)
    >>> bool(maps[0, :8, :8].sum() > 0.5 * maps.sum())
    True
    """
    settings = check_settings(
        method,
        composite,
        batch_size,
        n_samples=n_samples,
        noise=noise,
        random_state=random_state,
    )
    image_estimator, images = find_image_estimator(estimator, X)
    columns = None
    if np.ndim(target) == 1:
        columns, target = find_columns(image_estimator, target, len(images)), None
    maps, _ = attribute_images(image_estimator, images, target, settings, columns)
    is_table = isinstance(X, pd.DataFrame) and image_column_names(X)
    return maps if is_table or isinstance(X, pd.Series) else images_like(X, maps)


def check_settings(method, composite, batch_size, *, n_samples=50, noise=0.15, random_state):
    """Return the settings, or say which name is unknown or which package missing."""
    for name, value, known in (
        ("method", method, METHODS),
        ("composite", composite, COMPOSITE_NAMES),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {listing(known)}, found {value!r}.")
    package = PACKAGES.get(method)
    if package is not None and find_spec(package) is None:
        raise ImportError(
            f'method={method!r} needs {package}: pip install "sklearn-cellfate[lrp]"'
        )
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    return Settings(method, composite, batch_size, n_samples, noise, seed)


def attribute_images(image_estimator, images, target, settings, columns=None):
    """Map the relevance of images as a network's estimator takes them.

    Parameters
    ----------
    image_estimator : AdversarialAutoencoder, AAEClassifier or EfficientNetClassifier
        Fitted.
    images : ndarray of shape (n, C, H, W), float32
        As it was fitted on.
    target : class label, "latent k", int or None
        See :func:`relevance`.
    settings : Settings
        How.
    columns : ndarray of shape (n,), int, default=None
        Score to explain for each image, instead of that which `target` says.

    Returns
    -------
    maps : ndarray of shape (n, C, H, W), float32
    columns : ndarray of shape (n,), int
        The score explained for each image.
    """
    from sklearn_cellfate.inspection._relevance._attribution_network import Views, copy_network

    readout = find_readout(image_estimator, target)
    network = copy_network(image_estimator, readout)
    views = Views(image_estimator, image_estimator._scale(images), network, settings.batch_size)
    if columns is None and readout.column is not None:
        columns = np.full(len(images), readout.column)
    if columns is None:
        columns = views.score(network).argmax(axis=1)
    return views.explain(_make_explainer(network, settings), columns), columns


def _make_explainer(network, settings):
    if settings.method == "lrp":
        from sklearn_cellfate.inspection._relevance._lrp import make_propagation

        return make_propagation(network, settings.composite)
    from sklearn_cellfate.inspection._relevance import _gradients

    return getattr(_gradients, f"make_{settings.method}")(network, settings)
