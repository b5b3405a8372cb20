"""The archive around a model: a skops file whose last line is the checksum of all before it.

The checksum tells a damaged file from a whole one. It does not say who wrote the file: anybody
can seal what they forged, so whatever is read from an archive is judged as if a stranger wrote it.
"""

import hashlib
import io
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from sklearn_cellfate._file_kinds import START, kind_of

__all__ = ["ModelFileError", "open_sealed", "seal"]

MARK = b"sklearn-cellfate model 1 sha256 "  # begins the comment that ends the archive
DIGITS = 64


class ModelFileError(ValueError):
    """A model file is damaged, is none, or holds what may not be loaded."""


def seal(archive):
    """Add the checksum to an archive.

    Parameters
    ----------
    archive : BytesIO
        A zip archive without a comment.

    Returns
    -------
    data : bytes
        Still a zip archive.
    """
    with ZipFile(archive, "a") as members:
        members.comment = MARK + b"0" * DIGITS
    body = archive.getvalue()[:-DIGITS]
    return body + hashlib.sha256(body).hexdigest().encode()


def open_sealed(path):
    """Open a model file that is whole.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    archive : ZipFile
        In memory, so that nothing changes between check and use.

    Raises
    ------
    ModelFileError
        If the file was not written by ``save``, or has changed since.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise IsADirectoryError(f"{str(path)!r} is no file; give the name of one.")
    data = path.read_bytes()
    body, digest = data[:-DIGITS], data[-DIGITS:]
    if not body.endswith(MARK):
        raise ModelFileError(f"{str(path)!r} {_describe(data)}")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ModelFileError(
            f"{str(path)!r} is damaged: its checksum is not that of its content. Copy it anew."
        )
    try:
        archive = ZipFile(io.BytesIO(data))
    except BadZipFile as error:
        raise ModelFileError(f"{str(path)!r} is no archive: {error}.") from error
    _check_members(archive, len(data), path)
    return archive


def _describe(data):
    if data.startswith(b"\x80"):
        return (
            "is a pickle, which runs code from the file when it is opened. If you wrote it "
            "yourself, use joblib.load, then save."
        )
    if data.startswith(b"PK"):
        return "is cut short, or was not written by sklearn_cellfate.persistence.save."
    kind, _ = kind_of(data[:START])
    found = f": it is {kind}" if kind else ""
    return f"is no model file of sklearn_cellfate.persistence.save{found}."


def _check_members(archive, n_bytes, path):
    """Refuse members that unpack to more than the file holds, or that hide each other."""
    members = archive.infolist()
    compressed = [member.filename for member in members if member.compress_type != ZIP_STORED]
    declared = sum(member.file_size for member in members)
    if compressed or declared > n_bytes:
        raise ModelFileError(
            f"{str(path)!r} is refused: its members would unpack to {declared} bytes, "
            f"{len(compressed)} of them compressed; save stores {n_bytes} bytes at most as they "
            "are."
        )
    names = archive.namelist()
    if len(set(names)) < len(names) or not {"card.json", "schema.json"} <= set(names):
        raise ModelFileError(
            f"{str(path)!r} is refused: it must have one card.json, one schema.json and no two "
            "members of one name."
        )
