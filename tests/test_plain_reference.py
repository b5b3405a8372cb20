"""The networks' quick ways compute what plain torch does: losses, gradients, what they remember.

The plain form stands here: each layer by its textbook operation, gradients by autograd alone.
"""

import copy
from functools import singledispatch

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sklearn_cellfate.torch_modules import (
    Autoencoder,
    AutoencoderObjective,
    Discriminator,
    SpectralConv2d,
    SpectralLinear,
    supervised_contrastive_loss,
)
from sklearn_cellfate.torch_modules._blocks import (
    Dropout,
    GaussianNoise,
    ResidualDown,
    ResidualUp,
)
from sklearn_cellfate.torch_modules._convolution import convolve, convolve_enlarged


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


# The plain form -------------------------------------------------------------------------------


@singledispatch
def plain(module, x):
    """Apply a module; those that are torch's own are plain already."""
    return module(x)


@plain.register
def _(module: nn.Sequential, x):
    for layer in module:
        x = plain(layer, x)
    return x


@plain.register
def _(module: GaussianNoise, x):
    return x + module.std * torch.randn_like(x)


@plain.register
def _(module: SpectralConv2d, x):
    return F.conv2d(x, plain_weight(module), module.bias, module.stride, module.padding)


@plain.register
def _(module: SpectralLinear, x):
    return F.linear(x, plain_weight(module), module.bias)


@plain.register
def _(module: ResidualDown, x):
    return plain(module.path, x) + plain(module.skip, x)


@plain.register
def _(module: ResidualUp, x):
    def enlarge(x):
        return F.interpolate(x, size=module.size, mode="nearest")

    return plain(module.path, enlarge(plain(module.before, x))) + plain(module.skip, enlarge(x))


def plain_weight(layer):
    """One power iteration, then the weight over its estimated norm."""
    matrix = layer.weight.flatten(1)
    with torch.no_grad():
        layer.v = F.normalize(matrix.t() @ layer.u, dim=0)
        layer.u = F.normalize(matrix @ layer.v, dim=0)
    return layer.weight / (layer.u @ matrix @ layer.v)


def plain_ms_ssim(x, y):
    """Wang et al. (2003), windows of 5 pixels over mirrored borders, scales of 5 pixels and up."""
    weights = torch.tensor([0.0448, 0.2856, 0.3001, 0.2363, 0.1333], dtype=x.dtype)
    n_scales = sum(min(x.shape[2:]) >> scale >= 5 for scale in range(1, 5)) + 1
    weights = weights[:n_scales] / weights[:n_scales].sum()
    logs = 0
    for scale, weight in enumerate(weights):
        mx, my = smooth(x), smooth(y)
        vx, vy, cov = (
            smooth(x * x) - mx * mx,
            smooth(y * y) - my * my,
            smooth(x * y) - mx * my,
        )
        similar = (2 * cov + 0.03**2) / (vx + vy + 0.03**2)
        if scale == n_scales - 1:
            similar = similar * (2 * mx * my + 0.01**2) / (mx * mx + my * my + 0.01**2)
        factor = similar.mean((2, 3))
        tangent = np.log(0.05) + factor / 0.05 - 1
        logs = logs + weight * torch.where(factor < 0.05, tangent, factor.clamp_min(0.05).log())
        if scale < n_scales - 1:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return logs.exp().mean(1)


def smooth(image):
    window = torch.exp(-0.5 * torch.arange(-2.0, 3.0, dtype=image.dtype) ** 2)
    window = window / window.sum()
    for axis in (2, 3):
        side = image.shape[axis]
        mirrored = torch.from_numpy(np.pad(np.arange(side), 2, mode="symmetric"))
        slices = [
            image.index_select(axis, mirrored[shift : shift + side]) * weight
            for shift, weight in enumerate(window)
        ]
        image = sum(slices)
    return image


