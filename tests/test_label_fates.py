"""label_fates: small families with known ends, and what a film cannot tell."""

import warnings

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from sklearn_cellfate.io import label_fates


def tracks_of(lives, parents=None):
    """Tracks of cells given by their frames: {cell: frames} and {cell: parent}."""
    rows = [
        (cell, frame, 1.0, 2.0, (parents or {}).get(cell, pd.NA))
        for cell, frames in lives.items()
        for frame in frames
    ]
    table = pd.DataFrame(rows, columns=["cell", "frame", "x", "y", "parent"])
    return table.astype({"parent": "Int64" if isinstance(rows[0][0], int) else "string"})


# Film of frames 0 to 9. 1 divides into 2 and 3; 2 dies, 3 is there to the end; 4 is lost; 5 comes
# late and stays.
FAMILY = tracks_of(
    {1: range(0, 4), 2: range(4, 8), 3: [5, 6, 8, 9], 4: range(0, 3), 5: range(6, 10)},
    {2: 1, 3: 1},
)


def test_each_kind_of_end():
    fates = label_fates(FAMILY, n_frames=10, deaths=[2])
    expected = pd.DataFrame(
        {
            "cell": [1, 2, 3, 4, 5],
            "fate": ["divides", "dies", "censored", "censored", "censored"],
            "time": [3, 7, 9, 2, 9],
            "lifetime": [3, 3, 4, 2, 3],
            "born": [False, True, True, False, False],
            "lost": [False, False, False, True, False],
            "daughters": [2, 0, 0, 0, 0],
            "start": [0, 4, 5, 0, 6],
        }
    )
    assert_frame_equal(fates, expected)


def test_the_order_of_the_rows_and_other_columns_do_not_matter():
    shuffled = FAMILY.sample(frac=1, random_state=0).assign(area=3.0).drop(columns=["x", "y"])
    assert_frame_equal(label_fates(shuffled), label_fates(FAMILY))


def test_the_film_ends_with_the_last_frame_unless_its_length_is_given():
    assert label_fates(FAMILY)["lost"].tolist() == [False, True, False, True, False]
    longer = label_fates(FAMILY, n_frames=12)
    assert longer["lost"].tolist() == [False, True, True, True, True]
    assert longer["time"].tolist() == label_fates(FAMILY)["time"].tolist()
    with pytest.raises(ValueError, match="tracks go on to frame 9; expected frames below n_frame"):
        label_fates(FAMILY, n_frames=9)


def test_a_mother_that_keeps_her_number_divides_before_her_other_daughter():
    tracks = tracks_of({1: range(0, 8), 2: range(4, 8)}, {2: 1})
    for min_daughters in (1, 2):  # she is one of her own daughters
        fates = label_fates(tracks, min_daughters=min_daughters)
        assert fates["fate"].tolist() == ["divides", "censored"]
        assert fates["time"].tolist() == [3, 7]
        assert fates["lifetime"].tolist() == [3, 3]
        assert fates["born"].tolist() == [False, True]


def test_a_gap_before_the_division_is_not_counted_as_seen():
    tracks = tracks_of({1: [0, 1, 2, 9], 2: [6, 7], 3: [7, 9]}, {2: 1, 3: 1})
    assert label_fates(tracks)["time"][0] == 2


def test_one_daughter_is_enough_unless_two_are_asked_for():
    tracks = tracks_of({1: range(0, 4), 2: range(4, 8)}, {2: 1})
    one = label_fates(tracks)
    assert one["fate"].tolist() == ["divides", "censored"] and one["born"].tolist() == [
        False,
        True,
    ]
    two = label_fates(tracks, min_daughters=2)
    assert two["fate"].tolist() == ["censored", "censored"]
    assert two["lost"].tolist() == [True, False]
    assert two["born"].tolist() == [False, False]  # found again, not born
    assert two["daughters"].tolist() == [1, 0]
    with pytest.raises(ValueError, match="min_daughters is 0"):
        label_fates(tracks, min_daughters=0)


@pytest.mark.parametrize("gap", [1, 4])
def test_a_single_daughter_after_a_gap_is_the_same_cell_found_again(gap):
    # As the Cell Tracking Challenge writes it; 3, the daughter's daughter, follows at once.
    tracks = tracks_of({1: range(0, 4), 2: range(4 + gap, 10), 3: range(10, 12)}, {2: 1, 3: 2})
    fates = label_fates(tracks).set_index("cell")
    assert fates["fate"].tolist() == ["censored", "divides", "censored"]
    assert fates["time"].tolist() == [3, 9, 11]
    assert fates["lost"].tolist() == [True, False, False]
    assert fates["born"].tolist() == [False, False, True]
    assert fates["daughters"].tolist() == [1, 1, 0]


def test_two_daughters_after_a_gap_make_a_division():
    tracks = tracks_of({1: range(0, 4), 2: range(6, 10), 3: range(7, 10)}, {2: 1, 3: 1})
    fates = label_fates(tracks)
    assert fates["fate"].tolist() == ["divides", "censored", "censored"]
    assert fates["time"][0] == 3 and fates["born"].tolist() == [False, True, True]


def test_a_mother_outside_the_tracks_still_bore_her_daughter():
    fates = label_fates(tracks_of({2: range(4, 8)}, {2: 77}), min_daughters=2)
    assert fates["born"].tolist() == [True]


