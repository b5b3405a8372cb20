"""The cell table: a data frame with one row a cell, whose pixels live in Arrow columns.

An *image column* holds a ``(C, H, W)`` tensor a row, a *movie column* a list of such tensors, as
long as the cell lived. Both are ordinary pandas columns, so whatever works on a
:class:`pandas.DataFrame` (selecting, splitting, joining, copying, pickling) works on the pixels.
"""

import contextlib
import json
import os
import tempfile
import uuid
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sklearn_cellfate._file_kinds import how_to_read_instead

__all__ = [
    "image_column",
    "image_column_names",
    "is_image_dtype",
    "is_movie_dtype",
    "movie_column",
    "movie_column_names",
    "read_cells",
    "to_images",
    "to_movies",
    "write_cells",
]

MOVIE_GROUP_BYTES = 2**24
HOW_TO_STACK = "image_column(list(...)) makes a column of images of them, np.stack one array"


def image_column(images: Any) -> pd.arrays.ArrowExtensionArray:
    """Turn a stack of images into a column of a cell table.

    Parameters
    ----------
    images : array-like of shape (n, H, W) or (n, C, H, W)
        One image a cell. A missing channel axis is read as one channel. Any integer or floating
        dtype; it is kept as it is.

    Returns
    -------
    column : pandas.arrays.ArrowExtensionArray of length n
        Assign it to a data frame: ``table["image"] = image_column(images)``. A C-contiguous
        input is not copied.

    Raises
    ------
    ValueError
        If the array has neither three nor four dimensions, an axis of length zero, or a dtype
        that is not numeric.

    See Also
    --------
    to_images : The way back.
    movie_column : The same for movies of unequal length.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_cellfate import image_column, to_images
    >>> cells = pd.DataFrame({"donor": ["a", "b"], "image": image_column(np.ones((2, 20, 20)))})
    >>> to_images(cells["image"]).shape
    (2, 1, 20, 20)
    """
    images = _with_channel_axis(unmasked(images, "images"), "images", "n")
    flat = pa.array(np.ascontiguousarray(images).reshape(-1))
    return pd.arrays.ArrowExtensionArray(pa.chunked_array([_tensor_array(flat, images.shape[1:])]))


def movie_column(movies: Sequence[Any]) -> pd.arrays.ArrowExtensionArray:
    """Turn movies of any lengths into a column of a cell table.

    Parameters
    ----------
    movies : sequence of arrays of shape (T, H, W) or (T, C, H, W)
        One movie a cell. ``T`` may differ between cells; channels, height, width and dtype may
        not. A missing channel axis is read as one channel.

    Returns
    -------
    column : pandas.arrays.ArrowExtensionArray of length ``len(movies)``

    Raises
    ------
    ValueError
        If the sequence is empty, or if a movie's frames differ in shape or dtype from the first
        movie's; the message names the movie.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_cellfate import movie_column, to_movies
    >>> column = movie_column([np.zeros((3, 2, 20, 20)), np.zeros((5, 2, 20, 20))])
    >>> cells = pd.DataFrame({"movie": column})
    >>> [movie.shape for movie in to_movies(cells["movie"])]
    [(3, 2, 20, 20), (5, 2, 20, 20)]
    """
    movies = _each_with_channel_axis(movies)
    if not movies:
        raise ValueError("movie_column needs at least one movie to know the shape of a frame.")
    first = movies[0]
    for i, movie in enumerate(movies):
        if movie.shape[1:] != first.shape[1:] or movie.dtype != first.dtype:
            raise ValueError(
                f"movie {i} has frames of shape {movie.shape[1:]} and dtype {movie.dtype}, "
                f"movie 0 of shape {first.shape[1:]} and dtype {first.dtype}; "
                "all movies of a column must agree."
            )
    flat = np.concatenate([movie.reshape(-1) for movie in movies])
    frames = flat.reshape(-1, *first.shape[1:])
    return movie_column_of_frames(frames, [len(movie) for movie in movies])


def movie_column_of_frames(frames, lengths):
    """Make a movie column of frames that lie one after the other, without copying them.

    Parameters
    ----------
    frames : C-contiguous ndarray of shape (n_frames, C, H, W)
        The frames of all movies, movie by movie.
    lengths : sequence of int
        How many frames each movie has.

    Returns
    -------
    column : pandas.arrays.ArrowExtensionArray of length ``len(lengths)``
    """
    tensors = _tensor_array(pa.array(frames.reshape(-1)), frames.shape[1:])
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int64())
    column = pa.LargeListArray.from_arrays(offsets, tensors)
    return pd.arrays.ArrowExtensionArray(pa.chunked_array([column]))


