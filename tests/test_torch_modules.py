"""Networks and losses: sizes of the published ones, and values worked out by hand."""

import itertools
import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_cellfate.torch_modules import (
    MSSSIM,
    Autoencoder,
    AutoencoderObjective,
    Discriminator,
    adversarial_loss,
    covariance_loss,
    discriminator_loss,
    plan_architecture,
    random_symmetries,
    supervised_contrastive_loss,
)
from sklearn_cellfate.torch_modules._folded import fold
from sklearn_cellfate.torch_modules._spectral_norm import SpectralConv2d, SpectralLinear


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def n_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


# The autoencoder's layers ---------------------------------------------------------------------

IMAGE_SHAPES = [
    (1, 1, 1),
    (2, 1, 7),
    (1, 2, 3),
    (3, 20, 20),
    (1, 33, 21),
    (5, 17, 40),
    (1, 64, 64),
    (2, 71, 100),
]


def test_the_published_network_for_20_pixels_has_the_published_number_of_parameters():
    autoencoder = Autoencoder((1, 20, 20), latent_dim=2)
    assert n_parameters(autoencoder.encoder) == 5282
    assert n_parameters(autoencoder.decoder) == 3369
    assert n_parameters(Discriminator(2)) == 641


def test_the_published_networks_lie_on_the_sizing_rule():
    small, large = plan_architecture((1, 20, 20)), plan_architecture((1, 144, 144))
    assert (small.stem, small.widths, small.bottleneck) == (2, (8, 16), ())
    assert (large.stem, large.widths, large.bottleneck) == (32, (64, 128, 256), (64, 8))


def test_a_network_for_144_pixels_has_those_layers():
    encoder = Autoencoder((1, 144, 144), latent_dim=2).encoder
    convolutions = [layer for layer in encoder if isinstance(layer, nn.Conv2d)]
    assert [(layer.out_channels, *layer.kernel_size) for layer in convolutions] == [
        (32, 3, 3),
        (64, 1, 1),
        (8, 1, 1),
    ]
    assert encoder[-2].in_features == 8 * 18 * 18


def test_larger_images_never_get_a_smaller_network():
    plans = [plan_architecture((1, side, side)) for side in range(1, 600)]
    for smaller, larger in itertools.pairwise(plans):
        assert len(larger.widths) >= len(smaller.widths)
        assert larger.widths[-1] >= smaller.widths[-1]
        assert larger.stem >= smaller.stem
        assert len(larger.bottleneck) >= len(smaller.bottleneck)
    assert len(plans[-1].widths) > len(plans[143].widths) > len(plans[19].widths)


@pytest.mark.parametrize("side", [1, 20, 70, 300])
def test_width_multiplies_the_filters(side):
    plans = [plan_architecture((1, side, side), width) for width in (0.25, 1, 2, 4)]
    last = [plan.widths[-1] for plan in plans]
    assert last == sorted(last)
    assert all(min(plan.stem, *plan.widths) >= 1 for plan in plans)
    assert plan_architecture((1, 20, 20), width=2).widths == (16, 32)


@pytest.mark.parametrize("image_shape", IMAGE_SHAPES, ids=str)
def test_blocks_double_the_filters_and_halve_the_sides_rounding_up(image_shape):
    plan = plan_architecture(image_shape)
    assert all(wider == 2 * width for width, wider in itertools.pairwise(plan.widths))
    assert plan.sides[0] == image_shape[1:]
    for side, half in itertools.pairwise(plan.sides):
        assert half == tuple(math.ceil(length / 2) for length in side)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("image_shape", IMAGE_SHAPES, ids=str)
def test_any_image_is_reconstructed_in_its_own_shape(image_shape, training):
    autoencoder = Autoencoder(image_shape, latent_dim=3).train(training)
    latents, reconstructions = autoencoder(torch.rand(2, *image_shape))
    assert latents.shape == (2, 3)
    assert reconstructions.shape == (2, *image_shape)
    assert 0 <= reconstructions.min() and reconstructions.max() <= 1


