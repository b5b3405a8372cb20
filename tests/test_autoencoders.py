"""AdversarialAutoencoder and AAEClassifier: the contract of X and y, training, pickling."""

import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import make_blobs_of_light
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, precision_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback

from sklearn_cellfate import image_column
from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.inspection import TrainingHistoryDisplay
from sklearn_cellfate.metrics import ms_ssim
from sklearn_cellfate.model_selection import make_default_autoencoder
from sklearn_cellfate.neural_network import AAEClassifier, AdversarialAutoencoder
from sklearn_cellfate.preprocessing import FRETRatio, RelativeTimeSampler

QUICK = {"pretrain_epochs": 1, "max_epochs": 2, "random_state": 0}
ENOUGH = {"pretrain_epochs": 2, "max_epochs": 15, "lr": 0.005, "random_state": 0}


@parametrize_with_checks(
    [
        AdversarialAutoencoder(pretrain_epochs=1, max_epochs=2),
        AAEClassifier(pretrain_epochs=3, max_epochs=25, lr=0.005, dropout=0.1),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# X and y


def test_every_form_of_X_gives_the_same_model(spots):
    images, labels = spots
    n, channels, height, width = images.shape
    table = pd.DataFrame({"image": image_column(images), "donor": "a"})
    reference = AAEClassifier(**QUICK).fit(images, labels).predict_proba(images)
    for X in (table, table["image"], images[:, 0], images.astype(np.float64)):
        assert_array_equal(AAEClassifier(**QUICK).fit(X, labels).predict_proba(X), reference)
    flat = AAEClassifier(image_shape=(channels, height, width), **QUICK)
    X = images.reshape(n, -1)
    assert_array_equal(flat.fit(X, labels).predict_proba(X), reference)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 7), (3, 9, 14), (2, 20, 20), (12, 5, 33)])
def test_any_shape_is_encoded_and_decoded(shape):
    images, _ = make_blobs_of_light(30, shape)
    aae = AdversarialAutoencoder(latent_dim=3, **QUICK).fit(images)
    assert aae.transform(images).shape == (30, 3)
    assert aae.inverse_transform(np.zeros((4, 3))).shape == (4, *shape)
    assert 0 < aae.score(images) <= 1


@pytest.mark.parametrize(
    "classes",
    [("dies", "divides"), (False, True), (3, 7), ("alpha", "beta", "delta")],
    ids=["strings", "booleans", "integers", "three classes"],
)
def test_labels_come_back_as_they_were_given(classes):
    images, labels = make_blobs_of_light(90, classes=classes)
    model = AAEClassifier(latent_dim=3, **ENOUGH).fit(images, labels)
    assert_array_equal(model.classes_, np.unique(labels))
    assert model.predict(images).dtype == labels.dtype
    assert model.predict_proba(images).shape == (90, len(classes))
    assert model.score(images, labels) > 0.9


def test_categorical_and_nullable_labels(spots):
    images, labels = spots
    expected = AAEClassifier(**QUICK).fit(images, labels).predict_proba(images)
    for y in (pd.Series(labels, dtype="category"), pd.Series(labels, dtype="string")):
        assert_array_equal(AAEClassifier(**QUICK).fit(images, y).predict_proba(images), expected)


def test_raw_intensities_of_any_unit_work(spots):
    images, labels = spots
    counts = np.round(4000 * (images + 0.5)).astype(np.uint16)
    model = AAEClassifier(**ENOUGH).fit(counts, labels)
    assert model.score(counts, labels) > 0.9
    decoded = model.inverse_transform(model.transform(counts))
    assert 1000 < decoded.min() and 4000 < decoded.max() <= counts.max()


# Predictions


def test_a_row_does_not_depend_on_its_companions(spots):
    images, labels = spots
    model = AAEClassifier(**QUICK).fit(images, labels)
    together = model.predict_proba(images)
    alone = np.vstack([model.predict_proba(images[i : i + 1]) for i in range(len(images))])
    assert_array_equal(alone, together)


