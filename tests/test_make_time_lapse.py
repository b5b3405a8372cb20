"""make_time_lapse: files as programs write them, and a truth that agrees with the files."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy import ndimage

from sklearn_cellfate.datasets import make_time_lapse

DEFECTS = {
    **{"edge": 1, "touching": 2, "merged": 2, "late": 1, "short": 1},
    **{"gap": 1, "off_mask": 1, "hot_pixel": 1, "debris": 1},
}
HOT = 40_000  # counts, far above any nucleus


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return make_time_lapse(tmp_path_factory.mktemp("experiment"), random_state=0)


@pytest.fixture(scope="module")
def pictures(experiment):
    """Counts and labels of each field."""
    return {
        row.field: (tifffile.imread(row.stack), tifffile.imread(row.labels))
        for row in experiment.paths.itertuples()
    }


@pytest.fixture(scope="module")
def tables(experiment):
    """TrackMate's table of spots of each field, without the three rows below the header."""
    return {
        row.field: pd.read_csv(row.tracks_csv, skiprows=[1, 2, 3])
        for row in experiment.paths.itertuples()
    }


@pytest.fixture(scope="module")
def models(experiment):
    """TrackMate's XML of each field."""
    return {
        row.field: ElementTree.parse(row.tracks_xml).getroot()
        for row in experiment.paths.itertuples()
    }


def of_field(table, field):
    return table[table["field"] == field]


# Files ----------------------------------------------------------------------------------------


def test_it_writes_four_files_a_field_and_the_truth_a_few_megabytes_in_all(experiment):
    folder = experiment.paths["stack"][0].parent
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*.*")}
    expected = [
        f"field_{k}{end}"
        for k in (1, 2)
        for end in (".ome.tif", "_labels.tif", "_tracks.csv", "_tracks.xml")
    ]
    names = ["cells", "debris", "drift", "frames", "hot_pixels"]
    expected += [f"truth/{name}.parquet" for name in names]
    assert sorted(files) == sorted(expected)
    assert sum(path.stat().st_size for path in files.values()) < 15e6
    for name in names:
        saved = pd.read_parquet(folder / "truth" / f"{name}.parquet")
        pd.testing.assert_frame_equal(saved, experiment[name])


