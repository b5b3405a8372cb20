"""extract_cells: known crops, second implementations of every column, fields, bad input."""

import itertools
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import binary_dilation

from sklearn_cellfate import read_cells, to_images, to_movies, write_cells
from sklearn_cellfate.io import extract_cells
from sklearn_cellfate.io._stack import ImageStack
from sklearn_cellfate.preprocessing import RelativeTimeSampler
from sklearn_cellfate.table import is_movie_dtype

NUMBERED = np.arange(1, 2 * 7 * 9 + 1, dtype="uint16").reshape(2, 1, 7, 9)
CROSS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def tracks_of(rows, **others):
    """Tracks of (cell, frame, x, y)."""
    return pd.DataFrame(rows, columns=["cell", "frame", "x", "y"]).assign(**others)


def one(x, y):
    return tracks_of([(1, 0, x, y)])


def values(table, name):
    """All values of a list column, cell after cell."""
    return np.concatenate([np.asarray(row) for row in table[name]])


def only_movie(table):
    (movie,) = to_movies(table)
    return movie


@pytest.fixture
def scene():
    """A movie of six frames, labels with touching, cut and merged objects, and tracks."""
    return make_scene()


def make_scene(seed=0, shape=(31, 40), n_cells=9, n_frames=6, channels=2):
    rng = np.random.default_rng(seed)
    movie = rng.integers(1, 60_000, (n_frames, channels, *shape)).astype("uint16")
    labels = np.zeros((n_frames, *shape), "int32")
    rows = []
    grid = np.mgrid[: shape[0], : shape[1]]
    for t, cell in itertools.product(range(n_frames), range(1, n_cells + 1)):
        y, x = rng.uniform(-0.5, shape[0] - 0.5), rng.uniform(-0.5, shape[1] - 0.5)
        inside = np.hypot(grid[0] - y, grid[1] - x) < rng.uniform(0, 6)
        labels[t][inside] = 10 * cell
        if rng.random() > 0.2:  # else a gap
            rows.append((cell, t, x, y))
    return movie, tracks_of(rows), labels


# Where the crop lies ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "x", "columns"),
    [
        (3, 4, [3, 4, 5]),
        (3, 4.4, [3, 4, 5]),
        (3, 4.6, [4, 5, 6]),
        (3, 4.5, [3, 4, 5]),  # halfway: the first
        (4, 4, [2, 3, 4, 5]),  # the extra pixel is before a whole position
        (4, 4.1, [3, 4, 5, 6]),  # whose nearest centre is at 4.5
        (4, 3.9, [2, 3, 4, 5]),
        (4, 4.5, [3, 4, 5, 6]),
        (1, 4.5, [4]),
        (1, 4.51, [5]),
    ],
)
def test_crops_are_centred_to_the_nearest_pixel(size, x, columns):
    movie = np.broadcast_to(np.arange(9, dtype="uint8"), (1, 9, 9))
    for axes in ("xy", "yx"):
        pixels = movie if axes == "xy" else movie.swapaxes(1, 2)
        position = dict(zip(axes, (x, 4)))
        crop = only_movie(extract_cells(pixels, one(**position), size=size))[0, 0]
        assert (crop[0] if axes == "xy" else crop[:, 0]).tolist() == columns


def test_no_other_crop_is_nearer():
    rng = np.random.default_rng(0)
    movie = np.broadcast_to(np.arange(60, dtype="uint8"), (1, 60, 60))
    for size, x in zip(rng.integers(1, 20, 200), rng.integers(80, 160, 200) / 4):
        crop = only_movie(extract_cells(movie, one(x, 30), size=int(size)))[0, 0, 0]
        starts = np.arange(60)
        distances = abs(starts + (size - 1) / 2 - x)
        assert crop[0] == starts[np.argmin(distances)]  # the earlier of two


def test_whole_known_crops():
    movie = only_movie(extract_cells(NUMBERED, one(8, 0), size=(3, 4)))
    assert movie.dtype == np.uint16
    assert movie.tolist() == [[[[0, 0, 0, 0], [7, 8, 9, 0], [16, 17, 18, 0]]]]


@pytest.mark.parametrize("size", [1, 2, 5, (3, 8), (8, 3), 20, (31, 40)])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_same_as_slicing_a_padded_frame(size, channels):
    movie, tracks, _ = make_scene(channels=channels)
    height, width = (size, size) if isinstance(size, int) else size
    table = extract_cells(movie, tracks, size=size)
    padded = np.pad(movie, [(0, 0), (0, 0), (60, 60), (60, 60)])
    outside = np.pad(np.zeros(movie.shape[2:]), 60, constant_values=1)
    for row, movie_of_cell in zip(table.itertuples(), to_movies(table)):
        assert movie_of_cell.shape == (len(row.frame), channels, height, width)
        for i, t in enumerate(row.frame):
            top = 60 + int(np.ceil(row.y[i] - height / 2))
            left = 60 + int(np.ceil(row.x[i] - width / 2))
            where = np.s_[top : top + height, left : left + width]
            np.testing.assert_array_equal(movie_of_cell[i], padded[t][:, *where])
            assert row.padding[i] == outside[where].sum()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", ">u2", "float32", "float64"])