def test_latents_are_those_of_the_network_however_its_weights_came_about(spots):
    """What is folded for inference is folded anew when the weights change."""
    images, labels = spots
    latents = []

    def check(model):
        module = model.net_.module_.eval()
        with torch.no_grad():
            encoded = module.encoder(torch.from_numpy(model._scale(images)))
            decoded = module.decoder(encoded)
        latents.append(model.transform(images))
        assert_allclose(latents[-1], encoded.numpy(), rtol=1e-4, atol=1e-5)
        found = model.inverse_transform(encoded.numpy())
        back = (found - model.pixel_min_[:, None, None]) / (model.pixel_max_ - model.pixel_min_)[
            :, None, None
        ]
        assert_allclose(back, decoded.numpy(), rtol=1e-4, atol=1e-5)

    model = AAEClassifier(**QUICK).fit(images, labels)
    first = model.net_.get_weights()
    check(model)
    check(model.partial_fit(images, labels))
    check(pickle.loads(pickle.dumps(model)))
    assert_array_equal(latents[-1], latents[-2])
    model.net_.set_weights(first)
    check(model)
    assert_array_equal(latents[-1], latents[0])
    with torch.no_grad():
        model.net_.module_.encoder[0].bias += 1
    check(model)
    assert not np.allclose(latents[-1], latents[0], atol=1e-3)


def test_augmented_latents_do_not_depend_on_orientation(spots):
    images, labels = spots
    model = AAEClassifier(augment=True, **QUICK).fit(images, labels)
    for turned in (images[..., ::-1], images.swapaxes(-1, -2), np.rot90(images, axes=(-2, -1))):
        assert_allclose(model.transform(turned), model.transform(images), atol=1e-6)


def test_score_is_the_mean_similarity_of_the_reconstructions(spots):
    images, _ = spots
    aae = AdversarialAutoencoder(**QUICK).fit(images)
    low, high = aae.pixel_min_[0], aae.pixel_max_[0]
    decoded = aae.inverse_transform(aae.transform(images))
    scaled, rebuilt = ((values - low) / (high - low) for values in (images, decoded))
    assert aae.score(images) == pytest.approx(ms_ssim(scaled, rebuilt).mean(), abs=1e-5)


def test_training_improves_the_reconstruction(spots):
    images, _ = spots
    untrained = AdversarialAutoencoder(pretrain_epochs=0, max_epochs=0, random_state=0).fit(images)
    trained = AdversarialAutoencoder(**ENOUGH).fit(images)
    assert trained.score(images) > untrained.score(images) + 0.1


def test_any_classifier_can_be_the_head(spots):
    images, labels = spots
    neighbours = AAEClassifier(head=KNeighborsClassifier(3), **QUICK).fit(images, labels)
    assert isinstance(neighbours.head_, KNeighborsClassifier)
    assert not hasattr(neighbours, "decision_function")
    margin = AAEClassifier(head=LinearSVC(), **QUICK).fit(images, labels)
    assert margin.decision_function(images).shape == (len(images),)
    assert not hasattr(margin, "predict_proba")


# Training


def test_same_seed_same_bits_and_global_generators_untouched(spots):
    images, labels = spots
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    first = AAEClassifier(augment=True, **QUICK).fit(images, labels)
    second = AAEClassifier(augment=True, **QUICK).fit(images, labels)
    assert_array_equal(first.predict_proba(images), second.predict_proba(images))
    other = clone(first).set_params(random_state=1).fit(images, labels)
    assert not np.array_equal(first.transform(images), other.transform(images))
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert_array_equal(np.random.get_state()[1], before[1])


def test_a_fit_does_not_depend_on_the_order_of_rows(spots):
    images, labels = spots
    order = np.random.default_rng(0).permutation(len(images))
    model = AAEClassifier(**QUICK).fit(images, labels)
    shuffled = AAEClassifier(**QUICK).fit(images[order], labels[order])
    assert_array_equal(model.predict_proba(images), shuffled.predict_proba(images))


def test_history_has_a_row_an_epoch_and_both_stages(spots):
    images, labels = spots
    model = AAEClassifier(pretrain_epochs=2, max_epochs=3, random_state=0).fit(images, labels)
    assert model.history_["stage"].tolist() == [1, 1, 2, 2, 2]
    assert model.n_iter_ == 5
    first = model.history_.iloc[0]
    # Stage one: reconstruction : adversarial = 5 : 1, the other losses off.
    expected = 5 * first["train_reconstruction"] + first["train_adversarial"]
    assert first["train_loss"] == pytest.approx(expected, rel=1e-5)
    assert np.isnan(first["train_contrastive"])
    last = model.history_.iloc[-1]
    expected = (
        8 * last["train_reconstruction"]
        + 4 * last["train_adversarial"]
        + 6 * last["train_contrastive"]
        + 1e-4 * last["train_covariance"]
    )
    assert last["train_loss"] == pytest.approx(expected, rel=1e-5)


