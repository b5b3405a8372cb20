"""Metrics: against scikit-image, against closed forms, and against the torch loss."""

import numpy as np
import pytest
import torch
from scipy import stats
from skimage.metrics import structural_similarity

from sklearn_cellfate.metrics import (
    centroid_separation,
    latent_correlation,
    latent_correlation_matrix,
    latent_kl_divergence,
    latent_normality,
    ms_ssim,
)
from sklearn_cellfate.torch_modules import MSSSIM

SCALE_WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
SIZES = [(1, 1), (1, 7), (2, 2), (5, 9), (10, 10), (19, 21), (20, 20), (33, 64), (97, 81)]


def noisy_pair(shape, seed=0, noise=0.2):
    rng = np.random.default_rng(seed)
    images = rng.random(shape)
    return images, np.clip(images + rng.normal(0, noise, shape), 0, 1)


# MS-SSIM: one scale ---------------------------------------------------------------------------


def mean_ssim_of_scikit_image(x, y, *, data_range=1.0, **constants):
    """Mean over the whole map, border included, because ours mirrors the border too.

    With sigma 1, scikit-image's Gaussian window ends at 3.5 sigma: 9 pixels wide.
    """
    _, ssim_map = structural_similarity(
        x,
        y,
        gaussian_weights=True,
        sigma=1.0,
        use_sample_covariance=False,
        data_range=data_range,
        full=True,
        **constants,
    )
    return ssim_map.mean()


