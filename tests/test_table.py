"""The cell table: pixels survive everything that a data frame goes through, disk included."""

import copy
import pickle
import stat

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal
from sklearn.model_selection import train_test_split

from sklearn_cellfate import (
    image_column,
    movie_column,
    read_cells,
    read_cells_in_parts,
    to_images,
    to_movies,
    write_cells,
)

PIXEL_TYPES = ["uint8", "uint16", "int8", "int32", "int64", "float16", "float32", "float64"]


def counting_images(n=6, channels=2, height=4, width=5, dtype="float32"):
    """No two pixels alike, so that a wrong order of rows or axes cannot hide."""
    shape = (n, channels, height, width)
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def counting_movies(lengths=(3, 1, 4), dtype="float32", **frame):
    return [
        counting_images(length, dtype=dtype, **frame) + np.asarray(i, dtype)
        for i, length in enumerate(lengths)
    ]


def assert_movies_equal(movies, expected):
    assert len(movies) == len(expected)
    for movie, other in zip(movies, expected):
        assert movie.dtype == other.dtype
        np.testing.assert_array_equal(movie, other, strict=True)


def tensor_column(array):
    """A column of an Arrow array that somebody else has made."""
    return pd.arrays.ArrowExtensionArray(pa.chunked_array([array]))


def arrow_tensors(flat, shape, **kwargs):
    storage = pa.FixedSizeListArray.from_arrays(flat, int(np.prod(shape)))
    return pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(flat.type, shape, **kwargs), storage
    )


@pytest.fixture
def images():
    return counting_images()


@pytest.fixture
def table(images):
    return pd.DataFrame(
        {"donor": list("aabbcc"), "area": np.arange(6) / 7, "image": image_column(images)}
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells.parquet"


def round_trip(table, path):
    write_cells(table, path)
    return read_cells(path)


# Image columns --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", PIXEL_TYPES)
@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (3, 1, 4, 5), (1, 1, 1, 1), (2, 3, 1, 7)])
def test_images_come_back_with_their_shape_dtype_and_values(shape, dtype):
    images = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    np.testing.assert_array_equal(to_images(image_column(images)), images, strict=True)


def test_images_without_a_channel_axis_have_one_channel():
    images = counting_images(channels=1)
    np.testing.assert_array_equal(to_images(image_column(images[:, 0])), images, strict=True)
    np.testing.assert_array_equal(to_images(images[:, 0]), images, strict=True)


def test_to_images_reads_a_data_frame_a_series_an_array_and_ndarrays(table, images):
    for form in [table, table["image"], table["image"].array, images, images.tolist()]:
        np.testing.assert_array_equal(to_images(form), images)


@pytest.mark.parametrize(
    "view",
    [
        lambda images: images[::2],
        lambda images: images[..., ::-1],
        lambda images: images.swapaxes(-1, -2),
        lambda images: np.moveaxis(np.ascontiguousarray(np.moveaxis(images, 1, -1)), -1, 1),
        np.asfortranarray,
        lambda images: images.astype(">f4"),  # as big-endian TIFF files are read
    ],
    ids=["every second", "mirrored", "transposed", "channels last", "Fortran", "big-endian"],
)
def test_the_layout_of_the_input_in_memory_does_not_matter(view, images):
    given = view(images)
    stored = to_images(image_column(given))
    np.testing.assert_array_equal(stored, given)
    assert stored.dtype == np.float32


def test_contiguous_input_is_not_copied_in_either_direction(images):
    column = image_column(images)
    assert np.shares_memory(to_images(column), images)
    assert np.shares_memory(to_images(pd.DataFrame({"image": column})), images)


def test_reading_100_rows_of_100_000_does_not_copy_the_column():
    pixels = np.zeros((100_000, 1, 4, 4), np.float32)
    pixels[:, 0, 0, 0] = np.arange(100_000)
    table = pd.DataFrame({"image": image_column(pixels)})
    some = to_images(table.iloc[70_000:70_100])
    assert some.shape == (100, 1, 4, 4)
    assert np.shares_memory(some, pixels)
    np.testing.assert_array_equal(some[:, 0, 0, 0], np.arange(70_000, 70_100))