@pytest.mark.parametrize("image_shape", [(1, 1, 1), (2, 20, 20), (1, 65, 70)], ids=str)
def test_every_parameter_learns_from_the_reconstruction(image_shape):
    autoencoder = Autoencoder(image_shape, latent_dim=2)
    images = torch.rand(4, *image_shape)
    loss = 1 - MSSSIM(image_shape[1:])(images, autoencoder(images)[1]).mean()
    loss.backward()
    for name, parameter in autoencoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_noise_and_dropout_act_in_training_only():
    autoencoder = Autoencoder((1, 20, 20), latent_dim=2)
    images = torch.rand(8, 1, 20, 20)
    autoencoder.train()
    assert not torch.equal(autoencoder.encoder(images), autoencoder.encoder(images))
    autoencoder.eval()
    for first, second in zip(autoencoder(images), autoencoder(images)):
        assert torch.equal(first, second)


def test_the_noise_has_the_deviation_asked_for():
    autoencoder = Autoencoder((1, 20, 20), latent_dim=2, noise_std=0.5, dropout=0.0)
    noise = autoencoder.encoder[-1]
    drawn = noise(torch.zeros(100_000))
    assert drawn.std().item() == pytest.approx(0.5, rel=0.02)
    assert drawn.mean().item() == pytest.approx(0, abs=0.01)


def test_in_evaluation_a_row_does_not_depend_on_the_others():
    autoencoder = Autoencoder((2, 20, 20), latent_dim=2)
    images = torch.rand(8, 2, 20, 20)
    autoencoder.train()(images)  # moves the running means of batch normalisation
    autoencoder.eval()
    for together, alone in zip(autoencoder(images), autoencoder(images[3:4])):
        torch.testing.assert_close(together[3:4], alone)


@pytest.mark.parametrize("image_shape", IMAGE_SHAPES, ids=str)
def test_folded_networks_compute_the_same_of_plain_layers(image_shape):
    autoencoder = Autoencoder(image_shape, latent_dim=3).train()
    for _ in range(3):  # moves the running means and variances
        autoencoder(torch.rand(4, *image_shape) * 2)
    autoencoder.eval()
    images, latents = torch.rand(5, *image_shape), torch.randn(5, 3)
    for network, inputs in [(autoencoder.encoder, images), (autoencoder.decoder, latents)]:
        folded = fold(network)
        torch.testing.assert_close(folded(inputs), network(inputs), rtol=1e-4, atol=1e-5)
        kinds = {type(module).__name__ for module in folded.modules()}
        assert not kinds & {"SpectralConv2d", "SpectralLinear", "GaussianNoise", "Dropout"}
        assert n_parameters(folded) == 0  # none that could be trained


def test_blocks_that_cannot_be_folded_are_refused():
    with pytest.raises(TypeError, match="blocks of type TransformerEncoderLayer cannot be folded"):
        fold(nn.TransformerEncoderLayer(4, 2, 8))


def test_discriminator_gives_one_logit_a_row():
    discriminator = Discriminator(5).eval()
    assert discriminator(torch.randn(7, 5)).shape == (7,)
    assert discriminator(torch.randn(1, 5)).shape == (1,)


# Spectral normalisation -----------------------------------------------------------------------

SPECTRAL_LAYERS = {
    "dense": lambda: SpectralLinear(12, 7),
    "dense to one": lambda: SpectralLinear(12, 1),
    "convolution": lambda: SpectralConv2d(3, 8, 3),
    "1 x 1 convolution": lambda: SpectralConv2d(4, 6, 1),
}
every_layer = pytest.mark.parametrize(
    "make_layer", SPECTRAL_LAYERS.values(), ids=SPECTRAL_LAYERS.keys()
)


def probe(layer):
    """Inputs that, one after the other, read out the columns of a layer's weight."""
    patch = layer.weight.shape[1:]
    return torch.eye(math.prod(patch)).reshape(-1, *patch)


def used_weight(layer):
    """The weight that the layer works with, as an (outputs, inputs) matrix."""
    outputs = layer(probe(layer)).flatten(1) - layer.bias
    return outputs.t().detach()


@every_layer
def test_the_largest_singular_value_of_the_weight_used_is_one(make_layer):
    layer = make_layer()
    for _ in range(300):
        layer(probe(layer))
    largest = torch.linalg.svdvals(used_weight(layer.eval()))[0].item()
    assert largest == pytest.approx(1, abs=1e-3)


def test_the_weight_is_divided_and_nothing_else():
    layer = SpectralLinear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.diag(torch.tensor([4.0, 1.0])))
    for _ in range(20):
        layer(torch.zeros(1, 2))
    torch.testing.assert_close(used_weight(layer.eval()), torch.diag(torch.tensor([1, 0.25])))


