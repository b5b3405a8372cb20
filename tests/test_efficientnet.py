"""EfficientNetClassifier: the contract of X and y, weights from elsewhere, freezing, pickling."""

import os
import pickle
import platform
import subprocess
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import make_blobs_of_light
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from torchvision.models import efficientnet_v2_s

from sklearn_cellfate import image_column
from sklearn_cellfate.neural_network import (
    AAEClassifier,
    EfficientNetClassifier,
    _efficientnet_net,
)
from sklearn_cellfate.neural_network._efficientnet_net import random_light
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.torch_modules import EfficientNetV2

QUICK = {"variant": "tiny", "max_epochs": 2, "random_state": 0}
ENOUGH = {"variant": "tiny", "max_epochs": 12, "random_state": 0}


@pytest.mark.slow
@parametrize_with_checks([EfficientNetClassifier("tiny", max_epochs=20, lr=0.003)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_tiny_separates_what_the_mean_pixel_cannot():
    images, labels = make_blobs_of_light(160)
    model = EfficientNetClassifier(**ENOUGH).fit(images[:80], labels[:80])
    assert model.score(images[80:], labels[80:]) > 0.9


@pytest.mark.parametrize(("n_batches", "n_rows", "expected"), [(3, 0, 3), (2, 80, 5)])
def test_few_batches_settle_batch_norm(n_batches, n_rows, expected, monkeypatch):
    monkeypatch.setattr(_efficientnet_net, "SETTLING_BATCHES", n_batches)
    monkeypatch.setattr(_efficientnet_net, "SETTLING_ROWS", n_rows)
    images, labels = make_blobs_of_light(240)
    model = EfficientNetClassifier(batch_size=16, **ENOUGH).fit(images[:160], labels[:160])
    norms = [m for m in model.net_.module_.modules() if hasattr(m, "num_batches_tracked")]
    assert {int(norm.num_batches_tracked) for norm in norms} == {expected}
    assert model.score(images[160:], labels[160:]) > 0.9


def test_three_classes_several_channels_and_sides_that_differ():
    images, labels = make_blobs_of_light(90, (3, 9, 14), ("dies", "divides", "waits"))
    model = EfficientNetClassifier(**ENOUGH).fit(images, labels)
    assert model.predict_proba(images).shape == (90, 3)
    assert_allclose(model.predict_proba(images).sum(axis=1), 1)
    assert model.score(images, labels) > 0.9


def test_every_form_of_X_gives_the_same_model(spots):
    images, labels = spots
    table = pd.DataFrame({"image": image_column(images), "donor": "a"})
    expected = EfficientNetClassifier(**QUICK).fit(images, labels).predict_proba(images)
    for X in (table, images[:, 0], images.astype(np.float64)):
        assert_array_equal(
            EfficientNetClassifier(**QUICK).fit(X, labels).predict_proba(X), expected
        )


@pytest.mark.parametrize("variant, millions", [("s", 20.2), ("m", 52.9), ("l", 117.2)])
def test_variants_are_the_published_networks(variant, millions):
    with torch.device("meta"):
        network = EfficientNetV2((3, 300, 300), 2, variant)
    n_parameters = sum(p.numel() for p in network.parameters())
    assert n_parameters == pytest.approx(millions * 1e6, rel=0.005)


def test_network_computes_what_torchvision_computes():
    torch.manual_seed(0)
    theirs = efficientnet_v2_s(num_classes=2).eval()
    ours = EfficientNetV2((3, 96, 96), 2, "s").eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))
        features = ours.encoder(images)
        torch.testing.assert_close(ours.classifier(features), theirs(images))


def test_small_images_are_not_halved_at_once():
    assert EfficientNetV2((1, 40, 95), 2, "tiny").features[0][0].stride == (1, 1)
    assert EfficientNetV2((1, 40, 96), 2, "tiny").features[0][0].stride == (2, 2)


# Weights from elsewhere


def network_weights():
    """State dict of a network for colour images and ten classes."""
    torch.manual_seed(1)
    return EfficientNetV2((3, 12, 12), 10, "tiny").state_dict()


@pytest.fixture
def pretrained():
    return network_weights()


def untrained(weights, images, labels):
    model = EfficientNetClassifier("tiny", weights=weights, max_epochs=0, random_state=0)
    return model.fit(images, labels)


