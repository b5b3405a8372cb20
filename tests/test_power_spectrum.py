"""PowerSpectrum and IntensityStatistics: Parseval, sines, noise, and histograms by hand."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_cellfate import image_column, movie_column
from sklearn_cellfate.feature_extraction import IntensityStatistics, PowerSpectrum

SHAPES = pytest.mark.parametrize(
    "shape", [(32, 32), (31, 33), (20, 45), (64, 10), (1, 40), (7, 1)]
)
SPACINGS = pytest.mark.parametrize("spacing", ["linear", "log"])
PLAIN = {"window": None, "log": False}


@parametrize_with_checks(
    [
        PowerSpectrum(),
        PowerSpectrum(spacing="linear", scaling="spectrum", window=None, log=False),
        IntensityStatistics(),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(50, 3, shape)


def wave(shape, cycles_down, cycles_across, amplitude=1.0):
    """Return one image of a cosine with so many cycles along each axis."""
    rows, columns = np.indices(shape)
    phase = cycles_down * rows / shape[0] + cycles_across * columns / shape[1]
    return amplitude * np.cos(2 * np.pi * phase + 0.3)[np.newaxis]


def bin_of(spectrum, frequency):
    """Return the number of the bin in which a frequency lies."""
    return np.searchsorted(spectrum.bin_edges_[1:-1], frequency, side="right")


# Normalisation


@SHAPES
@SPACINGS
def test_bins_sum_to_the_variance(shape, spacing):
    images = noise(4, 2, *shape)
    spectrum = PowerSpectrum(12, spacing=spacing, scaling="spectrum", **PLAIN)
    power = spectrum.fit_transform(images).reshape(4, 2, -1)
    variance = images.astype(np.float32).var(axis=(2, 3), dtype=float)
    assert_allclose(power.sum(axis=2), variance, rtol=1e-10)


@SHAPES
def test_density_times_area_is_the_spectrum(shape):
    images = noise(3, *shape)
    density = PowerSpectrum(pixel_size=0.6, **PLAIN).fit(images)
    spectrum = PowerSpectrum(pixel_size=0.6, scaling="spectrum", **PLAIN).fit(images)
    assert_allclose(density.transform(images) * density.areas_, spectrum.transform(images))
    # All frequencies but 0, over the area of the image.
    n_pixels = shape[0] * shape[1]
    assert density.areas_.sum() == pytest.approx((n_pixels - 1) / (n_pixels * 0.6**2))


def test_agrees_with_a_plain_sum_over_the_whole_frequency_plane():
    image = noise(1, 12, 15)
    spectrum = PowerSpectrum(6, spacing="linear", scaling="spectrum", pixel_size=0.5, **PLAIN)
    found = spectrum.fit_transform(image)[0]
    transformed = np.fft.fft2(image[0].astype(np.float32) - image[0].astype(np.float32).mean())
    expected, total, number = np.zeros((3, 6))
    for i, row_frequency in enumerate(np.fft.fftfreq(12, 0.5)):
        for j, column_frequency in enumerate(np.fft.fftfreq(15, 0.5)):
            radius = np.sqrt(row_frequency**2 + column_frequency**2)
            place = min(int(radius / spectrum.bin_edges_[1] + 1e-9), 5)
            expected[place] += abs(transformed[i, j]) ** 2 / 180**2
            total[place] += radius
            number[place] += radius > 0
    assert_allclose(found, expected, rtol=1e-5)
    assert_allclose(spectrum.frequencies_, total / number)


@pytest.mark.parametrize("window", [None, "hann"])
@SPACINGS
def test_white_noise_is_flat_of_the_height_of_its_variance(window, spacing):
    images = 2 * np.random.default_rng(0).standard_normal((300, 48, 40))
    spectrum = PowerSpectrum(10, spacing=spacing, window=window, log=False, pixel_size=0.5)
    density = spectrum.fit_transform(images).mean(axis=0)
    # The window blurs the mean that was taken away into its neighbours.
    steps_away = spectrum.frequencies_ * 40 * 0.5
    flat = steps_away > (2 if window else 0)
    assert flat.sum() >= 6
    assert_allclose(density[flat], 4 * 0.5**2, rtol=0.08)


def test_a_window_keeps_the_variance_of_noise():
    images = noise(400, 64, 64)
    spectrum = PowerSpectrum(scaling="spectrum", log=False)
    assert spectrum.fit_transform(images).sum(axis=1).mean() == pytest.approx(9, rel=0.02)


@pytest.mark.parametrize("window", [None, "hann"])
def test_offset_does_not_count_and_gain_counts_squared(window):
    images = np.rint(noise(3, 24, 31))  # whole numbers, which float32 holds exactly
    spectrum = PowerSpectrum(window=window, log=False)
    power = spectrum.fit_transform(images)
    assert_allclose(spectrum.transform(images + 1000), power, rtol=1e-8)
    assert_allclose(spectrum.transform(4 * images), 16 * power, rtol=1e-10)


# Frequencies


@SPACINGS
@pytest.mark.parametrize("shape", [(64, 64), (48, 80), (65, 33)])
@pytest.mark.parametrize("cycles", [(0, 5), (7, 0), (3, 4), (-6, 9), (1, 0), (24, 16)])
def test_a_sine_gives_its_bin(spacing, shape, cycles):
    image = wave(shape, *cycles, amplitude=3)
    spectrum = PowerSpectrum(20, spacing=spacing, scaling="spectrum", **PLAIN)
    power = spectrum.fit_transform(image)[0]
    frequency = np.hypot(cycles[0] / shape[0], cycles[1] / shape[1])
    expected = np.zeros(len(power))
    expected[bin_of(spectrum, frequency * (1 + 1e-8))] = 9 / 2
    assert_allclose(power, expected, atol=1e-5)


def test_frequencies_are_per_micrometre_with_a_pixel_size():
    image = wave((100, 60), 0, 12)  # every 5 pixels, that is every 2 um
    spectrum = PowerSpectrum(40, spacing="linear", pixel_size=0.4, **PLAIN)
    power = spectrum.fit_transform(image)[0]
    assert spectrum.frequencies_[power.argmax()] == pytest.approx(0.5, abs=0.025)
    assert spectrum.bin_edges_[-1] == pytest.approx(np.hypot(0.5, 0.5) / 0.4)
    assert spectrum.get_feature_names_out()[power.argmax()].endswith("_per_um_0")


def test_the_direction_of_a_wave_does_not_matter_in_images_that_are_not_square():
    shape = (60, 100)
    spectrum = PowerSpectrum(15, spacing="linear", scaling="spectrum", **PLAIN)
    down = spectrum.fit_transform(wave(shape, 12, 0))
    across = spectrum.transform(wave(shape, 0, 20))  # both 0.2 cycles per pixel
    assert_allclose(down, across, atol=1e-6)


def test_turning_and_mirroring_an_image_changes_nothing():
    image = noise(1, 30, 30)
    power = PowerSpectrum(log=False).fit_transform(image)
    for other in (image[:, ::-1], image[:, :, ::-1], np.rot90(image, axes=(1, 2))):
        assert_allclose(PowerSpectrum(log=False).fit_transform(other), power, rtol=1e-8)


def test_a_window_keeps_what_does_not_fit_the_image_from_leaking():
    image = wave((128, 128), 0, 10.5)
    far = {}
    for window in (None, "hann"):
        spectrum = PowerSpectrum(
            20, spacing="linear", scaling="spectrum", window=window, log=False
        )
        power = spectrum.fit_transform(image)[0]
        assert power.argmax() == bin_of(spectrum, 10.5 / 128)
        far[window] = power[10:].sum() / power.sum()
    assert far["hann"] < 1e-4 * far[None]


@SHAPES
@SPACINGS
@pytest.mark.parametrize("n_bins", [1, 3, 500])
def test_no_bin_is_empty_and_bins_rise(shape, spacing, n_bins):
    spectrum = PowerSpectrum(n_bins, spacing=spacing).fit(noise(2, *shape))
    assert len(spectrum.frequencies_) <= n_bins
    assert (spectrum.areas_ > 0).all()
    assert (np.diff(spectrum.bin_edges_) > 0).all() or len(spectrum.frequencies_) == 1
    low, high = spectrum.bin_edges_[:-1], spectrum.bin_edges_[1:]
    assert (low <= spectrum.frequencies_ * (1 + 1e-8)).all()
    assert (spectrum.frequencies_ <= high * (1 + 1e-8)).all()
    assert len(set(spectrum.get_feature_names_out())) == len(spectrum.frequencies_)


def test_names_say_frequency_and_channel():
    spectrum = PowerSpectrum(2, spacing="linear").fit(noise(2, 3, 1, 8))
    assert_array_equal(spectrum.bin_edges_, [0, 0.25, 0.5])
    assert_allclose(spectrum.frequencies_, [0.125, (2 * 0.25 + 2 * 0.375 + 0.5) / 5])
    names = [f"power_{f}_per_pixel_{c}" for c in range(3) for f in ("0.125", "0.35")]
    assert spectrum.get_feature_names_out().tolist() == names


# Logarithm


def test_logarithm_is_to_base_10():
    images = noise(5, 20, 20)
    plain = PowerSpectrum(log=False).fit_transform(images)
    assert_allclose(PowerSpectrum().fit_transform(images), np.log10(plain), rtol=1e-10)


def test_no_power_is_a_millionth_of_that_of_the_training_rows():
    train = noise(5, 2, 16, 16)
    spectrum = PowerSpectrum(6).fit(train)
    mean = PowerSpectrum(6, log=False).fit_transform(train).mean(axis=0)
    assert_allclose(spectrum.floor_.ravel(), 1e-6 * mean)
    dark = spectrum.transform(np.full((1, 2, 16, 16), 37.0))
    assert_allclose(dark[0], np.log10(1e-6 * mean))


def test_training_rows_without_any_power_give_zeros():
    spectrum = PowerSpectrum().fit(np.full((3, 16, 16), 5.0))
    assert_array_equal(spectrum.transform(np.full((1, 16, 16), 8.0)), 0)
    assert np.isfinite(spectrum.transform(noise(1, 16, 16))).all()


def test_an_image_of_one_pixel_has_no_power():
    spectrum = PowerSpectrum(scaling="spectrum", log=False)
    assert_array_equal(spectrum.fit_transform(noise(3, 1, 1)), np.zeros((3, 1)))
    assert_array_equal(PowerSpectrum().fit_transform(noise(3, 1, 1)), np.zeros((3, 1)))


# IntensityStatistics


def test_mean_variance_and_entropy_by_hand():
    images = np.zeros((2, 2, 1, 8))
    images[0, 0, 0] = [0, 0, 0, 0, 2, 2, 4, 6]
    images[1, 0, 0] = 6
    images[0, 1, 0] = np.arange(8)
    statistics = IntensityStatistics().fit(images)
    names = [f"{name}_{c}" for c in (0, 1) for name in ("mean", "variance", "entropy")]
    assert statistics.get_feature_names_out().tolist() == names
    found = statistics.transform(images)
    assert found.dtype == np.float64
    half_quarter_eighths = 0.5 * 1 + 0.25 * 2 + 2 * 0.125 * 3
    assert_allclose(found[0], [1.75, 60 / 8 - 1.75**2, half_quarter_eighths, 3.5, 5.25, 3])
    assert_allclose(found[1], [6, 0, 0, 0, 0, 0], atol=1e-12)


def test_bins_are_those_of_the_training_rows():
    train = np.linspace(0, 8, 9).reshape(1, 3, 3)
    statistics = IntensityStatistics(n_bins=4).fit(train)
    assert_array_equal(statistics.bin_edges_, [[0, 2, 4, 6, 8]])
    new = np.array([[[0.0, 1.9, 2.0, 3.9]], [[-50, 0, 7, 99]], [[8, 8, 6, 6.5]]])
    assert IntensityStatistics(4).fit(train.reshape(1, 1, 9)).bin_edges_[0, -1] == 8
    entropy = IntensityStatistics(4, image_shape=(1, 1, 4)).fit([[0, 3, 5, 8]]).transform(new)
    assert_allclose(entropy[:, 2], [1, 1, 0], atol=1e-12)


def test_entropy_agrees_with_a_histogram():
    from scipy.stats import entropy

    images = np.random.default_rng(0).normal(size=(6, 2, 40, 30)).astype(np.float32)
    found = IntensityStatistics(n_bins=50).fit(images)
    for c in range(2):
        edges = found.bin_edges_[c]
        counts = [np.histogram(image[c], edges)[0] for image in images.astype(float)]
        expected = [entropy(count, base=2) for count in counts]
        assert_allclose(found.transform(images)[:, 3 * c + 2], expected, rtol=1e-3)


def test_variety_ends_at_the_number_of_bins():
    images = np.random.default_rng(0).random((1, 300, 300))
    assert IntensityStatistics(16).fit_transform(images)[0, 2] == pytest.approx(4, abs=1e-3)


def test_constant_training_rows_have_no_entropy():
    statistics = IntensityStatistics().fit(np.full((2, 5, 5), 7))
    assert_array_equal(statistics.transform(np.full((1, 5, 5), 7)), [[7, 0, 0]])
    assert_array_equal(statistics.transform(np.full((1, 5, 5), -90)), [[-90, 0, 0]])


# Both

BOTH = pytest.mark.parametrize(
    "transformer", [PowerSpectrum(5), IntensityStatistics()], ids=["spectrum", "statistics"]
)


@BOTH
def test_every_container_gives_the_same_features(transformer):
    images = noise(6, 2, 9, 14)
    expected = clone(transformer).fit_transform(images)
    assert expected.dtype == np.float64
    table = pd.DataFrame({"clone": list("aabbcc"), "image": image_column(images)}, list("uvwxyz"))
    of_table = clone(transformer).set_output(transform="pandas").fit(table)
    found = of_table.transform(table)
    assert_array_equal(found, expected)
    assert list(found) == of_table.get_feature_names_out().tolist()
    assert found.index.tolist() == list("uvwxyz")
    rows = clone(transformer).set_params(image_shape=(2, 9, 14)).fit(images.reshape(6, -1))
    assert_array_equal(rows.transform(images.reshape(6, -1)), expected)
    assert_array_equal(pickle.loads(pickle.dumps(rows)).transform(images), expected)


@BOTH
def test_a_movie_gives_a_list_a_feature(transformer):
    images = noise(6, 1, 9, 14)
    table = pd.DataFrame({"movie": movie_column([images[:4], images[4:], images[:0]])}, [7, 8, 9])
    found = clone(transformer).fit_transform(table)
    expected = clone(transformer).fit_transform(images)
    assert found.index.tolist() == [7, 8, 9]
    for column, values in zip(found, expected.T):
        assert [len(v) for v in found[column]] == [4, 2, 0]
        assert_array_equal(np.concatenate(found[column].tolist()), values)


@BOTH
def test_a_row_is_measured_alike_in_any_company(transformer):
    images = noise(40, 3, 33, 20)
    fitted = clone(transformer).fit(images[:10])
    together = fitted.transform(images)
    assert_allclose(fitted.transform(images[17:18]), together[17:18], rtol=1e-12)


@BOTH
def test_memory_beside_the_pixels_is_bounded(transformer):
    images = np.random.default_rng(0).random((60, 1, 400, 400), dtype=np.float32)
    fitted = clone(transformer).fit(images[:2])
    tracemalloc.start()
    fitted.transform(images)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120e6, "in float64 the images alone are 77 MB, their spectra again"


@BOTH
def test_images_other_than_in_fit_are_refused(transformer):
    fitted = clone(transformer).fit(noise(2, 8, 8))
    with pytest.raises(ValueError, match="8 x 9 pixels, but .* fitted on .* 8 x 8"):
        fitted.transform(noise(2, 8, 9))
    with pytest.raises(ValueError, match="1 of 2 images contain NaN"):
        fitted.transform(np.where(np.arange(128).reshape(2, 8, 8) == 3, np.nan, 1.0))


@pytest.mark.parametrize(
    "parameter", [{"n_bins": 0}, {"pixel_size": 0}, {"window": "boxcar"}, {"scaling": "sum"}]
)
def test_power_spectrum_refuses_parameters(parameter):
    with pytest.raises(ValueError, match=next(iter(parameter))):
        PowerSpectrum(**parameter).fit(noise(2, 8, 8))


def test_intensity_statistics_refuses_parameters():
    with pytest.raises(ValueError, match="n_bins"):
        IntensityStatistics(n_bins=0).fit(noise(2, 8, 8))
