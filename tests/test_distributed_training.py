"""EfficientNetClassifier(distributed=True): processes train one model together."""

import os
import pickle
import subprocess
import sys

import pytest
from conftest import make_blobs_of_light
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_cellfate.neural_network import EfficientNetClassifier

TRAINING = {"variant": "tiny", "max_epochs": 12, "batch_size": 15, "random_state": 0}
# Batch norm stays as it is and nothing is drawn at random but the batches, so the mean over
# processes is exactly the gradient of the whole batch.
LAST_LAYER = {
    "variant": "tiny",
    "max_epochs": 3,
    "frozen_epochs": 3,
    "dropout": 0.0,
    "batch_size": 15,
    "random_state": 0,
}
OPENING = TRAINING | {"max_epochs": 3, "frozen_epochs": 1, "unfreeze_every": 1}
WATCHED = TRAINING | {"max_epochs": 3, "early_stopping": True, "augment": True}
SETTINGS = {"all": TRAINING, "last layer": LAST_LAYER, "opening": OPENING, "watched": WATCHED}

SCRIPT = f"""
import os, pickle, sys
from conftest import make_blobs_of_light
from sklearn_cellfate.neural_network import EfficientNetClassifier

images, labels = make_blobs_of_light(160)
models = {{}}
for name, settings in {SETTINGS!r}.items():
    model = EfficientNetClassifier(**settings, distributed=True)
    models[name] = model.fit(images[:80], labels[:80])
models["more"] = pickle.loads(pickle.dumps(models["all"])).partial_fit(images[80:], labels[80:])
with open(os.path.join(sys.argv[1], os.environ["RANK"]), "wb") as file:
    pickle.dump(models, file)
"""


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """Models of either process, by name of their settings."""
    pytest.importorskip("accelerate")
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "train.py").write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    subprocess.run(
        [*launch, folder / "train.py", folder],
        env=os.environ | {"PYTHONPATH": path, "ACCELERATE_USE_CPU": "true"},
        check=True,
        timeout=300,
    )
    return [pickle.loads((folder / str(rank)).read_bytes()) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SETTINGS, "more"])
def test_both_processes_end_with_the_same_model(ranks, name):
    one, other = (models[name] for models in ranks)
    weights = one.net_.get_weights()
    for key, of_other in other.net_.get_weights().items():
        assert_array_equal(weights[key], of_other, err_msg=key)
    columns = one.history_.columns.drop("dur")
    assert_array_equal(one.history_[columns], other.history_[columns])


@pytest.mark.slow
def test_the_model_is_right_about_new_cells(ranks):
    images, labels = make_blobs_of_light(160)
    assert ranks[0]["all"].score(images[80:], labels[80:]) > 0.9


@pytest.mark.slow
def test_gradients_are_those_of_the_whole_batch(ranks):
    """Batches of 15 and 20 rows: also where shares are of unequal length."""
    images, labels = make_blobs_of_light(160)
    alone = EfficientNetClassifier(**LAST_LAYER).fit(images[:80], labels[:80])
    together = ranks[0]["last layer"]
    assert_allclose(together.history_["train_loss"], alone.history_["train_loss"], rtol=1e-5)
    for mine, its in zip(together.net_.classifier_weights(), alone.net_.classifier_weights()):
        assert_allclose(mine, its, atol=1e-5)


def test_one_process_is_enough():
    pytest.importorskip("accelerate")
    images, labels = make_blobs_of_light(160)
    model = EfficientNetClassifier(**TRAINING, distributed=True).fit(images[:80], labels[:80])
    assert model.score(images[80:], labels[80:]) > 0.9
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(images), model.predict_proba(images))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"random_state": None}, "needs a random_state, found None"),
        ({"device": "cpu"}, "needs device=\"auto\".*found 'cpu'"),
        ({"checkpoint_dir": "here"}, "cannot be combined with checkpoint_dir, found 'here'"),
    ],
)
def test_what_does_not_go_together(settings, message):
    images, labels = make_blobs_of_light(20)
    model = EfficientNetClassifier(**TRAINING | settings, distributed=True)
    with pytest.raises(ValueError, match=message):
        model.fit(images, labels)


def test_it_says_which_package_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ImportError, match=r"sklearn-cellfate\[accelerate\]"):
        EfficientNetClassifier(**TRAINING, distributed=True).fit(*make_blobs_of_light(20))
