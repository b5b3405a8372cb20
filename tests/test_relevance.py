"""Relevance maps share out a network's score, leave the network alone and know its classes."""

import itertools
import pickle
import sys
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import make_blobs_of_light
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import nn
from torchvision.models.efficientnet import (
    FusedMBConv,
    FusedMBConvConfig,
    MBConv,
    MBConvConfig,
)
from torchvision.ops import Conv2dNormActivation

from sklearn_cellfate import image_column
from sklearn_cellfate.feature_extraction import PixelFeatures
from sklearn_cellfate.inspection import RelevanceDisplay, parameter_randomization, relevance
from sklearn_cellfate.inspection._relevance._attribution import Attribution
from sklearn_cellfate.metrics import pixel_flipping, relevance_mass
from sklearn_cellfate.neural_network import (
    AAEClassifier,
    AdversarialAutoencoder,
    EfficientNetClassifier,
)
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.preprocessing import FRETRatio, PatchNormalizer
from sklearn_cellfate.torch_modules import Encoder, plan_architecture
from sklearn_cellfate.torch_modules._blocks import ResidualDown

pytest.importorskip("zennit")
pytest.importorskip("captum")

COMPOSITES = ("epsilon_plus_flat", "epsilon_gamma", "epsilon_gamma_box", "alpha_beta")  # of all
METHODS = ("lrp", "gradient", "input_x_gradient", "integrated_gradients", "smoothgrad")
IMAGES, FATES = make_blobs_of_light()
THREE_IMAGES, THREE_FATES = make_blobs_of_light(60, (2, 12, 12), ("a", "b", "c"))


def tiny(**parameters):
    return EfficientNetClassifier("tiny", max_epochs=3, random_state=0, device="cpu", **parameters)


def aae(kind=AAEClassifier, **parameters):
    given = {"pretrain_epochs": 1, "max_epochs": 3, "random_state": 0, "device": "cpu"}
    return kind(**given | parameters)


@pytest.fixture(scope="module")
def models():
    """Fitted estimators by name, with images of theirs."""
    return {
        "EfficientNet": (tiny().fit(IMAGES, FATES), IMAGES[:3]),
        "EfficientNet, augmented": (tiny(augment=True).fit(IMAGES, FATES), IMAGES[:3]),
        "AAE": (aae().fit(IMAGES, FATES), IMAGES[:3]),
        "AAE, augmented": (aae(augment=True).fit(IMAGES, FATES), IMAGES[:3]),
        "three classes": (aae(latent_dim=3).fit(THREE_IMAGES, THREE_FATES), THREE_IMAGES[:3]),
    }


def evidence(estimator, images):
    """Score of each class less its constant part: logit over the mean logit of the others."""
    features = estimator.transform(images)
    if hasattr(estimator, "head_"):
        weight = estimator.head_.coef_
    else:
        weight = estimator.net_.module_.classifier[1].weight.detach().numpy()
    logits = features @ weight.T
    if logits.shape[1] == 1:
        logits = np.hstack([0 * logits, logits])
    others = (logits.sum(1, keepdims=True) - logits) / (logits.shape[1] - 1)
    return logits - others


def without_biases(estimator):
    """A copy whose encoder adds no constants, neither in layers nor in batch norms."""
    copied = deepcopy(estimator)
    with torch.no_grad():
        for part in copied.net_.module_.modules():
            if getattr(part, "bias", None) is not None:
                part.bias.zero_()
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.zero_()
    return copied


# Conservation


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("name", ["EfficientNet", "EfficientNet, augmented"])
def test_maps_sum_up_to_the_evidence_for_a_class(models, name, composite):
    estimator, images = models[name]
    maps = relevance(estimator, images, "dies", composite=composite)
    share = maps.sum((1, 2, 3), dtype=float) / evidence(estimator, images)[:, 0]
    np.testing.assert_allclose(share, 1, atol=0.01)


AUTOENCODERS = ["AAE", "AAE, augmented", "three classes"]


@pytest.mark.parametrize("baseline", [None, "border", "empty", "image"])
@pytest.mark.parametrize("name", AUTOENCODERS)
def test_maps_of_an_autoencoder_sum_up_to_the_difference_from_the_baseline(models, name, baseline):
    """Exactly, with all its biases, which are the same in image and baseline."""
    estimator, images = models[name]
    flat = np.median(images[:, :, border_of(images)], axis=2)[:, :, None, None]
    baselines = {
        "border": np.broadcast_to(flat, images.shape),
        "empty": np.broadcast_to(estimator.pixel_min_[:, None, None], images.shape),
        "image": np.broadcast_to(images[2], images.shape),
    }
    baselines[None] = baselines["border"]
    given = images[2] if baseline == "image" else baseline
    for column, label in enumerate(estimator.classes_):
        maps = relevance(estimator, images, label, baseline=given)
        gained = evidence(estimator, images) - evidence(estimator, baselines[baseline])
        sums = maps.sum((1, 2, 3), dtype=float)
        np.testing.assert_allclose(sums, gained[:, column], rtol=1e-4, atol=1e-5)