def to_images(X: Any) -> np.ndarray:
    """Return the pixels of an image column as one array.

    Parameters
    ----------
    X : DataFrame with exactly one image column, Series or array of an image column, or \
ndarray of shape (n, H, W) or (n, C, H, W)
        Where the pixels are.

    Returns
    -------
    images : ndarray of shape (n, C, H, W)
        In the column's own dtype, without a copy where the rows lie together in memory (then it
        is read-only).

    Raises
    ------
    ValueError
        If a data frame has no image column or several, or if a row has no image.
    """
    if isinstance(X, pd.DataFrame):
        X = X[only_column(X, image_column_names(X), "image")]
    if not hasattr(X, "dtype") or not isinstance(X.dtype, pd.ArrowDtype):
        refuse_arrays_as_objects(X, "X")
        return _with_channel_axis(unmasked(X, "X"), "X", "n")
    if not is_image_dtype(X.dtype):
        raise ValueError(f"expected an image column, found a column of dtype {X.dtype}.")
    column = _arrow_column(X)
    _refuse_missing(column.null_count, len(column), "image")
    return _stack_tensors(column.chunks, column.type)


def to_movies(X: Any) -> list[np.ndarray]:
    """Return the movies of a movie column as a list of arrays.

    Parameters
    ----------
    X : DataFrame with exactly one movie column, Series or array of a movie column, or \
sequence of ndarrays of shape (T, H, W) or (T, C, H, W)
        Where the movies are.

    Returns
    -------
    movies : list of ndarray of shape (T, C, H, W)
        In the column's own dtype, each a view into the column where possible.

    Raises
    ------
    ValueError
        If a data frame has no movie column or several, or if a row has no movie.
    """
    if isinstance(X, pd.DataFrame):
        X = X[only_column(X, movie_column_names(X), "movie")]
    if not hasattr(X, "dtype") or not isinstance(X.dtype, pd.ArrowDtype):
        return _each_with_channel_axis(X)
    if not is_movie_dtype(X.dtype):
        raise ValueError(f"expected a movie column, found a column of dtype {X.dtype}.")
    column = _arrow_column(X)
    _refuse_missing(column.null_count, len(column), "movie")
    movies = []
    for chunk in filter(len, column.chunks):  # np.split makes one piece of nothing
        frames = chunk.flatten()
        if frames.null_count:
            raise ValueError(f"{frames.null_count} of {len(frames)} frames are missing.")
        frames = _stack_tensors([frames], column.type.value_type)
        ends = np.cumsum(chunk.value_lengths().to_numpy(zero_copy_only=False))
        movies.extend(np.split(frames, ends[:-1]))
    return movies


