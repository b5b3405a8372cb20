"""A run folder that says what it was, and the page made of it."""

import base64
import json
import os
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from report_runs import (
    CLASSES,
    FEATURE,
    GROUPS,
    TARGET,
    compare,
    embedded,
    make_cells,
    make_run,
    write_run,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import Bunch

from sklearn_cellfate import image_column, read_cells, to_images
from sklearn_cellfate.cli import main
from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.feature_extraction import IntensityStatistics
from sklearn_cellfate.model_selection import time_course
from sklearn_cellfate.quality import summarize_quality
from sklearn_cellfate.report import (
    describe_run,
    write_comparison,
    write_report,
    write_time_course,
)
from sklearn_cellfate.report._calibration import calibration
from sklearn_cellfate.report._explorer import explorer_data, explorer_words
from sklearn_cellfate.report._latents import fold_autoencoder, shrink, to_bytes
from sklearn_cellfate.report._page_figures import page_figures
from sklearn_cellfate.report._read import read_run
from sklearn_cellfate.report._run import hash_cells, sample_rows
from sklearn_cellfate.report._sentences import (
    answer,
    count,
    number,
    quotable,
    signed,
    with_interval,
)

MINUS = "\N{MINUS SIGN}"
VOID = {"meta", "img", "br", "link", "input", "hr"}


@pytest.fixture(scope="module")
def made():
    return make_run()


class Page(HTMLParser):
    """Elements, attributes and text of a page; fails where tags do not close."""

    def __init__(self, source):
        super().__init__()
        self.elements, self.words, self._open = [], [], []
        self.feed(source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


# The run folder


def test_a_run_says_what_it_was(made):
    about = json.loads((made.folder / "run.json").read_text())
    assert about["seed"] == 7 and about["arguments"] == {"jobs": 1} and about["simulated"]
    assert set(about["versions"]) >= {"python", "scikit-learn", "torch", "sklearn-cellfate"}
    assert about["target"] == TARGET and about["groups"] == GROUPS
    assert about["features"] == [FEATURE] and about["data"]["image_shape"] == [1, 10, 10]
    counts = made.cells.groupby([GROUPS, TARGET]).size()
    for of_group in about["group_counts"]:
        expected = [counts[of_group["group"], one["label"]] for one in about["classes"]]
        assert of_group["n_cells"] == expected
    assert sum(one["n_cells"] for one in about["classes"]) == about["data"]["n_cells"] == 66


def test_the_flow_of_the_data_is_that_of_the_flags(made):
    flow = pd.DataFrame(json.loads((made.folder / "run.json").read_text())["flags"])
    expected = summarize_quality(made.cells).reset_index()[flow.columns]
    pd.testing.assert_frame_equal(flow, expected, check_dtype=False)


def test_the_hash_is_that_of_the_cells_and_not_of_the_file(made):
    about = json.loads((made.folder / "run.json").read_text())
    stored = read_cells(made.folder / "cells.parquet")
    assert hash_cells(stored) == about["data"]["sha256"]
    pixels = to_images(stored).copy()
    pixels[-1, 0, -1, -1] += 1e-3
    assert hash_cells(stored.assign(image=image_column(pixels))) != hash_cells(stored)
    assert hash_cells(stored.iloc[::-1]) != hash_cells(stored)
    assert hash_cells(stored.rename(columns={TARGET: "fate"})) != hash_cells(stored)


def test_the_cells_compared_are_kept_with_their_row(made):
    stored = read_cells(made.folder / "cells.parquet")
    assert list(stored.index) == list(range(66)) and stored.index.name == "row"
    pd.testing.assert_frame_equal(
        stored.reset_index(drop=True), made.cells[["image", TARGET, GROUPS, FEATURE]]
    )
    by_group = pd.read_parquet(made.folder / "by_group.parquet")
    pd.testing.assert_frame_equal(by_group, made.comparison.by_group, check_dtype=False)


def test_large_tables_keep_a_sample():
    table = pd.DataFrame({"image": image_column(np.zeros((5000, 2, 2)))})
    rows = sample_rows(table, "image")
    assert len(rows) == 2000 and (np.diff(rows) > 0).all() and rows.max() > 4000
    np.testing.assert_array_equal(rows, sample_rows(table, "image"))
    assert not np.array_equal(rows, sample_rows(table, "image", seed=1))
    large = pd.DataFrame({"image": image_column(np.zeros((300, 200, 200), np.uint8))})
    assert len(sample_rows(large, "image")) == 100


# What the explorer shows


def test_what_is_decoded_is_what_the_fold_network_decodes(made):
    arrays = read_run(made.folder).latents
    network = fold_autoencoder(made.comparison, 0)
    images = to_images(made.cells)
    np.testing.assert_allclose(arrays["latents"], network.transform(images))
    held_out = np.flatnonzero(arrays["held_out"])
    np.testing.assert_array_equal(held_out, np.sort(made.comparison.folds[0][1]))

    rebuilt = to_bytes(network.inverse_transform(network.transform(images)), arrays["scale"])
    np.testing.assert_array_equal(arrays["reconstructions"], rebuilt)
    # The plane of the first two principal components, by a second implementation.
    centred = arrays["latents"] - arrays["latents"].mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    axes *= np.sign((centred @ axes.T * arrays["points"]).sum(axis=0))[:, np.newaxis]
    np.testing.assert_allclose(arrays["points"], centred @ axes.T, atol=1e-5)
    (x0, x1), (y0, y1) = arrays["limits"]
    for row, column in [(0, 0), (3, 20), (23, 23)]:
        x = x0 + (column + 0.5) / 24 * (x1 - x0)
        y = y1 - (row + 0.5) / 24 * (y1 - y0)
        latent = arrays["latents"].mean(axis=0) + x * axes[0] + y * axes[1]
        expected = to_bytes(network.inverse_transform([latent]), arrays["scale"])[0]
        shown = arrays["decoded"][row, column]
        assert np.abs(shown.astype(int) - expected.astype(int)).max() <= 1


def test_probabilities_are_those_while_held_out(made):
    data = embedded(made.page)
    predictions = made.comparison.predictions
    of_images = predictions[predictions["estimator"] == "images"].set_index("row")
    names = [f"probability_{label}" for label in made.comparison.classes]
    expected = of_images.loc[data["rows"], names].to_numpy()
    np.testing.assert_allclose(data["probabilities"], expected, atol=1e-4)
    assert data["classes"] == made.comparison.classes.tolist()
    for row, cell_class in zip(data["rows"], data["classOf"]):
        assert data["classes"][cell_class] == made.cells[TARGET].iloc[row]
    assert data["columns"] == ["row", TARGET, GROUPS, FEATURE]
    assert data["values"][5][3] == f"{made.cells[FEATURE].iloc[5]:.4g}"


def test_large_images_shrink_by_whole_pixels():
    images = np.arange(2 * 130 * 70, dtype=float).reshape(1, 2, 130, 70)
    small = shrink(images)
    assert small.shape == (1, 2, 43, 23)
    assert small[0, 1, 0, 0] == images[0, 1, :3, :3].mean()
    assert shrink(images[..., :64, :64]).shape == (1, 2, 64, 64)
    assert shrink(np.ones((1, 1, 130, 1))).shape == (1, 1, 43, 1)


def test_grey_values_are_clipped_to_their_channel():
    images = np.array([-1.0, 0.0, 5.0, 10.0, 99.0]).reshape(1, 1, 1, 5)
    assert to_bytes(images, [[0], [10]]).ravel().tolist() == [0, 0, 128, 255, 255]


# The page


def test_the_page_is_whole_and_loads_nothing(made):
    page = Page(made.page)
    assert "{{" not in page.text and "nan" not in page.text.lower().split()
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "data", "action"):
            assert attributes.get(name, "#").startswith(("data:", "#"))
    assert not page.all("link") and "@import" not in made.page and "url(" not in made.page
    policy = page.all("meta")[1]["content"]
    assert "default-src 'none'" in policy and "http" not in policy


def test_every_figure_is_drawn_and_described(made):
    page = Page(made.page)
    names = {attributes["id"].removeprefix("figure-") for attributes in page.all("figure")}
    assert names == {
        *("balanced_accuracy", "roc_auc", "groups", "latent_space", "traversal"),
        *("confusion", "calibration", "roc", "losses"),
    }
    assert len(page.all("img")) == len(page.all("figcaption")) == len(names)
    for image in page.all("img"):
        kind, content = image["src"].split(",", 1)
        assert kind == "data:image/svg+xml;base64" and len(image["alt"]) > 30
        drawing = ElementTree.fromstring(base64.b64decode(content))
        assert drawing.tag.endswith("svg") and len(list(drawing.iter())) > 50


def test_names_of_the_user_are_text_and_not_markup(made):
    page = Page(made.page)
    for name in (*CLASSES, TARGET, GROUPS, FEATURE, "<d2>"):
        assert name in page.text
    assert not page.all("i") and not page.all("d2")
    assert [one.get("type") for one in page.all("script")] == ["application/json", None]
    assert made.page.count("</script>") == 2


def test_sentences_have_the_numbers_of_the_tables(made):
    text, summary = Page(made.page).text, made.comparison.summary
    for name in ("features", "pixels", "images", "images + features"):
        for metric, words in [
            ("balanced_accuracy", "balanced accuracy"),
            ("roc_auc", "area under the ROC curve"),
        ]:
            row = summary.loc[(name, metric)]
            mean, low, high = (
                f"{round(row[part], 2) + 0.0:.2f}".replace("-", MINUS)
                for part in ("mean", "low", "high")
            )
            assert f"{words} {mean} (95 % interval {low} to {high})" in text
    assert "In 3 folds, whole groups" in text
    assert "in fold 1 <d2>; in fold 2 d1; in fold 3 d3." in text
    assert "66 simulated cells from 3 groups" in text
    assert "In each of 3 held-out groups, the balanced accuracy of “pixels” was 1.00." in text
    assert json.loads((made.folder / "run.json").read_text())["data"]["sha256"] in text


def test_groups_on_both_sides_are_not_called_held_out(made):
    rows = np.arange(66)
    thirds = [(rows[rows // 22 != third], rows[rows // 22 == third]) for third in range(3)]
    comparison = Bunch(**{**made.comparison, "folds": thirds})
    about = describe_run(comparison, made.cells)
    assert about["n_mixed_folds"] == 3
    assert json.loads((made.folder / "run.json").read_text())["n_mixed_folds"] == 0
    run = read_run(made.folder)
    assert "was trained without <d2>: " in explorer_words(run)
    run.about["n_mixed_folds"] = about["n_mixed_folds"]
    said = " ".join(one["text"] for one in quotable(run)) + answer(run) + explorer_words(run)
    assert "in 3 of which cells of one group" in said
    assert "was trained without the cells of this fold: " in said
    for promise in ("whole groups", "never seen in training", "held-out group", "nothing was"):
        assert promise not in said
    assert "while they were held out" in page_figures(run)["groups"]["caption"]


@pytest.mark.slow
def test_a_page_of_folds_that_break_groups_up(tmp_path):
    cells = make_cells()
    with pytest.warns(UserWarning, match="3 of 3 folds have a group on both sides"):
        comparison = compare(cells, latent_dim=2, cv=StratifiedKFold(3))
    write_run(comparison, cells, tmp_path / "run")
    page = Page(write_report(tmp_path / "run", tmp_path / "p.html").read_text(encoding="utf-8"))
    assert "in 3 of which cells of one group" in page.text
    assert "whole groups" not in page.text and "never seen in training" not in page.text


def test_a_run_that_did_not_record_its_folds_is_not_called_held_out(made):
    run = read_run(made.folder)
    del run.about["n_mixed_folds"]
    told = {one["about"]: one["text"] for one in quotable(run)}
    assert "in an unknown number of which cells of one group" in told["Folds"]
    assert "never seen" not in answer(run)


def test_simulated_data_is_called_so(made):
    page = Page(made.page)
    run = read_run(made.folder)
    told = [one["text"] for one in quotable(run) if one["about"].startswith("Score of")]
    assert len(told) == 4 and all("simulated cells" in text for text in told)
    assert page.text.count("Simulated data.") == len(page.all("figure"))
    run.about["simulated"] = False
    assert not any("simulated" in one["text"] for one in quotable(run))


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        ((0.10, 0.02, 0.18), "they added to the measured features: +0.10, 95 % interval +0.02"),
        (
            (0.02, -0.05, 0.09),
            "was not shown: difference +0.02, 95 % interval -0.05 to +0.09",
        ),
        (
            (-0.10, -0.18, -0.02),
            "they did harm: -0.10, 95 % interval -0.18 to -0.02",
        ),
        ((0.10, np.nan, np.nan), "cannot be said from one fold"),
    ],
)
def test_the_answer_follows_the_interval(made, gain, words):
    run = read_run(made.folder)
    run.differences.loc[("images + features", "balanced_accuracy"), ["mean", "low", "high"]] = gain
    assert words in answer(run).replace(MINUS, "-")


def test_the_group_that_fails_is_named(made):
    run = read_run(made.folder)
    of_pixels, of_d1 = run.by_group["estimator"].eq("pixels"), run.by_group["group"].eq("d1")
    run.by_group.loc[of_pixels & of_d1, "value"] = 0.25
    told = {one["about"]: one["text"] for one in quotable(run)}
    assert "the balanced accuracy of “pixels” was lowest in d1 (0.25, n = 22)" in told["Groups"]
    # Where a group has cells of one class, groups are compared by accuracy.
    run.by_group.loc[of_d1 & run.by_group["metric"].eq("balanced_accuracy"), "value"] = np.nan
    told = {one["about"]: one["text"] for one in quotable(run)}
    assert "groups, the accuracy of “pixels” was lowest in d1 (0.25" in told["Groups"]
    assert page_figures(run)["groups"]["caption"].startswith("Accuracy on the cells")


@pytest.mark.parametrize(
    ("low", "words"), [(0.51, "told the classes better than chance"), (0.49, "not shown to beat")]
)
def test_chance_is_beaten_where_the_interval_is_above_it(made, low, words):
    run = read_run(made.folder)
    run.summary.loc[("images", "balanced_accuracy"), "low"] = low
    assert words in answer(run)


def test_words_for_numbers():
    assert [count(n, "cell") for n in (0, 1, 2)] == ["0 cells", "1 cell", "2 cells"]
    assert number(-0.001) == "0.00" and number(-0.5) == f"{MINUS}0.50"
    assert signed(0.5) == "+0.50" and signed(-0.5) == f"{MINUS}0.50"
    assert signed(-0.001) == "+0.00" and number(np.nan) == "not defined"


def test_reliability_of_known_probabilities():
    """A probability that comes true as often as it says lies on the diagonal."""
    truth = np.concatenate([np.arange(100) < 20, np.arange(100) < 70])
    bins = calibration(truth, np.repeat([0.2, 0.7], 100))
    np.testing.assert_allclose(bins["predicted"], [0.2, 0.7])
    np.testing.assert_allclose(bins["observed"], [0.2, 0.7])
    z = 1.959963984540054  # Wilson's formula (1927)
    centre, n = (0.2 + z**2 / 200) / (1 + z**2 / 100), 100
    half = z * np.sqrt(0.2 * 0.8 / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    np.testing.assert_allclose(bins.loc[0, ["low", "high"]], [centre - half, centre + half])
    alone = calibration([True, False], [0.5, 0.5])
    assert alone[["predicted", "observed", "n"]].iloc[0].tolist() == [0.5, 0.5, 2]


def test_balanced_weights_are_owned_up_to_where_classes_are_unequal(made):
    run = read_run(made.folder)
    assert run.about["weighs_classes_equally"]
    told = {one["about"]: one["text"] for one in quotable(run)}
    assert "weigh the classes equally" not in told["Calibration"], "there are 33 of each"
    run.about["classes"][0]["n_cells"] = 10
    told = {one["about"]: one["text"] for one in quotable(run)}
    assert "all pipelines weigh the classes equally, so a rarer class" in told["Calibration"]
    assert "calibrate before reading" in page_figures(run)["calibration"]["caption"]


def test_intervals_beyond_what_a_score_can_be_are_explained(made):
    run = read_run(made.folder)
    for high, is_explained in ((0.9, False), (1.1, True)):
        run.summary["low"], run.summary["high"] = 0.5, high
        told = {one["about"]: one["text"] for one in quotable(run)}
        assert ("may reach beyond 0 and 1" in told["Method"]) == is_explained


@pytest.mark.parametrize(
    ("share", "words"), [(0.9, "90 %"), (0.9991, "more than 99 %"), (1.0, "100 %")]
)
def test_all_of_the_variance_is_only_said_of_all(made, share, words):
    run = read_run(made.folder)
    run.latents["shares"] = np.array([share - 0.1, 0.1])
    assert f"principal components, {words} of their variance" in explorer_words(run)


def test_a_time_course_in_the_folder_is_shown(made, tmp_path):
    no_traversal = shutil.ignore_patterns("traversal.*")  # as of a network without decoder
    folder = shutil.copytree(made.folder, tmp_path / "run", ignore=no_traversal)
    movies = make_cell_movies(60, max_frames=8, fate_fraction=0.4, random_state=0).frame
    course = time_course(
        make_pipeline(IntensityStatistics(), StandardScaler(), LogisticRegression()),
        movies,
        movies["fate"],
        groups=movies["replicate"],
        times=[0, 1],
        models="shared",
    )
    assert write_time_course(course, folder) == folder / "time_course.parquet"
    assert main(["report", str(folder), "-o", str(tmp_path / "page.html")]) == 0
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    figure = next(one for one in page.all("img") if "against time" in one["alt"])
    means = course.summary.xs("balanced_accuracy", level="metric")["mean"]
    assert f"the highest mean, {means.max():.2f} (95 % interval" in figure["alt"]
    summary = course.summary.loc["estimator"].xs("balanced_accuracy", level="metric")
    assert means.idxmax()[1] == 1
    first, last = (
        f"{with_interval(summary.loc[time])} at {100 * time:.0f} % of a life" for time in (0, 1)
    )
    said = "with one model for all times, the balanced accuracy of “estimator” was "
    assert f"{said}{first} and, the highest of 2 times, {last}." in page.text
    run = read_run(folder)
    run.time_course.loc[run.time_course["time"] == 1, "mean"] = 0
    told = {one["about"]: one["text"] for one in quotable(run)}
    assert told["estimator over time"].endswith(f"{said}{first}, the highest of 2 times.")
    assert "Time course" in page.text and "one model for all times" in page.text
    assert "figure-traversal" not in {one["id"] for one in page.all("figure")}


def test_a_folder_used_again_keeps_nothing_of_the_run_before(made, folder):
    (folder / "time_course.parquet").write_bytes(b"of other cells")
    write_run(made.comparison, made.cells, folder)
    names = {path.name for path in folder.iterdir()}
    assert "time_course.parquet" not in names and "traversal.npz" in names


def test_without_skops_the_model_is_a_pickle_and_no_model_of_before_is_left(
    made, folder, monkeypatch
):
    (folder / "model.skops").write_text("of yesterday")
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.warns(UserWarning, match=r"written as a pickle: .*sklearn-cellfate\[safe\]"):
        write_run(made.comparison, made.cells, folder)
    assert {path.name for path in folder.glob("model.*")} == {"model.joblib"}


def test_a_run_killed_while_files_move_in_leaves_no_model_of_before(made, folder, monkeypatch):
    model = LogisticRegression().fit(made.cells[[FEATURE]], made.cells[TARGET])
    (folder / "model.skops").write_text("of yesterday")
    move = os.replace

    def move_until_killed(source, target):
        if Path(target).name == "model.joblib":
            raise KeyboardInterrupt
        move(source, target)

    monkeypatch.setattr(os, "replace", move_until_killed)
    with pytest.raises(KeyboardInterrupt):
        write_comparison(made.comparison, made.cells, model, folder, pickle=True)
    assert not list(folder.glob("model.*"))


class Doubler(FunctionTransformer):
    """A step of the user's own, which a safe file may not name."""


def test_a_model_with_a_step_of_the_users_own_is_a_pickle(made, folder):
    pytest.importorskip("skops", reason='needs skops: pip install "sklearn-cellfate[safe]"')
    model = make_pipeline(Doubler(), LogisticRegression())
    model.fit(made.cells[[FEATURE]], made.cells[TARGET])
    with pytest.warns(UserWarning, match=r"written as a pickle: .*Doubler.*trusted="):
        write_comparison(made.comparison, made.cells, model, folder)
    assert {path.name for path in folder.glob("model.*")} == {"model.joblib"}


@pytest.mark.slow
def test_three_classes_two_channels_one_latent_no_groups_no_features(tmp_path):
    cells = make_cells(60, ("a", "b", "c"), (2, 9, 12)).drop(columns=["flag_edge", "flag_gap"])
    comparison = compare(cells, latent_dim=1, features=(), groups=None)
    write_run(comparison, cells, tmp_path / "run")
    page = Page(write_report(tmp_path / "run", tmp_path / "p.html").read_text(encoding="utf-8"))
    assert "Do images of the cells tell “fate <i>”?" in page.text
    assert "no groups were named" in page.text and "no quality flags" in page.text
    assert "each channel on its own" in page.text and "one latent feature" in page.text
    assert "chance is 0.33" in page.text and "Who fails?" not in page.text
    data = explorer_data(read_run(tmp_path / "run"))
    assert data["tile"] == [24, 9] and data["decoded"]["rows"] == 1


# Bad input: one line, status 2, nothing half-written


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made.folder, tmp_path / "run")


def remove(name):
    return lambda folder: (folder / name).unlink()


def damage(name):
    return lambda folder: (folder / name).write_bytes(b"\x80 not this")


def forget(folder):
    about = json.loads((folder / "run.json").read_text())
    del about["classes"]
    (folder / "run.json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shutil.rmtree, "no run folder at"),
        (remove("run.json"), "is no folder written by evaluate: it has no 'run.json'"),
        (remove("scores.parquet"), "has no 'scores.parquet': run evaluate again"),
        (remove("latents.npz"), "has no 'latents.npz'"),
        (remove("traversal.npz"), "has no 'traversal.npz'"),
        (damage("run.json"), "not readable as evaluate wrote it"),
        (forget, "not readable as evaluate wrote it: KeyError('classes')"),
        (damage("cells.parquet"), "not a readable Parquet file"),
        (damage("latents.npz"), "not a readable file of arrays"),
    ],
)
def test_folders_that_cannot_be_used(folder, tmp_path, capsys, spoil, words):
    spoil(folder)
    (tmp_path / "page.html").write_text("before")
    assert main(["report", str(folder), "-o", str(tmp_path / "page.html")]) == 2
    assert words in one_line(capsys)
    assert (tmp_path / "page.html").read_text() == "before"
    assert not list(tmp_path.glob(".*"))


def test_outputs_that_cannot_be_written(folder, tmp_path, capsys):
    assert main(["report", str(folder), "-o", str(folder)]) == 2
    assert "is a folder; name a file" in one_line(capsys)
    assert main(["report", str(folder), "-o", str(tmp_path / "absent" / "page.html")]) == 2
    assert "there is no such folder" in one_line(capsys)
    assert main(["report", str(folder / "run.json"), "-o", str(tmp_path / "page.html")]) == 2
    assert "no run folder at" in one_line(capsys)


def one_line(capsys):
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("sklearn-cellfate: error:")
    return error
