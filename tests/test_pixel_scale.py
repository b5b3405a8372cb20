"""Transformers that learn constants refuse pixels of another unit; others take any."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from sklearn_cellfate import image_column, movie_column
from sklearn_cellfate.feature_extraction import (
    IntensityStatistics,
    PixelFeatures,
    PowerSpectrum,
    RegionProperties,
)
from sklearn_cellfate.preprocessing import IntensityScaler, MaskBackground, PatchNormalizer

OF_MOVIES_TOO = [
    IntensityScaler(),
    IntensityStatistics(),
    PatchNormalizer("dataset"),
    PowerSpectrum(n_bins=3),
]
LEARNS = pytest.mark.parametrize("transformer", [*OF_MOVIES_TOO, PixelFeatures()], ids=str)
COUNTS = np.random.default_rng(0).integers(0, 4096, (6, 1, 8, 8)).astype(np.uint16)
FRACTIONS = COUNTS / 4095


def in_movies(images):
    return pd.DataFrame({"movie": movie_column(np.split(images, 3))})


def in_table(images):
    return pd.DataFrame({"image": image_column(images)})


@LEARNS
@pytest.mark.parametrize("holding", [np.asarray, in_table])
def test_counts_and_fractions_are_not_mixed(transformer, holding):
    refuses_the_other(transformer, holding)


@pytest.mark.parametrize("transformer", OF_MOVIES_TOO, ids=str)
def test_counts_and_fractions_are_not_mixed_in_movies(transformer):
    refuses_the_other(transformer, in_movies)


def refuses_the_other(transformer, holding):
    transformer.fit(holding(COUNTS))
    with pytest.raises(ValueError, match="X has .* fractions of 1, but .* whole numbers above 1"):
        transformer.transform(holding(FRACTIONS))
    transformer = pickle.loads(pickle.dumps(transformer.fit(holding(FRACTIONS))))
    with pytest.raises(ValueError, match="X has .* whole numbers above 1, but .* fractions of 1"):
        transformer.transform(holding(COUNTS))


@LEARNS
def test_what_may_be_either_is_taken(transformer):
    transformer.fit(COUNTS)
    transformer.transform(COUNTS.astype(float))
    transformer.transform(COUNTS[:1] * 0)
    transformer.transform(COUNTS + 0.5)


@LEARNS
def test_rows_of_pixels_are_not_looked_at(transformer):
    transformer = clone(transformer).set_params(image_shape=(1, 8, 8))
    transformer.fit(COUNTS.reshape(6, -1)).transform(FRACTIONS)


@pytest.mark.parametrize(
    "transformer",
    [
        PatchNormalizer(),
        PatchNormalizer("robust"),
        PowerSpectrum(n_bins=3, log=False),
        MaskBackground(),
        RegionProperties(),
    ],
)
def test_what_learns_nothing_takes_any_unit(transformer):
    assert len(transformer.fit(COUNTS).transform(FRACTIONS)) == len(COUNTS)


def test_a_new_fit_forgets_what_an_earlier_one_has_learned():
    normalizer = PatchNormalizer("dataset").fit(COUNTS)
    normalizer.set_params(method="patch").fit(COUNTS).transform(FRACTIONS)


def test_scaled_pixels_go_back_to_counts():
    scaler = IntensityScaler(quantile_range=(0, 100)).fit(COUNTS)
    assert_allclose(scaler.inverse_transform(scaler.transform(COUNTS)), COUNTS, atol=0.01)


@LEARNS
@pytest.mark.parametrize(
    "fitted, met",
    [
        (COUNTS * 15, (COUNTS // 16).astype(np.uint8)),
        (COUNTS * 15, FRACTIONS * 100),
        (COUNTS * 15, FRACTIONS * 4 - 2),
        (FRACTIONS * 4 - 2, COUNTS * 15),
    ],
    ids=["8 bits after 16", "percent", "standardised", "counts after standardised"],
)
def test_pixels_of_another_unit_are_pointed_out_and_change_nothing(transformer, fitted, met):
    transformer = clone(transformer).fit(fitted)
    with pytest.warns(UserWarning, match="about .* on average, but .* fitted on images that have"):
        together = np.asarray(transformer.transform(met))
    with pytest.warns(UserWarning, match="about .* on average"):
        assert_allclose(np.asarray(transformer.transform(met[:1])), together[:1], rtol=1e-5)


def test_of_many_images_some_tell_the_unit():
    scaler = IntensityScaler().fit(FRACTIONS)
    many = np.resize(FRACTIONS * 1000, (10_000, 1, 8, 8))
    with pytest.warns(UserWarning, match="If the unit is another"):
        scaler.transform(many)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_pixel_of_many_that_is_no_number_is_found(bad):
    images = np.resize(FRACTIONS, (3000, 1, 8, 8))
    images[2345, 0, 7, 1] = bad
    with pytest.raises(ValueError, match="1 of 3000 images contain NaN or infinite .* row 2345"):
        PowerSpectrum(n_bins=3).fit(images)


@LEARNS
def test_a_dim_batch_is_no_other_unit(transformer, recwarn):
    transformer = clone(transformer).fit(COUNTS).transform(COUNTS // 10)
    assert not len(recwarn)


@LEARNS
def test_units_mixed_in_training_are_pointed_out(transformer, recwarn):
    mixed = np.concatenate([FRACTIONS[:3], 255.0 * FRACTIONS[3:]])
    with pytest.warns(UserWarning, match="3 of 6 images in X .* fractions of 1, .* the others"):
        clone(transformer).fit(mixed)
    recwarn.clear()
    clone(transformer).fit(FRACTIONS * np.array([0.05, 0.05, 1, 1, 20, 20])[:, None, None, None])
    assert not len(recwarn)