def test_grey_images_are_seen_as_colour_images_would_be(spots, pretrained):
    images, labels = spots
    model = untrained(pretrained, images, labels)
    colour = EfficientNetV2((3, 12, 12), 10, "tiny")
    colour.load_state_dict(pretrained)
    grey = torch.randn(4, 1, 12, 12)
    with torch.no_grad():
        seen = model.net_.module_.eval().encoder(grey)
        torch.testing.assert_close(seen, colour.eval().encoder(grey.repeat(1, 3, 1, 1)))


def test_equal_channels_are_seen_as_colour_images_would_be(pretrained):
    images, labels = make_blobs_of_light(20, (5, 12, 12))
    model = untrained(pretrained, images, labels)
    colour = EfficientNetV2((3, 12, 12), 10, "tiny")
    colour.load_state_dict(pretrained)
    grey = torch.randn(4, 1, 12, 12)
    with torch.no_grad():
        seen = model.net_.module_.eval().encoder(grey.repeat(1, 5, 1, 1))
        torch.testing.assert_close(seen, colour.eval().encoder(grey.repeat(1, 3, 1, 1)))


def test_weights_from_a_file_are_those_of_the_state_dict(spots, pretrained, tmp_path):
    images, labels = spots
    torch.save(pretrained, tmp_path / "weights.pth")
    from_file = untrained(str(tmp_path / "weights.pth"), images, labels)
    assert_array_equal(
        from_file.transform(images), untrained(pretrained, images, labels).transform(images)
    )


def test_weights_of_its_own_classes_predict_the_same(spots):
    images, labels = spots
    model = EfficientNetClassifier(**ENOUGH).fit(images, labels)
    weights = model.net_.module_.state_dict()
    again = untrained(weights, images, labels)
    assert_allclose(again.predict_proba(images), model.predict_proba(images), rtol=1e-6)


def test_weights_that_do_not_fit_are_named(spots, pretrained, tmp_path):
    with pytest.raises(ValueError, match="weights lack 'features.*another variant"):
        untrained({"some": torch.zeros(1)}, *spots)
    pretrained["features.1.0.block.0.0.weight"] = torch.zeros(4, 8, 3, 3)
    with pytest.raises(ValueError, match=r"features.1.0.block.0.0.weight.*\(4, 8, 3, 3\)"):
        untrained(pretrained, *spots)
    for name, value, message in [
        (
            "features.0.0.weight",
            torch.zeros(16, 3, 5, 5),
            r"\(16, 3, 5, 5\).* expects \(8, 3, 3, 3",
        ),
        ("features.0.0.weight", torch.zeros(8), r"have shape \(8,\)"),
        ("features.0.1.bias", [0.0] * 8, "are a list, not a Tensor"),
        ("features.0.1.bias", torch.full((8,), torch.nan), "NaN"),
    ]:
        with pytest.raises(ValueError, match=f"{name}.*{message}"):
            untrained(network_weights() | {name: value}, *spots)
    with pytest.raises(FileNotFoundError, match="no_such.pth"):
        untrained(str(tmp_path / "no_such.pth"), *spots)
    (tmp_path / "bad.pth").write_bytes(b"PK not a checkpoint")
    with pytest.raises(ValueError, match=r"bad.pth.*no state dict"):
        untrained(str(tmp_path / "bad.pth"), *spots)
    with pytest.raises(ValueError, match='imagenet" exist for'):
        untrained("imagenet", *spots)


