"""Frequencies: Parseval, waves, and textures whose scale is known."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.fft import irfft2, rfft2
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_cellfate import image_column
from sklearn_cellfate.feature_extraction import PixelFeatures, PowerSpectrum
from sklearn_cellfate.inspection import FrequencyDisplay, class_spectra, frequency_sensitivity
from sklearn_cellfate.neural_network import (
    AAEClassifier,
    AdversarialAutoencoder,
    EfficientNetClassifier,
)
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.preprocessing import PatchNormalizer

EDGES = (0.04, 0.08, 0.16, 0.32, 0.5)
KNOWN = 2  # the band in which the classes differ: waves of 3 to 6 pixels

SIZES = pytest.mark.parametrize(
    "size", [(16, 16), (15, 17), (12, 31), (1, 7), (9, 1), (2, 2), (1, 2)]
)
BORDERS = pytest.mark.parametrize("border", ["mirror", "periodic"])


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(50, 3, shape).astype(np.float32)


def ring(images, low, high):
    """Keep what lies between two frequencies."""
    height, width = images.shape[-2:]
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    kept = (radius >= low) & (radius < high)
    return irfft2(rfft2(images) * kept, s=(height, width))


def textures(n, seed, *, by="power", size=32):
    """Two classes that differ in the known band alone; the power of other bands is random.

    By "power" one class has more of it. By "sign" it holds bright spots or dark ones: the same
    power spectrum, so only the phases tell.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    images = rng.normal(0, 0.05, (n, size, size))
    for band, limits in enumerate(pairwise(EDGES)):
        part, strength = rng.normal(size=(n, size, size)), rng.uniform(0.2, 0.8, n)
        if band == KNOWN and by == "power":
            strength = np.where(y, 1.2, 0.5)
        elif band == KNOWN:
            part, strength = np.zeros((n, size * size)), np.ones(n)
            for image, sign in zip(part, 2 * y - 1):
                image[rng.choice(size * size, 4, replace=False)] = sign
            part = part.reshape(n, size, size)
        part = ring(part, *limits)
        images += part * (strength / part.std(axis=(1, 2)))[:, None, None]
    return images[:, None].astype(np.float32), np.array(["bright", "dark"])[1 - y]


def strongest(result, quantity, method, pick="idxmin"):
    """Band in which a quantity is lowest, and the rows of all others."""
    rows = result.table.query("quantity == @quantity and method == @method").set_index("band")
    best = getattr(rows["mean"], pick)()
    return best, rows.loc[best], rows.drop(index=best)


class Linear(ClassifierMixin, BaseEstimator):
    """A linear classifier of given weights: its decision is known in closed form."""

    def __init__(self, weights):
        self.weights = weights

    def fit(self, X=None, y=None):
        self.classes_ = np.array([0, 1])
        return self

    def decision_function(self, X):
        return (np.asarray(X, dtype=float) * self.weights).sum(axis=(1, 2, 3))

    def predict(self, X):
        return (self.decision_function(X) > 0).astype(int)


