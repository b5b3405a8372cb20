"""Files of a forger who knows the format: nothing of them is called, no number followed."""

import json

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import euclidean_distances
from sklearn.multioutput import ClassifierChain
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, ExtraTreeRegressor
from test_persistence import assert_same_model, forge, members_of, sealed, tiny_aae

from sklearn_cellfate.persistence import ModelFileError, load, save

pytest.importorskip("skops", reason='needs skops: pip install "sklearn-cellfate[safe]"')

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = (X[:, 0] > 0).astype(int)
CALLS = []


def record(*arguments, **more):
    """A function that the user trusts, to be stored: loading must not call it."""
    CALLS.append(arguments)


@pytest.fixture(autouse=True)
def nothing_is_called():
    yield
    called = CALLS.copy()
    CALLS.clear()
    assert not called


def refuse(path, match):
    with pytest.raises(ModelFileError, match=match):
        load(path, trusted=[record])


def named(found, loader, name=None):
    """Entries of a kind."""
    return [e for e in found if e["__loader__"] == loader and name in (None, e["__class__"])]


def a_function(number=424242):
    return {
        "__class__": "record",
        "__module__": __name__,
        "__loader__": "FunctionNode",
        "__id__": number,
    }


def add(entry, name, value):
    """Give an attribute to an object, or a key to a dict."""
    target = entry["content"] if entry["__loader__"] == "ObjectNode" else entry
    key_type = {"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode"}
    target["content"][name] = value
    target["key_types"]["content"].append(key_type)


# Functions that are stored are not called ------------------------------------------------------


def test_a_function_in_the_place_of_a_type_by_its_number(tmp_path):
    # skops would build the function, which comes first, where a dict says to turn keys into text.
    path = tmp_path / "model.skops"
    save(FunctionTransformer(record, kw_args={"b": 1}).fit(X), path, trusted=[record])
    assert load(path, trusted=[record]).func is record

    def share(found):
        (function,) = named(found, "FunctionNode")
        keyword = next(e for e in named(found, "DictNode") if list(e["content"]) == ["b"])
        function["__id__"] = keyword["key_types"]["content"][0]["__id__"] = 424242

    forge(path, share)
    refuse(path, "two objects of the number 424242")


def test_one_number_for_two_values_and_for_two_lists(tmp_path):
    path = tmp_path / "model.skops"
    save(make_pipeline(StandardScaler(), LogisticRegression(C=3.5)).fit(X, Y), path)

    def share(found):
        values = [e for e in named(found, "JsonNode") if e["content"] in ("3.5", "100")]
        assert len(values) == 2
        for entry in values:
            entry["__id__"] = 7

    forge(path, share)
    refuse(path, "two objects of the number 7")


def test_what_comes_up_twice_is_still_one(tmp_path):
    state, scaler = np.random.RandomState(0), StandardScaler()
    model = make_imblearn_pipeline(scaler, SMOTE(random_state=state), RandomForestClassifier(2))
    model.set_params(randomforestclassifier__random_state=state)
    save(model.fit(X, np.arange(60) % 4 > 0), tmp_path / "model.skops")
    again = load(tmp_path / "model.skops")
    assert again[1].random_state is again[2].random_state
    assert_same_model(model, again, X)


def test_a_function_in_the_place_of_a_method(tmp_path):
    path = tmp_path / "model.skops"
    model = IsotonicRegression().fit(X[:, 0], Y)
    save(model, path)
    forge(path, lambda found: add(found[0], "_build_f", a_function()))
    refuse(path, "its IsotonicRegression has something else as _build_f")


@pytest.mark.parametrize("name", ["_make_net", "get_params"])
def test_a_function_in_the_place_of_a_method_of_a_network(name, tmp_path):
    path = tmp_path / "model.skops"
    images = RNG.random((8, 1, 8, 8))
    save(tiny_aae().fit(images, [0, 1] * 4), path)
    forge(path, lambda found: add(found[0], name, a_function()))
    refuse(path, f"has something else as {name}")


@pytest.mark.parametrize("setting", ["criterion", "optimizer", "iterator_train", "prior"])
def test_a_function_among_the_settings_of_a_network(setting, tmp_path):
    path = tmp_path / "model.skops"
    save(tiny_aae().fit(RNG.random((8, 1, 8, 8)), [0, 1] * 4), path)

    def set_to_a_function(found):
        settings = found[0]["content"]["content"]["_net_config"]
        if setting in settings["content"]:
            settings["content"][setting] = a_function()
        else:
            add(settings, setting, a_function())

    forge(path, set_to_a_function)
    refuse(path, "a network would be built of a record")


