"""relevance_mass and relevance_rank_accuracy: shares that can be counted by hand."""

import itertools

import numpy as np
import pytest

from sklearn_cellfate.metrics import relevance_mass, relevance_rank_accuracy

CORNER = np.zeros((1, 4, 4), bool)
CORNER[0, :2, :2] = True


def test_all_relevance_inside_or_outside():
    for score in (relevance_mass, relevance_rank_accuracy):
        assert score(CORNER.astype(float), CORNER) == 1
        assert score(1.0 - CORNER, CORNER) == 0


def test_a_constant_map_scores_the_share_of_area():
    for score in (relevance_mass, relevance_rank_accuracy):
        assert score(np.full((1, 4, 4), 0.3), CORNER) == pytest.approx(4 / 16)


def test_mass_is_a_ratio_of_sums_and_ignores_negative_pixels():
    relevance = np.where(CORNER, 3.0, 1.0)
    relevance[0, 3] = -100  # leaves 8 positive pixels outside
    assert relevance_mass(relevance, CORNER) == pytest.approx(12 / (12 + 8))


def test_scale_does_not_matter():
    relevance = np.random.default_rng(0).normal(size=(5, 2, 4, 4))
    masks = np.repeat(CORNER, 5, axis=0)
    for score in (relevance_mass, relevance_rank_accuracy):
        np.testing.assert_allclose(score(1e-30 * relevance, masks), score(relevance, masks))


def test_channels_are_summed_before_the_sign_is_looked_at():
    relevance = np.zeros((1, 2, 4, 4))
    relevance[0, :, 0, 0] = 5, -4  # together 1, inside
    relevance[0, :, 3, 3] = 2, -3  # together -1, outside
    relevance[0, :, 3, 0] = 1, 2  # together 3, outside
    assert relevance_mass(relevance, CORNER) == pytest.approx(1 / 4)


def test_rank_accuracy_counts_the_top_pixels_whatever_their_height():
    relevance = np.arange(16.0).reshape(1, 4, 4) + 1
    relevance[0, 0, 0], relevance[0, 1, 1] = 1000, 17  # of the top four, two are inside
    assert relevance_rank_accuracy(relevance, CORNER) == 0.5
    assert relevance_rank_accuracy(relevance**3, CORNER) == 0.5


def test_equal_pixels_score_the_mean_over_their_orders():
    relevance = np.array([[[4, 2, 2], [2, 1, -1]]])
    mask = np.array([[[True, True, False], [False, True, False]]])
    pixels, inside = relevance.ravel(), mask.ravel()
    orders = [
        np.mean(inside[sorted(order, key=lambda i: -pixels[i])[:3]])
        for order in itertools.permutations(range(6))
    ]
    assert relevance_rank_accuracy(relevance, mask) == pytest.approx(np.mean(orders))


def test_negative_pixels_rank_as_zeros_do():
    mask = np.array([[[True, True], [False, False]]])
    # The second place is drawn from 0, -1 and 0: one of the three is inside.
    score = relevance_rank_accuracy([[[1, -1], [0, 0]]], mask)
    assert score == pytest.approx((1 + 1 / 3) / 2)


def test_images_that_cannot_be_scored_are_nan_and_leave_the_others_alone():
    masks = np.concatenate([np.zeros_like(CORNER), CORNER, CORNER, ~np.zeros_like(CORNER)])
    relevance = np.concatenate([np.ones((1, 4, 4)), -np.ones((1, 4, 4)), CORNER, CORNER])
    for score in (relevance_mass, relevance_rank_accuracy):
        np.testing.assert_array_equal(score(relevance, masks), [np.nan, np.nan, 1, 1])


def test_no_images_have_no_scores():
    for score in (relevance_mass, relevance_rank_accuracy):
        assert score(np.empty((0, 4, 4)), CORNER[:0]).shape == (0,)


@pytest.mark.parametrize("score", [relevance_mass, relevance_rank_accuracy])
@pytest.mark.parametrize(
    "changes, message",
    [
        ({"mask": np.ones((1, 5, 4), bool)}, r"mask must have shape \(1, 4, 4\).* \(1, 5, 4\)"),
        ({"mask": np.ones((2, 4, 4), bool)}, r"mask must have shape \(1, 4, 4\)"),
        ({"mask": np.ones((1, 1, 4, 4), bool)}, r"found \(1, 1, 4, 4\)"),
        ({"mask": np.ones((1, 4, 4), int)}, "mask must be boolean .*found dtype int64"),
        ({"relevance": np.ones((4, 4))}, r"relevance must have shape .* found \(4, 4\)"),
        ({"relevance": np.full((1, 4, 4), np.nan)}, "NaN or infinite"),
    ],
)
def test_bad_input_is_named(score, changes, message):
    with pytest.raises(ValueError, match=message):
        score(**{"relevance": np.ones((1, 4, 4)), "mask": CORNER} | changes)