# What is done to the images


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps the images that it is asked about."""

    def fit(self, X=None, y=None):
        self.classes_, self.seen_ = np.array([0, 1]), []
        return self

    def predict_proba(self, X):
        self.seen_.append(np.array(X))
        return np.full((len(X), 2), 0.5)


def change(images, method, bands, border="mirror", pixel_size=None):
    """Return the images as changed in each band, and the table of bands."""
    recorder = Recorder().fit()
    result = frequency_sensitivity(
        recorder,
        images,
        method=method,
        bands=bands,
        border=border,
        pixel_size=pixel_size,
        n_repeats=1,
        random_state=0,
    )
    return recorder.seen_[1:], result.bands


def band_power(images, bands, border, side=1.0):
    """Variance of images in each band, (n, n_bands), by the plain transform of all pixels."""
    if border == "mirror":
        images = np.concatenate([images, images[:, :, ::-1]], axis=2)
        images = np.concatenate([images, images[..., ::-1]], axis=3)
    spectrum = np.fft.fft2(images.astype(float), norm="forward")
    rows, columns = (np.fft.fftfreq(n, side) for n in images.shape[2:])
    radius = np.hypot(rows[:, None], columns)
    last = len(bands) - 1
    inside = [
        (radius >= row.frequency_low * (1 - 1e-9))
        & (radius < row.frequency_high * (1 + 1e-9 if row.Index == last else 1 - 1e-9))
        for row in bands.itertuples()
    ]
    return np.stack([(np.abs(spectrum) ** 2 * mask).sum(axis=(1, 2, 3)) for mask in inside], 1)


@BORDERS
@SIZES
def test_bands_sum_to_the_variance_and_to_the_image(border, size):
    images = noise(3, 2, *size)
    without, bands = change(images, "remove", 5, border, pixel_size=0.7)
    assert bands["n_frequencies"].sum() == np.prod(size) - 1
    assert bands["power_share"].sum() == pytest.approx(1)
    lost = [images.var(axis=(2, 3), dtype=float) - w.var(axis=(2, 3)) for w in without]
    assert_allclose(sum(lost), images.var(axis=(2, 3), dtype=float), rtol=1e-3, atol=1e-3)
    mean = images.mean(axis=(2, 3), keepdims=True, dtype=float)
    assert_allclose(sum(images - w for w in without) + mean, images, atol=1e-3)


@BORDERS
@SIZES
def test_a_removed_band_has_no_power_and_others_keep_theirs(border, size):
    images = noise(3, 2, *size)
    without, bands = change(images, "remove", 3, border, pixel_size=0.7)
    before = band_power(images, bands, border, 0.7)
    for band, changed in enumerate(without):
        expected = np.where(np.arange(len(bands)) == band, 0, before)
        assert_allclose(band_power(changed, bands, border, 0.7), expected, rtol=1e-3, atol=1e-6)


@BORDERS
@SIZES
def test_scrambling_keeps_mean_and_power_of_real_images(border, size):
    images = noise(4, 2, *size)
    scrambled, bands = change(images, "scramble", 3, border)
    before = band_power(images, bands, border)
    for changed in scrambled:
        assert np.isrealobj(changed)
        assert_allclose(changed.mean(axis=(2, 3)), images.mean(axis=(2, 3)), rtol=1e-6)
        assert_allclose(band_power(changed, bands, border), before, rtol=1e-3, atol=1e-6)


@BORDERS
def test_scrambling_leaves_nothing_of_the_shapes_of_its_band_and_all_of_the_others(border):
    images = noise(30, 1, 32, 32)
    without = change(images, "remove", EDGES, border)[0][KNOWN]
    changed = change(images, "scramble", EDGES, border)[0][KNOWN]
    assert_allclose(change(changed, "remove", EDGES, border)[0][KNOWN], without, atol=1e-4)
    inside = images - without, changed - without
    correlation = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(*inside)]
    assert abs(np.mean(correlation)) < 0.05


def test_channels_are_shifted_together():
    one = noise(2, 1, 16, 16)
    two = np.concatenate([one, 2 * one], axis=1)
    for border in ("periodic", "mirror"):
        changed = change(two, "scramble", 3, border)[0][1]
        assert_allclose(changed[:, 1], 2 * changed[:, 0], rtol=1e-4)


def test_phases_are_those_of_the_fourier_transform():
    images = noise(1, 1, 16, 20)
    (changed,), _ = change(images, "scramble", [0, 0.71], "periodic")
    before, after = np.fft.fft2(images), np.fft.fft2(changed)
    assert_allclose(np.abs(after), np.abs(before), rtol=1e-2)
    assert not np.allclose(np.angle(after), np.angle(before), atol=1)


@BORDERS
def test_permuting_hands_each_band_to_another_image(border):
    images = noise(40, 2, 15, 18)
    changed, bands = change(images, "permute", 4, border)
    before, after = (band_power(stack, bands, border) for stack in (images, changed[2]))
    assert_allclose(np.delete(after, 2, axis=1), np.delete(before, 2, axis=1), rtol=1e-3)
    assert_allclose(np.sort(after[:, 2]), np.sort(before[:, 2]), rtol=1e-3)
    assert np.isclose(after[:, 2], before[:, 2], rtol=1e-3).mean() < 0.2


def test_light_that_rises_across_the_image_is_no_fine_structure():
    slope = np.linspace(0, 1, 64) * np.ones((1, 1, 64, 1))
    shares = [
        change(slope, "remove", [0.1, 0.5], border)[1]["power_share"].item()
        for border in ("mirror", "periodic")
    ]
    # The jump from 1 back to 0 is as if every frequency were in it.
    assert shares[0] < 1e-4 < 0.05 < shares[1]


@pytest.mark.parametrize("size", [(48, 48), (30, 80)])
@pytest.mark.parametrize("along", [0, 1])
def test_frequencies_are_physical_in_images_that_are_not_square(size, along):
    place = np.indices(size)[along] * 0.5
    wave = np.cos(2 * np.pi * 0.4 * place + 0.3)[None, None]  # 0.4 cycles a um, 5 pixels
    _, bands = change(wave, "remove", [0.1, 0.3, 0.5, 0.9], pixel_size=0.5)
    assert bands["power_share"][1] > 0.9


# Sensitivity in closed form


def wave_weights(size, cycles):
    """Return a basis function of the mirrored image, with whole cycles from end to end."""
    across = np.arange(size[1]) + 0.5
    return np.cos(2 * np.pi * cycles * across / size[1]) * np.ones((1, size[0], 1))


def test_score_changes_by_what_the_weights_read_from_the_band():
    weights = wave_weights((24, 32), 8)  # 0.25 cycles a pixel
    images = noise(12, 1, 24, 32)
    result = frequency_sensitivity(Linear(weights).fit(), images, bands=EDGES, target=1)
    assert result.score_name == "decision"
    change = result.images.pivot(index="band", columns="image", values="value").to_numpy()
    assert_allclose(change[KNOWN], -result.scores, atol=1e-2)
    assert_allclose(np.delete(change, KNOWN, axis=0), 0, atol=1e-2)
    band, row, _ = strongest(result, "score_change", "remove", "idxmin")
    assert row["mean"] == pytest.approx(change[band].mean())


class OneLayer(EfficientNetClassifier):
    """Stands in for a trained network: an EfficientNetClassifier whose net is one linear layer."""

    def set_weights(self, weights, augment=False):
        import torch
        from torch import nn

        layer = nn.Linear(weights.size, 1, bias=False)
        layer.weight.data = torch.from_numpy(weights.reshape(1, -1)).float()

        class Net:
            device, inference_batch = "cpu", 5
            module_ = nn.Module()

            def classifier_weights(self):
                return np.array([[0.0], [1.0]]), np.zeros(2)

            def encode(self, images, scale=None):
                shift, span = (0, 1) if scale is None else scale
                scaled = torch.from_numpy((images - shift) / span).float()
                return self.module_.encoder(scaled).detach().numpy()

            def _set_training(self, training):
                self.module_.train(training)

        self.net_ = Net()
        self.net_.module_.encoder = nn.Sequential(nn.Flatten(1), layer)
        self.augment = augment
        channels = len(weights)
        self.pixel_mean_, self.pixel_std_ = np.zeros(channels), np.ones(channels)
        self.classes_, self.image_shape_ = np.array([0, 1]), weights.shape
        self._pixel_scale = None
        return self


@BORDERS
def test_one_wave_in_the_weights_is_one_band_in_the_gradient(border):
    weights = wave_weights((24, 32), 8)
    result = frequency_sensitivity(
        OneLayer().set_weights(weights),
        noise(12, 1, 24, 32),
        bands=EDGES,
        method="gradient",
        border=border,
    )
    share = result.table.query("quantity == 'energy_share'")["mean"]
    assert_allclose(share, [0, 0, 1, 0], atol=1e-9)
    density = result.table.query("quantity == 'energy_density'")["mean"]
    n_frequencies = result.bands["n_frequencies"][KNOWN]
    assert density[len(EDGES) - 1 + KNOWN] == pytest.approx((24 * 32 - 1) / n_frequencies)


@pytest.mark.parametrize("um", [0.2, 0.65, 3.0])
@pytest.mark.parametrize("cycles", [3, 8, 14])
def test_a_wave_of_known_length_is_found_in_cycles_per_micrometre(um, cycles):
    weights, images = wave_weights((24, 32), cycles), noise(12, 1, 24, 32)
    frequency = cycles / (32 * um)
    how = {"bands": 6, "pixel_size": um}
    removed = frequency_sensitivity(Linear(weights).fit(), images, target=1, **how)
    sizes = removed.images.assign(size=removed.images["value"].abs())
    loudest = sizes.groupby("band")["size"].mean().idxmax()
    gradient = frequency_sensitivity(
        OneLayer().set_weights(weights), images, method="gradient", **how
    )
    steepest, _, _ = strongest(gradient, "energy_share", "gradient", "idxmax")
    assert removed.unit == "cycles/um" and loudest == steepest
    band = removed.bands.loc[loudest]
    assert band["frequency_low"] <= frequency <= band["frequency_high"]
    power = PowerSpectrum(8, pixel_size=um).fit(images)
    (found,) = power.transform(weights[None]).argmax(axis=1)
    assert power.bin_edges_[found] <= frequency <= power.bin_edges_[found + 1]


def test_with_augment_the_gradient_is_that_of_the_mean_over_symmetries():
    # Waves up and down cancel those across, of which they are the negative turned by 90 degrees.
    weights = wave_weights((24, 24), 6)
    weights = weights - weights.swapaxes(1, 2) + wave_weights((24, 24), 2)
    share = {
        augment: frequency_sensitivity(
            OneLayer().set_weights(weights, augment=augment),
            noise(3, 1, 24, 24),
            bands=EDGES,
            method="gradient",
        ).table["mean"][:4]
        for augment in (False, True)
    }
    assert_allclose(share[False], [0, 1 / 3, 2 / 3, 0], atol=1e-9)
    assert_allclose(share[True], [0, 1, 0, 0], atol=1e-9)


def test_the_gradient_is_over_images_as_the_network_sees_them():
    network = OneLayer().set_weights(wave_weights((24, 32), 8))
    crop = FunctionTransformer(lambda images: images[:, :, 3:27, :32])
    result = frequency_sensitivity(
        make_pipeline(crop, network),
        noise(4, 1, 40, 36),
        bands=[0.1, 0.2, 0.3, 0.4],
        pixel_size=1,
        method="gradient",
    )
    assert_allclose(result.table["mean"][:3], [0, 1, 0], atol=1e-9)


# The right band is found


@pytest.mark.slow
def test_a_network_finds_bright_or_dark_spots_by_each_method():
    network = EfficientNetClassifier(
        "tiny", max_epochs=16, batch_size=16, lr=0.003, device="cpu", random_state=0
    ).fit(*textures(160, 0, by="sign"))
    images, y = textures(60, 1, by="sign")
    result = frequency_sensitivity(
        network,
        images,
        y,
        target=y,
        bands=EDGES,
        method=["remove", "permute", "scramble", "gradient"],
        random_state=0,
    )
    assert result.accuracy > 0.8
    for method in ("remove", "permute", "scramble"):
        for quantity in ("score_change", "accuracy_change"):
            band, row, others = strongest(result, quantity, method)
            assert band == KNOWN
            assert row["high"] < -0.2 < -0.15 < others["mean"].min()
    band, row, others = strongest(result, "energy_density", "gradient", "idxmax")
    assert band == KNOWN and row["low"] > others["high"].max()


AUTOENCODER = AAEClassifier(
    4, pretrain_epochs=1, max_epochs=10, noise_std=0, device="cpu", random_state=0
)
BY_SPECTRUM = make_pipeline(PowerSpectrum(8), StandardScaler(), LogisticRegression())


@pytest.mark.slow
@pytest.mark.parametrize("model", [AUTOENCODER, BY_SPECTRUM], ids=["aae", "spectrum"])
def test_more_or_less_texture_is_found_by_removal_and_survives_scrambling(model):
    images, y = textures(60, 1)
    methods = ["remove", "permute", "scramble"] + ["gradient"] * (model is AUTOENCODER)
    result = frequency_sensitivity(
        model.fit(*textures(160, 0)),
        images,
        y,
        target=y,
        bands=EDGES,
        method=methods,
        random_state=0,
    )
    assert result.accuracy > 0.9
    for method in ("remove", "permute"):
        band, row, others = strongest(result, "score_change", method)
        assert band == KNOWN and row["high"] < -0.2 < others["low"].min()
    # Power is all the evidence there is, and scrambling keeps it.
    scrambled = result.table.query("method == 'scramble' and quantity == 'score_change'")
    assert scrambled["mean"].abs().max() < 0.1
    if model is AUTOENCODER:
        band, row, others = strongest(result, "energy_density", "gradient", "idxmax")
        assert band == KNOWN and row["low"] > others["high"].max()


# Any classifier, any container


def stripes(n=60, size=(12, 16), seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    wave = np.cos(np.pi / 2 * np.arange(size[1])) * y[:, None, None, None]  # 4 pixels long
    return (wave + rng.normal(0, 0.5, (n, 1, *size))).astype(np.float32), y


BY_PIXELS = make_pipeline(PixelFeatures(), LogisticRegression(C=0.01))


@pytest.mark.parametrize(
    "model, score_name",
    [
        (BY_PIXELS, "probability"),
        (make_pipeline(PatchNormalizer(), PixelFeatures(), LinearSVC(C=1e-3)), "decision"),
        (make_pipeline(PixelFeatures(), RandomForestClassifier(random_state=0)), "probability"),
        (PatchClassifier(BY_PIXELS, patch_size=(12, 8)), "probability"),
        (make_pipeline(PixelFeatures(), SVC(C=1)), "decision"),
    ],
)
def test_any_classifier_of_images_will_do(model, score_name):
    images, y = stripes()
    model.fit(images, y)
    result = frequency_sensitivity(
        model, images, y, bands=[0, 0.1, 0.2, 0.3, 0.5], method=["remove", "permute"], target=y
    )
    assert result.score_name == score_name
    for method in ("remove", "permute"):
        assert strongest(result, "score_change", method)[0] == 2
    assert result.bands["power_share"].idxmax() in (2, 3)


def test_a_classifier_without_scores_votes():
    class Voter(Linear):
        decision_function = property()

        def predict(self, X):
            return ((np.asarray(X) * self.weights).sum(axis=(1, 2, 3)) > 0).astype(int)

    images = noise(20, 1, 12, 32) - 50
    result = frequency_sensitivity(Voter(wave_weights((12, 32), 8)).fit(), images, bands=EDGES)
    assert result.score_name == "vote"
    assert_array_equal(result.scores, 1)  # of the predicted class
    assert set(result.images["value"]) == {0, -1}
    assert strongest(result, "score_change", "remove")[0] == KNOWN


def test_every_container_gives_the_same():
    images, y = stripes()
    by_pixels = BY_PIXELS.fit(images, y)
    how = {"bands": 4, "method": ["remove", "permute", "scramble"], "random_state": 3}
    expected = frequency_sensitivity(by_pixels, images, y, **how)
    rows = images.reshape(len(images), -1)
    flat = LogisticRegression(C=0.01).fit(rows, y)
    table = pd.DataFrame({"clone": list("ab") * 30, "image": image_column(images)})
    of_table = make_pipeline(PixelFeatures(), LogisticRegression(C=0.01)).fit(table, y)
    for found in (
        frequency_sensitivity(by_pixels, images[:, 0], y, **how),
        frequency_sensitivity(flat, rows, y, image_shape=(1, 12, 16), **how),
        frequency_sensitivity(of_table, table, y, **how),
    ):
        pd.testing.assert_frame_equal(found.table, expected.table, rtol=1e-4)


def test_two_channels_count_together():
    images = np.concatenate([noise(8, 1, 12, 32), noise(8, 1, 12, 32, seed=1)], axis=1)
    weights = np.concatenate([wave_weights((12, 32), 8), wave_weights((12, 32), 3)])
    result = frequency_sensitivity(
        OneLayer().set_weights(weights), images, bands=EDGES, method=["remove", "gradient"]
    )
    share = result.table.query("quantity == 'energy_share'")["mean"]
    assert_allclose(share, [0, 0.5, 0.5, 0], atol=1e-9)


# Tables


def test_repeatable_and_the_global_generator_untouched():
    images, y = stripes()
    model = BY_PIXELS.fit(images, y)
    state = np.random.get_state()[1].copy()
    first, again, other = (
        frequency_sensitivity(model, images, method="scramble", random_state=seed).table
        for seed in (0, 0, None)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not first["mean"].equals(other["mean"])
    assert_array_equal(np.random.get_state()[1], state)


def test_pixel_size_scales_frequencies_alone():
    images, y = stripes()
    model = BY_PIXELS.fit(images, y)
    plain = frequency_sensitivity(model, images, y)
    sized = frequency_sensitivity(model, images, y, pixel_size=0.5)
    assert (plain.unit, sized.unit) == ("cycles/pixel", "cycles/um")
    assert_allclose(sized.bands["frequency"], 2 * plain.bands["frequency"])
    assert_allclose(sized.bands["wavelength"], plain.bands["wavelength"] / 2)
    assert_array_equal(sized.table["mean"], plain.table["mean"])
    assert plain.bands["power_share"].sum() == pytest.approx(1)
    assert plain.bands["frequency_high"].iloc[-1] <= 0.5**0.5  # the corner


def test_the_mean_counts_groups_once_and_has_the_interval_of_student():
    images, y = stripes(6)
    model = BY_PIXELS.fit(images, y)
    groups = ["a", "a", "a", "a", "b", "c"]
    by_group = frequency_sensitivity(model, images, y, bands=3, groups=groups)
    changes = by_group.images.query("quantity == 'score_change' and band == 1")["value"].to_numpy()
    means = np.array([changes[:4].mean(), changes[4], changes[5]])
    row = by_group.table.query("quantity == 'score_change' and band == 1").iloc[0]
    assert row["n"] == 3
    assert row["mean"] == pytest.approx(means.mean())
    half = 4.302653 * means.std(ddof=1) / 3**0.5  # t with two degrees of freedom
    assert_allclose([row["low"], row["high"]], [row["mean"] - half, row["mean"] + half], rtol=1e-5)


def test_one_image_has_no_interval():
    images, y = stripes()
    result = frequency_sensitivity(BY_PIXELS.fit(images, y), images[:1])
    assert result.table["low"].isna().all() and np.isfinite(result.table["mean"]).all()


def test_images_without_structure_change_nothing():
    images, y = stripes()
    flat = np.full((4, 1, 12, 16), 37.3, np.float32)
    result = frequency_sensitivity(BY_PIXELS.fit(images, y), flat, method=["remove", "scramble"])
    assert_allclose(result.table["mean"], 0, atol=1e-6)
    assert_array_equal(result.bands["power_share"], 0)


# Spectra by class


def test_spectra_differ_where_the_classes_do():
    images, y = textures(120, 3)
    spectra = class_spectra(images, y, spectrum=PowerSpectrum(12, pixel_size=0.5))
    assert spectra.unit == "cycles/um"
    rows = spectra.differences.set_index("frequency")
    largest = rows["difference"].abs().idxmax()
    assert 2 * EDGES[KNOWN] < largest < 2 * EDGES[KNOWN + 1]
    # Amplitudes of 1.2 and 0.5 are (1.2 / 0.5) ** 2 of power, beside a little noise.
    assert rows.loc[largest, "difference"] == pytest.approx(2 * np.log10(1.2 / 0.5), abs=0.1)
    far = rows.index < 2 * EDGES[KNOWN] / 1.5
    assert (rows.loc[far, "low"] < 0).all() and (rows.loc[far, "high"] > 0).all()


def test_means_and_spread_are_those_of_the_transformer():
    images, y = noise(10, 2, 16, 20), np.array(list("aabbbbbbcc"))
    spectrum = PowerSpectrum(5)
    values = spectrum.fit_transform(images)
    spectra = class_spectra(images, y, spectrum=spectrum)
    part = spectra.table[spectra.table["class"] == "b"]
    assert_allclose(part["mean"], values[2:8].mean(axis=0))
    assert_allclose(part["high"] - part["mean"], values[2:8].std(axis=0, ddof=1))
    assert part["channel"].tolist() == [0] * 5 + [1] * 5
    assert len(spectra.differences) == 3 * 10
    pair = spectra.differences.query("class_a == 'a' and class_b == 'c'")
    assert_allclose(pair["difference"], values[:2].mean(axis=0) - values[8:].mean(axis=0))


def test_groups_are_the_witnesses_of_spectra():
    images, y = noise(12, 16, 16), np.repeat(["no", "yes"], 6)
    clones = np.repeat(["c1", "c2", "c3", "c4"], [1, 5, 3, 3])
    spectrum = PowerSpectrum(4)
    values = spectrum.fit_transform(images)
    of_no = class_spectra(images, y, spectrum=spectrum, groups=clones).table.query(
        "`class` == 'no'"
    )
    assert of_no["n"].unique() == [2]
    assert_allclose(of_no["mean"], (values[0] + values[1:6].mean(axis=0)) / 2)
    single = class_spectra(images[:6], ["x"] * 6, groups=["c"] * 6)
    assert single.table["low"].isna().all() and not len(single.differences)


# Display


@pytest.fixture(autouse=True)
def no_windows(monkeypatch):
    import matplotlib

    matplotlib.use("agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_display_has_a_panel_for_each_question():
    images, y = noise(12, 1, 24, 32), np.arange(12) % 2
    display = FrequencyDisplay.from_estimator(
        OneLayer().set_weights(wave_weights((24, 32), 8)),
        images,
        y,
        pixel_size=0.65,
        bands=5,
        method=["remove", "gradient", "scramble"],
    )
    labels = [ax.get_ylabel() for ax in display.axes_]
    assert labels[:2] == ["log10 power density\n(intensity² µm²)", "change of probability"]
    assert labels[2].startswith("gradient energy")
    assert display.axes_[-1].get_xlabel() == "spatial frequency (cycles/µm)"
    names = [text.get_text() for text in display.axes_[1].get_legend().get_texts()]
    assert names == ["removed", "phases scrambled"]
    (top,) = display.axes_[0].child_axes
    display.figure_.canvas.draw()
    assert top.get_xlabel() == "wavelength (µm)"
    low, high = display.axes_[0].get_xlim()
    assert_allclose(sorted(top.get_xlim()), [1 / high, 1 / low])
    line = display.axes_[0].lines[0]
    of_class = display.spectra.table.query("`class` == 0")
    assert_allclose(line.get_xdata(), of_class["frequency"])
    assert_allclose(line.get_ydata(), of_class["mean"])


def test_display_draws_into_the_axes_it_is_given():
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    images = noise(8, 2, 16, 16)
    display = FrequencyDisplay.from_images(images, ["a", "b"] * 4, ax=ax)
    assert display.axes_[0] is ax and display.figure_ is ax.figure
    assert len(ax.lines) == 4, "two classes, two channels"
    with pytest.raises(ValueError, match="1 panels, but 2 Axes"):
        display.plot(ax=plt.subplots(2)[1])


def test_display_refuses_nothing_and_two_units():
    with pytest.raises(ValueError, match="nothing to draw"):
        FrequencyDisplay()
    images, y = stripes()
    spectra = class_spectra(images, y, spectrum=PowerSpectrum(pixel_size=1))
    sensitivity = frequency_sensitivity(BY_PIXELS.fit(images, y), images)
    with pytest.raises(ValueError, match="cycles/um, the sensitivity in cycles/pixel"):
        FrequencyDisplay(spectra, sensitivity)


# Bad input


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"bands": [0.1, 0.9]}, "reach to 0.9 cycles/pixel, .* no frequencies above 0.7071"),
        ({"bands": [0.1, 0.9], "pixel_size": 2}, "above 0.3536 cycles/um"),
        ({"bands": [0.1, 0.1001]}, "from 0.1 to 0.1001 .* holds no frequency .* 12 x 16"),
        ({"bands": [0.3, 0.2]}, "edges from 0 that rise"),
        ({"bands": [-0.1, 0.2]}, "edges from 0 that rise"),
        ({"bands": [0.1, np.nan]}, "edges from 0 that rise"),
        ({"bands": [0.1]}, "at least two edges"),
        ({"bands": 0}, "bands"),
        ({"pixel_size": 0}, "pixel_size"),
        ({"pixel_size": -1.5}, "pixel_size"),
        ({"method": "blur"}, "method"),
        (
            {"method": ["remove", "blur"]},
            "'remove', 'permute', 'scramble', 'gradient', found 'blur'",
        ),
        ({"method": []}, "found none"),
        ({"method": "permute", "X": stripes()[0][:1]}, "between images, but X has one only"),
        ({"target": 7}, "target 7 is no class of Pipeline, which knows 0, 1"),
        ({"target": [0, 1]}, "one for each of the 60 rows"),
        ({"method": "gradient"}, "method='gradient' .* does not look at images"),
        ({"y": [0, 1]}, "inconsistent numbers of samples"),
        ({"y": [None] + [0] * 59}, "y is missing in 1 of 60 rows"),
        ({"y": ["0", "1"] * 30}, "y has '0', '1', expected one of 0, 1"),
        ({"groups": [np.nan] * 60}, "groups is missing in 60 of 60"),
        ({"n_repeats": 0}, "n_repeats"),
        ({"border": "zero"}, "border"),
        ({"X": np.ones((3, 1, 12, 15))}, "fitted on"),
        ({"X": np.full((3, 1, 12, 16), np.nan)}, "NaN"),
        ({"estimator": PatchClassifier(BY_PIXELS), "method": "gradient"}, "not fitted"),
    ],
)
def test_bad_input_is_named(changes, message):
    images, y = stripes()
    good = {"estimator": BY_PIXELS.fit(images, y), "X": images}
    with pytest.raises((ValueError, NotFittedError), match=message):
        frequency_sensitivity(**good | changes)


def test_images_of_one_pixel_have_no_frequencies():
    images = noise(6, 1, 1, 1)
    model = make_pipeline(PixelFeatures(), LogisticRegression()).fit(images, [0, 1] * 3)
    with pytest.raises(ValueError, match="1 x 1 pixels have no spatial frequencies"):
        frequency_sensitivity(model, images)


def test_a_row_of_seven_pixels_has_six():
    images = noise(6, 1, 1, 7)
    model = make_pipeline(PixelFeatures(), LogisticRegression()).fit(images, [0, 1] * 3)
    result = frequency_sensitivity(model, images, bands=20)
    assert result.bands["n_frequencies"].tolist() == [1] * 6
    with pytest.raises(ValueError, match="holds no frequency of images of 1 x 7 pixels"):
        frequency_sensitivity(model, images, bands=[0, 0.05, 0.5])


def test_an_estimator_that_is_no_fitted_classifier():
    images, y = stripes()
    unfitted = make_pipeline(PixelFeatures(), LogisticRegression())
    with pytest.raises(NotFittedError):
        frequency_sensitivity(unfitted, images)
    regression = make_pipeline(PixelFeatures(), Ridge()).fit(images, y)
    with pytest.raises(ValueError, match="no classifier"):
        frequency_sensitivity(regression, images)


def test_gradients_need_classes_and_a_linear_head():
    images, y = stripes(20)
    how = {"pretrain_epochs": 1, "max_epochs": 1, "device": "cpu", "random_state": 0}
    encoder = make_pipeline(AdversarialAutoencoder(2, **how), LogisticRegression())
    with pytest.raises(ValueError, match="AdversarialAutoencoder knows no classes"):
        frequency_sensitivity(encoder.fit(images, y), images, method="gradient")
    for head in (SVC(gamma=0.3), RandomForestClassifier(3)):
        curved = AAEClassifier(2, head=head, **how).fit(images, y)
        with pytest.raises(ValueError, match=f"{type(head).__name__} is not linear"):
            frequency_sensitivity(curved, images, method="gradient")


def test_class_spectra_need_labels_of_these_images():
    images = noise(6, 8, 8)
    for y, message in (
        (None, "found None"),
        (["a"], "inconsistent"),
        ([None] + ["a"] * 5, "y is missing in 1 of 6"),
    ):
        with pytest.raises(ValueError, match=message):
            class_spectra(images, y)