def test_a_function_in_the_place_of_a_method_of_a_dict(tmp_path):
    path = tmp_path / "model.skops"
    save(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y), path)

    def give_a_state_that_is_an_object(found):
        scaler, regression = (
            named(found, "ObjectNode", name)[0]
            for name in ("StandardScaler", "LogisticRegression")
        )
        add(scaler, "pop", a_function())
        regression["content"] = scaler

    forge(path, give_a_state_that_is_an_object)
    refuse(path, "ObjectNode made of a ObjectNode")


def test_attributes_as_a_list_of_pairs(tmp_path):
    path = tmp_path / "model.skops"
    save(tiny_aae().fit(RNG.random((8, 1, 8, 8)), [0, 1] * 4), path)

    def pair_up(found):
        attributes = found[0]["content"]
        kind = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode"}
        text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
        attributes["content"]["_make_net"] = a_function()
        pairs = [
            kind | {"content": [text | {"content": json.dumps(name)}, part]}
            for name, part in attributes["content"].items()
        ]
        found[0]["content"] = kind | {"content": pairs}

    forge(path, pair_up)
    refuse(path, "ObjectNode made of a ListNode")


def test_an_older_format_is_refused(tmp_path):
    # skops reads it by older rules, of which the audit knows nothing.
    path = tmp_path / "model.skops"
    save(StandardScaler().fit(X), path)
    members = members_of(path)
    schema = json.loads(members["schema.json"]) | {"protocol": 0}
    path.write_bytes(sealed(members | {"schema.json": json.dumps(schema)}))
    refuse(path, "older format")


# Numbers that compiled code follows -------------------------------------------------------------


def test_a_mask_over_nodes(tmp_path):
    # Comparisons leave out what is masked; the tree would take it.
    path = tmp_path / "model.skops"
    save(DecisionTreeClassifier(max_depth=2).fit(X, Y), path)

    def mask(found):
        for entry in named(found, "NdArrayNode"):
            data = dict(entry)
            masked = {"__class__": "MaskedArray", "__module__": "numpy.ma", "__id__": 99}
            entry.clear()
            entry.update(masked | {"__loader__": "MaskedArrayNode"})
            entry["content"] = {"data": data, "mask": data}
            return

    forge(path, mask)
    refuse(path, "a masked array that is not a parameter of a search")


def wide_tree(n_features, kind=DecisionTreeClassifier):
    rows = np.zeros((4, n_features))
    rows[2:, -1] = 1
    return kind(max_features=None).fit(rows, [0, 0, 1, 1])


def boosting():
    return GradientBoostingClassifier(n_estimators=2, random_state=0).fit(X, Y)


def more_trees_than_numbers():
    model = boosting()
    model.estimators_ = np.repeat(model.estimators_, 50, axis=1)
    model.n_trees_per_iteration_ = 50
    return model


def more_trees_than_shares():
    model = GradientBoostingClassifier(n_estimators=2).fit(X, np.arange(60) % 3)
    model.init_ = DummyClassifier(strategy="prior").fit(X, Y)
    return model


def shares_of_another_shape():
    model = GradientBoostingClassifier(n_estimators=2).fit(X, np.arange(60) % 3)
    model.init_.class_prior_ = model.init_.class_prior_[:, np.newaxis]
    return model


def no_tree_among_trees():
    model, scaler = boosting(), StandardScaler().fit(X)
    scaler.tree_ = wide_tree(9).tree_
    model.estimators_[1, 0] = scaler
    return model


def isolation_of_other_width():
    model = IsolationForest(n_estimators=2, random_state=0).fit(X)
    model.estimators_[1] = wide_tree(9, ExtraTreeRegressor)
    model.estimators_features_[1] = np.zeros(9, dtype=int)
    return model


def trees_in_a_dict():
    model = RandomForestClassifier(2, random_state=0).fit(X, Y)
    model.estimators_ = {0: wide_tree(9)}
    return model


def a_tree_inside_a_calibration():
    model = CalibratedClassifierCV(RandomForestClassifier(2, random_state=0), cv=2).fit(X, Y)
    model.calibrated_classifiers_[0].estimator.estimators_[0] = wide_tree(9)
    return model


def a_machine(change, **parameters):
    def make():
        model = SVC(**parameters).fit(X, Y)
        change(model)
        return model

    return make


def similar_to_rows_that_are_not_there(machine):
    machine.support_ = machine.support_ + 1000


def no_second_probability(machine):
    machine._probA = np.ones(1)


def more_classes(machine):
    machine._n_support = np.array([len(machine.support_)] + [0] * 300, dtype=np.int32)


def a_machine_inside_a_calibration():
    model = CalibratedClassifierCV(SVC(), cv=2, ensemble=False).fit(X, Y)
    more_classes(model.calibrated_classifiers_[0].estimator)
    return model


def in_the_middle_of_a_fit():
    model = HistGradientBoostingClassifier(max_iter=1).fit(X, Y)
    model._in_fit = True
    return model


