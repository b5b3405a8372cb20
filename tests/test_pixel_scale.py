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
    PowerSpectrum,
    RegionProperties,
)
from sklearn_cellfate.preprocessing import IntensityScaler, MaskBackground, PatchNormalizer

LEARNS = pytest.mark.parametrize(
    "transformer",
    [
        IntensityScaler(),
        IntensityStatistics(),
        PatchNormalizer("dataset"),
        PowerSpectrum(n_bins=3),
    ],
    ids=lambda transformer: type(transformer).__name__,
)
COUNTS = np.random.default_rng(0).integers(0, 4096, (6, 1, 8, 8)).astype(np.uint16)
FRACTIONS = COUNTS / 4095


def in_movies(images):
    return pd.DataFrame({"movie": movie_column(np.split(images, 3))})


def in_table(images):
    return pd.DataFrame({"image": image_column(images)})


@LEARNS
@pytest.mark.parametrize("holding", [np.asarray, in_table, in_movies])
def test_counts_and_fractions_are_not_mixed(transformer, holding):
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
