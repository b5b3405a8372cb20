"""A cell table that is larger than the memory, part by part."""

import os
from collections.abc import Iterator, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sklearn_cellfate.table import is_image_dtype, parquet_errors, read_cells

__all__ = ["read_cells_in_parts"]

# Pages are read as they are needed; by default whole groups of rows would be.
READ_AHEAD = 2**20


def read_cells_in_parts(
    path: str | os.PathLike,
    columns: Sequence[str] | None = None,
    *,
    part_bytes: int = 2**24,
) -> Iterator[pd.DataFrame]:
    """Read a cell table from a Parquet file a few rows at a time.

    Images are read part by part; all other columns, which take little, are held as a whole, and
    so are movies. What a fitted model says of a row does not depend on the others, so predicting
    part by part gives what predicting the whole table gives.

    Parameters
    ----------
    path : str or path-like
        The file.
    columns : list of str, default=None
        Read only these columns, in this order; all by default.
    part_bytes : int, default=16777216
        Bytes of the images of a part, at least 1; a part has at least one row.

    Yields
    ------
    part : DataFrame
        The next rows of what :func:`read_cells` returns, with their index, in order. A table
        without images, or without rows, comes as one part.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a Parquet file, is damaged, or lacks one of `columns`.

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
    if part_bytes < 1:
        raise ValueError(f"part_bytes must be 1 or more, found {part_bytes!r}.")
    with parquet_errors(path):
        schema = pq.read_schema(path)
    names = schema.names if columns is None else list(columns)
    images = [
        field.name
        for field in schema
        if field.name in names and is_image_dtype(pd.ArrowDtype(field.type))
    ]
    rest = read_cells(path, [name for name in names if name not in images])
    if not images or not len(rest):
        yield read_cells(path, columns)
        return
    names = [name for name in names if name in images or name in rest.columns]
    tensors = [schema.field(name).type.storage_type for name in images]
    row_bytes = sum(tensor.list_size * tensor.value_type.bit_width // 8 for tensor in tensors)
    start = 0
    for batch in _batches(path, images, max(1, part_bytes // row_bytes)):
        part = rest.iloc[start : start + len(batch)]
        pixels = {
            name: pd.arrays.ArrowExtensionArray(pa.chunked_array([batch.column(name)]))
            for name in images
        }
        start += len(batch)
        yield part.assign(**pixels)[names]


def _batches(path, columns, n_rows):
    with parquet_errors(path):
        file = pq.ParquetFile(path, buffer_size=READ_AHEAD, pre_buffer=False)
    with file:
        batches = file.iter_batches(n_rows, columns=columns)
        while True:
            with parquet_errors(path):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch
