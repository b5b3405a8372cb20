"""Quality flags: known answers on small cell tables, frames cut everywhere, bad input named."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_cellfate import movie_column, read_cells, to_movies, write_cells
from sklearn_cellfate.preprocessing import RelativeTimeSampler
from sklearn_cellfate.quality import (
    drop_frames,
    flag_after_mitosis,
    flag_all,
    flag_cut,
    flag_daughter,
    flag_debris,
    flag_edge,
    flag_gap,
    flag_hot_pixel,
    flag_merged,
    flag_off_mask,
    flag_short,
    summarize_quality,
)


def lists(values, value_type=None):
    """Make a list column as extract_cells does."""
    value_type = pa.bool_() if value_type is None else value_type
    array = pa.array(values, pa.list_(value_type))
    return pd.arrays.ArrowExtensionArray(pa.chunked_array([array]))


def table_of(**columns):
    """Make a cell table; what extraction gives a frame becomes a list column."""
    types = {"frame": pa.int64(), "padding": pa.int64(), "label": pa.int64(), "area": pa.int64()}
    return pd.DataFrame(
        {
            name: values
            if name in ("cell", "field", "parent", "movie", "drug")
            else lists(values, types.get(name))
            for name, values in columns.items()
        }
    )


def films(*lengths, n_channels=2, size=4):
    """Movies of ones, in which nothing is hot."""
    return [np.ones((n, n_channels, size, size), dtype=np.float32) for n in lengths]


def clean_table():
    """Three cells without a defect, with every column that extract_cells gives."""
    n_frames = [12, 12, 12]
    movies = films(*n_frames)
    return table_of(
        cell=[1, 2, 3],
        field=["a", "a", "b"],
        parent=pd.array([None, None, None], dtype="Int64"),
        movie=movie_column(movies),
        frame=[list(range(n)) for n in n_frames],
        padding=[[0] * n for n in n_frames],
        label=[[cell] * n for cell, n in zip([1, 2, 3], n_frames)],
        area=[[16] * n for n in n_frames],
        at_edge=[[False] * n for n in n_frames],
        cut=[[False] * n for n in n_frames],
        touching=[[False] * n for n in n_frames],
        shared=[[False] * n for n in n_frames],
    )


ALL_FLAGS = [
    "flag_edge",
    "flag_daughter",
    "flag_after_mitosis",
    "flag_merged",
    "flag_hot_pixel",
    "flag_gap",
    "flag_short",
    "flag_off_mask",
    "flag_cut",
    "flag_debris",
]


# Each flag, known answers ---------------------------------------------------------------------


def test_edge_is_where_the_own_mask_reaches_the_border_of_the_field():
    table = table_of(at_edge=[[False, True], [False, False], []], padding=[[0, 0], [3, 0], []])
    flagged = flag_edge(table)
    assert flagged["flag_edge"].tolist() == [True, False, False]
    assert flagged["flag_edge"].dtype == bool
    assert "edge" not in flagged, "at_edge says which frames already"


def test_edge_without_masks_is_where_the_crop_is_padded():
    flagged = flag_edge(table_of(padding=[[0, 0], [3, 0]]))
    assert flagged["flag_edge"].tolist() == [False, True]
    assert flagged["edge"].tolist() == [[False, False], [True, False]]


def test_merged_is_touching_or_sharing_a_label():
    table = table_of(
        touching=[[False, True], [False, False], [False, False]],
        shared=[[False, False], [True, False], [False, False]],
    )
    flagged = flag_merged(table)
    assert flagged["flag_merged"].tolist() == [True, True, False]
    assert flagged["merged"].tolist() == [[False, True], [True, False], [False, False]]
    assert flag_merged(table, by=["shared"])["flag_merged"].tolist() == [False, True, False]


def test_merged_is_an_area_above_its_running_median_until_it_is_back():
    area = [100, 110, 90, 105] + [200] * 30 + [104, 0, 100]
    flagged = flag_merged(table_of(area=[area]), area_jump=1.6, window=5)
    marked = flagged["merged"].tolist()[0]
    assert marked == [False] * 4 + [True] * 30 + [False] * 3, "longer than the window too"
    assert not flag_merged(table_of(area=[area]), area_jump=2.0)["flag_merged"][0]


def test_slow_growth_and_a_lost_mask_are_no_merger():
    growing = np.round(100 * 1.02 ** np.arange(100)).astype(int).tolist()  # to sevenfold
    lost = [100, 0, 0, 100]
    never, first = [0, 0], [50]
    table = table_of(area=[growing, lost, never, first, []])
    assert not flag_merged(table)["flag_merged"].any()


def test_the_median_does_not_learn_from_frames_that_touch_a_neighbour():
    touching = [[False, False, True, True, True, False]]
    area = [[100, 100, 190, 190, 190, 170]]
    flagged = flag_merged(table_of(area=area, touching=touching), window=3)
    assert flagged["merged"].tolist()[0] == [False, False, True, True, True, True]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 40), max_size=12), min_size=1, max_size=4),
    st.integers(1, 5),
)
def test_running_median_agrees_with_one_cell_and_one_frame_at_a_time(areas, window):
    marked = flag_merged(table_of(area=areas), area_jump=1.5, window=window)["merged"].tolist()
    for area, found in zip(areas, marked):
        normal, expected = [], []
        for now in area:
            jump = bool(normal) and now > 1.5 * np.median(normal[-window:])
            expected.append(jump)
            if now > 0 and not jump:
                normal.append(now)
        assert found == expected


def test_daughters_have_a_parent_or_were_not_there_at_the_start():
    table = table_of(
        frame=[[0, 1], [0, 1], [1, 2], []], parent=pd.array([None, 7, None, None], dtype="Int64")
    )
    assert flag_daughter(table)["flag_daughter"].tolist() == [False, True, True, False]
    late = flag_daughter(table, first_frame=1)
    assert late["flag_daughter"].tolist() == [False, True, False, False]
    by_parent = flag_daughter(table.drop(columns="frame"))
    assert by_parent["flag_daughter"].tolist() == [False, True, False, False]
    by_frame = flag_daughter(table.drop(columns="parent"))
    assert by_frame["flag_daughter"].tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("cell", "parent"),
    [
        ([1, 2, 3, 4], pd.array([None, 1, 1, None], dtype="Int64")),
        ([1, 2, 3, 4], [np.nan, 1.0, 1.0, np.nan]),
        (["m", "n", "o", "p"], pd.array([None, "m", "m", None], dtype="string")),
    ],
)
def test_after_mitosis_is_from_the_first_frame_of_the_first_daughter(cell, parent):
    frames = [[0, 1, 2, 5, 6], [5, 6], [6], [0, 6]]
    flagged = flag_after_mitosis(table_of(cell=cell, parent=parent, frame=frames))
    assert flagged["flag_after_mitosis"].tolist() == [True, False, False, False]
    assert flagged["after_mitosis"].tolist()[0] == [False, False, False, True, True]


def test_a_mother_that_ends_before_her_daughters_has_no_frame_after_mitosis():
    table = table_of(cell=[1, 2], parent=[None, 1], frame=[[0, 1], [2, 3]])
    assert not flag_after_mitosis(table)["flag_after_mitosis"].any()


def test_daughters_count_in_their_own_field_only():
    table = table_of(
        cell=[1, 1, 2],
        field=["a", "b", "b"],
        parent=pd.array([None, None, 1], dtype="Int64"),
        frame=[[0, 1, 2], [0, 1, 2], [1, 2]],
    )
    assert flag_after_mitosis(table)["flag_after_mitosis"].tolist() == [False, True, False]
    with pytest.raises(ValueError, match=r"cell 1 has 2 rows \(the table has no column 'field'\)"):
        flag_after_mitosis(table.drop(columns="field"))
    with pytest.raises(ValueError, match=r"cell 1 has 2 rows \(in field 'a'\)"):
        flag_after_mitosis(table.assign(field="a"))


def test_parents_and_cells_of_different_kinds_are_refused_not_unrelated():
    table = table_of(cell=[1, 2], parent=[None, "1"], frame=[[0, 1], [1]])
    with pytest.raises(ValueError, match="'cell' holds 1 but column 'parent' '1'"):
        flag_after_mitosis(table)


def test_gaps_are_holes_in_the_frame_numbers_of_one_cell():
    table = table_of(frame=[[0, 1, 2], [0, 2], [9], [], [3, 4]])
    assert flag_gap(table)["flag_gap"].tolist() == [False, True, False, False, False]
    with pytest.raises(ValueError, match="column 'frame' has 4 after 4 in row 1"):
        flag_gap(table_of(frame=[[9], [3, 4, 4]]))


def test_short_counts_frames_or_else_the_movie():
    table = table_of(frame=[[0, 1, 2], [0, 2], []], movie=movie_column(films(3, 2, 0)))
    for cells in (table, table[["movie"]]):
        assert flag_short(cells, min_frames=3)["flag_short"].tolist() == [False, True, True]
    enough, one_less = [list(range(11))], [list(range(10))]
    assert flag_short(table_of(frame=enough + one_less))["flag_short"].tolist() == [False, True]


def test_off_mask_is_label_0_and_on_request_another_label():
    table = table_of(label=[[5, 5, 5], [5, 0, 5], [5, 6, 6], [7, 8], [0, 0]])
    assert flag_off_mask(table)["flag_off_mask"].tolist() == [False, True, False, False, True]
    assert flag_off_mask(table, same_label=False).equals(flag_off_mask(table))
    strict = flag_off_mask(table, same_label=True)
    assert strict["flag_off_mask"].tolist() == [False, True, True, True, True]
    assert strict["off_mask"].tolist()[1:4] == [
        [False, True, False],
        [True, False, False],
        [False, True],
    ]


@pytest.mark.parametrize(("n_kept", "tracked"), [(9, True), (8, False)])
def test_labels_are_tracked_if_nine_of_ten_cells_keep_theirs(n_kept, tracked):
    kept = [[cell, 0, cell] for cell in range(1, n_kept + 1)]
    changing = [[50, 50, 51]] * (10 - n_kept)
    once = [[60], [61, 0], [0, 0]]  # which say nothing of it
    marked = flag_off_mask(table_of(label=kept + changing + once))["off_mask"]
    assert marked.tolist()[:n_kept] == [[False, True, False]] * n_kept
    assert marked.tolist()[n_kept] == [False, False, tracked]


def test_cut_is_where_the_own_mask_reaches_the_border_of_the_crop():
    flagged = flag_cut(table_of(cut=[[False, True], [False, False], []]))
    assert flagged["flag_cut"].tolist() == [True, False, False]
    assert drop_frames(flagged, "cut")["flag_cut"].tolist() == [False, False, False]


# Debris ---------------------------------------------------------------------------------------


def movie_in_pieces(*sizes_of_second, side=8):
    """A frame each: an object of 9 pixels, and apart from it one of the given size, in a row."""
    movie = np.zeros((len(sizes_of_second), 2, side, side), dtype=np.uint16)
    movie[:, 1, 1:4, 1:4] = 7
    for frame, size in zip(movie, sizes_of_second):
        frame[0, 6, :size] = 5  # seen in the other channel
    return movie


def debris_of(*movies, **options):
    return flag_debris(pd.DataFrame({"movie": movie_column(list(movies))}), **options)


def test_debris_is_a_second_piece_of_at_least_min_pixels():
    flagged = debris_of(movie_in_pieces(0, 2, 3, 4, 0), movie_in_pieces(0, 0))
    assert flagged["debris"].tolist() == [[False, False, True, True, False], [False, False]]
    assert flagged["flag_debris"].tolist() == [True, False]
    assert debris_of(movie_in_pieces(0, 2, 3, 4, 0), min_pixels=4)["debris"].tolist() == [
        [False, False, False, True, False]
    ]


def test_pieces_that_share_a_corner_are_one_and_frames_are_not_connected():
    movie = np.zeros((3, 1, 6, 6))
    movie[1, 0, :2, :2] = movie[1, 0, 2:4, 2:4] = 1
    movie[0, 0, 4:, 4:] = movie[2, 0, :2, 4:] = 1
    assert not debris_of(movie)["flag_debris"][0]


def test_a_nucleus_that_falls_to_pieces_at_the_end_dies():
    dies, always = movie_in_pieces(0, 4, 0, 4, 4), movie_in_pieces(4, 4, 4)
    flagged = debris_of(dies, always)
    assert flagged["debris"].tolist() == [[False, True, False, False, False], [True] * 3]
    flagged = debris_of(dies, always, at_end=True)
    assert flagged["debris"].tolist() == [[False, True, False, True, True], [True] * 3]


def test_debris_is_looked_for_in_the_mask_channel_or_where_there_is_no_background():
    raw = np.full((3, 2, 8, 8), 100, dtype=np.uint16)
    raw[:, 1] = movie_in_pieces(0, 4, 0).any(axis=1)
    table = pd.DataFrame({"movie": movie_column([raw]), "area": [[9, 13, 9]]})
    flagged = flag_debris(table, mask_channel=-1)
    assert flagged["debris"].tolist() == [[False, True, False]]
    with pytest.raises(ValueError, match="background is 0, .* row 0 has 64 positive .* is 9"):
        flag_debris(table)
    masked = table.assign(movie=movie_column([raw * raw[:, 1:]]))
    assert flag_debris(masked)["debris"].tolist() == [[False, True, False]]
    with pytest.warns(UserWarning, match=r"debris \(needs the column 'area' or mask_channel\)"):
        flag_all(masked.drop(columns="area"))


@pytest.mark.parametrize("seed", range(5))
def test_debris_agrees_with_one_frame_at_a_time(seed):
    from scipy.ndimage import label

    rng = np.random.default_rng(seed)
    movies = [(rng.random((n, 2, 9, 11)) < 0.12).astype("uint8") for n in (1, 60, 7, 300)]
    expected = []
    for frame in np.concatenate(movies):
        pieces = label(frame.any(axis=0), np.ones((3, 3)))[0]
        expected.append(np.sort(np.bincount(pieces.ravel())[1:])[::-1][1:2].sum() >= 4)
    found = debris_of(*movies, min_pixels=4, at_end=True)["debris"]
    assert np.concatenate(found.tolist()).tolist() == expected
    assert 0.05 < np.mean(expected) < 0.95


# Hot pixels -----------------------------------------------------------------------------------


def hot_by_definition(image, threshold):
    """Compare each pixel with every other."""
    return any(
        all(image.flat[i] - image.flat[j] > threshold for j in range(image.size) if j != i)
        for i in range(image.size)
    )


def test_hot_is_more_than_the_threshold_above_every_other_pixel_of_the_ratio():
    movie = films(4)[0]
    movie[1, 0, 2, 3] = 5.0  # exactly 4 above the others
    movie[2, 0, 2, 3] = 5.1
    movie[3, 0, 2, 2:] = 9.0  # two of them: neither is above the other
    flagged = flag_hot_pixel(pd.DataFrame({"movie": movie_column([movie, movie[:2]])}))
    assert flagged["hot_pixel"].tolist() == [[False, False, True, False], [False, False]]
    assert flagged["flag_hot_pixel"].tolist() == [True, False]


def test_channel_threshold_and_mask_can_be_chosen():
    movie = films(2, n_channels=3)[0]
    movie[0, 1, 0, 0] = 0.1  # the ratio stands out either way up
    movie[1, 2, 3, 3] = 100
    table = pd.DataFrame({"movie": movie_column([movie])})

    def frames(**parameters):
        return flag_hot_pixel(table, **parameters)["hot_pixel"].tolist()[0]

    assert frames() == frames(channel=(1, 0)) == [True, False]
    assert frames(channel=(0, 2)) == [False, True]
    assert frames(channel=2) == [False, True]
    assert frames(channel=2, threshold=99) == [False, False]
    masked = movie.copy()
    masked[:, 2] = 1
    masked[0, 2, 0, 0] = 0  # the hot pixel is outside the cell
    table = pd.DataFrame({"movie": movie_column([masked])})
    assert frames(mask_channel=-1) == [False, False]


def test_pixels_without_a_ratio_are_background():
    movie = films(4)[0]
    movie[0, 1, 0, 0] = 0  # 1 / 0
    movie[1, :, 0, 0] = 0  # 0 / 0
    movie[2, :, 0, 0] = -9, -1
    movie[3, 1, 0, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flagged = flag_hot_pixel(pd.DataFrame({"movie": movie_column([movie])}))
    assert flagged["hot_pixel"].tolist() == [[False] * 4]


def test_integer_pixels_are_not_compared_modulo_their_range():
    movie = np.full((2, 1, 3, 3), 250, dtype=np.uint8)
    movie[1, 0, 1, 1] = 255
    table = pd.DataFrame({"movie": movie_column([movie])})
    assert flag_hot_pixel(table, channel=0)["hot_pixel"].tolist() == [[False, True]]


def test_a_single_pixel_is_above_no_other():
    table = pd.DataFrame({"movie": movie_column([np.full((2, 1, 1, 1), 9.0)])})
    assert not flag_hot_pixel(table, channel=0)["flag_hot_pixel"][0]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=5),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 2**16),
)
def test_frames_keep_their_places_however_movies_fall_into_batches(lengths, height, width, seed):
    rng = np.random.default_rng(seed)
    movies = [rng.random((n, 1, height, width), dtype=np.float32) for n in lengths]
    marked = [rng.random(n) < 0.1 for n in lengths]
    for movie, hot in zip(movies, marked):
        movie[hot, 0, rng.integers(height), rng.integers(width)] = 9
    if height == width == 1:
        marked = [np.zeros_like(hot) for hot in marked]
    flagged = flag_hot_pixel(pd.DataFrame({"movie": movie_column(movies)}), channel=0)
    assert flagged["hot_pixel"].tolist() == [hot.tolist() for hot in marked]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**16), st.floats(0, 3))
def test_agrees_with_the_definition(seed, threshold):
    images = np.random.default_rng(seed).gamma(1, 1, (5, 2, 3, 4)).astype(np.float32)
    flagged = flag_hot_pixel(
        pd.DataFrame({"movie": movie_column([images])}), channel=0, threshold=threshold
    )
    expected = [hot_by_definition(image.astype(float), threshold) for image in images[:, 0]]
    assert flagged["hot_pixel"].tolist() == [expected]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"channel": (0, 2)}, "3 channels for channel=(0, 2), but the movies in column 'movie'"),
        ({"channel": 2}, "3 channels for channel=2, but the movies in column 'movie' have 2"),
        ({"channel": (0, 1, 1)}, "one channel or the two of a ratio"),
        ({"channel": (0, -1)}, "one channel or the two of a ratio"),
        ({"channel": -1}, "'channel' parameter"),
        ({"channel": "cfp"}, "'channel' parameter"),
        ({"threshold": -1}, "'threshold' parameter"),
        ({"mask_channel": 2}, "mask_channel=2 is none of the 2 channel(s)"),
        ({"mask_channel": -1}, "mask_channel=-1 is one of the channels to look at, (0, 1)"),
    ],
)
def test_hot_pixel_refuses_channels_that_are_not_there(parameters, message):
    table = pd.DataFrame({"movie": movie_column(films(2))})
    with pytest.raises(ValueError) as error:
        flag_hot_pixel(table, **parameters)
    assert message in str(error.value)


# drop_frames ----------------------------------------------------------------------------------


def numbered_movies(*lengths):
    """Movies whose pixels are the number of the cell and the frame."""
    return [
        np.full((n, 1, 2, 2), 100 * cell, dtype=np.uint16)
        + np.arange(n, dtype=np.uint16)[:, None, None, None]
        for cell, n in enumerate(lengths)
    ]


@pytest.fixture
def cells_to_cut():
    types = {"frame": pa.int64(), "x": pa.float64()}
    columns = {
        "frame": [[0, 1, 2, 3], [5], [6, 9]],
        "x": [[0.5, 1.5, 2.5, 3.5], [5.5], [6.5, 9.5]],
        "hot_pixel": [[False, True, False, False], [False], [True, False]],
        "after_mitosis": [[False, False, False, True], [False], [False, False]],
    }
    table = pd.DataFrame({name: lists(v, types.get(name)) for name, v in columns.items()})
    table["movie"] = movie_column(numbered_movies(4, 1, 2))
    table["drug"] = ["a", "b", "c"]
    return table


def test_marked_frames_leave_the_movie_and_every_list(cells_to_cut):
    before = cells_to_cut.copy()
    cut = drop_frames(cells_to_cut, "hot_pixel", "after_mitosis")
    assert cut["frame"].tolist() == [[0, 2], [5], [9]]
    assert cut["x"].tolist() == [[0.5, 2.5], [5.5], [9.5]]
    assert cut["hot_pixel"].tolist() == [[False, False], [False], [False]]
    pixels = [movie[:, 0, 0, 0].tolist() for movie in to_movies(cut)]
    assert pixels == [[0, 2], [100], [201]]
    assert cut["drug"].tolist() == ["a", "b", "c"]
    assert cut.dtypes.equals(before.dtypes) and list(cut) == list(before)
    assert cells_to_cut.equals(before), "the input is left alone"


def test_a_cut_table_is_a_cell_table(cells_to_cut, tmp_path):
    cut = drop_frames(cells_to_cut, "hot_pixel")
    write_cells(cut, tmp_path / "cells.parquet")
    assert read_cells(tmp_path / "cells.parquet").equals(cut)
    sampled = RelativeTimeSampler(2, frames="frame").fit_transform(cut[["movie", "frame"]])
    assert list(sampled) == ["movie_0%", "movie_100%"]
    again = drop_frames(cut, "hot_pixel")
    assert again.equals(cut)


def test_nothing_marked_cuts_nothing(cells_to_cut):
    table = drop_frames(cells_to_cut, "hot_pixel", "after_mitosis")
    assert drop_frames(table, "hot_pixel").equals(table)


def test_a_cell_that_loses_all_frames_stays_with_a_warning(cells_to_cut):
    cells_to_cut["hot_pixel"] = lists([[True] * 4, [False], [True, True]])
    cells_to_cut["flag_hot_pixel"] = [True, False, True]
    with pytest.warns(UserWarning, match="2 of 3 cells have no frame left .* first is row 0"):
        cut = drop_frames(cells_to_cut, "hot_pixel")
    assert len(cut) == 3 and cut["frame"].tolist() == [[], [5], []]
    assert [len(movie) for movie in to_movies(cut)] == [0, 1, 0]
    assert cut["flag_hot_pixel"].tolist() == [True, False, True], "nothing is left to judge anew"
    assert flag_short(cut, min_frames=1)["flag_short"].tolist() == [True, False, True]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drop_frames(cut, "hot_pixel")  # had none before: not lost by this call


def test_flags_that_stand_for_frames_become_those_of_the_frames_left(cells_to_cut):
    flagged = cells_to_cut.assign(
        flag_hot_pixel=[True, False, True],
        flag_after_mitosis=[True, False, False],
        flag_edge=[True, True, False],
        at_edge=lists([[False, True, False, False], [True], [False, False]]),
        flag_daughter=[True, True, True],
    )
    cut = drop_frames(flagged, "hot_pixel")
    assert cut["flag_hot_pixel"].tolist() == [False, False, False]
    assert cut["flag_after_mitosis"].tolist() == [True, False, False]
    assert cut["flag_edge"].tolist() == [False, True, False]
    assert cut["flag_daughter"].tolist() == [True, True, True], "a flag of whole cells"
    assert cut.filter(like="flag_").dtypes.eq(bool).all()


def test_lists_of_python_objects_stay_what_they_are():
    table = pd.DataFrame(
        {
            "hot_pixel": [[True, False], [False, False]],
            "frame": [np.array([3, 4]), np.array([7, 8])],
            "note": [("x", "y"), ("z", "w")],
            "absent": [None, [1, 2]],
        },
        index=["same", "same"],
    )
    cut = drop_frames(table, "hot_pixel")
    assert cut["hot_pixel"].tolist() == [[False], [False, False]]
    assert cut["note"].tolist() == [("y",), ("z", "w")]
    assert isinstance(cut["frame"].iloc[0], np.ndarray) and cut["frame"].iloc[0].tolist() == [4]
    assert cut["absent"].tolist() == [None, [1, 2]]
    assert cut.index.tolist() == ["same", "same"]


def test_a_missing_list_stays_missing(cells_to_cut):
    cells_to_cut["area"] = lists([[1, 2, 3, 4], None, [7, 8]], pa.int64())
    cut = drop_frames(cells_to_cut, "hot_pixel")
    assert cut["area"].isna().tolist() == [False, True, False]
    assert cut["area"].iloc[[0, 2]].tolist() == [[1, 3, 4], [8]]


def test_large_lists_and_sliced_tables_are_cut_too(cells_to_cut):
    cells_to_cut["x"] = pd.arrays.ArrowExtensionArray(
        pa.chunked_array([pa.array(cells_to_cut["x"].tolist(), pa.large_list(pa.float64()))])
    )
    part = pd.concat([cells_to_cut.iloc[2:], cells_to_cut.iloc[:1]])
    cut = drop_frames(part, "hot_pixel")
    assert cut["x"].tolist() == [[9.5], [0.5, 2.5, 3.5]]
    assert [movie[:, 0, 0, 0].tolist() for movie in to_movies(cut)] == [[201], [0, 2, 3]]
    assert cut["x"].dtype == cells_to_cut["x"].dtype and cut.index.tolist() == [2, 0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.booleans(), max_size=6), min_size=1, max_size=5))
def test_what_is_left_is_what_was_not_marked(marks):
    frames = [list(range(len(mark))) for mark in marks]
    movies = [np.array(f, dtype=float).reshape(-1, 1, 1, 1) for f in frames]
    table = table_of(hot_pixel=marks, frame=frames, movie=movie_column(movies))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cut = drop_frames(table, "hot_pixel")
    expected = [[f for f, gone in zip(*row) if not gone] for row in zip(frames, marks)]
    assert cut["frame"].tolist() == expected
    assert [movie.ravel().tolist() for movie in to_movies(cut)] == expected


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((), "at least one list column"),
        (("hot",), "no column 'hot' to cut frames by; it has 'frame', 'x', 'hot_pixel'"),
        (("frame",), "column 'frame' must hold lists of booleans, found int64"),
        (("drug",), "column 'drug' must hold lists, one value a frame"),
        (("movie",), "column 'movie' must hold lists of booleans"),
        (
            ("hot_pixel", "flag"),
            "column 'flag' must hold lists, one value a frame, found one bool",
        ),
        (("lost",), "column 'lost' has no list in 1 of 3 rows (the first is row 1)"),
        (("unsure",), "column 'unsure' has no value in 1 of 7 frames (the first is in row 2)"),
        (("one_less",), "row 0 has 4 values in column 'frame' but 3 in column 'one_less'"),
        (("hot_pixel", "one_less"), "row 0 has 3 values in column 'one_less' but 4 in column"),
    ],
)
def test_columns_that_cannot_be_cut_by_are_named(cells_to_cut, columns, message):
    more = {
        "flag": [True, False, False],
        "lost": lists([[True] * 4, None, [True, False]]),
        "unsure": lists([[True] * 4, [True], [None, False]]),
        "one_less": lists([[True] * 3, [True], [True, False]]),
    }
    table = cells_to_cut.assign(**{name: more[name] for name in columns if name in more})
    with pytest.raises(ValueError) as error:
        drop_frames(table, *columns)
    assert message in str(error.value)


# flag_all and summarize_quality ---------------------------------------------------------------


def test_flag_all_finds_nothing_in_clean_cells():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flagged = flag_all(clean_table())
    assert list(flagged.filter(like="flag_")) == ALL_FLAGS
    assert not flagged[ALL_FLAGS].to_numpy().any()
    assert flagged[list(clean_table())].equals(clean_table())


def test_flag_all_finds_each_planted_defect_in_its_cell_and_frame():
    table = pd.concat([clean_table()] * 4, ignore_index=True).iloc[:10]
    table["cell"] = range(1, 11)
    table["field"] = "a"
    edge, daughter, mother, merged, hot, gap, short, off, cut_off, debris = range(10)
    values = {
        name: table[name].tolist() for name in ("frame", "at_edge", "touching", "label", "cut")
    }
    values["at_edge"][edge][3] = True
    values["frame"][daughter] = list(range(4, 16))
    values["touching"][merged][5] = True
    values["frame"][gap][6:] = range(7, 13)
    values["label"][off][2] = 0
    values["cut"][cut_off][11] = True
    for name, value in values.items():
        table[name] = lists(value, table[name].dtype.pyarrow_dtype.value_type)
    table["parent"] = pd.array([None, 3, *[None] * 8], dtype="Int64")
    movies = [movie.copy() for movie in to_movies(table)]
    movies[hot][7, 0, 1, 1] = 50
    movies[debris][4, :, 3] = 0
    movies[debris][4, :, 2] = 0
    movies[debris][4, :, 3, :3] = 1
    table["movie"] = movie_column(movies)
    flagged = flag_all(table)
    expected = np.zeros((10, 10), dtype=bool)
    order = [edge, daughter, mother, merged, hot, gap, short, off, cut_off, debris]
    for column, row in enumerate(order):
        expected[row, column] = column != ALL_FLAGS.index("flag_short")
    np.testing.assert_array_equal(flagged[ALL_FLAGS], expected)
    assert flagged["after_mitosis"].tolist()[mother] == [False] * 4 + [True] * 8
    assert np.flatnonzero(flagged["hot_pixel"].tolist()[hot]).tolist() == [7]
    cut = drop_frames(flagged, "after_mitosis", "hot_pixel")
    clean = cut[~cut.filter(like="flag_").any(axis=1)]
    assert clean["cell"].tolist() == [mother + 1, hot + 1, short + 1]
    assert [len(movie) for movie in to_movies(clean)] == [4, 11, 12]


def test_flag_all_says_what_it_could_not_judge():
    table = table_of(frame=[[0, 1, 2]], movie=movie_column(films(3, n_channels=1)))
    with pytest.warns(UserWarning) as warned:
        flagged = flag_all(table, min_frames=2)
    assert list(flagged.filter(like="flag_")) == ["flag_daughter", "flag_gap", "flag_short"]
    message = str(warned[0].message)
    assert message.startswith(
        "7 of 10 flags could not be judged: edge (needs the column 'at_edge'"
    )
    for reason in ("after_mitosis (needs the column 'cell')", "hot_pixel (needs 2 channels"):
        assert reason in message
    assert warned[0].filename == __file__


def test_flag_all_hands_its_parameters_on():
    table = clean_table()
    area = [[20] * 6 + [28] * 6] * 3
    flagged = flag_all(
        table.assign(area=lists(area, pa.int64())),
        area_jump=1.3,
        min_frames=13,
        channel=0,
        threshold=0,
    )
    assert flagged["flag_merged"].all() and flagged["flag_short"].all()
    by_label = flag_all(
        table.assign(area=lists(area, pa.int64()), label=lists([[1, 2] * 6] * 3, pa.int64())),
        area_jump=1.3,
        merged_by=["touching"],
        same_label=True,
        first_frame=3,
    )
    assert not by_label["flag_merged"].any() and by_label["flag_off_mask"].all()


def test_a_column_that_is_there_but_broken_is_an_error_not_a_warning():
    table = clean_table().assign(label=lists([[1] * 12, None, [3] * 12], pa.int64()))
    with pytest.raises(ValueError, match="column 'label' has no list in 1 of 3 rows .* row 1"):
        flag_all(table)


def test_flagging_again_replaces_the_flags_in_their_places():
    once = flag_all(clean_table())
    twice = flag_all(once)
    assert twice.equals(once)
    again = flag_short(once, min_frames=20)
    assert list(again) == list(once) and again["flag_short"].all()


def test_summary_tells_the_flow_of_the_study():
    # 1827 cells: 250 at the edge, 150 daughters of which 50 are at the edge too, and so on.
    n = 1827
    flags = {name: np.zeros(n, dtype=bool) for name in ("edge", "daughter", "merged")}
    flags["edge"][:250] = True
    flags["daughter"][200:350] = True
    flags["merged"][300:442] = True
    table = pd.DataFrame({f"flag_{name}": flag for name, flag in flags.items()})
    summary = summarize_quality(table)
    assert summary.index.tolist() == ["edge", "daughter", "merged"]
    assert summary["flagged"].tolist() == [250, 150, 142]
    assert summary["taken"].tolist() == [250, 100, 92]
    assert summary["remaining"].tolist() == [1577, 1477, 1385]
    assert summary["frames"].isna().all()
    clean = table[~table.any(axis=1)]
    assert len(clean) == summary["remaining"].iloc[-1]
    other_order = summarize_quality(table, ["merged", "flag_edge"])
    assert other_order["taken"].tolist() == [142, 250]


def test_summary_counts_frames_where_a_flag_stands_for_frames():
    table = table_of(
        at_edge=[[True, True, False], [False], [False]],
        label=[[1, 1, 1], [0], [1]],
        frame=[[0, 1, 2], [0], [0]],
    )
    summary = summarize_quality(flag_off_mask(flag_gap(flag_edge(table))))
    assert summary["frames"].fillna(-1).tolist() == [2, -1, 1]
    assert summary["remaining"].tolist() == [2, 2, 1]


@pytest.mark.parametrize("dtype", ["boolean", "bool[pyarrow]", object])
def test_summary_reads_booleans_of_any_dtype(dtype):
    table = pd.DataFrame({"flag_edge": pd.Series([True, False], dtype=dtype)})
    assert summarize_quality(table)["remaining"].tolist() == [1]


@pytest.mark.parametrize(
    ("table", "flags", "message"),
    [
        (pd.DataFrame({"cell": [1]}), None, "no column 'flag_...'"),
        (pd.DataFrame({"flag_gap": [True]}), ["edge"], "no column 'flag_edge'; its flags are"),
        (pd.DataFrame({"flag_gap": [True]}), [], "no column to summarize"),
        (pd.DataFrame({"flag_gap": [True]}), "gap", "must be a list of names"),
        (pd.DataFrame({"flag_gap": [1, 2]}), None, "'flag_gap' must be boolean, found int64"),
        (
            pd.DataFrame({"flag_gap": pd.array([True, None], dtype="boolean")}),
            None,
            "column 'flag_gap' has no value in 1 of 2 rows (the first is row 1)",
        ),
    ],
)
def test_summary_names_the_flag_that_is_absent_or_unusable(table, flags, message):
    with pytest.raises(ValueError) as error:
        summarize_quality(table, flags)
    assert message in str(error.value)


# All flags: containers and bad input ----------------------------------------------------------

SINGLE = [
    flag_edge,
    flag_daughter,
    flag_after_mitosis,
    flag_merged,
    flag_hot_pixel,
    flag_gap,
    flag_short,
    flag_off_mask,
    flag_cut,
    flag_debris,
]
EVERY_FLAG = pytest.mark.parametrize("flag", SINGLE, ids=lambda flag: flag.__name__)


@EVERY_FLAG
def test_the_table_is_copied_and_keeps_its_index(flag):
    table = clean_table()
    table.index = ["x", "y", "y"]
    before = table.copy()
    flagged = flag(table)
    assert table.equals(before) and flagged.index.equals(table.index)
    assert flagged[flag.__name__].dtype == bool and not flagged[flag.__name__].any()


@EVERY_FLAG
def test_no_rows_give_an_empty_flag(flag):
    flagged = flag(clean_table().iloc[:0])
    assert len(flagged) == 0 and flagged[flag.__name__].dtype == bool


@EVERY_FLAG
def test_cells_without_frames_are_judged_without_error(flag):
    table = clean_table()
    for name in table.columns:
        if isinstance(table[name].dtype, pd.ArrowDtype) and name != "movie":
            table[name] = lists([[], [], []], table[name].dtype.pyarrow_dtype.value_type)
    table["movie"] = movie_column(films(0, 0, 0))
    assert flag(table)[flag.__name__].eq(flag is flag_short).all()


@EVERY_FLAG
def test_lists_of_python_objects_and_after_parquet_give_the_same_flags(flag, tmp_path):
    table = clean_table().iloc[[2, 0, 1]]
    write_cells(table, tmp_path / "cells.parquet")
    again = flag(read_cells(tmp_path / "cells.parquet"))
    objects = table.copy()
    for name in table.columns:
        if isinstance(table[name].dtype, pd.ArrowDtype) and name != "movie":
            objects[name] = pd.Series(table[name].tolist(), index=table.index, dtype=object)
    expected = flag(table)[flag.__name__]
    pd.testing.assert_series_equal(again[flag.__name__], expected)
    pd.testing.assert_series_equal(flag(objects)[flag.__name__], expected)


@EVERY_FLAG
def test_missing_columns_are_named_and_errors_survive_a_worker(flag):
    with pytest.raises(ValueError, match=rf"{flag.__name__} needs .*, but the table has only 'd"):
        flag(pd.DataFrame({"drug": ["a"]}))
    with pytest.raises(ValueError) as error:
        flag(pd.DataFrame({"drug": ["a"]}))
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)
    with pytest.raises(TypeError, match="must be a pandas DataFrame .* found list"):
        flag([1, 2])


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        (flag_edge, "at_edge"),
        (flag_daughter, "frame"),
        (flag_after_mitosis, "frame"),
        (flag_merged, "touching"),
        (flag_merged, "shared"),
        (flag_merged, "area"),
        (flag_gap, "frame"),
        (flag_short, "frame"),
        (flag_off_mask, "label"),
        (flag_cut, "cut"),
        (flag_debris, "area"),
    ],
)
def test_missing_values_and_wrong_types_are_refused_by_column(flag, name):
    table = clean_table()
    good = table[name].tolist()
    value_type = table[name].dtype.pyarrow_dtype.value_type
    no_list = lists([good[0], None, good[2]], value_type)
    with pytest.raises(ValueError, match=f"'{name}' has no list in 1 of 3 rows .* row 1"):
        flag(table.assign(**{name: no_list}))
    no_value = lists([good[0], good[1], [None, *good[2][1:]]], value_type)
    with pytest.raises(ValueError, match=f"'{name}' has no value in 1 of 36 frames .* in row 2"):
        flag(table.assign(**{name: no_value}))
    with pytest.raises(ValueError, match=f"'{name}' must hold lists of .*, found string"):
        flag(table.assign(**{name: lists([["x"] * 12] * 3, pa.string())}))
    with pytest.raises(ValueError, match=f"'{name}' must hold lists, one value a frame"):
        flag(table.assign(**{name: 1}))
    table.insert(0, name, 1, allow_duplicates=True)
    with pytest.raises(ValueError, match=f"2 columns named '{name}'"):
        flag(table)


def test_whole_numbers_that_pandas_made_floats_are_read():
    table = table_of(frame=[[0, 1]]).assign(frame=lists([[0.0, 2.0]], pa.float64()))
    assert flag_gap(table)["flag_gap"][0]
    with pytest.raises(ValueError, match="'frame' must hold lists of whole numbers, found double"):
        flag_gap(table.assign(frame=lists([[0.0, 1.5]], pa.float64())))


def test_columns_of_unequal_lengths_are_refused():
    table = table_of(area=[[1, 2]], touching=[[False]])
    with pytest.raises(ValueError, match="row 0 has 2 values in column 'area' but 1 in column 't"):
        flag_merged(table)


def test_a_row_without_a_movie_is_named():
    table = pd.DataFrame({"movie": movie_column(films(2, 1))}).reindex([0, 1, 2])
    with pytest.raises(ValueError, match="column 'movie' has no value in 1 of 3 rows"):
        flag_hot_pixel(table)
    two = table.iloc[:2].assign(second=movie_column(films(2, 1)))
    with pytest.raises(ValueError, match="one movie column, found 2: 'movie', 'second'"):
        flag_hot_pixel(two)


def test_a_column_of_the_users_own_is_not_replaced_by_marks():
    table = clean_table().assign(merged=["yes", "no", "no"])
    with pytest.raises(ValueError, match="a column 'merged' of its own"):
        flag_merged(table)


@pytest.mark.parametrize(
    ("flag", "parameter"),
    [
        (flag_daughter, {"first_frame": -1}),
        (flag_merged, {"area_jump": 1.0}),
        (flag_merged, {"window": 0}),
        (flag_merged, {"by": ["colour"]}),
        (flag_merged, {"by": []}),
        (flag_merged, {"by": "area"}),
        (flag_short, {"min_frames": 0}),
        (flag_off_mask, {"same_label": "yes"}),
        (flag_debris, {"min_pixels": 0}),
        (flag_debris, {"mask_channel": 2}),
    ],
)
def test_parameters_are_checked(flag, parameter):
    with pytest.raises(ValueError, match=next(iter(parameter))):
        flag(clean_table(), **parameter)
