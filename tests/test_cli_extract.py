"""The command extract, as a user types it, and evaluate and predict on what it writes."""

import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import tifffile
from pandas.testing import assert_frame_equal

from sklearn_cellfate import movie_column, read_cells, to_movies, write_cells
from sklearn_cellfate.cli import main
from sklearn_cellfate.io import extract_cells, label_fates, read_labels, read_stack, read_tracks
from sklearn_cellfate.quality import flag_all

N_FRAMES, SIDE, PIXEL_SIZE = 13, 64, 0.5
QUICK = ["--max-epochs", "2", "--jobs", "1"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A recorded movie: cell 1 divides into 2 and 3, cell 4 sits at the edge, 5 to 8 are quiet."""
    folder = tmp_path_factory.mktemp("recorded")
    rng = np.random.default_rng(0)
    movie = rng.integers(90, 110, (N_FRAMES, 2, SIDE, SIDE)).astype("uint16")
    labels = np.zeros((N_FRAMES, SIDE, SIDE), "uint16")
    lives = {1: (20, 20, 0, 6, None), 2: (15, 14, 6, 13, 1), 3: (15, 26, 6, 13, 1)}
    lives |= {4: (40, 3, 0, 13, None)}
    lives |= {5 + i: (50, 20 + 12 * i, 0, 13, None) for i in range(4)}
    rows = []
    grid = np.mgrid[:SIDE, :SIDE]
    for cell, (y, x, begin, end, parent) in lives.items():
        for t in range(begin, end):
            inside = np.hypot(grid[0] - y, grid[1] - x) < 4.5
            labels[t][inside] = cell
            movie[t][:, inside] += 50 * cell
            rows.append((cell, t, x * PIXEL_SIZE, y * PIXEL_SIZE, parent, cell / 10 + t))
    columns = ["cell", "frame", "x", "y", "parent", "speed"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "tracks.csv", index=False)
    tifffile.imwrite(folder / "well A1.ome.tif", movie, metadata={"axes": "TCYX"})
    tifffile.imwrite(folder / "labels.tif", labels, metadata={"axes": "TYX"})
    return folder


def run(*arguments):
    return main([str(argument) for argument in arguments])


def extract(files, output, *arguments, tracks="tracks.csv", labels="labels.tif", size=12):
    command = ["extract", files / "well A1.ome.tif", files / tracks, "--size", size]
    command += ["--pixel-size", PIXEL_SIZE, "-o", output]
    return run(*command, *(["--labels", files / labels] if labels else []), *arguments)


def expected_table(files, **options):
    tracks = read_tracks(files / "tracks.csv", pixel_size=PIXEL_SIZE)
    stack, labels = read_stack(files / "well A1.ome.tif"), read_labels(files / "labels.tif")
    return extract_cells(stack, tracks, labels, **{"size": 12} | options)


def test_the_file_holds_the_cells_their_fates_and_their_flags(files, tmp_path, capsys):
    assert extract(files, tmp_path / "cells.parquet") == 0
    printed = capsys.readouterr()
    table = read_cells(tmp_path / "cells.parquet")
    expected = expected_table(files)
    assert_frame_equal(table[expected.columns], expected)
    fates = label_fates(
        read_tracks(files / "tracks.csv", pixel_size=PIXEL_SIZE), n_frames=N_FRAMES
    )
    assert_frame_equal(table[fates.columns], fates)
    assert table["fate"].tolist() == ["divides"] + ["censored"] * 7
    flags = flag_all(expected).filter(like="flag_")
    assert_frame_equal(table.filter(like="flag_"), flags)
    assert table.query("flag_edge")["cell"].tolist() == [4]
    assert set(table["field"]) == {"well A1"}
    assert "8 cells in field 'well A1': 85 crops of 12 x 12 pixels and 2 channel" in printed.out
    assert "from 13 of 13 frames" in printed.out
    assert "fates: 7 censored, 1 divides" in printed.out
    assert "edge" in printed.out and "remaining" in printed.out
    assert "13/13" in printed.err, "a progress bar"
    assert [path.name for path in tmp_path.iterdir()] == ["cells.parquet"]


def test_it_runs_without_labels_and_without_parents(files, tmp_path, capsys):
    tracks = pd.read_csv(files / "tracks.csv").drop(columns="parent")
    tracks.to_csv(tmp_path / "tracks.csv", index=False)
    output = tmp_path / "cells.parquet"
    command = ["extract", files / "well A1.ome.tif", tmp_path / "tracks.csv", "-o", output]
    assert run(*command, "--pixel-size", PIXEL_SIZE) == 0
    printed = capsys.readouterr()
    assert "no cell has a parent in these tracks, so no fates are added" in printed.out
    assert "warning: " in printed.err and "could not be judged" in printed.err
    table = read_cells(output)
    assert {"fate", "label"}.isdisjoint(table) and to_movies(table)[0].shape[1:] == (2, 20, 20)


@pytest.mark.filterwarnings("ignore:.* reach the border of their crop")
def test_options_reach_the_extraction(files, tmp_path):
    output = tmp_path / "cells.parquet"
    extract(files, output, "--mask", "channel", "--size", 9, 14, "--label-column", "cell")
    expected = expected_table(files, mask="channel", size=(9, 14), label_column="cell")
    assert_frame_equal(read_cells(output)[expected.columns], expected)
    extract(files, output, "--mask", "none")
    expected = expected_table(files, mask=None)
    assert_frame_equal(read_cells(output)[expected.columns], expected)


def test_options_reach_the_readers(files, tmp_path):
    tracks = pd.read_csv(files / "tracks.csv")
    tracks["frame"] += 1
    tracks[["x", "y"]] /= PIXEL_SIZE
    renamed = tracks.rename(columns={"cell": "nucleus", "frame": "when"})
    renamed.to_csv(tmp_path / "renamed.csv", index=False)
    masks = (tifffile.imread(files / "labels.tif") > 0).astype("uint8")
    tifffile.imwrite(tmp_path / "masks.tif", masks, metadata=None)
    tifffile.imwrite(tmp_path / "raw.tif", masks, metadata=None)
    command = ["extract", tmp_path / "raw.tif", tmp_path / "renamed.csv", "--axes", "tyx"]
    command += ["--labels", tmp_path / "masks.tif", "--binary-labels", "--first-frame", 1]
    command += ["--columns", "nucleus=cell", "when=frame", "-o", tmp_path / "cells.parquet"]
    assert run(*command) == 0
    table = read_cells(tmp_path / "cells.parquet")
    expected = expected_table(files, size=20)
    assert table["frame"].tolist() == expected["frame"].tolist()
    assert table["area"].tolist() == expected["area"].tolist()
    assert np.concatenate(table["label"].tolist()).min() > 0


def test_columns_of_the_tracks_give_way_to_fates(files, tmp_path):
    tracks = pd.read_csv(files / "tracks.csv").assign(fate="unknown", time=range(85))
    tracks.to_csv(tmp_path / "tracks.csv", index=False)
    command = ["extract", files / "well A1.ome.tif", tmp_path / "tracks.csv"]
    run(*command, "--pixel-size", PIXEL_SIZE, "-o", tmp_path / "cells.parquet")
    table = read_cells(tmp_path / "cells.parquet")
    assert set(table["fate_in_tracks"]) == {"unknown"} and "divides" in set(table["fate"])
    assert table["time_in_tracks"].iloc[0] == [0, 1, 2, 3, 4, 5]


def test_running_again_replaces_the_file(files, tmp_path):
    output = tmp_path / "cells.parquet"
    output.write_text("something old")
    assert extract(files, output) == 0
    first = read_cells(output)
    assert extract(files, output) == 0
    assert_frame_equal(read_cells(output), first)


@pytest.mark.parametrize("place", ["pyarrow.parquet.write_table", "os.replace"])
def test_an_interrupt_leaves_the_old_file_alone(files, tmp_path, capsys, monkeypatch, place):
    output = tmp_path / "cells.parquet"
    output.write_text("something old")

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(place, interrupted)
    assert extract(files, output) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["cells.parquet"]
    assert output.read_text() == "something old"
    assert capsys.readouterr().err.splitlines()[-1] == "sklearn-cellfate: interrupted"


@pytest.mark.slow
def test_ctrl_c_while_it_reads(tmp_path):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 60_000, (512, 512)).astype("uint16")
    tifffile.imwrite(
        tmp_path / "movie.tif",
        (frame for _ in range(600)),
        shape=(600, 512, 512),
        dtype="uint16",
        compression="zlib",
        metadata={"axes": "TYX"},
    )
    tracks = pd.DataFrame({"cell": 1, "frame": range(600), "x": 50, "y": 50})
    tracks.to_csv(tmp_path / "tracks.csv")
    command = [sys.executable, "-m", "sklearn_cellfate", "extract", "movie.tif", "tracks.csv"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
    seen = b""
    while b"/600" not in seen:
        seen += process.stderr.read(20)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read().decode()
    assert process.wait(60) == 130
    assert rest.splitlines()[-1] == "sklearn-cellfate: interrupted" and "Traceback" not in rest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["movie.tif", "tracks.csv"]


def test_sigterm_while_it_writes_leaves_nothing_behind(files, tmp_path, capsys, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)

    def terminated(source, target):
        assert source.exists()
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("os.replace", terminated)
    assert extract(files, tmp_path / "cells.parquet") == 143
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err.splitlines()[-1] == "sklearn-cellfate: terminated"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_package_that_is_not_installed_is_one_line(files, tmp_path, capsys, monkeypatch):
    def absent(*args, **kwargs):
        raise ImportError('two packages more: pip install "sklearn-cellfate[zarr]"')

    monkeypatch.setattr("sklearn_cellfate.io.read_stack", absent)
    assert extract(files, tmp_path / "cells.parquet") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "sklearn-cellfate[zarr]" in error


def test_hot_pixels_of_one_channel_are_looked_for_on_request(files, tmp_path, capsys):
    output = tmp_path / "cells.parquet"
    movie = tifffile.imread(files / "well A1.ome.tif")[:, 0]
    movie[3, 40, 3] = 5000
    tifffile.imwrite(tmp_path / "one.tif", movie, metadata={"axes": "TYX"})
    command = ["extract", tmp_path / "one.tif", files / "tracks.csv", "-o", output, "--size", 12]
    command += ["--labels", files / "labels.tif", "--pixel-size", PIXEL_SIZE]
    for mask in ("apply", "channel"):
        assert run(*command, "--mask", mask) == 0
        printed = capsys.readouterr()
        assert "hot pixels are not looked for in a single channel" in printed.out
        assert "could not be judged" not in printed.err
        assert "flag_hot_pixel" not in read_cells(output)
        hot = ["--mask", mask, "--hot-pixel-channel", 0, "--hot-pixel-threshold", 1000]
        assert run(*command, *hot) == 0
        assert "hot pixels are not" not in capsys.readouterr().out
        table = read_cells(output)
        assert table.query("flag_hot_pixel")["cell"].tolist() == [4]


def test_options_reach_fates_and_flags(files, tmp_path):
    output = tmp_path / "cells.parquet"
    extract(files, output, "--min-daughters", 3, "--min-frames", 8, "--hot-pixel-channel", 1, 0)
    table = read_cells(output)
    assert set(table["fate"]) == {"censored"}
    assert table.query("flag_short")["cell"].tolist() == [1, 2, 3]
    assert not table["flag_hot_pixel"].any()


def test_one_of_several_images_in_a_file_is_chosen(files, tmp_path):
    h5py = pytest.importorskip("h5py")
    output = tmp_path / "cells.parquet"
    with h5py.File(tmp_path / "both.h5", "w") as file:
        file["raw"] = tifffile.imread(files / "well A1.ome.tif")
        file["objects"] = tifffile.imread(files / "labels.tif")
    command = ["extract", tmp_path / "both.h5", files / "tracks.csv", "--labels"]
    command += [tmp_path / "both.h5", "--dataset", "raw", "--labels-dataset", "objects"]
    command += ["--axes", "tcyx", "--size", 12, "--pixel-size", PIXEL_SIZE, "-o", output]
    assert run(*command) == 0
    expected = expected_table(files).assign(field="both").astype({"field": "str"})
    assert_frame_equal(read_cells(output)[expected.columns], expected)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("counted from 1? read_tracks(..., first_frame=1).", "counted from 1? --first-frame 1."),
        ("read_tracks(..., pixel_size=...) converts.", "--pixel-size converts."),
        ("pass axes='TYX' if they", "give --axes TYX if they"),
        ('label_column="cell" says', "--label-column cell says"),
        ("call read_tracks with units='um'.", "give --units um."),
        ("read_tracks(..., columns={'a b': 'cell'}).", "--columns a b=cell."),
        ("choose with dataset='raw/0'", "choose with --dataset raw/0"),
        ("pass binary=True to number", "give --binary-labels to number"),
        ("nothing to\n  translate", "nothing to translate"),
    ],
)
def test_advice_is_in_the_words_of_the_command(message, line):
    from sklearn_cellfate.cli._advice import for_command

    assert for_command(message) == line


def test_features_are_columns_that_are_known_measures():
    from sklearn_cellfate.cli._first_frames import first_frames

    measured = ["area", "MEAN_INTENSITY_CH1", "intensity_mean-0", "eccentricity", "area_in_tracks"]
    others = ["wtd_x", "wtd_frame", "wtd_area", "bbox_top", "x", "frame_in_tracks", "ID", "FRAME"]
    others += ["POSITION_X", "centroid-0", "time_in_tracks", "image_id", "spot_id", "padding"]
    rows = {name: [[1.0, 2.0], [3.0, 4.0]] for name in measured + others}
    movies = movie_column([np.zeros((2, 1, 4, 4))] * 2)
    _, taken = first_frames(pd.DataFrame({"movie": movies, **rows}))
    assert taken == [f"{name}_0%" for name in measured]


def test_t98g_becomes_a_table(shared_data, tmp_path, capsys):
    folder = shared_data / "t98g_time_lapse"
    output = tmp_path / "cells.parquet"
    command = ["extract", folder / "phase.tif", folder / "tracks.csv", "-o", output]
    command += ["--labels", folder / "labels.tif", "--pixel-size", 0.87, "--size", 80]
    assert run(*command, "--label-column", "cell") == 0
    assert "105 cells in field 'phase': 2641 crops of 80 x 80" in capsys.readouterr().out
    table = read_cells(output)
    assert len(table) == 105 and table["flag_edge"].any()
    assert np.concatenate(table["label"].tolist()).min() > 0


# evaluate and predict --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def extracted(files, tmp_path_factory):
    """A table such as extract writes, of enough cells, with fates to predict."""
    output = tmp_path_factory.mktemp("table") / "cells.parquet"
    assert extract(files, output) == 0
    table = pd.concat([read_cells(output)] * 5, ignore_index=True)
    table["fate"] = np.where(np.arange(len(table)) % 2, "divides", "dies")
    write_cells(table, output)
    return output


@pytest.mark.slow
def test_evaluate_takes_the_first_frame_of_each_movie(extracted, tmp_path, capsys):
    output = tmp_path / "report"
    arguments = ["--target", "fate", "--output", output, "--seed", 0, *QUICK]
    assert run("evaluate", extracted, *arguments) == 0
    printed = capsys.readouterr().out
    assert "cells are seen in their first frame" in printed
    assert "2 features: area_0%, speed_0%\n" in printed
    assert "of 40 cells have a quality flag, and all are used" in printed
    predictions = tmp_path / "predictions.csv"
    assert run("predict", output, extracted, "--output", predictions) == 0
    assert len(pd.read_csv(predictions)) == 40


@pytest.mark.slow
def test_a_time_course_of_extracted_movies(extracted, tmp_path):
    """On the folds of the comparison, at as many times as asked for."""
    output = tmp_path / "report"
    arguments = ["--target", "fate", "--output", output, "--seed", 0, *QUICK]
    assert run("evaluate", extracted, *arguments, "--time-course", 3) == 0
    course = pd.read_parquet(output / "time_course.parquet")
    assert sorted(course["time"].unique()) == [0, 0.5, 1]
    assert set(course["estimator"]) == {"features", "images"}
    assert course["models"].eq("shared").all() and course["n"].eq(40).all()
    predicted = pd.read_parquet(output / "predictions.parquet")
    folds = predicted[predicted["estimator"] == "images"].groupby("fold").size()
    assert len(folds) == course["folds"].max()


@pytest.mark.slow
def test_features_that_are_named_are_taken(extracted, tmp_path, capsys):
    arguments = ["--target", "fate", "--output", tmp_path / "report", *QUICK]
    assert run("evaluate", extracted, *arguments, "--features", "x_0%", "daughters") == 0
    assert "2 features: x_0%, daughters\n" in capsys.readouterr().out


# Bad input: one line, status 2, nothing half-written -------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "65"], "crop of 65 x 65 pixels is larger than field 'well A1' of 64 x 64"),
        (["--size", "1", "2", "3"], "--size takes one or two numbers, found 3"),
        (["--size", "0"], "size must be a whole number of pixels"),
        (["-o", "cells.csv"], "'cells.csv' does not end in .parquet"),
        (["-o", "absent/cells.parquet"], "there is no such folder"),
        (["--label-column", "nucleus"], "no column 'nucleus'"),
        (["--columns", "cell"], "--columns takes THEIRS=OURS, found 'cell'"),
        (["--pixel-size", "0.1"], "positions lie outside the field of 64 x 64 pixels"),
        (["--pixel-size", "-1"], "pixel_size"),
        (["--first-frame", "1"], "--first-frame 1"),
        (["--axes", "tyx"], "--axes TYX"),
        (["--hot-pixel-channel", "0"], "needs --hot-pixel-threshold"),
        (
            ["--hot-pixel-channel", "1", "2"],
            "--hot-pixel-channel 1 2: the movie has channels 0 to",
        ),
        (["--min-frames", "0"], "--min-frames must be 1 or more"),
    ],
)
def test_requests_that_cannot_be_met(files, tmp_path, capsys, arguments, words):
    assert extract(files, tmp_path / "cells.parquet", *arguments) == 2
    assert list(tmp_path.iterdir()) == []
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("sklearn-cellfate: error:")
    assert words in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--label-column", "cell"], "--label-column"),
        (["--mask", "channel"], "--mask channel"),
        (["--binary-labels"], "--binary-labels"),
    ],
)
def test_requests_that_need_labels(files, tmp_path, capsys, arguments, words):
    assert extract(files, tmp_path / "cells.parquet", *arguments, labels=None) == 2
    assert f"{words} is given but no --labels" in capsys.readouterr().err


def test_files_that_are_not_there_or_damaged(files, tmp_path, capsys):
    output = tmp_path / "cells.parquet"
    assert extract(files, output, tracks="absent.csv") == 2
    assert "no tracks at" in capsys.readouterr().err
    assert extract(files, output, labels="absent.tif") == 2
    assert "absent.tif" in capsys.readouterr().err
    whole = (files / "well A1.ome.tif").read_bytes()
    (tmp_path / "cut.ome.tif").write_bytes(whole[: len(whole) // 2])
    assert run("extract", tmp_path / "cut.ome.tif", files / "tracks.csv", "-o", output) == 2
    assert "cut short" in capsys.readouterr().err
    assert not output.exists()