def test_without_classes_the_contrastive_loss_is_off(spots):
    images, labels = spots
    assert "train_contrastive" not in AdversarialAutoencoder(**QUICK).fit(images).history_
    assert "train_contrastive" in AdversarialAutoencoder(**QUICK).fit(images, labels).history_


def test_balanced_classes_are_visited_equally_often(spots):
    images, labels = spots
    few = np.flatnonzero(labels == "divides")[:4]
    rows = np.concatenate([np.flatnonzero(labels == "dies"), few])
    seen = SeenRows()
    AAEClassifier(class_weight="balanced", callbacks=[("seen", seen)], **QUICK).fit(
        images[rows], labels[rows]
    )
    assert 0.4 < np.mean(seen.labels) < 0.6


class SeenRows(Callback):
    """Note the class of every row trained on."""

    def initialize(self):
        self.labels = []
        return self

    def on_batch_begin(self, net, batch, training, **kwargs):
        if training:
            self.labels += batch[1].tolist()


def test_rows_of_weight_zero_leave_no_trace(spots):
    images, labels = spots
    poisoned = np.concatenate([images, 50 * images[:10]])
    y = np.concatenate([labels, labels[:10][::-1]])
    weights = np.repeat([1.0, 0.0], [len(images), 10])
    weighted = AAEClassifier(**QUICK).fit(poisoned, y, sample_weight=weights)
    clean = AAEClassifier(**QUICK).fit(images, labels)
    assert_array_equal(weighted.predict_proba(images), clean.predict_proba(images))


def test_warm_start_goes_on_and_partial_fit_adds_an_epoch(spots):
    images, labels = spots
    model = AAEClassifier(warm_start=True, **QUICK).fit(images, labels)
    model = pickle.loads(pickle.dumps(model)).fit(images, labels)
    assert model.n_iter_ == 1 + 2 + 2
    streamed = AAEClassifier(**QUICK).partial_fit(images, labels, classes=["dies", "divides"])
    assert streamed.partial_fit(images, labels).n_iter_ == 2


def test_early_stopping_keeps_the_best_epoch(spots):
    images, labels = spots
    params = {"early_stopping": True, "n_iter_no_change": 3, "validation_fraction": 0.25}
    model = AAEClassifier(**params, **{**ENOUGH, "max_epochs": 200}).fit(images, labels)
    watched = model.history_["valid_log_loss"].dropna().to_numpy()
    assert len(watched) < 200
    assert len(watched) - 1 - watched.argmin() == 3


class HeldOutClasses(Callback):
    """Note the classes of the rows that no step trains on."""

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        if not training:
            self.seen = batch[1].numpy()


class TalkativeHead(LogisticRegression):
    """Note what was predicted last."""

    said = {}

    def predict(self, X):
        return self.said.setdefault("classes", super().predict(X))

    def predict_proba(self, X):
        return self.said.setdefault("probabilities", super().predict_proba(X))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_an_epoch_is_judged_by_the_scores_of_scikit_learn(spots, n_classes):
    images, _ = spots
    labels = np.arange(len(images)) % n_classes  # which no image tells
    held_out = HeldOutClasses()
    TalkativeHead.said.clear()
    params = {**QUICK, "pretrain_epochs": 0, "max_epochs": 1, "validation_fraction": 0.3}
    model = AAEClassifier(
        head=TalkativeHead(), callbacks=[held_out], early_stopping=True, batch_size=100, **params
    ).fit(images, labels)
    found, said = model.history_.iloc[0], TalkativeHead.said
    average = "binary" if n_classes == 2 else "macro"
    precision = precision_score(held_out.seen, said["classes"], average=average, zero_division=0)
    assert_allclose(found["valid_accuracy"], accuracy_score(held_out.seen, said["classes"]))
    assert_allclose(found["valid_precision"], precision)
    assert_allclose(found["valid_log_loss"], log_loss(held_out.seen, said["probabilities"]))
    assert 0 < found["valid_accuracy"] < 1


def test_early_stopping_without_a_head_of_its_own(spots):
    images, labels = spots
    params = {"early_stopping": True, "n_iter_no_change": 2, **QUICK, "max_epochs": 30}
    blind = AdversarialAutoencoder(**params).fit(images).history_
    assert "valid_loss" in blind and "valid_accuracy" not in blind
    assert "valid_accuracy" in AdversarialAutoencoder(**params).fit(images, labels).history_


