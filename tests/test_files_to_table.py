"""From the files of an experiment to a checked cell table, held against what is true of it."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from sklearn_cellfate import read_cells, to_movies, write_cells
from sklearn_cellfate.datasets import make_time_lapse
from sklearn_cellfate.feature_extraction import RegionProperties
from sklearn_cellfate.io import extract_cells, label_fates, read_labels, read_stack, read_tracks
from sklearn_cellfate.preprocessing import LargestObject, RelativeTimeSampler
from sklearn_cellfate.quality import drop_frames, flag_all, flag_hot_pixel, summarize_quality

SIZE = 28  # pixels: no nucleus is larger
SHORTEST = 5  # frames


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    return make_time_lapse(folder, n_defects=2, size=(280, 300), random_state=0)


@pytest.fixture(scope="module")
def tracks(experiment):
    """Tracks of each field, from TrackMate's XML; debris has spots but no track."""
    with pytest.warns(UserWarning, match="spots belong to no track and are left out"):
        return {row.field: read_tracks(row.tracks_xml) for row in experiment.paths.itertuples()}


@pytest.fixture(scope="module")
def table(experiment, tracks):
    paths = experiment.paths.set_index("field")
    return extract_cells(
        {field: read_stack(path) for field, path in paths["stack"].items()},
        tracks,
        {field: read_labels(path) for field, path in paths["labels"].items()},
        size=SIZE,
    )


@pytest.fixture(scope="module")
def truth(experiment, table):
    """What is true of each row of the table, found by the numbers of its spots."""
    frames = experiment.frames.dropna(subset="spot").set_index(["field", "spot"])["cell"]
    first_spot = [int(spots[0]) for spots in table["ID"]]
    cells = frames.loc[list(zip(table["field"], first_spot))].to_numpy()
    keys = pd.MultiIndex.from_arrays([table["field"], cells], names=["field", "cell"])
    return experiment.cells.set_index(["field", "cell"]).loc[keys].reset_index()


@pytest.fixture(scope="module")
def flagged(table):
    return flag_all(table, min_frames=SHORTEST)


def true_frames(experiment, truth):
    """The rows of the frame-wise truth in the order of the table's lists."""
    seen = experiment.frames[experiment.frames["tracked"]].set_index(["field", "cell", "frame"])
    order = pd.MultiIndex.from_frame(truth[["field", "cell"]])
    frames = seen.reset_index("frame").sort_values("frame", kind="stable")
    return pd.concat([frames.loc[[key]] for key in order], ignore_index=True)


def lists(column):
    return np.concatenate([np.asarray(values) for values in column])


# Reading --------------------------------------------------------------------------------------


def test_the_files_read_as_they_were_written(experiment):
    for row in experiment.paths.itertuples():
        stack, labels = read_stack(row.stack), read_labels(row.labels)
        assert (stack.name, stack.pixel_size) == (row.field, experiment.pixel_size)
        np.testing.assert_array_equal(np.asarray(stack), tifffile.imread(row.stack))
        np.testing.assert_array_equal(np.asarray(labels)[:, 0], tifffile.imread(row.labels))


def test_tracks_of_the_csv_are_those_of_the_truth_in_pixels(experiment):
    row = experiment.paths.iloc[0]
    with pytest.warns(UserWarning, match="spots belong to no track"):
        tracks = read_tracks(row["tracks_csv"], pixel_size=experiment.pixel_size)
    expected = experiment.frames[experiment.frames["tracked"]].query("field == 'field_1'")
    np.testing.assert_array_equal(tracks[["cell", "frame"]], expected[["cell", "frame"]])
    np.testing.assert_allclose(tracks[["x", "y"]], expected[["x", "y"]], atol=1e-9)
    assert tracks["parent"].isna().all(), "a CSV has no lineage"


def test_families_of_the_xml_are_those_of_the_truth(table, truth):
    cell_of_row = dict(zip(zip(table["field"], table["cell"]), truth["cell"]))
    parents = [
        pd.NA if pd.isna(parent) else cell_of_row[field, parent]
        for field, parent in zip(table["field"], table["parent"])
    ]
    pd.testing.assert_series_equal(pd.Series(parents, dtype="Int64", name="parent"), truth.parent)
    assert truth["parent"].notna().sum() >= 4


