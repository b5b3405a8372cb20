"""What a file is that was given for a cell table, and how to make a table of it."""

__all__ = ["how_to_read_instead"]

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
]


def how_to_read_instead(path):
    """Say what a file that is no Parquet file seems to be.

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
            start = file.read(512)
    except OSError:
        return None
    if start.startswith(b"PAR1"):
        return None
    for beginnings, kind, advice in KINDS:
        if start.startswith(beginnings):
            return f"it is {kind}. {advice}."
    if _is_text(start):
        return f"it is text, such as a CSV table. {MAKES_IT}."
    return None


def _is_text(start):
    try:
        text = start.decode("utf-8-sig", errors="strict" if len(start) < 512 else "ignore")
    except UnicodeDecodeError:
        return False
    return bool(text) and all(letter.isprintable() or letter.isspace() for letter in text)