def test_the_dtype_of_the_stack_is_kept(dtype):
    movie = only_movie(extract_cells(NUMBERED.astype(dtype), one(4, 4), size=3))
    assert movie.dtype == np.dtype(dtype).newbyteorder("=")
    assert movie[0, 0, 1, 1] == 4 * 9 + 4 + 1


def test_a_stack_without_channels_a_dask_array_and_an_image_stack_give_the_same(scene):
    import dask.array

    movie, tracks, _ = scene
    expected = extract_cells(movie[:, :1], tracks)
    lazy = dask.array.from_array(movie[:, :1], chunks=(1, 1, 16, 16))
    pd.testing.assert_frame_equal(extract_cells(movie[:, 0], tracks), expected)
    pd.testing.assert_frame_equal(extract_cells(lazy, tracks), expected)
    stack = ImageStack(movie[:, 0], "TYX", name="well B2")
    named = extract_cells(stack, tracks)
    assert set(named["field"]) == {"well B2"}
    pd.testing.assert_frame_equal(named.assign(field="stack"), expected)


# The object of each cell -----------------------------------------------------------------------


def expected_objects(labels, tracks, size, own_of):
    """Every label column by plain loops over whole frames."""
    found = []
    for row in tracks.sort_values(["cell", "frame"]).itertuples():
        plane = labels[row.frame]
        top, left = (int(np.ceil(position - size / 2)) for position in (row.y, row.x))
        crop = np.zeros(plane.shape, bool)
        crop[max(top, 0) : top + size, max(left, 0) : left + size] = True
        own = own_of(row, plane)
        mask = crop & (plane == own) & (own > 0)
        ring = crop.copy()
        ring[max(top + 1, 0) : top + size - 1, max(left + 1, 0) : left + size - 1] = False
        if top < 0:  # the window's first row is not in the field
            ring[0, max(left + 1, 0) : left + size - 1] = False
        if left < 0:
            ring[max(top + 1, 0) : top + size - 1, 0] = False
        whole = plane == own
        border = whole[0].any() or whole[-1].any() or whole[:, 0].any() or whole[:, -1].any()
        beside = binary_dilation(mask) & (plane != own) & (plane != 0)
        found.append(
            {
                "frame": row.frame,
                "label": own if mask.any() else 0,
                "area": mask.sum(),
                "at_edge": bool(mask.any() and border),
                "cut": bool((mask & ring).any()),
                "touching": bool(beside.any()),
                "mask": mask,
                "start": (top, left),
            }
        )
    found = pd.DataFrame(found)
    together = found.groupby(["frame", "label"])["label"].transform("size")
    found["shared"] = (together > 1) & (found["label"] > 0)
    return found


def under_position(row, plane):
    return plane[int(np.ceil(row.y - 0.5)), int(np.ceil(row.x - 0.5))]


def named_by_column(row, plane):
    return row.of_label


@pytest.mark.parametrize("size", [3, 8, 13, 30])
@pytest.mark.parametrize("own_of", [under_position, named_by_column])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64"])
def test_label_columns_are_those_of_plain_loops(size, own_of, dtype):
    found_any = set()
    for seed in range(3):
        movie, tracks, labels = make_scene(seed)
        tracks["of_label"] = 10 * tracks["cell"]
        column = None if own_of is under_position else "of_label"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            table = extract_cells(
                movie, tracks, labels.astype(dtype), size=size, label_column=column
            )
        expected = expected_objects(labels, tracks, size, own_of)
        for name in ("label", "area", "at_edge", "cut", "touching", "shared"):
            assert values(table, name).tolist() == expected[name].tolist(), name
            found_any |= {name} if expected[name].any() else set()
    assert {"label", "area", "at_edge", "touching", "cut" if size < 30 else "label"} <= found_any


