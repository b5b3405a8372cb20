"""read_tracks: every program's form of the same little family gives the same tidy tracks."""

import itertools
import warnings
from xml.sax.saxutils import quoteattr

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from PIL import Image

from sklearn_cellfate.io import read_labels, read_tracks

# The family: 0 divides after frame 2 into two, of which the second is first seen in frame 4 and
# has a gap in frame 5. 1 lives alone and ends early.
#       spot, frame, x, y
FAMILY = [
    (10, 0, 10.0, 20.0),
    (11, 1, 11.0, 20.5),
    (12, 2, 12.0, 21.0),
    (20, 3, 9.0, 21.0),
    (21, 4, 8.0, 21.5),
    (30, 4, 15.0, 22.0),
    (31, 6, 16.0, 22.5),
    (40, 0, 50.0, 60.0),
    (41, 1, 51.0, 61.0),
]
LINKS = {
    0: [(10, 11), (11, 12), (12, 20), (20, 21), (12, 30), (30, 31)],
    1: [(40, 41)],
}
# What read_tracks makes of it: the first cell of a track has its number, daughters follow.
CELL_OF_SPOT = {10: 0, 11: 0, 12: 0, 20: 2, 21: 2, 30: 3, 31: 3, 40: 1, 41: 1}
PARENT_OF_CELL = {2: 0, 3: 0}


def tidy_family():
    rows = [
        (CELL_OF_SPOT[spot], frame, x, y, PARENT_OF_CELL.get(CELL_OF_SPOT[spot], pd.NA))
        for spot, frame, x, y in FAMILY
    ]
    table = pd.DataFrame(rows, columns=["cell", "frame", "x", "y", "parent"])
    table = table.astype({"parent": "Int64"})
    return table.sort_values(["cell", "frame"], ignore_index=True)


def assert_is_family(tracks):
    assert_frame_equal(tracks[["cell", "frame", "x", "y", "parent"]], tidy_family())


# TrackMate's own XML --------------------------------------------------------------------------

FEATURES = """
    <FeatureDeclarations>
      <SpotFeatures>
        <Feature feature="POSITION_X" name="X" shortname="X" dimension="POSITION" isint="false" />
        <Feature feature="FRAME" name="Frame" shortname="Frame" dimension="NONE" isint="true" />
        <Feature feature="VISIBILITY" name="Visibility" dimension="NONE" isint="true" />
        <Feature feature="AREA" name="Area" shortname="Area" dimension="AREA" isint="false" />
      </SpotFeatures>
    </FeatureDeclarations>"""
IMAGE = '<ImageData filename="a.tif" width="128" height="96" nframes="7" {} timeinterval="1.0" />'


def model_xml(
    spots=FAMILY,
    links=None,
    visible=None,
    unit="pixel",
    image='pixelwidth="1.0" pixelheight="1.0"',
    attributes=None,
    scale=1.0,
):
    """TrackMate 7's file of a model, with its log, outlines in the spots and all that follows."""
    links = LINKS if links is None else links
    by_frame = {}
    for spot, frame, x, y in spots:
        extra = (attributes or {}).get(spot, 'AREA="26.5"')
        by_frame.setdefault(frame, []).append(
            f'<Spot ID="{spot}" name="ID{spot}" POSITION_T="{frame * 5.0}" {extra} '
            f'FRAME="{frame}" VISIBILITY="1" POSITION_X="{x * scale}" POSITION_Y="{y * scale}" '
            'POSITION_Z="0.0" ROI_N_POINTS="3">0.5 1 -0.5 1 0 -1</Spot>'
        )
    frames = "\n".join(
        f'<SpotsInFrame frame="{frame}">{" ".join(inside)}</SpotsInFrame>'
        for frame, inside in sorted(by_frame.items())
    )
    tracks = "\n".join(
        f'<Track name="Track_{track}" TRACK_ID="{track}" TRACK_STD_SPEED="NaN">'
        + "".join(
            f'<Edge SPOT_SOURCE_ID="{a}" SPOT_TARGET_ID="{b}" LINK_COST="1.2" />' for a, b in edges
        )
        + "</Track>"
        for track, edges in links.items()
    )
    shown = "".join(f'<TrackID TRACK_ID="{t}" />' for t in (links if visible is None else visible))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<TrackMate version="7.11.1">
  <Log>Kept 2 spots &amp; said so: µm</Log>
  <Model spatialunits={quoteattr(unit)} timeunits="sec">{FEATURES}
    <AllSpots nspots="{len(spots)}">{frames}</AllSpots>
    <AllTracks>{tracks}</AllTracks>
    <FilteredTracks>{shown}</FilteredTracks>
  </Model>
  <Settings>{IMAGE.format(image) if image else ""}
    <BasicSettings xstart="0" xend="127" tstart="0" tend="6" />
  </Settings>
  <GUIState state="ConfigureViews" />
</TrackMate>"""


@pytest.fixture
def write(tmp_path):
    """Write a file and return its path."""

    def write(name, content):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")
        return path

    return write


@pytest.fixture
def quiet():
    """Turn every warning into an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_branches_become_cells_with_parents_and_gaps_stay_gaps(write, quiet):
    tracks = read_tracks(write("model.xml", model_xml()))
    assert_is_family(tracks)
    assert tracks.groupby("cell")["track"].unique().map(list).to_dict() == {
        0: [0],
        1: [1],
        2: [0],
        3: [0],
    }
    assert not tracks["after_merge"].any()
    assert tracks.index.equals(pd.RangeIndex(len(FAMILY)))
    assert tracks.loc[tracks["cell"] == 3, "frame"].tolist() == [4, 6]


def test_features_keep_their_names_and_kinds(write):
    attributes = {10: 'AREA="1.5" QUALITY="NaN"', 11: "", 12: 'AREA="Infinity"'}
    tracks = read_tracks(write("model.xml", model_xml(attributes=attributes)))
    assert list(tracks.columns[:5]) == ["cell", "frame", "x", "y", "parent"]
    assert list(tracks.columns[-2:]) == ["track", "after_merge"]
    assert tracks["ID"].dtype == np.int64 and tracks["VISIBILITY"].dtype == np.int64
    assert tracks["name"].tolist()[:3] == ["ID10", "ID11", "ID12"]
    np.testing.assert_array_equal(tracks["AREA"][:4], [1.5, np.nan, np.inf, 26.5])
    assert tracks["QUALITY"].isna().all()
    assert tracks["POSITION_T"].tolist()[:3] == [0.0, 5.0, 10.0]
    assert {"POSITION_X", "FRAME", "TRACK_ID"}.isdisjoint(tracks.columns)


def test_links_have_no_direction_and_no_order(write):
    turned = {track: [(b, a) for a, b in edges[::-1]] for track, edges in LINKS.items()}
    assert_is_family(read_tracks(write("model.xml", model_xml(FAMILY[::-1], turned))))


def test_a_link_written_twice_counts_once(write):
    twice = LINKS | {0: [*LINKS[0], (11, 12), (12, 11)]}
    assert_is_family(read_tracks(write("model.xml", model_xml(links=twice))))


def test_hidden_tracks_are_left_out_and_counted(write, quiet):
    links = LINKS | {7: [(70, 71)]}
    spots = [*FAMILY, (70, 0, 1.0, 1.0), (71, 1, 1.0, 1.0)]
    path = write("model.xml", model_xml(spots, links, visible=[0, 1]))
    with pytest.warns(UserWarning, match=r"'model.xml': 1 tracks that TrackMate's filters hide"):
        tracks = read_tracks(path)
    # Numbers of cells do not depend on what is shown.
    assert set(tracks["cell"]) == {0, 1, 8, 9}
    everything = read_tracks(path, visible_only=False)
    assert set(everything["cell"]) == {0, 1, 7, 8, 9}
    shown = everything[everything["cell"] != 7].reset_index(drop=True)
    assert_frame_equal(shown, tracks)


