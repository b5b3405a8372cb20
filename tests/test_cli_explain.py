"""The command explain, as a user types it."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_cellfate import read_cells, to_images, write_cells
from sklearn_cellfate.cli import main
from sklearn_cellfate.inspection import relevance
from sklearn_cellfate.model_selection import make_modality_pipelines
from sklearn_cellfate.neural_network import (
    AAEClassifier,
    AdversarialAutoencoder,
    EfficientNetClassifier,
)
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.persistence import save
from sklearn_cellfate.preprocessing import PatchNormalizer

AAE = AAEClassifier(pretrain_epochs=1, max_epochs=3, random_state=0)


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture
def files(cells, tmp_path):
    """A table, and a model of images and features, as evaluate writes it."""
    write_cells(cells, tmp_path / "cells.parquet")
    pipeline = make_modality_pipelines("image", ["size"], autoencoder=AAE)["images + features"]
    joblib.dump(pipeline.fit(cells, cells["fate"]), tmp_path / "model.joblib")
    return tmp_path / "model.joblib", tmp_path / "cells.parquet"


def test_an_autoencoder_shows_its_pixels_and_its_latent_features(files, cells, tmp_path):
    output = tmp_path / "why"
    more = ["--features", "size", "noise", "--groups", "donor", "--cells", "5", "--steps", "3"]
    assert run("explain", *files, "-o", output, *more) == 0
    figures = {"relevance.png", "traversal.png", "correlations.png"}
    tables = {"relevance.parquet", "traversal.csv", "correlations.csv"}
    assert {path.name for path in output.iterdir()} == figures | tables
    assert all((output / name).read_bytes().startswith(b"\x89PNG") for name in figures)

    traversal = pd.read_csv(output / "traversal.csv")
    assert traversal.groupby("latent").size().tolist() == [3, 3]
    correlations = pd.read_csv(output / "correlations.csv")
    assert set(correlations["feature"]) == {"size", "noise"}
    explained = read_cells(output / "relevance.parquet")
    assert len(explained) == 5 and explained["prediction"].nunique() == 2
    rows = explained["row"].to_numpy()
    model = joblib.load(files[0])
    np.testing.assert_array_equal(explained["prediction"], model.predict(cells)[rows])
    expected = relevance(model, cells.iloc[rows], explained["prediction"])
    np.testing.assert_allclose(to_images(explained["relevance"]), expected, rtol=1e-5)
    total = expected.sum((1, 2, 3)) + explained["constant"]
    np.testing.assert_allclose(total, explained["score"], rtol=1e-4, atol=1e-5)


def test_the_class_to_explain_can_be_named(files, cells, tmp_path):
    output = tmp_path / "why"
    assert run("explain", *files, "-o", output, "--target", "dies", "--method", "gradient") == 0
    explained = read_cells(output / "relevance.parquet")
    model = joblib.load(files[0])
    chosen = cells.iloc[explained["row"].to_numpy()]
    expected = relevance(model, chosen, "dies", method="gradient")
    np.testing.assert_allclose(to_images(explained["relevance"]), expected, rtol=1e-5)


def test_a_network_without_decoder_shows_its_pixels(cells, tmp_path):
    write_cells(cells, tmp_path / "cells.parquet")
    network = EfficientNetClassifier("tiny", max_epochs=1, random_state=0)
    pipeline = make_pipeline(PatchNormalizer(), network)
    joblib.dump(pipeline.fit(cells, cells["fate"]), tmp_path / "model.joblib")
    output = tmp_path / "why"
    paths = tmp_path / "model.joblib", tmp_path / "cells.parquet"
    assert run("explain", *paths, "-o", output, "--cells", "2") == 0
    assert {path.name for path in output.iterdir()} == {"relevance.png", "relevance.parquet"}


def test_large_images_judged_by_their_patches(cells, tmp_path):
    write_cells(cells, tmp_path / "cells.parquet")
    network = EfficientNetClassifier("tiny", max_epochs=1, random_state=0)
    model = PatchClassifier(make_pipeline(PatchNormalizer(), network), 6)
    joblib.dump(model.fit(cells, cells["fate"]), tmp_path / "model.joblib")
    output = tmp_path / "why"
    paths = tmp_path / "model.joblib", tmp_path / "cells.parquet"
    assert run("explain", *paths, "-o", output, "--cells", "3", "--target", "dies") == 0
    assert {path.name for path in output.iterdir()} == {"relevance.png", "relevance.parquet"}
    explained = read_cells(output / "relevance.parquet")
    expected = relevance(model, cells.iloc[explained["row"].to_numpy()], "dies")
    np.testing.assert_allclose(to_images(explained["relevance"]), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "divide"], "--target 'divide' is none of the classes ['dies', 'divides']"),
        (["--cells", "0"], "--cells must be 1 or more, found 0"),
        (["--steps", "1"], "--steps must be 2 or more, found 1"),
        (["--features", "area"], "has no column 'area'"),
        (["--features", "fate"], "'fate'"),
        (["--features", "size", "--groups", "clone"], "has no column 'clone'"),
    ],
)
def test_what_cannot_be_done_is_said_on_one_line(files, tmp_path, capsys, arguments, words):
    assert run("explain", *files, "-o", tmp_path / "why", *arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error
    assert not (tmp_path / "why").exists()


def test_a_model_that_does_not_look_at_images(cells, tmp_path, capsys):
    write_cells(cells, tmp_path / "cells.parquet")
    model = make_modality_pipelines("image", ["size"])["features"].fit(cells, cells["fate"])
    joblib.dump(model, tmp_path / "model.joblib")
    paths = tmp_path / "model.joblib", tmp_path / "cells.parquet"
    assert run("explain", *paths, "-o", tmp_path / "why") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "does not look at images" in said
    assert "evaluate saves what scored best; for another: fit_pipeline(" in said
    assert not (tmp_path / "why").exists()


def test_a_missing_package_is_named_with_its_extra(files, tmp_path, capsys, monkeypatch):
    where = "sklearn_cellfate.inspection._relevance._attribution.find_spec"
    monkeypatch.setattr(where, lambda name: None)
    assert run("explain", *files, "-o", tmp_path / "why") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and 'pip install "sklearn-cellfate[lrp]"' in error
    assert "--method lrp needs zennit" in error and "--method gradient needs nothing" in error


def test_a_table_without_the_images_is_refused(files, cells, tmp_path, capsys):
    write_cells(cells.drop(columns="image"), tmp_path / "without.parquet")
    assert run("explain", files[0], tmp_path / "without.parquet", "-o", tmp_path / "why") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "lacks columns of ['image']" in error
    assert not (tmp_path / "why").exists()


def test_an_autoencoder_without_classes_shows_a_latent_feature(cells, tmp_path):
    write_cells(cells, tmp_path / "cells.parquet")
    autoencoder = AdversarialAutoencoder(pretrain_epochs=1, max_epochs=1, random_state=0)
    pipeline = make_pipeline(autoencoder, LogisticRegression()).fit(cells, cells["fate"])
    joblib.dump(pipeline, tmp_path / "model.joblib")
    paths = tmp_path / "model.joblib", tmp_path / "cells.parquet"
    assert run("explain", *paths, "-o", tmp_path / "why") == 0
    assert {path.name for path in (tmp_path / "why").iterdir()} == {
        "traversal.csv",
        "traversal.png",
    }
    assert run("explain", *paths, "-o", tmp_path / "latent", "--target", "latent 0") == 0
    assert (tmp_path / "latent" / "relevance.png").is_file()


@pytest.mark.parametrize("target", ["latent 0", None])
def test_an_autoencoder_by_itself(cells, tmp_path, target):
    write_cells(cells, tmp_path / "cells.parquet")
    autoencoder = AdversarialAutoencoder(pretrain_epochs=1, max_epochs=1, random_state=0)
    joblib.dump(autoencoder.fit(cells), tmp_path / "model.joblib")
    paths = tmp_path / "model.joblib", tmp_path / "cells.parquet"
    asked = [] if target is None else ["--target", target]
    assert run("explain", *paths, "-o", tmp_path / "why", *asked, "--cells", "4") == 0
    pictures = {path.name for path in (tmp_path / "why").glob("*.png")}
    assert pictures == {"traversal.png"} | ({"relevance.png"} if target else set())
    if target:
        explained = read_cells(tmp_path / "why" / "relevance.parquet")
        expected = relevance(autoencoder, cells.iloc[explained["row"].to_numpy()], 0)
        np.testing.assert_allclose(to_images(explained["relevance"]), expected, rtol=1e-5)
        assert len(explained) == 4 and "prediction" not in explained


def test_an_autoencoder_by_itself_has_no_classes(cells, tmp_path, capsys):
    write_cells(cells, tmp_path / "cells.parquet")
    autoencoder = AdversarialAutoencoder(pretrain_epochs=0, max_epochs=0, random_state=0)
    joblib.dump(autoencoder.fit(cells), tmp_path / "model.joblib")
    paths = tmp_path / "model.joblib", tmp_path / "cells.parquet"
    assert run("explain", *paths, "-o", tmp_path / "why", "--target", "dies") == 2
    said = capsys.readouterr().err
    assert "'dies': the model knows no classes; name a latent feature" in said
    assert run("predict", *paths, "--output", tmp_path / "p.csv") == 2
    assert "AdversarialAutoencoder, which cannot predict" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["model.skops", "model.joblib"])
def test_files_of_persistence_are_opened_by_their_content(cells, tmp_path, name, monkeypatch):
    pytest.importorskip("skops")
    write_cells(cells, tmp_path / "cells.parquet")
    model = AAEClassifier(pretrain_epochs=1, max_epochs=1, random_state=0)
    save(model.fit(cells, cells["fate"]), tmp_path / name)
    monkeypatch.setattr(joblib, "load", None)  # which runs code
    paths = tmp_path / name, tmp_path / "cells.parquet"
    assert run("explain", *paths, "-o", tmp_path / "why", "--cells", "2") == 0
    assert (tmp_path / "why" / "relevance.png").is_file()
    assert run("predict", *paths, "--output", tmp_path / "p.csv") == 0
    predicted = pd.read_csv(tmp_path / "p.csv")["prediction"]
    np.testing.assert_array_equal(predicted, model.predict(cells))


def test_a_damaged_file_of_persistence_is_said_to_be_damaged(files, tmp_path, capsys):
    model = tmp_path / "model.skops"
    model.write_bytes(b"PK\x03\x04 and no more")
    for command in ("explain", "predict"):
        assert run(command, model, files[1], "--output", tmp_path / "o.csv") == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "is cut short, or was not written by" in said


def test_what_is_no_model_is_refused(files, tmp_path, capsys):
    joblib.dump({"a": 1}, tmp_path / "other.joblib")
    assert run("explain", tmp_path / "other.joblib", files[1], "-o", tmp_path / "why") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "holds a dict, which is no fitted model" in said
