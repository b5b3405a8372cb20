"""PatchClassifier: where patches lie, which count, what an image's patches add up to."""

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_cellfate import image_column
from sklearn_cellfate.datasets import make_cultures
from sklearn_cellfate.feature_extraction import PixelFeatures
from sklearn_cellfate.model_selection import compare_modalities
from sklearn_cellfate.neural_network import AAEClassifier, EfficientNetClassifier
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.preprocessing import PatchNormalizer


@parametrize_with_checks(
    [PatchClassifier(make_pipeline(PixelFeatures(), GaussianNB()), patch_size=(1, 32))]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


class FirstPixel(ClassifierMixin, BaseEstimator):
    """Says that the probability of class 1 is the first pixel of a patch."""

    def fit(self, X, y, sample_weight=None, groups=None):
        self.X_, self.y_, self.groups_, self.weights_ = X, y, groups, sample_weight
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.column_stack([1 - X[:, 0, 0, 0], X[:, 0, 0, 0]])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def corners_of_patches(height, width, n=2):
    """Images of noise whose patches are known by their first pixels."""
    rng = np.random.default_rng(0)
    return rng.random((n, 1, height, width)), np.arange(n) % 2


def fitted(images, labels, **parameters):
    return PatchClassifier(FirstPixel(), **parameters).fit(images, labels)


def test_patches_tile_the_image_and_cover_what_remains():
    images, labels = corners_of_patches(10, 7)
    model = fitted(images, labels, patch_size=4)
    assert_array_equal(model.grid_[0], [0, 4, 6])
    assert_array_equal(model.grid_[1], [0, 3])
    expected = images[:, 0][:, [0, 4, 6]][:, :, [0, 3]]
    assert_allclose(model.predict_patches(images)[..., 1], expected, rtol=1e-6)
    assert model.n_patches_ == 12 and model.estimator_.X_.shape == (12, 1, 4, 4)
    assert_allclose(model.estimator_.X_[1], images[0, :, 0:4, 3:7], rtol=1e-6)
    assert_array_equal(model.estimator_.y_, np.repeat(labels, 6))


def test_stride_makes_patches_overlap():
    images, labels = corners_of_patches(9, 9)
    model = fitted(images, labels, patch_size=(5, 3), stride=(2, 3))
    assert_array_equal(model.grid_[0], [0, 2, 4])
    assert_array_equal(model.grid_[1], [0, 3, 6])


def test_a_short_side_is_taken_whole_and_a_larger_patch_refused():
    images, labels = corners_of_patches(3, 8)
    assert fitted(images, labels, patch_size=4).patch_shape_ == (3, 4)
    with pytest.raises(ValueError, match="9 x 9 is larger than the images.* 3 x 8 pixels"):
        fitted(images, labels, patch_size=9)


@pytest.mark.parametrize("aggregate, expected", [("mean", 0.45), ("median", 0.25), ("vote", 0.25)])
def test_what_patches_add_up_to(aggregate, expected):
    images = np.random.default_rng(0).random((2, 1, 4, 4)) * 0.01
    images[:, 0, ::2, ::2] = [[0.2, 0.3], [0.3, 1.0]] if aggregate == "mean" else 0.2
    if aggregate != "mean":
        images[:, 0, ::2, ::2] = [[0.2, 0.2], [0.3, 1.0]]
    model = fitted(images, [0, 1], patch_size=2, aggregate=aggregate)
    assert_allclose(model.predict_proba(images)[:, 1], expected, rtol=1e-6)
    assert_allclose(model.predict_proba(images).sum(axis=1), 1)


def test_blank_patches_do_not_count_unless_there_are_no_others():
    images, labels = corners_of_patches(4, 8)
    images[0, :, :, 4:] = 0.9
    images[1] = 0.4
    model = fitted(images, labels, patch_size=4)
    assert model.n_patches_ == 1 + 2
    scores = model.predict_patches(images)[..., 1]
    assert_allclose(scores, [[[images[0, 0, 0, 0], np.nan]], [[0.4, 0.4]]], rtol=1e-6)
    assert_allclose(model.predict_proba(images)[:, 1], [images[0, 0, 0, 0], 0.4], rtol=1e-6)


def test_min_std_is_a_share_of_what_training_patches_have():
    images, labels = corners_of_patches(4, 16)
    images[:, :, :, 12:] *= 0.01
    assert fitted(images, labels, patch_size=4, min_std=0.1).n_patches_ == 6
    assert fitted(images, labels, patch_size=4, min_std=0.001).n_patches_ == 8


def test_heat_map_is_the_mean_over_the_patches_that_cover_a_pixel():
    images, labels = corners_of_patches(1, 4)
    model = fitted(images, labels, patch_size=(1, 2), stride=1)
    first = images[:, 0, 0, :3]
    expected = np.column_stack(
        [first[:, 0], first[:, :2].mean(axis=1), first[:, 1:].mean(axis=1), first[:, 2]]
    )
    assert_allclose(model.heat_map(images)[:, 0], expected, rtol=1e-6)
    assert_allclose(model.heat_map(images, label=0)[:, 0], 1 - expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"label must be one of .* found 'yes'"):
        model.heat_map(images, label="yes")


def test_images_share_a_limit_of_patches_evenly():
    images, labels = corners_of_patches(4, 40, n=6)
    model = fitted(images, labels, patch_size=4, max_patches=20, random_state=0)
    drawn = np.bincount(model.estimator_.groups_, minlength=6)
    assert drawn.sum() == 20 and set(drawn) == {3, 4}
    again = fitted(images, labels, patch_size=4, max_patches=20, random_state=0)
    assert_array_equal(again.estimator_.X_, model.estimator_.X_)


def test_a_default_limit_that_leaves_patches_out_is_said(monkeypatch):
    monkeypatch.setattr("sklearn_cellfate.patches.TRAINING_BYTES", 4 * 16 * 20)  # 20 patches
    images, labels = corners_of_patches(4, 40, n=6)
    with pytest.warns(UserWarning, match="20 of 60 patches are trained on.* set max_patches"):
        model = fitted(images, labels, patch_size=4, random_state=0)
    assert (model.n_patches_, model.n_patches_found_) == (20, 60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fitted(images, labels, patch_size=4, max_patches=20).n_patches_found_ == 60
        assert fitted(images[:2], labels[:2], patch_size=4).n_patches_ == 20


def test_constant_patches_are_those_that_normalization_makes_zero():
    images, labels = corners_of_patches(4, 16)
    steps = np.array([0, 1e-8, 1e-4, 1])[:, None, None] * np.eye(4)
    images[1] = 5 + np.concatenate(list(steps), axis=1)
    model = fitted(images, labels, patch_size=4, stride=4)
    normalized = PatchNormalizer().fit_transform(images.reshape(2, 4, 4, 4).swapaxes(1, 2))
    zero = ~normalized.any(axis=(2, 3))
    assert_array_equal(np.isnan(model.predict_patches(images)[:, 0, :, 0]), zero)
    assert zero.sum() == 2


def test_patches_drawn_do_not_depend_on_the_order_of_the_images():
    images, labels = corners_of_patches(4, 40, n=6)
    order = np.random.default_rng(1).permutation(6)
    limit = {"patch_size": 4, "max_patches": 20, "random_state": 0}
    drawn = fitted(images, labels, **limit).estimator_
    table = pd.DataFrame({"image": image_column(images[order])})
    again = fitted(table, labels[order], **limit).estimator_
    for row, place in enumerate(order):
        assert_allclose(again.X_[again.groups_ == row], drawn.X_[drawn.groups_ == place])
    other = fitted(images, labels, **limit | {"random_state": 1}).estimator_
    assert not np.array_equal(other.X_, drawn.X_)


def test_groups_and_weights_reach_the_last_step_of_a_pipeline():
    images, labels = corners_of_patches(4, 8)
    inner = make_pipeline(make_pipeline(KeepImages(), FirstPixel()))
    model = PatchClassifier(inner, patch_size=4)
    model.fit(images, labels, sample_weight=[1.0, 3.0], groups=["a", "b"])
    last = model.estimator_[-1][-1]
    assert_array_equal(last.groups_, ["a", "a", "b", "b"])
    assert_array_equal(last.weights_, [1, 1, 3, 3])
    assert_array_equal(fitted(images, labels, patch_size=4).estimator_.groups_, [0, 0, 1, 1])
    without = PatchClassifier(make_pipeline(PixelFeatures(), NoWeights()), patch_size=4)
    with pytest.raises(ValueError, match="NoWeights takes no sample_weight"):
        without.fit(images, labels, sample_weight=[1.0, 3.0])


class KeepImages(BaseEstimator):
    """A step that changes nothing."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


class NoWeights(ClassifierMixin, BaseEstimator):
    """A classifier whose fit takes X and y alone."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros(len(X))


def test_a_classifier_without_probabilities_votes():
    images, labels = textures(12)
    model = PatchClassifier(make_pipeline(PixelFeatures(), LinearSVC()), patch_size=8)
    assert not hasattr(model, "predict_proba")
    assert set(np.unique(model.fit(images, labels).predict_patches(images))) == {0, 1}
    assert set(model.predict(images)) <= {"even", "rough"}


def textures(n, side=24, seed=0):
    """Images of two classes that differ in the grain of their noise, not in mean or spread."""
    rng = np.random.default_rng(seed)
    labels = np.array(["even", "rough"])[np.arange(n) % 2]
    rough = np.repeat(np.repeat(rng.normal(size=(n, 1, side // 3, side // 3)), 3, 2), 3, 3)
    fine = rng.normal(size=(n, 1, side, side))
    return np.where((labels == "rough")[:, None, None, None], rough, fine), labels


@pytest.mark.parametrize(
    "inner",
    [
        EfficientNetClassifier("tiny", max_epochs=5, batch_size=16, random_state=0),
        AAEClassifier(pretrain_epochs=1, max_epochs=15, lr=0.005, random_state=0),
    ],
)
def test_image_classifiers_read_patches(inner):
    train, train_labels = textures(40)
    test, labels = textures(20, seed=1)
    table = pd.DataFrame({"image": image_column(train), "clone": "c"})
    model = PatchClassifier(inner, patch_size=12).fit(table, train_labels)
    unseen = pd.DataFrame({"image": image_column(test)})
    assert model.score(unseen, labels) > 0.9


def test_patches_of_an_image_stay_on_one_side_of_a_validation_split():
    images, labels = textures(12)
    inner = EfficientNetClassifier("tiny", max_epochs=1, early_stopping=True, random_state=0)
    seen = []

    def spy(n_rows, codes, classes, groups, *rest):
        seen.append(groups)
        return np.arange(n_rows - 18), np.arange(n_rows - 18, n_rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn_cellfate.neural_network._base.split_validation", spy)
        PatchClassifier(inner, patch_size=8).fit(images, labels)
    assert_array_equal(np.bincount(seen[0]), np.full(12, 9))


def test_memory_holds_images_once_and_few_patches():
    images = np.random.default_rng(0).integers(0, 255, (12, 1, 384, 384), dtype=np.uint8)
    inner = make_pipeline(PixelFeatures(), GaussianNB())
    model = PatchClassifier(inner, patch_size=16, stride=8, max_patches=500)
    tracemalloc.start()
    model.fit(images, np.arange(12) % 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    all_patches = 4 * 12 * 47**2 * 16**2  # bytes, as float32
    assert peak < all_patches / 10


def test_median_of_classes_that_are_all_absent_from_most_patches():
    images = np.random.default_rng(0).random((6, 1, 4, 12))
    votes = DecisionTreeClassifier(random_state=0)
    model = PatchClassifier(make_pipeline(PixelFeatures(), votes), 4, aggregate="median")
    model.fit(images, list("abcabc"))
    probabilities = model.predict_proba(np.random.default_rng(1).random((40, 1, 4, 12)))
    assert_allclose(probabilities.sum(axis=1), 1)


def test_blank_is_judged_by_channel_and_not_by_rounding():
    images = np.full((4, 2, 4, 8), 0.1)
    rng = np.random.default_rng(0)
    images[:, 1, :, :4] = rng.random((4, 4, 4))
    images[:, 0] *= 1000
    model = fitted(images, [0, 1, 0, 1], patch_size=4, min_std=0.5)
    assert_array_equal(model.estimator_.groups_, [0, 1, 2, 3])


def test_features_of_patches_are_averaged_beside_a_column():
    images, labels = textures(12)
    table = pd.DataFrame({"image": image_column(images), "hour": np.arange(12.0)})
    inner = EfficientNetClassifier("tiny", max_epochs=1, n_components=3, random_state=0)
    model = PatchClassifier(make_pipeline(PatchNormalizer(), inner), patch_size=12)
    by_patch = model.fit(table, labels).estimator_.transform(
        np.stack(
            [
                image[:, i : i + 12, j : j + 12]
                for image in images
                for i in (0, 12)
                for j in (0, 12)
            ]
        ).astype(np.float32)
    )
    assert_allclose(model.transform(table), by_patch.reshape(12, 4, 3).mean(axis=1), atol=1e-5)
    both = ColumnTransformer([("image", model, ["image"]), ("hour", "passthrough", ["hour"])])
    assert both.fit_transform(table, labels).shape == (12, 4)
    assert list(both.get_feature_names_out())[-1] == "hour__hour"
    assert not hasattr(PatchClassifier(make_pipeline(PixelFeatures(), GaussianNB())), "transform")


def test_the_main_job_reads_cultures_by_patches():
    cultures = make_cultures(4, n_wells=1, hours=(24, 53), size=64, random_state=0).frame
    inner = EfficientNetClassifier("tiny", max_epochs=1, n_components=2, random_state=0)
    by_patches = PatchClassifier(make_pipeline(PatchNormalizer(), inner), patch_size=32)
    answer = compare_modalities(
        cultures,
        "efficient",
        groups="clone",
        features=["hour"],
        autoencoder=by_patches,
        cv=2,
        random_state=5,  # whose folds scikit-learn 1.7 balances, too
    )
    scores = answer.summary.xs("balanced_accuracy", level="metric")["mean"]
    assert set(scores.index) == {"features", "pixels", "images", "images + features"}
    assert scores["features"] == 0.5, "every clone has the same hours"
    held_out = answer.predictions.query("estimator == 'images'")["row"]
    assert sorted(held_out) == list(range(len(cultures)))
    (fitted,) = {type(m[0].named_transformers_["images"][0]) for m in answer.estimators["images"]}
    assert fitted is PatchClassifier


def test_inner_folds_of_a_search_keep_images_whole():
    images, labels = textures(12)
    search = GridSearchCV(
        make_pipeline(PixelFeatures(), GaussianNB()),
        {"gaussiannb__var_smoothing": [1e-9, 1e-3]},
        cv=GroupKFold(3),
    )
    assert PatchClassifier(search, patch_size=12).fit(images, labels).predict(images).shape == (
        12,
    )


def test_many_overlapping_patches_are_not_held_at_once():
    images = np.random.default_rng(0).integers(0, 255, (2, 1, 256, 256), dtype=np.uint8)
    model = fitted(images, [0, 1], patch_size=128, stride=4, max_patches=4)
    tracemalloc.start()
    heat = model.heat_map(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    n_patches = len(model.grid_[0]) ** 2
    assert heat.dtype == np.float32
    assert peak < 4 * n_patches * 128**2  # of one image, as float32


class WideFeatures(ClassifierMixin, BaseEstimator):
    """Many features a patch: its mean, over and over."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.resize(self.classes_, len(X))

    def transform(self, X):
        return np.repeat(X.mean(axis=(1, 2, 3))[:, None], 1000, axis=1)


def test_features_of_all_patches_are_not_held_at_once(monkeypatch):
    monkeypatch.setattr("sklearn_cellfate.patches.PREDICTION_BYTES", 2**16)
    images = np.random.default_rng(0).random((40, 1, 64, 64), dtype=np.float32)
    model = PatchClassifier(WideFeatures(), patch_size=16, stride=8).fit(images, [0, 1] * 20)
    tracemalloc.start()
    features = model.transform(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    patches = np.lib.stride_tricks.sliding_window_view(images, (16, 16), axis=(2, 3))
    means = patches[:, 0, ::8, ::8].mean(axis=(1, 2, 3, 4))
    assert_allclose(features, np.repeat(means[:, None], 1000, axis=1), rtol=1e-5)
    assert peak < 8 * 40 * 49 * 1000 / 4  # of the features of all patches


@pytest.mark.parametrize("n_jobs", ["2", 1.5, 0])
def test_n_jobs_is_a_number_of_jobs(n_jobs):
    images, labels = textures(10)
    by_pixels = make_pipeline(PixelFeatures(), LogisticRegression())
    model = PatchClassifier(by_pixels, patch_size=8, n_jobs=n_jobs)
    message = f"'n_jobs' parameter of PatchClassifier must be .* Got {n_jobs!r} instead"
    with pytest.raises(ValueError, match=message):
        model.fit(images, labels)
    model.set_params(n_jobs=None).fit(images, labels).set_params(n_jobs=n_jobs)
    for method in (model.predict, model.predict_proba, model.predict_patches):
        with pytest.raises(ValueError, match=message):
            method(images)


def test_bad_input_is_named():
    images, labels = textures(4)
    model = PatchClassifier(make_pipeline(PixelFeatures(), LogisticRegression()), patch_size=8)
    with pytest.raises(ValueError, match="NaN or infinite"):
        model.fit(np.full_like(images, np.nan), labels)
    model.fit(images, labels)
    with pytest.raises(ValueError, match="3 channels.* fitted on images with 1 channel"):
        model.predict(np.repeat(images, 3, axis=1))
    with pytest.raises(ValueError, match="whole numbers above 1, but .* fitted"):
        fractions = np.clip(0.5 + 0.1 * images, 0, 1)
        PatchClassifier(FirstPixel(), patch_size=8).fit(fractions, labels).predict(
            (255 * fractions).astype(np.uint8)
        )
    with pytest.raises(ValueError, match="max_patches=3 is fewer than the 4 images"):
        fitted(images, labels, patch_size=8, max_patches=3)
    with pytest.raises(ValueError, match="Negative"):
        PatchClassifier(FirstPixel(), patch_size=8).fit(
            images, labels, sample_weight=[-1, 1, 1, 1]
        )
    with pytest.raises(ValueError, match=r"patch_size must be .* found \(4, 0\)"):
        PatchClassifier(FirstPixel(), patch_size=(4, 0)).fit(images, labels)
    with pytest.raises(ValueError, match=r"stride must be .* found \(1, 2, 3\)"):
        PatchClassifier(FirstPixel(), patch_size=4, stride=(1, 2, 3)).fit(images, labels)