def test_spots_of_no_track_are_left_out_and_counted(write):
    spots = [*FAMILY, (99, 3, 5.0, 5.0)]
    with pytest.warns(UserWarning, match="1 of 10 spots belong to no track"):
        assert_is_family(read_tracks(write("model.xml", model_xml(spots))))


#   1 -- 2 --\                 /-- 5 -- 6
#             4 (merged) -- 7 <
#   3 -------/                 \-- 8
MERGING_FRAMES = {1: 0, 2: 1, 3: 1, 4: 2, 7: 3, 5: 4, 6: 5, 8: 4}
MERGING = [(spot, frame, 1.0, 1.0) for spot, frame in MERGING_FRAMES.items()]
MERGING_LINKS = {0: [(1, 2), (2, 4), (3, 4), (4, 7), (7, 5), (5, 6), (7, 8)]}


def test_merges_end_both_cells_and_what_parts_again_has_no_parent(write):
    path = write("model.xml", model_xml(MERGING, MERGING_LINKS))
    with pytest.warns(UserWarning, match="1 merges are cut"):
        tracks = read_tracks(path)
    lives = tracks.groupby("cell")["ID"].apply(list)
    assert sorted(lives) == [[1, 2], [3], [4, 7], [5, 6], [8]]
    assert lives[0] == [1, 2]
    assert tracks["parent"].isna().all()
    assert set(tracks.loc[tracks["after_merge"], "ID"]) == {4, 7}
    assert set(tracks["track"]) == {0}


def test_a_division_elsewhere_in_a_track_with_a_merge_keeps_its_parent(write):
    spots = [*MERGING, (9, 2, 1.0, 1.0)]
    links = {0: [*MERGING_LINKS[0], (1, 9)]}  # 1 divides into 2, which merges, and 9
    with pytest.warns(UserWarning, match="1 merges"):
        tracks = read_tracks(write("model.xml", model_xml(spots, links)))
    parent = tracks.drop_duplicates("cell").set_index("ID")["parent"]
    assert parent[2] == parent[9] == 0
    assert parent[[1, 3, 4, 5, 8]].isna().all()


def test_merges_can_be_refused(write):
    path = write("model.xml", model_xml(MERGING, MERGING_LINKS))
    with pytest.raises(ValueError, match=r"2 spots of track 0 merge into spot 4 in frame 2 \(1 "):
        read_tracks(path, merges="raise")
    with pytest.raises(ValueError, match="merges is 'keep'; expected 'cut' or 'raise'"):
        read_tracks(path, merges="keep")


@pytest.mark.parametrize("unit", ["micron", "µm", "μm", "um", "\\u00B5m", "microns", "micrometer"])
def test_micrometres_of_the_file_become_pixels(unit, write, quiet):
    image = 'pixelwidth="0.5" pixelheight="0.5"'
    path = write("model.xml", model_xml(unit=unit, image=image, scale=0.5))
    assert_is_family(read_tracks(path))
    # An explicit size wins over the file's.
    doubled = read_tracks(path, pixel_size=0.25)
    np.testing.assert_allclose(doubled["x"], 2 * tidy_family()["x"])


def test_other_units_and_oblong_pixels(write):
    image = 'pixelwidth="650" pixelheight="325"'
    tracks = read_tracks(write("model.xml", model_xml(unit="nm", image=image, scale=650)))
    np.testing.assert_allclose(tracks["x"], tidy_family()["x"])
    np.testing.assert_allclose(tracks["y"], 2 * tidy_family()["y"])
    nm = write("nm.xml", model_xml(unit="nm", image=None, scale=650))
    np.testing.assert_allclose(read_tracks(nm, pixel_size=0.65)["x"], tidy_family()["x"])
    furlong = write("furlong.xml", model_xml(unit="furlong", image=image, scale=650))
    np.testing.assert_allclose(read_tracks(furlong)["x"], tidy_family()["x"])
    with pytest.raises(ValueError, match="'furlong', which is no unit known"):
        read_tracks(furlong, pixel_size=0.65)


def test_micrometres_without_a_size_of_a_pixel_are_refused(write):
    path = write("model.xml", model_xml(unit="micron", image=None, scale=0.5))
    with pytest.raises(
        ValueError, match=r"'micron' and no size of a pixel; call read_tracks with"
    ):
        read_tracks(path)
    assert_is_family(read_tracks(path, pixel_size=0.5))


def test_pixels_need_no_size_and_a_contradiction_is_named(write):
    plain = write("model.xml", model_xml())
    assert_is_family(read_tracks(plain, pixel_size=1))
    with pytest.raises(ValueError, match="says that positions are in pixels, but pixel_size=0.65"):
        read_tracks(plain, pixel_size=0.65)
    np.testing.assert_allclose(
        read_tracks(plain, pixel_size=0.5, units="um")["x"], 2 * tidy_family()["x"]
    )
    odd = write("odd.xml", model_xml(image='pixelwidth="0.5" pixelheight="0.5"', scale=0.5))
    with pytest.raises(ValueError, match="says 'pixel', but also that a pixel is 0.5 wide"):
        read_tracks(odd)
    assert_is_family(read_tracks(odd, units="um"))
    np.testing.assert_allclose(read_tracks(odd, units="pixel")["x"], tidy_family()["x"] / 2)


@pytest.mark.parametrize("width", ["0.0", "NaN", "0,65", "", "-1"])
def test_a_file_with_a_wrong_size_of_a_pixel_is_read_with_the_right_one(width, write, quiet):
    image = f'pixelwidth="{width}" pixelheight="0.5"'
    um = write("um.xml", model_xml(unit="micron", image=image, scale=0.5))
    with pytest.raises(ValueError, match=f"pixelwidth is '{width}', .*; call read_tracks with pi"):
        read_tracks(um)
    assert_is_family(read_tracks(um, pixel_size=0.5))
    pixels = write("pixels.xml", model_xml(image=image))
    with pytest.raises(ValueError, match=f"'pixel', but pixelwidth is '{width}', .*units='pixel'"):
        read_tracks(pixels)
    assert_is_family(read_tracks(pixels, units="pixel"))
    assert_is_family(read_tracks(pixels, pixel_size=1))