def test_cells_with_names():
    fates = label_fates(
        tracks_of({"a": [0, 1], "b": [2], "c": [2]}, {"b": "a", "c": "a"}), deaths={"b"}
    )
    assert fates["cell"].tolist() == ["a", "b", "c"]
    assert fates["fate"].tolist() == ["divides", "dies", "censored"]


@pytest.mark.parametrize(
    ("deaths", "time"),
    [
        ([4], 2),
        ({4}, 2),
        (np.array([4]), 2),
        (pd.Index([4]), 2),
        ({4: 1}, 1),
        ({4: 8}, 8),  # out of sight, known from elsewhere
        (pd.Series([1], index=[4]), 1),
    ],
)
def test_deaths_may_be_given_with_or_without_their_frames(deaths, time):
    fates = label_fates(FAMILY, deaths=deaths).set_index("cell")
    assert fates.loc[4, ["fate", "time", "lifetime"]].tolist() == ["dies", time, time]
    assert not fates.loc[4, "lost"]
    assert (fates["fate"] == "dies").sum() == 1


def test_deaths_may_be_marked_in_a_column():
    dead = (FAMILY["cell"] == 5) & (FAMILY["frame"] >= 8)  # debris that is tracked on
    always = FAMILY["cell"] == 4
    fates = label_fates(FAMILY.assign(dead=dead | always), deaths="dead").set_index("cell")
    assert fates.loc[5, ["fate", "time", "lifetime"]].tolist() == ["dies", 8, 2]
    assert fates.loc[4, ["fate", "time"]].tolist() == ["dies", 2]
    nobody = label_fates(FAMILY.assign(dead=False), deaths="dead")
    assert_frame_equal(nobody, label_fates(FAMILY))


@pytest.mark.parametrize(
    ("deaths", "message"),
    [
        ([1], "cells 1 are named in deaths, but divide"),
        ([9, 4], "deaths names cells that are not in tracks: 9"),
        (
            {5: 4},
            "deaths says frame 4 for cell 5; expected a whole number from its first frame, 6",
        ),
        ({5: 7.5}, "deaths says frame 7.5 for cell 5"),
        ({5: np.nan}, "deaths says frame nan for cell 5"),
        ({5: 10}, "cells 5 die in frame 10 or later; expected frames below n_frames=10"),
        ("dead", "tracks has no column 'dead'; it has 'cell', 'frame'"),
        ("x", "column 'x' has dtype float64; expected True and False"),
    ],
)
def test_impossible_deaths_are_refused(deaths, message):
    with pytest.raises(ValueError, match=message):
        label_fates(FAMILY, deaths=deaths)


@pytest.mark.parametrize(
    ("tracks", "message"),
    [
        (FAMILY.drop(columns="frame"), "tracks has no column 'frame'"),
        (FAMILY[:0], "tracks has no rows"),
        (pd.concat([FAMILY, FAMILY[:1]]), "tracks: cell 1 has several rows in frame 0"),
        (FAMILY.assign(frame=FAMILY["frame"] + 0.5), "frame is 0.5 in row 0"),
        (tracks_of({1: [0, 5], 2: [0]}, {2: 1}), "parent of cell 2 is 1, which starts in frame 0"),
        (FAMILY.assign(parent=FAMILY["frame"] % 2 + 100), "cell 1 has several parents"),
    ],
)
def test_impossible_tracks_are_refused(tracks, message):
    with pytest.raises(ValueError, match=message):
        label_fates(tracks)


@pytest.mark.parametrize("column", [{}, {"parent": pd.NA}])
def test_tracks_without_any_parent_are_pointed_out(column):
    tracks = FAMILY.drop(columns="parent").assign(**column)
    with pytest.warns(UserWarning, match="no cell of these tracks has a parent, so no division"):
        fates = label_fates(tracks)
    assert (fates["fate"] == "censored").all() and not fates["born"].any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        label_fates(FAMILY)


def test_tracks_stay_as_they_were():
    before = FAMILY.copy()
    label_fates(FAMILY, deaths=[2])
    assert_frame_equal(FAMILY, before)


def test_times_and_events_recover_a_known_rate_of_division_although_films_are_short():
    # Cells divide at a constant rate; the film ends at frame 20, and some are lost before. The
    # rate is events over time at risk; the mean over the cells that are seen to divide is far off.
    rng = np.random.default_rng(0)
    rate, n_cells, n_frames = 0.03, 4000, 21
    division = rng.geometric(rate, n_cells)
    lost = rng.geometric(0.01, n_cells)
    last = np.minimum(np.minimum(division, lost), n_frames - 1)
    divides = (division <= last) & (division < n_frames - 1)
    cells = np.arange(n_cells)
    rows = pd.DataFrame({"cell": np.repeat(cells, last + 1)})
    rows["frame"] = rows.groupby("cell").cumcount()
    mothers = np.repeat(cells[divides], 2)
    daughters = pd.DataFrame(
        {"cell": n_cells + np.arange(len(mothers)), "frame": last[mothers] + 1, "parent": mothers}
    )
    fates = label_fates(pd.concat([rows, daughters]), n_frames=n_frames)[:n_cells]
    events = fates["fate"] == "divides"
    assert events.tolist() == divides.tolist()
    assert events.sum() / fates["lifetime"].sum() == pytest.approx(rate, rel=0.06)
    assert 1 / fates.loc[events, "lifetime"].mean() > 3 * rate
    assert (fates["lost"] == (~divides & (last < n_frames - 1))).all()
