"""read_cells_in_parts: the parts together are the table."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sklearn_cellfate import (
    image_column,
    movie_column,
    read_cells,
    read_cells_in_parts,
    write_cells,
)

PIXELS = np.random.default_rng(0).random((11, 2, 3, 4)).astype(np.float32)
ROW = 2 * 3 * 4 * 4 + 11  # bytes of the two images of a row


def cells(index=None):
    table = pd.DataFrame(
        {
            "donor": pd.Categorical(list("aabbccaabbc")),
            "image": image_column(PIXELS),
            "name": [f"cell {i}" for i in range(11)],
            "mask": image_column(np.arange(121, dtype=np.uint8).reshape(11, 1, 11, 1)),
            "area": pd.array([1, None, *range(9)], dtype="Int64"),
        }
    )
    return table if index is None else table.set_axis(index)


def written(table, tmp_path):
    write_cells(table, tmp_path / "cells.parquet")
    return tmp_path / "cells.parquet"


@pytest.mark.parametrize("n_rows", [1, 3, 4, 11, 12])
@pytest.mark.parametrize(
    "index",
    [None, list("abcdefghijk"), [5] * 11, pd.RangeIndex(20, 42, 2, name="cell")],
    ids=["range", "text", "repeated", "named"],
)
def test_the_parts_are_the_table(index, n_rows, tmp_path):
    table = cells(index)
    parts = list(read_cells_in_parts(written(table, tmp_path), part_bytes=n_rows * ROW))
    assert [len(part) for part in parts[:-1]] == [n_rows] * (11 // n_rows - (11 % n_rows == 0))
    pd.testing.assert_frame_equal(pd.concat(parts), table)


@pytest.mark.parametrize("columns", [["mask", "donor"], ["image"], ["image", "mask"], ["name"]])
@pytest.mark.parametrize(
    "index", [None, pd.RangeIndex(20, 42, 2, name="cell"), list("abcdefghijk")]
)
def test_chosen_columns(columns, index, tmp_path):
    path = written(cells(index), tmp_path)
    parts = list(read_cells_in_parts(path, columns, part_bytes=ROW))
    pd.testing.assert_frame_equal(pd.concat(parts), cells(index)[columns])


def test_a_table_of_images_alone_comes_in_parts(tmp_path):
    table = cells(pd.RangeIndex(20, 42, 2))[["image", "mask"]]
    parts = list(read_cells_in_parts(written(table, tmp_path), part_bytes=4 * ROW))
    assert [len(part) for part in parts] == [4, 4, 3]
    pd.testing.assert_frame_equal(pd.concat(parts), table)


def lives(index=None):
    """Movies of 1 to 11 frames, mean 6, beside lists as long, text and images."""
    lengths = [range(i + 1) for i in range(11)]
    return cells(index)[["donor", "image", "name"]].assign(
        movie=movie_column([PIXELS[: i + 1] for i in range(11)]),
        frame=pd.Series(lengths, dtype=pd.ArrowDtype(pa.list_(pa.int64()))).array,
    )


@pytest.mark.parametrize("n_rows", [1, 4, 11])
@pytest.mark.parametrize(
    "index", [None, list("abcdefghijk"), pd.RangeIndex(20, 42, 2, name="cell")]
)
def test_movies_come_in_parts(index, n_rows, tmp_path):
    frame = 2 * 3 * 4 * 4  # bytes; a row has one image and six frames on average
    path = written(lives(index), tmp_path)
    parts = list(read_cells_in_parts(path, part_bytes=n_rows * 7 * frame))
    assert [len(part) for part in parts[:-1]] == [n_rows] * (11 // n_rows - (11 % n_rows == 0))
    pd.testing.assert_frame_equal(pd.concat(parts), lives(index))
    (first, *_) = read_cells_in_parts(path, ["frame", "movie"], part_bytes=6 * frame)
    pd.testing.assert_frame_equal(first, lives(index)[["frame", "movie"]].iloc[:1])


def test_a_folder_of_files_is_one_table(tmp_path):
    table = lives().drop(columns="donor")  # categories of each file would be its own
    for name, rows in (("a/2", slice(5, 6)), ("b", slice(6, 11)), ("a/1", slice(0, 5))):
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        write_cells(table.iloc[rows], path)
    (tmp_path / "_common.parquet").write_text("not one of them")
    pd.testing.assert_frame_equal(read_cells(tmp_path), table)
    parts = list(read_cells_in_parts(tmp_path, part_bytes=300))
    assert len(parts) > 3
    pd.testing.assert_frame_equal(pd.concat(parts), table)
    pd.testing.assert_frame_equal(read_cells(tmp_path, ["name"]), table[["name"]])


def test_empty_files_of_a_folder_are_passed_over(tmp_path):
    for number, rows in enumerate((slice(0, 0), slice(0, 2), slice(2, 2), slice(2, 11))):
        write_cells(cells().iloc[rows, 1:], tmp_path / f"{number}.parquet")
    parts = list(read_cells_in_parts(tmp_path))
    assert [len(part) for part in parts] == [2, 9]


def test_files_of_a_folder_must_agree(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \.parquet file in the folder"):
        read_cells(tmp_path)
    write_cells(cells(), tmp_path / "1.parquet")
    write_cells(cells().drop(columns="mask"), tmp_path / "2.parquet")
    for read in (read_cells, lambda path: next(read_cells_in_parts(path))):
        with pytest.raises(ValueError, match=r"'mask' is .* in '.*1.parquet' and absent in '.*2"):
            read(tmp_path)
    write_cells(cells()[["donor", "name", "image", "mask", "area"]], tmp_path / "2.parquet")
    with pytest.raises(ValueError, match="columns in other orders"):
        read_cells(tmp_path)


def test_memory_holds_a_part_and_not_the_table(tmp_path):
    """Two files, one of them a single group of rows, of 16 MB each."""
    frames = np.random.default_rng(0).integers(0, 999, (40, 2, 20, 20), dtype=np.uint16)
    table = pd.DataFrame({"movie": movie_column([frames] * 256)})
    write_cells(table, tmp_path / "1.parquet")
    pq.write_table(pa.Table.from_pandas(table), tmp_path / "2.parquet")
    n_bytes = 2 * 256 * frames.nbytes
    del table
    before, most = pa.total_allocated_bytes(), 0
    n_rows = 0
    for part in read_cells_in_parts(tmp_path, part_bytes=2**18):
        n_rows += len(part)
        most = max(most, pa.total_allocated_bytes() - before)
    assert n_rows == 512
    assert most < n_bytes / 6


def test_tables_without_pixels_or_rows_are_one_part(tmp_path):
    for table in (cells()[["donor", "name"]], cells().iloc[:0, 1:], lives().iloc[:0, 1:]):
        (part,) = read_cells_in_parts(written(table, tmp_path), part_bytes=1)
        pd.testing.assert_frame_equal(part, table)


@pytest.mark.parametrize("part_bytes", [0, -1, np.inf, np.nan, "1MB", None])
def test_part_bytes_is_a_number_of_bytes(part_bytes, tmp_path):
    path = written(cells(), tmp_path)
    with pytest.raises(ValueError, match=r"part_bytes must be a finite number, .*, found "):
        next(read_cells_in_parts(path, part_bytes=part_bytes))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("area", "a list of names, found the string 'area'"),
        (5, "a list of names, found 5"),
        ((name for name in ["area"]), "a list of names, found <generator"),
        (["image", "area", "image", "area"], "different names, found 'image', 'area' repeated"),
    ],
)
def test_columns_are_a_list_of_different_names(columns, message, tmp_path):
    path = written(cells(), tmp_path)
    for read in (read_cells, lambda *arguments: next(read_cells_in_parts(*arguments))):
        with pytest.raises(ValueError, match=f"columns must be {message}"):
            read(path, columns)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no cell table at .*none.parquet"):
        next(read_cells_in_parts(tmp_path / "none.parquet"))
    path = written(cells(), tmp_path)
    with pytest.raises(ValueError, match=r"cells.parquet' has no column 'size'"):
        next(read_cells_in_parts(path, ["size"]))
    data = bytearray(path.read_bytes())
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    data[4:footer] = b"\xff" * (footer - 4)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"not a readable Parquet file: [^\n]*$"):
        list(read_cells_in_parts(path))