def test_fates_are_those_of_the_truth(experiment, tracks, table, truth):
    for field, of_field in tracks.items():
        rows = (table["field"] == field).to_numpy()
        expected, number = truth[rows], table["cell"][rows]
        died = expected["end"].to_numpy() == "death"
        deaths = dict(zip(number[died], expected["last_frame"][died]))
        assert died.any() and (expected["end"] == "mitosis").any()
        fates = label_fates(of_field, deaths=deaths).set_index("cell").loc[number]
        names = {"mitosis": "divides", "death": "dies", "lost": "censored"}
        assert fates["fate"].tolist() == expected["end"].replace(names).tolist()
        assert fates["time"].tolist() == expected["last_frame"].tolist()
        assert fates["lost"].tolist() == (expected["end"] == "lost").tolist()
        np.testing.assert_array_equal(fates["born"], expected["daughter"])
        # A tracker does not see that a cell dies: to the tracks alone it is lost.
        without = label_fates(of_field).set_index("cell").loc[number[died]]
        assert (without["fate"] == "censored").all() and without["lost"].all()


# Cutting --------------------------------------------------------------------------------------


def test_every_cell_has_a_row_and_every_tracked_frame_a_crop(experiment, table, truth):
    assert not truth.duplicated(["field", "cell"]).any()
    assert len(truth) == len(experiment.cells)
    frames = true_frames(experiment, truth)
    np.testing.assert_array_equal(lists(table["frame"]), frames["frame"])
    np.testing.assert_allclose(lists(table["x"]), frames["x"], atol=1e-9)
    np.testing.assert_allclose(lists(table["y"]), frames["y"], atol=1e-9)
    assert [len(movie) for movie in to_movies(table)] == [len(f) for f in table["frame"]]


def test_pixels_are_those_cut_by_hand(experiment, table):
    for row in experiment.paths.itertuples():
        before = ((0, 0), (SIZE, SIZE), (SIZE, SIZE))
        stack = np.pad(tifffile.imread(row.stack), ((0, 0), *before))
        labels = np.pad(tifffile.imread(row.labels), before)
        of_field = table[table["field"] == row.field]
        for frames, xs, ys, movie in zip(
            of_field["frame"], of_field["x"], of_field["y"], to_movies(of_field)
        ):
            for frame, x, y, crop in zip(frames, xs, ys, movie):
                # The crop of even size whose centre lies nearest to the position.
                top, left = (int(np.ceil(p - SIZE / 2)) + SIZE for p in (y, x))
                window = np.s_[..., top : top + SIZE, left : left + SIZE]
                own = labels[frame, int(np.ceil(y - 0.5)) + SIZE, int(np.ceil(x - 0.5)) + SIZE]
                mask = (labels[frame][window] == own) & (own > 0)
                np.testing.assert_array_equal(crop, stack[frame][window] * mask)


def test_what_is_said_of_each_frame_is_true(experiment, table, truth):
    frames = true_frames(experiment, truth)
    label = frames["label"].where(frames["on_mask"], 0)
    np.testing.assert_array_equal(lists(table["label"]), label)
    for name in ("at_edge", "touching"):
        np.testing.assert_array_equal(lists(table[name]), frames[name] & frames["on_mask"])
    np.testing.assert_array_equal(lists(table["shared"]), frames["merged"])
    assert not lists(table["cut"])[~frames["at_edge"] & ~frames["merged"]].any()
    with_debris = np.repeat(truth["debris"], [len(f) for f in table["frame"]]).to_numpy()
    alone = (frames["on_mask"] & ~frames["merged"]).to_numpy() & ~with_debris
    np.testing.assert_array_equal(lists(table["area"])[alone], frames["area"][alone])


# Checking -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flag, defects",
    [
        ("edge", ["edge"]),
        ("daughter", ["daughter", "late"]),
        ("merged", ["touching", "merged"]),
        ("gap", ["gap"]),
        ("short", ["short"]),
        ("off_mask", ["off_mask"]),
        ("debris", ["debris"]),
    ],
)
def test_each_flag_takes_the_cells_that_have_its_defects_and_no_other(
    flag, defects, flagged, truth
):
    expected = truth[defects].any(axis=1)
    assert expected.sum() >= 2
    # What a cell at the edge shows of itself changes with the drift, as after a merger.
    judged = ~truth["edge"] if flag == "merged" else slice(None)
    np.testing.assert_array_equal(flagged[f"flag_{flag}"][judged], expected[judged])


def test_hot_pixels_are_found_in_their_frames_and_can_be_cut_out(experiment, table, truth):
    marked = flag_hot_pixel(table)
    np.testing.assert_array_equal(marked["flag_hot_pixel"], truth["hot_pixel"])
    marked = marked[marked["flag_hot_pixel"]]
    hits = experiment.hot_pixels.dropna(subset="cell").set_index(["field", "cell"])
    hits = hits.loc[pd.MultiIndex.from_frame(marked[["field", "cell"]])]
    assert set(hits["channel"]) == {0, 1}
    for frames, hot, hit in zip(marked["frame"], marked["hot_pixel"], hits["frame"]):
        assert np.asarray(frames)[np.asarray(hot)].tolist() == [hit]
    cut = drop_frames(marked, "hot_pixel")
    assert not flag_hot_pixel(cut)["flag_hot_pixel"].any()
    assert not any(hit in frames for hit, frames in zip(hits["frame"], cut["frame"]))