def read_cells(path: str | os.PathLike, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a cell table from a Parquet file, or from a folder of them.

    Parameters
    ----------
    path : str or path-like
        A file, or a folder of them: all that end in ``.parquet`` and do not start with ``.`` or
        ``_``, in the order of their names, folders within it too. Their columns must agree; what
        the name of a folder says, as ``donor=a`` does, is not read.
    columns : list of str, default=None
        Read only these columns, in this order; all by default.

    Returns
    -------
    table : DataFrame
        As it was written: index, order, dtypes and pixels. The tables of a folder follow each
        other.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or none in the folder.
    ValueError
        If it is not a Parquet file, is damaged, or lacks one of `columns`; if `columns` names one
        twice; if the files of a folder do not agree.

    See Also
    --------
    read_cells_in_parts : For a table that is larger than the memory.
    """
    check_columns(columns)
    files = table_files(path)
    if len(files) == 1:
        return _read_file(files[0], columns)
    return pd.concat([_read_file(file, columns) for file in files])


def check_columns(columns):
    """Refuse what is no list of different names; None means all columns."""
    if columns is None:
        return
    if isinstance(columns, str):
        raise ValueError(f"columns must be a list of names, found the string {columns!r}.")
    if not isinstance(columns, Collection):
        raise ValueError(f"columns must be a list of names, found {columns!r}.")
    names = list(columns)
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ValueError(f"columns must be different names, found {listing(twice)} repeated.")


def table_files(path):
    """Return the file at `path`, or all of a folder in order, whose columns are found to agree."""
    path = Path(path)
    if not path.is_dir():
        return [path]
    files = sorted(
        file for file in path.rglob("*.parquet") if file.is_file() and file.name[0] not in "._"
    )
    if not files:
        raise FileNotFoundError(f"no cell table at {str(path)!r}: no .parquet file in the folder.")
    with parquet_errors(files[0]):
        first = pq.read_schema(files[0])
    for file in files[1:]:
        with parquet_errors(file):
            schema = pq.read_schema(file)
        if schema != first:  # but for what pandas notes
            _refuse_other_columns(files[0], first, file, schema)
    return files


def _refuse_other_columns(path, expected, other, found):
    for name in [*expected.names, *found.names]:
        kinds = [
            str(schema.field(name).type) if name in schema.names else "absent"
            for schema in (expected, found)
        ]
        if kinds[0] != kinds[1]:
            raise ValueError(
                f"column {name!r} is {kinds[0]} in {str(path)!r} and {kinds[1]} in "
                f"{str(other)!r}; the files of a table must agree."
            )
    raise ValueError(f"{str(path)!r} and {str(other)!r} have their columns in other orders.")


def _read_file(path, columns):
    with parquet_errors(path):
        present = pq.read_schema(path).names
        absent = [name for name in columns or () if name not in present]
        if not absent:
            columns = None if columns is None else list(columns)
            table = _to_pandas(pq.read_table(path, columns=columns, use_pandas_metadata=True))
    if absent:
        raise ValueError(f"{str(path)!r} has no column {absent[0]!r}; it has {listing(present)}.")
    return table


@contextlib.contextmanager
def parquet_errors(path):
    """Say in one line that there is no such file, what it is, or what in it cannot be read."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no cell table at {str(path)!r}.")
    try:
        yield
    except Exception as error:  # pyarrow, and pandas on its own damaged notes in the file
        problem = how_to_read_instead(path) or in_one_line(error)
        raise ValueError(f"{str(path)!r} is not a readable Parquet file: {problem}") from error