def test_the_three_masks(scene):
    movie, tracks, labels = scene
    expected = expected_objects(labels, tracks, 12, under_position)
    raw = np.concatenate(to_movies(extract_cells(movie, tracks, size=12)))
    tables = {
        mask: extract_cells(movie, tracks, labels, size=12, mask=mask)
        for mask in ("apply", "channel", None)
    }
    frames = {mask: np.concatenate(to_movies(table)) for mask, table in tables.items()}
    own = np.zeros((len(raw), 12, 12), bool)
    for crop, row in zip(own, expected.itertuples()):
        padded = np.pad(row.mask, 30)
        top, left = np.add(row.start, 30)
        crop[:] = padded[top : top + 12, left : left + 12]
    np.testing.assert_array_equal(frames[None], raw)
    np.testing.assert_array_equal(frames["apply"], np.where(own[:, np.newaxis], raw, 0))
    np.testing.assert_array_equal(frames["channel"][:, :2], raw)
    np.testing.assert_array_equal(frames["channel"][:, 2], own)
    assert frames["channel"].dtype == frames["apply"].dtype == np.uint16
    for mask, table in tables.items():
        for name in set(table) - {"movie"}:
            pd.testing.assert_series_equal(table[name], tables["apply"][name], obj=str(mask))


def test_a_neighbour_inside_the_crop_is_not_the_cell():
    labels = np.zeros((1, 9, 9), int)
    labels[0, 2:7, 2:5], labels[0, 2:7, 5:8] = 1, 2
    tracks = tracks_of([("left", 0, 3, 4), ("right", 0, 6, 4)])
    table = extract_cells(np.full((1, 9, 9), 5.0), tracks, labels, size=9)
    left, right = to_movies(table)
    assert (left[0, 0] > 0).sum() == (right[0, 0] > 0).sum() == 15
    assert values(table, "touching").all() and not values(table, "shared").any()


def test_positions_on_the_border_of_the_field_belong_to_its_border_pixels():
    labels = np.zeros((1, 7, 9), int)
    labels[0, 0, 0], labels[0, 6, 8] = 1, 2
    movie = NUMBERED[:1]
    tracks = tracks_of([("first", 0, -0.5, -0.5), ("last", 0, 8.5, 6.5)])
    table = extract_cells(movie, tracks, labels, size=3)
    assert values(table, "label").tolist() == [1, 2]
    assert values(table, "padding").tolist() == [5, 5]
    assert values(table, "x").tolist() == [-0.5, 8.5]
    first, last = to_movies(table)
    assert first[0, 0].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert last[0, 0].tolist() == [[0, 0, 0], [0, 63, 0], [0, 0, 0]]


@pytest.mark.filterwarnings("ignore:.* reach the border of their crop")
def test_diagonal_neighbours_and_those_just_outside_the_crop():
    labels = np.zeros((1, 9, 9), int)
    labels[0, 3:6, 3:6], labels[0, 6, 6] = 1, 2
    assert not values(extract_cells(labels, one(4, 4), labels, size=5), "touching").any()
    labels[0, 4, 6] = 3
    table = extract_cells(labels, one(4, 4), labels, size=3)
    assert values(table, "touching").all() and values(table, "cut").all()


def test_pixels_without_a_value_outside_the_object_become_0():
    movie = np.full((1, 5, 5), np.nan)
    movie[0, 2, 2] = 3
    table = extract_cells(movie, one(2, 2), (movie == 3).astype(int), size=3)
    np.testing.assert_array_equal(only_movie(table)[0, 0], [[0, 0, 0], [0, 3, 0], [0, 0, 0]])


def test_a_cell_on_background_is_kept_and_flagged():
    labels = np.zeros((2, 7, 9), "uint8")
    labels[:, 3, 4], labels[:, 6, 8] = 5, 6
    tracks = tracks_of([(1, 0, 4, 3), (1, 1, 2, 3), (2, 0, 4, 3), (2, 1, 4, 3), (3, 1, 8, 6)])
    table = extract_cells(NUMBERED, tracks, labels, size=3)
    assert [list(row) for row in table["label"]] == [[5, 0], [5, 5], [6]]
    assert to_movies(table)[0].sum(axis=(1, 2, 3)).tolist() == [3 * 9 + 4 + 1, 0]
    assert [list(row) for row in table["shared"]] == [[True, False], [True, False], [False]]


def test_a_missing_label_in_the_column_is_a_cell_without_object():
    labels = np.zeros((2, 7, 9), "uint8")
    labels[:, 3, 4] = 5
    tracks = tracks_of([(1, 0, 4, 3), (1, 1, 4, 3), (2, 0, 4, 3), (2, 1, 4, 3)])
    for own in ([5, None, 300, 5], pd.array([5, None, 300, 5], "Int64")):
        table = extract_cells(NUMBERED, tracks.assign(own=own), labels, label_column="own", size=3)
        assert [list(row) for row in table["label"]] == [[5, 0], [0, 5]]
        assert [list(row) for row in table["area"]] == [[1, 0], [0, 1]]