def border_of(images):
    """Mask of the outermost pixels."""
    border = np.ones(images.shape[2:], bool)
    border[1:-1, 1:-1] = False
    return border


def test_what_is_like_the_baseline_has_no_relevance(models):
    """Of a masked cell, neither the background nor what the network says of no cell at all."""
    estimator, images = models["AAE, augmented"]
    masked = np.where(images > 0.3, images, 0)
    maps = relevance(estimator, masked)
    assert (maps[masked == 0] == 0).all() and (maps[masked > 0] != 0).all()
    np.testing.assert_array_equal(relevance(estimator, images[:2], baseline=images[0])[0], 0)


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("name", AUTOENCODERS)
def test_maps_of_an_autoencoder_without_biases_sum_up(models, name, composite):
    estimator, images = without_biases(models[name][0]), models[name][1]
    for column, label in enumerate(estimator.classes_):
        maps = relevance(estimator, images, label, composite=composite)
        sums = maps.sum((1, 2, 3), dtype=float)
        expected = evidence(estimator, images)[:, column]
        np.testing.assert_allclose(sums, expected, rtol=0.01, atol=1e-5)


def settled(module):
    """A block in evaluation mode, with batch norms as after training, in double precision."""
    generator = torch.Generator().manual_seed(0)

    def uniform(like, low, high):
        return low + (high - low) * torch.rand(like.shape, generator=generator)

    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.copy_(uniform(part.running_mean, -0.3, 0.3))
            part.running_var.copy_(uniform(part.running_var, 0.5, 2))
            part.weight.data.copy_(uniform(part.weight, 0.5, 1.5))
            part.bias.data.copy_(uniform(part.bias, -0.3, 0.3))
    return module.eval().double().requires_grad_(False)


BLOCKS = {
    "FusedMBConv, plain": lambda: FusedMBConv(
        FusedMBConvConfig(1, 3, 1, 8, 8, 1), 0.1, nn.BatchNorm2d
    ),
    "FusedMBConv, expanding": lambda: FusedMBConv(
        FusedMBConvConfig(4, 3, 2, 8, 16, 1), 0.1, nn.BatchNorm2d
    ),
    "FusedMBConv, residual": lambda: FusedMBConv(
        FusedMBConvConfig(4, 3, 1, 8, 8, 1), 0.1, nn.BatchNorm2d
    ),
    "MBConv": lambda: MBConv(MBConvConfig(4, 3, 2, 8, 16, 1), 0.1, nn.BatchNorm2d),
    "MBConv, residual": lambda: MBConv(MBConvConfig(4, 3, 1, 8, 8, 1), 0.1, nn.BatchNorm2d),
    "convolution, norm, activation": lambda: Conv2dNormActivation(
        8, 16, 3, activation_layer=nn.SiLU
    ),
    "ResidualDown": lambda: ResidualDown(8, 16, 0.003),
}
ENCODER = {"encoder": lambda: Encoder(plan_architecture((8, 64, 64)), 3)}


