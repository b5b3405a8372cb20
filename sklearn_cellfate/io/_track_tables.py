"""Tracks in a table: CSV in any dialect, Parquet, or a data frame, with columns by any names."""

import csv
import itertools
import re
import warnings

import pandas as pd

from sklearn_cellfate.io._length_units import split_unit
from sklearn_cellfate.io._tidy_tracks import RawTracks, refuse_empty
from sklearn_cellfate.io._trackmate import (
    is_trackmate_table,
    refuse_other_tables,
    spots_of_table,
)
from sklearn_cellfate.table import in_one_line, listing

# Names that trackers give to our columns, without case, signs and units. The second tuple counts
# only where nothing of the first is there: `id` may also number the spots.
KNOWN = {
    "cell": (
        (
            *("cell", "cell_id", "cellid", "particle", "particle_id", "trajectory"),
            *("track_id", "trackid", "track", "track_number", "trajectory_id", "tracking_id"),
        ),
        ("id", "label", "object_id"),
    ),
    "frame": (
        (
            *("frame", "frames", "frame_id", "frameid", "frame_number", "frame_no"),
            *("frame_index", "timepoint", "time_point", "timeframe", "time_index"),
        ),
        ("t", "slice"),
    ),
    "x": (
        (
            *("x", "position_x", "pos_x", "x_position", "x_pos", "centroid_x", "x_centroid"),
            *("center_x", "x_center", "location_center_x", "x_coordinate", "coord_x"),
        ),
        ("centroid_1",),
    ),
    "y": (
        (
            *("y", "position_y", "pos_y", "y_position", "y_pos", "centroid_y", "y_centroid"),
            *("center_y", "y_center", "location_center_y", "y_coordinate", "coord_y"),
        ),
        ("centroid_0",),
    ),
    "parent": (
        (
            *("parent", "parent_id", "parent_cell", "parent_track", "parent_track_id"),
            *("mother", "mother_id", "mother_cell", "parentid"),
        ),
        (),
    ),
}
MISSING = ["\u00f8"]  # TrackMate's sign for a value that is missing
MOST_HEADER_ROWS = 5
DECIMAL_COMMA = re.compile(r"\s*[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?\s*")


def read_csv_tracks(path, where, *, columns, visible_only):
    """Read tracks from a text file with a column each."""
    encoding = _encoding(path)
    separator, head = _head(path, encoding, where)
    names, skipped, units = _header(head, columns, where)
    with warnings.catch_warnings():
        # It says that values beyond the last named column would be lost.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            table = pd.read_csv(
                path,
                sep=r"\s+" if separator == " " else separator,
                encoding=encoding,
                header=None,
                names=names,
                skiprows=skipped,
                index_col=False,
                skipinitialspace=True,
                na_values=MISSING,
                low_memory=False,
            )
        except (
            pd.errors.ParserError,
            pd.errors.ParserWarning,
            pd.errors.EmptyDataError,
        ) as error:
            raise ValueError(
                f"{where} is no table of {len(names)} columns, {listing(names)}: "
                f"{in_one_line(error)}"
            ) from error
        except UnicodeError as error:
            raise ValueError(
                f"{where} is damaged: its first bytes promise {encoding.upper()} text, but "
                f"{in_one_line(error)}."
            ) from error
    if separator != ",":
        table = table.apply(_without_decimal_commas)
    mapping = columns if isinstance(columns, dict) else {}
    return tracks_of_table(table, where, columns=mapping, units=units, visible_only=visible_only)


def read_parquet_tracks(path, where, *, columns, visible_only):
    """Read tracks from a Parquet file."""
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # pyarrow, and pandas on its own damaged notes in the file
        problem = in_one_line(error)
        raise ValueError(f"{where} is not a readable Parquet file: {problem}") from error
    return tracks_of_table(table, where, columns=columns, visible_only=visible_only)


def tracks_of_table(table, where, *, columns=None, units=None, visible_only=True):
    """Turn a data frame with columns by any names into tracks."""
    if columns is not None and not isinstance(columns, dict):
        raise ValueError(
            "a list of columns is for text files without a header; expected a dict such as "
            f"{{'particle': 'cell'}}, found {columns!r}."
        )
    table = _with_index_as_columns(table)
    refuse_other_tables(table.columns, where)
    table = _renamed(table, columns or {}, where)
    refuse_empty(table, where)
    if is_trackmate_table(table.columns):
        return spots_of_table(table, units, where, visible_only=visible_only)
    found = {ours: _column_for(ours, table.columns, where) for ours in KNOWN}
    missing = [ours for ours in ("cell", "frame", "x", "y") if found[ours] is None]
    if missing:
        example = ", ".join(f"'<name of the column>': {ours!r}" for ours in missing)
        raise ValueError(
            f"{where} has no column known as {listing(missing)}; it has {listing(table.columns)}. "
            f"Name it: read_tracks(..., columns={{{example}}})."
        )
    table = table.rename(columns={name: ours for ours, name in found.items() if name is not None})
    notes, linked = [], table["cell"].notna()
    if not linked.all():
        notes.append(f"{(~linked).sum()} of {len(table)} rows belong to no cell and are left out")
    return RawTracks(where, table[linked], unit=_unit_of_names(found, where), notes=notes)


def _with_index_as_columns(table):
    """Keep a named index, which often is the frame, as columns; drop a plain one."""
    named = [name for name in table.index.names if name is not None and name not in table.columns]
    plain = table.index.names == [None]
    return table.reset_index(drop=plain or not named)