# Convolutions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize(
    "n_in, n_out, side, stride, size",
    [
        (2, 8, 3, 2, (20, 20)),
        (2, 3, 3, 1, (7, 9)),
        (2, 3, 3, 2, (1, 1)),
        (9, 16, 3, 1, (4, 5)),
        (3, 4, 1, 2, (9, 8)),
        (40, 40, 1, 1, (2, 2)),
    ],
)
def test_convolutions_are_those_of_torch(n_in, n_out, side, stride, size, groups):
    x = torch.randn(5, groups * n_in, *size, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(groups * n_out, n_in, side, side, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(groups * n_out, dtype=torch.float64, requires_grad=True)
    how = {"stride": stride, "padding": side // 2, "groups": groups}
    same_values_and_gradients(convolve, F.conv2d, (x, weight, bias), **how)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("size", [(10, 6), (9, 6), (9, 5), (5, 3)])
def test_enlarged_convolutions_are_those_of_the_enlarged_image(size, groups):
    x = torch.randn(4, groups * 3, 5, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(groups * 2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(groups * 2, dtype=torch.float64, requires_grad=True)

    def in_two(x, weight, bias, size, groups):
        large = F.interpolate(x, size=size, mode="nearest")
        return F.conv2d(large, weight, bias, padding=1, groups=groups)

    same_values_and_gradients(
        convolve_enlarged, in_two, (x, weight, bias), size=size, groups=groups
    )


def same_values_and_gradients(ours, theirs, inputs, **how):
    values = [function(*inputs, **how) for function in (ours, theirs)]
    torch.testing.assert_close(*values)
    outer = torch.randn_like(values[0])
    for found, expected in zip(*(torch.autograd.grad(value, inputs, outer) for value in values)):
        torch.testing.assert_close(found, expected)


# A whole step ---------------------------------------------------------------------------------


def plain_step(networks, images, labels):
    """Losses of a batch, and the gradient of every weight of the autoencoder."""
    torch.manual_seed(3)
    autoencoder, discriminator = networks
    latents = plain(autoencoder.encoder, images)
    reconstructions = plain(autoencoder.decoder, latents)
    logits = plain(discriminator, latents)
    similarity = plain_ms_ssim(images, reconstructions)
    centred = latents - latents.mean(0)
    covariance = centred.t() @ centred / (len(latents) - 1)
    losses = {
        "reconstruction": 1 - similarity.mean(),
        "adversarial": F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, 0.9)),
        "contrastive": supervised_contrastive_loss(latents, labels),
        "covariance": (covariance - covariance.diag().diag()).square().sum() / latents.shape[1],
    }
    losses["loss"] = (
        8 * losses["reconstruction"]
        + 4 * losses["adversarial"]
        + 6 * losses["contrastive"]
        + 1e-4 * losses["covariance"]
    )
    losses["loss"].backward()
    return losses, [parameter.grad for parameter in autoencoder.parameters()]


def step(networks, images, labels):
    torch.manual_seed(3)
    autoencoder, discriminator = networks
    objective = AutoencoderObjective(images.shape[2:]).to(images)
    latents, reconstructions = autoencoder(images)
    logits = discriminator(latents)
    losses = objective(images, reconstructions, latents, labels, logits, pretraining=False)
    losses["loss"].backward()
    return losses, [parameter.grad for parameter in autoencoder.parameters()]


@pytest.mark.parametrize(
    "dtype, tolerance",
    [(torch.float64, 1e-10), (torch.float32, 2e-4)],
    ids=["float64", "float32"],
)
@pytest.mark.parametrize("image_shape", [(1, 20, 20), (2, 9, 12), (1, 1, 5), (1, 64, 66)], ids=str)
def test_a_step_is_that_of_plain_torch(image_shape, dtype, tolerance):
    torch.set_default_dtype(dtype)
    try:
        networks = (
            Autoencoder(image_shape, 2, noise_std=0.1, dropout=0.0).train(),
            Discriminator(2, dropout=0.0),
        )
        twins = copy.deepcopy(networks)
        images, labels = torch.rand(8, *image_shape), torch.arange(8) % 2
        losses, gradients = step(networks, images, labels)
        plain_losses, plain_gradients = plain_step(twins, images, labels)
    finally:
        torch.set_default_dtype(torch.float32)
    for name, loss in plain_losses.items():
        torch.testing.assert_close(losses[name], loss, rtol=tolerance / 10, atol=tolerance / 100)
    for found, expected in zip(gradients, plain_gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    expected = twins[0].state_dict()
    for name, tensor in networks[0].state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=tolerance, atol=tolerance)


def test_layers_normalised_together_leave_nothing_behind():
    """Weights that were made for one pass are not those of the next, nor in a copy or a file."""
    autoencoder = Autoencoder((1, 8, 8), 2).train()
    names = set(autoencoder.state_dict())
    autoencoder(torch.rand(4, 1, 8, 8))
    assert set(autoencoder.state_dict()) == names
    layer = autoencoder.decoder[0]
    before = layer.u.clone()
    layer(torch.randn(3, 2))
    assert not torch.equal(layer.u, before)
    copy.deepcopy(autoencoder)


# Dropout --------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.0, 0.1, 0.3, 0.95])
def test_dropout_drops_its_share_and_keeps_the_mean(p):
    dropped = Dropout(p)(torch.ones(400_001, dtype=torch.float64))
    share = (dropped == 0).double().mean().item()
    assert share == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 400_001) + 1e-12)
    assert dropped.max().item() == pytest.approx(1 / (1 - p), rel=1e-3)
    assert dropped.mean().item() == pytest.approx(1, abs=0.03)


def test_dropout_of_neighbours_is_independent():
    kept = (Dropout(0.5)(torch.ones(100_000, 4)) > 0).double() - 0.5
    correlation = kept.t() @ kept / len(kept) * 4
    torch.testing.assert_close(correlation, torch.eye(4, dtype=torch.float64), atol=0.02, rtol=0)


def test_dropout_is_off_in_evaluation_and_repeats_by_the_seed():
    x = torch.rand(5, 7)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(Dropout(0.5)(x))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