@pytest.mark.parametrize("block", (BLOCKS | ENCODER).values(), ids=BLOCKS | ENCODER)
def test_a_canonical_block_computes_the_same(block):
    from sklearn_cellfate.inspection._relevance._canonizers import canonize

    torch.manual_seed(0)
    module = settled(block())
    images = torch.randn(2, 8, 64, 64, dtype=torch.float64)
    expected = module(images)
    torch.testing.assert_close(canonize(module)(images), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_every_block_hands_on_all_relevance(block, composite):
    from zennit.attribution import Gradient

    from sklearn_cellfate.inspection._relevance._canonizers import canonize
    from sklearn_cellfate.inspection._relevance._composites import make_composite

    torch.manual_seed(0)
    canonical = canonize(settled(block()))
    images = torch.randn(2, 8, 64, 64, dtype=torch.float64)
    with Gradient(canonical, make_composite(composite, images)) as attributor:
        output, maps = attributor(images, lambda output: output.abs())
    share = maps.sum((1, 2, 3)) / output.abs().flatten(1).sum(1)
    torch.testing.assert_close(share, torch.ones_like(share), rtol=0, atol=0.01)


@pytest.mark.slow
def test_a_whole_network_of_the_published_size_conserves_relevance():
    images, fates = make_blobs_of_light(16, (1, 64, 64))
    net = EfficientNetClassifier("s", max_epochs=1, batch_size=8, random_state=0, device="cpu")
    net.fit(images, fates)
    maps = relevance(net, images[:2], "dies")
    share = maps.sum((1, 2, 3), dtype=float) / evidence(net, images[:2])[:, 0]
    np.testing.assert_allclose(share, 1, atol=0.01)


@pytest.mark.parametrize("name", ["EfficientNet, augmented", "AAE, augmented", "three classes"])
@pytest.mark.parametrize("method", METHODS)
def test_scores_say_what_the_maps_lack(models, name, method):
    estimator, images = models[name]
    how = {"method": method, "n_samples": 200 if method == "integrated_gradients" else 2}
    maps, scores = relevance(estimator, images, return_scores=True, **how)
    assert scores["target"].tolist() == estimator.predict(images).tolist()
    np.testing.assert_allclose(scores["relevance"], maps.sum((1, 2, 3)), rtol=1e-4, atol=1e-5)
    if len(estimator.classes_) == 2:  # the score of the second class is the log odds
        sign = np.where(scores["target"] == estimator.classes_[1], 1, -1)
        log_odds = sign * estimator.decision_function(images)
        np.testing.assert_allclose(scores["score"], log_odds, rtol=1e-4, atol=1e-5)
    if method in ("lrp", "integrated_gradients"):
        total = scores["relevance"] + scores["constant"]
        np.testing.assert_allclose(total, scores["score"], rtol=0.01, atol=0.01)
    else:
        assert scores["constant"].isna().all()


# Values known otherwise


def test_a_linear_network_gets_pixel_times_weight():
    """Of a network that is one convolution and a mean, every method has one answer."""
    images = np.random.default_rng(0).normal(size=(20, 1, 6, 6)).astype(np.float32)
    net = tiny().fit(images, np.arange(20) % 2)
    convolution = nn.Conv2d(1, 256, 1, bias=False)
    net.net_.module_.features = nn.Sequential(convolution)
    weight = net.net_.module_.classifier[1].weight @ convolution.weight[:, 0, 0, 0]
    slope = (weight[1] - weight[0]).item() / 36
    scaled = net._scale(images)
    product = {"lrp", "input_x_gradient", "integrated_gradients"}
    for method in METHODS:
        rules = {"composite": "epsilon_gamma"} if method == "lrp" else {}
        maps = relevance(net, images, 1, method=method, **rules)
        if method == "lrp":  # its rules weigh contributions of either sign, but of one pixel only
            sums = evidence(net, images)[:, 1]
            np.testing.assert_allclose(maps.sum((1, 2, 3)), sums, rtol=1e-4)
        expected = slope * scaled if method in product else np.full_like(scaled, slope)
        np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-7, err_msg=method)


def test_integrated_gradients_sum_up_to_the_difference_from_an_empty_image(models):
    net, images = models["EfficientNet"]
    maps = relevance(net, images, "divides", method="integrated_gradients", n_samples=100)
    empty = np.broadcast_to(net.pixel_mean_.astype(np.float32)[:, None, None], images[:1].shape)
    gained = net.decision_function(images) - net.decision_function(empty)
    np.testing.assert_allclose(maps.sum((1, 2, 3)), gained, rtol=0.02, atol=0.02)


def test_the_gradient_is_that_of_finite_differences(models):
    estimator, images = models["AAE, augmented"]
    maps = relevance(estimator, images[:1], "divides", method="gradient")
    step = np.zeros_like(images[:1])
    step[0, 0, 4, 7] = 0.02
    difference = np.diff(
        [estimator.decision_function(images[:1] + sign * step)[0] for sign in (-1, 1)]
    )
    per_scaled_pixel = difference[0] / 0.04 * (estimator.pixel_max_ - estimator.pixel_min_)[0]
    assert maps[0, 0, 4, 7] == pytest.approx(per_scaled_pixel, rel=0.05, abs=0.01)


def test_smoothgrad_without_noise_is_the_gradient(models):
    net, images = models["EfficientNet"]
    plain = relevance(net, images, "dies", method="gradient")
    smooth = relevance(net, images, "dies", method="smoothgrad", noise=0, n_samples=2)
    np.testing.assert_allclose(smooth, plain, rtol=1e-4, atol=1e-6)


