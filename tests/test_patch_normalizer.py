"""PatchNormalizer: zero mean and unit variance, and zeros where there is nothing to scale."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_cellfate import image_column, movie_column, to_images, to_movies
from sklearn_cellfate.preprocessing import PatchNormalizer

METHODS = ["patch", "robust", "dataset"]
EACH = pytest.mark.parametrize("method", METHODS)


@parametrize_with_checks([PatchNormalizer(method) for method in METHODS])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture
def images():
    """Ten images of two channels, each of its own brightness and contrast."""
    rng = np.random.default_rng(0)
    pixels = rng.gamma(2, size=(10, 2, 13, 17))
    gain, offset = rng.uniform(1, 50, (2, 10, 2, 1, 1))
    return (gain * pixels + offset).astype(np.float32)


@EACH
def test_without_a_copy_the_result_lies_where_the_pixels_were(images, method):
    expected = PatchNormalizer(method).fit_transform(images)
    given = images.copy()
    written = PatchNormalizer(method, copy=False).fit_transform(given)
    assert np.shares_memory(written, given)
    assert_array_equal(written, expected)
    images.setflags(write=False)
    assert_array_equal(PatchNormalizer(method, copy=False).fit_transform(images), expected)


# Each patch by itself


def test_each_channel_of_each_image_gets_zero_mean_and_unit_variance(images):
    normal = PatchNormalizer().fit_transform(images)
    assert normal.dtype == np.float32 and normal.shape == images.shape
    assert_allclose(normal.mean(axis=(2, 3), dtype=float), 0, atol=1e-6)
    assert_allclose(normal.var(axis=(2, 3), dtype=float), 1, atol=1e-5)
    expected = StandardScaler().fit_transform(images.reshape(20, -1).astype(float).T).T
    assert_allclose(normal.reshape(20, -1), expected, rtol=1e-4, atol=1e-5)


def test_brightness_and_contrast_of_an_image_leave_no_trace(images):
    brighter = 3.5 * images + 200
    normal = PatchNormalizer().fit_transform(images)
    assert_allclose(PatchNormalizer().fit_transform(brighter), normal, atol=1e-4)


@pytest.mark.parametrize("method", ["patch", "robust"])
def test_nothing_is_learned_from_other_rows(method, images):
    fitted = PatchNormalizer(method).fit(images[:3] * 7)
    assert_array_equal(fitted.transform(images[3:]), fitted.transform(images)[3:])
    assert not hasattr(fitted, "mean_") and not hasattr(fitted, "scale_")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64"])
def test_any_numeric_dtype(dtype):
    image = np.array([[[0, 1], [2, 3]]], dtype)
    expected = (np.arange(4) - 1.5).reshape(1, 2, 2) / np.sqrt(1.25)
    assert_allclose(PatchNormalizer().fit_transform(image), expected, rtol=1e-6)


# Constant patches


@pytest.mark.parametrize("method", ["patch", "robust"])
@pytest.mark.parametrize("value", [0, 0.1, -7, 255, 65535, 1e-30, 1e30])
def test_a_constant_patch_becomes_zero(method, value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flat = PatchNormalizer(method).fit_transform(np.full((2, 1, 9, 7), value))
    assert_array_equal(flat, 0)


@pytest.mark.parametrize("method", ["patch", "robust"])
@pytest.mark.parametrize("value", [0.1, 1000.0, 1e20])
def test_a_patch_constant_but_for_the_rounding_of_float32_becomes_zero(method, value):
    patch = np.full((1, 8, 8), value, np.float32)
    patch[0, ::3] = np.nextafter(np.float32(value), np.float32(np.inf))
    patch[0, :, ::2] *= np.float32(1 - 3e-7)
    assert patch.std() > 0
    assert_array_equal(PatchNormalizer(method).fit_transform(patch), 0)


def test_a_faint_patch_is_no_constant_one():
    faint = np.full((1, 100, 100), 65534, np.uint16)
    faint[0, 3, 3] = 65535  # one count in one pixel, 1.5e-5 of the brightness
    normal = PatchNormalizer().fit_transform(faint)
    assert normal.var(dtype=float) == pytest.approx(1, rel=1e-5)
    assert normal[0, 3, 3] == pytest.approx(np.sqrt(1e4 - 1), rel=1e-5)


def test_one_channel_may_be_constant_and_the_other_not(images):
    images[4, 1] = 12
    normal = PatchNormalizer().fit_transform(images)
    assert (normal[4, 1] == 0).all()
    assert normal[4, 0].std() == pytest.approx(1, rel=1e-5)


def test_an_image_of_one_pixel_is_constant():
    assert_array_equal(PatchNormalizer().fit_transform(np.arange(3.0).reshape(3, 1, 1)), 0)


# Robust


def test_robust_scale_is_the_standard_deviation_of_normal_pixels():
    image = np.random.default_rng(0).normal(40, 5, (1, 300, 300))
    robust = PatchNormalizer("robust").fit_transform(image)
    assert_allclose(robust, (image - 40) / 5, atol=0.05)


def test_debris_does_not_squeeze_the_cells():
    rng = np.random.default_rng(0)
    clean = rng.normal(100, 10, (1, 64, 64))
    dirty = clean.copy()
    dirty[0, :8, :8] = 4000  # 1.6 % of the pixels
    cells = np.s_[0, 8:]
    change = {}
    for method in ("patch", "robust"):
        before, after = (PatchNormalizer(method).fit_transform(x)[cells] for x in (clean, dirty))
        change[method] = after.std() / before.std()
    assert change["robust"] == pytest.approx(1, abs=0.1)
    assert change["patch"] < 0.1


def test_robust_falls_back_on_mean_and_deviation_where_percentiles_agree():
    image = np.zeros((1, 20, 20))
    image[0, 5, 5:10] = 3  # 5 pixels of 400
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        robust = PatchNormalizer("robust").fit_transform(image)
    assert_array_equal(robust, PatchNormalizer("patch").fit_transform(image))
    assert robust.std() == pytest.approx(1, rel=1e-5)


# Data set


def test_mean_and_deviation_are_those_of_the_training_rows(images):
    train, new = images[:6], images[6:]
    fitted = PatchNormalizer("dataset").fit(train)
    scaler = StandardScaler().fit(np.moveaxis(train, 1, -1).reshape(-1, 2).astype(float))
    assert_allclose(fitted.mean_, scaler.mean_, rtol=1e-6)
    assert_allclose(fitted.scale_, scaler.scale_, rtol=1e-6)
    expected = (new - fitted.mean_[:, None, None]) / fitted.scale_[:, None, None]
    assert_allclose(fitted.transform(new), expected, rtol=1e-4, atol=1e-5)
    assert_array_equal(fitted.transform(new), fitted.transform(images)[6:])


def test_a_channel_constant_over_the_training_rows_is_only_shifted():
    train = np.full((3, 1, 4, 4), 0.1, np.float32)
    fitted = PatchNormalizer("dataset").fit(train)
    assert_array_equal(fitted.scale_, [1])
    assert_allclose(fitted.transform(train), 0, atol=1e-8)
    assert_allclose(fitted.transform(train + 2), 2, rtol=1e-6)


def test_a_small_contrast_on_a_bright_background_keeps_its_digits():
    pixels = np.tile([60000, 60001], 5000).reshape(1, 100, 100).astype(np.uint16)
    fitted = PatchNormalizer("dataset").fit(pixels)
    assert fitted.mean_ == pytest.approx(60000.5)
    assert fitted.scale_ == pytest.approx(0.5)


def test_another_fit_forgets_the_method_before(images):
    normalizer = PatchNormalizer("dataset").fit(images)
    normalizer.set_params(method="patch").fit(images)
    assert not hasattr(normalizer, "mean_") and not hasattr(normalizer, "scale_")


# Containers


@EACH
def test_every_container_gives_the_same_pixels(method, images):
    expected = PatchNormalizer(method).fit_transform(images)
    table = pd.DataFrame({"clone": list("aabbccddee"), "image": image_column(images)})
    result = PatchNormalizer(method).set_output(transform="pandas").fit_transform(table)
    assert list(result) == ["clone", "image"]
    assert_array_equal(to_images(result), expected)
    rows = PatchNormalizer(method, image_shape=(2, 13, 17)).fit_transform(images.reshape(10, -1))
    assert_array_equal(rows, expected.reshape(10, -1))
    of_array = PatchNormalizer(method).set_output(transform="pandas").fit_transform(images)
    assert_array_equal(to_images(of_array), expected)


@EACH
def test_each_frame_of_a_movie_is_a_patch(method, images):
    table = pd.DataFrame({"movie": movie_column([images[:7], images[7:], images[:0]])})
    found = to_movies(PatchNormalizer(method).fit_transform(table))
    assert [len(movie) for movie in found] == [7, 3, 0]
    expected = PatchNormalizer(method).fit_transform(images)
    assert_array_equal(np.concatenate(found), expected)


@EACH
def test_survives_clone_pickle_and_pipelines(method, images):
    pipeline = make_pipeline(PatchNormalizer(method), PatchNormalizer("dataset")).fit(images)
    expected = pipeline.transform(images)
    assert_array_equal(pickle.loads(pickle.dumps(pipeline)).transform(images), expected)
    assert_array_equal(clone(pipeline).fit_transform(images), expected)


def test_many_small_and_few_large_images_are_cut_into_parts_alike():
    rng = np.random.default_rng(0)
    for shape in ((3000, 1, 20, 20), (2, 2, 1100, 1000)):
        images = rng.random(shape, dtype=np.float32)
        normal = PatchNormalizer().fit_transform(images)
        assert_array_equal(normal[-1:], PatchNormalizer().fit_transform(images[-1:]))
        assert_allclose(normal.std(axis=(2, 3), dtype=float), 1, rtol=1e-5)


# Bad input


def test_unknown_methods_are_refused(images):
    with pytest.raises(ValueError, match="'method' parameter .* must be a str among .*'robust'"):
        PatchNormalizer("minmax").fit(images)


@EACH
def test_images_other_than_in_fit_are_refused(method, images):
    fitted = PatchNormalizer(method).fit(images)
    with pytest.raises(ValueError, match="1 channel .* fitted on .* 2 channels"):
        fitted.transform(images[:, :1])
    images[2, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="1 of 10 images contain NaN .*row 2"):
        fitted.transform(images)