@every_layer
def test_a_multiple_of_the_weight_is_the_same_layer(make_layer):
    layer = make_layer().eval()
    before = used_weight(layer)
    with torch.no_grad():
        layer.weight.mul_(7)
    torch.testing.assert_close(used_weight(layer), before)


@every_layer
def test_evaluation_is_repeatable_and_moves_nothing(make_layer):
    layer = make_layer().eval()
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    outputs = [layer(probe(layer)) for _ in range(3)]
    assert torch.equal(outputs[0], outputs[1]) and torch.equal(outputs[0], outputs[2])
    for name, value in layer.state_dict().items():
        assert torch.equal(value, state[name])


@every_layer
def test_values_and_gradients_are_those_of_torch_at_the_same_singular_vectors(make_layer):
    ours = make_layer().eval()
    if isinstance(ours, nn.Linear):
        plain = nn.Linear(ours.in_features, ours.out_features)
    else:
        plain = nn.Conv2d(ours.in_channels, ours.out_channels, ours.kernel_size)
    theirs = nn.utils.parametrizations.spectral_norm(plain).eval()
    norm = theirs.parametrizations.weight
    with torch.no_grad():
        norm.original.copy_(ours.weight)
        theirs.bias.copy_(ours.bias)
        norm[0]._u.copy_(ours.u)
        norm[0]._v.copy_(ours.v)
    inputs = torch.randn_like(probe(ours))
    outputs = [layer(inputs) for layer in (ours, theirs)]
    torch.testing.assert_close(*outputs)
    for output in outputs:
        output.square().sum().backward()
    torch.testing.assert_close(ours.weight.grad, norm.original.grad)
    torch.testing.assert_close(ours.bias.grad, theirs.bias.grad)


def test_two_forward_passes_before_one_backward_pass():
    """The vectors move at every pass; torch refuses to go back over a buffer that has moved."""
    layer = SpectralLinear(5, 3).train()
    (layer(torch.randn(2, 5)).sum() + layer(torch.randn(2, 5)).sum()).backward()
    assert layer.weight.grad.isfinite().all()


@every_layer
def test_layers_are_pickled_whole(make_layer):
    layer = make_layer().eval()
    again = pickle.loads(pickle.dumps(layer))
    assert torch.equal(again(probe(layer)), layer(probe(layer)))


# Supervised contrastive loss ------------------------------------------------------------------

both_forms = pytest.mark.parametrize("form", ["in", "out"])


def contrastive_by_loops(latents, labels, temperature, form):
    """Khosla et al. (2020), equations 2 and 3, one pair at a time."""
    z = [np.asarray(row) / np.linalg.norm(row) for row in latents]
    per_anchor = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        positives = [p for p in others if labels[p] == labels[i]]
        if not positives:
            continue
        total = sum(math.exp(z[i] @ z[a] / temperature) for a in others)
        shares = [math.exp(z[i] @ z[p] / temperature) / total for p in positives]
        if form == "in":
            per_anchor.append(-math.log(sum(shares)))
        else:
            per_anchor.append(-sum(math.log(share) for share in shares) / len(shares))
    return sum(per_anchor) / len(per_anchor)


@both_forms
@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("latent_dim", [1, 2, 10])
def test_contrastive_loss_is_that_of_a_plain_double_loop(form, temperature, latent_dim):
    latents = torch.randn(13, latent_dim, dtype=torch.float64)
    labels = torch.tensor([0] * 5 + [1] * 4 + [2] * 3 + [3])  # the last has no positive
    loss = supervised_contrastive_loss(latents, labels, temperature, form)
    expected = contrastive_by_loops(latents.numpy(), labels.tolist(), temperature, form)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_contrastive_loss_worked_by_hand():
    """Anchors 0, 1 and 2 are positives of each other; 3 has none and is left out.

    At temperature 1/2 the similarities are 2 between 0 and 1, 0 between 2 and any other, and -2
    between 3 and either of 0 and 1.
    """
    latents = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])  # length is ignored
    labels = torch.tensor([7, 7, 7, 4])
    total = math.exp(2) + 1 + math.exp(-2)  # of anchors 0 and 1; that of 2 is 3
    inside = (2 * -math.log((math.exp(2) + 1) / total) - math.log(2 / 3)) / 3
    outside = (2 * (math.log(total) - (2 + 0) / 2) + math.log(3)) / 3
    for form, expected in [("in", inside), ("out", outside)]:
        loss = supervised_contrastive_loss(latents, labels, 0.5, form)
        assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_both_forms_agree_where_each_anchor_has_one_positive():
    latents, labels = torch.randn(8, 3), torch.arange(8) // 2
    losses = [supervised_contrastive_loss(latents, labels, 0.5, form) for form in ("in", "out")]
    torch.testing.assert_close(*losses)