@pytest.mark.filterwarnings("ignore:.* reach the border of their crop", "ignore:all cells")
def test_a_column_named_label_names_the_objects_and_comes_back_once():
    labels = np.zeros((2, 7, 9), "uint8")
    labels[:, 3, 4], labels[:, 3, 5] = 5, 6
    tracks = tracks_of([(1, 0, 4, 3), (1, 1, 4, 3), (2, 0, 4, 3), (2, 1, 4, 3)])
    named = tracks.assign(label=pd.array([5, 5, 6, None], "Int64"))
    table = extract_cells(NUMBERED, named, labels, size=3)
    assert [list(row) for row in table["label"]] == [[5, 5], [6, 0]]
    assert "label_in_tracks" not in table
    expected = extract_cells(NUMBERED, named, labels, size=3, label_column="label")
    pd.testing.assert_frame_equal(table, expected)
    without_labels = extract_cells(NUMBERED, named, size=3)
    assert [list(row) for row in without_labels["label"]] == [[5, 5], [6, None]]
    text = extract_cells(NUMBERED, tracks.assign(label=list("abcd")), labels, size=3)
    assert [list(row) for row in text["label"]] == [[5, 5], [5, 5]]
    assert [list(row) for row in text["label_in_tracks"]] == [["a", "b"], ["c", "d"]]


def test_positions_beside_cells_whose_numbers_are_the_labels_are_worth_a_warning():
    labels = np.zeros((2, 1, 30), "uint8")
    labels[:, 0, ::3] = np.arange(1, 11)
    rows = [(cell, t, 3 * (cell - 1), 0) for cell in range(1, 11) for t in (0, 1)]
    movie = np.ones((2, 1, 30))

    def warnings_of(tracks, **options):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            extract_cells(movie, tracks, labels, size=1, mask=None, **options)
        return [str(w.message) for w in caught if "crop" not in str(w.message)]

    tracks = tracks_of(rows)
    assert warnings_of(tracks) == []
    tracks.loc[[0, 4, 8], "x"] += 1  # on background
    tracks.loc[[7], "x"] += 3  # on a neighbour
    (warning,) = warnings_of(tracks)
    assert warning.startswith("in 4 of 20 rows") and 'label_column="cell"' in warning
    assert warnings_of(tracks, label_column="cell") == []
    tracks.loc[[9], "x"] += 3
    assert warnings_of(tracks) == [], "labels that are not the cells' numbers"


def test_crops_smaller_than_cells_are_worth_a_warning():
    labels = np.zeros((1, 40, 60), "uint8")
    rows = []
    for i in range(20):
        y, x = 6 + 9 * (i // 5), 6 + 10 * (i % 5)
        labels[0, y - 1 : y + 2, x - 1 : x + 2] = i + 1
        rows.append((i, 0, x, y))
    labels[0, :5, :5] = 30  # at the edge of the field: cut there, not by the crop
    rows.append((30, 0, 2, 2))
    movie = np.ones((1, 40, 60))
    for n_long in (0, 2, 3):
        labels[0, 5:8, [6 + 10 * i + 2 for i in range(n_long)]] = np.arange(1, n_long + 1)[:, None]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            table = extract_cells(movie, tracks_of(rows), labels, size=5)
        assert values(table, "cut").sum() == n_long + 1
        assert len(caught) == (n_long == 3), "a tenth is not more than a tenth"
    assert str(caught[0].message).startswith("3 of 20 objects reach the border of their crop")
    assert "take a larger size" in str(caught[0].message) and caught[0].filename == __file__


def test_most_cells_without_object_are_worth_a_warning():
    labels = np.ones((2, 7, 9), "uint8")
    tracks = tracks_of([(1, 0, 4, 3), (1, 1, 4, 3)], own=[2, 2])
    with pytest.warns(UserWarning, match="in 2 of 2 rows .* label in column 'own' is not in") as w:
        extract_cells(NUMBERED, tracks, labels, label_column="own", size=3)
    assert w[0].filename == __file__
    with pytest.warns(UserWarning, match=r"2 of 2 rows .* pixels \(if in micrometres, read_tr"):
        extract_cells(NUMBERED, tracks, 0 * labels, size=3)


@pytest.mark.filterwarnings("ignore:.* reach the border of their crop")
def test_a_binary_mask_is_worth_a_warning():
    two = tracks_of([(cell, t, 4 + cell, 3) for cell in (1, 2) for t in (0, 1)])
    labels = np.zeros((2, 7, 9), "uint8")
    labels[:, 3, 5:7] = 255  # the objects touch, or else they would not pass for labels at all
    with pytest.warns(UserWarning, match="all cells have the label 255: are the labels a mask?"):
        table = extract_cells(NUMBERED, two, labels, size=3)
    assert values(table, "shared").all()


# Rows and columns ------------------------------------------------------------------------------


class Recorder:
    """An array that notes which planes are read."""

    def __init__(self, array):
        self.array, self.read = array, []
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, index):
        """Note the frame."""
        self.read.append(index[0])
        return self.array[index]


