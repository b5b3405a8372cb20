"""plot_cells: every tile shows the right pixels at the right place, for images and movies."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from sklearn_cellfate import image_column, movie_column
from sklearn_cellfate.inspection import plot_cells

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def sheet_of(ax):
    return np.ma.filled(ax.images[0].get_array(), np.nan)


def tiles_of(ax, shape):
    """Pieces of the sheet that hold pixels, in reading order."""
    sheet = sheet_of(ax)
    seen, tiles = np.isnan(sheet), []
    for y, x in np.ndindex(sheet.shape):
        if not seen[y, x]:
            where = np.s_[y : y + shape[0], x : x + shape[1]]
            tiles.append(sheet[where])
            seen[where] = True
    assert not any(np.isnan(tile).any() or tile.shape != shape for tile in tiles)
    return tiles


def images_table(n=5, channels=1, shape=(4, 6)):
    images = np.random.default_rng(0).integers(0, 1000, (n, channels, *shape)).astype("uint16")
    table = pd.DataFrame({"cell": [f"c{i}" for i in range(n)], "image": image_column(images)})
    return images, table


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_each_image_is_a_tile_on_one_grey_scale():
    images, table = images_table()
    ax = plot_cells(table, n_columns=2, percentiles=(0, 100))
    low, high = images.min(), images.max()
    for tile, image in zip(tiles_of(ax, (4, 6)), images[:, 0], strict=True):
        np.testing.assert_allclose(tile, (image - low) / (high - low), rtol=1e-5)
    assert texts(ax) == ["c0", "c1", "c2", "c3", "c4"]


def test_channels_stand_side_by_side_with_a_scale_each():
    images, table = images_table(3, channels=3)
    images[:, 1] *= 10
    table["image"] = image_column(images)
    ax = plot_cells(table, n_columns=1, percentiles=(0, 100), channels=[1, -1])
    expected = images[:, [1, 2]].astype(float)
    expected -= expected.min(axis=(0, 2, 3), keepdims=True)
    expected /= expected.max(axis=(0, 2, 3), keepdims=True)
    found = np.array(tiles_of(ax, (4, 6))).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len(tiles_of(plot_cells(table, n_columns=1), (4, 6))) == 9
    assert len(tiles_of(plot_cells(table, n_columns=1, channels=2), (4, 6))) == 3


def test_movies_are_drawn_at_the_times_asked_for():
    movies = [np.arange(length)[:, None, None] * np.ones((1, 3, 3)) for length in (5, 1, 9)]
    table = pd.DataFrame(
        {
            "movie": movie_column(movies),
            "frame": [[2, 3, 4, 6, 7], [0], list(range(9))],
            "area": [[0.5, 1, 1, 1, 1 / 3], [7.0], [1.0] * 9],
        }
    )
    ax = plot_cells(
        table, times=(0, 0.5, 1), labels=["frame", "area"], n_columns=1, percentiles=(0, 100)
    )
    shown = [tile[0, 0] * 8 for tile in tiles_of(ax, (3, 3))]
    np.testing.assert_allclose(shown, [0, 2, 4, 0, 0, 0, 0, 4, 8], atol=1e-5)
    # The first column's values stand above those of the second.
    written = {}
    for text in ax.texts:
        written.setdefault(text.get_position()[1], []).append(text.get_text())
    in_order = [line for y in sorted(written) for line in written[y]]
    assert in_order == ["2 4 7", "0.5 1 0.333", "0 0 0", "7 7 7", "0 4 8", "1 1 1"]


def test_only_as_many_cells_as_asked_for_evenly_spread():
    _, table = images_table(100)
    assert texts(plot_cells(table, max_cells=3)) == ["c0", "c50", "c99"]
    assert len(plot_cells(table).texts) == 60


def test_captions_may_be_left_out():
    _, table = images_table()
    assert texts(plot_cells(table, labels=None)) == []
    assert texts(plot_cells(table.drop(columns="cell"))) == []


def test_the_centre_is_marked_in_every_tile():
    _, table = images_table(2, channels=2, shape=(5, 7))
    ax = plot_cells(table, mark_centre=True, n_columns=1)
    sheet = np.isnan(sheet_of(ax))
    (crosses,) = ax.lines
    assert len(crosses.get_xdata()) == 4
    for x, y in zip(*crosses.get_data()):
        inside = ~sheet[int(y) - 2 : int(y) + 3, int(x) - 3 : int(x) + 4]
        assert x % 1 == y % 1 == 0 and inside.shape == (5, 7) and inside.all()


def test_it_draws_where_it_is_told_and_lets_be_saved(tmp_path):
    import matplotlib.pyplot as plt

    _, table = images_table()
    _, ax = plt.subplots()
    assert plot_cells(table, ax=ax) is ax
    ax.figure.savefig(tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_flat_and_missing_pixels_do_no_harm():
    flat = pd.DataFrame({"image": image_column(np.full((2, 3, 3), 7.0))})
    assert np.nanmax(sheet_of(plot_cells(flat))) == 0
    gaps = np.ones((1, 3, 3))
    gaps[0, 0, 0], gaps[0, 1, 1] = np.nan, np.inf
    ax = plot_cells(pd.DataFrame({"image": image_column(gaps)}), percentiles=(0, 100))
    assert tiles_of(ax, (3, 3))[0].sum() == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"column": "cell"}, "column 'cell' holds neither images nor movies"),
        ({"column": "crop"}, "no column 'crop'"),
        ({"labels": ["cell", "fate"]}, "no column 'fate'"),
        ({"channels": 1}, r"channels=1, but the images have 1 channel"),
        ({"channels": []}, "channels="),
        ({"max_cells": 0}, "max_cells must be a whole number from 1, found 0"),
        ({"n_columns": 0.5}, "n_columns must be a whole number from 1, found 0.5"),
    ],
)
def test_arguments_that_cannot_be_used(arguments, words):
    _, table = images_table()
    with pytest.raises(ValueError, match=words):
        plot_cells(table, **arguments)


def test_tables_that_cannot_be_drawn():
    images, table = images_table()
    with pytest.raises(ValueError, match="no rows"):
        plot_cells(table.iloc[:0])
    with pytest.raises(ValueError, match="exactly one image or movie column, found none"):
        plot_cells(table[["cell"]])
    movies = pd.DataFrame({"movie": movie_column([images[:2], images[:0]])})
    with pytest.raises(ValueError, match="1 cells have no frame; the first is row 1"):
        plot_cells(movies)
    with pytest.raises(ValueError, match=r"times must be fractions from 0 to 1, found \[2.0\]"):
        plot_cells(movies, times=2)