def test_the_published_criteria_stop_after_min_epochs(spots):
    images, labels = spots
    loose = {"min_separation": 0, "max_kl": 1e6, "min_accuracy": 0, "min_precision": 0}
    params = {"early_stopping": "criteria", "min_epochs": 4, **ENOUGH, "max_epochs": 9}
    assert AAEClassifier(**params, **loose).fit(images, labels).n_iter_ == 2 + 4
    strict = {**loose, "max_kl": 0}
    assert AAEClassifier(**params, **strict).fit(images, labels).n_iter_ == 2 + 9


def test_validation_rows_are_whole_groups(spots):
    images, labels = spots
    donors = np.arange(len(images)) // 2 % 4
    images[:, 0, 0, 0] = donors / 4  # so that a batch tells whose cells it holds
    seen = SeenDonors()
    params = {"early_stopping": True, "validation_fraction": 0.25, "callbacks": [("seen", seen)]}
    AAEClassifier(**params, **QUICK).fit(images, labels, groups=donors)
    assert seen.donors[True].isdisjoint(seen.donors[False])
    assert len(seen.donors[True]) + len(seen.donors[False]) == 4


class SeenDonors(Callback):
    """Note whose cells are trained on (True) and held out (False)."""

    def initialize(self):
        self.donors = {True: set(), False: set()}
        return self

    def on_batch_begin(self, net, batch, training, **kwargs):
        self.donors[training] |= set(batch[0][:, 0, 0, 0].tolist())


def test_verbose_shows_epochs(spots, capsys):
    images, labels = spots
    AAEClassifier(verbose=1, **QUICK).fit(images, labels)
    assert "3/3" in capsys.readouterr().err


# Pickle


def test_a_fitted_model_predicts_the_same_in_a_fresh_process_without_a_gpu(spots, tmp_path):
    images, labels = spots
    model = AAEClassifier(**QUICK).fit(images, labels)
    joblib.dump(model, tmp_path / "model.joblib")
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "expected.npy", model.predict_proba(images))
    script = (
        "import joblib, numpy as np; model = joblib.load('model.joblib');"
        "same = model.predict_proba(np.load('images.npy')) == np.load('expected.npy');"
        "assert same.all()"
    )
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=hidden, check=True)


def test_a_pickle_holds_arrays_only_and_no_optimiser(spots):
    images, labels = spots
    model = AAEClassifier(**QUICK).fit(images, labels)
    assert b"torch._utils" not in pickle.dumps(model)
    kept = AAEClassifier(warm_start=True, **QUICK).fit(images, labels)
    assert len(pickle.dumps(kept)) > 1.5 * len(pickle.dumps(model))


def test_a_model_from_a_missing_device_moves_to_the_cpu(spots):
    images, labels = spots
    model = AAEClassifier(**QUICK).fit(images, labels)
    state = model.__getstate__()
    state["_net_state"]["device"] = "cuda" if not torch.cuda.is_available() else "mps"
    moved = AAEClassifier.__new__(AAEClassifier)
    with pytest.warns(UserWarning, match="moves to the CPU"):
        moved.__setstate__(state)
    assert_array_equal(moved.predict_proba(images), model.predict_proba(images))


# Bad input


def test_pixels_that_are_no_numbers(spots):
    images, labels = spots
    images[3, 0, 2, 2] = np.nan
    with pytest.raises(ValueError, match="1 of 80 images contain NaN or infinite pixels.*row 3"):
        AAEClassifier(**QUICK).fit(images, labels)


def test_one_class(spots):
    images, labels = spots
    with pytest.raises(ValueError, match="at least two classes.*1 class.*dies"):
        AAEClassifier(**QUICK).fit(images[labels == "dies"], labels[labels == "dies"])


def test_missing_labels(cells):
    labels = cells["fate"].astype(object)
    labels.iloc[[5, 8]] = None
    with pytest.raises(ValueError, match="2 of 80 rows have no label.*row 5"):
        AAEClassifier(**QUICK).fit(cells, labels)


def test_other_channels_at_predict(spots):
    images, labels = spots
    model = AAEClassifier(**QUICK).fit(images, labels)
    two = np.concatenate([images, images], axis=1)
    with pytest.raises(ValueError, match="2 channels of 12 x 12.*fitted on.*1 channel of 12 x 12"):
        model.predict(two)


def test_two_image_columns(cells):
    cells["second"] = cells["image"]
    with pytest.raises(ValueError, match="exactly one image column, found 2: 'image', 'second'"):
        AAEClassifier(**QUICK).fit(cells, cells["fate"])