def neighbours(**changes):
    def make():
        model = KNeighborsClassifier(algorithm="brute", metric="manhattan").fit(X, Y)
        for name, change in changes.items():
            setattr(model, name, change(getattr(model, name)))
        return model

    return make


def means_of_another_width():
    model = KMeans(2, n_init=1).fit(X)
    model.cluster_centers_ = model.cluster_centers_[:, :1]
    return model


def a_place_behind_the_end():
    generator = np.random.Generator(np.random.Philox(0))
    state = generator.bit_generator.state
    generator.bit_generator.state = state | {"buffer_pos": 400}
    return FunctionTransformer(np.exp, kw_args={"generator": generator}).fit(X)


FORGED = [
    (more_trees_than_numbers, "trees for 1 numbers"),
    (more_trees_than_shares, "trees for 2 numbers"),
    (shares_of_another_shape, "begins with shares"),
    (no_tree_among_trees, "estimators that are no decision trees"),
    (isolation_of_other_width, "a decision tree of 9 features would get 4"),
    (trees_in_a_dict, "estimators that are no decision trees"),
    (a_tree_inside_a_calibration, "a decision tree of 9 features would get 4"),
    (a_machine(similar_to_rows_that_are_not_there, kernel=euclidean_distances), "do not fit"),
    (a_machine(no_second_probability), "do not fit"),
    (a_machine(more_classes), "do not fit"),
    (a_machine_inside_a_calibration, "do not fit"),
    (in_the_middle_of_a_fit, "in the middle of its fit"),
    (neighbours(_y=lambda y: y + 2**20), "not among their classes"),
    (neighbours(_y=lambda y: y - 1), "not among their classes"),
    (neighbours(_y=lambda y: y[:5]), "not among their classes"),
    (neighbours(_fit_X=lambda rows: rows[:, :2].copy()), "compared to rows of 4 features"),
    (means_of_another_width, "compared to rows of 4 features"),
    (a_place_behind_the_end, "would go on at 400 of 4 numbers"),
]


@pytest.mark.parametrize(("make", "match"), FORGED)
def test_numbers_that_point_outside_are_refused(make, match, tmp_path, monkeypatch):
    path = tmp_path / "model.skops"
    with monkeypatch.context() as forger:
        forger.setattr("sklearn_cellfate.persistence._files._check_numbers", lambda model: None)
        save(make(), path)
    refuse(path, match)


def test_a_random_state_beyond_its_end(tmp_path):
    path = tmp_path / "model.skops"
    model = make_imblearn_pipeline(SMOTE(random_state=np.random.RandomState(0)), SVC())
    save(model.fit(X, np.arange(60) % 4 > 0), path)

    def move(found):
        (state,) = named(found, "RandomStateNode")
        state["content"]["content"]["state"]["content"]["pos"]["content"] = "100000"

    forge(path, move)
    refuse(path, "would go on at 100000 of 624 numbers")


# What is honest is still taken ------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        CalibratedClassifierCV(RandomForestClassifier(3), method="isotonic", cv=2),
        CalibratedClassifierCV(RandomForestClassifier(3), method="sigmoid", cv=2),
        CalibratedClassifierCV(SVC(), method="sigmoid", cv=2),
        SVC(kernel=euclidean_distances),
        GradientBoostingClassifier(n_estimators=2, init="zero"),
        IsolationForest(n_estimators=3, max_features=0.5),
    ],
    ids=["isotonic", "sigmoid", "support vectors", "own kernel", "boosting", "isolation forest"],
)
def test_models_are_the_same_after_a_file(model, tmp_path):
    for y in (Y, np.array(list("abc"))[np.arange(60) % 3]):
        save(model.fit(X, y), tmp_path / "model.skops")
        # A copy: of the very rows it was fitted on, scikit-learn computes distances otherwise.
        assert_same_model(model, load(tmp_path / "model.skops"), X.copy())


def test_temperature_scaling(tmp_path):
    try:
        model = CalibratedClassifierCV(LogisticRegression(), method="temperature").fit(X, Y)
    except ValueError:
        pytest.skip("needs scikit-learn 1.8")
    save(model, tmp_path / "model.skops")
    assert_same_model(model, load(tmp_path / "model.skops"), X)


def test_a_chain_of_trees_of_growing_width(tmp_path):
    model = ClassifierChain(DecisionTreeClassifier(max_depth=2)).fit(X, np.c_[Y, 1 - Y])
    save(model, tmp_path / "model.skops")
    assert_same_model(model, load(tmp_path / "model.skops"), X)


def test_a_kernel_that_is_no_known_function_is_named(tmp_path):
    model = SVC(kernel=lambda one, other: one @ other.T).fit(X, Y)
    with pytest.raises(TypeError, match="SVC cannot be saved|only a pickle can store"):
        save(model, tmp_path / "model.skops")
