"""SharedStream: what networks that train together draw in one call, each with its settings."""

import numpy as np
import pytest
import torch

from sklearn_cellfate.neural_network._stacked_random import SharedStream

NOISE, DROPOUT = (0.0, 0.5, 2.0), (0.0, 0.25, 0.75)


@pytest.fixture
def stream():
    """Give a stream for three networks; on a CPU, where its numbers are of the same kind."""
    return SharedStream(
        torch.tensor(NOISE), torch.tensor(DROPOUT), torch.Generator().manual_seed(0)
    )


def test_each_network_has_its_own_noise(stream):
    noise = stream.add_noise(torch.ones(3, 500, 20)) - 1
    np.testing.assert_allclose(noise.mean((1, 2)), 0, atol=0.05)
    np.testing.assert_allclose(noise.std((1, 2)), NOISE, rtol=0.03)
    assert not torch.allclose(noise[1] * 4, noise[2], atol=0.5)


def test_each_network_drops_its_own_share_and_keeps_the_mean(stream):
    dropped = stream.drop(torch.ones(3, 500, 20))
    np.testing.assert_allclose((dropped == 0).float().mean((1, 2)), DROPOUT, atol=0.02)
    np.testing.assert_allclose(dropped.mean((1, 2)), 1, atol=0.06)
    for member, share in enumerate(DROPOUT):
        kept = dropped[member][dropped[member] != 0]
        torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - share)))


def test_what_is_off_for_all_draws_nothing():
    stream = SharedStream(torch.zeros(2), torch.zeros(2), None)
    x = torch.ones(2, 3, 4)
    assert stream.add_noise(x) is x and stream.drop(x) is x


@pytest.mark.parametrize(("kind", "largest"), [("normal", np.inf), ("uniform", 3**0.5)])
def test_the_prior_has_mean_0_and_variance_1(stream, kind, largest):
    latents = stream.prior((3, 4000, 2), kind)
    np.testing.assert_allclose(latents.mean(1), 0, atol=0.07)
    np.testing.assert_allclose(latents.var(1), 1, atol=0.1)
    assert latents.abs().max() <= largest


def test_images_are_turned_each_by_a_draw_of_its_own(stream):
    image = torch.arange(9.0).view(1, 1, 1, 3, 3)
    turned = stream.symmetries(image.expand(400, 3, 1, 3, 3))
    for member in range(3):
        kinds, counts = turned[:, member].flatten(1).unique(dim=0, return_counts=True)
        assert len(kinds) == 8 and counts.min() > 400 / 8 / 2
    assert not torch.equal(turned[:, 0], turned[:, 1])


def test_some_of_the_networks_keep_their_settings(stream):
    part = stream.take((2, 0))
    assert part.n_members == 2
    np.testing.assert_allclose(
        part.add_noise(torch.zeros(2, 500, 20)).std((1, 2)), [2, 0], rtol=0.03
    )
    dropped = part.drop(torch.ones(2, 500, 20))
    np.testing.assert_allclose((dropped == 0).float().mean((1, 2)), [0.75, 0], atol=0.02)


def test_one_generator_serves_all_parts_so_that_a_seed_repeats_them():
    def draw():
        generator = torch.Generator().manual_seed(5)
        stream = SharedStream(torch.ones(2), torch.zeros(2), generator)
        x = torch.zeros(2, 4)
        return (
            stream.add_noise(x),
            stream.take((1,)).add_noise(x[:1]),
            stream.prior((2, 3), "normal"),
        )

    first, second = draw(), draw()
    assert all(map(torch.equal, first, second))
    assert not torch.equal(first[0][1:], first[1])
