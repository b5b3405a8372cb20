"""Which pixels speak for a class: layer-wise relevance propagation and gradients."""

from numbers import Integral, Real

import pandas as pd
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_cellfate._validation import images_like
from sklearn_cellfate.inspection._pipelines import find_explained
from sklearn_cellfate.inspection._relevance._attribution import Attribution, check_settings
from sklearn_cellfate.inspection._relevance._patches import attribute_patches
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.table import image_column_names

__all__ = ["relevance"]


@validate_params(
    {
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "return_scores": ["boolean"],
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
    composite=None,
    baseline=None,
    batch_size=None,
    n_samples=50,
    noise=0.15,
    return_scores=False,
    random_state=None,
):
    """Map which pixels speak for a class, and which against it.

    Positive relevance speaks for the class, negative against it. With ``method="lrp"`` the map of
    an image sums up to the score of the class, less a part that no pixel has (`return_scores`):
    the score is shared out among the pixels, layer by layer. Believe a map only as far as it has
    been tested: see :func:`~sklearn_cellfate.metrics.pixel_flipping` and
    :func:`parameter_randomization`.

    Parameters
    ----------
    estimator : fitted estimator
        An :class:`~sklearn_cellfate.neural_network.EfficientNetClassifier`,
        :class:`~sklearn_cellfate.neural_network.AAEClassifier` or
        :class:`~sklearn_cellfate.neural_network.AdversarialAutoencoder`, or a pipeline with one
        inside. What is explained is the network's own score, not what later steps make of it. Of
        a :class:`~sklearn_cellfate.patches.PatchClassifier` around one, the mean score of the
        patches that count.
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
        their integral from `baseline` to the image [2]_, whose maps sum up to the difference
        between the scores of both; the mean gradient over noisy copies [3]_.
    composite : {"difference", "epsilon_plus_flat", "epsilon_gamma", "epsilon_gamma_box", \
"alpha_beta"}, default=None
        Rules of layer-wise relevance propagation [4]_. By default "difference" for autoencoders
        and "epsilon_plus_flat" for EfficientNet.

        "difference", for autoencoders only, shares out by how far the pixels of the image and of
        `baseline` lie apart [5]_, by the rule "gamma". The others share out by the pixels
        themselves, and differ in convolutions and residual sums. With "plus", a neuron's
        relevance goes to the inputs that have the sign of its sum; with "gamma" (0.25), to all
        inputs, those more; with "alpha_beta" (2, 1), twice to those and once, with opposite sign,
        to the others: such maps have the most contrast and the most noise. The first convolution
        shares evenly among its pixels ("flat"), by how far each pixel is from the image's
        extremes ("box"), or by the same rule as the others.
    baseline : {"border", "empty"} or array-like of shape (C, H, W), default=None
        What "difference" and "integrated_gradients" compare an image with: a flat image as bright
        as the median of its own outermost pixels, in each channel; the network's zero, which is
        the mean pixel of the training images for EfficientNet and the dark end of the scale for
        autoencoders; or an image of yours, as the network sees images. By default "border" for
        autoencoders, which see a cell in the middle, and "empty" for EfficientNet. Of a cell that
        fills its image the border is no background: name another.
    batch_size : int, default=None
        Images at a time; with ``augment=True`` each counts as often as it is turned. By default
        as many as fit into a quarter of a million pixels.
    n_samples : int, default=50
        Steps of integrated gradients, noisy copies of SmoothGrad.
    noise : float, default=0.15
        Standard deviation of SmoothGrad's noise, relative to the range of an image's pixels.
    return_scores : bool, default=False
        Whether to return, too, what the maps ought to sum up to.
    random_state : int, RandomState instance or None, default=None
        Seed of SmoothGrad's noise, which is the same for every image; other methods draw nothing.

    Returns
    -------
    maps : ndarray of float32 in X's shape
        ``(n, C, H, W)`` for a data frame. Behind steps that change the images, such as
        ``FRETRatio``, of the images as the network sees them. "lrp", "input_x_gradient" and
        "integrated_gradients" are in units of the score; the others in units of the score per
        unit of the network's pixels (a standard deviation of the training images for
        EfficientNet, their range for autoencoders). With ``augment=True`` the mean over the
        symmetries of an image, as the score is.
    scores : DataFrame with one row an image, only with ``return_scores=True``
        - ``target``: the class, or name of the latent feature;
        - ``score``: its score;
        - ``constant``: the part of the score that no pixel has. For "difference" and
          "integrated_gradients" the score of the baseline, for other rules the constant of the
          score's last layer, NaN for other methods, whose maps sum up to nothing;
        - ``relevance``: the sum of the map. What it and ``constant`` lack to ``score`` is lost:
          to biases of the layers in "lrp", to too few `n_samples` in "integrated_gradients".

    Raises
    ------
    ValueError
        If the method, composite or target is unknown, a composite or baseline is given to a
        method that has none, the images are not of the shape fitted on, or the autoencoder's
        head is not linear, so that no class can be traced through it.
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
    relevance on.

    Biases cancel in "difference", as image and baseline have the same, so its sums are exact. By
    the other rules biases take no share but where they are all there is: where no input of a
    neuron contributes, its bias keeps the relevance. EfficientNet has next to no such neurons, and
    its sums are exact to a part in a million. Autoencoders have many, most where cells are masked
    and all pixels 0: in single images "epsilon_gamma" and "alpha_beta" leave more than half of
    the score with biases, "epsilon_plus_flat" less; see `return_scores`. "epsilon_plus_flat" also
    spreads over the whole image what the network says of any cell, so that the maps of different
    cells are more alike. Any map of cells that lie in the middle shows much that holds of all:
    compare maps with their mean.

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
    .. [5] Shrikumar, Greenside and Kundaje (2017), Learning important features through propagating
       activation differences, doi:10.48550/arXiv.1704.02685.

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
        random_state=random_state,
        baseline=baseline,
        batch_size=batch_size,
        n_samples=n_samples,
        noise=noise,
    )
    explained, images = find_explained(estimator, X)
    maps, scores = _attribute(explained, images, target, settings, return_scores)
    is_table = isinstance(X, pd.DataFrame) and image_column_names(X)
    shaped = maps if is_table or isinstance(X, pd.Series) else images_like(X, maps)
    if not return_scores:
        return shaped
    return shaped, scores.assign(relevance=maps.sum((1, 2, 3), dtype=float))


def _attribute(explained, images, target, settings, with_scores):
    if isinstance(explained, PatchClassifier):
        return attribute_patches(explained, images, target, settings)
    attribution = Attribution(explained, images, target, settings)
    return attribution.maps(), attribution.scores() if with_scores else None