def test_only_the_frames_needed_are_read_once_and_in_order():
    movie, labels = (Recorder(np.ones((50, 1, 9, 9), dtype)) for dtype in ("f4", "u1"))
    tracks = tracks_of([(2, 40, 4, 4), (2, 7, 4, 4), (1, 8, 4, 4), (1, 3, 4, 4)])
    extract_cells(movie, tracks, ImageStack(labels, "TCYX"), size=3)
    assert movie.read == labels.read == [3, 7, 8, 40]


def test_gaps_stay_gaps_and_rows_may_come_in_any_order(scene):
    movie, tracks, labels = scene
    shuffled = tracks.sample(frac=1, random_state=0)
    shuffled.index = shuffled.index % 3
    before = shuffled.copy()
    table = extract_cells(movie, shuffled, labels)
    pd.testing.assert_frame_equal(shuffled, before)
    pd.testing.assert_frame_equal(table, extract_cells(movie, tracks, labels))
    assert table.index.equals(pd.RangeIndex(len(table)))
    for row, (cell, of_cell) in zip(table.itertuples(), tracks.groupby("cell")):
        assert row.cell == cell and row.frame == of_cell["frame"].tolist()
        assert row.x == of_cell["x"].tolist()
        assert row.y == of_cell["y"].tolist()


def test_columns_of_the_tracks_are_lists_only_where_they_change():
    tracks = tracks_of([("a", 0, 4, 3), ("a", 1, 4, 3), ("b", 1, 5, 3)]).assign(
        parent=pd.array([None, None, "a"], "string"),
        donor=pd.Categorical(["d1", "d1", "d2"]),
        quality=[0.5, np.nan, 1.5],
        nothing=[np.nan] * 3,
        note=["x", None, "z"],
        area=[7, 8, 9],
        mixed=["x", 1, 2.5],
        field=[3, 3, 4],
    )
    labels = np.zeros((2, 7, 9), int)
    labels[:, :, 4], labels[:, :, 5] = 1, 2
    table = extract_cells(NUMBERED, tracks, labels, size=3)
    names = ["cell", "field", "parent", "donor", "nothing", "field_in_tracks", "movie", "frame"]
    names += ["x", "y", "padding", "label", "area", "at_edge", "cut", "touching", "shared"]
    assert list(table) == [*names, "quality", "note", "area_in_tracks", "mixed"]
    assert table["cell"].tolist() == ["a", "b"] and table["parent"].dtype == "string"
    assert table["parent"].isna().tolist() == [True, False]
    assert table["donor"].tolist() == ["d1", "d2"]
    np.testing.assert_array_equal(values(table, "quality"), [0.5, np.nan, 1.5])
    assert [list(row) for row in table["note"]] == [["x", None], ["z"]]
    assert [list(row) for row in table["area_in_tracks"]] == [[7, 8], [9]]
    assert [list(row) for row in table["mixed"]] == [["x", "1"], ["2.5"]]
    assert is_movie_dtype(table["movie"].dtype)


def test_columns_with_names_that_are_taken_are_not_lost():
    tracks = tracks_of([(1, 0, 4, 3)], padding=7, padding_in_tracks=8, movie=9)
    table = extract_cells(NUMBERED, tracks, size=3)
    found = table[["padding_in_tracks", "padding_in_tracks_in_tracks", "movie_in_tracks"]]
    assert found.values.tolist() == [[8, 7, 9]] and values(table, "padding").tolist() == [0]


def test_a_table_comes_back_from_disk_and_can_be_sampled(scene, tmp_path):
    movie, tracks, labels = scene
    tracks["parent"] = pd.array([None] * len(tracks), "Int64")
    table = extract_cells(movie, tracks.assign(speed=np.arange(len(tracks)) / 7), labels)
    write_cells(table, tmp_path / "cells.parquet")
    pd.testing.assert_frame_equal(read_cells(tmp_path / "cells.parquet"), table)
    first = RelativeTimeSampler(times=[0.0], frames="frame").fit_transform(table)
    expected = np.stack([movie[0] for movie in to_movies(table)])
    np.testing.assert_array_equal(to_images(first), expected)
    assert first["at_edge_0%"].tolist() == [float(row[0]) for row in table["at_edge"]]
    assert first["speed_0%"].tolist() == [row[0] for row in table["speed"]]


@pytest.mark.parametrize("group_bytes", [1, 5_000, 10**9])
def test_a_table_written_piece_by_piece_is_the_same(scene, tmp_path, monkeypatch, group_bytes):
    monkeypatch.setattr("sklearn_cellfate.table.MOVIE_GROUP_BYTES", group_bytes)
    movie, tracks, labels = scene
    table = extract_cells(movie, tracks, labels)
    write_cells(table, tmp_path / "cells.parquet")
    pd.testing.assert_frame_equal(read_cells(tmp_path / "cells.parquet"), table)
    write_cells(table.iloc[:0], tmp_path / "cells.parquet")
    assert list(read_cells(tmp_path / "cells.parquet")) == list(table)


