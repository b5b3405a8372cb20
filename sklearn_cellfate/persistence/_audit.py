"""Judge what a model file would build, before anything of it is built.

skops holds every type named in a file against a list. That list knows no roles: a function
that may be stored could be called, a class that may be built could be built another way. So the
tree of entries is walked here first, and each entry must be of a known kind, which a trusted
type plays in its own role only. Entries that go by one number are one object to skops, which
builds the first of them in place of all: they must say the same.
"""

import hashlib
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
# Of which kinds these parts must be: what builds an object calls methods of its parts by name, and
# an object could bring a function of the file under such a name.
KINDS_OF_PARTS = {
    "ConstructorFromReduceNode": ("TupleNode",),
    "DTypeNode": ("NdArrayNode",),
    "LossNode": ("DictNode", "JsonNode", "TupleNode"),
    "MaskedArrayNode": ("NdArrayNode",),
    "ObjectNode": ("DictNode", "JsonNode"),
    "RandomGeneratorNode": ("DictNode", "JsonNode"),
    "RandomStateNode": ("DictNode",),
}
# What else of an entry skops reads.
CONTENT = {
    "DictNode": lambda entry: list(entry["content"]),
    "JsonNode": lambda entry: entry["content"],
    "NdArrayNode": lambda entry: entry["type"],
    "RandomGeneratorNode": lambda entry: list(entry["content"]),
    "SliceNode": lambda entry: entry["content"],
}
# skops reads older files by other rules than those here; save never wrote one.
OLDEST_PROTOCOL = 2


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
        If an entry is of no known kind, a type is used in another role than its own, or one
        number stands for two objects.
    """
    schema = json.loads(archive.read("schema.json"))
    if schema["protocol"] < OLDEST_PROTOCOL:
        raise ModelFileError(f"it says to be of an older format, {schema['protocol']}; forged?")
    entries = list(_entries(schema))
    named = [
        (f"{entry['__module__']}.{entry['__class__']}", entry["__loader__"]) for entry in entries
    ]
    names = {name for name, role in named if is_trusted(name, role, trusted)}
    for name, role in named:
        if name in names and not is_trusted(name, role, trusted):
            raise ModelFileError(f"it uses {name} as {role}, which it is not; forged?")
    _check_arrays(archive, entries)
    _fingerprint(schema, archive, {})
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
        parts = PARTS[kind](entry)
        for part in parts:
            if part["__loader__"] not in KINDS_OF_PARTS.get(kind, (part["__loader__"],)):
                raise ModelFileError(f"it has a {kind} made of a {part['__loader__']}; forged?")
        _check_masks(entry, parts)
        yield entry
        waiting.extend(parts)


def _check_masks(entry, parts):
    """Masked arrays are the parameters that a search tried; their masks would hide numbers."""
    found = sum(part["__loader__"] == "MaskedArrayNode" for part in parts)
    if entry["__loader__"] == "DictNode":
        found -= sum(
            part["__loader__"] == "MaskedArrayNode" and name.startswith("param_")
            for name, part in entry["content"].items()
        )
    if found:
        raise ModelFileError("it has a masked array that is not a parameter of a search.")


def _check_keys(entry):
    # skops calls the type of each key; save writes text alone.
    kind = entry["key_types"]["__loader__"]
    if kind != "ListNode":
        raise ModelFileError(f"it has a dict whose keys are a {kind}; forged?")
    types = [
        (key["__loader__"], key["__module__"], key["__class__"])
        for key in entry["key_types"]["content"]
    ]
    if set(types) - {("TypeNode", "builtins", "str")} or len(types) != len(entry["content"]):
        raise ModelFileError("it has a dict whose keys are no text.")


def _fingerprint(entry, archive, seen):
    """Return a hash of what an entry would build; entries of one number must have one hash."""
    kind = entry["__loader__"]
    said = [entry["__module__"], entry["__class__"], kind]
    if kind in CONTENT:
        said.append(CONTENT[kind](entry))
    if kind == "NdArrayNode" and entry["type"] == "numpy":
        said.append(archive.getinfo(entry["file"]).CRC)  # an object's arrays are written anew
    said.append([_fingerprint(part, archive, seen) for part in PARTS[kind](entry)])
    fingerprint = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    number = entry.get("__id__")
    if number is not None and seen.setdefault(number, fingerprint) != fingerprint:
        raise ModelFileError(f"it has two objects of the number {number!r}; forged?")
    return fingerprint


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