def test_one_channel_does_not_become_a_permuted_tensor_type(path):
    # What pyarrow's own FixedShapeTensorArray.from_numpy_ndarray makes of one channel.
    images = counting_images(channels=1)
    stored = round_trip(pd.DataFrame({"image": image_column(images)}), path)
    arrow_type = stored["image"].dtype.pyarrow_dtype
    assert list(arrow_type.shape) == [1, 4, 5]
    assert arrow_type.permutation in (None, [0, 1, 2])
    chunk = pa.chunked_array(stored["image"].array.__arrow_array__()).chunk(0)
    np.testing.assert_array_equal(chunk.to_numpy_ndarray(), images)


@pytest.mark.parametrize("permutation", [[0, 1, 2], [0, 2, 1], [2, 0, 1], [1, 2, 0], [2, 1, 0]])
def test_permuted_tensors_are_read_as_the_arrow_specification_says(permutation, path):
    """An axis of the image is the axis ``permutation[i]`` of the memory."""
    memory = counting_images(3, 2, 4, 5)
    column = arrow_tensors(pa.array(memory.ravel()), [2, 4, 5], permutation=permutation)
    expected = memory.transpose(0, *(1 + axis for axis in permutation))
    table = pd.DataFrame({"image": tensor_column(column)})
    np.testing.assert_array_equal(to_images(table), expected)
    np.testing.assert_array_equal(to_images(round_trip(table, path)), expected)


@pytest.mark.parametrize("order", ["C", "F"])
def test_single_channel_tensors_of_pyarrow_are_read(order):
    images = counting_images(channels=1)
    if order == "F":
        images = np.ascontiguousarray(images.swapaxes(-1, -2)).swapaxes(-1, -2)
    column = tensor_column(pa.FixedShapeTensorArray.from_numpy_ndarray(images))
    np.testing.assert_array_equal(to_images(column), images)


def test_tensors_of_two_dimensions_are_images_of_one_channel(path):
    pixels = counting_images(channels=1)
    table = pd.DataFrame({"image": tensor_column(arrow_tensors(pa.array(pixels.ravel()), [4, 5]))})
    np.testing.assert_array_equal(to_images(table), pixels)
    np.testing.assert_array_equal(to_images(round_trip(table, path)), pixels)


@pytest.mark.parametrize("shape", [(6, 20), (20,), (), (2, 2, 2, 2, 2)])
def test_a_stack_of_images_has_three_or_four_axes(shape):
    with pytest.raises(ValueError, match=r"shape .*; expected \(n, H, W\) or \(n, C, H, W\)"):
        image_column(np.zeros(shape))


def test_an_image_has_at_least_one_pixel():
    with pytest.raises(ValueError, match="at least one pixel"):
        image_column(np.zeros((3, 1, 0, 5)))


@pytest.mark.parametrize("dtype", [bool, object, complex, str])
def test_pixels_are_numbers(dtype, images):
    with pytest.raises(ValueError, match="images has dtype .*; expected integer or floating"):
        image_column(images.astype(dtype))
    with pytest.raises(ValueError, match="movie 0 has dtype .*; expected integer or floating"):
        movie_column([images.astype(dtype)])


def test_images_of_different_sizes_are_refused():
    with pytest.raises(ValueError):
        image_column([np.zeros((4, 5)), np.zeros((5, 5))])


def test_a_table_needs_exactly_one_image_column(table):
    with pytest.raises(ValueError, match="one image column, found none among 'donor', 'area'"):
        to_images(table[["donor", "area"]])
    with pytest.raises(ValueError, match="one image column, found 2: 'image', 'other'"):
        to_images(table.assign(other=table["image"]))
    with pytest.raises(ValueError, match="one movie column, found none among 'donor'"):
        to_movies(table)


def test_a_column_of_another_kind_is_refused(table):
    numbers = pd.Series([1, 2], dtype="int64[pyarrow]")
    with pytest.raises(ValueError, match=r"expected an image column, found .*int64\[pyarrow\]"):
        to_images(numbers)
    with pytest.raises(ValueError, match="expected a movie column, found .*fixed_shape_tensor"):
        to_movies(table["image"])


