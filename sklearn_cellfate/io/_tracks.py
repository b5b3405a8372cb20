"""Tracks of any program in one tidy form."""

import os
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd

from sklearn_cellfate.io._btrack import read_btrack
from sklearn_cellfate.io._lineage_table import is_lineage, lineage_in, read_lineage
from sklearn_cellfate.io._tidy_tracks import in_pixels, tidy
from sklearn_cellfate.io._track_tables import (
    read_csv_tracks,
    read_parquet_tracks,
    tracks_of_table,
)
from sklearn_cellfate.io._trackmate import read_trackmate_xml

HDF5, PARQUET = b"\x89HDF", b"PAR1"
ARCHIVE = b"PK\x03\x04"
BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def read_tracks(
    path: str | os.PathLike,
    *,
    columns: Mapping[str, str] | Sequence[str] | None = None,
    pixel_size: float | None = None,
    units: str | None = None,
    first_frame: int | None = None,
    labels: Any = None,
    visible_only: bool = True,
    merges: str = "cut",
    object_type: str | None = None,
) -> pd.DataFrame:
    r"""Read the tracks of cells from a file of any of the usual programs.

    What a file is, its first bytes say, not its name:

    - TrackMate's own XML (its Save button): the links become cells. A cell ends where it divides,
      and each branch after it is a new cell with the `parent`. Links that close a gap leave the
      gap. Columns `track` (TrackMate's TRACK_ID, the whole family; its first cell has the same
      number) and `after_merge` are added. [1]_
    - TrackMate's "Export tracks to XML file", without links and numbers: cells are numbered from
      0 as they come.
    - TrackMate's CSV of spots, with its rows of names and units below the header. It has no links
      either: divisions need the XML.
    - btrack's HDF5 export [2]_. Positions that btrack filled in are kept, with True in column
      `dummy`; `fate` is btrack's own guess of how the track ends.
    - Lineages of the Cell Tracking Challenge [3]_, `man_track.txt` or `res_track.txt`, or the
      folder of one (four columns: label, begin, end, parent), and btrack's export of the same
      kind. A cell's position is the centroid of its label. Column `label` is added, the cell's
      number in the label images.
    - Any other text or Parquet file, or data frame, with one row a cell and frame. Common names
      of columns are known (`particle`, `TRACK_ID`, `POSITION_X`, `t`, `mother` ...); if one is
      missing or several would do, the message says how to name it.

    Parameters
    ----------
    path : str, path-like or DataFrame
        The file, or the folder of a Cell Tracking Challenge lineage.
    columns : dict of str to str, or list of str, default=None
        For tables only: the file's names of columns to ours (`cell`, `frame`, `x`, `y`,
        `parent`), such as ``{"particle": "cell"}``. Others may be renamed too. A list names all
        columns of a text file without a header.
    pixel_size : float, default=None
        Micrometres a pixel. Positions in a unit of length are divided by it. TrackMate's XML says
        its own size, which is used if this is None. Positions in inches come from images with a
        printer's resolution; their pixels are 25400 divided by the dots an inch. A file without a
        word about its unit is taken to be in pixels if this is None, and in um if it is given.
    units : {"pixel", "um"}, default=None
        The unit of the positions, against what the file says. By default the file is believed.
    first_frame : int, default=None
        The number that the file gives to the first frame of the movie: 1 for programs that count
        from 1. The result counts from 0. By default 0; for a lineage whose label images are
        numbered files, the number of the first one, ``mask150.tif``, so that frames are counted
        as :func:`read_stack` and :func:`read_labels` count the files of a folder. For a lineage
        whose label images have no numbers, it is also the number of the first image.
    labels : path-like, ImageStack or array-like of shape (T, H, W), default=None
        For lineages only: label images, if they do not lie beside the lineage: whatever
        :func:`read_labels` opens, such as a folder of numbered TIFF files or a TIFF stack, or
        what it gives, or an array. The planes of a stack that does not say what they are, are
        frames.
    visible_only : bool, default=True
        For TrackMate only: leave out the tracks that its track filters hide.
    merges : {"cut", "raise"}, default="cut"
        For TrackMate's XML only, what to do where two cells become one, which is most often a
        mistake of the segmentation. "cut" ends both; what follows is a new cell with True in
        `after_merge`, and what parts from it again are new cells without a parent. "raise" refuses
        the file.
    object_type : str, default=None
        For btrack only: which type of objects, such as "obj_type_1", if there are several.

    Returns
    -------
    tracks : DataFrame
        One row a cell and frame, sorted by these two:

        - `cell`: int64, or str where cells have names
        - `frame`: int64, counted from 0. A frame in which the cell was not seen has no row.
        - `x`, `y`: float64, in pixels, x along the width and y along the height; the centre of
          the first pixel is (0, 0)
        - `parent`: Int64 or string, missing for cells whose mother is not known
        - all other columns of the file, under their own names and in the file's own units

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If the file is none of these or is damaged; if a column is missing or could be several; if
        the unit or the size of a pixel cannot be known; if frames are not whole numbers from
        `first_frame` on; if a lineage lists frames that have no label image; if positions are
        missing or infinite; if a cell has two rows in a frame or several parents; if there are no
        rows.

    Warns
    -----
    UserWarning
        If anything in the file is left out or cut, with how many.

    See Also
    --------
    label_fates : What became of each cell.
    read_labels : Label images.

    References
    ----------
    .. [1] D. Ershov et al., "TrackMate 7: integrating state-of-the-art segmentation algorithms
       into tracking pipelines", Nature Methods 19, 2022. :doi:`10.1038/s41592-022-01507-1`
    .. [2] K. Ulicna et al., "Automated deep lineage tree analysis using a Bayesian single cell
       tracking approach", Frontiers in Computer Science 3, 2021.
       :doi:`10.3389/fcomp.2021.734559`
    .. [3] M. Maska et al., "The Cell Tracking Challenge: 10 years of objective benchmarking",
       Nature Methods 20, 2023. :doi:`10.1038/s41592-023-01879-y`

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sklearn_cellfate.io import read_tracks
    >>> text = "particle,t,x_um,y_um,area\n7,1,13,26,90\n7,2,13,39,95\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "tracks.csv")
    ...     n_written = path.write_text(text)
    ...     read_tracks(path, pixel_size=0.65, first_frame=1)
       cell  frame     x     y  parent  area
    0     7      0  20.0  40.0    <NA>    90
    1     7      1  20.0  60.0    <NA>    95
    """
    if first_frame is not None and not isinstance(first_frame, Integral):
        raise ValueError(f"first_frame is {first_frame!r}; expected None or a whole number.")
    if merges not in ("cut", "raise"):
        raise ValueError(f"merges is {merges!r}; expected 'cut' or 'raise'.")
    raw = _read(path, columns, labels, first_frame, visible_only, merges, object_type)
    for note in raw.notes:
        warnings.warn(f"{raw.where}: {note}.", stacklevel=2)
    return tidy(
        in_pixels(raw, pixel_size, units),
        where=raw.where,
        first_frame=raw.first_frame if first_frame is None else first_frame,
        if_duplicated=raw.if_duplicated,
    )


