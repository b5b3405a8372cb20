"""A cell table that is larger than the memory, part by part."""

import itertools
import math
import os
from collections.abc import Iterator, Sequence
from numbers import Real

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sklearn_cellfate.table import (
    check_columns,
    is_image_dtype,
    is_movie_dtype,
    names_held_as_arrow,
    parquet_errors,
    read_cells,
    table_files,
)

__all__ = ["read_cells_in_parts"]

# Pages are read as they are needed; by default whole groups of rows would be.
READ_AHEAD = 2**20


def read_cells_in_parts(
    path: str | os.PathLike,
    columns: Sequence[str] | None = None,
    *,
    part_bytes: int = 2**24,
) -> Iterator[pd.DataFrame]:
    """Read a cell table from Parquet a few rows at a time.

    Images and movies are read part by part, and so are columns with a list a row; of each file
    the other columns, which take little, are held as a whole. What a fitted model says of a row
    does not depend on the others, so predicting part by part gives what predicting the whole
    table gives.

    Parameters
    ----------
    path : str or path-like
        A file, or a folder of them: all that end in ``.parquet`` and do not start with ``.`` or
        ``_``, in the order of their names, folders within it too. Their columns must agree; what
        the name of a folder says, as ``donor=a`` does, is not read.
    columns : list of str, default=None
        Read only these columns, in this order; all by default.
    part_bytes : int, default=16777216
        Bytes of the images and movies of a part, at least 1; a part has at least one row. Movies
        are counted by the mean length in the group of rows of the file that has the longest;
        while they are read they take some seven times as much.

    Yields
    ------
    part : DataFrame
        The next rows of what :func:`read_cells` returns, with their index, in order. A file
        without pixels comes as one part, and so does a table without rows.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or none in the folder.
    ValueError
        If it is not a Parquet file, is damaged, or lacks one of `columns`; if `columns` names one
        twice; if the files of a folder do not agree.

    See Also
    --------
    read_cells : The whole table at once.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np, pandas as pd
    >>> from sklearn_cellfate import image_column, read_cells_in_parts, write_cells
    >>> cells = pd.DataFrame({"image": image_column(np.zeros((5, 20, 20), "uint8"))})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "cells.parquet")
    ...     write_cells(cells, path)
    ...     [len(part) for part in read_cells_in_parts(path, part_bytes=800)]
    [2, 2, 1]
    """
    check_columns(columns)
    if not isinstance(part_bytes, Real) or not 1 <= part_bytes < math.inf:
        raise ValueError(f"part_bytes must be a finite number, 1 or more, found {part_bytes!r}.")
    parts = itertools.chain.from_iterable(
        _parts_of_file(file, columns, part_bytes) for file in table_files(path)
    )
    first = next(parts)
    with_rows = (part for part in parts if len(part))
    if not len(first):
        first = next(with_rows, first)
    yield first
    yield from with_rows


def _parts_of_file(path, columns, part_bytes):
    with parquet_errors(path):
        schema = pq.read_schema(path)
    names = schema.names if columns is None else list(columns)
    kinds = {field.name: pd.ArrowDtype(field.type) for field in schema if field.name in names}
    pixels = [name for name, kind in kinds.items() if is_image_dtype(kind) or is_movie_dtype(kind)]
    held_as_arrow = names_held_as_arrow(schema)
    lists = [
        name
        for name, kind in kinds.items()
        if name in held_as_arrow - set(pixels) and pa.types.is_nested(kind.pyarrow_dtype)
    ]
    rest = read_cells(path, [name for name in names if name not in {*pixels, *lists}])
    if not pixels or not len(rest):
        yield read_cells(path, columns)
        return
    names = [name for name in names if name in {*pixels, *lists} or name in rest.columns]
    start = 0
    for batch in _batches(path, pixels, lists, part_bytes):
        part = rest.iloc[start : start + len(batch)]
        read = {
            name: pd.arrays.ArrowExtensionArray(pa.chunked_array([batch.column(name)]))
            for name in (*pixels, *lists)
        }
        start += len(batch)
        yield part.assign(**read)[names]


def _batches(path, pixels, lists, part_bytes):
    with parquet_errors(path):
        file = pq.ParquetFile(path, buffer_size=READ_AHEAD, pre_buffer=False)
    with file:
        row_bytes = _bytes_of_a_row(file, pixels)
        batches = file.iter_batches(
            max(1, int(part_bytes // row_bytes)), columns=[*pixels, *lists]
        )
        while True:
            with parquet_errors(path):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


def _bytes_of_a_row(file, names):
    """Bytes that the pixels of a row take in memory, the mean of the rows of the worst group."""
    widths = {name: _bytes_of_a_pixel(file.schema_arrow.field(name).type) for name in names}
    worst = 1
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        leaves = (group.column(place) for place in range(group.num_columns))
        n_bytes = sum(
            leaf.num_values * widths.get(leaf.path_in_schema.split(".")[0], 0) for leaf in leaves
        )
        worst = max(worst, n_bytes / max(group.num_rows, 1))
    return worst


def _bytes_of_a_pixel(kind):
    tensor = kind if isinstance(kind, pa.FixedShapeTensorType) else kind.value_type
    return tensor.value_type.bit_width // 8
