"""FRETRatio and IntensityScaler: known answers on tiny images, any container, bad input."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_cellfate import image_column, movie_column, to_images, to_movies
from sklearn_cellfate.preprocessing import FRETRatio, IntensityScaler

# One cell of 2 x 3 pixels. Columns: a pixel to divide, a dead denominator, background.
CFP = [[6.0, 5.0, 0.0], [8.0, 9.0, 0.0]]
YFP = [[2.0, 0.0, 0.0], [4.0, 3.0, 0.0]]
RATIO = [[3.0, 0.0, 0.0], [2.0, 3.0, 0.0]]
CELL = np.array([[CFP, YFP]])


@parametrize_with_checks([FRETRatio(), IntensityScaler()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def table_of(images, **columns):
    return pd.DataFrame({"donor": ["a"] * len(images), "image": image_column(images), **columns})


# FRETRatio ------------------------------------------------------------------------------------


def test_ratio_is_channel_0_over_channel_1_and_background_where_it_has_no_meaning():
    fret = FRETRatio().fit(CELL)
    with pytest.warns(UserWarning, match="1 of 4 pixels inside cells"):
        np.testing.assert_array_equal(fret.transform(CELL), [[RATIO]])
    assert fret.n_invalid_ == 1


def test_channels_can_be_chosen():
    inverse = FRETRatio(numerator=1, denominator=0).fit(CELL)
    expected = [[1 / 3, 0, 0], [1 / 2, 1 / 3, 0]]
    np.testing.assert_allclose(inverse.transform(CELL)[0, 0], expected, rtol=1e-6)
    assert inverse.n_invalid_ == 0
    three = np.concatenate([CELL, 2 * CELL[:, :1]], axis=1)
    np.testing.assert_array_equal(FRETRatio(2, 0).fit_transform(three)[0, 0] > 0, CELL[0, 0] > 0)


@pytest.mark.parametrize("saturated", [0, 1])
def test_saturation_of_either_channel_is_background_and_counted(saturated):
    cell = np.full((1, 2, 1, 3), 4.0)
    cell[0, saturated, 0] = [9, 10, 11]
    fret = FRETRatio(saturation=10).fit(cell)
    assert fret.n_invalid_ == 2
    with pytest.warns(UserWarning, match="saturated"):
        ratio = fret.transform(cell)
    np.testing.assert_array_equal(ratio[0, 0, 0] > 0, [True, False, False])


def test_a_saturated_pixel_counts_even_if_the_other_channel_is_dark():
    cell = np.array([[[[0.0, 4.0]], [[12.0, 4.0]]]])
    assert FRETRatio(saturation=10).fit(cell).n_invalid_ == 1
    assert FRETRatio(1, 0, saturation=10).fit(cell).n_invalid_ == 1


def test_integers_at_the_end_of_their_range_are_fine_unless_saturation_is_given():
    cell = np.full((1, 2, 2, 2), 255, dtype=np.uint8)
    assert (FRETRatio().fit_transform(cell) == 1).all()
    assert FRETRatio(saturation=255).fit(cell).n_invalid_ == 4


def test_negative_intensities_of_a_subtracted_background_are_no_signal():
    cell = np.array([[[[-3.0, -3.0, 3.0, 6.0]], [[-2.0, 2.0, -2.0, 2.0]]]])
    fret = FRETRatio().fit(cell)
    assert fret.n_invalid_ == 1  # signal above, none below; dark in both is background
    with pytest.warns(UserWarning):
        np.testing.assert_array_equal(fret.transform(cell)[0, 0, 0], [0, -1.5, 0, 3])


def test_a_ratio_beyond_float32_is_background_not_infinite():
    cell = np.array([[[[1e30, 2.0]], [[1e-30, 1.0]]]])
    fret = FRETRatio().fit(cell)
    with pytest.warns(UserWarning):
        np.testing.assert_array_equal(fret.transform(cell)[0, 0, 0], [0, 2])
    assert fret.n_invalid_ == 1


def test_transform_learns_nothing_and_warns_only_for_a_noticeable_share():
    clean = np.ones((1, 2, 10, 10))
    one_dead, six_dead = clean.copy(), clean.copy()
    one_dead[0, 1, 0, 0] = 0
    six_dead[0, 1, 0, :6] = 0
    fret = FRETRatio().fit(clean)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fret.transform(one_dead)
    with pytest.warns(UserWarning, match="6 of 100 pixels"):
        fret.transform(six_dead)
    assert fret.n_invalid_ == 0
    np.testing.assert_array_equal(fret.count_invalid(np.concatenate([one_dead, six_dead])), [1, 6])


def test_count_invalid_of_movies_is_one_number_a_movie():
    movies = movie_column([np.repeat(CELL, 3, axis=0), CELL])
    table = pd.DataFrame({"movie": movies})
    fret = FRETRatio().fit(table)
    np.testing.assert_array_equal(fret.count_invalid(table), [3, 1])
    assert fret.n_invalid_ == 4


def test_a_table_of_channel_means_gives_one_column_of_ratios():
    means = pd.DataFrame({"cfp": [6.0, 5.0], "yfp": [3.0, 2.0]})
    fret = FRETRatio().fit(means)
    np.testing.assert_array_equal(fret.transform(means), [[2.0], [2.5]])
    assert fret.get_feature_names_out().tolist() == ["cfp/yfp"]
    assert list(fret.set_output(transform="pandas").transform(means)) == ["cfp/yfp"]


def test_rows_with_image_shape_stay_rows():
    rows = (CELL + 1).reshape(1, -1)
    fret = FRETRatio(image_shape=(2, 2, 3)).fit(rows)
    expected = FRETRatio().fit_transform(CELL + 1).reshape(1, -1)
    np.testing.assert_array_equal(fret.transform(rows), expected)
    assert len(fret.get_feature_names_out()) == 6


def test_fret_ratio_names_the_channel_that_is_missing():
    with pytest.raises(ValueError, match="denominator=1 ask for 2 channels, but X has 1 channel"):
        FRETRatio().fit(CELL[:, :1])
    with pytest.raises(ValueError, match=r"ask for 3 channels, but X has 2 feature\(s\)"):
        FRETRatio(numerator=2).fit(np.ones((4, 2)))


@pytest.mark.parametrize("parameter", [{"numerator": -1}, {"denominator": 0.5}, {"saturation": 0}])
def test_fret_ratio_refuses_parameters(parameter):
    with pytest.raises(ValueError, match=next(iter(parameter))):
        FRETRatio(**parameter).fit(CELL)


# IntensityScaler ------------------------------------------------------------------------------


def test_positive_pixels_are_stretched_and_background_stays_exactly_zero():
    train = np.array([[[0.0, 2.0], [4.0, 10.0]]])
    scaled = IntensityScaler(feature_range=(0.2, 1)).fit_transform(train)
    np.testing.assert_allclose(scaled, [[[0, 0.2], [0.4, 1.0]]], rtol=1e-6)
    assert scaled[0, 0, 0] == 0
    default = IntensityScaler().fit_transform(train)
    assert default[0, 0, 1] == np.float32(0.001) and default[0, 1, 1] == 1


def test_scale_is_that_of_the_training_rows_and_new_pixels_are_clipped():
    scaler = IntensityScaler(feature_range=(0.5, 1)).fit(np.array([[[10.0, 20.0]]]))
    new = scaler.transform(np.array([[[5.0, 15.0]], [[99.0, -1.0]]]))
    np.testing.assert_array_equal(new, [[[0.5, 0.75]], [[1.0, 0.0]]])
    assert (scaler.data_min_, scaler.data_max_) == ([10], [20])


def test_each_channel_has_its_own_scale():
    images = np.array([[[[1.0, 3.0]], [[100.0, 500.0]]]])
    scaler = IntensityScaler().fit(images)
    np.testing.assert_array_equal(scaler.data_min_, [1, 100])
    np.testing.assert_array_equal(scaler.data_max_, [3, 500])
    np.testing.assert_allclose(scaler.transform(images)[0, :, 0], [[0.001, 1]] * 2)


def test_a_row_is_scaled_alike_in_any_company():
    images = np.random.default_rng(0).random((6, 2, 5, 5))
    scaler = IntensityScaler().fit(images[:4])
    np.testing.assert_array_equal(scaler.transform(images)[4:], scaler.transform(images[4:]))


def test_a_channel_without_signal_or_without_contrast_divides_by_nothing():
    images = np.zeros((1, 2, 1, 2))
    images[0, 1, 0, 1] = 7  # a mask
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaler = IntensityScaler().fit(images)
        np.testing.assert_array_equal(scaler.transform(images)[0, :, 0], [[0, 0], [0, 1]])
        bright = scaler.transform(np.array([[[[3.0, 0.0]], [[6.0, 8.0]]]]))
    np.testing.assert_array_equal(bright[0, :, 0], np.float32([[1, 0], [0.001, 1]]))
    np.testing.assert_array_equal(scaler.data_max_, [0, 7])


def test_a_quantile_range_keeps_a_hot_pixel_from_setting_the_scale():
    pixels = np.arange(0.0, 102.0).reshape(1, 1, 102)  # background, then 1 ... 101
    pixels[0, 0, -1] = 1e6
    scaler = IntensityScaler(quantile_range=(1, 99)).fit(pixels)
    assert (scaler.data_min_, scaler.data_max_) == ([2], [100])
    scaled = scaler.transform(pixels)[0, 0]
    assert scaled[0] == 0 and scaled[-1] == 1 and scaled[51] == pytest.approx(0.5005)


def test_inverse_transform_returns_to_the_unit_of_x():
    images = np.random.default_rng(0).integers(0, 4, (5, 2, 6, 6)) * 250.0
    scaler = IntensityScaler().fit(images)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(images)), images)


@pytest.mark.parametrize(
    "parameter",
    [
        {"feature_range": (0, 1)},
        {"feature_range": (1, 0.5)},
        {"feature_range": (0.1, 0.5, 1)},
        {"quantile_range": (-1, 100)},
        {"quantile_range": (50, 50)},
        {"quantile_range": ("low", "high")},
    ],
)
def test_intensity_scaler_refuses_parameters(parameter):
    with pytest.raises(ValueError, match=next(iter(parameter))):
        IntensityScaler(**parameter).fit(CELL)


# Both: containers, composition, bad input -----------------------------------------------------

BOTH = pytest.mark.parametrize("transformer", [FRETRatio(), IntensityScaler()], ids=str)
IMAGES = np.random.default_rng(0).integers(1, 200, (4, 2, 5, 3)).astype("uint16")


@BOTH
def test_every_container_gives_the_same_pixels_in_the_same_container(transformer):
    expected = clone(transformer).fit_transform(IMAGES)
    assert expected.dtype == np.float32
    table = table_of(IMAGES)
    table.index = list("wxyz")
    of_table = clone(transformer).fit_transform(table)
    assert list(of_table) == ["donor", "image"] and of_table.index.equals(table.index)
    np.testing.assert_array_equal(to_images(of_table), expected)
    of_series = clone(transformer).fit_transform(table["image"])
    assert isinstance(of_series, pd.Series) and of_series.name == "image"
    np.testing.assert_array_equal(to_images(of_series), expected)
    rows = clone(transformer).set_params(image_shape=(2, 5, 3))
    of_rows = rows.fit_transform(IMAGES.reshape(4, -1))
    np.testing.assert_array_equal(of_rows, expected.reshape(4, -1))
    assert to_images(table).dtype == np.uint16, "the input is left alone"


def test_images_without_a_channel_axis_stay_so():
    assert IntensityScaler().fit_transform(IMAGES[:, 0]).shape == (4, 5, 3)


@BOTH
def test_frames_of_a_movie_column_are_treated_alike(transformer):
    movies = [IMAGES[:3], IMAGES[3:], IMAGES[:0]]
    table = pd.DataFrame({"movie": movie_column(movies), "clone": [1, 2, 3]})
    result = clone(transformer).fit_transform(table)
    expected = clone(transformer).fit_transform(IMAGES)
    assert list(result) == ["movie", "clone"]
    found = to_movies(result)
    assert [len(movie) for movie in found] == [3, 1, 0]
    np.testing.assert_array_equal(np.concatenate(found), expected)
    of_series = clone(transformer).fit_transform(table["movie"])
    np.testing.assert_array_equal(np.concatenate(to_movies(of_series)), expected)


@BOTH
def test_set_output_gives_a_data_frame_with_an_image_column(transformer):
    expected = clone(transformer).fit_transform(IMAGES)
    pandas = clone(transformer).set_output(transform="pandas")
    of_array = pandas.fit_transform(IMAGES)
    assert list(of_array) == ["image"] == pandas.get_feature_names_out().tolist()
    np.testing.assert_array_equal(to_images(of_array), expected)
    table = table_of(IMAGES)
    assert list(pandas.fit_transform(table)) == ["donor", "image"]
    assert pandas.get_feature_names_out().tolist() == ["donor", "image"]
    assert list(pandas.fit_transform(table["image"])) == ["image"]
    with pytest.raises(ValueError, match="columns of fit, which give 'image'; X gives 'donor'"):
        pandas.transform(table)


@BOTH
def test_other_columns_may_be_absent_where_names_are_not_asked_for(transformer):
    table = table_of(IMAGES)
    fitted = clone(transformer).fit(table)
    assert list(fitted.transform(table[["image"]])) == ["image"]


@BOTH
def test_column_transformer_takes_the_column_by_list_or_by_name(transformer):
    table = table_of(IMAGES)
    expected = clone(transformer).fit_transform(IMAGES)
    for columns in (["image"], "image"):
        union = ColumnTransformer(
            [("pixels", clone(transformer), columns)], remainder="passthrough"
        ).set_output(transform="pandas")
        result = union.fit_transform(table)
        assert list(result) == ["pixels__image", "remainder__donor"]
        np.testing.assert_array_equal(to_images(result), expected)
        assert list(union.get_feature_names_out()) == list(result)


def test_a_pipeline_of_both_survives_clone_and_pickle():
    table = table_of(IMAGES)
    pipeline = make_pipeline(FRETRatio(), IntensityScaler()).fit(table)
    result = to_images(pipeline.transform(table))
    assert result.shape == (4, 1, 5, 3)
    assert result.max() == 1 and result.min() == np.float32(0.001)
    assert pipeline.get_feature_names_out().tolist() == ["donor", "image"]
    assert make_pipeline(FRETRatio(), IntensityScaler()).fit(
        IMAGES
    ).get_feature_names_out().tolist() == ["image"]
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(to_images(again.transform(table)), result)
    np.testing.assert_array_equal(to_images(clone(pipeline).fit_transform(table)), result)


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_without_a_finite_value_are_refused_by_row(transformer, value):
    images = IMAGES.astype(float)
    images[2, 0, 1, 1] = value
    message = "1 of 4 images contain NaN or infinite pixels .the first is row 2"
    for X in (images, table_of(images)):
        with pytest.raises(ValueError, match=message):
            clone(transformer).fit(X)
    table = pd.DataFrame({"movie": movie_column([images[:2], images[2:]])})
    with pytest.raises(ValueError, match=r"1 of 2 movies in column 'movie' .* row 1"):
        clone(transformer).fit(table)


@BOTH
def test_shapes_and_columns_other_than_in_fit_are_refused(transformer):
    table = table_of(IMAGES)
    fitted = clone(transformer).fit(table)
    with pytest.raises(ValueError, match=r"has images with 1 channel .* fitted on .* 2 channels"):
        fitted.transform(table_of(IMAGES[:, :1]))
    with pytest.raises(
        ValueError, match=r"in column 'crop', .* fitted on the columns 'donor', 'im"
    ):
        fitted.transform(table.rename(columns={"image": "crop"}))
    with pytest.raises(ValueError, match="exactly one image column, found none among 'donor'"):
        fitted.transform(table[["donor"]])
    with pytest.raises(ValueError, match=r"X has 29 features, but .* is expecting 30"):
        clone(transformer).fit(IMAGES.reshape(4, -1)).transform(IMAGES.reshape(4, -1)[:, :29])


@BOTH
def test_a_second_fit_forgets_the_columns_of_the_first(transformer):
    fitted = clone(transformer).fit(table_of(IMAGES)).fit(IMAGES)
    assert not hasattr(fitted, "feature_names_in_")
    assert fitted.n_features_in_ == 30
    assert fitted.get_feature_names_out().tolist() == ["image"]


@BOTH
def test_tables_that_are_empty_or_ambiguous_are_refused(transformer):
    table = table_of(IMAGES, second=image_column(IMAGES))
    with pytest.raises(ValueError, match="one image column, found 2: 'image', 'second'"):
        clone(transformer).fit(table)
    both = table_of(IMAGES, movie=movie_column([IMAGES] * 4))
    with pytest.raises(ValueError, match="found both: 'image', 'movie'"):
        clone(transformer).fit(both)
    with pytest.raises(ValueError, match="no rows"):
        clone(transformer).fit(table_of(IMAGES).iloc[:0])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        clone(transformer).fit(both[["movie"]].iloc[:0])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        clone(transformer).fit(IMAGES[:0])