@both_forms
def test_contrastive_loss_falls_as_classes_come_apart(form):
    labels = torch.tensor([0, 0, 1, 1])
    angles = torch.tensor([[0.0, 0.1, 0.2 + apart, 0.3 + apart] for apart in (0, 1, 2)])
    latents = torch.stack([angles.cos(), angles.sin()], -1)
    losses = [supervised_contrastive_loss(z, labels, 0.5, form).item() for z in latents]
    assert losses[0] > losses[1] > losses[2] > 0


@both_forms
@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0]], ids=["all differ", "a batch of one"])
def test_without_a_positive_pair_loss_and_gradient_are_zero(labels, form):
    latents = torch.randn(len(labels), 3, requires_grad=True)
    loss = supervised_contrastive_loss(latents, torch.tensor(labels), form=form)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(latents.grad, torch.zeros_like(latents))


@both_forms
def test_an_anchor_without_a_positive_still_repels_the_others(form):
    latents = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]], requires_grad=True)
    supervised_contrastive_loss(latents, torch.tensor([0, 0, 1]), form=form).backward()
    assert latents.grad.isfinite().all()
    assert latents.grad[2].abs().max() > 0


@both_forms
def test_contrastive_gradient_is_finite_for_collapsed_latents(form):
    latents = torch.ones(6, 2, requires_grad=True)
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    loss = supervised_contrastive_loss(latents, labels, form=form)
    loss.backward()
    expected = math.log(5 / 2) if form == "in" else math.log(5)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert latents.grad.isfinite().all()


# Covariance loss ------------------------------------------------------------------------------

UNCORRELATED = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])


def test_covariance_loss_is_zero_for_uncorrelated_features_of_any_scale():
    assert covariance_loss(UNCORRELATED).item() == 0
    scaled = UNCORRELATED * torch.tensor([100.0, 0.01]) + 5
    assert covariance_loss(scaled).item() == pytest.approx(0, abs=1e-6)


def test_covariance_loss_worked_by_hand():
    """Centred rows (1, 2) and (-1, -2): covariance [[2, 4], [4, 8]], loss (16 + 16) / 2."""
    latents = torch.tensor([[4.0, 12.0], [2.0, 8.0]])
    assert covariance_loss(latents).item() == pytest.approx(16)


def test_covariance_loss_is_the_off_diagonal_of_the_covariance_matrix():
    latents = torch.randn(30, 5, dtype=torch.float64) @ torch.randn(5, 5, dtype=torch.float64)
    covariance = np.cov(latents.numpy(), rowvar=False)
    expected = np.sum(covariance[~np.eye(5, dtype=bool)] ** 2) / 5
    assert covariance_loss(latents).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("shape", [(1, 3), (8, 1)], ids=["one row", "one feature"])
def test_covariance_loss_of_nothing_to_compare_is_zero(shape):
    latents = torch.randn(shape, requires_grad=True)
    loss = covariance_loss(latents)
    loss.backward()
    assert loss.item() == 0
    assert latents.grad.isfinite().all()


# Adversarial losses ---------------------------------------------------------------------------


def cross_entropy(label, probability):
    return -(label * math.log(probability) + (1 - label) * math.log(1 - probability))


def logits_of(*probabilities):
    return torch.tensor(probabilities, dtype=torch.float64).logit()


def test_adversarial_loss_worked_by_hand():
    expected = (cross_entropy(0.9, 0.5) + cross_entropy(0.9, 0.75)) / 2
    assert adversarial_loss(logits_of(0.5, 0.75)).item() == pytest.approx(expected)
    expected = cross_entropy(0.7, 0.2)
    assert adversarial_loss(logits_of(0.2), real_label=0.7).item() == pytest.approx(expected)


