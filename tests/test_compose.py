"""The autoencoder among scikit-learn's and imbalanced-learn's tools."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imbalanced_pipeline
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_validate,
    learning_curve,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate.neural_network import AAEClassifier, AdversarialAutoencoder
from sklearn_cellfate.over_sampling import AugmentationOverSampler
from sklearn_cellfate.preprocessing import IntensityScaler

QUICK = {"pretrain_epochs": 1, "max_epochs": 2, "random_state": 0}
ENOUGH = {"pretrain_epochs": 2, "max_epochs": 15, "lr": 0.005, "random_state": 0}


@pytest.fixture
def beside_features():
    """Latent features next to hand-measured ones, then a classifier."""
    images = make_pipeline(IntensityScaler(), AAEClassifier(**ENOUGH))
    columns = make_column_transformer((images, ["image"]), (StandardScaler(), ["size", "noise"]))
    return make_pipeline(columns, LogisticRegression())


def test_next_to_tabular_features_by_donor(cells, beside_features):
    results = cross_validate(
        beside_features, cells, cells["fate"], groups=cells["donor"], cv=GroupKFold(4)
    )
    assert results["test_score"].mean() > 0.8


def test_a_pipeline_pickles_clones_and_predicts_the_same(cells, beside_features, tmp_path):
    import joblib

    fitted = clone(beside_features).fit(cells, cells["fate"])
    joblib.dump(fitted, tmp_path / "pipeline.joblib")
    loaded = joblib.load(tmp_path / "pipeline.joblib")
    assert_array_equal(loaded.predict_proba(cells), fitted.predict_proba(cells))
    shuffled = cells.sample(frac=1, random_state=0)
    assert_array_equal(loaded.predict(shuffled), fitted.predict(cells)[shuffled.index])


@pytest.mark.slow
def test_grid_search_in_parallel_over_latents_and_loss_weights(cells, beside_features):
    name = "columntransformer__pipeline__aaeclassifier__"
    grid = {f"{name}latent_dim": [2, 3], f"{name}lambda_contrastive": [0.0, 6.0]}
    beside_features.set_params(**{f"{name}max_epochs": 2})
    search = GridSearchCV(beside_features, grid, cv=GroupKFold(2), n_jobs=2)
    search.fit(cells, cells["fate"], groups=cells["donor"])
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(cells).shape == (len(cells),)


def test_sampling_before_and_after_the_autoencoder(cells):
    rare = pd.concat([cells[cells["fate"] == "dies"], cells[cells["fate"] == "divides"].head(12)])
    pipeline = make_imbalanced_pipeline(
        AugmentationOverSampler(sampling_strategy=0.6, random_state=0),
        AAEClassifier(**ENOUGH),
        SMOTE(random_state=0),
        LogisticRegression(),
    )
    assert pipeline.fit(rare[["image"]], rare["fate"]).score(cells[["image"]], cells["fate"]) > 0.9


def test_imbalanced_learns_own_sampler_takes_cell_tables(cells):
    pipeline = make_imbalanced_pipeline(RandomOverSampler(random_state=0), AAEClassifier(**QUICK))
    assert len(pipeline.fit(cells[["image"]], cells["fate"]).predict(cells)) == len(cells)


def test_latents_have_names(cells):
    aae = AdversarialAutoencoder(latent_dim=2, **QUICK).set_output(transform="pandas")
    latents = aae.fit_transform(cells)
    assert list(latents) == ["adversarialautoencoder0", "adversarialautoencoder1"]
    assert latents.index.equals(cells.index)
    columns = ColumnTransformer([("aae", AAEClassifier(**QUICK), ["image"])])
    assert list(columns.fit(cells, cells["fate"]).get_feature_names_out()) == [
        "aae__aaeclassifier0",
        "aae__aaeclassifier1",
    ]


def test_learning_curve(cells):
    sizes, _, scores = learning_curve(
        AAEClassifier(**ENOUGH),
        cells[["image"]],
        cells["fate"],
        cv=3,
        train_sizes=[0.5, 1.0],
        shuffle=True,
        random_state=0,
    )
    assert scores.shape == (2, 3) and list(sizes) == [26, 53]


def test_groups_reach_early_stopping_by_metadata_routing(cells):
    donors = cells["donor"].where(cells["donor"] == "d1", "d2")
    with sklearn.config_context(enable_metadata_routing=True):
        aae = AAEClassifier(early_stopping=True, **QUICK).set_fit_request(groups=True)
        pipeline = make_pipeline(IntensityScaler(), aae)
        pipeline.fit(cells[["image"]], cells["fate"], groups=donors)
        alone = cells["donor"] == "d1"
        with pytest.raises(ValueError, match="all rows belong to one group: 'd1'"):
            pipeline.fit(
                cells.loc[alone, ["image"]], cells.loc[alone, "fate"], groups=donors[alone]
            )


def test_rows_may_come_in_any_order_and_under_any_index(cells):
    cells.index = np.random.default_rng(0).permutation(len(cells)) + 1000
    train, test = train_test_split(cells, random_state=0, stratify=cells["fate"])
    model = AAEClassifier(**ENOUGH).fit(train, train["fate"])
    assert model.score(test, test["fate"]) > 0.9