def test_imagenet_without_a_network_says_what_to_fetch(spots, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def unreachable(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    with pytest.raises(ConnectionError, match=r"efficientnet_v2_s.*pth.*pass its path"):
        EfficientNetClassifier("s", weights="imagenet", max_epochs=0).fit(*spots)


# Training


def stages_changed(before, after):
    """Which of the network's stages have other weights."""
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    return {".".join(name.split(".")[1:3]) for name in changed if "features" in name} | {
        name.split(".")[1] for name in changed if "classifier" in name
    }


def test_stages_open_from_the_last_to_the_first(spots, pretrained):
    images, labels = spots
    settings = {"weights": pretrained, "frozen_epochs": 1, "unfreeze_every": 2, **QUICK}
    start = untrained(pretrained, images, labels).net_.get_weights()
    expected = {1: set(), 2: {"features.4"}, 3: {"features.4"}, 4: {"features.3", "features.4"}}
    for n_epochs, stages in expected.items():
        model = EfficientNetClassifier(**settings | {"max_epochs": n_epochs}).fit(images, labels)
        assert stages_changed(start, model.net_.get_weights()) == {"classifier"} | stages


def test_layer_decay_slows_the_first_stages(spots):
    model = EfficientNetClassifier(layer_decay=0.5, **QUICK).fit(*spots)
    rates = {}
    for group in model.net_.optimizer_.param_groups:
        for parameter in group["params"]:
            rates[parameter] = group["initial_lr"]
    stages = model.net_.module_.stages
    for depth, stage in enumerate(reversed(stages)):
        assert {rates[p] for p in stage.parameters()} == {model.lr * 0.5**depth}


def test_gradients_are_scaled_down_to_the_norm(spots):
    from skorch.callbacks import Callback

    class Norms(Callback):
        def on_train_begin(self, net, **kwargs):
            self.norms = []

        def on_batch_end(self, net, training, **kwargs):
            gradients = [p.grad for p in net.module_.parameters()]
            self.norms.append(float(torch.nn.utils.get_total_norm(gradients)))

    norms = Norms()
    EfficientNetClassifier(max_grad_norm=0.01, callbacks=[norms], **QUICK).fit(*spots)
    assert_allclose(norms.norms, 0.01, rtol=1e-3)
    EfficientNetClassifier(max_grad_norm=None, callbacks=[norms], **QUICK).fit(*spots)
    assert min(norms.norms) > 0.02


def test_smoothed_labels_leave_a_loss_that_nothing_undercuts(spots):
    settings = ENOUGH | {"lr": 0.003, "dropout": 0.0, "stochastic_depth": 0.0}
    sharp, smooth = (
        EfficientNetClassifier(label_smoothing=share, **settings).fit(*spots).history_
        for share in (0.0, 0.4)
    )
    entropy = -(0.8 * np.log(0.8) + 0.2 * np.log(0.2))
    assert smooth["train_loss"].min() > entropy > sharp["train_loss"].min()


def test_a_class_of_weight_two_is_seen_twice(spots):
    images, labels = spots
    first = labels[0]
    by_class = EfficientNetClassifier(
        class_weight={name: 1 + (name == first) for name in np.unique(labels)}, **QUICK
    ).fit(images, labels)
    by_row = EfficientNetClassifier(**QUICK).fit(images, labels, 1 + (labels == first))
    assert_array_equal(by_class.predict_proba(images), by_row.predict_proba(images))


def test_mixed_precision_trains_in_other_numbers_and_predicts_in_float32():
    images, labels = make_blobs_of_light(160)
    exact = EfficientNetClassifier(mixed_precision=False, **ENOUGH).fit(images[:80], labels[:80])
    mixed = EfficientNetClassifier(mixed_precision=True, **ENOUGH).fit(images[:80], labels[:80])
    assert mixed.score(images[80:], labels[80:]) > 0.9
    probabilities = mixed.predict_proba(images)
    assert not np.array_equal(probabilities, exact.predict_proba(images))
    rounded = torch.from_numpy(probabilities[:, 0]).bfloat16().double().numpy()
    assert not np.isclose(rounded, probabilities[:, 0], rtol=1e-5).all()


def test_light_changes_by_image_within_bounds_and_alike_in_all_channels():
    torch.manual_seed(0)
    changed = random_light(torch.ones(500, 2, 3, 4), brightness=0.2, contrast=0.5).numpy()
    of_image = changed[:, 0, 0, 0]
    assert_array_equal(changed, np.broadcast_to(of_image[:, None, None, None], changed.shape))
    assert 0.3 <= of_image.min() < 0.4 and 1.6 < of_image.max() <= 1.7
    assert len(np.unique(of_image)) > 490


def test_learning_rate_rises_and_falls(spots):
    from skorch.callbacks import Callback

    class Rates(Callback):
        def on_train_begin(self, net, **kwargs):
            self.rates = []

        def on_batch_end(self, net, training, **kwargs):
            self.rates.append(net.optimizer_.param_groups[0]["lr"])

    rates = Rates()
    settings = QUICK | {"max_epochs": 10, "warmup": 0.2, "lr": 0.01, "callbacks": [rates]}
    EfficientNetClassifier(**settings).fit(*spots)
    progress = (np.arange(len(rates.rates)) + 0.5) / len(rates.rates)
    falling = 0.005 * (1 + np.cos(np.pi * (progress - 0.2) / 0.8))
    assert_allclose(rates.rates, np.where(progress < 0.2, 0.01 * progress / 0.2, falling))


def test_early_stopping_keeps_whole_groups_aside_and_the_best_epoch(spots):
    images, labels = spots
    groups = np.arange(len(labels)) // 10
    model = EfficientNetClassifier(
        **QUICK | {"max_epochs": 30}, early_stopping=True, n_iter_no_change=2
    ).fit(images, labels, groups=groups)
    losses = model.history_["valid_loss"]
    assert len(losses) <= losses.argmin() + 3
    # What was judged is what is kept.
    held_out_loss = model.history_["valid_loss"].min()
    assert log_loss_of_validation_rows(model, images, labels, groups) == pytest.approx(
        held_out_loss, rel=1e-5
    )
    with pytest.raises(ValueError, match="one group"):
        clone(model).fit(images, labels, groups=np.zeros(len(labels)))


def test_rows_of_no_known_group_are_refused(spots):
    images, labels = spots
    groups = np.where(np.arange(len(labels)) < 3, np.nan, np.arange(len(labels)) // 10)
    model = EfficientNetClassifier("tiny", early_stopping=True, max_epochs=1)
    with pytest.raises(ValueError, match="groups is missing in 3 of"):
        model.fit(images, labels, groups=groups)
    with pytest.raises(ValueError, match="groups is missing in 3 of"):
        PatchClassifier(model, 8).fit(images, labels, groups=groups)


def log_loss_of_validation_rows(model, images, labels, groups):
    """Log loss of the groups that explain the loss on record; others were trained on."""
    codes = (labels == model.classes_[1]).astype(int)
    probabilities = model.predict_proba(images)[np.arange(len(codes)), codes]
    losses = [-np.log(probabilities[groups == group]).mean() for group in np.unique(groups)]
    return min(losses, key=lambda loss: abs(loss - model.history_["valid_loss"].min()))


def test_six_clones_of_one_class_each_can_be_set_aside():
    images, _ = make_blobs_of_light(60)
    clones = np.repeat(np.arange(6), 10)
    model = EfficientNetClassifier(early_stopping=True, **QUICK)
    model.fit(images, clones % 2, groups=clones)
    assert "valid_loss" in model.history_


def test_a_weight_of_two_is_a_row_written_twice(spots):
    images, labels = spots
    weights = 1 + (np.arange(len(labels)) < 10)
    weighted = EfficientNetClassifier(**QUICK).fit(images, labels, sample_weight=weights)
    doubled = EfficientNetClassifier(**QUICK).fit(
        np.concatenate([images, images[:10]]), np.concatenate([labels, labels[:10]])
    )
    assert_allclose(weighted.predict_proba(images), doubled.predict_proba(images), rtol=1e-6)


def test_with_augment_features_do_not_depend_on_orientation(spots):
    images, labels = spots
    model = EfficientNetClassifier(augment=True, brightness=0.1, contrast=0.1, **QUICK)
    features = model.fit(images, labels).transform(images)
    assert_allclose(model.transform(images[:, :, ::-1, :]), features, rtol=1e-5, atol=1e-6)
    assert_allclose(model.transform(images.swapaxes(2, 3)), features, rtol=1e-5, atol=1e-6)


def test_components_are_those_of_the_training_rows(spots):
    images, labels = spots
    model = EfficientNetClassifier(n_components=3, **QUICK).fit(images, labels)
    latents = model.transform(images)
    assert latents.shape == (len(images), 3)
    assert_allclose(latents.mean(axis=0), 0, atol=1e-6)
    covariance = np.cov(latents.T)
    assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-6 * covariance[0, 0])
    names = [f"efficientnetclassifier{i}" for i in range(3)]
    assert list(model.get_feature_names_out()) == names
    assert list(model.set_output(transform="pandas").transform(images).columns) == names
    with pytest.raises(ValueError, match="n_components=300 is more than the 80"):
        clone(model).set_params(n_components=300).fit(images, labels)


def test_partial_fit_learns_from_chunks_of_one_batch():
    images, labels = make_blobs_of_light(400)
    model = EfficientNetClassifier("tiny", lr=0.003, random_state=0)
    for start in [*range(0, 320, 40)] * 3:
        chunk = slice(start, start + 40)
        model.partial_fit(images[chunk], labels[chunk])
    assert model.score(images[320:], labels[320:]) > 0.9


@pytest.mark.parametrize("kind", [EfficientNetClassifier, AAEClassifier])
def test_chunks_need_not_have_every_class(kind):
    images, labels = make_blobs_of_light(400)
    settings = {"pretrain_epochs": 0} if kind is AAEClassifier else {"variant": "tiny"}
    model = kind(lr=0.003, class_weight={labels[0]: 1.5}, random_state=0, **settings)
    for start in [*range(0, 320, 40)] * 3:
        chunk = slice(start, start + 40)
        model.partial_fit(images[chunk], labels[chunk], classes=np.unique(labels))
    by_class = np.argsort(labels[:320], kind="stable")
    for lone in (by_class[-20:], by_class[:20]):
        assert len(np.unique(labels[lone])) == 1
        model.partial_fit(images[lone], labels[lone])
    assert model.predict_proba(images[:3]).shape == (3, 2)
    if kind is AAEClassifier:  # the head has seen both classes, whatever the last chunk
        assert model.score(images[320:], labels[320:]) > 0.9


def test_the_first_chunk_may_have_one_of_three_classes(spots):
    images, labels = spots
    lone = labels == labels[0]
    model = EfficientNetClassifier("tiny", class_weight="balanced", random_state=0)
    with pytest.raises(ValueError, match="at least two classes, found .* by `classes`"):
        model.partial_fit(images[lone], labels[lone])
    model.partial_fit(images[lone], labels[lone], classes=[*np.unique(labels), "neither"])
    assert model.predict_proba(images).shape == (len(images), 3)
    assert_array_equal(model.predict(images[lone]), labels[lone])
    model.partial_fit(images[~lone], labels[~lone])
    with pytest.raises(ValueError, match="y has class .*other"):
        model.partial_fit(images, np.full(len(images), "other"))
    head = AAEClassifier(pretrain_epochs=0, random_state=0)
    with pytest.raises(ValueError, match="no call of partial_fit had any of"):
        head.partial_fit(images[lone], labels[lone], classes=np.unique(labels))
    assert not hasattr(head, "net_")


def test_warm_start_and_partial_fit_go_on(spots):
    images, labels = spots
    model = EfficientNetClassifier(warm_start=True, **QUICK).fit(images, labels)
    assert len(model.fit(images, labels).history_) == 4
    assert len(model.partial_fit(images, labels).history_) == 5
    with pytest.raises(ValueError, match="variant is 's'.*warm_start=False"):
        model.set_params(variant="s").fit(images, labels)


def test_warm_start_takes_over_changed_parameters(spots):
    images, labels = spots
    model = EfficientNetClassifier(warm_start=True, **QUICK).fit(images, labels)
    before = model.net_.get_weights()
    model.set_params(lr=1e-9, augment=True, frozen_epochs=100, weight_decay=0.0).fit(
        images, labels
    )
    assert model.net_.augment and stages_changed(before, model.net_.get_weights()) == {
        "classifier"
    }
    weights = model.net_.get_weights()
    assert_allclose(
        weights["module.classifier.1.bias"], before["module.classifier.1.bias"], atol=1e-6
    )


def test_warm_start_takes_over_how_weights_decay(spots):
    images, labels = spots
    model = EfficientNetClassifier(lr=0.01, lr_schedule="constant", warm_start=True, **QUICK)
    model = pickle.dumps(model.fit(images, labels))
    norms = {}
    for decay in (0.0, 30.0):
        again = pickle.loads(model).set_params(weight_decay=decay).fit(images, labels)
        last = again.net_.module_.classifier[1]
        norms[decay] = float(last.weight.detach().norm())
    assert norms[30.0] < 0.5 * norms[0.0]


def test_weights_of_a_state_dict_travel_once_and_on_no_device(spots, pretrained):
    images, labels = spots
    model = untrained(pretrained, images, labels)
    n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in pretrained.values())
    without = untrained(None, images, labels)
    added = len(pickle.dumps(model)) - len(pickle.dumps(without))
    assert n_bytes < added < 1.2 * n_bytes
    assert b"torch._utils" not in pickle.dumps(model)
    again = clone(pickle.loads(pickle.dumps(model))).fit(images, labels)
    assert_array_equal(again.predict_proba(images), model.predict_proba(images))
    assert model.get_params()["weights"] is pretrained
    for name, tensor in again.weights.items():
        assert torch.equal(tensor, pretrained[name])


def test_predictions_survive_a_pickle_and_ignore_the_other_rows(spots):
    images, labels = spots
    model = EfficientNetClassifier(**QUICK).fit(images, labels)
    expected = model.predict_proba(images)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(images), expected)
    assert_array_equal(model.predict_proba(images[3:5]), expected[3:5])


