"""Judge what a model file would build, before anything of it is built.

skops holds every type named in a file against a list. That list knows no roles: a function
that may be stored could be called, a class that may be built could be built another way. So the
tree of entries is walked here first, and each entry must be of a known kind, which a trusted
type plays in its own role only.
"""

import json

import numpy as np

from sklearn_cellfate.persistence._seal import ModelFileError
from sklearn_cellfate.persistence._trusted import is_trusted

__all__ = ["audit"]

# Kinds of entries that a file may have, and where the entries inside them are. skops has more
# (bound methods, partial functions, bytes ...), which no model needs.
PARTS = {
    "ConstructorFromReduceNode": lambda entry: [entry["content"]],
    "DTypeNode": lambda entry: [entry["content"]],
    "DictNode": lambda entry: [entry["key_types"], *entry["content"].values()],
    "FunctionNode": lambda entry: [],
    "JsonNode": lambda entry: [],
    "ListNode": lambda entry: entry["content"],
    "LossNode": lambda entry: [entry["__reduce__"]["args"], entry["content"]],
    "MaskedArrayNode": lambda entry: [entry["content"]["data"], entry["content"]["mask"]],
    "NdArrayNode": lambda entry: (
        [*entry["content"], entry["shape"]] if entry["type"] == "json" else []
    ),
    "ObjectNode": lambda entry: [entry["content"]] if entry.get("content") is not None else [],
    "RandomGeneratorNode": lambda entry: list(entry["content"].values()),
    "RandomStateNode": lambda entry: [entry["content"]],
    "SetNode": lambda entry: entry["content"],
    "SliceNode": lambda entry: [],
    "TupleNode": lambda entry: entry["content"],
    "TypeNode": lambda entry: [],
}


def audit(archive, trusted=()):
    """Return the names that skops must trust to build a file's model.

    Parameters
    ----------
    archive : ZipFile
    trusted : set of str, default=()
        Names that the user trusts.

    Returns
    -------
    names : list of str

    Raises
    ------
    ModelFileError
        If an entry is of no known kind, or a type is used in another role than its own.
    """
    entries = list(_entries(json.loads(archive.read("schema.json"))))
    named = [
        (f"{entry['__module__']}.{entry['__class__']}", entry["__loader__"]) for entry in entries
    ]
    names = {name for name, role in named if is_trusted(name, role, trusted)}
    for name, role in named:
        if name in names and not is_trusted(name, role, trusted):
            raise ModelFileError(f"it uses {name} as {role}, which it is not; forged?")
    _check_arrays(archive, entries)
    return sorted(names)


def _entries(root):
    """Yield every entry of the tree."""
    waiting = [root]
    while waiting:
        entry = waiting.pop()
        kind = entry["__loader__"]
        if kind not in PARTS:
            raise ModelFileError(
                f"it has a {entry['__module__']}.{entry['__class__']} as {kind}, which is not "
                "among what models are made of."
            )
        if kind == "DictNode":
            _check_keys(entry)
        yield entry
        waiting.extend(PARTS[kind](entry))


def _check_keys(entry):
    # skops calls the type of each key; save writes text alone.
    types = [
        (key["__loader__"], key["__module__"], key["__class__"])
        for key in entry["key_types"]["content"]
    ]
    if set(types) - {("TypeNode", "builtins", "str")} or len(types) != len(entry["content"]):
        raise ModelFileError("it has a dict whose keys are no text.")


def _check_arrays(archive, entries):
    """Each array is used by one entry, and is as large as it says."""
    used = {}
    for entry in entries:
        if entry["__loader__"] == "NdArrayNode" and entry["type"] == "numpy":
            # An object that comes up twice is written twice, with one number.
            if used.setdefault(entry["file"], entry["__id__"]) != entry["__id__"]:
                raise ModelFileError(f"array {entry['file']!r} belongs to two objects; forged?")
    for name in used:
        with archive.open(name) as member:
            major = np.lib.format.read_magic(member)[0]
            read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
            if major not in read:
                raise ModelFileError(f"array {name!r} has the unknown version {major}.")
            shape, _, dtype = read[major](member)
            declared = dtype.itemsize * int(np.prod(shape, dtype=object))
            found = archive.getinfo(name).file_size - member.tell()
        if dtype.hasobject or declared != found or (not dtype.itemsize and np.prod(shape) > 1):
            raise ModelFileError(
                f"array {name!r} declares {declared} bytes of {dtype}, found {found}."
            )