@pytest.mark.parametrize("size", [(9, 9), (20, 20), (31, 12)])
@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_one_scale_is_the_ssim_of_scikit_image(size, data_range):
    x, y = (data_range * images for images in noisy_pair((3, *size)))
    expected = [mean_ssim_of_scikit_image(a, b, data_range=data_range) for a, b in zip(x, y)]
    ours = ms_ssim(x, y, window_size=9, sigma=1.0, n_scales=1, data_range=data_range)
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def halve(image):
    image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    return np.mean([image[i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=0)


@pytest.mark.parametrize("n_scales", [2, 3, 4, 5])
def test_every_scale_is_the_contrast_of_scikit_image_on_averaged_pixels(n_scales):
    """Contrast and structure of all scales, luminance of the last, to the published powers."""
    x, y = (images[0] for images in noisy_pair((1, 149, 163), noise=0.1))
    weights = SCALE_WEIGHTS[:n_scales] / SCALE_WEIGHTS[:n_scales].sum()
    expected = 1.0
    for scale in range(n_scales):
        # An enormous K1 makes the luminance one, which leaves contrast and structure.
        constants = {} if scale == n_scales - 1 else {"K1": 1e6}
        expected *= mean_ssim_of_scikit_image(x, y, **constants) ** weights[scale]
        x, y = halve(x), halve(y)
    x, y = noisy_pair((1, 149, 163), noise=0.1)
    ours = ms_ssim(x, y, window_size=9, sigma=1.0, n_scales=n_scales)
    np.testing.assert_allclose(ours, expected, rtol=1e-8)


@pytest.mark.parametrize(
    ("side", "fitting"),
    [(1, 1), (9, 1), (10, 2), (19, 2), (20, 3), (39, 3), (40, 4), (79, 4), (80, 5), (200, 5)],
)
def test_as_many_scales_as_still_hold_a_window_of_5_pixels(side, fitting):
    x, y = noisy_pair((2, side, side + 3))
    np.testing.assert_array_equal(ms_ssim(x, y), ms_ssim(x, y, n_scales=fitting))


@pytest.mark.parametrize(("side", "n_scales", "most"), [(20, 0, 5), (200, 6, 5), (7, 4, 3)])
def test_scales_that_do_not_exist_are_refused(side, n_scales, most):
    x, y = noisy_pair((1, side, side))
    with pytest.raises(ValueError, match=f"n_scales is {n_scales}; expected 1 to {most}"):
        ms_ssim(x, y, n_scales=n_scales)


# MS-SSIM: properties --------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_equal_images_score_one_and_others_between_zero_and_one(size):
    x, y = noisy_pair((4, 2, *size))
    np.testing.assert_allclose(ms_ssim(x, x), 1, rtol=1e-12)
    for other in (y, x[::-1], 1 - x, np.zeros_like(x)):
        similarity = ms_ssim(x, other)
        assert similarity.shape == (4,)
        assert np.all((similarity > 0) & (similarity < 1))


@pytest.mark.parametrize("size", SIZES)
def test_symmetric_in_the_two_images(size):
    x, y = noisy_pair((2, 3, *size))
    np.testing.assert_allclose(ms_ssim(x, y), ms_ssim(y, x), rtol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_data_range_only_sets_the_unit(size):
    x, y = noisy_pair((2, *size))
    np.testing.assert_allclose(
        ms_ssim(255 * x, 255 * y, data_range=255), ms_ssim(x, y), rtol=1e-10
    )


def test_one_pixel_is_luminance_alone():
    """No contrast is left: (2 x y + c1) / (x^2 + y^2 + c1) with c1 = 0.01^2."""
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    similarity = ms_ssim(np.full((1, 1, 1), 0.2), np.full((1, 1, 1), 0.6))
    np.testing.assert_allclose(similarity, expected, rtol=1e-12)


def test_border_is_mirrored_so_a_flat_image_is_flat_everywhere():
    """A flat image and a brighter one: the same value whatever the size."""
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    for side in (3, 8):
        flat = np.full((1, side, side), 0.2)
        np.testing.assert_allclose(ms_ssim(flat, 3 * flat), expected, rtol=1e-10)


def test_integers_do_not_wrap_around():
    x, y = (np.round(255 * images).astype(np.uint8) for images in noisy_pair((2, 20, 20)))
    expected = ms_ssim(x.astype(float), y.astype(float), data_range=255)
    np.testing.assert_array_equal(ms_ssim(x, y, data_range=255), expected)


def test_images_and_channels_are_scored_apart_and_channels_averaged():
    x, y = noisy_pair((3, 2, 20, 20))
    by_channel = [ms_ssim(x[:, [c]], y[:, [c]]) for c in (0, 1)]
    np.testing.assert_allclose(ms_ssim(x, y), np.mean(by_channel, axis=0), rtol=1e-12)
    np.testing.assert_allclose(ms_ssim(x[1:2], y[1:2]), ms_ssim(x, y)[1:2], rtol=1e-12)


def test_more_noise_is_less_similar():
    images = np.random.default_rng(0).random((1, 40, 40))
    noise = np.random.default_rng(1).normal(size=images.shape)
    scores = [ms_ssim(images, images + amount * noise)[0] for amount in (0, 0.05, 0.1, 0.3, 1)]
    assert np.all(np.diff(scores) < 0)


@pytest.mark.parametrize("size", [(5, 9), (20, 20), (80, 80)])
def test_the_more_anticorrelated_the_lower_and_never_nan(size):
    """Plain MS-SSIM has no answer below zero; a loss needs one that still tells worse from bad."""
    images = np.random.default_rng(0).random((1, *size))
    reflected = [0.5 - amount * (images - 0.5) for amount in (0.0, 0.1, 0.3, 0.6, 1.0)]
    scores = np.concatenate([ms_ssim(images, other) for other in reflected])
    assert np.all(np.diff(scores) < 0)
    assert 0 < scores[-1] < 0.01


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 1, 5, 5\), images_pred \(2, 1, 5, 6\)"):
        ms_ssim(np.zeros((2, 5, 5)), np.zeros((2, 5, 6)))
    with pytest.raises(ValueError, match=r"\(n, H, W\) or \(n, C, H, W\), found \(5, 5\)"):
        ms_ssim(np.zeros((5, 5)), np.zeros((5, 5)))


@pytest.mark.parametrize("window_size", [3, 5])
@pytest.mark.parametrize("size", SIZES)
def test_the_torch_loss_is_the_same_measure(size, window_size):
    x, y = noisy_pair((3, 2, *size))
    y[2] = 1 - x[2]
    loss = MSSSIM(size, window_size=window_size)
    similarity = loss(*(torch.from_numpy(images.astype(np.float32)) for images in (x, y)))
    expected = ms_ssim(x, y, window_size=window_size)
    np.testing.assert_allclose(similarity.numpy(), expected, atol=1e-5)


# Latent features ------------------------------------------------------------------------------


def gaussian_kl(mean, std):
    return 0.5 * (std**2 + mean**2 - 1 - np.log(std**2))


@pytest.mark.parametrize(
    ("mean", "std"), [(0, 1), (1, 1), (-1, 1), (0, 2), (0, 0.5), (5, 0.05), (3, 0.1)]
)
def test_kl_of_a_gaussian_from_the_standard_normal(mean, std):
    two_points = np.array([[mean - std], [mean + std]])  # have exactly this mean and deviation
    np.testing.assert_allclose(
        latent_kl_divergence(two_points), [gaussian_kl(mean, std)], rtol=1e-9, atol=1e-12
    )


def test_kl_sees_a_wrong_mean_and_a_wrong_scale_feature_by_feature():
    """An estimate that renormalises on the sample's own range calls N(5, 0.05) fine."""
    mean, std = np.array([0.0, 5.0, 0.0]), np.array([1.0, 0.05, 30.0])
    latents = np.random.default_rng(0).normal(mean, std, size=(100_000, 3))
    kl = latent_kl_divergence(latents)
    np.testing.assert_allclose(kl, gaussian_kl(mean, std), rtol=0.01, atol=1e-3)
    assert kl[0] < 1e-3 and kl[1] > 14 and kl[2] > 400


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7])
def test_kl_of_a_constant_feature_is_infinite(value):
    latents = np.column_stack([np.full(1000, value), np.linspace(-1, 1, 1000)])
    assert np.isposinf(latent_kl_divergence(latents)[0])
    assert np.isfinite(latent_kl_divergence(latents)[1])


