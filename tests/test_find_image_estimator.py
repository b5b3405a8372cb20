"""The network inside a pipeline is found, with the images as it sees them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate import image_column
from sklearn_cellfate.feature_extraction import PixelFeatures
from sklearn_cellfate.inspection._pipelines import find_image_estimator
from sklearn_cellfate.neural_network import AAEClassifier
from sklearn_cellfate.preprocessing import PatchNormalizer


@pytest.fixture(scope="module")
def cells():
    images = np.random.default_rng(0).normal(5, 2, (24, 1, 8, 8)).astype(np.float32)
    return pd.DataFrame({"area": np.arange(24.0), "image": image_column(images)})


FATES = np.array(["dies", "divides"] * 12)
AAE = AAEClassifier(pretrain_epochs=1, max_epochs=1, random_state=0)


def in_columns(encoder):
    columns = ColumnTransformer(
        [("table", StandardScaler(), ["area"]), ("images", encoder, ["image"])]
    )
    return make_pipeline(columns, LogisticRegression())


@pytest.mark.parametrize(
    "estimator",
    [
        AAE,
        make_pipeline(AAE),
        in_columns(make_pipeline(AAE, StandardScaler())),
        in_columns(FeatureUnion([("pixels", PixelFeatures()), ("learned", AAE)])),
        GridSearchCV(in_columns(AAE), {"logisticregression__C": [1.0]}, cv=2),
    ],
    ids=["alone", "pipeline", "columns", "union", "search"],
)
def test_the_network_is_found_wherever_it_stands(estimator, cells):
    X = cells if estimator is not AAE else cells[["image"]]
    found, images = find_image_estimator(clone(estimator).fit(X, FATES), X)
    assert isinstance(found, AAEClassifier)
    assert images.shape == (24, 1, 8, 8)
    found.predict(images)  # the fitted one


def test_images_come_as_the_network_sees_them(cells):
    pipeline = make_pipeline(PatchNormalizer(), clone(AAE)).fit(cells[["image"]], FATES)
    _, images = find_image_estimator(pipeline, cells[["image"]])
    np.testing.assert_allclose(images.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(images.std((1, 2, 3)), 1, atol=1e-4)


def test_a_pipeline_without_a_network_is_refused(cells):
    pipeline = make_pipeline(PixelFeatures(), LogisticRegression()).fit(cells[["image"]], FATES)
    with pytest.raises(ValueError, match="Pipeline does not look at images through a network"):
        find_image_estimator(pipeline, cells)


def test_an_unfitted_pipeline_is_refused(cells):
    with pytest.raises(NotFittedError):
        find_image_estimator(make_pipeline(clone(AAE)), cells)