def test_rows_without_an_image_are_counted_not_filled(table, path):
    gaps = table.reindex([0, 7, 1, 8])
    for with_gaps in [gaps, round_trip(gaps, path)]:
        with pytest.raises(ValueError, match="2 of 4 rows have no image"):
            to_images(with_gaps)
        kept = to_images(with_gaps.dropna())
        np.testing.assert_array_equal(kept, counting_images()[:2])


# Movie columns --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", PIXEL_TYPES)
def test_movies_of_unequal_length_come_back(dtype):
    movies = counting_movies(lengths=(3, 1, 4, 1), dtype=dtype)
    assert_movies_equal(to_movies(movie_column(movies)), movies)


def test_movies_without_a_channel_axis_have_one_channel():
    movies = counting_movies(channels=1)
    without = [movie[:, 0] for movie in movies]
    assert_movies_equal(to_movies(movie_column(without)), movies)
    assert_movies_equal(to_movies(without), movies)


def test_a_movie_may_have_no_frames():
    movies = counting_movies(lengths=(0, 2, 0))
    assert [len(movie) for movie in to_movies(movie_column(movies))] == [0, 2, 0]


def test_movies_are_views_into_the_column():
    column = movie_column(counting_movies())
    first, second = to_movies(column), to_movies(column)
    assert all(np.shares_memory(a, b) for a, b in zip(first, second))


def test_movies_follow_their_rows_through_selecting_and_joining():
    movies = counting_movies(lengths=(3, 1, 4, 2))
    table = pd.DataFrame({"cell": range(4), "movie": movie_column(movies)})
    assert_movies_equal(to_movies(table.iloc[[3, 0]]), [movies[3], movies[0]])
    assert_movies_equal(to_movies(table.iloc[1:3]), movies[1:3])
    assert_movies_equal(to_movies(pd.concat([table[2:], table[:1]])), [*movies[2:], movies[0]])
    assert to_movies(table[:0]) == []


def test_movies_whose_frames_differ_are_refused_by_number():
    movies = counting_movies()
    with pytest.raises(ValueError, match=r"movie 1 has frames of shape \(2, 4, 6\).*\(2, 4, 5\)"):
        movie_column([movies[0], np.zeros((3, 2, 4, 6), np.float32)])
    with pytest.raises(ValueError, match="movie 2 has frames .* dtype float64.* float32"):
        movie_column([*movies[:2], movies[2].astype(np.float64)])
    with pytest.raises(ValueError, match=r"movie 1 has shape \(4, 5\); expected \(T, H, W\)"):
        movie_column([movies[0], np.zeros((4, 5), np.float32)])
    with pytest.raises(ValueError, match="at least one movie"):
        movie_column([])


def test_rows_without_a_movie_are_counted_not_filled():
    table = pd.DataFrame({"movie": movie_column(counting_movies())})
    with pytest.raises(ValueError, match="1 of 2 rows have no movie"):
        to_movies(table.reindex([0, 9]))


def test_missing_frames_inside_a_movie_are_refused_because_times_would_shift():
    frames = arrow_tensors(pa.array(counting_images(3).ravel()), [2, 4, 5])
    gaps = pa.FixedSizeListArray.from_arrays(
        frames.storage.values, 40, mask=pa.array([False, True, False])
    )
    gaps = pa.ExtensionArray.from_storage(frames.type, gaps)
    movies = tensor_column(pa.ListArray.from_arrays(pa.array([0, 1, 3], pa.int32()), gaps))
    with pytest.raises(ValueError, match="1 of 3 frames are missing"):
        to_movies(movies)


@pytest.mark.parametrize("list_array", [pa.ListArray, pa.LargeListArray])
def test_lists_of_tensors_of_others_are_movies(list_array, path):
    frames = arrow_tensors(pa.array(counting_images(5).ravel()), [2, 4, 5])
    offsets = pa.array([0, 2, 5], pa.int32() if list_array is pa.ListArray else pa.int64())
    pq.write_table(pa.table({"track": list_array.from_arrays(offsets, frames)}), path)
    pixels = counting_images(5)
    assert_movies_equal(to_movies(read_cells(path)), [pixels[:2], pixels[2:]])