@pytest.mark.parametrize("unit", ["inch", "inches", "Inch"])
def test_inches_are_a_unit_in_every_form(unit, write, quiet):
    # ImageJ's pixels at 72 dots an inch
    image = f'pixelwidth="{1 / 72!r}" pixelheight="{1 / 72!r}"'
    xml = write("model.xml", model_xml(unit=unit, image=image, scale=1 / 72))
    for size in (None, 25400 / 72):
        tracks = read_tracks(xml, pixel_size=size)
        np.testing.assert_allclose(tracks[["x", "y"]], tidy_family()[["x", "y"]])
    csv = write("spots.csv", spots_csv(unit, [(40, 1, 0, 50, 60)], 1 / 72))
    with pytest.raises(ValueError, match=f"positions in '{unit}' and no size of a pixel"):
        read_tracks(csv)
    tracks = read_tracks(csv, pixel_size=25400 / 72)
    np.testing.assert_allclose(tracks[["x", "y"]], [[50, 60]])
    plain = write("plain.csv", f"cell,frame,x ({unit}),y ({unit})\n1,0,0.5,1\n")
    tracks = read_tracks(plain, pixel_size=254)
    np.testing.assert_allclose(tracks[["x", "y"]], [[50, 100]])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda xml: xml[: len(xml) // 2], "is not well-formed XML .*is the file complete"),
        (lambda xml: xml.replace("</Track>", "", 1), "is not well-formed XML .*mismatched tag"),
        (lambda xml: xml.replace("TrackMate", "TriageMate"), "root <TriageMate>; expected"),
        (lambda xml: xml.replace('SPOT_TARGET_ID="41"', 'SPOT_TARGET_ID="5"'), "names spot 5"),
        (lambda xml: xml.replace('SPOT_TARGET_ID="41"', 'SPOT_TARGET_ID="a"'), "Edge is 'a'"),
        (lambda xml: xml.replace('ID="41"', 'ID="40"'), "spot 40 is there twice"),
        (lambda xml: xml.replace("POSITION_X=", "POSITION_U="), "no Spot has 'POSITION_X'"),
        (lambda xml: xml.replace('POSITION_X="51.0"', 'POSITION_X="NaN"'), "x is nan for cell 1"),
        (lambda xml: xml.replace('POSITION_X="51.0"', 'POSITION_X="inf"'), "x is inf for cell 1"),
        (lambda xml: xml.replace('FRAME="6"', 'FRAME="6.5"'), "FRAME of a Spot is 6.5"),
        (lambda xml: xml.replace('FRAME="0"', 'FRAME="-1"'), "lowest frame is -1"),
        (lambda xml: xml.replace("Edge", "Hedge"), "9 of 9 spots belong to no track"),
        (lambda xml: xml.replace("Spot ", "Spit ").replace("/Spot>", "/Spit>"), "has no rows"),
        (lambda xml: xml.replace('<TrackID TRACK_ID="0"', "<TrackID"), "a TrackID is None"),
        (lambda xml: xml.replace("<TrackID", "<Other"), "2 tracks that .* hide .*nothing remains"),
        (lambda xml: xml.replace('pixelwidth="1.0"', 'pixelwidth="0"'), "pixelwidth is '0'"),
        (lambda xml: xml.replace("spatialunits", "units"), "does not say the unit"),
    ],
)
def test_a_damaged_model_is_refused_in_one_line(edit, message, write):
    with pytest.raises(ValueError, match=message) as caught:
        read_tracks(write("model.xml", edit(model_xml())))
    assert "\n" not in str(caught.value)


def test_links_within_a_frame_are_refused(write):
    links = {0: [(20, 10), (21, 30)]}
    with pytest.raises(ValueError, match="spots 21 and 30 are linked, but both lie in frame 4"):
        read_tracks(write("model.xml", model_xml(links=links)), visible_only=False)


def test_document_types_are_refused_before_they_are_expanded(write):
    bomb = '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    xml = model_xml().replace("<TrackMate", bomb + "<TrackMate", 1).replace("said so", "&b;")
    with pytest.raises(ValueError, match="declares a document type"):
        read_tracks(write("model.xml", xml))


@st.composite
def lineages(draw):
    """A forest of cells in the form that read_tracks gives, with gaps anywhere."""
    cells, to_do = [], [(t, None, 0) for t in range(draw(st.integers(1, 4)))]
    while to_do:
        track, parent, start = to_do.pop()
        # A track without a link is none, so a founder has two spots.
        steps = draw(st.lists(st.integers(1, 3), min_size=int(parent is None), max_size=4))
        frames = start + np.cumsum([draw(st.integers(0, 2)), *steps])
        name = len(cells)
        cells.append((name, parent, track, frames))
        if len(cells) < 12 and draw(st.booleans()):
            n_daughters = draw(st.integers(2, 3))
            to_do += [(track, name, int(frames[-1]) + 1) for _ in range(n_daughters)]
    return cells


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cells=lineages(), order=st.randoms(use_true_random=False))
def test_any_lineage_written_as_xml_reads_back_the_same(cells, order, tmp_path):
    spots, links, spot_of = [], {}, {}
    for name, parent, track, frames in cells:
        own = [len(spots) + i for i in range(len(frames))]
        spots += [(s, int(f), 1.0 + s, 2.0 * s) for s, f in zip(own, frames)]
        edges = links.setdefault(track, [])
        if parent is not None:
            edges.append((spot_of[parent][-1], own[0]))
        edges += itertools.pairwise(own)
        spot_of[name] = own
    shuffled = spots.copy()
    order.shuffle(shuffled)
    for edges in links.values():
        order.shuffle(edges)
    path = tmp_path / "model.xml"
    path.write_text(model_xml(shuffled, links), encoding="utf-8")
    tracks = read_tracks(path)

    assert len(tracks) == len(spots)
    lives = tracks.groupby("cell")["ID"].apply(list)
    assert sorted(lives) == sorted(spot_of.values())
    read_as = {tuple(life): cell for cell, life in lives.items()}
    number = {name: read_as[tuple(life)] for name, life in spot_of.items()}
    parents = tracks.drop_duplicates("cell").set_index("cell")["parent"]
    for name, parent, track, _ in cells:
        if parent is None:
            assert number[name] == track and pd.isna(parents[number[name]])
        else:
            assert parents[number[name]] == number[parent]
    truth = pd.DataFrame(spots, columns=["ID", "frame", "x", "y"]).set_index("ID")
    assert_frame_equal(tracks.set_index("ID")[["frame", "x", "y"]].sort_index(), truth)


# TrackMate's tracks without links -------------------------------------------------------------

SIMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<Tracks nTracks="2" spaceUnits="{}" frameInterval="1.0" timeUnits="sec" from="TrackMate v7.6.0">
  <particle nSpots="2">
    <detection t="1" x="11.0" y="21.0" z="0.0" />
    <detection t="0" x="10.0" y="20.0" z="0.0" />
  </particle>
  <particle nSpots="1">
    <detection t="3" x="30.0" y="40.0" z="0.0" />
  </particle>
