"""AugmentationOverSampler: which rows, which symmetries, every container, bad input."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.pipeline import make_pipeline
from imblearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    estimator_checks_generator,
)
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_cellfate import image_column, movie_column, to_images, to_movies
from sklearn_cellfate.over_sampling import AugmentationOverSampler
from sklearn_cellfate.preprocessing._symmetries import apply_symmetry, symmetries


@parametrize_with_checks([AugmentationOverSampler()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "check"),
    list(estimator_checks_generator(AugmentationOverSampler(random_state=0))),
    ids=lambda argument: getattr(getattr(argument, "func", None), "__name__", ""),
)
def test_imbalanced_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
def test_further_imbalanced_learn_checks(check):
    check("AugmentationOverSampler", AugmentationOverSampler())


# Symmetries -----------------------------------------------------------------------------------


def square_symmetries(image):
    """Make the eight symmetries the plain way: four rotations, each also mirrored."""
    return [np.rot90(mirrored, k) for mirrored in (image, image[:, ::-1]) for k in range(4)]


def test_the_eight_symmetries_of_a_square_are_all_and_differ():
    image = np.arange(9).reshape(3, 3)
    found = {apply_symmetry(image, number).tobytes() for number in symmetries(3, 3)}
    assert len(found) == 8
    assert found == {np.ascontiguousarray(other).tobytes() for other in square_symmetries(image)}
    np.testing.assert_array_equal(apply_symmetry(image, 0), image)


def test_a_rectangle_has_the_four_that_keep_its_shape_and_lines_have_fewer():
    assert [len(symmetries(*size)) for size in [(2, 3), (1, 3), (3, 1), (1, 1)]] == [4, 2, 2, 1]
    for height, width in [(2, 3), (1, 3), (3, 1), (1, 1)]:
        image = np.arange(height * width).reshape(height, width)
        found = [apply_symmetry(image, number) for number in symmetries(height, width)]
        assert {other.shape for other in found} == {(height, width)}
        assert len({other.tobytes() for other in found}) == len(found)


def test_torch_tensors_undergo_the_same_symmetries():
    images = np.arange(18.0).reshape(2, 1, 3, 3)
    for number in range(8):
        of_tensor = apply_symmetry(torch.from_numpy(images), number)
        np.testing.assert_array_equal(of_tensor.numpy(), apply_symmetry(images, number))


# Which rows, which symmetries -----------------------------------------------------------------


def crops(n, size=(4, 4), channels=2):
    return np.random.default_rng(0).integers(0, 1000, (n, channels, *size)).astype("uint16")


def is_copy(sampler, X, X_new):
    """Each row is the symmetric copy of its source that the sampler says it is."""
    for image, source, number in zip(X_new, sampler.sample_indices_, sampler.sample_symmetries_):
        np.testing.assert_array_equal(image, apply_symmetry(X[source], number))


def test_the_rare_class_is_filled_up_with_symmetric_copies_and_no_row_is_lost():
    X, y = crops(10), np.array(["divides"] * 3 + ["stays"] * 7)
    sampler = AugmentationOverSampler(random_state=0)
    X_new, y_new = sampler.fit_resample(X, y)
    assert Counter(y_new) == {"divides": 7, "stays": 7}
    np.testing.assert_array_equal(X_new[:10], X)
    np.testing.assert_array_equal(sampler.sample_indices_[:10], np.arange(10))
    np.testing.assert_array_equal(y_new, y[sampler.sample_indices_])
    assert (sampler.sample_symmetries_[10:] > 0).all(), "no plain copies"
    assert X_new.dtype == X.dtype
    is_copy(sampler, X, X_new)
    assert sampler.sampling_strategy_ == {"divides": 4}


def test_rows_and_symmetries_are_used_evenly():
    X, y = crops(60), np.repeat([0, 1], [4, 56])
    sampler = AugmentationOverSampler(random_state=1)
    sampler.fit_resample(X, y)
    sources, numbers = sampler.sample_indices_[60:], sampler.sample_symmetries_[60:]
    assert len(sources) == 52  # 13 copies of each of 4 rows
    for round_of_rows in sources.reshape(13, 4):
        assert sorted(round_of_rows) == [0, 1, 2, 3]
    for row in range(4):
        of_row = numbers[sources == row]
        assert sorted(of_row[:7]) == [1, 2, 3, 4, 5, 6, 7], "all others before the identity"
        assert of_row[7] == 0
        np.testing.assert_array_equal(of_row[8:], of_row[:5])
    orders = {tuple(numbers[sources == row][:7]) for row in range(4)}
    assert len(orders) > 1, "each row has an order of its own"


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_used_evenly_when_copies_are_no_multiple_of_rows(seed):
    X, y = crops(18), np.repeat([0, 1], [4, 14])
    sampler = AugmentationOverSampler(random_state=seed)
    sampler.fit_resample(X, y)
    copies = list(zip(sampler.sample_indices_[18:], sampler.sample_symmetries_[18:]))
    assert len(set(copies)) == 10, "no copy twice"
    assert sorted(Counter(row for row, _ in copies).values()) == [2, 2, 3, 3]


@pytest.mark.parametrize(
    ("size", "expected"), [((2, 3), {1, 2, 3}), ((1, 3), {1}), ((3, 1), {2}), ((1, 1), {0})]
)
def test_other_shapes_use_only_what_keeps_them(size, expected):
    X, y = crops(8, size), np.repeat([0, 1], [2, 6])
    sampler = AugmentationOverSampler(sampling_strategy={0: 2 + 2 * len(expected)}, random_state=0)
    X_new, _ = sampler.fit_resample(X, y)
    assert set(sampler.sample_symmetries_[8:]) == expected
    is_copy(sampler, X, X_new)


def test_seed_decides_the_draw_and_the_global_generator_is_left_alone():
    X, y = crops(30), np.repeat([0, 1], [5, 25])
    before = np.random.get_state()[1].copy()
    draws = [
        AugmentationOverSampler(random_state=seed).fit_resample(X, y)[0] for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_sampling_strategies_of_imbalanced_learn():
    X, y = crops(12), np.repeat(["a", "b", "c"], [2, 3, 7])
    counts = Counter(AugmentationOverSampler().fit_resample(X, y)[1])
    assert counts == {"a": 7, "b": 7, "c": 7}
    sampler = AugmentationOverSampler(sampling_strategy={"a": 5, "c": 9})
    assert Counter(sampler.fit_resample(X, y)[1]) == {"a": 5, "b": 3, "c": 9}


# Containers -----------------------------------------------------------------------------------


def test_a_table_copies_the_other_columns_with_the_source_row():
    images, y = crops(6), pd.Series([0, 0, 1, 1, 1, 1], name="fate", index=list("uvwxyz"))
    table = pd.DataFrame(
        {"donor": list("abcdef"), "image": image_column(images), "area": np.arange(6.0)},
        index=y.index,
    )
    sampler = AugmentationOverSampler(random_state=0)
    table_new, y_new = sampler.fit_resample(table, y)
    assert (table_new.dtypes == table.dtypes).all() and y_new.name == "fate"
    assert table_new.index.equals(y_new.index)
    others = table[["donor", "area"]].iloc[sampler.sample_indices_].reset_index(drop=True)
    pd.testing.assert_frame_equal(table_new[["donor", "area"]], others)
    is_copy(sampler, images, to_images(table_new))
    of_array = AugmentationOverSampler(random_state=0).fit_resample(images, y)[0]
    np.testing.assert_array_equal(of_array, to_images(table_new))
    assert sampler.get_feature_names_out().tolist() == ["donor", "image", "area"]


def test_all_pixels_of_a_row_undergo_one_symmetry():
    images, y = crops(5), [0, 1, 1, 1, 1]
    movies = [np.repeat(image[None], 1 + row, axis=0) for row, image in enumerate(images)]
    table = pd.DataFrame(
        {
            "movie": movie_column(movies),
            "first": image_column(images),
            "wide": image_column(crops(5, (2, 3))),
        }
    )
    sampler = AugmentationOverSampler(random_state=0)
    table_new, _ = sampler.fit_resample(table, y)
    assert set(sampler.sample_symmetries_[5:]) == {1, 2, 3}, "what the wide images allow"
    is_copy(sampler, movies, to_movies(table_new))
    is_copy(sampler, images, to_images(table_new["first"]))


def test_arrays_without_channels_and_rows_with_image_shape():
    X, y = crops(8, channels=1), np.repeat([0, 1], [2, 6])
    expected = AugmentationOverSampler(random_state=0).fit_resample(X, y)[0]
    of_stack = AugmentationOverSampler(random_state=0).fit_resample(X[:, 0], y)[0]
    np.testing.assert_array_equal(of_stack, expected[:, 0])
    rows = AugmentationOverSampler(random_state=0, image_shape=(1, 4, 4))
    of_rows = rows.fit_resample(X.reshape(8, -1), y)[0]
    np.testing.assert_array_equal(of_rows, expected.reshape(12, -1))


def test_stands_in_a_pipeline_and_resamples_training_rows_only():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [30, 10])
    X = rng.random((40, 16)) + y[:, None]
    pipeline = make_pipeline(
        AugmentationOverSampler(random_state=0, image_shape=(1, 4, 4)), LogisticRegression()
    )
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.9
    assert len(pipeline.fit(X, y).predict(X)) == 40


def test_clone_and_pickle():
    X, y = crops(8), np.repeat([0, 1], [2, 6])
    sampler = AugmentationOverSampler(random_state=3)
    expected = sampler.fit_resample(X, y)[0]
    for again in (clone(sampler), pickle.loads(pickle.dumps(sampler))):
        np.testing.assert_array_equal(again.fit_resample(X, y)[0], expected)


# Bad input ------------------------------------------------------------------------------------


def test_bad_input_is_named():
    X, y = crops(6).astype(float), [0, 0, 1, 1, 1, 1]
    sampler = AugmentationOverSampler()
    X[4, 0, 0, 0] = np.nan
    table = pd.DataFrame({"image": image_column(X)})
    for bad in (X, table):
        with pytest.raises(ValueError, match=r"1 of 6 images contain NaN .* row 4"):
            sampler.fit_resample(bad, y)
    movies = pd.DataFrame({"film": movie_column([X[:4], X[4:]] * 3)})
    with pytest.raises(ValueError, match=r"3 of 6 movies in column 'film' contain NaN .* row 1"):
        sampler.fit_resample(movies, y)
    with pytest.raises(ValueError, match="exactly one image column, found none among 'donor'"):
        sampler.fit_resample(pd.DataFrame({"donor": list("abcdef")}), y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        sampler.fit_resample(X[:4], y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        sampler.fit_resample(table.iloc[:4], y)
    with pytest.raises(ValueError, match="asks for 18 values a row, but X has 32"):
        AugmentationOverSampler(image_shape=(2, 3, 3)).fit_resample(X[:4].reshape(4, -1), y[:4])
    with pytest.raises(ValueError, match="needs to have more than 1 class"):
        sampler.fit_resample(X[:2], y[:2])