def write_cells(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a cell table to a Parquet file.

    The file appears whole or not at all: it is written beside its place and then moved there.

    Parameters
    ----------
    table : DataFrame
        Any data frame; image and movie columns are stored as Arrow tensors.
    path : str or path-like
        Where to. An existing file is replaced.

    Raises
    ------
    ValueError
        If a column's name is not a string.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, pandas as pd
    >>> from sklearn_cellfate import image_column, read_cells, write_cells
    >>> cells = pd.DataFrame({"image": image_column(np.eye(4, dtype="uint8")[None])})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "cells.parquet")
    ...     write_cells(cells, path)
    ...     read_cells(path).equals(cells)
    True
    """
    unnamed = [name for name in table.columns if not isinstance(name, str)]
    if unnamed:
        raise ValueError(f"Parquet keeps only text as column names, found {listing(unnamed)}.")
    arrow = pa.Table.from_pandas(table)
    with written_whole(path) as partial:
        pq.write_table(arrow, partial, row_group_size=_rows_in_a_group(table, arrow.nbytes))


def _rows_in_a_group(table, n_bytes):
    """Rows that are encoded together, or None for pyarrow's choice.

    Encoding takes some five times the size of the movies, so it is done piece by piece. Images
    stay in one piece, which is then read without a copy.
    """
    if not movie_column_names(table) or not n_bytes:
        return None
    return max(1, len(table) * MOVIE_GROUP_BYTES // n_bytes)


@contextlib.contextmanager
def written_whole(path):
    """Give the name of a file to write, which takes the place of `path` once it is whole."""
    path = Path(path)
    # Not from tempfile, whose files only their owner may read.
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)  # pyarrow removes what it could not finish
        raise


@contextlib.contextmanager
def folder_written_whole(folder, of_others=()):
    """Give a folder to write files to, which are moved to `folder` once all are whole.

    Files of the same names are replaced, others stay, but for those of the names `of_others` of
    which there is no new one: they go first, lest a process that is killed leaves them.
    """
    folder = Path(folder).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as draft:
        yield Path(draft)
        folder.mkdir(exist_ok=True)
        for name in of_others:
            if not Path(draft, name).exists():
                Path(folder, name).unlink(missing_ok=True)
        for path in Path(draft).iterdir():
            os.replace(path, folder / path.name)


def is_image_dtype(dtype: Any) -> bool:
    """Whether a column of this dtype holds one image a row."""
    return isinstance(dtype, pd.ArrowDtype) and _is_image_type(dtype.pyarrow_dtype)


def is_movie_dtype(dtype: Any) -> bool:
    """Whether a column of this dtype holds one movie a row."""
    return isinstance(dtype, pd.ArrowDtype) and _is_movie_type(dtype.pyarrow_dtype)


def image_column_names(table: pd.DataFrame) -> list:
    """Names of the image columns of a data frame, in order."""
    return [name for name, dtype in zip(table.columns, table.dtypes) if is_image_dtype(dtype)]


def movie_column_names(table: pd.DataFrame) -> list:
    """Names of the movie columns of a data frame, in order."""
    return [name for name, dtype in zip(table.columns, table.dtypes) if is_movie_dtype(dtype)]


def _is_image_type(arrow_type):
    return isinstance(arrow_type, pa.FixedShapeTensorType) and len(arrow_type.shape) in (2, 3)


def _is_movie_type(arrow_type):
    is_list = pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type)
    return is_list and _is_image_type(arrow_type.value_type)


def _arrow_column(column):
    array = column.array if isinstance(column, pd.Series) else column
    return pa.chunked_array(array.__arrow_array__())


def refuse_arrays_as_objects(values, name):
    """Refuse a series or array of Python objects each of which is an image.

    Parameters
    ----------
    values : array-like
    name : str
        What it is called in the message.

    Raises
    ------
    ValueError
        If it is one.
    """
    if _holds_arrays(values):
        raise ValueError(f"{name} holds arrays as Python objects: {HOW_TO_STACK}.")


def _holds_arrays(values):
    return (
        isinstance(values, np.ndarray | pd.Series)
        and values.dtype == object
        and values.ndim == 1
        and len(values) > 0
        and np.ndim(np.asarray(values)[0]) > 1
    )


def unmasked(values, name):
    """Return pixels as an array, or refuse masked ones, which NumPy would hand out in silence.

    Parameters
    ----------
    values : array-like
        Pixels; also a list of masked arrays.
    name : str
        What they are called in the message.

    Returns
    -------
    array : ndarray

    Raises
    ------
    ValueError
        If a value is masked: no pixel can be left out of an image.
    """
    parts = values if isinstance(values, list | tuple) else [values]
    hidden = sum(np.ma.count_masked(part) for part in parts if np.ma.is_masked(part))
    if hidden:
        raise ValueError(
            f"{name} has {hidden} masked values, which cannot be left out; fill them first, for "
            "example with the background: np.ma.filled(array, 0)."
        )
    return np.asarray(values)


def _with_channel_axis(array, name, first_axis):
    if array.ndim not in (3, 4) or 0 in array.shape[1:]:
        raise ValueError(
            f"{name} has shape {array.shape}; expected ({first_axis}, H, W) or "
            f"({first_axis}, C, H, W) with at least one pixel."
        )
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} has dtype {array.dtype}; expected integer or floating pixels.")
    if not array.dtype.isnative:  # from a big-endian TIFF; neither Arrow nor torch takes it
        array = array.astype(array.dtype.newbyteorder("="))
    if array.ndim == 4 and min(array.shape[1:3]) > 4 >= array.shape[3] > 1:
        channels, height, width = array.shape[1:]
        warnings.warn(
            f"{name} of shape {array.shape} are read as {channels} channels of {height} x {width} "
            "pixels. Are channels last? They come first here: np.moveaxis(images, -1, 1).",
            stacklevel=3,
        )
    return array[:, np.newaxis] if array.ndim == 3 else array


def _each_with_channel_axis(movies):
    movies = [(f"movie {i}", movie) for i, movie in enumerate(movies)]
    return [_with_channel_axis(unmasked(movie, name), name, "T") for name, movie in movies]


def _tensor_array(flat, shape):
    # Built from storage because FixedShapeTensorArray.from_numpy_ndarray infers a permutation
    # for axes of length one, and such a column cannot be read after Parquet.
    storage = pa.FixedSizeListArray.from_arrays(flat, int(np.prod(shape)))
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(flat.type, list(shape)), storage)


def _stack_tensors(chunks, arrow_type):
    stacks = [chunk.storage.flatten().to_numpy(zero_copy_only=False) for chunk in chunks]
    if len(stacks) == 1:
        flat = stacks[0]
    else:
        flat = np.concatenate([np.empty(0, arrow_type.value_type.to_pandas_dtype()), *stacks])
    images = flat.reshape(-1, *arrow_type.shape)
    if arrow_type.permutation is not None:  # written by somebody else's from_numpy_ndarray
        order = list(arrow_type.permutation)
        if [order[axis] for axis in order] != list(range(len(order))):
            # pyarrow's own from_numpy_ndarray writes the inverse of what the format asks for.
            warnings.warn(
                f"an image column has the axes permuted as {order}, which writers understand in "
                "two ways; check the images, and write the table anew with image_column.",
                stacklevel=3,
            )
        images = images.transpose(0, *(1 + axis for axis in order))
    return images[:, np.newaxis] if images.ndim == 3 else images


def only_column(table, names, kind):
    """Return the one name in `names`, or say what was found instead."""
    if len(names) == 1:
        return names[0]
    found = f"{len(names)}: {listing(names)}" if names else f"none among {listing(table.columns)}"
    hint = ""
    if kind == "image" and movie_column_names(table):
        hint = (
            f" Of the movies in {listing(movie_column_names(table))}, RelativeTimeSampler picks "
            "frames."
        )
    elif kind == "image" and not names:
        arrays = [name for name in table.columns if _holds_arrays(table[name])]
        if arrays:
            hint = f" {listing(arrays)} holds arrays as Python objects: {HOW_TO_STACK}."
    raise ValueError(f"expected exactly one {kind} column, found {found}.{hint}")


def _refuse_missing(n_missing, n_rows, kind):
    if n_missing:
        raise ValueError(f"{n_missing} of {n_rows} rows have no {kind}; drop them first.")


def _to_pandas(table):
    """Convert an Arrow table; columns that pandas held as Arrow stay Arrow, tensors always do."""
    metadata = table.schema.pandas_metadata or {"columns": []}
    if not table.column_names:  # of which Arrow forgets how many rows there were
        return pd.DataFrame(index=_range_of(metadata, len(table)))
    held_as_arrow = names_held_as_arrow(table.schema)
    arrow_names = [
        field.name
        for field in table.schema
        if field.name in held_as_arrow or _is_image_type(field.type) or _is_movie_type(field.type)
    ]
    if held_as_arrow:
        # pandas cannot parse the names that it gave such dtypes, so it must not see them.
        fields = [f for f in metadata["columns"] if f["name"] not in held_as_arrow]
        table = table.replace_schema_metadata(
            table.schema.metadata
            | {b"pandas": json.dumps(metadata | {"columns": fields}).encode()}
        )
    frame = table.drop_columns(arrow_names).to_pandas()
    if not len(frame.columns) and not len(frame.index):
        frame.index = pd.RangeIndex(len(table))
    names = [name for name in table.column_names if name not in frame.index.names]
    for position, name in enumerate(names):
        if name in arrow_names:
            frame.insert(position, name, pd.arrays.ArrowExtensionArray(table[name]))
    return frame


def names_held_as_arrow(schema):
    """Names of the columns that were Arrow's in the data frame that was written."""
    metadata = schema.pandas_metadata or {"columns": []}
    return {
        field["name"]
        for field in metadata["columns"]
        if field["numpy_type"].endswith("[pyarrow]")
        and field["name"] not in metadata["index_columns"]
    }


def _range_of(metadata, n_rows):
    """Return the index of a table that keeps none as a column."""
    for index in metadata.get("index_columns", ()):
        if isinstance(index, dict) and index.get("kind") == "range":
            rows = range(index["start"], index["stop"], index["step"])
            if len(rows) == n_rows:
                return pd.RangeIndex(rows, name=index["name"])
    return pd.RangeIndex(n_rows)


def in_one_line(error):
    """Return what another package says is wrong, for the end of a message of ours."""
    said = error.args[0] if isinstance(error, KeyError) and error.args else error
    return " ".join(str(said).split()) or type(error).__name__


def listing(names, most=8):
    """Names or labels for an error message, cut when there are many."""
    names = [repr(name.item() if isinstance(name, np.generic) else name) for name in names]
    if len(names) > most:
        names = names[:most] + [f"... ({len(names)} in all)"]
    return ", ".join(names)