</Tracks>"""


def test_tracks_only_xml_numbers_the_cells_as_they_come(write, quiet):
    tracks = read_tracks(write("tracks.xml", SIMPLE.format("pixel")))
    expected = pd.DataFrame(
        {
            "cell": [0, 0, 1],
            "frame": [0, 1, 3],
            "x": [10.0, 11.0, 30.0],
            "y": [20.0, 21.0, 40.0],
            "parent": pd.array([pd.NA] * 3, dtype="Int64"),
            "z": 0.0,
        }
    )
    assert_frame_equal(tracks, expected)


def test_tracks_only_xml_in_micrometres_needs_the_size_of_a_pixel(write):
    path = write("tracks.xml", SIMPLE.format("µm"))
    with pytest.raises(ValueError, match="'µm' and no size of a pixel"):
        read_tracks(path)
    assert read_tracks(path, pixel_size=0.5)["x"].tolist() == [20.0, 22.0, 60.0]


def test_two_detections_of_a_particle_in_one_frame_ask_for_the_model(write):
    xml = SIMPLE.format("pixel").replace('t="1"', 't="0"')
    with pytest.raises(ValueError, match=r"cell 0 has several rows in frame 0 .*TrackMate's own"):
        read_tracks(write("tracks.xml", xml))


# TrackMate's CSV ------------------------------------------------------------------------------

SPOTS_HEADER = """LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_T,FRAME,RADIUS
Label,Spot ID,Track ID,Quality,X,Y,T,Frame,Radius
Label,Spot ID,Track ID,Quality,X,Y,T,Frame,R
,,,(quality),({0}),({0}),(sec),,({0})
"""


def spots_csv(unit="pixel", rows=None, scale=1.0):
    if rows is None:  # the family's tracks that do not divide, and a spot of no track
        rows = [(40, 1, 0, 50, 60), (41, 1, 1, 51, 61), (50, 5, 0, 1, 2), (99, "", 0, 7, 7)]
    return SPOTS_HEADER.format(unit) + "".join(
        f"ID{spot},{spot},{track},0.9,{x * scale},{y * scale},{frame * 5.0},{frame},2.5\n"
        for spot, track, frame, x, y in rows
    )


def test_spots_csv_with_three_extra_header_rows(write):
    path = write("spots.csv", spots_csv())
    with pytest.warns(UserWarning, match="'spots.csv': 1 of 4 spots belong to no track and are"):
        tracks = read_tracks(path)
    assert tracks[["cell", "frame", "x", "y"]].values.tolist() == [
        [1, 0, 50, 60],
        [1, 1, 51, 61],
        [5, 0, 1, 2],
    ]
    assert tracks["cell"].dtype == tracks["frame"].dtype == np.int64
    assert tracks["LABEL"].tolist() == ["ID40", "ID41", "ID50"]
    assert tracks["RADIUS"].tolist() == [2.5] * 3 and tracks["QUALITY"].dtype == np.float64
    assert tracks["parent"].isna().all()


def test_the_csv_and_the_xml_of_one_session_agree(write):
    rows = [(40, 1, 0, 50, 60), (41, 1, 1, 51, 61), (50, 5, 0, 1, 2), (51, 5, 2, 1, 3)]
    table = read_tracks(write("spots.csv", spots_csv("micron", rows, 0.65)), pixel_size=0.65)
    spots = [(spot, frame, x, y) for spot, _, frame, x, y in rows]
    image = 'pixelwidth="0.65" pixelheight="0.65"'
    links = {1: [(40, 41)], 5: [(50, 51)]}
    xml = model_xml(spots, links, unit="micron", image=image, scale=0.65)
    shared = ["cell", "frame", "x", "y", "parent", "ID"]
    assert_frame_equal(table[shared], read_tracks(write("model.xml", xml))[shared])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_micrometres_of_the_third_header_row_need_the_size_of_a_pixel(encoding, write):
    rows = [(40, 1, 0, 50, 60)]
    path = write("spots.csv", spots_csv("µm", rows, 0.5).encode(encoding))
    with pytest.raises(ValueError, match="'µm' and no size of a pixel"):
        read_tracks(path)
    assert read_tracks(path, pixel_size=0.5)[["x", "y"]].values.tolist() == [[50, 60]]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_wide_text_that_ends_within_a_character_is_refused(encoding, write):
    text = "cell,frame,x,y\n1,0,50,60\n".encode(encoding)
    assert read_tracks(write("tracks.csv", text))["x"].tolist() == [50]
    for damaged in (text[:-1], text[:4] + b"\0"):
        with pytest.raises(ValueError, match=r"^'tracks.csv' .*damaged.*truncated data\.$"):
            read_tracks(write("tracks.csv", damaged))


@pytest.mark.parametrize("column", ["frame", "x"])
def test_a_number_of_hundreds_of_digits_is_refused(column, write):
    values = {"cell": 1, "frame": 0, "x": 50, "y": 60} | {column: "9" * 400}
    text = "cell,frame,x,y\n1,1,1,1\n" + ",".join(map(str, values.values())) + "\n"
    with pytest.raises(ValueError, match=f"'tracks.csv': column '{column}' holds a whole number"):
        read_tracks(write("tracks.csv", text))


def test_pixels_of_the_third_header_row_refuse_the_size_of_a_pixel(write):
    path = write("spots.csv", spots_csv(rows=[(40, 1, 0, 50, 60)]))
    with pytest.raises(ValueError, match="says that positions are in pixels"):
        read_tracks(path, pixel_size=0.5)


def test_a_spots_table_that_lost_its_units_must_be_told(write):
    plain = SPOTS_HEADER.split("\n")[0] + "\nID40,40,1,0.9,50,60,0,0,2.5\n"
    path = write("spots.csv", plain)
    with pytest.raises(ValueError, match="does not say the unit of its positions"):
        read_tracks(path)
    assert read_tracks(path, units="pixel")["x"].tolist() == [50]
    assert read_tracks(path, pixel_size=0.5)["x"].tolist() == [100]


def test_the_newest_spots_table_with_hidden_tracks_and_signs_for_missing(write):
    text = """ID,LABEL,TRACK_ID,TRACK_NAME,TRACK_VISIBLE,POSITION_X,POSITION_Y,FRAME,AREA
