"""save and load: the same predictions, bit for bit; nothing of a bad file is ever built."""

import hashlib
import importlib
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_cellfate import image_column, movie_column
from sklearn_cellfate.feature_extraction import (
    IntensityStatistics,
    PixelFeatures,
    PowerSpectrum,
    RegionProperties,
    TraceFeatures,
)
from sklearn_cellfate.model_selection import compare_estimators, make_modality_pipelines
from sklearn_cellfate.neural_network import (
    AAEClassifier,
    AdversarialAutoencoder,
    EfficientNetClassifier,
)
from sklearn_cellfate.over_sampling import AugmentationOverSampler
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.persistence import (
    ModelFileError,
    ModelVersionWarning,
    load,
    read_card,
    save,
)
from sklearn_cellfate.preprocessing import (
    CenterObject,
    FRETRatio,
    IntensityScaler,
    LargestObject,
    MaskBackground,
    PatchNormalizer,
    RelativeTimeSampler,
)

pytest.importorskip("skops", reason='needs skops: pip install "sklearn-cellfate[safe]"')

SHORT = {"pretrain_epochs": 1, "max_epochs": 1, "random_state": 0}
OUTPUTS = ("predict", "predict_proba", "decision_function", "transform", "inverse_transform")


def make_cells(n=24, seed=0):
    rng = np.random.default_rng(seed)
    fate = np.array(["dies", "divides"])[np.arange(n) % 2]
    images = rng.random((n, 2, 8, 8)) * np.where(fate == "dies", 1, 2)[:, None, None, None]
    images[:, :, :2] = 0
    return pd.DataFrame(
        {
            "donor": np.array(list("abcd"))[np.arange(n) % 4],
            "size": rng.normal(size=n),
            "fate": fate,
            "image": image_column(images.astype(np.float32)),
        }
    )


def tiny_aae(**changes):
    return AAEClassifier(**SHORT | changes)


def aae_beside_features(**changes):
    return make_pipeline(
        ColumnTransformer(
            [
                ("image", tiny_aae(**changes), ["image"]),
                ("statistics", IntensityStatistics(), ["image"]),
                ("measured", StandardScaler(), ["size"]),
            ]
        ),
        LogisticRegression(),
    )


PUBLIC = [
    AAEClassifier(latent_dim=3, augment=True, head=RandomForestClassifier(3), **SHORT),
    AAEClassifier(class_weight={"dies": 2, "divides": 1}, warm_start=True, **SHORT),
    AdversarialAutoencoder(**SHORT),
    AugmentationOverSampler(random_state=0),
    CenterObject(),
    EfficientNetClassifier("tiny", n_components=2, max_epochs=1, random_state=0),
    FRETRatio(),
    IntensityScaler(),
    IntensityStatistics(),
    LargestObject(),
    MaskBackground(),
    PatchClassifier(make_pipeline(PixelFeatures(), LogisticRegression()), 4, random_state=0),
    PatchNormalizer(method="dataset"),
    PixelFeatures(),
    PowerSpectrum(),
    RegionProperties(),
    RelativeTimeSampler(times=3),
    TraceFeatures(lags=(1, 2)),
]
PIPELINES = {
    "autoencoder beside features": aae_beside_features(),
    "search": GridSearchCV(
        aae_beside_features(early_stopping=False),
        {"logisticregression__C": [0.1, 1.0]},
        cv=StratifiedGroupKFold(2),
        scoring="roc_auc",
    ),
    "oversampled": make_imblearn_pipeline(AugmentationOverSampler(random_state=0), tiny_aae()),
    "bagged": make_pipeline(
        PixelFeatures(), BaggingClassifier(n_estimators=3, max_features=0.5, random_state=0)
    ),
    **{
        f"modality {name}": pipeline
        for name, pipeline in make_modality_pipelines(
            "image", ["size"], autoencoder=tiny_aae(), random_state=0
        ).items()
        if name != "images"  # inside the next one
    },
}


def rows_for(estimator, cells):
    if isinstance(estimator, RelativeTimeSampler):
        movies = [np.random.default_rng(i).random((3 + i % 3, 1, 6, 6)) for i in range(len(cells))]
        return pd.DataFrame({"movie": movie_column(movies)})
    if isinstance(estimator, TraceFeatures):
        return pd.DataFrame({"erk": list(np.random.default_rng(0).random((len(cells), 9)))})
    return cells[["image"]] if estimator in PUBLIC else cells


