"""extract_cells: from a movie, its tracks and its labels to a cell table."""

import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from sklearn_cellfate.io._crops import (
    blacken_outside,
    count_inside,
    cut_windows,
    find_objects,
    window_starts,
)
from sklearn_cellfate.io._fields import collect_fields
from sklearn_cellfate.table import movie_column_of_frames

__all__ = ["extract_cells"]

MASKS = ("apply", "channel", None)
INNERMOST_BORDER = -0.5 + 1e-9  # pixels
MANY_CUT = 0.1  # of all objects
MOSTLY_CELLS = 0.8  # of all rows
MEASURED = {
    "label": np.int64,
    "area": np.int64,
    "at_edge": bool,
    "cut": bool,
    "touching": bool,
    "shared": bool,
}


def extract_cells(
    stack: Any,
    tracks: Any,
    labels: Any = None,
    *,
    size: int | Sequence[int] = 20,
    mask: str | None = "apply",
    label_column: str | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> pd.DataFrame:
    """Cut every tracked cell out of its movie: one row a cell, with a movie of its own.

    The movie is read once, frame by frame in order, and only the frames that a track needs. In
    memory are one frame and the crops, so the movie may be far larger than the memory.

    Parameters
    ----------
    stack : ImageStack, array of shape (T, H, W) or (T, C, H, W), or list or dict of these
        The movie of a field of view, from :func:`read_stack`, or a NumPy or Dask array. Several
        fields of view are a list, or a dict from the field's name to its movie; `tracks` and
        `labels` are then lists of the same length or dicts with the same keys. Channels and
        dtype must agree between fields.
    tracks : DataFrame, or list or dict of DataFrame
        From :func:`read_tracks`, a row a cell and frame: ``cell`` (int or str), ``frame`` (int,
        from 0), ``x`` and ``y`` (float, pixels: x along the width, y along the height, centres
        of pixels at whole numbers), ``parent`` (may be missing), and any others, in any order.
    labels : ImageStack or integer array of shape (T, H, W), or list or dict, default=None
        From :func:`read_labels`: in each frame, each object's pixels have its number, 0 is the
        background.
    size : int or tuple of (height, width), default=20
        Of a crop, in pixels; odd or even.
    mask : {"apply", "channel"} or None, default="apply"
        What to do with the labels. ``"apply"``: pixels outside the cell's own object become 0,
        those of neighbours too. ``"channel"``: pixels stay raw and the own object, 0 or 1, is
        one more channel, the last. None: pixels stay raw. Without `labels`, pixels stay raw.
    label_column : str, default=None
        Column of `tracks` that holds the label of the cell's object, a missing value where it
        has none. By default a column ``label`` of numbers, which lineages of the Cell Tracking
        Challenge have; in tracks without one the own object is that under the cell's position.
    n_jobs : int, default=None
        Fields of view read at the same time, see :class:`joblib.Parallel`. Under
        ``joblib.parallel_config("dask")`` the workers of a Dask cluster read them.
    verbose : int, default=0
        1 shows a progress bar over frames, or over fields where there are several.

    Returns
    -------
    table : DataFrame
        One row a cell, fields in order, cells sorted within each. Columns ``cell``, ``field``
        (name of the stack), ``parent`` and other columns of `tracks` that are constant within
        every cell, and ``movie``, a movie column of frames (C, height, width) in the stack's
        dtype. The others are lists, a value a frame of the movie:

        - ``frame`` (int): number of the frame as in `tracks`; gaps stay gaps.
        - ``x``, ``y`` (float, pixels): position.
        - ``padding`` (int, pixels): how much of the crop lies outside the field; it is 0 there.
        - with `labels`: ``label`` (int): label of the own object, 0 if the cell has none in the
          crop; ``area`` (int, pixels): of the own object in the crop; ``at_edge`` (bool): it
          reaches the border of the field; ``cut`` (bool): it reaches the border of the crop, and
          may go on beyond; ``touching`` (bool): one of its pixels has a pixel of another label
          above, below, left or right of it; ``shared`` (bool): another cell has the same object.
        - columns of `tracks` that change within a cell. A name that is already taken gets
          ``_in_tracks`` behind it; a column ``label`` that named the own objects is not repeated.

    Raises
    ------
    ValueError
        If the tracks have no rows, lack a column, repeat a cell and frame, have frames that the
        stack has not, or positions that are missing or outside the field; if the labels are not
        of the stack's shape or not integers; if a crop is larger than the field; if
        `label_column` names the background; if fields do not agree. The message names cell and
        frame, and the field where there are several.
    TypeError
        If an argument is of a wrong kind.

    Warns
    -----
    UserWarning
        If most cells have no object, or all the same: positions, labels or `label_column` are
        then likely wrong. If the labels under the positions are the cells' numbers in most rows
        and not in others: those positions likely lie beside their cells, as the centroid of a
        concave cell does, and ``label_column="cell"`` is meant. If more than a tenth of the
        objects that lie whole in the field reach the border of their crops. If several fields are
        given and one has no cells.

    See Also
    --------
    sklearn_cellfate.write_cells : Save the table.
    sklearn_cellfate.to_movies : The pixels as arrays.
    sklearn_cellfate.preprocessing.RelativeTimeSampler : Pick frames from the movies.

    Notes
    -----
    A crop of height ``h`` around position ``y`` starts at row ``ceil(y - h / 2)``: of all crops
    it is the one whose centre is nearest to the position, half a pixel away at most. Where two
    are equally near, it is the one that starts earlier: an even crop around a whole position has
    its extra row above and its extra column left of it (the position is at index ``h // 2``),
    and an odd crop around a position halfway between two pixels is centred on the first. The
    pixel under a position is found by the same rule. Positions up to half a pixel outside of
    the centres of the outermost pixels lie on these pixels, and are in the field.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_cellfate import to_movies
    >>> from sklearn_cellfate.io import extract_cells
    >>> movie = np.arange(2 * 5 * 5, dtype="uint8").reshape(2, 5, 5)
    >>> tracks = pd.DataFrame({"cell": 7, "frame": [0, 1], "x": [2, 0], "y": [2, 3]})
    >>> table = extract_cells(movie, tracks, size=3)
    >>> table[["cell", "field", "frame", "padding"]]
       cell  field  frame padding
    0     7  stack  [0 1]   [0 3]
    >>> to_movies(table)[0][:, 0]
    array([[[ 6,  7,  8],
            [11, 12, 13],
            [16, 17, 18]],
           [[ 0, 35, 36],
            [ 0, 40, 41],
            [ 0, 45, 46]]], dtype=uint8)
    """
    shape = _check_size(size)
    if mask not in MASKS:
        raise ValueError(f"mask must be 'apply', 'channel' or None, found {mask!r}.")
    if mask == "channel" and labels is None:
        raise ValueError("mask='channel' needs labels.")
    fields = collect_fields(stack, tracks, labels, label_column)
    _check_fits(shape, fields)
    if len(fields) == 1:
        results = [_cut_field(fields[0], shape, mask, verbose)]
    else:
        jobs = [delayed(_cut_field)(field, shape, mask) for field in fields]
        finished = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
        results = list(tqdm(finished, total=len(jobs), unit="field", disable=not verbose))
    _warn_of_labels(fields, [measured for _, measured in results])
    return _make_table(fields, results)


def _check_size(size):
    shape = (size, size) if isinstance(size, Integral) else tuple(np.ravel(size).tolist())
    whole = all(isinstance(side, Integral) and not isinstance(side, bool) for side in shape)
    if len(shape) != 2 or not whole or min(shape) < 1:
        raise ValueError(
            f"size must be a whole number of pixels or (height, width), found {size!r}."
        )
    return tuple(int(side) for side in shape)


def _check_fits(shape, fields):
    for field in fields:
        height, width = field.stack.shape[2:]
        if shape[0] > height or shape[1] > width:
            raise ValueError(
                f"a crop of {shape[0]} x {shape[1]} pixels is larger than field {field.name!r} "
                f"of {height} x {width} pixels; choose a smaller size."
            )


def _cut_field(field, shape, mask, verbose=0):
    """Return the crops of a field, one a row of its tracks, and what was measured on them."""
    n_rows, (_, channels, height, width) = len(field.tracks), field.stack.shape
    # The very border, halfway between the first pixel and none, belongs to the first pixel.
    y, x = (np.maximum(field.tracks[axis], INNERMOST_BORDER) for axis in "yx")
    top, left = window_starts(y, shape[0]), window_starts(x, shape[1])
    covered = count_inside(top, shape[0], height) * count_inside(left, shape[1], width)
    measured = {"padding": shape[0] * shape[1] - covered}
    has_labels = field.labels is not None
    if has_labels:
        own = _OwnLabels(field.own, window_starts(y, 1), window_starts(x, 1))
        measured |= {name: np.empty(n_rows, dtype) for name, dtype in MEASURED.items()}
    with_mask = has_labels and mask == "channel"
    # One block for all: Arrow takes it as it is, and each movie is a piece of it.
    crops = np.empty((n_rows, channels + with_mask, *shape), field.stack.dtype)
    for t, rows in tqdm(_by_frame(field.tracks["frame"]), unit="frame", disable=not verbose):
        windows = cut_windows(field.stack[t], top[rows], left[rows], shape)
        if has_labels:
            labels = field.labels[t][0]
            objects = find_objects(labels, own(labels, rows), top[rows], left[rows], shape)
            for name in MEASURED:
                measured[name][rows] = getattr(objects, name)
            if mask == "apply":
                blacken_outside(windows, objects.mask)
            elif with_mask:
                crops[rows, -1] = objects.mask
        crops[rows, :channels] = windows
    return crops, measured


class _OwnLabels(NamedTuple):
    """Which label each row's cell has: that given, or that under its position."""

    given: np.ndarray | None
    row: np.ndarray
    column: np.ndarray

    def __call__(self, labels, rows):
        if self.given is not None:
            return self.given[rows]
        return labels[self.row[rows], self.column[rows]]


def _by_frame(frames):
    """Frame numbers in order, each with the rows that have it."""
    frames = frames.to_numpy()
    order = np.argsort(frames, kind="stable")
    numbers, starts = np.unique(frames[order], return_index=True)
    return list(zip(numbers.tolist(), np.split(order, starts[1:])))


def _warn_of_labels(fields, measured):
    """Warn of labels that cannot be meant as they are, and of crops too small for the objects."""
    if fields[0].labels is None:
        return
    rows = pd.concat(
        [
            pd.DataFrame({name: found[name] for name in ("label", "cut", "at_edge", "shared")})
            .assign(cell=field.tracks["cell"], given=field.label_column)
            .astype({"given": object})
            for field, found in zip(fields, measured)
        ],
        ignore_index=True,
    )
    for warning in (_without_object(rows), _all_the_same(rows), _not_the_cells(rows), _cut(rows)):
        if warning:
            warnings.warn(warning, stacklevel=3)


def _without_object(rows):
    without = rows["label"] == 0
    if 2 * without.sum() <= len(rows):
        return None
    column = rows["given"][without].iloc[0]
    where = (
        "the position lies on background; are x and y in pixels (if in micrometres, "
        "read_tracks(..., pixel_size=...)), and do frames and labels belong together?"
        if column is None
        else f"the label in column {column!r} is not in the crop; is it another column?"
    )
    return f"in {without.sum()} of {len(rows)} rows of the tracks {where}"


def _all_the_same(rows):
    found = rows["label"][rows["label"] != 0].unique()
    if len(found) != 1 or not rows["shared"].any():
        return None
    return (
        f"all cells have the label {found[0]}: are the labels a mask? "
        "skimage.measure.label numbers its objects."
    )


def _not_the_cells(rows):
    """Say so if labels are the cells' own numbers, but the position lies beside the cell."""
    rows = rows[rows["given"].isna()]
    if not len(rows) or not pd.api.types.is_numeric_dtype(rows["cell"]):
        return None
    wrong = np.count_nonzero(rows["label"] != rows["cell"])
    if wrong == 0 or len(rows) - wrong < MOSTLY_CELLS * len(rows):
        return None
    return (
        f"in {wrong} of {len(rows)} rows of the tracks the label under the position is not the "
        "number of the cell, as it is in all others; "
        'label_column="cell" says that labels are the numbers of the cells.'
    )


def _cut(rows):
    whole = rows[(rows["label"] != 0) & ~rows["at_edge"]]
    n_cut = whole["cut"].sum()
    if n_cut <= MANY_CUT * len(whole):
        return None
    return (
        f"{n_cut} of {len(whole)} objects reach the border of their crop and may go on beyond: "
        "take a larger size; areas count only what is in the crop"
    )


def _make_table(fields, results):
    tracks = pd.concat([field.tracks for field in fields], ignore_index=True)
    field_names = np.repeat([field.name for field in fields], [len(f.tracks) for f in fields])
    changes = (tracks["cell"] != tracks["cell"].shift()).to_numpy(dtype=bool, copy=True)
    changes[1:] |= field_names[1:] != field_names[:-1]
    starts = np.flatnonzero(changes)
    offsets = np.append(starts, len(tracks))
    measured = {
        name: np.concatenate([found[name] for _, found in results]) for name in results[0][1]
    }
    own = ["cell", "frame", "x", "y"]
    constant, changing = {}, {}
    for name in tracks.columns.difference(own, sort=False):
        new_name = _free_name(name, tracks.columns, {"field", "movie", *measured})
        column = _storable(tracks[name])
        if _is_constant(column, starts):
            constant[new_name] = column.iloc[starts].reset_index(drop=True)
        else:
            changing[new_name] = _list_column(column, offsets)
    return pd.DataFrame(
        {
            "cell": tracks["cell"].iloc[starts].reset_index(drop=True),
            "field": pd.Series(field_names[starts], dtype="str"),
            **constant,
            "movie": _movies(fields, results, offsets),
            **{name: _list_column(tracks[name], offsets) for name in ("frame", "x", "y")},
            **{name: _list_column(values, offsets) for name, values in measured.items()},
            **changing,
        }
    )


def _free_name(name, columns, taken):
    new_name = name
    while new_name in taken or (new_name != name and new_name in columns):
        new_name = f"{new_name}_in_tracks"
    return new_name


def _movies(fields, results, offsets):
    """Join the movies of all fields; each field's crops stay where they are."""
    columns, begin = [], 0
    for field, (crops, _) in zip(fields, results):
        end = begin + len(field.tracks)
        of_field = offsets[(offsets >= begin) & (offsets <= end)]
        columns.append(pd.Series(movie_column_of_frames(crops, np.diff(of_field))))
        begin = end
    return pd.concat(columns, ignore_index=True)


def _storable(column):
    """Return a column that Arrow can hold: numbers among text become text."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(column.cat.categories.dtype)
    try:
        pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return column.astype("str")
    return column


def _is_constant(column, starts):
    try:
        codes = pd.factorize(column, use_na_sentinel=False)[0]
    except TypeError as error:
        raise TypeError(
            f"column {column.name!r} of the tracks holds more than one value a row: {error}."
        ) from error
    of_first = np.repeat(codes[starts], np.diff(starts, append=len(codes)))
    return bool((of_first == codes).all())


def _list_column(values, offsets):
    numbers = isinstance(getattr(values, "dtype", None), np.dtype) and values.dtype.kind in "biuf"
    flat = pa.array(np.asarray(values)) if numbers else pa.array(values, from_pandas=True)
    if isinstance(flat, pa.ChunkedArray):
        flat = flat.combine_chunks()
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)
    return pd.arrays.ArrowExtensionArray(pa.chunked_array([lists]))
