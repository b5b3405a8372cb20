"""Refuse attributes that would be called in place of a method while a model is built.

What builds an estimator calls methods by name, its own and those of dicts, lists and arrays that
it expects. An attribute of the same name would be found first. A network is built of a dict of
settings, too, some of which skorch would call.
"""

import json
from importlib import import_module

import numpy as np

from sklearn_cellfate.persistence._audit import PARTS
from sklearn_cellfate.persistence._seal import ModelFileError

__all__ = ["refuse_hidden_methods"]

EXPECTED = (dict, list, np.ndarray)
SETTINGS = "_net_config"  # what a network is built of
BUILDS_NETWORKS = ("torch.optim.adam", "Adam")


def refuse_hidden_methods(archive):
    """Refuse a file in which an attribute hides a method, or a setting is called.

    Parameters
    ----------
    archive : ZipFile
        Whose types are trusted: those of objects are imported.

    Raises
    ------
    ModelFileError
        If there is one.
    """
    waiting = [json.loads(archive.read("schema.json"))]
    while waiting:
        entry = waiting.pop()
        hidden = _hidden_methods(entry)
        if hidden:
            raise ModelFileError(
                f"its {entry['__class__']} has something else as {hidden[0]}, which is a method "
                "or computed."
            )
        if entry["__loader__"] == "DictNode" and SETTINGS in entry["content"]:
            _check_settings(entry["content"][SETTINGS])
        waiting.extend(PARTS[entry["__loader__"]](entry))


def _check_settings(entry):
    if (
        entry["__loader__"] in ("FunctionNode", "ObjectNode", "TypeNode")
        and (entry["__module__"], entry["__class__"]) != BUILDS_NETWORKS
    ):
        raise ModelFileError(f"a network would be built of a {entry['__class__']}, which is none.")
    for part in PARTS[entry["__loader__"]](entry):
        if entry["__loader__"] != "DictNode" or part is not entry["key_types"]:
            _check_settings(part)


def _hidden_methods(entry):
    kind, content = entry["__loader__"], entry.get("content")
    if kind == "DictNode" and entry["__class__"] == "Bunch":  # whose keys are attributes
        return [name for name in _callable_parts(entry) if _is_method(name, EXPECTED)]
    if kind == "ObjectNode" and content is not None and content["__loader__"] == "DictNode":
        built = getattr(import_module(entry["__module__"]), entry["__class__"])
        hidden = _callable_parts(content, "ObjectNode")
        hidden = [name for name in hidden if _is_method(name, (built, *EXPECTED))]
        computed = [name for name in content["content"] if _is_property(name, built)]
        return hidden + computed
    return []


def _callable_parts(entry, *more):
    kinds = ("FunctionNode", "TypeNode", *more)
    return [name for name, part in entry["content"].items() if part["__loader__"] in kinds]


def _is_method(name, types):
    return any(callable(getattr(kind, name, None)) for kind in types)


def _is_property(name, kind):
    return isinstance(getattr(kind, name, None), property)