def fit(estimator, X, cells):
    if isinstance(estimator, AugmentationOverSampler):
        return estimator.fit(X, cells["fate"])
    groups = {"groups": cells["donor"]} if isinstance(estimator, GridSearchCV) else {}
    return estimator.fit(X, cells["fate"].to_numpy(), **groups)


def outputs(estimator, X):
    """Everything that a fitted estimator computes from some rows."""
    if isinstance(estimator, AugmentationOverSampler):
        return {"fit_resample": estimator.fit_resample(X, np.arange(len(X)) > 4)[0]}
    found = {name: getattr(estimator, name)(X) for name in OUTPUTS[:4] if hasattr(estimator, name)}
    if hasattr(estimator, "inverse_transform"):
        found["inverse_transform"] = estimator.inverse_transform(found["transform"])
    return found


def assert_same_bits(one, other):
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    else:
        assert one.dtype == other.dtype
        assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def assert_same_model(model, again, X):
    expected, found = outputs(model, X), outputs(again, X)
    assert expected and list(expected) == list(found)
    for name in expected:
        assert_same_bits(expected[name], found[name])


@pytest.mark.filterwarnings("ignore:.*pixels inside cells")
@pytest.mark.parametrize("estimator", PUBLIC, ids=lambda estimator: str(estimator)[:40])
def test_public_estimators_compute_the_same_after_a_file(estimator, tmp_path):
    cells = make_cells()
    X = rows_for(estimator, cells)
    fit(estimator, X, cells)
    save(estimator, tmp_path / "model.skops")
    again = load(tmp_path / "model.skops")
    assert type(again) is type(estimator)
    assert repr(again.get_params()) == repr(estimator.get_params())
    assert_same_model(estimator, again, X)
    if hasattr(estimator, "history_"):
        pd.testing.assert_frame_equal(again.history_, estimator.history_)


def test_every_public_estimator_is_tried():
    folders = "feature_extraction neural_network over_sampling patches preprocessing".split()
    modules = [importlib.import_module(f"sklearn_cellfate.{folder}") for folder in folders]
    exported = {getattr(module, name) for module in modules for name in module.__all__}
    classes = {kind for kind in exported if isinstance(kind, type)}
    estimators = {kind for kind in classes if issubclass(kind, BaseEstimator)}
    assert estimators <= {type(estimator) for estimator in PUBLIC}


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines_predict_the_same_after_a_file(name, tmp_path):
    cells = make_cells()
    model = fit(PIPELINES[name], cells, cells)
    save(model, tmp_path / "model.skops")
    assert_same_model(model, load(tmp_path / "model.skops"), cells)


def test_training_goes_on_from_a_file_as_from_memory(tmp_path):
    cells = make_cells()
    model = tiny_aae(warm_start=True).fit(cells, cells["fate"])
    save(model, tmp_path / "model.skops")
    again = load(tmp_path / "model.skops").fit(cells, cells["fate"])
    assert_same_model(model.fit(cells, cells["fate"]), again, cells)


@pytest.mark.parametrize("labels", [[False, True], [3, 7], ["a", "b"]])
def test_keys_of_class_weights_keep_their_type(labels, tmp_path):
    cells = make_cells()
    y = np.array(labels)[np.arange(len(cells)) % 2]
    model = tiny_aae(class_weight={label: 1 + i for i, label in enumerate(labels)}).fit(cells, y)
    save(model, tmp_path / "model.skops")
    again = load(tmp_path / "model.skops")
    assert again.class_weight == model.class_weight
    assert_same_model(model, again.fit(cells, y), cells)


# The model card


