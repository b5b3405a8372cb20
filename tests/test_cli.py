"""The command, as a user types it."""

import contextlib
import hashlib
import io
import json
import pickle
from importlib.util import find_spec

import joblib
import numpy as np
import pandas as pd
import pytest
from conftest import make_blobs_of_light
from sklearn.utils import Bunch

from sklearn_cellfate import image_column, persistence, read_cells, to_images, write_cells
from sklearn_cellfate.cli import main
from sklearn_cellfate.cli._models import load_model
from sklearn_cellfate.model_selection import make_modality_pipelines
from sklearn_cellfate.neural_network import AAEClassifier
from sklearn_cellfate.persistence._card import hash_rows

HAS_SKOPS = find_spec("skops") is not None
MODEL = "model.skops" if HAS_SKOPS else "model.joblib"
QUICK = ["--max-epochs", "2", "--jobs", "1"]


@pytest.fixture
def table_file(cells, tmp_path):
    path = tmp_path / "cells.parquet"
    write_cells(cells, path)
    return path


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A table, what evaluate printed of it, and the folder that it wrote."""
    place = tmp_path_factory.mktemp("evaluated")
    images, fate = make_blobs_of_light()
    rng = np.random.default_rng(1)
    cells = pd.DataFrame(
        {
            "donor": np.array(["d1", "d2", "d3", "d4"])[rng.permutation(len(fate)) % 4],
            "fate": fate,
            "size": (fate == "divides") + rng.normal(0, 1, len(fate)),
            "image": image_column(images),
        }
    )
    write_cells(cells, place / "cells.parquet")
    arguments = ["--target", "fate", "--groups", "donor", "--output", place / "report", *QUICK]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert run("evaluate", place / "cells.parquet", *arguments) == 0
    return Bunch(
        cells=cells,
        file=place / "cells.parquet",
        folder=place / "report",
        printed=printed.getvalue(),
    )


def test_evaluate_answers_and_writes_a_folder(evaluated):
    for words in ("images + features", "balanced_accuracy", "paired difference to 'features'"):
        assert words in evaluated.printed
    names = {path.name for path in evaluated.folder.iterdir()}
    tables = {
        f"{n}.{s}"
        for n in ("scores", "summary", "differences", "by_group", "predictions")
        for s in ("csv", "parquet")
    }
    figures = {"roc.png", "confusion.png", "latent_space.png", "losses.png"}
    pages = {"run.json", "cells.parquet", "losses.parquet", "latents.npz"}
    pages |= {"traversal.parquet", "traversal.npz"}
    assert names == tables | figures | pages | {"report.txt", MODEL}
    about = json.loads((evaluated.folder / "run.json").read_text())
    assert about["data"]["file"]["name"] == about["arguments"]["table"] == "cells.parquet"
    assert str(evaluated.folder.parent) not in json.dumps(about) and about["seed"] == 0
    digest = hashlib.sha256(evaluated.file.read_bytes()).hexdigest()
    assert about["data"]["file"]["sha256"] == digest and not about["simulated"]
    scores = pd.read_parquet(evaluated.folder / "scores.parquet")
    assert set(scores["held_out"]) == {"d1", "d2", "d3", "d4"}


def test_predict_takes_the_folder_or_the_file_in_it(evaluated, tmp_path):
    for number, model in enumerate((evaluated.folder, evaluated.folder / MODEL)):
        output = tmp_path / f"{number}.parquet"
        assert run("predict", model, evaluated.file, "--output", output) == 0
        predicted = pd.read_parquet(output)
        expected = load_model(model).predict(evaluated.cells)
        assert (predicted["prediction"] == expected).all()
        assert list(predicted["donor"]) == list(evaluated.cells["donor"])
        of_classes = predicted[["probability_dies", "probability_divides"]]
        assert np.allclose(of_classes.sum(axis=1), 1)


@pytest.mark.skipif(not HAS_SKOPS, reason='needs skops: pip install "sklearn-cellfate[safe]"')
def test_the_model_is_a_file_that_runs_no_code_and_says_what_it_is(
    evaluated, tmp_path, monkeypatch
):
    card = persistence.read_card(evaluated.folder / "model.skops")
    assert card["classes"] == ["dies", "divides"]
    assert card["training_data"] == {
        "rows": 80,
        "columns": ["image", "size"],
        "sha256": hash_rows(evaluated.cells[["image", "size"]], evaluated.cells["fate"]),
    }
    summary = pd.read_csv(evaluated.folder / "summary.csv").set_index(["estimator", "metric"])
    best = summary["mean"].xs("balanced_accuracy", level="metric").idxmax()
    assert f"best: '{best}'" in evaluated.printed
    scores = {row["metric"]: row["mean"] for row in card["scores"]}
    assert scores == pytest.approx(summary["mean"][best].to_dict())
    monkeypatch.setattr(joblib, "load", None)  # which runs code
    output = tmp_path / "p.csv"
    assert run("predict", evaluated.folder, evaluated.file, "--output", output) == 0


def test_a_pickle_is_written_by_wish_and_said_so(table_file, tmp_path, capsys):
    output = tmp_path / "report"
    arguments = [table_file, "--target", "fate", "--features", "size", "--output", output, *QUICK]
    assert run("evaluate", *arguments, "--pickle") == 0
    said = capsys.readouterr().out
    assert "model.joblib is a pickle" in said and "sklearn-cellfate[safe]" in said
    assert {path.name for path in output.glob("model.*")} == {"model.joblib"}
    assert run("predict", output, table_file, "--output", tmp_path / "p.csv") == 0


@pytest.mark.slow
def test_without_a_table_it_simulates(tmp_path, capsys):
    output = tmp_path / "report"
    arguments = ["--cells", "120", "--time-course", "2", "--output", output, *QUICK]
    assert run("evaluate", *arguments) == 0
    assert "best possible balanced accuracy 0.8" in capsys.readouterr().out
    course = pd.read_parquet(output / "time_course.parquet")
    assert set(course["time"]) == {0, 1}
    assert set(course["estimator"]) == {"images"}, "features were measured in first frames alone"
    assert run("report", output, "-o", tmp_path / "page.html") == 0
    assert "one model for all times" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "target", "groups"),
    [("tcell_activation", "activated", "donor"), ("live_dead", "dead", "field")],
)
def test_real_tables_run(shared_data, tmp_path, name, target, groups):
    cells = read_cells(shared_data / f"{name}.parquet")
    few = tmp_path / "few.parquet"
    write_cells(cells.groupby(target).sample(80, random_state=0), few)
    arguments = ["--target", target, "--groups", groups, "--output", tmp_path / "report", *QUICK]
    assert run("evaluate", few, *arguments) == 0


def test_the_model_predicts_cells_without_labels(evaluated, tmp_path):
    write_cells(evaluated.cells[["image", "size"]], tmp_path / "new.parquet")
    results = tmp_path / "new.csv"
    assert run("predict", evaluated.folder, tmp_path / "new.parquet", "--output", results) == 0
    assert len(pd.read_csv(results)) == len(evaluated.cells)


# Bad input: one line, status 2, nothing half-written


def run(*arguments):
    return main([str(argument) for argument in arguments])


def refused(capsys, tmp_path, *arguments):
    """Run, expect a refusal, return its one line."""
    before = sorted(tmp_path.iterdir())
    assert run(*arguments) == 2
    assert sorted(tmp_path.iterdir()) == before
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and captured.err.startswith("sklearn-cellfate: error:")
    return captured.err


def evaluate(table_file, tmp_path, *arguments):
    return ("evaluate", table_file, "--output", tmp_path / "report", *QUICK, *arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "fat"], "no column 'fat'"),
        (["--target", "fate", "--groups", "clone"], "no column 'clone'"),
        (["--target", "fate", "--features", "size", "area"], "no column 'area'"),
        ([], "--target is missing"),
        (["--target", "fate", "--features", "fate"], "'fate' is target or groups"),
        (["--target", "fate", "--features", "size", "size"], "'size' 2 times"),
        (["--target", "fate", "--features", "image"], "'image', which holds images"),
        (["--target", "image"], "'image', which holds images"),
        (["--target", "fate", "--image", "size"], "'size' holds no images"),
        (["--target", "size"], "'size' must hold classes, found continuous values"),
        (["--target", "fate", "--seed", "-1"], "--seed must be 0 or more"),
        (["--target", "fate", "--time-course", "0"], "--time-course must be 1 or more, found 0"),
        (["--target", "fate", "--time-course"], "needs a table of movies; this one has an image"),
    ],
)
def test_missing_columns(table_file, tmp_path, capsys, arguments, words):
    assert words in refused(capsys, tmp_path, *evaluate(table_file, tmp_path, *arguments))


def spoil_labels(cells):
    return cells.assign(fate=cells["fate"].where(cells.index > 2))


def spoil_one_class(cells):
    return cells.assign(fate="dies")


def spoil_group(cells):
    return cells.assign(donor=np.where(cells["fate"] == "divides", "d1", "d2"))


def spoil_pixels(cells):
    pixels = np.ones((len(cells), 1, 5, 5))
    pixels[4, 0, 1, 1] = np.inf
    return cells.assign(image=image_column(pixels))


def spoil_feature(cells):
    return cells.assign(size=cells["size"].where(cells.index > 0, np.inf))


def spoil_rows(cells):
    return cells.iloc[:0]


def spoil_images(cells):
    return cells.drop(columns="image")


def spoil_twice(cells):
    return cells.assign(second=cells["image"])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_labels, "3 of 80 labels are missing"),
        (spoil_one_class, "two classes are needed, found only 'dies'"),
        (spoil_group, "holds every row of class"),
        (spoil_pixels, "contain NaN or infinite pixels"),
        (spoil_rows, "no rows"),
        (spoil_feature, "column 'size' has 1 infinite values"),
        (spoil_images, "exactly one image column, found none"),
        (spoil_twice, "exactly one image column, found 2"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_tables_that_cannot_be_used(cells, tmp_path, capsys, spoil, words):
    path = tmp_path / "cells.parquet"
    write_cells(spoil(cells), path)
    arguments = evaluate(path, tmp_path, "--target", "fate", "--groups", "donor")
    assert words in refused(capsys, tmp_path, *arguments)


def test_files_that_are_no_tables(tmp_path, capsys):
    text = tmp_path / "cells.csv"
    text.write_text("a,b\n1,2\n")
    arguments = evaluate(text, tmp_path, "--target", "a")
    assert "not a readable Parquet file" in refused(capsys, tmp_path, *arguments)
    arguments = evaluate(tmp_path / "absent.parquet", tmp_path, "--target", "a")
    assert "no cell table at" in refused(capsys, tmp_path, *arguments)


def test_models_that_are_none(table_file, tmp_path, capsys):
    absent = ("predict", tmp_path / "model.joblib", table_file)
    assert "no model at" in refused(capsys, tmp_path, *absent)
    empty = ("predict", tmp_path, table_file)
    assert "neither model.skops nor model.joblib" in refused(capsys, tmp_path, *empty)
    damaged = tmp_path / "damaged.joblib"
    damaged.write_bytes(b"\x80\x04 not a model")
    predict = ("predict", damaged, table_file, "--output", tmp_path / "p.csv")
    assert "not a readable model" in refused(capsys, tmp_path, *predict)
    other = tmp_path / "other.joblib"
    joblib.dump({"a": 1}, other)
    predict = ("predict", other, table_file, "--output", tmp_path / "p.csv")
    assert "holds a dict, which cannot predict" in refused(capsys, tmp_path, *predict)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "it is a Parquet file, such as a cell table"),
        (b'{"model": "pixels"}', "it is JSON"),
        (b"cell,fate\n1,dies\n", "it is text, such as a CSV table"),
        (b"", "it is empty"),
        (pickle.dumps(print, protocol=0), "it is text"),
    ],
)
def test_files_that_are_plainly_no_models_are_not_unpickled(
    content, words, table_file, tmp_path, capsys, monkeypatch
):
    def fail(path):
        raise AssertionError(f"{path} was unpickled")

    monkeypatch.setattr(joblib, "load", fail)
    model = tmp_path / "model.joblib"
    model.write_bytes(table_file.read_bytes() if content is None else content)
    predict = ("predict", model, table_file, "--output", tmp_path / "p.csv")
    assert f"model.joblib' is not a readable model: {words}" in refused(capsys, tmp_path, *predict)


def test_output_that_is_a_file(table_file, tmp_path, capsys):
    arguments = ("evaluate", table_file, "--target", "fate", "--output", table_file)
    assert "is a file; name a folder" in refused(capsys, tmp_path, *arguments)


def test_predictions_need_a_known_ending(table_file, tmp_path, capsys):
    predict = ("predict", "model.joblib", table_file, "--output", tmp_path / "p.xlsx")
    assert "ends neither in .csv nor in .parquet" in refused(capsys, tmp_path, *predict)


@pytest.fixture(params=["features", "pixels", "images", "images + features"])
def model_file(request, cells, tmp_path):
    """Each of the four models that evaluate may find best."""
    autoencoder = AAEClassifier(pretrain_epochs=1, max_epochs=1, random_state=0)
    pipelines = make_modality_pipelines("image", ["size"], autoencoder=autoencoder)
    path = tmp_path / "model.joblib"
    joblib.dump(pipelines[request.param].fit(cells, cells["fate"]), path)
    return path, request.param


def test_every_model_refuses_what_it_cannot_read(model_file, cells, tmp_path, capsys):
    path, name = model_file
    spoilt = {"no rows": cells.iloc[:0]}
    if "features" in name:
        spoilt["size"] = cells.drop(columns="size")
    if name != "features":
        pixels = to_images(cells).copy()
        pixels[4, 0, 1, 1] = np.nan
        spoilt["1 of 80 images contain NaN"] = cells.assign(image=image_column(pixels))
        two = np.concatenate([pixels, pixels], axis=1)
        spoilt["2 channels of 12 x 12"] = cells.assign(image=image_column(np.nan_to_num(two)))
        spoilt["image"] = cells.drop(columns="image")
    for words, table in spoilt.items():
        write_cells(table, tmp_path / "new.parquet")
        predict = ("predict", path, tmp_path / "new.parquet", "--output", tmp_path / "p.csv")
        assert words in refused(capsys, tmp_path, *predict)


def test_a_column_by_another_name_is_said_beside_those_there_are(cells, tmp_path, capsys):
    model = make_modality_pipelines("image", ["size"])["features"].fit(cells, cells["fate"])
    joblib.dump(model, tmp_path / "model.joblib")
    write_cells(cells[["image", "size"]].rename(columns={"size": "Size"}), tmp_path / "c.parquet")
    predict = ("predict", tmp_path / "model.joblib", tmp_path / "c.parquet")
    assert run(*predict, "--output", tmp_path / "p.csv") == 2
    said = capsys.readouterr().err
    assert "columns are missing: {'size'}" in said and "has 'image', 'Size'" in said
    assert said.count("\n") == 1


def test_predictions_keep_to_their_rows_under_any_index(cells, tmp_path):
    cells = cells.assign(cell=[f"c{i}" for i in range(len(cells))], prediction="mine")
    cells["donor"] = cells["donor"].astype("category")
    cells.index = np.arange(len(cells)) // 2  # as after pd.concat
    model = make_modality_pipelines("image", ["size"])["features"].fit(cells, cells["fate"])
    joblib.dump(model, tmp_path / "model.joblib")
    write_cells(cells, tmp_path / "cells.parquet")
    output = tmp_path / "p.parquet"
    run("predict", tmp_path / "model.joblib", tmp_path / "cells.parquet", "--output", output)
    predicted = pd.read_parquet(output)
    assert list(predicted["cell"]) == list(cells["cell"])
    assert list(predicted["donor"]) == list(cells["donor"])
    assert list(predicted["prediction"]) == list(model.predict(cells))
    assert list(predicted.index) == list(cells.index)