def test_the_pixels_are_not_copied_on_the_way_into_the_table():
    import tracemalloc

    movie = np.ones((40, 1, 300, 300), "uint8")
    rows = [(cell, t, 150, 150) for cell in range(20) for t in range(40)]
    pixels = len(rows) * 150 * 150
    tracks = tracks_of(rows)
    tracemalloc.start()
    extract_cells(movie, tracks, size=150)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pixels < peak < 1.1 * pixels


@pytest.mark.slow
def test_memory_holds_the_crops_and_little_else():
    script = Path(__file__).parents[1] / "benchmarks" / "memory_extract.py"
    command = [sys.executable, script, "--frames", "25"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    crops = int(re.search(r"crops of (\d+) MB", printed)[1])
    peak, before = map(int, re.findall(r"(\d+) MB", printed)[-2:])
    assert crops == 12 and peak - before < 12 + 40, "the movie alone has 105 MB"


def test_a_progress_bar_on_request(scene, capsys):
    movie, tracks, _ = scene
    extract_cells(movie, tracks)
    assert capsys.readouterr().err == ""
    extract_cells(movie, tracks, verbose=1)
    assert "6/6" in capsys.readouterr().err
    extract_cells([movie, movie], [tracks, tracks], verbose=1)
    assert "2/2" in capsys.readouterr().err


# Fields of view --------------------------------------------------------------------------------


@pytest.fixture
def experiment():
    """Three fields with the same cell numbers."""
    return {f"A{i}": make_scene(i, n_cells=3 + i) for i in range(3)}


def in_dicts(experiment):
    return [{name: parts[k] for name, parts in experiment.items()} for k in range(3)]


def test_fields_are_put_below_each_other(experiment):
    table = extract_cells(*in_dicts(experiment))
    single = [extract_cells(*parts).assign(field=name) for name, parts in experiment.items()]
    pd.testing.assert_frame_equal(
        table, pd.concat(single, ignore_index=True).astype({"field": "str"})
    )
    assert table.groupby("field")["cell"].nunique().tolist() == [3, 4, 5]
    assert not table.duplicated(["field", "cell"]).any() and table["cell"].duplicated().any()


def test_lists_and_dicts_give_the_same_and_so_do_workers(experiment):
    stacks, tracks, labels = in_dicts(experiment)
    table = extract_cells(stacks, tracks, labels, mask="channel")
    of_list = extract_cells(*map(list, map(dict.values, (stacks, tracks, labels))), mask="channel")
    assert list(of_list["field"].unique()) == ["0", "1", "2"]
    names = of_list["field"].map(dict(zip("012", stacks)))
    pd.testing.assert_frame_equal(of_list.assign(field=names), table)
    named = [ImageStack(movie, "TCYX", name=name) for name, movie in stacks.items()]
    of_stacks = extract_cells(
        named, list(tracks.values()), list(labels.values()), mask="channel", n_jobs=2
    )
    pd.testing.assert_frame_equal(of_stacks, table)


def test_a_last_cell_and_a_first_cell_with_one_number_stay_apart():
    tracks = one(4, 3)
    table = extract_cells({"a": NUMBERED, "b": NUMBERED}, {"a": tracks, "b": tracks}, size=3)
    assert table[["field", "cell"]].values.tolist() == [["a", 1], ["b", 1]]


def test_a_column_is_a_list_if_it_changes_in_any_field():
    two = tracks_of([(1, 0, 4, 3), (1, 1, 4, 3)])
    tracks = [two.assign(z=[1, 1]), two.assign(z=[1, 2]), two]
    table = extract_cells([NUMBERED] * 3, tracks, size=3)
    assert [list(row) for row in table["z"]][:2] == [[1, 1], [1, 2]]
    assert np.isnan(values(table, "z")[4:]).all()


def test_a_field_without_cells_is_worth_a_warning(experiment):
    stacks, tracks, labels = in_dicts(experiment)
    tracks["A1"] = pd.DataFrame(columns=["cell", "frame", "x", "y"])
    with pytest.warns(UserWarning, match="tracks of fields 'A1' have no rows"):
        table = extract_cells(stacks, tracks, labels)
    assert list(table["field"].unique()) == ["A0", "A2"]
    assert table["cell"].dtype == np.int64


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_gives_the_same_table(experiment):
    import joblib
    from distributed import Client, LocalCluster

    expected = extract_cells(*in_dicts(experiment))
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        table = extract_cells(*in_dicts(experiment))
    pd.testing.assert_frame_equal(table, expected)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s, t, x: (s, list(t.values()), x), TypeError, "stack a dict, tracks a list"),
        (lambda s, t, x: (s, t["A0"], x), TypeError, "tracks a DataFrame"),
        (lambda s, t, x: (s, {"A0": t["A0"]}, x), ValueError, "tracks has the fields 'A0', stack"),
        (
            lambda s, t, x: (list(s.values()), [t["A0"]], None),
            ValueError,
            "found 3 stack, 1 tracks",
        ),
        (lambda s, t, x: ({}, {}, None), ValueError, "no field of view"),
        (
            lambda s, t, x: ([ImageStack(m, "TCYX") for m in s.values()], [*t.values()], None),
            ValueError,
            "3 fields have the name 'stack'; give dicts",
        ),
        (
            lambda s, t, x: (s | {"A1": s["A1"][:, :1]}, t, x),
            ValueError,
            "'A0' and 'A1' differ in number of channels: 2 and 1",
        ),
        (
            lambda s, t, x: (s | {"A1": s["A1"].astype("f4")}, t, x),
            ValueError,
            "'A0' and 'A1' differ in dtype: uint16 and float32",
        ),
        (
            lambda s, t, x: (s, t | {"A2": t["A2"].astype({"cell": str})}, x),
            ValueError,
            "differ in cells that are numbers",
        ),
        (
            lambda s, t, x: (s, t | {"A2": t["A2"].drop(columns="x")}, x),
            ValueError,
            "field 'A2': the tracks have no column 'x'",
        ),
        (lambda s, t, x: (s, t, x | {"A2": x["A2"][:3]}), ValueError, "field 'A2': labels are 3"),
    ],
)
def test_fields_that_do_not_fit(experiment, change, error, words):
    with pytest.raises(error, match=words):
        extract_cells(*change(*in_dicts(experiment)))