def _read(path, columns, labels, first_frame, visible_only, merges, object_type):
    if isinstance(path, pd.DataFrame):
        _refuse("labels", labels, "the data frame")
        return tracks_of_table(path, "the data frame", columns=columns, visible_only=visible_only)
    path = Path(path)
    if path.is_dir():
        path = lineage_in(path)
    if not path.is_file():
        raise FileNotFoundError(f"no tracks at {str(path)!r}.")
    where = repr(path.name)
    form = _form(path, where)
    if form != "lineage":
        _refuse("labels", labels, where)
    if form not in ("text", "parquet"):
        _refuse("columns", columns, where)
    if form == "xml":
        return read_trackmate_xml(path, where, visible_only=visible_only, merges=merges)
    if form == "hdf5":
        return read_btrack(path, where, object_type=object_type)
    if form == "lineage":
        return read_lineage(path, where, labels=labels, first_frame=first_frame)
    read = read_parquet_tracks if form == "parquet" else read_csv_tracks
    return read(path, where, columns=columns, visible_only=visible_only)


def _form(path, where):
    """Say what the file is, from its first bytes."""
    with open(path, "rb") as file:
        start = file.read(4096)
    if start.startswith(HDF5):
        return "hdf5"
    if start.startswith(PARQUET):
        return "parquet"
    text = start
    for mark in BYTE_ORDER_MARKS:
        text = text.removeprefix(mark)
    if text.lstrip().startswith(b"<"):
        return "xml"
    if not text.strip():
        raise ValueError(f"{where} is empty.")
    if start.startswith(ARCHIVE):
        raise ValueError(f"{where} is an Excel workbook or a ZIP archive; save it as CSV.")
    if b"\x00" in text and text is start:
        raise ValueError(
            f"{where} is neither XML, CSV, Parquet nor HDF5; it begins with {start[:8]!r}."
        )
    return "lineage" if is_lineage(path) else "text"


def _refuse(name, value, where):
    kinds = {"labels": "lineages (label, begin, end, parent)", "columns": "tables"}
    if value is not None:
        raise ValueError(f"{name}= is for {kinds[name]}, which {where} is not; leave it out.")