# In a data frame ------------------------------------------------------------------------------

ROWS_KEPT = {
    "iloc": lambda table: table.iloc[[4, 0, 2]],
    "boolean": lambda table: table[table["donor"] == "b"],
    "sample": lambda table: table.sample(4, random_state=0),
    "train_test_split": lambda table: train_test_split(table, random_state=0)[0],
    "stratified split": lambda table: train_test_split(
        table, test_size=3, stratify=table["donor"], random_state=0
    )[1],
    "concat": lambda table: pd.concat([table.iloc[3:], table.iloc[:2]]),
    "concat of one row": lambda table: pd.concat([table.iloc[[i]] for i in range(6)]),
    "repeated": lambda table: table.loc[[0, 0, 5]],
    "sort": lambda table: table.sort_values("area", ascending=False),
    "merge": lambda table: table.merge(pd.DataFrame({"donor": ["c"], "sex": ["f"]}), on="donor"),
    "groupby": lambda table: table.groupby("donor").head(1),
    "copy": lambda table: table.copy(),
    "deepcopy": copy.deepcopy,
    "pickle": lambda table: pickle.loads(pickle.dumps(table)),
    "query of none": lambda table: table.query("area > 9"),
}


@pytest.mark.parametrize("operation", ROWS_KEPT.values(), ids=ROWS_KEPT.keys())
def test_pixels_follow_their_row(operation, table, images, path):
    table["row"] = range(6)
    changed = operation(table)
    np.testing.assert_array_equal(to_images(changed), images[changed["row"]], strict=True)
    changed = round_trip(changed, path)
    np.testing.assert_array_equal(to_images(changed), images[changed["row"]], strict=True)


# Parquet --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", PIXEL_TYPES)
def test_parquet_keeps_pixels_and_movies(dtype, path):
    images = counting_images(3, dtype=dtype)
    movies = counting_movies(lengths=(3, 1, 4), dtype=dtype)
    table = pd.DataFrame({"movie": movie_column(movies), "image": image_column(images)})
    back = round_trip(table, path)
    assert_frame_equal(back, table)
    np.testing.assert_array_equal(to_images(back), images, strict=True)
    assert_movies_equal(to_movies(back), movies)


def test_parquet_keeps_every_bit_of_odd_floats(path):
    bits = np.array([0x7FC00001, 0xFFC12345, 0x7F800000, 0xFF800000, 0x80000000, 1], np.uint32)
    pixels = bits.view(np.float32).reshape(2, 1, 1, 3)  # NaNs with payloads, inf, -0, subnormal
    back = to_images(round_trip(pd.DataFrame({"image": image_column(pixels)}), path))
    np.testing.assert_array_equal(back.view(np.uint32).ravel(), bits)


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(5, 11),
        pd.RangeIndex(0, 12, 2),
        pd.Index([9, 3, 5, 1, 0, 2]),
        pd.Index(list("zyxwvu"), name="cell"),
        pd.date_range("2020", periods=6, freq="4min", name="time"),
        pd.MultiIndex.from_product([["f1", "f2"], [0, 1, 2]], names=["field", "cell"]),
    ],
    ids=["range", "range of 2", "numbers", "names", "times", "two levels"],
)
def test_parquet_keeps_the_index(index, table, path):
    table = table.set_axis(index)
    assert_frame_equal(round_trip(table, path), table, check_freq=False)
    assert_frame_equal(round_trip(table[["image"]], path), table[["image"]], check_freq=False)
    read = read_cells(path, columns=["image"])
    assert_frame_equal(read, table[["image"]], check_freq=False)


def test_parquet_keeps_order_attrs_and_name_of_the_columns(table, path):
    table = table[["image", "donor", "area"]].rename_axis(columns="measured")
    table.attrs = {"pixel_um": 1.24, "channels": ["CFP", "YFP"]}
    back = round_trip(table, path)
    assert_frame_equal(back, table)
    assert back.attrs == table.attrs


