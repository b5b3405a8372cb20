"""Which types a model file may name, beyond those that skops trusts, and in which role.

The lists stand here, in code. What a file says about itself is never asked.
"""

from importlib import import_module

from sklearn.base import BaseEstimator

__all__ = ["is_trusted", "type_name"]

# Where the public estimators are: a class counts if its folder exports it.
ESTIMATOR_FOLDERS = {
    "sklearn_cellfate": (
        "feature_extraction",
        "model_selection",
        "neural_network",
        "over_sampling",
        "patches",
        "preprocessing",
    ),
    "imblearn": ("combine", "ensemble", "over_sampling", "pipeline", "under_sampling"),
}
# Public names of scikit-learn that are no estimators.
SPLITTERS = "sklearn.model_selection"
FUNCTIONS = ("sklearn.metrics", "sklearn.feature_selection")

STORED = "sklearn_cellfate.persistence"
BY_ROLE = {
    "ObjectNode": {
        "imblearn.base.FunctionSampler",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.compose._column_transformer.make_column_selector",
        "sklearn.metrics._scorer._CurveScorer",
        "sklearn.metrics._scorer._MultimetricScorer",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.metrics._scorer._Scorer",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    },
    "DictNode": {"sklearn.utils._bunch.Bunch"},
    "ListNode": {"skorch.history.History"},
    "TypeNode": {"torch.optim.adam.Adam"},
    "DTypeNode": {"numpy.dtype"},
    # Called with arguments from the file: only what checks them.
    "ConstructorFromReduceNode": {
        f"{STORED}._boosting.StoredPredictor",
        f"{STORED}._neighbors.StoredNeighborTree",
        f"{STORED}._stand_ins.StoredDict",
        f"{STORED}._stand_ins.StoredFrame",
        f"{STORED}._stand_ins.StoredRequests",
        f"{STORED}._trees.StoredTree",
        "torch.device",
    },
}
ROLES_OF_USERS_TYPES = ("ObjectNode", "FunctionNode", "TypeNode")


def is_trusted(name, role, trusted=()):
    """Whether a file may use a type in a role, in addition to what skops allows.

    Parameters
    ----------
    name : str
        Module and name of the type.
    role : str
        skops' name for what is done with it.
    trusted : set of str, default=()
        Names that the user trusts.

    Returns
    -------
    trusted : bool
    """
    if name in BY_ROLE.get(role, ()):
        return True
    if role in ROLES_OF_USERS_TYPES and name in trusted:
        return True
    if role == "ObjectNode":
        return _is_estimator(name) or _is_public(name, SPLITTERS)
    if role == "FunctionNode":
        return any(_is_public(name, module) for module in FUNCTIONS)
    return False


def type_name(type_or_name):
    """Give module and name of a type or function; a name stays."""
    if isinstance(type_or_name, str):
        return type_or_name
    return f"{type_or_name.__module__}.{type_or_name.__qualname__}"


def _is_estimator(name):
    package, _, rest = name.partition(".")
    folder = rest.partition(".")[0]
    if folder not in ESTIMATOR_FOLDERS.get(package, ()):
        return False
    found = _exported(f"{package}.{folder}", name)
    return isinstance(found, type) and issubclass(found, BaseEstimator)


def _is_public(name, module):
    return name.startswith(f"{module}.") and _exported(module, name) is not None


def _exported(module, name):
    """Return what a module exports under the last part of `name`, if it is what `name` names."""
    module, short = import_module(module), name.rpartition(".")[2]
    if short not in getattr(module, "__all__", ()):
        return None
    found = getattr(module, short)
    return found if type_name(found) == name else None