@pytest.mark.parametrize("n_neighbors", [1, 5, 20])
@pytest.mark.parametrize(("mean", "std"), [(0, 1), (1, 1), (0, 2), (0, 0.5), (5, 0.05), (-3, 0.1)])
def test_kl_by_neighbours_of_a_gaussian(mean, std, n_neighbors):
    latents = np.random.default_rng(1).normal(mean, std, size=(20_000, 1))
    kl = latent_kl_divergence(latents, method="neighbors", n_neighbors=n_neighbors)
    np.testing.assert_allclose(kl, [gaussian_kl(mean, std)], rtol=0.01, atol=0.03)


def test_kl_by_neighbours_of_a_uniform_and_an_exponential():
    """By integration: of U(-a, a), a^2 / 6 + log(2 pi) / 2 - log 2a; of a scaled exponential."""
    rng = np.random.default_rng(0)
    uniform, exponential = rng.uniform(-3, 3, 20_000), rng.exponential(2, 20_000)
    kl = latent_kl_divergence(np.column_stack([uniform, exponential]), method="neighbors")
    log_norm = 0.5 * np.log(2 * np.pi)
    expected = [9 / 6 + log_norm - np.log(6), 0.5 * (2 * 2**2) + log_norm - (1 + np.log(2))]
    np.testing.assert_allclose(kl, expected, atol=0.1)


def test_two_humps_are_seen_by_neighbours_and_not_by_moments():
    rng = np.random.default_rng(0)
    humps = rng.choice([-0.95, 0.95], 5000) + rng.normal(0, np.sqrt(1 - 0.95**2), 5000)
    both = np.column_stack([humps, rng.normal(size=5000)])
    assert (latent_kl_divergence(both) < 0.01).all()
    kl = latent_kl_divergence(both, method="neighbors")
    # log 2 less than the divergence of one narrow hump at 0.95, for they hardly overlap.
    expected = gaussian_kl(0.95, np.sqrt(1 - 0.95**2)) - np.log(2)
    np.testing.assert_allclose(kl, [expected, 0], atol=0.05)


@pytest.mark.parametrize("n_neighbors", [1, 5])
def test_kl_by_neighbours_stands_equal_values(n_neighbors):
    normal = np.random.default_rng(0).normal(size=2000)
    half_dead = np.where(np.arange(2000) % 2, normal, 0.0)
    latents = np.column_stack([normal.round(1), half_dead, np.full(2000, 0.1)])
    rounded, heap, constant = latent_kl_divergence(
        latents, method="neighbors", n_neighbors=n_neighbors
    )
    assert abs(rounded) < 0.1  # steps of a tenth are fine enough
    assert 1 < heap < np.inf  # half of the cells on one value are not
    assert np.isposinf(constant)


def test_kl_by_neighbours_takes_each_feature_by_itself_in_any_order():
    latents = np.random.default_rng(0).normal(size=(100, 2))
    kl = latent_kl_divergence(latents, method="neighbors")
    alone = [latent_kl_divergence(latents[::-1, [k]], method="neighbors")[0] for k in (0, 1)]
    np.testing.assert_allclose(kl, alone)


@pytest.mark.parametrize(
    "how, message",
    [
        ({"method": "knn"}, 'method must be "gaussian" or "neighbors", found \'knn\''),
        ({"method": "neighbors", "n_neighbors": 4}, "n_neighbors must be .* 1 to 3, .* found 4"),
        ({"method": "neighbors", "n_neighbors": 0}, "found 0"),
        ({"method": "neighbors", "n_neighbors": 1.5}, "found 1.5"),
    ],
)
def test_kl_names_what_it_cannot_do(how, message):
    with pytest.raises(ValueError, match=message):
        latent_kl_divergence(np.arange(4.0)[:, None], **how)


