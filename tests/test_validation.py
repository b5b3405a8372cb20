"""What X may be: every accepted form gives the same pixels, every other one a line that helps."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from sklearn_cellfate import image_column, movie_column, to_images
from sklearn_cellfate._validation import images_like, validate_images

SHAPE = (2, 4, 5)  # channels, height, width


class Reader(BaseEstimator):
    """The smallest estimator on images: it keeps the pixels that it is given."""

    def __init__(self, image_shape=None):
        self.image_shape = image_shape

    def fit(self, X, y=None):
        self.pixels_ = validate_images(self, X, reset=True)
        return self

    def predict(self, X):
        return validate_images(self, X, reset=False)


@pytest.fixture
def images():
    return np.arange(3 * 40, dtype=np.float32).reshape(3, *SHAPE)


def table_of(images, **columns):
    return pd.DataFrame({**columns, "image": image_column(images)})


def rows_of(images):
    return images.reshape(len(images), int(np.prod(images.shape[1:])))


def cells_of(images):
    return table_of(images, donor=["a"] * len(images), area=[np.nan] * len(images))


FORMS = {
    "cell table": cells_of,
    "image column alone": lambda images: table_of(images),
    "Series": lambda images: table_of(images)["image"],
    "extension array": image_column,
    "4-D array": lambda images: images,
    "nested lists": lambda images: images.tolist(),
    "2-D array": rows_of,
    "data frame of pixels": lambda images: pd.DataFrame(rows_of(images)).add_prefix("px"),
}


def form(name):
    return pytest.param(FORMS[name], id=name)


every_form = pytest.mark.parametrize("given", [form(name) for name in FORMS])
stacked_and_folded = pytest.mark.parametrize(
    "given", [form("cell table"), form("4-D array"), form("2-D array")]
)


# Accepted -------------------------------------------------------------------------------------


@every_form
def test_every_form_gives_the_same_images(given, images):
    reader = Reader(image_shape=SHAPE).fit(given(images))
    np.testing.assert_array_equal(reader.pixels_, images, strict=True)
    assert reader.pixels_.flags.c_contiguous
    assert reader.image_shape_ == SHAPE
    np.testing.assert_array_equal(reader.predict(given(images[:1])), images[:1], strict=True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float16", "float64", ">u2"])
@every_form
def test_any_numeric_dtype_becomes_float32(given, dtype, images):
    pixels = Reader(image_shape=SHAPE).fit(given(images.astype(dtype))).pixels_
    np.testing.assert_array_equal(pixels, images, strict=True)


def test_masks_are_images_of_zeros_and_ones(images):
    for mask in [images > 50, (images > 50)[:, 0]]:
        pixels = Reader().fit(mask).pixels_
        assert pixels.dtype == np.float32
        np.testing.assert_array_equal(pixels, mask.reshape(pixels.shape))


def test_a_missing_channel_axis_is_one_channel(images):
    np.testing.assert_array_equal(Reader().fit(images[:, 0]).pixels_, images[:, :1])


def test_rows_without_image_shape_are_images_one_pixel_high(images):
    rows = rows_of(images)
    reader = Reader().fit(rows)
    np.testing.assert_array_equal(reader.pixels_, rows[:, None, None, :])
    assert reader.image_shape_ == (1, 1, 40)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 7), (3, 9, 2), (5, 33, 21)])
def test_any_size_and_any_number_of_channels(shape):
    images = np.random.default_rng(0).random((2, *shape), np.float32)
    reader = Reader(image_shape=shape)
    for given in FORMS["4-D array"], FORMS["image column alone"]:
        np.testing.assert_array_equal(reader.fit(given(images)).pixels_, images)
    np.testing.assert_array_equal(reader.fit(images.reshape(2, -1)).pixels_, images)


def test_memory_layout_does_not_matter(images):
    channels_last = np.moveaxis(np.ascontiguousarray(np.moveaxis(images, 1, -1)), -1, 1)
    for given in [channels_last, np.asfortranarray(images), images[:, ::-1][:, ::-1]]:
        pixels = Reader().fit(given).pixels_
        np.testing.assert_array_equal(pixels, images)
        assert pixels.flags.c_contiguous


def test_float32_images_of_a_table_are_not_copied(images):
    assert np.shares_memory(Reader().fit(table_of(images)).pixels_, images)


def test_what_scikit_learn_remembers_of_a_fit(images):
    reader = Reader().fit(table_of(images, donor=list("abc")))
    assert (reader.n_features_in_, list(reader.feature_names_in_)) == (1, ["image"])
    reader.fit(images)
    assert reader.n_features_in_ == 40
    assert not hasattr(reader, "feature_names_in_")


def test_predicting_on_another_form_than_fitted_on(images):
    fitted_on_table = Reader().fit(table_of(images))
    np.testing.assert_array_equal(fitted_on_table.predict(images), images)
    fitted_on_rows = Reader(image_shape=SHAPE).fit(rows_of(images))
    np.testing.assert_array_equal(fitted_on_rows.predict(table_of(images)), images)


# Refused --------------------------------------------------------------------------------------


def refusal(action, *args, error=ValueError):
    """The message with which something is refused, which must be one line."""
    with pytest.raises(error) as caught, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "overflow encountered")
        action(*args)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("value", [1e300, -1e39])
@stacked_and_folded
def test_pixels_beyond_float32_are_not_called_infinite(given, value, images):
    images = np.concatenate([images, images]).astype(np.float64)[:3]
    images[1, 0, 2, 3] = images[2, 1, 0, 0] = value
    message = refusal(Reader(image_shape=SHAPE).fit, given(images))
    assert message.startswith(
        "2 of 3 images have pixels that are too large for float32 (the first is row 1)"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@stacked_and_folded
def test_pixels_that_are_no_float32_number_name_their_first_row(given, value, images):
    images = np.concatenate([images, images]).astype(np.float64)[:3]
    images[1, 0, 2, 3] = images[2, 1, 0, 0] = value
    message = refusal(Reader(image_shape=SHAPE).fit, given(images))
    assert message.startswith("2 of 3 images contain NaN or infinite pixels (the first is row 1)")


def test_bright_images_whose_sum_overflows_float32_are_fine():
    images = np.full((2, 1, 3, 3), 3e38, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(Reader().fit(images).pixels_, images)


@stacked_and_folded
def test_no_rows(given, images):
    message = refusal(Reader(image_shape=SHAPE).fit, given(images[:0]))
    assert message.startswith("Found array with 0 sample(s)")


def test_image_shape_that_does_not_fit_the_rows(images):
    message = refusal(Reader(image_shape=(2, 4, 6)).fit, rows_of(images))
    assert message == "image_shape=(2, 4, 6) asks for 48 values a row, but X has 40."


@pytest.mark.parametrize("image_shape", [(4, 10), (0, 4, 5), (1, 2, 4, 5), ()])
def test_image_shape_that_is_no_shape(image_shape, images):
    message = refusal(Reader(image_shape=image_shape).fit, rows_of(images))
    assert message == f"image_shape must be (channels, height, width), found {image_shape!r}."


def test_two_image_columns(images):
    table = table_of(images).assign(mask=image_column(images))
    expected = "expected exactly one image column, found 2: 'image', 'mask'."
    assert refusal(Reader().fit, table) == expected


@pytest.mark.parametrize("other", [["a", "b", "c"], [1.0, 2.0, 3.0]], ids=["text", "number"])
def test_a_cell_table_without_its_image_column(other):
    table = pd.DataFrame({"donor": list("abc"), "other": other})
    expected = "expected exactly one image column, found none among 'donor', 'other'."
    assert refusal(Reader().fit, table) == expected


def test_movies_are_not_images(images):
    table = pd.DataFrame({"area": [1.0], "movie": movie_column([images])})
    message = refusal(Reader().fit, table)
    assert message.startswith("expected exactly one image column, found none")
    assert message.endswith("Of the movies in 'movie', RelativeTimeSampler picks frames.")


def test_rows_without_an_image(images):
    gaps = table_of(images).reindex([0, 7])
    assert refusal(Reader().fit, gaps) == "1 of 2 rows have no image; drop them first."


def test_too_many_axes(images):
    message = refusal(Reader().fit, images[None])
    assert message.startswith("X has shape (1, 3, 2, 4, 5); expected (n, H, W) or (n, C, H, W)")


def test_images_without_pixels(images):
    assert "with at least one pixel" in refusal(Reader().fit, images[:, :, :0])


@pytest.mark.parametrize(
    ("cut", "found"),
    [
        (np.s_[..., :3], "2 channels of 4 x 3 pixels"),
        (np.s_[:, :, :1], "2 channels of 1 x 5 pixels"),
        (np.s_[:, :1], "1 channel of 4 x 5 pixels"),
    ],
    ids=["width", "height", "channels"],
)
@pytest.mark.parametrize("given", [form("cell table"), form("Series"), form("4-D array")])
def test_images_of_another_shape_than_fitted_on(given, cut, found, images):
    reader = Reader().fit(given(images))
    message = refusal(reader.predict, given(images[cut]))
    fitted_on = "Reader was fitted on images with 2 channels of 4 x 5 pixels."
    assert message == f"X has images with {found}, but {fitted_on}"


def test_the_same_pixels_in_another_shape_are_not_the_same_images(images):
    reader = Reader().fit(images)
    assert "fitted on" in refusal(reader.predict, images.swapaxes(2, 3))
    assert "fitted on" in refusal(reader.predict, images.reshape(3, 1, 4, 10))


def test_rows_of_another_length_than_fitted_on(images):
    rows = rows_of(images)
    message = refusal(Reader(image_shape=SHAPE).fit(rows).predict, rows[:, :30])
    assert message == "image_shape=(2, 4, 5) asks for 40 values a row, but X has 30."


@stacked_and_folded
def test_predicting_before_fitting(given, images):
    message = refusal(Reader(image_shape=SHAPE).predict, given(images), error=NotFittedError)
    assert message.startswith("This Reader instance is not fitted yet")


def test_a_refused_fit_after_a_good_one_leaves_the_shape(images):
    reader = Reader().fit(images)
    refusal(reader.fit, np.full((1, 1, 2, 2), np.nan))
    assert reader.image_shape_ == SHAPE


# And back -------------------------------------------------------------------------------------


@every_form
def test_changed_images_go_back_into_the_form_they_came_in(given, images):
    X = given(images)
    back = images_like(X, images + 1)
    again = Reader(image_shape=SHAPE).fit(back).pixels_
    np.testing.assert_array_equal(again, images + 1)
    if isinstance(X, (pd.DataFrame, pd.Series)) and "px0" not in X:
        assert type(back) is type(X)
        pd.testing.assert_index_equal(back.index, X.index)


def test_a_table_keeps_its_other_columns_and_is_not_changed_in_place(images):
    table = table_of(images, donor=list("abc")).set_axis([7, 3, 5])
    back = images_like(table, 2 * images)
    assert list(back.columns) == ["donor", "image"]
    assert list(back["donor"]) == list("abc")
    assert list(back.index) == [7, 3, 5]
    np.testing.assert_array_equal(to_images(table), images)


def test_images_without_a_channel_axis_stay_so_while_there_is_one_channel(images):
    assert images_like(images[:, 0], images[:, :1]).shape == (3, 4, 5)
    assert images_like(images[:, 0], images).shape == (3, 2, 4, 5)


def test_arrow_tensors_of_two_dimensions_are_read(images):
    storage = pa.FixedSizeListArray.from_arrays(pa.array(images.ravel()), 20)
    tensors = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), [4, 5]), storage)
    column = pd.arrays.ArrowExtensionArray(pa.chunked_array([tensors]))
    pixels = Reader().fit(pd.DataFrame({"image": column})).pixels_
    np.testing.assert_array_equal(pixels, images.reshape(6, 1, 4, 5))