def test_a_group_that_swallows_a_class(cells):
    groups = np.where(cells["fate"] == "divides", "d1", cells["donor"])
    model = AAEClassifier(**QUICK, early_stopping=True, validation_fraction=0.3)
    words = "leaves each of the classes 'dies', 'divides' on both sides and keeps groups whole"
    with pytest.raises(ValueError, match=words):
        model.fit(cells, cells["fate"], groups=groups)


def test_wells_of_one_fate_each_are_split_with_both_fates_on_either_side(spots):
    images, labels = spots
    order = np.argsort(labels)
    wells = np.arange(len(images)) // 8
    model = AAEClassifier(early_stopping=True, validation_fraction=0.2, **QUICK)
    assert model.fit(images[order], labels[order], groups=wells).history_["valid_accuracy"].any()


def test_nothing_to_minimise(spots):
    images, labels = spots
    off = {f"lambda_{name}": 0 for name in ("reconstruction", "adversarial", "covariance")}
    with pytest.raises(ValueError, match="nothing to minimise"):
        AdversarialAutoencoder(**off, **QUICK).fit(images)
    with pytest.raises(ValueError, match="betas must be two numbers"):
        AAEClassifier(betas=(0.0,), **QUICK).fit(images, labels)


@pytest.mark.parametrize("changed", [{"latent_dim": 5}, {"width": 2.0}])
def test_warm_start_refuses_networks_of_another_size(spots, changed):
    images, labels = spots
    model = AAEClassifier(warm_start=True, **QUICK).fit(images, labels)
    name = next(iter(changed))
    with pytest.raises(ValueError, match=f"{name}.*warm_start=False"):
        model.set_params(**changed).fit(images, labels)
    model.set_params(warm_start=False).fit(images, labels)


def test_unknown_device_is_named(spots):
    with pytest.raises(ValueError, match="device must be .* found 'gpu'"):
        AAEClassifier(device="gpu", **QUICK).fit(*spots)


def test_no_epoch_leaves_an_empty_history(spots):
    untrained = AAEClassifier(pretrain_epochs=0, max_epochs=0, random_state=0).fit(*spots)
    assert untrained.n_iter_ == 0 and not len(untrained.history_)
    with pytest.raises(ValueError, match="no epoch"):
        TrainingHistoryDisplay.from_estimator(untrained)


def test_warm_start_refuses_other_images_and_stays_whole(spots):
    images, labels = spots
    model = AAEClassifier(warm_start=True, **QUICK).fit(images, labels)
    before = model.predict_proba(images)
    with pytest.raises(ValueError, match="12 x 11 pixels.*fitted on"):
        model.fit(images[..., :-1], labels)
    assert_array_equal(model.predict_proba(images), before)


def test_too_few_rows_to_set_aside(spots):
    images, labels = spots
    rows = [0, 1, 2]
    with pytest.raises(ValueError, match="early_stopping needs rows of every class"):
        AAEClassifier(early_stopping=True, **QUICK).fit(images[rows], labels[rows])


def test_other_latents_than_fitted(spots):
    aae = AdversarialAutoencoder(**QUICK).fit(spots[0])
    with pytest.raises(ValueError, match="3 columns.*latent_dim=2"):
        aae.inverse_transform(np.zeros((1, 3)))
    with pytest.raises(NotFittedError):
        AdversarialAutoencoder().transform(spots[0])


def test_heads_without_weights_see_rows_repeated(spots):
    images, labels = spots
    rare = np.concatenate([np.flatnonzero(labels == "dies"), np.flatnonzero(labels != "dies")[:5]])
    model = AAEClassifier(head=KNeighborsClassifier(), class_weight="balanced", **QUICK)
    model.fit(images[rare], labels[rare])
    assert model.head_.n_samples_fit_ > len(rare)


@pytest.mark.slow
def test_simulated_fates_are_read_nearly_as_well_as_can_be():
    train = make_cell_movies(1000, max_frames=3, random_state=0)
    test = make_cell_movies(2000, max_frames=3, random_state=1)
    to_ratio = make_pipeline(RelativeTimeSampler(times=[0.0]), FRETRatio())
    images = to_ratio.fit_transform(train.frame)[["movie_0%"]]
    model = make_default_autoencoder(1000, random_state=0).fit(images, train.frame["fate"])
    unseen = to_ratio.transform(test.frame)[["movie_0%"]]
    score = balanced_accuracy_score(test.frame["fate"], model.predict(unseen))
    assert score >= 0.95 * test.best_balanced_accuracy