def test_the_card_says_what_the_model_is(tmp_path):
    cells = make_cells()
    y = cells["fate"].to_numpy()
    model = aae_beside_features().fit(cells, y)
    comparison = compare_estimators({"size": LogisticRegression()}, cells[["size"]], y, cv=2)
    path = tmp_path / "model.skops"
    save(model, path, X=cells, y=y, scores=comparison.summary)
    card = read_card(path)
    assert card["estimator"] == "Pipeline" and card["classes"] == ["dies", "divides"]
    assert card["image_shape"] == [2, 8, 8] and card["columns"] == list(cells.columns)
    assert card["parameters"]["columntransformer__image__max_epochs"] == "1"
    assert card["versions"]["sklearn-cellfate"] and card["versions"]["torch"]
    assert card["training_data"]["rows"] == 24
    assert len(card["training_data"]["sha256"]) == 64
    assert {row["metric"] for row in card["scores"]} >= {"roc_auc", "balanced_accuracy"}
    save(model, path)
    assert read_card(path)["training_data"] is None and read_card(path)["scores"] is None


def test_the_hash_is_of_values_not_of_how_they_lie_in_memory(tmp_path):
    cells = make_cells()
    model = IntensityStatistics().fit(cells)

    def digest(X, y=None):
        save(model, tmp_path / "model.skops", X=X, y=y)
        return read_card(tmp_path / "model.skops")["training_data"]["sha256"]

    pieces = pd.concat([cells.iloc[:7], cells.iloc[7:]])
    assert digest(cells) == digest(pieces) == digest(cells.set_index(np.arange(24)[::-1]))
    images = np.random.default_rng(0).random((5, 4, 6))
    assert digest(images) == digest(np.asfortranarray(images)) == digest(images.astype(">f8"))
    changed = cells.assign(size=cells["size"] + np.eye(24)[3])
    others = [changed, cells.iloc[::-1], cells.rename(columns={"size": "area"})]
    assert len({digest(X) for X in [cells, *others, images, images.reshape(5, 6, 4)]}) == 6
    assert digest(cells, cells["fate"]) != digest(cells, cells["fate"][::-1])


@pytest.mark.parametrize("scores", [{"accuracy": object()}, {"accuracy": [1, {2}]}])
def test_scores_that_are_no_scores_are_named(scores, tmp_path):
    with pytest.raises(ValueError, match="scores must be numbers, text, or a mapping"):
        save(IntensityStatistics().fit(make_cells()), tmp_path / "model.skops", scores=scores)


# Files that are not as they should be


@pytest.fixture
def small_file(tmp_path):
    """A file of a small model, with a tree, a data frame's place and a function."""
    cells = make_cells()
    model = make_pipeline(
        ColumnTransformer([("size", StandardScaler(), ["size"])]),
        FunctionTransformer(np.exp),
        RandomForestClassifier(2, max_depth=2, random_state=0),
    )
    path = tmp_path / "model.skops"
    save(model.fit(cells, cells["fate"]), path)
    return path