def test_every_clean_cell_is_kept_and_no_other(flagged, truth):
    taken = flagged.filter(like="flag_").any(axis=1)
    np.testing.assert_array_equal(taken, ~truth["clean"])
    assert truth["clean"].sum() == 20


def test_debris_with_the_label_of_a_nucleus_is_removed_by_largest_object(experiment, table, truth):
    has_debris = truth["debris"].to_numpy()
    areas = RegionProperties(["area"])
    whole = lists(areas.fit_transform(table[has_debris])["area"])
    cleaned = LargestObject().fit_transform(table[has_debris])
    nucleus = lists(areas.fit_transform(cleaned)["area"])
    expected = true_frames(experiment, truth[has_debris])["area"]
    assert (whole > expected).all()
    np.testing.assert_array_equal(nucleus, expected)


def test_the_flow_says_how_many_cells_are_left(flagged, truth):
    flow = summarize_quality(flagged)
    assert flow.loc["gap", "flagged"] == truth["gap"].sum()
    assert (
        flow["remaining"].iloc[-1] == len(truth) - flagged.filter(like="flag_").any(axis=1).sum()
    )


# Measuring ------------------------------------------------------------------------------------


def test_measured_features_are_those_that_the_tracker_measured(experiment, table, truth):
    row = experiment.paths.iloc[0]
    with pytest.warns(UserWarning, match="spots belong to no track"):
        tracks = read_tracks(row["tracks_csv"], pixel_size=experiment.pixel_size)
    kept = (table["field"] == row["field"]).to_numpy() & truth["clean"].to_numpy()
    names = ["area", "intensity_mean"]
    measured = RegionProperties(names, pixel_size=experiment.pixel_size).fit_transform(table[kept])
    tracks = tracks.set_index("cell").loc[truth["cell"][kept]]
    columns = ["AREA", "MEAN_INTENSITY_CH1", "MEAN_INTENSITY_CH2"]
    for name, column in zip(measured, columns):
        np.testing.assert_allclose(lists(measured[name]), tracks[column], rtol=1e-9)


def test_first_frames_tell_the_activity_of_the_kinase(table, truth):
    clean = truth["clean"].to_numpy()
    first = RelativeTimeSampler([0.0]).fit_transform(
        RegionProperties(["fret_ratio"]).fit_transform(table[clean])
    )
    assert np.corrcoef(first["fret_ratio_0%"], truth["true_erk"][clean])[0, 1] > 0.9


def test_the_checked_table_survives_the_disk(flagged, tmp_path):
    path = tmp_path / "cells.parquet"
    write_cells(flagged, path)
    pd.testing.assert_frame_equal(read_cells(path), flagged)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
def test_no_experiment_fools_the_chain(seed, tmp_path):
    experiment = make_time_lapse(tmp_path, n_fields=1, n_frames=16, random_state=seed)
    paths = experiment.paths.iloc[0]
    with pytest.warns(UserWarning, match="spots belong to no track"):
        tracks = read_tracks(paths["tracks_csv"], pixel_size=experiment.pixel_size)
    table = extract_cells(
        read_stack(paths["stack"]), tracks, read_labels(paths["labels"]), size=SIZE
    )
    flags = flag_all(table, min_frames=SHORTEST).filter(like="flag_")
    truth = experiment.cells
    assert table["cell"].tolist() == truth["cell"].tolist()
    np.testing.assert_array_equal(flags.any(axis=1), ~truth["clean"])


def test_what_tracks_say_in_words_is_sampled_with_the_frames(experiment, tracks):
    paths = experiment.paths.iloc[0]
    spoken = tracks[paths["field"]]
    spoken = spoken.assign(phase=np.where(spoken["frame"] == spoken["frame"].min(), "G1", "S"))
    cells = extract_cells(read_stack(paths["stack"]), spoken, size=SIZE)
    ends = RelativeTimeSampler(times=[0, 1], frames="frame").fit_transform(cells)
    at_start = [frames[0] == spoken["frame"].min() for frames in cells["frame"]]
    assert ends["phase_0%"].tolist() == np.where(at_start, "G1", "S").tolist()
    assert set(ends["phase_100%"]) == {"S"}
