"""A table of movies, as extract writes it, seen at each cell's first frame."""

import re

import pandas as pd
import pyarrow as pa

from sklearn_cellfate.table import image_column_names, is_movie_dtype, movie_column_names

FIRST = "_0%"  # how RelativeTimeSampler names what it takes there

# What is measured on the object of a cell in one frame, in the words of extract_cells, of this
# package's features, of scikit-image, CellProfiler, TrackMate and btrack. Whole names, without
# the number of a channel behind them: any other may be a name, a place or a time in disguise, or
# an average over frames that are yet to come.
MEASURES = {
    *("area", "area_bbox", "area_convex", "area_filled", "convex_area", "filled_area"),
    *("num_pixels", "volume", "perimeter", "perimeter_crofton", "perimeter_length"),
    *("radius", "diameter", "equivalent_diameter", "equivalent_diameter_area"),
    *("estimated_diameter", "feret_diameter_max", "ellipse_major", "ellipse_minor"),
    *("axis_major_length", "axis_minor_length", "major_axis_length", "minor_axis_length"),
    *("ellipse_aspectratio", "aspect_ratio", "eccentricity", "extent", "compactness"),
    *("circularity", "form_factor", "roundness", "solidity", "true_solidity", "shape_index"),
    *("euler_number", "speed", "fret_ratio", "entropy", "mean", "variance", "std", "median"),
    *(
        f"{one}_{other}"
        for kind in ("mean", "median", "min", "max", "std", "sum", "total", "integrated")
        for one, other in ((kind, "intensity"), ("intensity", kind))
    ),
    *("contrast", "snr", "total_intensity", "intensity"),
}
CHANNEL = re.compile(r"[_-]?(ch|c|channel)?_?\d+$")


def first_frames(table):
    """Return a table with images, and the measured columns that are known in the first frame.

    Parameters
    ----------
    table : DataFrame
        A cell table. One with movies and without images is sampled at each cell's first frame,
        its list columns too; lists of anything but numbers are left out.

    Returns
    -------
    table : DataFrame
        `table` itself where it has images, or no movies.
    measured : list of str or None
        Of a sampled table, the columns of numbers that are known measures of a cell in that
        frame; None of others.
    """
    if image_column_names(table) or not movie_column_names(table):
        return table, None
    from sklearn_cellfate.preprocessing import RelativeTimeSampler

    kinds = {name: _kind_of_list(column) for name, column in table.items()}
    other = [name for name, kind in kinds.items() if kind not in (None, "number", "boolean")]
    numbers = numbers_by_frame(table)
    sampler = RelativeTimeSampler(times=[0.0], frames="frame" if "frame" in numbers else None)
    sampled = sampler.fit_transform(table.drop(columns=other))
    print(
        "The table has movies: cells are seen in their first frame, and so are columns that have"
    )
    print("a value a frame.")
    measured = [f"{name}{FIRST}" for name in numbers if _is_measure(name)]
    return sampled, [name for name in measured if sampled[name].notna().any()]


def numbers_by_frame(table):
    """Names of the columns that hold a list of numbers a row: one number a frame."""
    return [name for name, column in table.items() if _kind_of_list(column) == "number"]


def _is_measure(name):
    name = name.lower()
    return not MEASURES.isdisjoint((name, CHANNEL.sub("", name), name.removesuffix("_in_tracks")))


def _kind_of_list(column):
    """Say of what a column's lists are: "number", "boolean", "other", or None without lists."""
    if is_movie_dtype(column.dtype):
        return None
    if isinstance(column.dtype, pd.ArrowDtype):
        arrow_type = column.dtype.pyarrow_dtype
    elif column.dtype == object and column.map(pd.api.types.is_list_like).any():
        arrow_type = pa.array(column, from_pandas=True).type
    else:
        return None
    if not (pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type)):
        return None
    if pa.types.is_boolean(arrow_type.value_type):
        return "boolean"
    is_number = pa.types.is_integer(arrow_type.value_type) or pa.types.is_floating(
        arrow_type.value_type
    )
    return "number" if is_number else "other"