ORDINARY_COLUMNS = {
    "categorical": pd.Categorical(["u", "v", None, "u", "v", "u"], ["w", "v", "u"], ordered=True),
    "datetime": pd.date_range("2020", periods=6, freq="4min"),
    "datetime with zone": pd.date_range("2020", periods=6, tz="Europe/Paris"),
    "timedelta": pd.to_timedelta([1, 2, 3, 4, 5, 6], "min"),
    "bool": np.array([True, False] * 3),
    "float16": np.arange(6, dtype=np.float16),
    "int8": np.arange(6, dtype=np.int8),
    "float with NaN": [np.nan, -0.0, np.inf, 1, 2, 3],
    "string": ["x", None, "z", "", "ü", "a"],
    "nullable int": pd.array([1, None, 2, 3, 4, 5], dtype="Int64"),
    "nullable string": pd.array(["a", None, "c", "d", "e", "f"], dtype="string[pyarrow]"),
    "Arrow int": pd.array([1, None, 3, 4, 5, 6], dtype="int32[pyarrow]"),
    "Arrow string": pd.array(list("abcdef"), dtype=pd.ArrowDtype(pa.string())),
    "Arrow time": pd.array(range(6), dtype=pd.ArrowDtype(pa.timestamp("ms", "UTC"))),
    "Arrow list": pd.array(
        [[1], [2, 3], None, [], [4], [5]], dtype=pd.ArrowDtype(pa.list_(pa.int32()))
    ),
    "Arrow dictionary": pd.array(
        list("ababab"), dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    ),
}


@pytest.mark.parametrize("values", ORDINARY_COLUMNS.values(), ids=ORDINARY_COLUMNS.keys())
def test_parquet_keeps_ordinary_columns_beside_the_images(values, table, path):
    table.insert(1, "values", values)
    assert_frame_equal(round_trip(table, path), table)


def test_parquet_keeps_a_table_without_images(path):
    table = pd.DataFrame({"area": [1.5, 2.5], "donor": ["a", "b"]}, index=[4, 2])
    assert_frame_equal(round_trip(table, path), table)


def test_parquet_keeps_a_table_without_rows(table, path):
    table["movie"] = movie_column(counting_movies(lengths=(1,) * 6))
    back = round_trip(table[:0], path)
    assert_frame_equal(back, table[:0])
    assert to_images(back).shape == (0, 2, 4, 5)
    assert to_movies(back) == []


def test_chosen_columns_come_in_the_order_asked_for(table, path):
    write_cells(table, path)
    assert_frame_equal(read_cells(path, columns=["image", "donor"]), table[["image", "donor"]])
    assert_frame_equal(read_cells(path, columns=("area",)), table[["area"]])


def test_a_path_may_be_a_string(table, path):
    write_cells(table, str(path))
    assert_frame_equal(read_cells(str(path)), table)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no cell table at .*nowhere\.parquet"):
        read_cells(tmp_path / "nowhere.parquet")
    with pytest.raises(FileNotFoundError):
        read_cells(tmp_path)


def test_a_missing_column_is_named_beside_those_there_are(table, path):
    write_cells(table, path)
    expected = r"cells\.parquet' has no column 'fate'; it has 'donor', 'area', 'image'"
    with pytest.raises(ValueError, match=expected):
        read_cells(path, columns=["donor", "fate"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: b"donor,area\na,1\n",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: whole[:4] + b"\0" * 200 + whole[204:],
    ],
    ids=["empty", "csv", "half", "a byte short", "pages overwritten"],
)
def test_a_file_that_is_no_whole_parquet_file_is_named(damage, table, path):
    write_cells(table, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"cells\.parquet' is not a readable Parquet file"):
        read_cells(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"cell,area,fate\n1,2,dies\n", "it is text, such as a CSV table. write_cells writes"),
        ("Zelle;Fläche\n".encode() * 99, "it is text, such as a CSV table"),
        (b"II*\0\x08\0\0\0", "it is a TIFF image. extract_cells"),
        (b"\x89HDF\r\n\x1a\n", "it is an HDF5 file. extract_cells"),
        (b"<?xml version='1.0'?><TrackMate/>", "it is XML, such as TrackMate's. extract_cells"),
        (b"\x93NUMPY\x01\0", "it is a NumPy array. image_column makes a column"),
        ("Zelle;Fläche\n".encode("utf-16"), "it is text in UTF-16, such as a table of a"),
        ("Zelle;Fläche\n".encode("latin-1") * 99, "it is text that is not in UTF-8, such as"),
        ("ä".encode() * 999, "it is text, such as a CSV table"),
        (b'{"cells": [1, 2]}', "it is JSON"),
        (b"", "it is empty"),
        (b"PK\x03\x04", "it is an archive, such as .xlsx"),
        (b"\x80\x05\x95", "it is a pickle"),
        (b"\xfe\xed\xfa\xce" + bytes(9), "file: Parquet magic bytes not found"),
        (b"PAR1 and no more", "file: Parquet magic bytes not found"),
    ],
)
def test_a_file_of_another_kind_is_called_so_and_what_to_do(content, words, path):
    path.write_bytes(content)
    for read in (read_cells, lambda path: next(read_cells_in_parts(path))):
        with pytest.raises(ValueError, match=f"cells\\.parquet' is not a readable .*{words}"):
            read(path)