def test_the_stack_says_its_axes_its_channels_and_its_pixel_size(experiment):
    with tifffile.TiffFile(experiment.paths["stack"][0]) as file:
        series = file.series[0]
        assert (series.axes, series.shape, series.dtype) == ("TCYX", (24, 2, 200, 200), np.uint16)
        pixels = ElementTree.fromstring(file.ome_metadata).find(".//{*}Pixels")
    assert (pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeXUnit")) == ("1.24", "µm")
    assert float(pixels.get("TimeIncrement")) == experiment.frame_interval * 3600 == 3 * 3600
    assert [channel.get("Name") for channel in pixels.findall("{*}Channel")] == ["CFP", "YFP"]
    with tifffile.TiffFile(experiment.paths["labels"][0]) as file:
        series = file.series[0]
        assert (series.axes, series.shape, series.dtype) == ("TYX", (24, 200, 200), np.uint16)


def test_labels_of_a_frame_are_numbered_without_holes_and_anew_in_each_frame(pictures):
    for _, labels in pictures.values():
        for frame in labels:
            present = np.unique(frame)
            np.testing.assert_array_equal(present, np.arange(len(present)))
        assert len({frame.max() for frame in labels}) > 1


def test_the_csv_has_trackmates_header_and_units(experiment):
    with open(experiment.paths["tracks_csv"][0]) as file:
        header = [file.readline().rstrip("\n").split(",") for _ in range(5)]
    column = header[0].index("POSITION_X")
    assert [line[column] for line in header[:4]] == ["POSITION_X", "X", "X", "(micron)"]
    assert header[4][0].startswith("ID") and len(header[4]) == len(header[0])


def test_positions_in_the_csv_are_micrometres(experiment, tables):
    for field, table in tables.items():
        spots = of_field(experiment.frames, field).dropna(subset="spot").set_index("spot")
        found = table.dropna(subset="TRACK_ID").set_index("ID")
        expected = spots.loc[found.index]
        np.testing.assert_array_equal(found["TRACK_ID"], expected["cell"])
        np.testing.assert_array_equal(found["FRAME"], expected["frame"])
        np.testing.assert_allclose(found["POSITION_X"], expected["x"] * 1.24)
        np.testing.assert_allclose(found["POSITION_Y"], expected["y"] * 1.24)
        np.testing.assert_allclose(found["AREA"], expected["area"] * 1.24**2)


def test_csv_and_xml_have_the_same_spots(tables, models):
    for field, model in models.items():
        spots = pd.DataFrame([spot.attrib for spot in model.iter("Spot")])
        columns = ["ID", "FRAME", "POSITION_X", "POSITION_Y", "AREA"]
        spots = spots[columns].astype(float).sort_values("ID", ignore_index=True)
        table = tables[field][columns].astype(float).sort_values("ID", ignore_index=True)
        pd.testing.assert_frame_equal(spots, table)
        declared = int(model.find("Model/AllSpots").get("nspots"))
        assert declared == len(spots)


def test_tracks_of_the_xml_are_families_linked_forward_in_time(experiment, models):
    for field, model in models.items():
        frames = of_field(experiment.frames, field).dropna(subset="spot")
        frames = frames.set_index("spot")
        truth = of_field(experiment.cells, field).set_index("cell")
        n_parents = 0
        for track in model.iter("Track"):
            ends = [[edge.get(f"SPOT_{end}_ID") for end in ("SOURCE", "TARGET")] for edge in track]
            source, target = (frames.loc[list(map(int, spots))] for spots in zip(*ends))
            assert (source["frame"].to_numpy() < target["frame"].to_numpy()).all()
            born = source["cell"].to_numpy() != target["cell"].to_numpy()
            daughters = target["cell"].to_numpy()[born]
            assert (truth["parent"][daughters] == source["cell"].to_numpy()[born]).all()
            n_parents += born.sum()
        assert n_parents == truth["parent"].notna().sum() > 0
        visible = {track.get("TRACK_ID") for track in model.iter("TrackID")}
        assert visible == {track.get("TRACK_ID") for track in model.iter("Track")}


# Lives ----------------------------------------------------------------------------------------


def test_every_end_of_a_life_occurs_among_the_clean_cells_of_each_field(experiment):
    for _, cells in experiment.cells.groupby("field"):
        assert set(cells.loc[cells["clean"], "end"]) == {"mitosis", "death", "censored"}


def test_a_mother_ends_where_her_two_daughters_begin(experiment):
    for _, cells in experiment.cells.groupby("field"):
        cells = cells.set_index("cell")
        mothers = cells.index[cells["end"] == "mitosis"]
        daughters = cells.dropna(subset="parent")
        assert (daughters["parent"].value_counts().loc[mothers] == 2).all()
        assert len(daughters) == 2 * len(mothers)
        expected = cells["last_frame"][daughters["parent"]].to_numpy() + 1
        np.testing.assert_array_equal(daughters["first_frame"], expected)


def test_cells_are_seen_from_their_first_frame_to_their_last(experiment):
    seen = experiment.frames.groupby(["field", "cell"])["frame"].agg(["min", "max", "size"])
    cells = experiment.cells.set_index(["field", "cell"])
    at_edge = cells["edge"]  # these may be out of sight now and then
    np.testing.assert_array_equal(seen["min"][~at_edge], cells["first_frame"][~at_edge])
    np.testing.assert_array_equal(seen["max"][~at_edge], cells["last_frame"][~at_edge])
    life = cells["last_frame"] - cells["first_frame"] + 1
    np.testing.assert_array_equal(seen["size"][~at_edge], life[~at_edge])
    to_the_end = cells["end"] == "censored"
    assert (cells["last_frame"][to_the_end] == 23).all()
    assert (cells["last_frame"][~to_the_end] < 23).all()


def test_size_and_biosensor_in_the_first_frame_are_those_of_the_truth(experiment, tables):
    for field, table in tables.items():
        cells = of_field(experiment.cells, field).query("clean").set_index("cell")
        first = table.sort_values("FRAME").drop_duplicates("TRACK_ID").set_index("TRACK_ID")
        first = first.loc[cells.index]
        radius = np.sqrt(first["AREA"] / np.pi)
        np.testing.assert_allclose(radius, cells["true_radius"], rtol=0.12)
        # YFP / CFP is 0.9 without active ERK and 2.1 with all of it, apart from bias and noise.
        ratio = first["MEAN_INTENSITY_CH2"] / first["MEAN_INTENSITY_CH1"]
        np.testing.assert_allclose(ratio, 0.9 + 1.2 * cells["true_erk"], rtol=0.12)


def test_what_does_not_move_by_itself_moves_with_the_stage(experiment):
    at_edge = experiment.cells[experiment.cells["planted"] == "edge"]  # these do not wander
    frames = experiment.frames.merge(at_edge[["field", "cell"]])
    frames = frames.merge(experiment.drift, on=["field", "frame"], suffixes=("", "_drift"))
    for _, rows in frames.groupby("field"):
        for axis in "xy":
            assert np.ptp(rows[f"{axis}_drift"]) > 0.2
            assert np.ptp(rows[f"true_{axis}"] - rows[f"{axis}_drift"]) < 1e-4


# Defects --------------------------------------------------------------------------------------


def test_each_defect_is_planted_once_a_field_and_is_there(experiment):
    for _, cells in experiment.cells.groupby("field"):
        planted = cells["planted"].value_counts()
        assert planted.drop("").to_dict() == DEFECTS
        for name in DEFECTS:
            assert cells.loc[cells["planted"] == name, name].all()
        founders = cells[(cells["planted"] == "") & ~cells["daughter"]]
        assert founders["clean"].all() and len(founders) == 10


def test_clean_nuclei_stand_alone_away_from_the_edge(experiment, pictures):
    eight = np.ones((3, 3))
    frames = experiment.frames.merge(experiment.cells[["field", "cell", "clean"]])
    alone = frames[frames["clean"]]
    for (field, frame), rows in alone.groupby(["field", "frame"]):
        labels = pictures[field][1][frame]
        pieces, _ = ndimage.label(labels > 0, eight)
        border = np.unique(np.r_[pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
        for row in rows.itertuples():
            own = labels == row.label
            assert own[round(row.y), round(row.x)] and own.sum() == row.area
            of_own = np.unique(pieces[own])
            np.testing.assert_array_equal(np.isin(pieces, of_own), own)
            assert not np.isin(of_own, border).any()


def test_nuclei_are_said_to_touch_or_to_be_cut_where_their_labels_are(experiment, pictures):
    for (field, frame), rows in experiment.frames.groupby(["field", "frame"]):
        labels = pictures[field][1][frame]
        border = np.r_[labels[0], labels[-1], labels[:, 0], labels[:, -1]]
        for row in rows.itertuples():
            own = labels == row.label
            around = ndimage.binary_dilation(own) & ~own
            assert row.touching == (labels[around] > 0).any()
            assert row.at_edge == (row.label in border)


def test_merged_nuclei_have_one_label_and_two_tracks(experiment):
    merged = experiment.frames[experiment.frames["merged"]]
    for _, rows in merged.groupby(["field", "frame"]):
        assert len(rows) == 2 and rows["label"].nunique() == 1 and rows["tracked"].all()
    others = experiment.frames[~experiment.frames["merged"]]
    assert not others.duplicated(["field", "frame", "label"]).any()
    assert merged.groupby(["field", "cell"]).size().between(3, 5).all()


def test_in_a_gap_the_nucleus_has_a_label_and_no_spot(experiment):
    frames, cells = experiment.frames, experiment.cells
    missed = frames[~frames["tracked"]]
    assert missed["spot"].isna().all() and (missed["label"] > 0).all()
    assert (missed.groupby("field").size() == 3).all()
    gap = cells[cells["gap"]].set_index(["field", "cell"])
    assert missed.set_index(["field", "cell"]).index.isin(gap.index).all()


def test_a_track_off_its_mask_runs_over_background(experiment, pictures):
    away = experiment.frames[~experiment.frames["on_mask"]]
    assert set(away["field"]) == {"field_1", "field_2"}
    for row in away.itertuples():
        assert pictures[row.field][1][row.frame, round(row.y), round(row.x)] == 0
        assert row.label > 0
    on_mask = experiment.frames.query("on_mask and tracked")
    for row in on_mask.itertuples():
        at = row.frame, int(np.ceil(row.y - 0.5)), int(np.ceil(row.x - 0.5))
        assert pictures[row.field][1][at] == row.label


def test_hot_pixels_are_where_the_truth_says_and_nowhere_else(experiment, pictures):
    for field, hits in experiment.hot_pixels.groupby("field"):
        stack, labels = pictures[field]
        found = np.argwhere(stack >= HOT)
        expected = hits[["frame", "channel", "row", "column"]].sort_values(list(hits)[1:5])
        np.testing.assert_array_equal(found, expected)
        under = labels[tuple(hits[["frame", "row", "column"]].to_numpy().T)]
        np.testing.assert_array_equal(under > 0, hits["cell"].notna())
        in_cell = hits.dropna(subset="cell").merge(
            experiment.frames, on=["field", "cell", "frame"]
        )
        np.testing.assert_array_equal(in_cell["label"], under[under > 0])
        assert in_cell["hot_pixel"].all()


def test_debris_is_bright_whether_it_has_a_label_or_not_and_never_tracked(
    experiment, pictures, tables
):
    debris = experiment.debris
    assert debris.groupby("field")["piece"].nunique().tolist() == [7, 7]
    for row in debris.itertuples():
        stack, labels = pictures[row.field]
        at = round(row.y), round(row.x)
        assert labels[row.frame][at] == row.label
        assert stack[row.frame, 1][at] > 3 * np.median(stack[row.frame, 1])
    own_label = debris[(debris["label"] > 0) & debris["host"].isna()]
    assert own_label["spot"].notna().all() and (debris["label"] == 0).any()
    for field, table in tables.items():
        spots = of_field(own_label, field)["spot"]
        assert set(table.loc[table["TRACK_ID"].isna(), "ID"]) == set(spots)


def test_debris_lies_in_the_crops_of_clean_cells_too(experiment):
    clean = experiment.frames.merge(experiment.cells.query("clean")[["field", "cell"]])
    pairs = experiment.debris.merge(clean, on=["field", "frame"], suffixes=("", "_cell"))
    distance = np.hypot(pairs["x"] - pairs["x_cell"], pairs["y"] - pairs["y_cell"])
    near = pairs[distance < 14]  # the corner of a crop of 20 pixels
    assert near.groupby("field")["piece"].nunique().tolist() == [2, 2]


def test_debris_with_the_label_of_a_nucleus_is_apart_from_it(experiment, pictures):
    hosts = experiment.debris.dropna(subset="host")
    frames = experiment.frames.set_index(["field", "cell", "frame"])
    for row in hosts.itertuples():
        host = frames.loc[(row.field, row.host, row.frame)]
        own = pictures[row.field][1][row.frame] == host["label"]
        assert row.label == host["label"]
        assert ndimage.label(own, np.ones((3, 3)))[1] == 2
        assert own.sum() > host["area"]


def test_the_dead_leave_remains_without_a_label(experiment, pictures):
    dead = experiment.cells.query("end == 'death'")
    last = dead.merge(
        experiment.frames,
        left_on=["field", "cell", "last_frame"],
        right_on=["field", "cell", "frame"],
    )
    for row in last.itertuples():
        stack, labels = pictures[row.field]
        box = np.s_[round(row.y) - 4 : round(row.y) + 5, round(row.x) - 4 : round(row.x) + 5]
        assert not labels[row.frame + 1][box].any()
        assert stack[row.frame + 1, 1][box].max() > 3 * np.median(stack[row.frame, 1])


# Parameters -----------------------------------------------------------------------------------


def test_a_seed_makes_the_same_experiment_and_leaves_the_global_generator_alone(tmp_path):
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    args = {"n_fields": 1, "n_frames": 12}
    one, two, other = (
        make_time_lapse(tmp_path / name, random_state=seed, **args)
        for name, seed in [("one", 5), ("two", 5), ("other", 6)]
    )
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    for name in ["cells", "frames", "debris", "hot_pixels", "drift"]:
        pd.testing.assert_frame_equal(one[name], two[name])
    for name in ["stack", "labels"]:
        pixels = [tifffile.imread(e.paths[name][0]) for e in (one, two, other)]
        np.testing.assert_array_equal(pixels[0], pixels[1])
        assert (pixels[0] != pixels[2]).any()
    for name in ["tracks_csv", "tracks_xml"]:
        assert one.paths[name][0].read_bytes() == two.paths[name][0].read_bytes()


def test_fields_differ(experiment, pictures):
    first, second = pictures.values()
    assert (first[1] != second[1]).any()
    assert experiment.cells.groupby("field")["true_erk"].first().nunique() == 2


def test_without_defects_all_founders_are_clean(tmp_path):
    experiment = make_time_lapse(
        str(tmp_path), n_fields=1, n_defects=0, n_frames=12, n_cells=4, random_state=0
    )
    founders = experiment.cells[~experiment.cells["daughter"]]
    assert founders["clean"].all() and len(founders) == 4
    assert experiment.hot_pixels["cell"].isna().all()


def test_one_cell_alone(tmp_path):
    experiment = make_time_lapse(
        tmp_path, n_fields=1, n_cells=1, n_defects=0, n_frames=12, size=100, random_state=1
    )
    assert (~experiment.cells["daughter"]).sum() == 1


@pytest.mark.parametrize("n_defects", [2])
def test_defects_can_be_planted_more_often(n_defects, tmp_path):
    experiment = make_time_lapse(
        tmp_path, n_fields=1, n_defects=n_defects, n_frames=12, size=280, random_state=0
    )
    planted = experiment.cells["planted"].value_counts().drop("")
    assert planted.to_dict() == {name: n_defects * count for name, count in DEFECTS.items()}


def test_fields_need_not_be_square_and_pixels_may_be_finer(tmp_path):
    experiment = make_time_lapse(
        tmp_path, n_fields=1, n_frames=12, size=(380, 460), pixel_size=0.62, random_state=0
    )
    assert tifffile.imread(experiment.paths["stack"][0]).shape == (12, 2, 380, 460)
    clean = experiment.cells.query("clean")
    first = clean.merge(experiment.frames.query("frame == 0"), on=["field", "cell"])
    radius = np.sqrt(first["area"] / np.pi) * 0.62
    np.testing.assert_allclose(radius, first["true_radius"], rtol=0.08)
    assert experiment.frames["true_x"].max() > 380


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"size": 90}, "do not find room in a field of 90 x 90 pixels; make size larger"),
        ({"size": (100, 200, 2)}, r"an int or a pair \(height, width\), found \(100, 200, 2\)"),
        ({"size": (100, 0)}, "size must be an int or a pair"),
        ({"n_frames": 11}, "n_frames"),
        ({"n_fields": 0}, "n_fields"),
        ({"n_cells": 0}, "n_cells"),
        ({"n_defects": -1}, "n_defects"),
        ({"pixel_size": 0}, "pixel_size"),
    ],
)
def test_parameters_that_make_no_experiment_are_refused_by_name(parameters, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        make_time_lapse(tmp_path, random_state=0, **parameters)