def _renamed(table, columns, where):
    unknown = [name for name in columns if name not in table.columns]
    if unknown:
        raise ValueError(
            f"{where} has no column {unknown[0]!r}, which columns= names; it has "
            f"{listing(table.columns)}."
        )
    renamed = table.rename(columns=columns)
    twice = renamed.columns[renamed.columns.duplicated()]
    if len(twice):
        raise ValueError(
            f"{where} would have two columns {twice[0]!r} (it has {listing(table.columns)}, and "
            f"columns={columns}); give the other one a new name in columns= too."
        )
    return renamed


def _column_for(ours, names, where):
    """Return the one column that can be ours; our own name comes before all others."""
    if ours in names:
        return ours
    for known in KNOWN[ours]:
        found = [name for name in names if split_unit(name)[0] in known]
        if len(found) > 1:
            raise ValueError(
                f"{where} has several columns that could be the {ours}: {listing(found)}. Say "
                f"which: read_tracks(..., columns={{{found[0]!r}: {ours!r}}})."
            )
        if found:
            return found[0]
    return None


def _unit_of_names(found, where):
    """Return the unit in names such as "x (um)"; None where names have none."""
    unit_x, unit_y = (split_unit(found[ours])[1] for ours in ("x", "y"))
    if unit_x != unit_y:
        raise ValueError(
            f"{where} gives x as {found['x']!r} and y as {found['y']!r}; expected one unit."
        )
    return unit_x


def _encoding(path):
    """Say what the first bytes say, or UTF-8, or Excel's and Java's old Windows encoding."""
    with open(path, "rb") as file:
        start = file.read(4)
    if start == b"\xff\xfe\0\0":
        return "utf-32"
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        with open(path, encoding="utf-8-sig") as file:
            while file.read(1 << 20):
                pass
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _head(path, encoding, where):
    """Return what separates the columns, and the first rows cut there."""
    with open(path, encoding=encoding, errors="replace", newline="") as file:
        lines = list(itertools.islice(file, 1 + MOST_HEADER_ROWS))
    if not lines or not lines[0].strip():
        raise ValueError(f"{where} is empty, or begins with an empty line; expected a header.")
    # Without a header, decimal commas may be as many as what separates the numbers.
    apart = [mark for mark in ";\t" if _are_numbers(lines[0].strip().split(mark))]
    separator = apart[0] if apart else max(",;\t", key=lines[0].count)
    if separator not in lines[0]:
        separator = " "
        return separator, [line.split() for line in lines]
    return separator, list(csv.reader(lines, delimiter=separator, skipinitialspace=True))


def _header(rows, columns, where):
    """Return names of the columns, how many rows to skip, and TrackMate's row of units, if any."""
    if _are_numbers(rows[0]):
        return _names_for_no_header(rows[0], columns, where), 0, None
    if isinstance(columns, list | tuple):
        raise ValueError(
            f"{where} has a header, {listing(rows[0])}; expected columns= as a dict, such as "
            f"{{'particle': 'cell'}}, found {columns!r}."
        )
    names = _told_apart(rows[0])
    if not is_trackmate_table(names):
        return names, 1, None
    position = names.index("POSITION_X")
    n_rows = 1
    while n_rows < len(rows) and _goes_on_with_header(rows[n_rows], position):
        n_rows += 1
    last = rows[n_rows - 1]
    units = dict(zip(names, last)) if _at(last, position).startswith("(") else None
    return names, n_rows, units


def _goes_on_with_header(row, position):
    """Whether a row below the names has longer names, short names or units: no number at all."""
    said = _at(row, position)
    return said not in ("", *MISSING) and not any(map(_is_number, row))


def _names_for_no_header(first, columns, where):
    if not isinstance(columns, list | tuple):
        raise ValueError(
            f"{where} has no header: its first line is {listing(first)}. Name its columns: "
            "read_tracks(..., columns=['cell', 'frame', 'y', 'x'])."
        )
    if len(columns) != len(first):
        raise ValueError(
            f"{where} has {len(first)} columns and no header; columns= names {len(columns)}."
        )
    return list(columns)


def _told_apart(names):
    """Return names that differ: repeated ones are numbered as pandas does."""
    seen, distinct = {}, []
    for position, name in enumerate(names):
        name = name.strip() or f"Unnamed: {position}"
        n_before = seen.get(name, 0)
        seen[name] = n_before + 1
        distinct.append(f"{name}.{n_before}" if n_before else name)
    return distinct


def _without_decimal_commas(column):
    """Return a column of numbers as numbers, if commas are all that made it text."""
    if pd.api.types.is_numeric_dtype(column.dtype) or not column.notna().any():
        return column
    text = column.dropna().astype("str")
    with_comma = text.str.fullmatch(DECIMAL_COMMA)
    if not with_comma.any() or text[~with_comma].str.contains(".", regex=False).any():
        return column
    numbers = pd.to_numeric(text.str.strip().str.replace(",", "."), errors="coerce")
    return column if numbers.isna().any() else numbers.reindex(column.index)


def _at(row, position):
    return row[position].strip() if position < len(row) else ""


def _are_numbers(texts):
    return len(texts) > 1 and all(map(_is_number, texts))


def _is_number(text):
    """Whether a text is a number, with a point or with a decimal comma."""
    try:
        float(text)
    except ValueError:
        return DECIMAL_COMMA.fullmatch(text) is not None
    return True