@pytest.mark.parametrize("side", [12, 90])
def test_features_ignore_the_other_rows_with_every_symmetry(side):
    images, labels = make_blobs_of_light(20, (1, side, side))
    settings = {"variant": "tiny", "max_epochs": 0, "augment": True, "random_state": 0}
    model = EfficientNetClassifier(**settings).fit(images, labels)
    expected = model.transform(images)
    for rows in ([7], [19, 3], slice(2, 19)):
        assert_array_equal(model.transform(images[rows]), expected[rows])


@pytest.mark.parametrize("n_images", [1, 4])
def test_one_image_costs_one_forward_pass_of_few(n_images):
    images, labels = make_blobs_of_light(8, (1, 160, 200))
    model = EfficientNetClassifier("tiny", max_epochs=0, random_state=0).fit(images, labels)
    seen = []
    hook = model.net_.module_.features.register_forward_hook(
        lambda module, inputs, output: seen.append(len(inputs[0]))
    )
    model.predict(images[:n_images])
    hook.remove()
    assert seen == [4]


@pytest.mark.parametrize("kind", [EfficientNetClassifier, AAEClassifier])
def test_training_holds_its_rows_once(kind):
    images = np.random.default_rng(0).random((400, 1, 40, 40), dtype=np.float32)
    settings = {"pretrain_epochs": 0} if kind is AAEClassifier else {"variant": "tiny"}
    model = kind(max_epochs=0, random_state=0, **settings)
    clone(model).fit(images[:20], np.arange(20) % 2)  # imports
    tracemalloc.start()
    model.fit(images, np.arange(len(images)) % 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.6 * images.nbytes


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_a_step_frees_stays_with_the_process():
    code = """
import resource, numpy as np, torch
from sklearn_cellfate.neural_network import EfficientNetClassifier
def count_faults():  # of a step that needs 48 MB in blocks of 12
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.ones(3 * 2**20) for _ in range(4)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
EfficientNetClassifier("tiny", max_epochs=0).fit(np.arange(8.0).reshape(2, 2, 2), [0, 1])
print(min(count_faults() for _ in range(4)))
"""
    # Without the fit there may be some 12,000, or none where the heap happens to end otherwise.
    plain = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    assert int(subprocess.check_output([sys.executable, "-c", code], env=plain)) < 100


def test_no_missing_class_is_announced(spots):
    model = EfficientNetClassifier(**QUICK)
    with pytest.raises(ValueError, match="classes has a missing value at position 2"):
        model.partial_fit(*spots, classes=["a", "b", None])


def test_same_seed_same_bits_and_global_generators_untouched(spots):
    before = torch.random.get_rng_state()
    first = EfficientNetClassifier(augment=True, **QUICK).fit(*spots)
    second = EfficientNetClassifier(augment=True, **QUICK).fit(*spots)
    assert_array_equal(first.predict_proba(spots[0]), second.predict_proba(spots[0]))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_counts_and_fractions_are_not_mixed():
    counts, labels = make_blobs_of_light()
    counts = (1000 * (counts - counts.min())).astype(np.uint16)
    fractions = counts / 65535
    of_counts = EfficientNetClassifier(**QUICK).fit(counts, labels)
    with pytest.raises(ValueError, match="X has .* fractions of 1, but .* whole numbers above 1"):
        of_counts.predict(fractions)
    assert len(of_counts.predict(counts.astype(float))) == len(labels)
    of_fractions = EfficientNetClassifier(**QUICK).fit(fractions, labels)
    with pytest.raises(ValueError, match="X has .* whole numbers above 1, but .* fractions of 1"):
        of_fractions.predict(pd.DataFrame({"image": image_column(counts)}))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 30), (4, 100, 97)])
def test_any_size(shape):
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(8, *shape)), np.arange(8) % 2
    model = EfficientNetClassifier(**QUICK | {"max_epochs": 1}).fit(images, labels)
    assert np.isfinite(model.predict_proba(images)).all()


def test_bad_input_is_named(spots):
    images, labels = spots
    model = EfficientNetClassifier(**QUICK).fit(images, labels)
    with pytest.raises(ValueError, match="3 channels.* fitted on images with 1 channel"):
        model.predict(np.repeat(images, 3, axis=1))
    with pytest.raises(ValueError, match="two classes"):
        EfficientNetClassifier(**QUICK).fit(images, np.zeros(len(images)))
    with pytest.raises(ValueError, match="NaN or infinite"):
        EfficientNetClassifier(**QUICK).fit(np.full_like(images, np.nan), labels)
    with pytest.raises(ValueError, match="'variant'"):
        EfficientNetClassifier("xl").fit(images, labels)
