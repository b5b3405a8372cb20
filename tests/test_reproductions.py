"""The scripts that print the published figures of two studies beside those of simulated data."""

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

AI4CELLFATE = {
    "accuracy without contrastive and covariance losses": "0.57",
    "accuracy with them": "0.72",
    "precision with them": "about 0.72",
    "13 tabular features, tuned MLP, precision": "0.687",
    "accuracy at 0 % of the life": "0.718",
    "accuracy at 10 % of the life": "0.753",
    "accuracy at 20 % of the life": "0.73",
    "accuracy at 30 % of the life": "0.724",
    "accuracy at 40 % of the life": "0.693",
    "accuracy at 50 % of the life": "0.684",
    "accuracy at 60 % of the life": "0.726",
    "accuracy at 70 % of the life": "0.668",
    "accuracy at 80 % of the life": "0.711",
    "accuracy at 90 % of the life": "0.654",
    "accuracy at 100 % of the life": "0.696",
    "accuracy, lowest to highest over these times": "0.70 to 0.80",
    "precision, lowest to highest over these times": "0.70 to 0.80",
    "accuracy, all losses": "0.718",
    "accuracy, no contrastive": "0.564",
    "accuracy, no adversarial": "0.700",
    "accuracy, reconstruction only": "0.617",
    "labelled cells from which it is useful": "about 500",
    "correlation of 2 latent features": "0.06",
    "correlation of 3 latent features": "0.10",
    "correlation of 5 latent features": "0.68",
    "correlation of 10 latent features": "> 0.8",
    "accuracy of 2": "as good as of more",
    "accuracy of 3 pairs, simple MLP": "0.45 to 0.68",
    "a latent feature follows ERK (fret)": "yes, z0",
    "a latent feature follows size (area)": "yes, z1",
}
BETA_CELL = {
    "clones at 24 h, EfficientNet, patches normalised": "0.767",
    "clones at 53 h, EfficientNet, patches normalised": "0.967",
    "gain by normalising, 53 h, after washing": "improves",
    "holes in the negative class, share of the area": "more",
    "relevance in holes, over their share of the area": "lies on holes",
    "structure factors of the classes differ": "yes",
    "most used band, exchanged": "structure of the population",
    "network of patches as they are, patches as they are": "a learned feature",
}


@pytest.fixture
def script(monkeypatch):
    """Import a script as if it were run from its folder."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


def check_rows(table, expected):
    """Each published figure stands beside one that was obtained, and says on what."""
    rows = table.to_frame().set_index("figure")
    assert rows.index.is_unique
    for figure, published in expected.items():
        row = rows.loc[figure]
        assert str(row["published"]) == published, figure
        assert any(letter.isdigit() for letter in row["obtained"]) or row["obtained"] == "at none"
        assert "simulated data" in row["data"]
        assert row["differs"]
    printed = table.to_markdown()
    for figure, row in rows.iterrows():
        line = f"| {figure} | {row['published']} | {row['obtained']} | {row['data']} |"
        assert line in printed
    return rows


@pytest.mark.slow
def test_ai4cellfate_prints_every_published_figure(script, tmp_path):
    study = script("reproduce_ai4cellfate")
    tiny = dataclasses.replace(
        study.SHORT,
        n_cells=120,
        n_frames=5,
        n_folds=2,
        label_sizes=(20, 40),
        network=study.SHORT.network | {"pretrain_epochs": 0, "max_epochs": 1},
        time_epochs=1,
        n_features=3,
        alphas=(1.0,),
        n_jobs=1,
    )
    rows = check_rows(study.reproduce(tiny, tmp_path), AI4CELLFATE)
    assert set(rows.loc[rows["data"] == "none", "published"]) == {"0.616", "0.714", "0.497"}
    drawn = {path.stem for path in tmp_path.glob("*.png")}
    assert drawn == {
        *("losses", "relative_time", "ablation", "labelled_cells", "latent_features"),
        *("feature_pairs", "traversal", "latent_correlations"),
    }


def test_the_two_networks_of_the_beta_cell_study_are_not_one(script):
    study = script("reproduce_beta_cell")
    networks = study.networks(study.SHORT)
    assert networks["as they are"] is not networks["normalised"][-1]


@pytest.mark.slow
def test_beta_cell_prints_every_published_figure(script, tmp_path):
    study = script("reproduce_beta_cell")
    tiny = dataclasses.replace(
        study.SHORT,
        n_draws=1,
        n_clones=4,
        n_wells=1,
        image_size=64,
        patch_size=32,
        network=study.SHORT.network | {"max_epochs": 1},
        n_explained_clones=8,
        n_explained_fields=1,
        n_maps=4,
        bands=3,
        n_jobs=1,
    )
    rows = check_rows(study.reproduce(tiny, tmp_path), BETA_CELL)
    assert "power spectrum beside the column 'hour'" in " ".join(rows.index)
    drawn = {path.stem for path in tmp_path.glob("*.png")}
    assert drawn == {
        *("relevance", "structure_factor", "used_frequencies"),
        *("variance_as_they_are", "variance_normalised"),
    }


def test_precision_is_that_of_equal_classes(script):
    """Half of the dividing cells and a tenth of the others are called: 0.5 / (0.5 + 0.1)."""
    study = script("reproduce_ai4cellfate")

    class Caller:
        def predict(self, X):
            return X

    y = np.repeat([1, 0], [10, 90])
    called = np.r_[np.repeat([1, 0], [5, 5]), np.repeat([1, 0], [9, 81])]
    assert study.precision_of_equal_classes(Caller(), called, y) == pytest.approx(5 / 6)
    assert np.isnan(study.precision_of_equal_classes(Caller(), np.zeros(100), y))
    assert np.isnan(study.precision_of_equal_classes(Caller(), called[:10], y[:10]))


def test_interval_over_groups_is_students(script):
    """Of 1, 2, 3: mean 2, standard error 1 / sqrt(3), and t of 2 degrees of freedom 4.3027."""
    found = script("reproduction_table").over_groups([1, np.nan, 2, 3])
    assert found["mean"] == 2
    assert found["high"] - 2 == pytest.approx(4.30265 / np.sqrt(3), abs=1e-4)
    assert found["low"] + found["high"] == pytest.approx(4)


def test_interval_of_a_difference_is_welchs(script):
    """Equal sizes and variances: 4 degrees of freedom, t 2.7764, standard error sqrt(2 / 3)."""
    found = script("reproduction_table").over_two_groups([4, 5, 6], [1, 2, 3])
    assert found["mean"] == 3
    assert found["high"] - 3 == pytest.approx(2.77645 * np.sqrt(2 / 3), abs=1e-4)


def test_a_figure_that_was_not_run_claims_no_data(script):
    table = script("reproduction_table").ReproductionTable("simulated data, 9 cells")
    table.begin("Part", "all of it.")
    table.add("another method", "0.9", None)
    table.add("this one", "0.8", "0.7 [0.6, 0.8]")
    assert table.to_frame()["data"].tolist() == ["none", "simulated data, 9 cells"]
    assert "What differs: all of it." in table.to_markdown()