def unwritable(table):
    """Two tables that fail: one on the way to Arrow, one when Parquet is half-way."""
    intervals = pa.array([(1, 2, 3)] * len(table), pa.month_day_nano_interval())
    return [
        table.assign(mixed=[object(), "a", 1, 2, 3, 4]),
        table.assign(interval=tensor_column(intervals)),
    ]


@pytest.mark.parametrize("which", [0, 1])
def test_a_failed_write_leaves_what_was_there_and_nothing_else(which, table, path):
    bad = unwritable(table)[which]
    with pytest.raises(pa.ArrowException, match=r"object|interval"):
        write_cells(bad, path)
    assert list(path.parent.iterdir()) == []
    write_cells(table, path)
    before = path.read_bytes()
    with pytest.raises(pa.ArrowException, match=r"object|interval"):
        write_cells(bad, path)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == before


def test_an_interrupted_write_leaves_what_was_there(table, path, monkeypatch):
    write_cells(table, path)
    before = path.read_bytes()

    def interrupted(arrow, where, **kwargs):
        with open(where, "wb") as file:
            file.write(b"PAR1 and then")
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_cells(table[:2], path)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == before


def test_writing_replaces_the_file(table, path):
    write_cells(table, path)
    write_cells(table[:2], path)
    assert_frame_equal(read_cells(path), table[:2])
    assert list(path.parent.iterdir()) == [path]


def test_a_written_file_has_the_permissions_of_any_other_new_file(table, path):
    other = path.with_name("other")
    other.touch()
    write_cells(table, path)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


def test_writing_into_a_missing_folder_says_so(table, tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        write_cells(table, tmp_path / "absent" / "cells.parquet")


# Real tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "n_cells", "image_shape"),
    [("tcell_activation", 852, (1, 32, 32)), ("live_dead", 8657, (1, 20, 20))],
)
def test_real_cell_tables_open(name, n_cells, image_shape, shared_data, path):
    cells = read_cells(shared_data / f"{name}.parquet")
    assert to_images(cells).shape == (n_cells, *image_shape)
    assert to_images(cells).dtype == np.float32
    assert_frame_equal(round_trip(cells[:100], path), cells[:100])


def test_a_real_table_of_traces_opens(shared_data, path):
    cells = read_cells(shared_data / "erk_akt_traces.parquet")
    assert list(cells.columns) == ["cell", "growth_factor", "erk", "akt"]
    assert len(cells) == 565
    assert cells["erk"].map(len).between(240, 600).all()


def test_column_names_that_parquet_would_change_are_refused(tmp_path):
    with pytest.raises(ValueError, match="only text as column names, found 0, 1"):
        write_cells(pd.DataFrame({0: [1], 1: [2]}), tmp_path / "cells.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(20, 20, 2), (50, 70, 3), (70, 50, 4)])
def test_channels_last_are_pointed_out(shape):
    message = "{} channels of {} x {} pixels. Are channels last".format(*shape)
    with pytest.warns(UserWarning, match=message):
        image_column(np.ones((3, *shape)))
