"""What every reader of tracks ends with: positions in pixels, checked rows, one tidy form."""

import dataclasses

import numpy as np
import pandas as pd

from sklearn_cellfate.io._length_units import PIXEL, micrometres_in, named_unit
from sklearn_cellfate.table import listing

CORE = ["cell", "frame", "x", "y", "parent"]

# "0" and "-1" are what trackers write for "no parent"; they count so unless a cell has that name.
NO_PARENT = (0, -1)


@dataclasses.dataclass
class RawTracks:
    """Tracks as a file says them: our column names, the file's own units.

    `unit` is None where the file's form has no place for a unit, and "" where it has one that is
    empty. `pixel_size` is the width and height of a pixel in that unit, if the file says so;
    `bad_pixel_size` says what is wrong with what it says. `first_frame` is the number of the
    movie's first frame.
    """

    where: str
    table: pd.DataFrame
    unit: str | None = None
    pixel_size: tuple[float, float] | None = None
    bad_pixel_size: str | None = None
    first_frame: int = 0
    notes: list[str] = dataclasses.field(default_factory=list)
    if_duplicated: str = "keep one row of each"


def in_pixels(raw, pixel_size, units):
    """Return the table of `raw` with x and y divided by the size of a pixel."""
    width, height = _pixel_in_file_units(raw, pixel_size, units)
    numbers = {name: as_numbers(raw.table[name], name, raw.where) for name in ("x", "y")}
    return raw.table.assign(x=numbers["x"] / width, y=numbers["y"] / height)


def tidy(table, *, where, first_frame=0, if_duplicated="keep one row of each"):
    """Check the rows of `table` and put them into the order and the dtypes of the tidy form."""
    refuse_empty(table, where)
    cell = as_names(table["cell"], "cell", where)
    frame = _whole_frames(table["frame"], first_frame, where)
    positions = {name: as_numbers(table[name], name, where) for name in ("x", "y")}
    for name, values in positions.items():
        _refuse_not_finite(values, name, cell, frame, where)
    rest = [name for name in table.columns if name not in CORE]
    tidied = pd.DataFrame({"cell": cell, "frame": frame, **positions}, index=table.index)
    tidied["parent"] = _parents(table, cell, where)
    tidied = pd.concat([tidied, table[rest]], axis=1)
    refuse_duplicates(tidied, where, if_duplicated)
    tidied = tidied.sort_values(["cell", "frame"], ignore_index=True)
    tidied["parent"] = one_parent_a_cell(tidied, where)
    _refuse_parents_born_later(tidied, where)
    return tidied


def refuse_empty(table, where):
    """Refuse a table without rows."""
    if not len(table):
        raise ValueError(f"{where} has no rows: no cell was tracked.")


def as_names(values, name, where):
    """Return cell numbers as int64 and cell names as text."""
    if values.isna().any():
        row = int(np.argmax(values.isna().to_numpy()))
        raise ValueError(f"{where}: column {name!r} is empty in row {row}; expected a cell.")
    if pd.api.types.is_bool_dtype(values.dtype):
        raise ValueError(f"{where}: column {name!r} is true or false; expected numbers or names.")
    if not pd.api.types.is_numeric_dtype(values.dtype):
        return values.astype("str")
    numbers = values.to_numpy(dtype=np.float64)
    if not (np.isfinite(numbers) & (numbers == np.floor(numbers))).all():
        row = int(np.argmin(np.isfinite(numbers) & (numbers == np.floor(numbers))))
        raise ValueError(
            f"{where}: column {name!r} holds {numbers[row]:g} in row {row}; "
            "expected whole numbers or names."
        )
    return values.astype(np.int64)


def as_numbers(values, name, where):
    """Return a column as float64, or name the first text in it."""
    try:
        numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    except OverflowError as error:  # a whole number of hundreds of digits
        raise ValueError(
            f"{where}: column {name!r} holds a whole number that is too large for a float; "
            "expected a number."
        ) from error
    text = numbers.isna() & values.notna() & (values.astype("str").str.lower() != "nan")
    if text.any():
        row = int(np.argmax(text.to_numpy()))
        raise ValueError(
            f"{where}: column {name!r} holds {values.iloc[row]!r} in row {row}; expected a number."
        )
    return numbers


def refuse_duplicates(table, where, if_duplicated):
    """Refuse two rows of one cell in one frame."""
    again = table.duplicated(["cell", "frame"])
    if again.any():
        row = int(np.argmax(again.to_numpy()))
        cell, frame = table["cell"].iloc[row], table["frame"].iloc[row]
        raise ValueError(
            f"{where}: cell {listing([cell])} has several rows in frame {frame} "
            f"({int(again.sum())} rows too many in all); {if_duplicated}."
        )


def one_parent_a_cell(table, where):
    """Return each row's parent, of the cell as a whole; refuse cells with several."""
    known = table.dropna(subset=["parent"]).drop_duplicates(["cell", "parent"])
    several = known["cell"].duplicated()
    if several.any():
        cell = known.loc[several, "cell"].iloc[0]
        parents = known.loc[known["cell"] == cell, "parent"]
        raise ValueError(
            f"{where}: cell {listing([cell])} has several parents, {listing(parents)}; "
            "expected one."
        )
    parent_of = known.set_index("cell")["parent"]
    return table["cell"].map(parent_of).astype(table["parent"].dtype)


