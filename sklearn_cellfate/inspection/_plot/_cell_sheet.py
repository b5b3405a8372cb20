"""plot_cells: a contact sheet of the crops of a cell table."""

from numbers import Integral

import numpy as np

from sklearn_cellfate.table import (
    image_column_names,
    is_image_dtype,
    is_movie_dtype,
    listing,
    movie_column_names,
    only_column,
    to_images,
    to_movies,
)

__all__ = ["plot_cells"]

GAP = 1  # pixels between two tiles


def plot_cells(
    table,
    column=None,
    *,
    labels="cell",
    times=(0.0,),
    channels=None,
    max_cells=60,
    n_columns=None,
    percentiles=(0, 99.8),
    mark_centre=False,
    cmap="gray",
    ax=None,
):
    """Draw a contact sheet: the crops of a cell table, tile by tile.

    Look at it before anything is learned from the table: are the cells centred, whole and alone?

    Parameters
    ----------
    table : DataFrame
        The cell table, as ``extract_cells`` makes it.
    column : str, default=None
        The image or movie column; may be left out where there is one.
    labels : str, list of str or None, default="cell"
        Columns whose values stand above each cell, one below the other; of a list column with a
        value a frame, the values of the frames drawn. None for no caption. The default draws
        none if the table has no such column.
    times : sequence of float, default=(0.0,)
        For movies, which frames of each cell to draw side by side: 0 is its first, 1 its last,
        0.5 the one in the middle of those that it has.
    channels : int or sequence of int, default=None
        Which channels to draw side by side; all by default. Negative ones count from the last.
    max_cells : int, default=60
        Draw no more than this many, evenly spread over the rows of the table.
    n_columns : int, default=None
        Cells in a row of the sheet; by default such that the sheet is about as high as wide.
    percentiles : tuple of (float, float), default=(0, 99.8)
        Of all pixels drawn in a channel, those that become black and white. All tiles of a
        channel have the same scale, so that dark cells look dark.
    mark_centre : bool, default=False
        Whether to mark the middle of each tile with a cross.
    cmap : str or matplotlib Colormap, default="gray"
        Colours of the pixels.
    ax : matplotlib Axes, default=None
        Where to draw; a new figure by default.

    Returns
    -------
    ax : matplotlib Axes
        With the sheet; ``ax.figure.savefig("sheet.png")`` saves it.

    Raises
    ------
    ValueError
        If there is no such column or channel, the table has no rows, a cell has no frame, or
        `times` are not fractions.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_cellfate import image_column
    >>> from sklearn_cellfate.inspection import plot_cells
    >>> images = np.random.default_rng(0).random((4, 8, 8))
    >>> ax = plot_cells(pd.DataFrame({"cell": range(4), "image": image_column(images)}))
    >>> [text.get_text() for text in ax.texts]
    ['0', '1', '2', '3']
    """
    column = _pixel_column(table, column)
    table = _some_rows(table, max_cells)
    images, positions = _chosen_images(table[column], times)
    images = images[:, :, _chosen_channels(channels, images.shape[2])]
    images = _scaled(images, percentiles)
    n_columns = _columns_of_sheet(images, n_columns)
    captions = _captions(table, labels, positions)
    sheet, corners = _paste(images, n_columns, _lines_of(captions))
    ax = _axes(sheet) if ax is None else ax
    ax.imshow(sheet, cmap=cmap, vmin=0, vmax=1, interpolation="nearest")
    ax.set_axis_off()
    _write_captions(ax, corners, captions, images.shape)
    if mark_centre:
        _mark_centres(ax, corners, images.shape)
    return ax


def _pixel_column(table, column):
    if column is None:
        names = image_column_names(table) + movie_column_names(table)
        return only_column(table, names, "image or movie")
    _check_there(table, column)
    if not (is_image_dtype(table[column].dtype) or is_movie_dtype(table[column].dtype)):
        raise ValueError(f"column {column!r} holds neither images nor movies.")
    return column


def _check_there(table, name):
    if name not in table.columns:
        raise ValueError(f"the table has no column {name!r}; it has {listing(table.columns)}.")


def _some_rows(table, max_cells):
    if not len(table):
        raise ValueError("the table has no rows: there is no cell to draw.")
    if not isinstance(max_cells, Integral) or max_cells < 1:
        raise ValueError(f"max_cells must be a whole number from 1, found {max_cells!r}.")
    n_cells = min(len(table), max_cells)
    return table.iloc[np.linspace(0, len(table) - 1, n_cells).round().astype(int)]


