"""What a file is that was given for a cell table or a model, and how to make a table of it."""

import codecs

__all__ = ["how_to_read_instead", "kind_of"]

MAKES_IT = "write_cells writes a cell table: a pandas data frame with its pixels in a column"
OF_IMAGES = "image_column makes a column of a cell table of images"
OF_MOVIES = "extract_cells, or the command extract, makes a cell table of a movie and its tracks"
# What files begin with, what they are, and what to do with them.
KINDS = [
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "a TIFF image", OF_MOVIES),
    ((b"\x89PNG", b"\xff\xd8\xff"), "a picture", OF_IMAGES),
    ((b"\x89HDF",), "an HDF5 file", OF_MOVIES),
    ((b"<?xml", b"<TrackMate"), "XML, such as TrackMate's", OF_MOVIES),
    ((b"\x93NUMPY",), "a NumPy array", OF_IMAGES),
    ((b"PK\x03\x04",), "an archive, such as .xlsx, .npz or a saved model", MAKES_IT),
    ((b"\x80",), "a pickle, such as a saved model", MAKES_IT),
    ((b"ARROW1", b"FEA1"), "a Feather file", MAKES_IT),
    ((b"PAR1",), "a Parquet file, such as a cell table", None),
]
START = 512  # bytes that say what a file is


def kind_of(start):
    """Say what a file is that begins so, and how to make a cell table of it.

    Parameters
    ----------
    start : bytes
        Its first 512 bytes, or all if it has fewer.

    Returns
    -------
    kind, advice : str or None
        None and None of what is not known, no advice of a Parquet file and of an empty one.

    Examples
    --------
    >>> from sklearn_cellfate._file_kinds import kind_of
    >>> kind_of(b"PAR1 ...")
    ('a Parquet file, such as a cell table', None)
    """
    if not start:
        return "empty", None
    for beginnings, kind, advice in KINDS:
        if start.startswith(beginnings):
            return kind, advice
    text = _text_of(start)
    return (text, MAKES_IT) if text else (None, None)


def how_to_read_instead(path):
    """Say what a file that is no readable Parquet file seems to be.

    Parameters
    ----------
    path : str or Path
        A file that is there.

    Returns
    -------
    advice : str or None
        None of a file that begins as Parquet does, or as nothing that is known, or that may not
        be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sklearn_cellfate._file_kinds import how_to_read_instead
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "cells.csv")
    ...     _ = path.write_text("cell,area,fate")
    ...     how_to_read_instead(path)
    'it is text, such as a CSV table. write_cells writes a cell table: a pandas data frame ...'
    """
    try:
        with open(path, "rb") as file:
            start = file.read(START)
    except OSError:
        return None
    kind, advice = kind_of(start)
    if advice is None:
        return None if start else "it is empty."
    return f"it is {kind}. {advice}."


def _text_of(start):
    """Name the text that a file begins with; None if it is no text."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _decode(start, "utf-16") and "text in UTF-16, such as a table of a spreadsheet"
    text = _decode(start, "utf-8-sig")
    if text:
        return "JSON" if text.lstrip().startswith(("{", "[")) else "text, such as a CSV table"
    # In Latin-1 every byte is a letter; in text most are those of English.
    if sum(letter < 128 for letter in start) > 0.7 * len(start) and _decode(start, "latin-1"):
        return "text that is not in UTF-8, such as a CSV table in Latin-1"
    return None


def _decode(start, encoding):
    """Return what can be read, of which the last letter may be cut; None if it is no text."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(start, final=len(start) < START)
    except UnicodeDecodeError:
        return None
    is_text = all(letter.isprintable() or letter.isspace() for letter in text)
    return text if text and is_text else None