def test_normality_of_known_distributions():
    rng = np.random.default_rng(0)
    n = 5000
    columns = [rng.normal(size=n), rng.normal(5, 0.05, n), rng.uniform(-(3**0.5), 3**0.5, n)]
    table = latent_normality(np.column_stack([*columns, rng.exponential(size=n)]))
    np.testing.assert_allclose(table["mean"], [0, 5, 0, 1], atol=0.05)
    np.testing.assert_allclose(table["std"], [1, 0.05, 1, 1], atol=0.05)
    np.testing.assert_allclose(table["skewness"], [0, 0, 0, 2], atol=0.35)
    np.testing.assert_allclose(table["excess_kurtosis"][:3], [0, 0, -1.2], atol=0.2)
    # All of N(5, 0.05) lies where the prior has nothing; a uniform of variance 1 is 0.057 off.
    np.testing.assert_allclose(table["ks_distance"][:3], [0, 1, 0.057], atol=0.015)
    assert (table["p_prior"] > 0.01).tolist() == [True, False, False, False]
    assert (table["p_normal"] > 0.01).tolist() == [True, True, False, False]


def test_normality_of_a_constant_feature_has_no_shape():
    row = latent_normality(np.full((20, 1), 0.1)).iloc[0]
    assert row[["skewness", "excess_kurtosis", "p_normal"]].isna().all()
    assert row["mean"] == pytest.approx(0.1) and row["std"] == pytest.approx(0)
    assert row["ks_distance"] == pytest.approx(stats.norm.cdf(0.1))
    with pytest.raises(ValueError, match="minimum of 20"):
        latent_normality(np.zeros((19, 1)))


def test_centroid_separation_is_a_distance_between_means():
    latents = [[0, 0], [0, 2], [3, 5], [3, 5]]  # centroids (0, 1) and (3, 5)
    assert centroid_separation(latents, ["dies", "dies", "divides", "divides"]) == 5.0
    assert centroid_separation(latents, [True, True, False, False]) == 5.0


def test_centroid_separation_of_several_classes_is_that_of_the_closest_two():
    latents = [[0.0], [2.0], [10.0], [11.5], [12.5]]  # centroids 1, 10 and 12
    assert centroid_separation(latents, ["a", "a", "b", "c", "c"]) == 2.0


def test_centroid_separation_needs_two_classes():
    with pytest.raises(ValueError, match="needs two classes, found only .*dies"):
        centroid_separation([[0.0], [1.0]], ["dies", "dies"])


@pytest.mark.parametrize("missing", [None, np.nan])
def test_centroid_separation_needs_every_label(missing):
    with pytest.raises(ValueError, match=r"1 of 3 labels are missing \(the first in row 1\)"):
        centroid_separation([[0.0], [1.0], [2.0]], np.array(["a", missing, "b"], dtype=object))


SIGNS = np.array([[1, 1, -1, -1], [1, -1, 1, -1]]).T  # two uncorrelated features


def test_latent_correlation_is_the_mean_over_pairs_without_sign():
    a, b = SIGNS.T
    assert latent_correlation(SIGNS) == pytest.approx(0)
    assert latent_correlation(np.column_stack([a, -3 * a + 7])) == pytest.approx(1)
    # a with a + b correlates 1 / sqrt(2), so does b; a with b not at all.
    three = np.column_stack([a, b, a + b])
    assert latent_correlation(three) == pytest.approx((0 + 2 / np.sqrt(2)) / 3)
    assert latent_correlation(three * [1, -1, 1]) == pytest.approx(latent_correlation(three))


def test_correlation_matrix_pair_by_pair():
    a, b = SIGNS.T
    matrix = latent_correlation_matrix(np.column_stack([a, b, -a - b, np.full(4, 0.1)]))
    half = np.sqrt(0.5)
    expected = [[1, 0, -half, 0], [0, 1, -half, 0], [-half, -half, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(matrix, expected, atol=1e-12)
    assert latent_correlation_matrix([[1.0], [2.0]]).tolist() == [[1.0]]


def test_latent_correlation_of_one_feature_is_zero():
    assert latent_correlation([[1.0], [2.0]]) == 0


@pytest.mark.parametrize("value", [0.0, 0.1, 0.7])
def test_constant_features_count_as_uncorrelated(value):
    constant = np.full((7, 2), value)
    assert latent_correlation(constant) == 0
    assert latent_correlation(np.column_stack([constant, np.arange(7)])) == 0


@pytest.mark.parametrize(
    "metric", [latent_kl_divergence, latent_correlation, latent_correlation_matrix]
)
def test_latents_must_be_finite_rows_two_at_least(metric):
    with pytest.raises(ValueError, match="NaN"):
        metric([[0.0, 1.0], [np.nan, 2.0]])
    with pytest.raises(ValueError, match="minimum of 2"):
        metric([[0.0, 1.0]])