ID,Label,Track ID,Track name,Track visibility,X,Y,Frame,Area
,,,,,(pixel),(pixel),,(pixel^2)
40,ID40,1,Track_1,1,50.0,60.0,0,ø
41,ID41,2,Track_2,0,51.0,61.0,0,4.5
42,ID42,ø,ø,0,52.0,62.0,0,5.5
"""
    path = write("spots.csv", text)
    with pytest.warns(UserWarning) as warned:
        tracks = read_tracks(path)
    assert [str(w.message).split(" that")[0] for w in warned] == [
        "'spots.csv': 1 of 3 spots belong to no track and are left out.",
        "'spots.csv': 1 tracks",
    ]
    assert tracks["cell"].tolist() == [1] and tracks["AREA"].isna().all()
    with pytest.warns(UserWarning, match="1 of 3 spots"):
        assert read_tracks(path, visible_only=False)["cell"].tolist() == [1, 2]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_spots_table_saved_again_with_decimal_commas_keeps_all_rows(separator, write, quiet):
    rows = [(40 + t, 1, t, 50.5 + t, 60.25 - t) for t in range(7)]
    text = spots_csv(rows=rows)
    again = text.replace(",", separator).replace(".", ",")
    expected = read_tracks(write("spots.csv", text))
    assert len(expected) == 7
    assert_frame_equal(read_tracks(write("again.csv", again)), expected)


@pytest.mark.parametrize("wrong", ["", "ø", "much"])
def test_a_row_of_spots_without_position_is_no_header(wrong, write):
    rows = [(40, 1, 0, 50.0, 60.0), (41, 1, 1, 51.0, 61.0)]
    text = spots_csv(rows=rows).replace("0.9,50.0,60", f"0.9,{wrong},60")
    message = "x is nan for cell 1 in frame 0" if wrong != "much" else "'x' holds 'much'"
    with pytest.raises(ValueError, match=message):
        read_tracks(write("spots.csv", text))


def test_a_division_in_the_csv_asks_for_the_xml(write):
    rows = [(10, 0, 0, 1, 1), (20, 0, 1, 1, 1), (30, 0, 1, 2, 2)]
    message = r"cell 0 has several rows in frame 1 \(1 rows too many in all\); a division or a m"
    with pytest.raises(ValueError, match=message):
        read_tracks(write("spots.csv", spots_csv(rows=rows)))


def test_trackmates_other_tables_are_named(write):
    links = "LABEL,TRACK_ID,SPOT_SOURCE_ID,SPOT_TARGET_ID\na,0,1,2\n"
    with pytest.raises(ValueError, match="TrackMate's table of links"):
        read_tracks(write("edges.csv", links))
    tracks = "LABEL,TRACK_INDEX,TRACK_ID,NUMBER_SPOTS\na,0,1,2\n"
    with pytest.raises(ValueError, match="TrackMate's table of tracks"):
        read_tracks(write("tracks.csv", tracks))
    no_track = spots_csv().replace("TRACK_ID", "TRUCK_ID")
    with pytest.raises(ValueError, match="has no column TRACK_ID"):
        read_tracks(write("spots.csv", no_track))


# Any table ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "cell,frame,x,y,parent",
        "particle,frame,x,y,mother",
        "track_id,t,POSITION_X,POSITION_Y,parent_id",
        "TrackID,Frame,X (px),Y (px),ParentID",
        "ID,t,x,y,parent",
        "label,timepoint,centroid-1,centroid-0,Parent Track ID",
    ],
)
def test_common_names_are_known(header, write, quiet):
    text = header + "\n" + "3,0,1.5,2.5,\n4,1,1.5,2.5,3\n4,2,1.5,2.5,3\n"
    tracks = read_tracks(write("tracks.csv", text))
    assert list(tracks.columns) == ["cell", "frame", "x", "y", "parent"]
    assert tracks["cell"].tolist() == [3, 4, 4]
    assert tracks["parent"].astype(object).where(tracks["parent"].notna(), None).tolist() == [
        None,
        3,
        3,
    ]


def test_names_are_mapped_and_others_renamed(write):
    text = "who,when,x,y,px,cell\n3,7,1,2,5,HeLa\n"
    columns = {"who": "cell", "when": "frame", "cell": "line"}
    tracks = read_tracks(write("tracks.csv", text), columns=columns)
    assert tracks.drop(columns="parent").iloc[0].tolist() == [3, 7, 1, 2, 5, "HeLa"]
    assert list(tracks.columns) == ["cell", "frame", "x", "y", "parent", "px", "line"]


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        ("who,frame,x,y", None, r"no column known as 'cell'; it has 'who', .*of the column>': 'c"),
        ("who,when,x,y", None, r"no column known as 'cell', 'frame'"),
        ("particle,track_id,x,y", None, r"could be the cell: 'particle', 'track_id'. Say which"),
        ("cell,frame,x,y", {"z": "x"}, r"no column 'z', which columns= names; it has 'cell'"),
        ("cell,frame,x,y", {"x": "y"}, r"would have two columns 'y'"),
        ("cell,frame,x,y", ["a", "b", "c", "d"], r"has a header, .*expected columns= as a dict"),
        ("cell,frame,x_um,y_px", None, "x as 'x_um' and y as 'y_px'; expected one unit"),
    ],
)
def test_columns_that_are_missing_or_ambiguous_are_named(header, columns, message, write):
    with pytest.raises(ValueError, match=message):
        read_tracks(write("tracks.csv", header + "\n1,0,1,1\n"), columns=columns)


def test_our_own_name_comes_before_others(write):
    tracks = read_tracks(write("tracks.csv", "cell,track_id,frame,t,x,y\n3,9,0,0.5,1,1\n"))
    assert tracks[["cell", "track_id", "frame", "t"]].values.tolist() == [[3, 9, 0, 0.5]]


def test_units_in_names_and_a_size_for_tables_without_units(write):
    um = write("um.csv", "cell,frame,x (µm),y (µm)\n1,0,13,26\n")
    with pytest.raises(ValueError, match="no size of a pixel"):
        read_tracks(um)
    assert read_tracks(um, pixel_size=0.65)[["x", "y"]].values.tolist() == [[20, 40]]
    plain = write("plain.csv", "cell,frame,x,y\n1,0,13,26\n")
    assert read_tracks(plain)[["x", "y"]].values.tolist() == [[13, 26]]
    assert read_tracks(plain, pixel_size=0.65)[["x", "y"]].values.tolist() == [[20, 40]]


@pytest.mark.parametrize(
    "text",
    [
        "cell;frame;x;y\n3;0;1,5;2,25\n",
        "cell;frame;x;y\n3;0;1.5;2.25\n",
        "cell\tframe\tx\ty\n3\t0\t1.5\t2.25\n",
        "cell frame x y\n3 0 1.5 2.25\n",
        '"cell", "frame", "x", "y"\n3, 0, 1.5, 2.25\n\n',
        "\ufeffcell,frame,x,y\r\n3,0,1.5,2.25\r\n",
        ",cell,frame,x,y\n0,3,0.0,1.5,2.25\n",
    ],
)
def test_any_dialect(text, write, quiet):
    tracks = read_tracks(write("tracks.txt", text))
    assert tracks[["cell", "frame", "x", "y"]].iloc[0].tolist() == [3, 0, 1.5, 2.25]


@pytest.mark.parametrize("separator", [";", "\t", " "])
def test_decimal_commas_may_come_late(separator, write, quiet):
    # The first rows hold whole numbers only, and y has no comma at all.
    rows = [(3, t, str(10 + t) if t < 20 else f"{10 + t},5", 7) for t in range(30)]
    lines = [("cell", "frame", "x", "y", "near"), *((*row, "1,2,3") for row in rows)]
    text = "\n".join(separator.join(map(str, line)) for line in lines)
    tracks = read_tracks(write("tracks.csv", text))
    assert tracks["x"].tolist() == [10 + t + 0.5 * (t >= 20) for t in range(30)]
    assert (tracks["y"] == 7).all() and tracks["y"].dtype == np.float64
    assert (tracks["near"] == "1,2,3").all()


def test_points_and_commas_in_one_column_are_refused(write):
    path = write("tracks.csv", "cell;frame;x;y\n1;0;1,5;2\n1;1;1.5;2\n")
    with pytest.raises(ValueError, match="column 'x' holds '1,5' in row 0; expected a number"):
        read_tracks(path)


@pytest.mark.parametrize(
    "text", ["1;0;13,5;26,5\n1;1;14,5;27\n", "1,0;0,0;13,5;26,5\n1;1;14,5;27"]
)
def test_a_first_row_with_decimal_commas_is_no_header(text, write):
    path = write("napari.csv", text)
    with pytest.raises(ValueError, match="has no header"):
        read_tracks(path)
    tracks = read_tracks(path, columns=["cell", "frame", "y", "x"])
    assert tracks[["frame", "y", "x"]].values.tolist() == [[0, 13.5, 26.5], [1, 14.5, 27]]


def test_a_table_without_a_header_must_be_named(write):
    path = write(
        "napari.csv", "1.0e+00,0.0e+00,2.5e+01,3.5e+01\n1.0e+00,1.0e+00,2.6e+01,3.6e+01\n"
    )
    with pytest.raises(ValueError, match=r"has no header: .*columns=\['cell', 'frame', 'y', 'x'"):
        read_tracks(path)
    tracks = read_tracks(path, columns=["cell", "frame", "y", "x"])
    assert tracks[["cell", "frame", "x", "y"]].values.tolist() == [[1, 0, 35, 25], [1, 1, 36, 26]]
    with pytest.raises(ValueError, match="4 columns and no header; columns= names 3"):
        read_tracks(path, columns=["cell", "frame", "y"])


def test_cells_may_have_names(write):
    text = "cell,frame,x,y,parent\nb,1,1,1,a\nc,1,1,1,a\na,0,1,1,\n"
    tracks = read_tracks(write("tracks.csv", text))
    assert tracks["cell"].tolist() == ["a", "b", "c"] and tracks["cell"].dtype == "str"
    assert tracks["parent"].dtype == "string"
    assert tracks["parent"].isna().tolist() == [True, False, False]


def test_no_parent_is_written_in_many_ways(write):
    text = (
        "cell,frame,x,y,parent\n1,0,1,1,0\n2,0,1,1,-1\n3,0,1,1,3\n4,0,1,1,\n5,1,1,1,1\n5,2,1,1,\n"
    )
    parents = read_tracks(write("tracks.csv", text))["parent"]
    assert parents.isna().tolist() == [True] * 4 + [False] * 2
    assert parents[4] == parents[5] == 1


def test_a_cell_of_number_0_can_be_a_parent(write):
    parents = read_tracks(write("t.csv", "cell,frame,x,y,parent\n0,0,1,1,\n1,1,1,1,0\n"))["parent"]
    assert parents[1] == 0
    with pytest.raises(
        ValueError, match=r"parent of cell 1 is 0, which starts in frame 0, not be"
    ):
        read_tracks(write("t.csv", "cell,frame,x,y,parent\n0,0,1,1,\n1,0,1,1,0\n"))


def test_frames_counted_from_1(write):
    path = write("tracks.csv", "cell,frame,x,y\n1,1,5,5\n1,2,5,5\n")
    assert read_tracks(path)["frame"].tolist() == [1, 2]
    assert read_tracks(path, first_frame=1)["frame"].tolist() == [0, 1]
    with pytest.raises(ValueError, match="lowest frame is 1, below first_frame=2"):
        read_tracks(path, first_frame=2)
    with pytest.raises(ValueError, match="first_frame is 0.5"):
        read_tracks(path, first_frame=0.5)


def test_rows_without_a_cell_are_left_out_and_counted(write):
    path = write("tracks.csv", "cell,frame,x,y\n1,0,5,5\n,0,6,6\n")
    with pytest.warns(UserWarning, match="1 of 2 rows belong to no cell"):
        assert read_tracks(path)["cell"].tolist() == [1]


def test_parquet_csv_and_data_frames_of_tidy_tracks_come_back_the_same(tmp_path, write):
    tracks = read_tracks(write("model.xml", model_xml()))
    assert_frame_equal(read_tracks(tracks), tracks)
    assert_frame_equal(read_tracks(tracks.sample(frac=1, random_state=0)), tracks)
    tracks.to_parquet(tmp_path / "tracks.parquet")
    assert_frame_equal(read_tracks(tmp_path / "tracks.parquet"), tracks)
    tracks.to_csv(tmp_path / "tracks.csv", index=False)
    assert_frame_equal(read_tracks(str(tmp_path / "tracks.csv")), tracks)


def test_a_frame_number_in_the_index_is_found():
    table = pd.DataFrame(
        {"particle": [1, 1], "x": [1.0, 2.0], "y": [3.0, 4.0]},
        index=pd.Index([0, 1], name="frame"),
    )
    assert read_tracks(table)["frame"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,0,5,5\n1,0,6,6\n1,0,7,7\n", r"cell 1 has several rows in frame 0 \(2 rows too many"),
        ("1,0,,5\n", r"x is nan for cell 1 in frame 0 \(1 of 1 rows are not finite"),
        ("1,0,5,inf\n", "y is inf for cell 1 in frame 0"),
        ("1,0,5,five\n", "column 'y' holds 'five' in row 0; expected a number"),
        ("1,0,5,5\n1,1.5,5,5\n", r"frame is 1.5 in row 1 \(1 such rows\); expected whole numbers"),
        ("1,,5,5\n", "frame is nan in row 0"),
        ("1,-1,5,5\n", "lowest frame is -1, below first_frame=0"),
        ("1.5,0,5,5\n", "column 'cell' holds 1.5 in row 0; expected whole numbers or names"),
        ("True,0,5,5\n", "column 'cell' is true or false"),
        ("", "has no rows"),
    ],
)
def test_bad_rows_are_refused_in_one_line(rows, message, write):
    with pytest.raises(ValueError, match=message) as caught:
        read_tracks(write("tracks.csv", "cell,frame,x,y\n" + rows))
    assert "\n" not in str(caught.value) and str(caught.value).startswith("'tracks.csv'")


def test_a_cell_has_one_parent(write):
    text = "cell,frame,x,y,parent\n3,0,1,1,\n4,0,1,1,\n5,1,1,1,3\n5,2,1,1,4\n"
    with pytest.raises(ValueError, match="cell 5 has several parents, 3, 4"):
        read_tracks(write("tracks.csv", text))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"II*\x00\x08\x00\x00\x00", "is neither XML, CSV, Parquet nor HDF5; it begins with b'II"),
        (b"PK\x03\x04 xlsx", "Excel workbook or a ZIP archive; save it as CSV"),
        (b"PAR1 and no more", "is not a readable Parquet file"),
        (b"\x89HDF\r\n\x1a\n and no more", "is not a readable HDF5 file"),
        (
            b"a log of some program\nthat is no table, at all, of course",
            "no (column known|table of)",
        ),
        (b"<html><body></body></html>", "XML of another program, with root <html>"),
    ],
)
def test_files_of_another_kind_are_refused(content, message, write):
    with pytest.raises(ValueError, match=message):
        read_tracks(write("tracks.csv", content))


def test_no_file_and_wrong_arguments(tmp_path, write):
    with pytest.raises(FileNotFoundError, match="no tracks at"):
        read_tracks(tmp_path / "tracks.csv")
    with pytest.raises(FileNotFoundError, match=r"neither 'man_track.txt', 'res_track.txt'"):
        read_tracks(tmp_path)
    path = write("tracks.csv", "cell,frame,x,y\n1,0,5,5\n")
    for wrong in (0, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match="pixel_size is"):
            read_tracks(path, pixel_size=wrong)
    with pytest.raises(ValueError, match="units is 'mm'; expected None, 'pixel' or 'um'"):
        read_tracks(path, units="mm")
    with pytest.raises(ValueError, match="labels= is for lineages"):
        read_tracks(path, labels=tmp_path)
    with pytest.raises(ValueError, match="columns= is for tables"):
        read_tracks(write("model.xml", model_xml()), columns={"ID": "spot"})


# Lineages of the Cell Tracking Challenge ------------------------------------------------------

# Label 1 divides after frame 1 into 2 and 3; 3 is not there in frame 3.
LINEAGE = "1 0 1 0\n2 2 3 1\n3 2 4 1\n"


def label_movie():
    labels = np.zeros((5, 12, 16), dtype=np.uint16)
    labels[0, 2:5, 3:8] = 1  # centre x 5, y 3
    labels[1, 2:5, 4:8] = 1  # x 5.5
    labels[2, 2:5, 3:6] = 2  # x 4
    labels[2, 8:11, 8:13] = 3  # x 10, y 9
    labels[3, 2:5, 3:6] = 2
    labels[4, 8:11, 8:12] = 3  # x 9.5
    return labels


def lineage_folder(folder, lineage=LINEAGE, name="man_track", labels=None, first=0):
    images = {"man_track": "man_track{:03d}.tif", "res_track": "mask{:04d}.tif"}[name]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text(lineage)
    for frame, image in enumerate(label_movie() if labels is None else labels, first):
        tifffile.imwrite(folder / images.format(frame), image)
    return folder


def lineage_from(first):
    """Return the lineage for a movie whose first frame has a number."""
    lives = [tuple(map(int, line.split())) for line in LINEAGE.splitlines()]
    return "".join(f"{cell} {b + first} {e + first} {p}\n" for cell, b, e, p in lives)


LINEAGE_ROWS = [
    [1, 0, 5, 3],
    [1, 1, 5.5, 3],
    [2, 2, 4, 3],
    [2, 3, 4, 3],
    [3, 2, 10, 9],
    [3, 4, 9.5, 9],
]


@pytest.mark.parametrize("name", ["man_track", "res_track"])
def test_lineages_take_positions_from_the_label_images(name, tmp_path, quiet):
    folder = lineage_folder(tmp_path / "01_GT" / "TRA", name=name)
    tracks = read_tracks(folder / f"{name}.txt")
    assert tracks[["cell", "frame", "x", "y"]].values.tolist() == LINEAGE_ROWS
    assert tracks["parent"].isna().tolist() == [True, True, False, False, False, False]
    assert (tracks["parent"].dropna() == 1).all()
    assert tracks["label"].tolist() == tracks["cell"].tolist()
    assert tracks["label"].dtype == np.int64
    assert_frame_equal(read_tracks(folder), tracks)
    assert_frame_equal(read_tracks(tmp_path / "01_GT"), tracks)


@pytest.mark.parametrize("first", [1, 150])
@pytest.mark.parametrize("name", ["man_track", "res_track"])
def test_frames_of_a_lineage_are_counted_as_read_labels_counts_them(name, first, tmp_path, quiet):
    folder = lineage_folder(tmp_path / "01_RES", lineage_from(first), name, first=first)
    tracks = read_tracks(folder)
    assert tracks[["cell", "frame", "x", "y"]].values.tolist() == LINEAGE_ROWS
    labels = read_labels(folder)
    for row in tracks.itertuples():
        y, x = np.nonzero(labels[row.frame][0] == row.label)
        assert (x.mean(), y.mean()) == (row.x, row.y)
    (tmp_path / "elsewhere.txt").write_text(lineage_from(first))
    for images in (folder, labels):  # the stack knows its files
        assert_frame_equal(read_tracks(tmp_path / "elsewhere.txt", labels=images), tracks)
    # A number of one's own wins: the movie may begin before the label images.
    earlier = read_tracks(folder, first_frame=first - 1)
    assert_frame_equal(earlier.assign(frame=earlier["frame"] - 1), tracks)
    assert read_tracks(folder, first_frame=0)["frame"].min() == first


def test_one_label_image_has_its_number_too(tmp_path):
    folder = lineage_folder(tmp_path / "a", "1 7 7 0\n", labels=label_movie()[:1], first=7)
    assert read_tracks(folder)[["cell", "frame", "x", "y"]].values.tolist() == [[1, 0, 5, 3]]


def test_label_images_without_numbers_are_counted_from_first_frame(tmp_path, write, quiet):
    path = write("lineage.txt", lineage_from(150))
    for labels in (label_movie(), label_movie()[:, np.newaxis]):
        with pytest.raises(ValueError, match=r"lists frames 150 to 154, .*pass first_frame=150"):
            read_tracks(path, labels=labels)
        tracks = read_tracks(path, labels=labels, first_frame=150)
        assert tracks[["cell", "frame", "x", "y"]].values.tolist() == LINEAGE_ROWS
    with pytest.raises(ValueError, match="frames 0 to 4, .*first_frame=1 to 5.*first_frame=0"):
        read_tracks(write("zero.txt", LINEAGE), labels=label_movie(), first_frame=1)
    with pytest.raises(ValueError, match="but the 3 label images are fewer"):
        read_tracks(write("zero.txt", LINEAGE), labels=label_movie()[:3])


def test_a_lineage_that_does_not_count_as_its_files_do_is_refused(tmp_path, quiet):
    folder = lineage_folder(tmp_path / "a", lineage_from(1))
    with pytest.raises(ValueError, match="frames 1 to 5, but the 5 label images have the numbers"):
        read_tracks(folder)
    pixels = np.asarray(read_labels(folder))  # as the message says
    tracks = read_tracks(folder, labels=pixels, first_frame=1)
    assert tracks[["cell", "frame", "x", "y"]].values.tolist() == LINEAGE_ROWS


def test_label_images_are_all_that_read_labels_reads(tmp_path, quiet):
    expected = read_tracks(lineage_folder(tmp_path / "plain"))
    floats = lineage_folder(tmp_path / "floats", labels=label_movie().astype(np.float32))
    assert_frame_equal(read_tracks(floats), expected)
    lzw = lineage_folder(tmp_path / "lzw")
    for path, image in zip(sorted(lzw.glob("*.tif")), label_movie()):
        Image.fromarray(image).save(path, compression="tiff_lzw")
    assert_frame_equal(read_tracks(lzw), expected)
    odd = lineage_folder(tmp_path / "odd", labels=label_movie() + np.float32(0.5))
    with pytest.raises(ValueError, match="labels are whole numbers"):
        read_tracks(odd)


def test_label_images_may_lie_elsewhere(tmp_path, write):
    path = write("lineage.txt", LINEAGE)
    with pytest.raises(ValueError, match="says who lived when, not where; no label images"):
        read_tracks(path)
    tifffile.imwrite(tmp_path / "labels.tif", label_movie(), photometric="minisblack")
    (tmp_path / "frames").mkdir()
    for frame, image in enumerate(label_movie()):
        tifffile.imwrite(tmp_path / "frames" / f"t{frame}.tif", image)
    for labels in (label_movie(), tmp_path / "labels.tif", str(tmp_path / "frames")):
        tracks = read_tracks(path, labels=labels)
        assert tracks[["cell", "frame", "x", "y"]].values.tolist() == LINEAGE_ROWS


def test_btracks_lineage_in_which_a_founder_is_its_own_parent(tmp_path):
    lineage = "1 0 1 1 1 0\n2 2 3 1 1 1\n3 2 4 1 1 1\n"
    tracks = read_tracks(lineage_folder(tmp_path / "a", lineage))
    assert tracks["parent"].isna().tolist() == [True, True, False, False, False, False]
    assert tracks["root"].unique().tolist() == [1]
    assert tracks.groupby("cell")["generation"].first().tolist() == [0, 1, 1]


def test_what_lineage_and_images_do_not_share_is_left_out_and_counted(tmp_path):
    labels = label_movie()
    labels[4, 0, 0] = 9
    folder = lineage_folder(tmp_path / "a", "1 0 0 0\n2 2 3 1\n3 2 4 1\n7 0 4 0\n", labels=labels)
    with pytest.warns(UserWarning) as warned:
        tracks = read_tracks(folder)
    assert [str(w.message) for w in warned] == [
        "'man_track.txt': labels 9 of the images are not listed and are left out.",
        "'man_track.txt': 1 objects lie outside their cells' life and are left out.",
        "'man_track.txt': cells 7 are listed but in no image, and are left out.",
    ]
    assert len(tracks) == 5


@pytest.mark.parametrize(
    ("lineage", "message"),
    [
        ("1 0 1 0\n1 2 3 0\n", "lists label 1 twice"),
        ("1 0 1 0\n2 3 2 0\n", "label 2 begins in frame 3, after its end, 2"),
        ("1 0 1 0\n2 2 3\n", "a line reads '2 2 3'; expected 4 whole numbers"),
        ("1 0 1 0\n2 2 3.5 1\n", "a line reads '2 2 3.5 1'"),
        ("0 0 1 0\n", "lists label 0; 0 is the background"),
        ("1 0 1 2\n2 0 3 0\n", "parent of cell 1 is 2, which starts in frame 2, not before"),
    ],
)
def test_damaged_lineages_are_refused(lineage, message, tmp_path):
    labels = label_movie()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=message):
            read_tracks(lineage_folder(tmp_path / "a", lineage, labels=labels))


def test_volumes_and_colours_are_no_label_images(tmp_path):
    folder = lineage_folder(tmp_path / "a", labels=np.zeros((2, 2, 12, 16), np.uint16))
    with pytest.raises(ValueError, match=r"pixels of shape \(2, 2, 12, 16\)"):
        read_tracks(folder)
    with pytest.raises(ValueError, match="labels.* has 2 channels, and a label image has one"):
        read_tracks(folder, labels=np.zeros((5, 2, 12, 16), np.uint16))


def test_two_lineages_or_two_images_of_a_frame_are_refused(tmp_path):
    folder = lineage_folder(tmp_path / "a")
    lineage_folder(folder, name="res_track")
    with pytest.raises(ValueError, match="has several of 'man_track.txt'"):
        read_tracks(folder)
    with pytest.raises(ValueError, match="differ in more than their numbers"):
        read_tracks(folder / "man_track.txt")


# btrack ---------------------------------------------------------------------------------------


@pytest.fixture
def btrack_file(tmp_path):
    """An export in the layout that btrack documents, of the family with the gap filled in."""
    path = tmp_path / "tracks.h5"
    objects = [row[1:] for row in FAMILY]
    with h5py.File(path, "w") as file:
        seen = file.create_group("objects/obj_type_1")
        seen["coords"] = np.array([[t, x, y, 0, 0] for t, x, y in objects], np.float32)
        seen["labels"] = np.full((len(objects), 1), 5, np.float32)
        seen["properties/area"] = np.arange(len(objects), dtype=np.float32)
        seen["properties/softmax"] = np.ones((len(objects), 2), np.float32)
        seen["properties/x"] = np.zeros(len(objects), np.float32)
        tracks = file.create_group("tracks/obj_type_1")
        # Object numbers of each track in turn; -1 is the first dummy.
        tracks["tracks"] = np.array([0, 1, 2, 7, 8, 3, 4, 5, -1, 6], np.int32)
        tracks["map"] = np.array([[0, 3], [3, 5], [5, 7], [7, 10]], np.uint32)
        tracks["dummies"] = np.array([[5, 15.5, 22.25, 0, 1]], np.float32)
        tracks["LBEPR"] = np.array(
            [[1, 0, 2, 1, 1, 0], [2, 0, 1, 2, 2, 0], [3, 3, 4, 1, 1, 1], [4, 4, 6, 1, 1, 1]]
        )
        tracks["fates"] = np.array([4, 22, 21, 5], np.int32)
    return path


def test_btracks_export(btrack_file, quiet):
    tracks = read_tracks(btrack_file)
    assert tracks["dummy"].sum() == 1
    filled_in = tracks[tracks["dummy"]].iloc[0]
    assert filled_in[["cell", "frame", "x", "y"]].tolist() == [4, 5, 15.5, 22.25]
    assert pd.isna(filled_in["area"])
    seen = tracks[~tracks["dummy"]].reset_index(drop=True)
    assert seen["area"].tolist() == [0, 1, 2, 7, 8, 3, 4, 5, 6]
    assert {"softmax_0", "softmax_1", "property_x", "state", "z"} <= set(seen.columns)
    assert seen.groupby("cell")["fate"].first().tolist() == [
        "DIVIDE",
        "TERMINATE_LAZY",
        "TERMINATE_BACK",
        "APOPTOSIS",
    ]
    seen[["cell", "parent"]] -= 1  # btrack counts from 1
    assert_is_family(seen)
    assert seen.groupby("cell")["generation"].first().tolist() == [0, 0, 1, 1]


def test_btracks_references_count_among_the_objects_that_were_tracked(btrack_file):
    with h5py.File(btrack_file, "a") as file:
        coordinates = file["objects/obj_type_1/coords"][:]
        debris = np.insert(coordinates, 0, [0, 99, 99, 0, 0], axis=0)
        for name, values in {"coords": debris, "labels": np.full((len(debris), 1), 5)}.items():
            del file[f"objects/obj_type_1/{name}"]
            file[f"objects/obj_type_1/{name}"] = values
        del file["objects/obj_type_1/properties"]
        file["objects/obj_type_1/properties/area"] = np.r_[1.0, np.full(len(coordinates), 90.0)]
        file["tracks/obj_type_1"].attrs["f_expr"] = "area>50"
    seen = read_tracks(btrack_file)
    assert 99 not in set(seen["x"])
    with h5py.File(btrack_file, "a") as file:
        file["tracks/obj_type_1"].attrs["f_expr"] = "size>50"
    with pytest.raises(ValueError, match="tracked only objects with 'size>50'"):
        read_tracks(btrack_file)


def test_btracks_types_of_objects_are_chosen(btrack_file):
    with h5py.File(btrack_file, "a") as file:
        for group in ("objects", "tracks"):
            file.copy(f"{group}/obj_type_1", f"{group}/obj_type_2")
    with pytest.raises(ValueError, match="has tracks of 'obj_type_1', 'obj_type_2'; choose"):
        read_tracks(btrack_file)
    assert len(read_tracks(btrack_file, object_type="obj_type_2")) == 10


def other_shape(group, name):
    """Put a single number in the place of a dataset."""
    group.pop(name, None)
    group[name] = 3.0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.pop("tracks"), "expected btrack's groups 'objects' and 'tracks'"),
        (lambda file: file["tracks/obj_type_1"].pop("map"), "is not as btrack writes it"),
        (
            lambda file: other_shape(file["objects/obj_type_1"], "labels"),
            "is not as btrack writes",
        ),
        (
            lambda file: other_shape(file["objects/obj_type_1"], "coords"),
            "is not as btrack writes",
        ),
        (lambda file: other_shape(file["tracks/obj_type_1"], "map"), "is not as btrack writes it"),
        (lambda file: other_shape(file["tracks/obj_type_1"], "LBEPR"), "is not as btrack writes"),
        (lambda file: file["tracks/obj_type_1"].pop("dummies"), "there are 9 objects and 0 dumm"),
        (
            lambda file: file["tracks/obj_type_1/map"].write_direct(np.full((4, 2), 90, "u4")),
            "do not fit together; is the file complete",
        ),
    ],
)
def test_damaged_btrack_exports_are_refused(damage, message, btrack_file):
    with h5py.File(btrack_file, "a") as file:
        damage(file)
    with pytest.raises(ValueError, match=message):
        read_tracks(btrack_file)


def test_btracks_csv_is_a_table_like_others(write, quiet):
    text = "ID t x y z parent root state generation dummy\n"
    text += (
        "1.0 0.0 10.0 20.0 0.0 1.0 1.0 5.0 0.0 0.0\n2.0 1.0 11.0 21.0 0.0 1.0 1.0 5.0 1.0 0.0\n"
    )
    tracks = read_tracks(write("tracks.csv", text))
    assert tracks[["cell", "frame", "x", "y"]].values.tolist() == [[1, 0, 10, 20], [2, 1, 11, 21]]
    assert pd.isna(tracks["parent"][0]) and tracks["parent"][1] == 1


# Real tracks ----------------------------------------------------------------------------------


def test_t98g_positions_are_the_centroids_of_its_labels(shared_data, tmp_path):
    folder = shared_data / "t98g_time_lapse"
    tracks = read_tracks(folder / "tracks.csv", pixel_size=0.87)
    assert len(tracks) == 2641 and tracks["cell"].nunique() == 105
    assert tracks["frame"].max() == 36 and tracks["parent"].isna().all()
    assert {"area", "eccentricity", "bbox_right"} <= set(tracks.columns)

    span = tracks.groupby("cell")["frame"].agg(["min", "max"])
    lineage = tmp_path / "man_track.txt"
    lineage.write_text("".join(f"{cell} {b} {e} 0\n" for cell, b, e in span.itertuples()))
    by_label = read_tracks(lineage, labels=folder / "labels.tif")
    assert_frame_equal(tracks[["cell", "frame"]], by_label[["cell", "frame"]])
    np.testing.assert_allclose(tracks[["x", "y"]], by_label[["x", "y"]], atol=1e-5)
