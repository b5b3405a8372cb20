"""EfficientNet-V2 for images of any size and any number of channels."""

from functools import partial

import torch
from torch import nn
from torchvision.models import EfficientNet
from torchvision.models.efficientnet import FusedMBConvConfig as Fused
from torchvision.models.efficientnet import MBConvConfig as MBConv

__all__ = ["EfficientNetV2", "adapt_weights", "imagenet_weights"]

# Below this side the first convolution keeps the resolution: five halvings of a 32 x 32 crop
# would leave one pixel before half of the network has seen it.
SMALL_SIDE = 96
STEM = "features.0.0.weight"

# Stages of each variant: expansion, kernel, stride, filters in and out, blocks (table 4 of the
# paper for "s", its code for "m" and "l"); the convolution after them has LAST_FILTERS.
STAGES = {
    "tiny": [
        Fused(1, 3, 2, 8, 16, 1),
        Fused(4, 3, 2, 16, 32, 2),
        MBConv(4, 3, 2, 32, 64, 2),
    ],
    "s": [
        Fused(1, 3, 1, 24, 24, 2),
        Fused(4, 3, 2, 24, 48, 4),
        Fused(4, 3, 2, 48, 64, 4),
        MBConv(4, 3, 2, 64, 128, 6),
        MBConv(6, 3, 1, 128, 160, 9),
        MBConv(6, 3, 2, 160, 256, 15),
    ],
    "m": [
        Fused(1, 3, 1, 24, 24, 3),
        Fused(4, 3, 2, 24, 48, 5),
        Fused(4, 3, 2, 48, 80, 5),
        MBConv(4, 3, 2, 80, 160, 7),
        MBConv(6, 3, 1, 160, 176, 14),
        MBConv(6, 3, 2, 176, 304, 18),
        MBConv(6, 3, 1, 304, 512, 5),
    ],
    "l": [
        Fused(1, 3, 1, 32, 32, 4),
        Fused(4, 3, 2, 32, 64, 7),
        Fused(4, 3, 2, 64, 96, 7),
        MBConv(4, 3, 2, 96, 192, 10),
        MBConv(6, 3, 1, 192, 224, 19),
        MBConv(6, 3, 2, 224, 384, 25),
        MBConv(6, 3, 1, 384, 640, 7),
    ],
}
LAST_FILTERS = {"tiny": 256, "s": 1280, "m": 1280, "l": 1280}


class EfficientNetV2(EfficientNet):
    """EfficientNet-V2 of torchvision [1]_ with a first convolution for the channels at hand.

    Parameters
    ----------
    image_shape : tuple of (int, int, int)
        Channels, height and width. Where both sides are below 96 pixels the first convolution has
        stride 1, not 2; the weights are the same.
    n_classes : int
        Outputs of the classifier.
    variant : {"tiny", "s", "m", "l"}, default="s"
        ``"tiny"`` has the same blocks, fewer and narrower: 0.13 million parameters, for small
        images, tests and computers without a GPU.
    dropout : float, default=0.2
        Share of the penultimate features dropped in training.
    stochastic_depth : float, default=0.2
        Probability of leaving out the last residual block in training; falls to 0 at the first.

    References
    ----------
    .. [1] Tan and Le (2021), EfficientNetV2, doi:10.48550/arXiv.2104.00298.
    """

    def __init__(self, image_shape, n_classes, variant="s", *, dropout=0.2, stochastic_depth=0.2):
        super().__init__(
            STAGES[variant],
            dropout,
            stochastic_depth_prob=stochastic_depth,
            num_classes=n_classes,
            norm_layer=partial(nn.BatchNorm2d, eps=1e-3),
            last_channel=LAST_FILTERS[variant],
        )
        old, channels = self.features[0][0], image_shape[0]
        stride = 1 if max(image_shape[1:]) < SMALL_SIDE else 2
        self.features[0][0] = nn.Conv2d(
            channels, old.out_channels, 3, stride=stride, padding=1, bias=False
        )
        nn.init.kaiming_normal_(self.features[0][0].weight, mode="fan_out")

    @property
    def encoder(self):
        """From images to penultimate features."""
        return nn.Sequential(self.features, self.avgpool, nn.Flatten(1))

    @property
    def n_features(self):
        """Number of penultimate features."""
        return self.classifier[1].in_features

    @property
    def stages(self):
        """Parts from the image to the classes: those that open first when unfreezing are last."""
        return [*self.features, self.classifier]


def adapt_weights(weights, network):
    """Fit the weights of another EfficientNet-V2 of the variant to a network.

    Parameters
    ----------
    weights : dict of str to Tensor
        A state dict, such as torchvision's for ImageNet or the network's own.
    network : EfficientNetV2
        What they are for.

    Returns
    -------
    adapted : dict of str to Tensor
        The first convolution's filters summed over their input channels for images of one
        channel (which is what they answer to a grey image), their mean repeated for other
        numbers and scaled to the same sum; the classifier's weights taken over where the number
        of classes is the same, else the network's own.

    Raises
    ------
    ValueError
        If the weights belong to another network; names the first that does not fit.
    """
    own = network.state_dict()
    adapted = {name: tensor for name, tensor in weights.items() if name in own}
    bias = adapted.get("classifier.1.bias")
    if getattr(bias, "shape", None) != own["classifier.1.bias"].shape:
        adapted |= {name: own[name] for name in ("classifier.1.weight", "classifier.1.bias")}
    missing = [name for name in own if name not in adapted and "num_batches" not in name]
    if missing:
        raise ValueError(
            f"weights lack {missing[0]!r} and {len(missing) - 1} others of the network's "
            f"{len(own)} entries; they begin with {list(weights)[:3]}. Are they of another "
            "variant, or a checkpoint with the state dict inside?"
        )
    for name, tensor in adapted.items():
        _check_entry(name, tensor, own[name])
    adapted[STEM] = _adapt_channels(adapted[STEM], own[STEM].shape[1])
    return own | adapted


def _check_entry(name, tensor, expected):
    if not isinstance(tensor, torch.Tensor):
        raise ValueError(f"weights {name!r} are a {type(tensor).__name__}, not a Tensor.")
    shape, wanted = list(tensor.shape), list(expected.shape)
    if name == STEM and len(shape) == 4:
        wanted[1] = shape[1]  # any number of channels is adapted
    if shape != wanted:
        raise ValueError(
            f"weights {name!r} have shape {tuple(shape)}, the network expects {tuple(wanted)}; "
            "are they of another variant?"
        )
    if not torch.isfinite(tensor).all():
        raise ValueError(f"weights {name!r} hold NaN or infinite values.")


def _adapt_channels(filters, n_channels):
    n_before = filters.shape[1]
    if n_before == n_channels:
        return filters
    mean = filters.mean(1, keepdim=True)
    return mean.repeat(1, n_channels, 1, 1) * (n_before / n_channels)


def imagenet_weights(variant):
    """Download torchvision's weights of ImageNet.

    Parameters
    ----------
    variant : {"s", "m", "l"}

    Returns
    -------
    weights : dict of str to Tensor

    Raises
    ------
    ConnectionError
        If they are not on this computer yet and cannot be fetched.
    """
    from torchvision.models import get_weight

    weights = get_weight(f"EfficientNet_V2_{variant.upper()}_Weights.DEFAULT")
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise ConnectionError(
            f"the ImageNet weights of EfficientNet-V2-{variant.upper()} are not in "
            f"{torch.hub.get_dir()} and could not be fetched from {weights.url} ({error}); fetch "
            "that file where there is a network and pass its path as weights."
        ) from error