def sealed(members, compression=zipfile.ZIP_STORED):
    """Archive with a right checksum, as a forger would make it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = b"sklearn-cellfate model 1 sha256 " + b"0" * 64
    body = buffer.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def entries(node):
    if isinstance(node, dict):
        if "__loader__" in node:
            yield node
        for part in node.values():
            yield from entries(part)
    elif isinstance(node, list):
        for part in node:
            yield from entries(part)


def forge(path, change):
    """Change the schema of a file and seal it again; `change` gets its entries."""
    members = members_of(path)
    schema = json.loads(members["schema.json"])
    change(list(entries(schema)))
    path.write_bytes(sealed(members | {"schema.json": json.dumps(schema)}))


RAN = []


def record(*arguments):
    """What a forger wants to be called."""
    RAN.append(arguments)


class Record:
    """What a forger wants to be built."""

    def __setstate__(self, state):  # noqa: D105
        RAN.append(state)

    def __reduce__(self):  # noqa: D105
        return record, ("pickle",)


def test_a_sealed_copy_opens(small_file):
    forge(small_file, lambda entries: None)
    assert load(small_file).predict(make_cells()).shape == (24,)


def swap(loader, name, **changes):
    def change(entries):
        chosen = [e for e in entries if e["__loader__"] == loader and e["__class__"] == name]
        assert chosen
        for entry in chosen:
            entry.update(changes)

    return change


HERE = {"__module__": __name__}
FORGERIES = {
    "an object of another type": swap("ObjectNode", "StandardScaler", __class__="Record", **HERE),
    "another function": swap("FunctionNode", "exp", __class__="record", **HERE),
    "a function of the system": swap(
        "FunctionNode", "exp", __class__="system", __module__="posix"
    ),
    "a function that is called": swap(
        "ConstructorFromReduceNode", "StoredTree", __class__="record", **HERE
    ),
    "a function that is called with a shell": swap(
        "ConstructorFromReduceNode", "StoredTree", __class__="Popen", __module__="subprocess"
    ),
    "a trusted type in another role": swap(
        "ConstructorFromReduceNode",
        "StoredTree",
        __class__="make_column_selector",
        __module__="sklearn.compose._column_transformer",
    ),
    "a stand-in that is no object": swap(
        "ObjectNode",
        "StandardScaler",
        __class__="StoredTree",
        __module__="sklearn_cellfate.persistence._trees",
    ),
    "an estimator of ours that there is none of": swap(
        "ObjectNode",
        "StandardScaler",
        __class__="main",
        __module__="sklearn_cellfate.cli",
    ),
    "a bound method": swap("FunctionNode", "exp", __loader__="MethodNode"),
    "an operator": swap(
        "FunctionNode", "exp", __loader__="OperatorFuncNode", __module__="operator"
    ),
    "keys of another type": swap("TypeNode", "str", __class__="int"),
    "a loader that does not exist": swap("FunctionNode", "exp", __loader__="NoNode"),
    "an array that is not there": swap("NdArrayNode", "ndarray", file="no.npy"),
    "an entry without content": swap("ListNode", "list", content=None),
    "a class swapped for another known one": swap(
        "ObjectNode",
        "RandomForestClassifier",
        __class__="Pipeline",
        __module__="sklearn.pipeline",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_files_are_refused_and_run_nothing(name, small_file, monkeypatch):
    def fail(*arguments, **more):
        raise AssertionError("a forged file started a program")

    monkeypatch.setattr(subprocess.Popen, "__init__", fail)
    forge(small_file, FORGERIES[name])
    with pytest.raises(ModelFileError, match=r"model\.skops' is refused: "):
        load(small_file)
    assert not RAN


def test_random_forgeries_are_refused_or_harmless(small_file):
    original, rng = small_file.read_bytes(), np.random.default_rng(0)
    names = [("os", "system"), ("builtins", "eval"), (__name__, "record"), (__name__, "Record")]
    n_refused = 0
    for _ in range(100):
        small_file.write_bytes(original)

        def change(entries):
            one, other = (entries[i] for i in rng.integers(len(entries), size=2))
            how = rng.integers(4)
            if how == 0:
                one["__module__"], one["__class__"] = names[rng.integers(len(names))]
            elif how == 1:
                one["__loader__"] = other["__loader__"]
            elif how == 2:
                one["__id__"] = other["__id__"]
            else:
                one.pop(rng.choice(list(one)))

        forge(small_file, change)
        try:
            load(small_file)
        except ModelFileError:
            n_refused += 1
        assert not RAN
    assert n_refused > 50


def test_a_forged_network_builds_nothing_else(tmp_path):
    cells = make_cells()
    path = tmp_path / "model.skops"
    save(tiny_aae().fit(cells, cells["fate"]), path)
    forge(path, swap("TypeNode", "Adam", __class__="record", **HERE))
    with pytest.raises(ModelFileError, match="record"):
        load(path)
    assert not RAN


@pytest.mark.parametrize(
    "field, value", [("left_child", 10**6), ("feature", 9), ("right_child", 0)]
)
def test_trees_that_point_outside_are_refused(field, value, small_file):
    # scikit-learn follows such numbers into memory that is not the tree's.
    members = members_of(small_file)
    name = next(
        name
        for name, content in members.items()
        if name.endswith(".npy") and b"left_child" in content[:400]
    )
    nodes = np.load(io.BytesIO(members[name]))
    nodes[field][0] = value
    buffer = io.BytesIO()
    np.save(buffer, nodes)
    small_file.write_bytes(sealed(members | {name: buffer.getvalue()}))
    with pytest.raises(ModelFileError, match="decision tree points to nodes or features"):
        load(small_file)


def test_trees_wider_than_their_forest_are_refused(small_file):
    def change(entries):
        forest = next(e for e in entries if e["__class__"] == "RandomForestClassifier")
        forest["content"]["content"]["n_features_in_"] |= {"content": "7", "__id__": 1}

    forge(small_file, change)
    with pytest.raises(ModelFileError, match="a decision tree of 1 features would get 7"):
        load(small_file)


@pytest.mark.parametrize(
    "dump", [joblib.dump, lambda model, path: Path(path).write_bytes(pickle.dumps(model))]
)
def test_a_pickle_by_another_name_is_refused(dump, tmp_path):
    path = tmp_path / "model.skops"
    dump(Record(), path)
    with pytest.raises(ModelFileError, match="is a pickle, which runs code"):
        load(path)
    assert not RAN


def test_a_plain_skops_file_is_refused(tmp_path):
    import skops.io

    skops.io.dump(Record(), tmp_path / "model.skops")
    with pytest.raises(ModelFileError, match="not written by sklearn_cellfate"):
        load(tmp_path / "model.skops")
    assert not RAN


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello" * 100])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "model.skops").write_bytes(content)
    for read in (load, read_card):
        with pytest.raises(ModelFileError, match=r"model\.skops'"):
            read(tmp_path / "model.skops")


def test_a_table_in_the_place_of_a_model_is_named(tmp_path):
    make_cells()[["size"]].to_parquet(tmp_path / "model.skops")
    with pytest.raises(ModelFileError, match="is no model file .*: it is a Parquet file"):
        load(tmp_path / "model.skops")


def test_every_flipped_bit_is_noticed(small_file):
    data = small_file.read_bytes()
    rng = np.random.default_rng(0)
    places = {*range(100), *range(len(data) - 300, len(data)), *rng.integers(len(data), size=300)}
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << rng.integers(8)
        small_file.write_bytes(flipped)
        with pytest.raises(ModelFileError):
            load(small_file)


def test_every_cut_is_noticed(small_file):
    data = small_file.read_bytes()
    for length in [*range(0, len(data), len(data) // 50), len(data) - 1]:
        small_file.write_bytes(data[:length])
        with pytest.raises(ModelFileError):
            load(small_file)
    small_file.write_bytes(data + b"0")
    with pytest.raises(ModelFileError):
        load(small_file)


def test_archives_that_unpack_to_more_are_refused(small_file):
    members = members_of(small_file) | {"bomb.npy": bytes(10**6)}
    small_file.write_bytes(sealed(members, zipfile.ZIP_DEFLATED))
    for read in (load, read_card):
        with pytest.raises(ModelFileError, match="would unpack to"):
            read(small_file)


def test_arrays_that_declare_more_than_they_hold_are_refused(small_file):
    members = members_of(small_file)
    name = next(name for name in members if name.endswith(".npy"))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**13,)}
    )
    small_file.write_bytes(sealed(members | {name: header.getvalue() + bytes(80)}))
    with pytest.raises(ModelFileError, match="declares 80000000000000 bytes of float64, found 80"):
        load(small_file)


def test_arrays_of_objects_are_refused(small_file):
    members = members_of(small_file)
    name = next(name for name in members if name.endswith(".npy"))
    pickled = io.BytesIO()
    np.save(pickled, np.array([Record()], dtype=object), allow_pickle=True)
    small_file.write_bytes(sealed(members | {name: pickled.getvalue()}))
    with pytest.raises(ModelFileError, match="object"):
        load(small_file)
    assert not RAN


# Versions and devices


def test_other_versions_are_told_once(small_file):
    members = members_of(small_file)
    card = json.loads(members["card.json"])
    card["versions"] |= {"scikit-learn": "1.5.0", "torch": card["versions"]["torch"] + "+cu1"}
    small_file.write_bytes(sealed(members | {"card.json": json.dumps(card)}))
    with pytest.warns(ModelVersionWarning, match=r"scikit-learn 1\.5\.0 \(here") as told:
        load(small_file)
    assert len(told) == 1 and issubclass(ModelVersionWarning, InconsistentVersionWarning)
    assert "torch" not in str(told[0].message)


def test_pickles_of_joblib_still_work(tmp_path):
    cells = make_cells()
    model = aae_beside_features().fit(cells, cells["fate"])
    joblib.dump(model, tmp_path / "model.joblib")
    assert_same_model(model, joblib.load(tmp_path / "model.joblib"), cells)


def test_a_model_of_another_device_opens_here(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    cells = make_cells()
    model = tiny_aae().fit(cells, cells["fate"])
    expected = model.predict_proba(cells)
    model.net_.device = "cuda:0"  # all that a file tells of where a network was fitted
    save(model, tmp_path / "model.skops")
    with pytest.warns(UserWarning, match="no CUDA device here; the model moves to the CPU"):
        again = load(tmp_path / "model.skops")
    assert_same_bits(again.predict_proba(cells), expected)


# Writing


def test_a_full_disk_leaves_the_earlier_file(small_file, monkeypatch):
    before = small_file.read_bytes()
    write = Path.write_bytes

    def write_half(path, data):
        write(path, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(OSError, match="No space left"):
        save(IntensityStatistics().fit(make_cells()), small_file)
    assert small_file.read_bytes() == before
    assert list(small_file.parent.iterdir()) == [small_file]


SAVE_AND_BE_KILLED = """
import os, random, signal, sys, time
from sklearn.preprocessing import StandardScaler
from sklearn_cellfate.persistence import load, save

