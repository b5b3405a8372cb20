"""read_cells_in_parts: the parts together are the table."""

import numpy as np
import pandas as pd
import pytest

from sklearn_cellfate import image_column, movie_column, read_cells_in_parts, write_cells

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


def test_tables_without_images_or_rows_are_one_part(tmp_path):
    movies = cells()[["name"]].assign(movie=movie_column([PIXELS[: i + 1] for i in range(11)]))
    for table in (cells()[["donor", "name"]], movies, cells().iloc[:0, 1:]):
        (part,) = read_cells_in_parts(written(table, tmp_path), part_bytes=1)
        pd.testing.assert_frame_equal(part, table)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no cell table at .*none.parquet"):
        next(read_cells_in_parts(tmp_path / "none.parquet"))
    path = written(cells(), tmp_path)
    with pytest.raises(ValueError, match=r"cells.parquet' has no column 'size'"):
        next(read_cells_in_parts(path, ["size"]))
    with pytest.raises(ValueError, match="part_bytes must be 1 or more, found 0"):
        next(read_cells_in_parts(path, part_bytes=0))
    data = bytearray(path.read_bytes())
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    data[4:footer] = b"\xff" * (footer - 4)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"not a readable Parquet file: [^\n]*$"):
        list(read_cells_in_parts(path))
