"""Whether relevance maps depend on what the network has learned."""

from copy import deepcopy
from numbers import Integral

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_cellfate.inspection._pipelines import find_image_estimator
from sklearn_cellfate.inspection._relevance._attribution import Attribution, check_settings
from sklearn_cellfate.metrics._ms_ssim import ssim_maps

__all__ = ["parameter_randomization"]


@validate_params(
    {
        "cascade": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def parameter_randomization(
    estimator,
    X,
    target=None,
    *,
    method="lrp",
    composite=None,
    baseline=None,
    cascade=True,
    batch_size=None,
    random_state=None,
):
    """Compare relevance maps with those of a network whose weights are shuffled.

    A map that stays the same when the network has forgotten what it learned shows the image's
    edges, not the network's reasons [1]_. From the last layer down to the first, the weights of a
    layer are shuffled within each of its tensors, so that their sizes stay as they were, and the
    maps are made again.

    Parameters
    ----------
    estimator : fitted estimator
        As for :func:`relevance`; it is not touched.
    X : as for :func:`relevance`
        Images.
    target : as for :func:`relevance`, default=None
        What to explain; by default the class that the intact network predicts for each image.
    method : str, default="lrp"
        See :func:`relevance`.
    composite : str, default=None
        See :func:`relevance`.
    baseline : str or array-like of shape (C, H, W), default=None
        See :func:`relevance`.
    cascade : bool, default=True
        Whether layers above stay shuffled; False shuffles one layer at a time.
    batch_size : int, default=None
        See :func:`relevance`.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling.

    Returns
    -------
    similarity : DataFrame with one row a layer, last layer first
        Of the pixels that are not 0 in both maps. Around masked cells most are, whatever the
        weights, and would make any two maps look alike.

        - ``layer``: name of the part of the network.
        - ``spearman``: rank correlation between the absolute maps, the mean over images; 1 if
          shuffling changes nothing, around 0 for noise in place of a map. Rarely 0, as even an
          untrained network answers to edges.
        - ``spearman_signed``: the same of the maps themselves; negative where what spoke for the
          class now speaks against it.
        - ``ssim``: structural similarity of the absolute maps, each relative to its maximum, the
          mean over the same pixels. Above 0 for noise, too, for absolute maps are all positive;
          at the edge of a mask its windows hold pixels that are 0 in both.

    References
    ----------
    .. [1] Adebayo et al. (2018), Sanity checks for saliency maps,
       doi:10.48550/arXiv.1810.03292.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.inspection import parameter_randomization
    >>> from sklearn_cellfate.neural_network import EfficientNetClassifier
    >>> images = np.random.default_rng(0).random((20, 16, 16))
    >>> net = EfficientNetClassifier("tiny", max_epochs=1, random_state=0)
    >>> net = net.fit(images, np.arange(20) % 2)
    >>> similarity = parameter_randomization(net, images[:3], random_state=0)
    >>> similarity["layer"].tolist()
    ['classifier', 'features.4', 'features.3', 'features.2', 'features.1', 'features.0']
    """
    random_state = check_random_state(random_state)
    settings = check_settings(
        method,
        composite,
        baseline=baseline,
        batch_size=batch_size,
        random_state=random_state.randint(np.iinfo(np.int32).max),
    )
    image_estimator, images = find_image_estimator(estimator, X)
    intact = Attribution(image_estimator, images, target, settings)
    maps = intact.maps()
    shuffled, rows = deepcopy(image_estimator), []
    for name, _ in reversed(_layers(image_estimator)):
        if not cascade:
            shuffled = deepcopy(image_estimator)
        _shuffle(dict(_layers(shuffled))[name], random_state)
        found = Attribution(shuffled, images, target, settings, intact.columns).maps()
        rows.append({"layer": name, **_compare(maps, found)})
    return pd.DataFrame(rows)


def _layers(image_estimator):
    """Parts with weights between image and score, by name, first layer first."""
    module = image_estimator.net_.module_
    parts = {"features": module.features} if hasattr(module, "features") else {}
    parts = parts or {"encoder": module.encoder}
    layers = [
        (f"{name}.{number}", layer)
        for name, part in parts.items()
        for number, layer in part.named_children()
        if any(True for _ in layer.parameters())
    ]
    return layers + ([("classifier", module.classifier)] if hasattr(module, "classifier") else [])


def _shuffle(layer, random_state):
    """Shuffle the entries of each tensor of weights."""
    import torch

    from sklearn_cellfate.neural_network._device import seeded

    with torch.no_grad():
        for weights in layer.parameters():
            order = torch.from_numpy(random_state.permutation(weights.numel()))
            weights.copy_(weights.flatten()[order.to(weights.device)].view_as(weights))
    for part in layer.modules():
        if hasattr(part, "normalized_weight"):  # the largest singular value is another one now
            with seeded(int(random_state.randint(2**31 - 1)), part.weight.device):
                part._start_power_iteration()


def _compare(maps, others):
    shown = [(one != 0) | (other != 0) for one, other in zip(maps, others)]
    signed = [_rank_correlation(*pair) for pair in zip(maps, others, shown)]
    maps, others = np.abs(maps), np.abs(others)
    unsigned = [_rank_correlation(*pair) for pair in zip(maps, others, shown)]
    similar = [_structural_similarity(*pair) for pair in zip(maps, others, shown)]
    return {
        "spearman": np.nanmean(unsigned),
        "spearman_signed": np.nanmean(signed),
        "ssim": np.nanmean(similar),
    }


def _rank_correlation(one, other, shown):
    one, other = one[shown], other[shown]
    if not len(one) or np.ptp(one) == 0 or np.ptp(other) == 0:
        return np.nan
    return spearmanr(one, other).statistic


def _structural_similarity(one, other, shown):
    luminance, contrast = ssim_maps(_relative(one), _relative(other))
    return np.mean((luminance * contrast)[shown]) if shown.any() else np.nan


def _relative(unsigned):
    return unsigned / (unsigned.max() or 1)