def _pixel_in_file_units(raw, pixel_size, units):
    if pixel_size is not None and not (np.isfinite(pixel_size) and pixel_size > 0):
        raise ValueError(f"pixel_size is {pixel_size!r}; expected um a pixel, greater than 0.")
    if units not in (None, "pixel", "um"):
        raise ValueError(f"units is {units!r}; expected None, 'pixel' or 'um'.")
    unit = named_unit(raw.unit if units is None else units)
    if unit is None:
        unit = PIXEL if pixel_size is None else "um"
    if unit == PIXEL:
        _refuse_size_of_pixel_units(raw, pixel_size, units)
        return 1.0, 1.0
    if pixel_size is not None:
        side = pixel_size / (1.0 if unit == "" else micrometres_in(unit, raw.where))
        return side, side
    if unit == "":
        raise ValueError(
            f"{raw.where} does not say the unit of its positions; call read_tracks with "
            "pixel_size=... (um a pixel) if they are in um, with units='pixel' if in pixels."
        )
    if raw.bad_pixel_size is not None:
        raise ValueError(
            f"{raw.where}: {raw.bad_pixel_size}; call read_tracks with pixel_size=... (um a "
            "pixel)."
        )
    if raw.pixel_size is None:
        raise ValueError(
            f"{raw.where} gives positions in {unit!r} and no size of a pixel; call read_tracks "
            "with pixel_size=... (um a pixel)."
        )
    return raw.pixel_size


def _refuse_size_of_pixel_units(raw, pixel_size, units):
    """Refuse a size of a pixel beside positions that are in pixels already."""
    if pixel_size is not None and pixel_size != 1:
        who = raw.where if units is None else "units='pixel'"
        raise ValueError(
            f"{who} says that positions are in pixels, but pixel_size={pixel_size} is there to "
            "convert um; leave pixel_size out, or pass units='um' if they are in um all the same."
        )
    if units is not None or pixel_size is not None:
        return
    if raw.bad_pixel_size is not None:
        raise ValueError(
            f"{raw.where} says 'pixel', but {raw.bad_pixel_size}; call read_tracks with "
            "units='pixel' if positions are in pixels, with units='um' and pixel_size=... if not."
        )
    if raw.pixel_size not in (None, (1.0, 1.0)):
        raise ValueError(
            f"{raw.where} says 'pixel', but also that a pixel is {raw.pixel_size[0]:g} wide; "
            "call read_tracks with units='pixel' if positions are in pixels, with units='um' if "
            "they are pixels times that width."
        )


def _whole_frames(values, first_frame, where):
    numbers = as_numbers(values, "frame", where).to_numpy()
    whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
    if not whole.all():
        row = int(np.argmin(whole))
        raise ValueError(
            f"{where}: frame is {numbers[row]:g} in row {row} ({int((~whole).sum())} such rows); "
            "expected whole numbers, counted in frames, not in time."
        )
    frame = numbers.astype(np.int64) - int(first_frame)
    if (frame < 0).any():
        lowest = int(numbers.min())
        raise ValueError(
            f"{where}: the lowest frame is {lowest}, below first_frame={first_frame}; expected "
            "frames from first_frame on."
        )
    return frame


def _refuse_not_finite(values, name, cell, frame, where):
    bad = ~np.isfinite(values.to_numpy())
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{where}: {name} is {values.iloc[row]} for cell {listing([cell.iloc[row]])} in frame "
            f"{frame[row]} ({int(bad.sum())} of {len(values)} rows are not finite); leave such "
            "rows out."
        )


def _parents(table, cell, where):
    """Return the column of parents, of the same kind as the cells, empty where there is none."""
    numbered = cell.dtype == np.int64
    dtype = "Int64" if numbered else "string"
    if "parent" not in table.columns:
        return pd.Series(pd.NA, index=table.index, dtype=dtype)
    known = table["parent"].notna() & (table["parent"].astype("str").str.strip() != "")
    parent = pd.Series(pd.NA, index=table.index, dtype=dtype)
    if known.any():
        parents = table.loc[known, "parent"]
        if numbered:
            parents = as_names(as_numbers(parents, "parent", where), "parent", where)
        elif pd.api.types.is_numeric_dtype(parents.dtype):
            parents = as_names(parents, "parent", where)
        parent[known] = parents.astype(dtype)
    nobody = [name for name in NO_PARENT if not (cell.astype("str") == str(name)).any()]
    none = parent.isin(nobody if numbered else [str(name) for name in nobody])
    own = (parent == cell.astype(dtype)).fillna(False)
    return parent.mask(none | own)


def _refuse_parents_born_later(table, where):
    """Refuse a parent that is not there before its daughters: the column means another thing."""
    start = table.groupby("cell")["frame"].min()
    born = table.drop_duplicates("cell").dropna(subset=["parent"])
    born = born[born["parent"].isin(start.index)]
    later = start.loc[born["parent"]].to_numpy() >= start.loc[born["cell"]].to_numpy()
    if later.any():
        cell, parent = born.loc[later, ["cell", "parent"]].iloc[0]
        raise ValueError(
            f"{where}: the parent of cell {listing([cell])} is {listing([parent])}, which starts "
            f"in frame {start[parent]}, not before the cell (frame {start[cell]}); leave parent "
            "empty for cells without one."
        )