# Bad input -------------------------------------------------------------------------------------

GOOD = tracks_of([(1, 0, 4, 3), (1, 1, 4, 3), (2, 1, 5, 3)])


@pytest.mark.parametrize(
    ("tracks", "words"),
    [
        (GOOD.drop(columns="y"), "no column 'y'; they have 'cell', 'frame', 'x'"),
        (GOOD.iloc[:0], "no rows: there is no cell"),
        (pd.DataFrame(columns=["cell", "frame", "x", "y"]), "no rows: there is no cell"),
        (
            GOOD.assign(frame=[0, 2, 1]),
            "frames 0 to 2, .* 2 frames, 0 to 1: 1 rows .* cell 1",
        ),
        (GOOD.assign(frame=[1, 2, 2]), r"cell 1 in frame 2\. Are they counted from 1\?"),
        (GOOD.assign(frame=[8, 9, 9]), r"counted from 8\? read_tracks\(\.\.\., first_frame=8\)"),
        (GOOD.assign(frame=[8, 9, 10]), r"cell 1 in frame 8\.$"),
        (GOOD.assign(frame=[0, -1, 1]), "frames -1 to 1"),
        (
            GOOD.assign(frame=[0, 0.5, 1]),
            "1 of 3 rows .* not a whole number.* in frame 0.5",
        ),
        (GOOD.assign(frame=[0, np.nan, 1]), "frame is missing or infinite"),
        (GOOD.assign(frame=[0, 0, 1]), "1 rows .* repeat .* cell 1 in frame 0"),
        (GOOD.assign(x=[4, np.nan, 4]), "1 of 3 rows .* x is missing .* cell 1 in frame 1"),
        (
            GOOD.assign(y=[4, 4, np.inf]),
            "y is missing or infinite; .* cell 2 in frame 1",
        ),
        (
            GOOD.assign(x=[4, 4, 8.6]),
            "1 of 3 .* 7 x 9 pixels, first cell 2 in frame 1 at x=8.6",
        ),
        (GOOD.assign(y=[-0.6, 4, 4]), "y=-0.6. Are they in micrometres"),
        (GOOD.assign(x=["4", "4", "5"]), "column 'x' .* not numbers"),
        (GOOD.assign(cell=[1, None, 2]), "1 rows of the tracks have no cell"),
        (GOOD.assign(cell=pd.Series([1, "a", 2], dtype=object)), "mixes numbers and text"),
        (GOOD.assign(z=[1, 2, 3]).rename(columns={"z": "x"}), "two columns named 'x'"),
    ],
)
def test_tracks_that_cannot_be_used(tracks, words):
    with pytest.raises(ValueError, match=words):
        extract_cells(NUMBERED, tracks, size=3)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.ones((3, 7, 9), int), "labels are 3 frames of 7 x 9 pixels, the stack is 2 frames of"),
        (np.ones((2, 9, 7), int), "labels are 2 frames of 9 x 7 pixels"),
        (np.ones((2, 2, 7, 9), int), "has 2 channels, and a label image has one"),
        (np.full((2, 7, 9), 0.5), "0.5, and labels are whole numbers"),
        (np.full((2, 7, 9), -1), "-1, and labels are not negative"),
        (np.ones((2, 7, 9), bool), r"holds masks of True and False.* skimage\.measure\.label"),
        (np.ones((7, 9), int), r"neither \(T, H, W\)"),
    ],
)
def test_labels_that_cannot_be_used(labels, words):
    with pytest.raises(ValueError, match=words):
        extract_cells(NUMBERED, GOOD, labels, size=3)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ([0, 1, 1], "1 of 3 rows .* label_column 'own' .* 0 is the background .* cell 1 in frame"),
        ([1, -1, 1], "label_column 'own' is no label"),
        ([1, 1.5, 1], "label_column 'own' is no label"),
        (list("abc"), "label_column 'own' has dtype"),
        (None, "no column 'own'"),
    ],
)
def test_label_columns_that_cannot_be_used(own, words):
    tracks = GOOD if own is None else GOOD.assign(own=own)
    with pytest.raises(ValueError, match=words):
        extract_cells(NUMBERED, tracks, np.ones((2, 7, 9), int), size=3, label_column="own")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": 8}, "8 x 8 pixels is larger than field 'stack' of 7 x 9"),
        ({"size": (3, 10)}, "crop of 3 x 10"),
        ({"size": 0}, "size must be a whole number"),
        ({"size": 2.5}, "size must be a whole number"),
        ({"size": (1, 2, 3)}, "size must be a whole number"),
        ({"size": True}, "size must be a whole number"),
        ({"mask": "own"}, "mask must be 'apply', 'channel' or None, found 'own'"),
        ({"mask": "channel"}, "mask='channel' needs labels"),
        ({"label_column": "cell"}, "label_column='cell' is given but no labels"),
    ],
)
def test_arguments_that_cannot_be_used(arguments, words):
    with pytest.raises(ValueError, match=words):
        extract_cells(NUMBERED, GOOD, **{"size": 3} | arguments)