def _chosen_images(column, times):
    """Return images of shape (n, n_times, C, H, W), and of movies which frames they are."""
    if is_image_dtype(column.dtype):
        return to_images(column)[:, np.newaxis], None
    times = np.atleast_1d(np.asarray(times, dtype=float))
    if times.ndim != 1 or not len(times) or not ((times >= 0) & (times <= 1)).all():
        raise ValueError(f"times must be fractions from 0 to 1, found {times.tolist()}.")
    movies = to_movies(column)
    empty = [row for row, movie in enumerate(movies) if not len(movie)]
    if empty:
        raise ValueError(f"{len(empty)} cells have no frame; the first is row {empty[0]}.")
    positions = [np.round(times * (len(movie) - 1)).astype(int) for movie in movies]
    return np.stack([movie[chosen] for movie, chosen in zip(movies, positions)]), positions


def _chosen_channels(channels, n_channels):
    chosen = np.arange(n_channels) if channels is None else np.atleast_1d(channels)
    if not len(chosen) or chosen.min() < -n_channels or chosen.max() >= n_channels:
        raise ValueError(f"channels={channels!r}, but the images have {n_channels} channel(s).")
    return chosen


def _scaled(images, percentiles):
    """Bring each channel to the range from 0 to 1, the same for all cells."""
    images = np.nan_to_num(images.astype(np.float32), posinf=0, neginf=0)
    low, high = np.percentile(images, percentiles, axis=(0, 1, 3, 4), keepdims=True)[:, 0]
    return np.clip((images - low) / np.where(high > low, high - low, 1), 0, 1)


def _columns_of_sheet(images, n_columns):
    n_cells, n_times, n_channels, height, width = images.shape
    if n_columns is None:
        n_columns = round((1.3 * n_cells * height / (n_times * n_channels * width)) ** 0.5)
    elif not isinstance(n_columns, Integral) or n_columns < 1:
        raise ValueError(f"n_columns must be a whole number from 1, found {n_columns!r}.")
    return int(np.clip(n_columns, 1, n_cells))


def _captions(table, labels, positions):
    """Return a list of lines for each cell."""
    if isinstance(labels, str):
        labels = [labels] if labels != "cell" or "cell" in table.columns else []
    absent = [name for name in labels or () if name not in table.columns]
    if absent:
        raise ValueError(
            f"the table has no column {absent[0]!r}; it has {listing(table.columns)}."
        )
    columns = [table[name].tolist() for name in labels or ()]
    if positions is None:
        positions = [None] * len(table)
    return [
        [_text(values, frames) for values, frames in zip(row, [chosen] * len(row))]
        for row, chosen in zip(zip(*columns), positions)
    ] or [[]] * len(table)


def _text(value, frames):
    if isinstance(value, (list, np.ndarray)) and frames is not None:
        return " ".join(_text(value[frame], None) for frame in frames)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _lines_of(captions):
    return max(map(len, captions))


def _caption_height(images_shape):
    """Pixels of the sheet for a line of text; at least a fifth of a tile, to be read."""
    return max(images_shape[3] // 5, 3)


def _paste(images, n_columns, n_lines):
    """Return the sheet and the upper left corner (row, column) of each cell's tiles."""
    n_cells, n_times, n_channels, height, width = images.shape
    above = n_lines * _caption_height(images.shape) + GAP
    n_tiles = n_times * n_channels
    cell_height, cell_width = above + height, n_tiles * (width + GAP) + 2 * GAP
    n_rows = -(-n_cells // n_columns)
    sheet = np.full((n_rows * cell_height + GAP, n_columns * cell_width), np.nan, np.float32)
    rows, columns = np.divmod(np.arange(n_cells), n_columns)
    corners = np.column_stack([rows * cell_height + above, columns * cell_width + GAP])
    tiles = images.reshape(n_cells, n_tiles, height, width)
    for corner, of_cell in zip(corners, tiles):
        for left, tile in zip(_tile_lefts(corner, images.shape), of_cell):
            sheet[corner[0] : corner[0] + height, left : left + width] = tile
    return sheet, corners


def _tile_lefts(corner, images_shape):
    n_tiles = images_shape[1] * images_shape[2]
    return corner[1] + np.arange(n_tiles) * (images_shape[4] + GAP)


def _axes(sheet):
    import matplotlib.pyplot as plt

    height, width = sheet.shape
    figure_width = 9 if width > height else 7
    _, ax = plt.subplots(figsize=(figure_width, figure_width * height / width))
    ax.set_position([0, 0, 1, 1])
    return ax


def _write_captions(ax, corners, captions, images_shape):
    line = _caption_height(images_shape)
    points = ax.get_window_extent().width / ax.figure.dpi * 72 / np.diff(ax.get_xlim())[0]
    for corner, lines in zip(corners, captions):
        for number, text in enumerate(reversed(lines)):
            y = corner[0] - GAP - number * line
            ax.text(corner[1], y, text, size=0.75 * line * points, va="bottom", clip_on=True)


def _mark_centres(ax, corners, images_shape):
    _, _, _, height, width = images_shape
    points = [
        (left + (width - 1) / 2, corner[0] + (height - 1) / 2)
        for corner in corners
        for left in _tile_lefts(corner, images_shape)
    ]
    ax.plot(*np.transpose(points), "+", color="tab:red", markersize=4, markeredgewidth=0.6)