path = sys.argv[1]
models = [StandardScaler().fit([[mean] * 300_000]) for mean in (1.0, 2.0)]
save(models[0], path)
for number in range(15):
    child = os.fork()
    while not child:
        save(models[number % 2], path)
    time.sleep(random.uniform(0.001, 0.2))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert load(path).mean_[0] in (1.0, 2.0)
print("whole")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes as on Unix")
def test_a_process_killed_while_saving_leaves_a_whole_file(tmp_path):
    command = [sys.executable, "-c", SAVE_AND_BE_KILLED, str(tmp_path / "model.skops")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.stdout.strip() == "whole", ended.stderr


def test_places_that_cannot_be_written_are_named(tmp_path):
    model = IntensityStatistics().fit(make_cells())
    with pytest.raises(IsADirectoryError, match="is a folder; give the name of a file"):
        save(model, tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        save(model, tmp_path / "nowhere" / "model.skops")
    with pytest.raises(IsADirectoryError, match="is no file"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "model.skops")


def test_what_is_no_fitted_estimator_is_refused(tmp_path):
    path = tmp_path / "model.skops"
    with pytest.raises(NotFittedError):
        save(tiny_aae(), path)
    with pytest.raises(TypeError, match="must be a scikit-learn estimator, found 3"):
        save(3, path)
    assert not path.exists()


class Doubler(TransformerMixin, BaseEstimator):
    """A transformer of the user's own."""

    def fit(self, X, y=None):
        self.factor_ = 2
        return self

    def transform(self, X):
        return np.asarray(X) * self.factor_


def test_types_of_the_user_are_named_and_may_be_trusted(tmp_path):
    cells = make_cells()
    model = make_pipeline(Doubler(), LogisticRegression()).fit(cells[["size"]], cells["fate"])
    path = tmp_path / "model.skops"
    with pytest.raises(TypeError, match=r"it holds '.*Doubler'.*trusted=\['.*Doubler'\]"):
        save(model, path)
    assert not path.exists()
    save(model, path, trusted=[Doubler])
    assert read_card(path)["trusted"] == [f"{__name__}.Doubler"]
    with pytest.raises(ModelFileError, match="it holds '.*Doubler'"):
        load(path)
    assert_same_model(model, load(path, trusted=[f"{__name__}.Doubler"]), cells[["size"]])


def test_functions_of_the_user_are_stored_but_never_called(tmp_path):
    model = FunctionTransformer(record).fit([[1]])
    path = tmp_path / "model.skops"
    save(model, path, trusted=[record])
    assert load(path, trusted=[record]).func is record
    forge(path, swap("FunctionNode", "record", __loader__="ConstructorFromReduceNode", content={}))
    with pytest.raises(ModelFileError, match="refused"):
        load(path, trusted=[record])
    assert not RAN


def test_what_only_a_pickle_can_store_is_said_so(tmp_path):
    model = FunctionTransformer(lambda X: X).fit([[1]])
    with pytest.raises(TypeError, match="FunctionTransformer"):
        save(model, tmp_path / "model.skops")


def test_without_skops_the_extra_is_named(tmp_path, monkeypatch):
    model = IntensityStatistics().fit(make_cells())
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ImportError, match=r"sklearn-cellfate\[safe\]"):
        save(model, tmp_path / "model.skops")