def test_discriminator_loss_worked_by_hand():
    """Half of the mean over draws of the prior, half of the mean over latents of cells."""
    prior, latent = logits_of(0.8, 0.6), logits_of(0.3)
    real = (cross_entropy(0.9, 0.8) + cross_entropy(0.9, 0.6)) / 2
    fake = cross_entropy(0.1, 0.3)
    assert discriminator_loss(prior, latent).item() == pytest.approx((real + fake) / 2)
    hard = discriminator_loss(prior, latent, real_label=1.0, fake_label=0.0).item()
    assert hard == pytest.approx((-(math.log(0.8) + math.log(0.6)) / 2 - math.log(0.7)) / 2)


def test_adversarial_losses_are_least_at_the_smoothed_labels():
    logits = logits_of(0.9).requires_grad_()
    adversarial_loss(logits).backward()
    assert logits.grad.item() == pytest.approx(0, abs=1e-12)
    prior, latent = logits_of(0.9).requires_grad_(), logits_of(0.1).requires_grad_()
    discriminator_loss(prior, latent).backward()
    assert prior.grad.item() == pytest.approx(0, abs=1e-12)
    assert latent.grad.item() == pytest.approx(0, abs=1e-12)


def test_a_certain_discriminator_overflows_nothing():
    assert adversarial_loss(torch.tensor([-1000.0])).item() == pytest.approx(900)
    assert adversarial_loss(torch.tensor([1000.0])).item() == pytest.approx(100)


# MS-SSIM as a loss (its values are tested in test_metrics.py) ---------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 5), (20, 20), (33, 21), (80, 81)])
def test_an_anticorrelated_reconstruction_has_a_gradient_that_leads_out(size):
    """Clipped or plain MS-SSIM gives NaN or no gradient there, and training stands still."""
    images = torch.rand(2, 1, *size)
    reconstructions = (1 - images).requires_grad_()
    similarity = MSSSIM(size)(images, reconstructions)
    similarity.sum().backward()
    gradient = reconstructions.grad
    assert gradient.isfinite().all()
    assert gradient.flatten(1).abs().amax(1).min() > 0
    step = 1e-3 * gradient / gradient.abs().max()
    better = MSSSIM(size)(images, reconstructions.detach() + step)
    assert better.sum() > similarity.sum()


@pytest.mark.parametrize("size", [(1, 1), (20, 20), (80, 81)])
def test_a_perfect_reconstruction_is_a_maximum(size):
    images = torch.rand(2, 3, *size)
    reconstructions = images.clone().requires_grad_()
    similarity = MSSSIM(size)(images, reconstructions)
    torch.testing.assert_close(similarity, torch.ones(2))
    similarity.sum().backward()
    assert reconstructions.grad.abs().max() < 1e-4


@pytest.mark.parametrize("size", [(11, 10), (5, 3), (1, 3)])
def test_gradients_of_both_images_are_those_of_finite_differences(size):
    torch.set_default_dtype(torch.float64)
    try:
        similarity = MSSSIM(size)
        images = [torch.rand(2, 2, *size, requires_grad=True) for _ in range(2)]
        assert torch.autograd.gradcheck(similarity, images)
    finally:
        torch.set_default_dtype(torch.float32)


def test_flat_images_have_finite_gradients():
    flat = torch.zeros(1, 1, 20, 20, requires_grad=True)
    MSSSIM((20, 20))(torch.zeros(1, 1, 20, 20), flat).sum().backward()
    assert flat.grad.isfinite().all()


# Symmetries -----------------------------------------------------------------------------------


def all_symmetries(image):
    turns = [torch.rot90(image, turn, (-2, -1)) for turn in range(4)]
    same_shape = [turned for turned in turns if turned.shape == image.shape]
    return [*same_shape, *(turned.flip(-1) for turned in same_shape)]


@pytest.mark.parametrize(("height", "width", "n_symmetries"), [(3, 3, 8), (2, 3, 4), (3, 2, 4)])
def test_all_symmetries_that_keep_the_shape_occur_and_no_others(height, width, n_symmetries):
    image = torch.arange(2.0 * height * width).reshape(2, height, width)
    drawn = random_symmetries(image.repeat(2000, 1, 1, 1))
    counts = [(drawn == allowed).all((1, 2, 3)).sum().item() for allowed in all_symmetries(image)]
    assert len(counts) == n_symmetries
    assert sum(counts) == 2000
    assert min(counts) > 0.8 * 2000 / n_symmetries