def test_evidence_lies_where_it_was_put():
    rng = np.random.default_rng(0)
    images = rng.random((80, 24, 24))
    corner = np.array(["left", "right"] * 40)
    images[corner == "left", 4:9, 4:9] += 2
    images[corner == "right", 15:20, 15:20] += 2
    net = tiny().set_params(max_epochs=8).fit(images, corner)
    maps = relevance(net, images[:10])  # of the predicted class, which is the true one
    near = np.zeros((24, 24), bool)
    near[:12, :12] = True
    inside = [
        np.maximum(one, 0)[near if label == "left" else near[::-1, ::-1]].sum()
        for one, label in zip(maps, corner)
    ]
    shares = np.array(inside) / np.maximum(maps, 0).sum((1, 2))
    assert (shares > 0.5).all()  # a quarter of the area


def cells_with_spots(n_cells, seed):
    """Discs on grey, without a mask; every other has a bright spot somewhere in it.

    The others have about as much light over a wide place, so that brightness tells little.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:16, :16]
    images = 0.5 + 0.02 * rng.normal(size=(n_cells, 16, 16))
    spots, has_spot = np.zeros((n_cells, 16, 16), bool), np.arange(n_cells) % 2 == 1
    for image, spot, bright in zip(images, spots, has_spot):
        row, column = 7.5 + rng.uniform(-1, 1, 2)
        image += 0.15 * ((rows - row) ** 2 + (columns - column) ** 2 < 5.5**2)
        angle, way = rng.uniform(0, 2 * np.pi), rng.uniform(0, 3)
        square = (rows - row - way * np.sin(angle)) ** 2
        square = square + (columns - column - way * np.cos(angle)) ** 2
        sd, height = (1, 0.35) if bright else (3, 0.04)
        image += height * np.exp(-square / (2 * sd**2))
        spot |= bright & (square < 2**2)
    return images.astype(np.float32), np.where(has_spot, "spot", "none"), spots


@pytest.mark.slow
def test_maps_of_an_autoencoder_are_of_the_cell_and_not_of_its_background():
    """What differs between cells is known, and all have the same grey around them."""
    images, labels, _ = cells_with_spots(500, 0)
    model = AAEClassifier(
        8, pretrain_epochs=2, max_epochs=25, batch_size=64, lr=0.003, dropout=0.1, noise_std=0,
        augment=True, random_state=0,
    ).fit(images, labels)  # fmt: skip
    images, labels, spots = cells_with_spots(100, 1)
    assert model.score(images, labels) > 0.9
    images, spots = images[labels == "spot"], spots[labels == "spot"]

    def judge(**how):
        maps = relevance(model, images, "spot", **how)
        alike = np.corrcoef(maps.reshape(len(maps), -1))[np.triu_indices(len(maps), 1)].mean()
        options = {"target": "spot", "max_share": 0.3, "n_random": 3, "random_state": 0}
        gain = pixel_flipping(model, images, maps, **options).gain
        return alike, relevance_mass(maps, spots).mean() / spots.mean(), gain

    alike, mass, gain = judge()
    alike_of_plus, mass_of_plus, _ = judge(composite="epsilon_plus_flat")
    assert alike < 0.3 and alike < alike_of_plus - 0.1
    assert mass > 10 and mass > 1.4 * mass_of_plus
    assert gain > 0.5


# Targets


def test_of_two_classes_one_map_is_the_negative_of_the_other(models):
    for name in ("EfficientNet", "AAE, augmented"):
        estimator, images = models[name]
        against = relevance(estimator, images, "dies")
        np.testing.assert_allclose(relevance(estimator, images, "divides"), -against, rtol=1e-5)


def test_by_default_each_image_is_explained_for_its_predicted_class(models):
    estimator, images = models["three classes"]
    maps, predicted = relevance(estimator, images), estimator.predict(images)
    for row, label in enumerate(predicted):
        alone = relevance(estimator, images[row : row + 1], label)
        np.testing.assert_allclose(maps[row], alone[0], rtol=1e-5, atol=1e-9)


def test_a_latent_feature_can_be_the_target(models):
    estimator, images = models["AAE"]
    plain = aae(AdversarialAutoencoder).fit(IMAGES)
    for model, names in ((estimator, ["latent 0", "latent 1"]), (plain, ["latent 0", 1])):
        gained = model.transform(images) - model.transform(images[2:])
        for column, target in enumerate(names):
            how = {"baseline": images[2], "return_scores": True}
            maps, scores = relevance(model, images, target, **how)
            sums = maps.sum((1, 2, 3), dtype=float)
            np.testing.assert_allclose(sums, gained[:, column], rtol=1e-3, atol=1e-5)
            assert set(scores["target"]) == {f"latent {column}"}
            np.testing.assert_allclose(
                scores["score"], model.transform(images)[:, column], rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize(
    "head", [RidgeClassifier(), make_pipeline(StandardScaler(), LogisticRegression())]
)
def test_any_linear_head_will_do(head):
    estimator = aae(head=head).fit(IMAGES, FATES)
    images = IMAGES[:4]
    gradient = relevance(estimator, images, "divides", method="gradient")
    step = 0.05 * gradient / np.abs(gradient).max()
    span = (estimator.pixel_max_ - estimator.pixel_min_)[:, None, None]
    gained = estimator.decision_function(images + step * span)
    assert (gained > estimator.decision_function(images)).all()


# What may not matter


@pytest.mark.parametrize("method", METHODS)
def test_neither_companions_nor_batches_matter(models, method):
    estimator, images = models["EfficientNet"]
    how = {"method": method, "n_samples": 4, "random_state": 0}
    maps = relevance(estimator, images, **how)
    backwards = relevance(estimator, images[::-1], batch_size=2, **how)[::-1]
    alone = relevance(estimator, images[2:3], batch_size=1, **how)[0]
    scale = np.abs(maps).max()
    np.testing.assert_allclose(backwards, maps, atol=1e-6 * scale)
    np.testing.assert_allclose(alone, maps[2], atol=1e-6 * scale)


def test_an_augmented_map_turns_with_its_image(models):
    for name in ("EfficientNet, augmented", "AAE, augmented"):
        estimator, images = models[name]
        maps = relevance(estimator, images)
        turned = relevance(estimator, np.rot90(images, axes=(2, 3)))
        scale = np.abs(maps).max()
        np.testing.assert_allclose(turned, np.rot90(maps, axes=(2, 3)), atol=1e-5 * scale)


def test_smoothgrad_repeats_itself_and_leaves_global_generators_alone(models):
    estimator, images = models["AAE"]
    torch.manual_seed(3)
    before = torch.get_rng_state()
    how = {"method": "smoothgrad", "n_samples": 3}
    first = relevance(estimator, images, random_state=5, **how)
    np.testing.assert_array_equal(first, relevance(estimator, images, random_state=5, **how))
    assert not np.array_equal(first, relevance(estimator, images, random_state=6, **how))
    assert torch.equal(torch.get_rng_state(), before)


def fingerprint(estimator):
    """All that there is to an estimator and its network, as bytes and flags."""
    network = estimator.net_.module_
    hooks = [
        (len(part._forward_hooks), len(part._forward_pre_hooks), len(part._backward_hooks))
        for part in network.modules()
    ]
    flags = [part.training for part in network.modules()]
    learned = [(p.requires_grad, p.grad is None) for p in network.parameters()]
    return pickle.dumps(estimator), hooks, flags, learned, [type(m) for m in network.modules()]


@pytest.mark.parametrize("method", METHODS)
def test_the_estimator_stays_as_it_was(models, method):
    for estimator, images in models.values():
        estimator.net_.module_.train()
        before = fingerprint(estimator)
        relevance(estimator, images[:2], method=method, n_samples=2)
        assert fingerprint(estimator) == before


@pytest.mark.parametrize("method", ["lrp", "smoothgrad"])
def test_the_estimator_stays_as_it_was_when_something_fails(models, method, monkeypatch):
    def fail(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(torch.autograd, "grad", fail)
    for estimator, images in models.values():
        before = fingerprint(estimator)
        with pytest.raises(MemoryError):
            relevance(estimator, images, method=method)
        assert fingerprint(estimator) == before


# Shapes and pipelines


def test_maps_have_the_shape_of_the_images():
    images, fates = IMAGES[:20, 0], FATES[:20]
    net = tiny(image_shape=(1, 12, 12)).fit(images, fates)
    as_rows, table = images.reshape(20, -1), pd.DataFrame({"image": image_column(images)})
    expected = relevance(net, images)
    assert expected.shape == (20, 12, 12) and expected.dtype == np.float32
    np.testing.assert_array_equal(relevance(net, images[:, None])[:, 0], expected)
    np.testing.assert_array_equal(relevance(net, as_rows), expected.reshape(20, -1))
    in_table = tiny().fit(table, fates)
    np.testing.assert_array_equal(relevance(in_table, table)[:, 0], expected)


def test_in_a_pipeline_the_images_are_those_the_network_sees():
    channels = np.random.default_rng(0).uniform(1, 2, (20, 2, 9, 9)).astype(np.float32)
    table = pd.DataFrame({"image": image_column(channels)})
    steps = [FRETRatio(), PatchNormalizer()]
    pipeline = make_pipeline(*steps, tiny()).fit(table, FATES[:20])
    seen = make_pipeline(*steps).transform(table)
    maps = relevance(pipeline, table, "dies")
    assert maps.shape == (20, 1, 9, 9)
    np.testing.assert_array_equal(maps, relevance(pipeline[-1], seen, "dies"))


# Patches of large images


def patch_classifier(inner, **parameters):
    """Fitted on blobs that lie two by two in an image."""
    large = IMAGES.reshape(20, 2, 2, 12, 12).transpose(0, 1, 3, 2, 4).reshape(20, 1, 24, 24)
    labels = np.array(["dies", "divides"] * 10)
    model = PatchClassifier(inner, 12, **parameters).fit(large, labels)
    return model, large[:3]


@pytest.mark.parametrize(
    "inner", [tiny(), make_pipeline(PatchNormalizer(), tiny()), aae()], ids=["net", "steps", "aae"]
)
def test_a_map_of_patches_is_that_of_each_in_its_place(inner):
    model, images = patch_classifier(inner)
    maps, scores = relevance(model, images, "dies", return_scores=True)
    assert maps.shape == images.shape
    parts = []
    for top, left in itertools.product((0, 12), (0, 12)):
        patch = (..., slice(top, top + 12), slice(left, left + 12))
        alone, of_patch = relevance(model.estimator_, images[patch], "dies", return_scores=True)
        np.testing.assert_allclose(4 * maps[patch], alone, rtol=1e-4, atol=1e-7)
        parts.append(of_patch[["score", "constant"]])
    mean = np.mean(parts, axis=0)
    np.testing.assert_allclose(scores[["score", "constant"]], mean, rtol=1e-5, atol=1e-7)
    total = scores["relevance"] + scores["constant"]
    np.testing.assert_allclose(total, scores["score"], rtol=0.01)
    predicted = relevance(model, images, return_scores=True)[1]["target"]
    assert predicted.tolist() == model.predict(images).tolist()


def test_blank_patches_have_no_relevance_and_overlapping_ones_add_up():
    model, images = patch_classifier(tiny(), stride=6)
    images[:, :, :18, :18] = 0  # of nine patches, four are blank
    maps, scores = relevance(model, images, "dies", return_scores=True)
    assert (maps[..., :6, :6] == 0).all() and (maps[..., 18:, 18:] != 0).any()
    sums = maps.sum((1, 2, 3), dtype=float)
    np.testing.assert_allclose(sums + scores["constant"], scores["score"], rtol=0.01)


def test_patches_stand_in_pipelines_and_have_a_class_each():
    model, images = patch_classifier(tiny())
    display = RelevanceDisplay.from_estimator(model, images, "dies")
    assert display.axes_[1, 0].images[0].get_array().shape == (24, 24)
    table = pd.DataFrame({"image": image_column(images)})
    in_pipeline = make_pipeline(FunctionTransformer(), model)
    labels = ["dies", "divides", "dies"]
    maps = relevance(in_pipeline, table, labels)
    for row, label in enumerate(labels):
        np.testing.assert_allclose(maps[row], relevance(model, images, label)[row], rtol=1e-5)
    with pytest.raises(ValueError, match="target names 2 classes, but X has 3 images"):
        relevance(model, images, labels[:2])
    with pytest.raises(ValueError, match="target holds 'lives', and the classes are 'dies'"):
        relevance(model, images, "lives")


def test_patches_without_a_network_or_cut_to_another_size_are_refused():
    model, images = patch_classifier(make_pipeline(PixelFeatures(), LogisticRegression()))
    with pytest.raises(ValueError, match="Pipeline does not look at images through a network"):
        relevance(model, images, "dies")
    half = FunctionTransformer(lambda patches: patches[:, :, :8])
    model, images = patch_classifier(make_pipeline(half, tiny()))
    with pytest.raises(ValueError, match="sees patches of 8 x 12 pixels, not the 12 x 12"):
        relevance(model, images, "dies")


# Sanity


@pytest.mark.parametrize("cascade", [True, False])
def test_maps_change_with_the_weights(models, cascade):
    estimator, images = models["EfficientNet"]
    before = fingerprint(estimator)
    how = {"method": "input_x_gradient", "cascade": cascade, "random_state": 0}
    similarity = parameter_randomization(estimator, images, **how)
    assert similarity["layer"].tolist() == ["classifier"] + [
        f"features.{i}" for i in range(4, -1, -1)
    ]
    assert similarity["spearman"].iloc[-1] < 0.7
    assert (similarity[["spearman", "ssim"]] < 0.98).all(axis=None)
    assert fingerprint(estimator) == before
    pd.testing.assert_frame_equal(similarity, parameter_randomization(estimator, images, **how))


def test_relevance_of_an_autoencoder_changes_with_its_weights(models):
    estimator, images = models["AAE"]
    similarity = parameter_randomization(estimator, images, random_state=0)
    assert similarity["layer"].iloc[-1] == "encoder.0" and similarity["spearman"].iloc[-1] < 0.8


def test_pixels_that_no_map_shows_do_not_make_maps_alike(models, monkeypatch):
    """Noise inside of a mask, 0 around it, has nothing in common with other such noise."""
    inside = np.zeros((1, 60, 60), bool)
    inside[:, 20:40, 20:40] = True
    rng = np.random.default_rng(0)

    def make_noise(self):
        return rng.normal(size=(len(self.columns), *inside.shape)) * inside

    monkeypatch.setattr(Attribution, "maps", make_noise)
    similarity = parameter_randomization(*models["AAE"], random_state=0)
    assert similarity[["spearman", "spearman_signed"]].abs().max(axis=None) < 0.1
    assert similarity["ssim"].max() < 0.5  # 0.88 with the pixels around


def test_equal_maps_are_equal_inside_of_a_mask(models, monkeypatch):
    monkeypatch.setattr(Attribution, "maps", lambda self: IMAGES[:3] * border_of(IMAGES))
    similarity = parameter_randomization(*models["AAE"], random_state=0).drop(columns="layer")
    np.testing.assert_allclose(similarity, 1)


def test_maps_of_an_image_s_own_class_and_baseline_are_compared(models):
    estimator, images = models["AAE"]

    def compare(**changes):
        found = parameter_randomization(estimator, images, random_state=0, **changes)
        return found.drop(columns="layer").to_numpy()

    np.testing.assert_array_equal(compare(target=["dies"] * 3), compare(target="dies"))
    assert not np.array_equal(compare(baseline="empty"), compare(baseline="border"))
    with pytest.raises(ValueError, match="target names 2 classes, but X has 3 images"):
        compare(target=["dies"] * 2)


def test_only_noise_draws_from_the_global_generator(models):
    for method in ("lrp", "gradient"):
        before = np.random.get_state()[1:3]
        relevance(*models["AAE"], method=method)
        after = np.random.get_state()[1:3]
        assert np.array_equal(before[0], after[0]) and before[1] == after[1]


# Bad input


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"method": "magic"}, "method must be one of 'lrp'.*found 'magic'"),
        ({"composite": "magic"}, "composite must be one of 'difference', 'eps.*found 'magic'"),
        (
            {"target": "lives"},
            r"target.* a class \('dies', 'divides'\) or a latent .*found 'lives'",
        ),
        ({"target": "latent 2"}, "'latent 0' to 'latent 1'.*found 'latent 2'"),
        ({"target": 0}, "found 0"),
        ({"target": ["dies", "dies"]}, "target names 2 classes, but X has 3 images"),
        ({"batch_size": 0}, "batch_size"),
        (
            {"method": "gradient", "composite": "alpha_beta"},
            "composite='alpha_beta' is for method='lrp'; method='gradient'",
        ),
        ({"method": "smoothgrad", "baseline": "empty"}, "baseline is for .* method='smoothgrad'"),
        ({"composite": "alpha_beta", "baseline": "empty"}, "'lrp' by composite='alpha_beta'"),
        ({"baseline": "dark"}, r"baseline must be .*shape \(1, 12, 12\).*found 'dark'"),
        ({"baseline": np.zeros((12, 12))}, r"found an array of \(12, 12\)"),
        ({"baseline": np.full((1, 12, 12), np.nan)}, "one finite image"),
        ({"X": IMAGES[:, :, :8]}, "8 x 12 pixels, but AAEClassifier was fitted on .* 12 x 12"),
    ],
)
def test_bad_input_is_named(models, changes, message):
    estimator, images = models["AAE"]
    with pytest.raises(ValueError, match=message):
        relevance(**{"estimator": estimator, "X": images} | changes)


def test_what_cannot_be_explained_is_refused(models):
    with pytest.raises(NotFittedError):
        relevance(tiny(), IMAGES)
    with pytest.raises(ValueError, match=r"target of AdversarialAutoencoder .*found None"):
        relevance(aae(AdversarialAutoencoder).fit(IMAGES), IMAGES)
    forest = aae(head=RandomForestClassifier(5, random_state=0)).fit(IMAGES, FATES)
    with pytest.raises(ValueError, match="RandomForestClassifier is not linear.*'latent 0'"):
        relevance(forest, IMAGES, "dies")
    assert relevance(forest, IMAGES[:2], "latent 1").shape == (2, 1, 12, 12)
    net, images = models["EfficientNet"]
    with pytest.raises(ValueError, match=r"must be a class \('dies', 'divides'\), found 'latent"):
        relevance(net, images, "latent 0")
    with pytest.raises(ValueError, match="composite='difference' is for autoencoders: the gates"):
        relevance(net, images, composite="difference")


@pytest.mark.parametrize("method, package", [("lrp", "zennit"), ("smoothgrad", "captum")])
def test_a_missing_package_is_named(models, method, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"{package}.*sklearn-cellfate\[lrp\]"):
        relevance(*models["AAE"], method=method)


# Display


def test_the_display_shows_a_symmetrical_scale(models):
    estimator, images = models["EfficientNet"]
    masks = images[:, 0] > 0.5
    display = RelevanceDisplay.from_estimator(estimator, images, "divides", masks=masks)
    assert display.axes_.shape == (2, 3)
    (low, high) = display.axes_[1, 0].images[0].get_clim()
    assert high == -low == display.limit_ > 0
    assert len({ax.images[0].get_clim() for ax in display.axes_[0]}) == 1
    label = display.figure_.axes[-1].get_ylabel()
    assert label.startswith("relevance for divides\n(log odds)")
    assert f"{display.limit_:.2g}" in label
    _, scores = relevance(estimator, images, "divides", return_scores=True)
    written = [ax.get_xlabel() for ax in display.axes_[1]]
    expected = [f"score {score:+.2g}" for score in scores["score"]]
    assert [text.split("\n")[-1] for text in written] == expected
    of_gradient = RelevanceDisplay.from_estimator(estimator, images, method="gradient")
    assert of_gradient.axes_[1, 0].get_xlabel() == ""
    with pytest.raises(ValueError, match="one shape"):
        RelevanceDisplay(images, images[:2])
    with pytest.raises(ValueError, match="scores has 2 entries for 3 images"):
        RelevanceDisplay(images, images, scores=scores[:2])


def test_many_images_go_on_in_rows_below():
    images = np.arange(10.0)[:, None, None] * np.ones((10, 4, 4))
    display = RelevanceDisplay(images, images).plot(n_columns=4)
    assert display.axes_.shape == (2, 10)
    shown = [[ax.images[0].get_array()[0, 0] for ax in row] for row in display.axes_]
    assert shown == [list(range(10))] * 2
    places = [ax.get_subplotspec() for ax in display.axes_.T.ravel()]
    rows = [place.rowspan.start for place in places]
    assert rows == [0, 1] * 4 + [2, 3] * 4 + [4, 5] * 2


def test_the_display_divides_the_place_of_a_given_axes():
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2)
    display = RelevanceDisplay(np.ones((3, 2, 4, 4)), np.ones((3, 4, 4)), channel=1)
    assert display.plot(ax=axes[1]).figure_ is figure


@pytest.mark.parametrize(
    "name, target, method, words",
    [
        ("AAE", None, "lrp", "relevance for the predicted class\n(log odds)"),
        ("AAE", ["dies"] * 3, "lrp", "relevance for the class of each image\n(log odds)"),
        ("AAE", "latent 1", "lrp", "relevance for latent 1\n(unit of the latent feature)"),
        ("three classes", "a", "lrp", "relevance for a\n(logit over the mean of the others)"),
        ("EfficientNet", "dies", "gradient", "(log odds per unit of the network's pixels)"),
    ],
)
def test_colour_bars_have_a_unit(models, name, target, method, words):
    estimator, images = models[name]
    display = RelevanceDisplay.from_estimator(estimator, images, target, method=method)
    assert words in display.figure_.axes[-1].get_ylabel()


@pytest.fixture(autouse=True)
def close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_each_image_may_have_a_class_of_its_own(spots):
    images, fate = spots
    network = EfficientNetClassifier("tiny", max_epochs=1, random_state=0).fit(images, fate)
    maps = relevance(network, images[:4], fate[:4])
    for row in range(4):
        alone = relevance(network, images[row : row + 1], fate[row])
        np.testing.assert_allclose(maps[row], alone[0], rtol=1e-4, atol=1e-8)
    with pytest.raises(ValueError, match="target names 3 classes, but X has 4 images"):
        relevance(network, images[:4], fate[:3])
    with pytest.raises(ValueError, match="target holds 'sleeps', and the classes are 'dies'"):
        relevance(network, images[:4], ["dies", "dies", "dies", "sleeps"])
