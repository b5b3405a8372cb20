"""The command with odd input: one line on standard error, status 2, nothing half-written."""

import os
import subprocess
import sys
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from microscope_files import write
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from test_cli import refused, run

from sklearn_cellfate import (
    image_column,
    read_cells,
    read_cells_in_parts,
    to_images,
    write_cells,
)
from sklearn_cellfate.cli import _predict, main
from sklearn_cellfate.feature_extraction import PixelFeatures

ODD_NAMES = [
    "two words",
    "Zellen µm 細胞",
    "-o",
    "--output",
    "a=b",
    "100 %",
    "new\nline",
    "quote\"'s",
    "{braces}",
    "%s %(default)s",
    "comma, semicolon;",
    "../up",
    " ",
    "n" * 200,
]


@pytest.fixture
def model_file(cells, tmp_path):
    path = tmp_path / "model.joblib"
    model = make_pipeline(PixelFeatures(), LogisticRegression())
    joblib.dump(model.fit(cells[["image"]], cells["fate"]), path)
    return path


@pytest.fixture
def table_file(cells, tmp_path):
    path = tmp_path / "cells.parquet"
    write_cells(cells[["donor", "image"]], path)
    return path


# Arguments --------------------------------------------------------------------------------------

words = st.one_of(
    st.sampled_from(["evaluate", "predict", "extract", "explain", "report"]),
    st.sampled_from(["--output", "-o", "--target", "--seed", "--size", "--axes", "--columns"]),
    st.sampled_from(["-1", "0", "1e9", "nan", "9" * 40, "", ".", "/", "-", "--", "é", "a=b=c"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(words, max_size=6))
def test_no_arguments_give_a_traceback(tmp_path_factory, arguments):
    """Nor files: nothing here names one that is there."""
    if any(word.startswith(("-h", "--h")) for word in arguments):
        return
    if arguments[:1] == ["evaluate"] and not set(arguments) - {"evaluate"}:
        return  # the demonstration, which takes minutes
    folder = tmp_path_factory.mktemp("empty")
    home = os.getcwd()
    os.chdir(folder)
    try:
        status = main(arguments)
    except SystemExit as stopped:  # argparse
        status = stopped.code
    finally:
        os.chdir(home)
    assert status == 2
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", ["evaluate", "predict", "extract"])
@pytest.mark.parametrize("name", ["none.parquet", "a folder", "a file", "a\0zero"])
def test_paths_that_cannot_be_read(command, name, model_file, tmp_path, capsys):
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a file").write_text("text")
    path = tmp_path / name
    output = ("--output", tmp_path / "out.parquet")
    arguments = {
        "evaluate": (path, "--target", "fate", "--output", tmp_path / "report"),
        "predict": (model_file, path, *output),
        "extract": (path, path, *output),
    }[command]
    line = refused(capsys, tmp_path, command, *arguments)
    assert name.replace("\0", "\\x00") in line or "null" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
@pytest.mark.parametrize("mode", [0o000, 0o200])
def test_files_that_may_not_be_read(mode, table_file, model_file, tmp_path, capsys):
    for path in (table_file, model_file):
        path.chmod(mode)
        line = refused(
            capsys, tmp_path, "predict", model_file, table_file, "--output", tmp_path / "p.csv"
        )
        assert path.name in line
        path.chmod(0o600)


@pytest.mark.parametrize("name", ["none/p.csv", "a folder.csv", "/proc/p.csv", "n" * 300 + ".csv"])
def test_outputs_that_cannot_be_written(name, table_file, model_file, tmp_path, capsys):
    (tmp_path / "a folder.csv").mkdir()
    output = ("--output", tmp_path / name)
    line = refused(capsys, tmp_path, "predict", model_file, table_file, *output)
    assert "is a folder; name a file" in line or name != "a folder.csv"
    assert not list((tmp_path / "a folder.csv").iterdir())


def test_an_output_that_fails_leaves_the_one_before(cells, model_file, tmp_path, capsys):
    output = tmp_path / "p.csv"
    output.write_text("of yesterday")
    pixels = np.ones((len(cells), 1, 12, 12), np.float32)
    pixels[-1, 0, 3, 3] = np.nan
    write_cells(cells[["donor"]].assign(image=image_column(pixels)), tmp_path / "new.parquet")
    arguments = (model_file, tmp_path / "new.parquet", "--output", output)
    line = refused(capsys, tmp_path, "predict", *arguments)
    assert "1 of 80 images contain NaN" in line
    assert output.read_text() == "of yesterday"


# Names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ODD_NAMES)
def test_files_and_columns_by_any_name(name, cells, tmp_path, capsys):
    """Names travel from the table to the predictions and into file names, as they are."""
    stem = name.replace("/", "_")
    folder = tmp_path / stem
    folder.mkdir(exist_ok=True)
    table, model, output = (folder / f"{stem}{end}" for end in (".pq", ".mod", ".csv"))
    cells = cells[["image"]].assign(**{name: [f"{name} {i}" for i in range(len(cells))]})
    write_cells(cells, table)
    fitted = DummyClassifier().fit(cells, [name] * 40 + ["other"] * 40)
    joblib.dump(fitted, model)
    assert run("predict", model, table, f"--output={output}") == 0
    predicted = pd.read_csv(output, index_col=0, dtype={name: str})
    assert list(predicted[name]) == list(cells[name])
    assert f"probability_{name}" in predicted.columns
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path.name for path in (table, model, output)
    )


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_column_that_is_not_there_is_named_on_one_line(name, table_file, tmp_path, capsys):
    line = refused(
        capsys, tmp_path, "evaluate", table_file, f"--target={name}", "--output", tmp_path / "r"
    )
    assert "no column" in line


def test_a_movie_and_tracks_by_odd_names(tmp_path, capsys):
    folder = tmp_path / "Zellen µm, 細胞 [1]"
    folder.mkdir()
    movie = np.random.default_rng(0).integers(0, 99, (3, 30, 30), np.uint16)
    write(folder / "film *.tif", movie, "TYX")
    tracks = pd.DataFrame({"cell": 1, "frame": range(3), "x": 15.0, "y": 15.0, "名 前;": "é"})
    tracks.to_csv(folder / "tracks?.csv", index=False)
    output = folder / "cells#.parquet"
    assert run("extract", folder / "film *.tif", folder / "tracks?.csv", "-o", output) == 0
    assert "名 前;" in read_cells(output).columns


# As a process of its own ------------------------------------------------------------------------


def test_arguments_in_bytes_that_are_no_text(tmp_path):
    """A Latin-1 name on a UTF-8 machine cannot be printed as it is, and is no reason to crash."""
    command = [sys.executable, "-m", "sklearn_cellfate", "evaluate", b"caf\xe9.parquet"]
    done = subprocess.run(
        [*command, "--target", "fate"],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "LC_ALL": "C.UTF-8"},
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1 and b"no cell table at" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_one_line(cells, model_file, tmp_path, capsys, monkeypatch):
    """Every write fails as on a full disk; the predictions of yesterday stay."""
    output = tmp_path / "p.csv"
    output.write_text("of yesterday")
    write_cells(cells[["donor", "image"]], tmp_path / "cells.parquet")

    def full(self, *args, **kwargs):
        with open("/dev/full", "w") as file:
            file.write("x" * 100_000)

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    line = refused(
        capsys, tmp_path, "predict", model_file, tmp_path / "cells.parquet", "--output", output
    )
    assert "No space left" in line
    assert output.read_text() == "of yesterday"


def test_a_large_table_is_predicted_in_parts(cells, model_file, tmp_path, capsys, monkeypatch):
    """With the numbers that the whole gives, and messages that say where."""
    in_parts = partial(read_cells_in_parts, part_bytes=9000)  # 15 rows
    monkeypatch.setattr(_predict, "read_cells_in_parts", in_parts)
    cells = cells.assign(donor=cells["donor"].astype("category")).set_index("noise")
    table, output = tmp_path / "cells.parquet", tmp_path / "p.parquet"
    write_cells(cells, table)
    assert run("predict", model_file, table, "--output", output) == 0
    predicted, model = pd.read_parquet(output), joblib.load(model_file)
    assert predicted.index.equals(cells.index)
    assert list(predicted["donor"]) == list(cells["donor"])
    np.testing.assert_array_equal(predicted["prediction"], model.predict(cells[["image"]]))
    of_classes = predicted[["probability_dies", "probability_divides"]].to_numpy()
    # Logistic regression of float32 rounds with the number of rows.
    np.testing.assert_allclose(of_classes, model.predict_proba(cells[["image"]]), rtol=1e-5)
    capsys.readouterr()
    pixels = to_images(cells).copy()
    pixels[70, 0, 3, 3] = np.nan
    write_cells(cells.assign(image=image_column(pixels)), table)
    line = refused(capsys, tmp_path, "predict", model_file, table, "--output", output)
    assert "cells.parquet' from row 60 on: 1 of 15 images contain NaN" in line
    assert "the first is row 10" in line