def test_images_stay_in_their_rows_and_are_not_changed_in_place():
    images = torch.arange(50.0)[:, None, None, None].expand(50, 1, 4, 4).contiguous()
    assert torch.equal(random_symmetries(images), images)
    square = torch.arange(9.0).reshape(1, 1, 3, 3)
    before = square.clone()
    random_symmetries(square)
    assert torch.equal(square, before)


def test_symmetries_are_repeatable_by_the_seed():
    images = torch.rand(20, 1, 5, 5)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(random_symmetries(images))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


# The objective --------------------------------------------------------------------------------


@pytest.fixture
def batch():
    """Images, reconstructions, latents, labels and logits of six cells."""
    images = torch.rand(6, 1, 20, 20)
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    return images, torch.rand_like(images), torch.randn(6, 2), labels, torch.randn(6)


def losses_of(batch, **parameters):
    """Each of the four, on its own."""
    images, reconstructions, latents, labels, logits = batch
    return {
        "reconstruction": 1 - MSSSIM((20, 20))(images, reconstructions).mean(),
        "adversarial": adversarial_loss(logits, parameters.get("real_label", 0.9)),
        "contrastive": supervised_contrastive_loss(
            latents,
            labels,
            parameters.get("temperature", 0.5),
            parameters.get("contrastive_form", "in"),
        ),
        "covariance": covariance_loss(latents),
    }


def assert_losses(found, expected, weights):
    assert set(found) == {"loss", *weights}
    for name in weights:
        torch.testing.assert_close(found[name], expected[name])
    total = sum(weight * expected[name] for name, weight in weights.items())
    torch.testing.assert_close(found["loss"], total)


def test_first_stage_is_reconstruction_and_adversarial_five_to_one(batch):
    found = AutoencoderObjective((20, 20))(*batch, pretraining=True)
    assert_losses(found, losses_of(batch), {"reconstruction": 5.0, "adversarial": 1.0})


def test_second_stage_has_all_four_in_the_published_weights(batch):
    found = AutoencoderObjective((20, 20))(*batch, pretraining=False)
    published = {"reconstruction": 8, "adversarial": 4, "contrastive": 6, "covariance": 1e-4}
    assert_losses(found, losses_of(batch), published)


def test_weights_and_forms_are_the_users(batch):
    parameters = {"temperature": 0.2, "contrastive_form": "out", "real_label": 0.7}
    objective = AutoencoderObjective(
        (20, 20),
        lambda_reconstruction=1.5,
        lambda_adversarial=2.5,
        lambda_contrastive=3.5,
        lambda_covariance=4.5,
        pretrain_ratio=9.0,
        **parameters,
    )
    expected = losses_of(batch, **parameters)
    weights = {"reconstruction": 1.5, "adversarial": 2.5, "contrastive": 3.5, "covariance": 4.5}
    assert_losses(objective(*batch, pretraining=False), expected, weights)
    weights = {"reconstruction": 9.0, "adversarial": 1.0}
    assert_losses(objective(*batch, pretraining=True), expected, weights)


@pytest.mark.parametrize("off", ["reconstruction", "adversarial", "contrastive", "covariance"])
def test_a_loss_of_weight_zero_is_absent(off, batch):
    objective = AutoencoderObjective((20, 20), **{f"lambda_{off}": 0})
    weights = {"reconstruction": 8, "adversarial": 4, "contrastive": 6, "covariance": 1e-4}
    del weights[off]
    assert_losses(objective(*batch, pretraining=False), losses_of(batch), weights)


def test_without_labels_there_is_no_contrastive_loss(batch):
    images, reconstructions, latents, _, logits = batch
    objective = AutoencoderObjective((20, 20))
    found = objective(images, reconstructions, latents, None, logits, pretraining=False)
    weights = {"reconstruction": 8, "adversarial": 4, "covariance": 1e-4}
    assert_losses(found, losses_of(batch), weights)


def test_the_objective_has_no_parameters_of_its_own():
    objective = AutoencoderObjective((20, 20))
    assert n_parameters(objective) == 0
    assert objective.state_dict() == {}