def test_things_of_the_wrong_kind():
    with pytest.raises(TypeError, match="tracks must be a DataFrame, found a str"):
        extract_cells(NUMBERED, "tracks.csv")
    with pytest.raises(TypeError, match="read_stack"):
        extract_cells("movie.tif", GOOD)
    with pytest.raises(TypeError, match="dtype bool"):
        extract_cells(NUMBERED > 5, GOOD)
    with pytest.raises(TypeError, match="column 'z' .* holds more than one value a row"):
        extract_cells(NUMBERED, GOOD.assign(z=[[1], [2], [3]]), size=3)


# Real data -------------------------------------------------------------------------------------


def test_t98g_says_where_positions_lie_beside_their_cells(shared_data):
    tifffile = pytest.importorskip("tifffile")
    folder = shared_data / "t98g_time_lapse"
    tracks = pd.read_csv(folder / "tracks.csv").rename(columns={"particle": "cell"})
    tracks[["x", "y"]] /= 0.87
    movie, labels = (tifffile.imread(folder / f"{name}.tif") for name in ("phase", "labels"))
    with pytest.warns(UserWarning, match='in 14 of 2641 rows .* label_column="cell"'):
        extract_cells(movie, tracks, labels, size=200)


@pytest.mark.filterwarnings("ignore:.* reach the border of their crop")
def test_t98g_cells_have_their_areas_and_lie_in_the_centre(shared_data):
    tifffile = pytest.importorskip("tifffile")
    folder = shared_data / "t98g_time_lapse"
    tracks = pd.read_csv(folder / "tracks.csv").rename(columns={"particle": "cell"})
    tracks[["x", "y"]] /= 0.87
    movie, labels = (tifffile.imread(folder / f"{name}.tif") for name in ("phase", "labels"))
    table = extract_cells(
        movie, tracks, labels, size=160, mask="channel", label_column="cell", verbose=0
    )
    assert len(table) == 105 and sum(map(len, table["frame"])) == len(tracks) == 2641
    assert (values(table, "label") > 0).all()
    whole = ~values(table, "cut")
    areas = values(table, "area_in_tracks") / 0.87**2
    # Two objects have a second piece outside the crop, which its border does not show.
    same = np.isclose(values(table, "area"), areas, rtol=1e-6)
    assert np.count_nonzero(~same & whole) == 2
    masks = np.concatenate(to_movies(table))[whole & same, -1].astype(float)
    for axis in (1, 2):
        along = masks.sum(axis=axis)
        centre = along @ np.arange(160) / along.sum(axis=1)
        assert np.abs(centre - 79.5).max() < 0.5 + 1e-6
