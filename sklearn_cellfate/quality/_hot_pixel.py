"""The flag for hot pixels, over all frames of all cells at once."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_cellfate.quality._lists import (
    cannot_judge,
    check_table,
    has_only,
    refuse_missing,
    with_marks,
)
from sklearn_cellfate.table import movie_column_names, only_column, to_movies

# Of one channel, in float32: a few hundred kilobytes, which stay in a core's cache.
PIXELS_A_BATCH = 1 << 17


@validate_params(
    {
        "table": "no_validation",
        "channel": [Interval(Integral, 0, None, closed="left"), "array-like"],
        "threshold": [Interval(Real, 0, None, closed="left")],
        "mask_channel": [Integral, None],
    },
    prefer_skip_nested_validation=True,
)
def flag_hot_pixel(table, *, channel=(0, 1), threshold=4.0, mask_channel=None):
    """Flag cells with a hot pixel in at least one frame.

    A frame has a hot pixel if one pixel is more than `threshold` above every other pixel of the
    same image. By default the image is the ratio of two channels, either way up: CFP / YFP shows
    a pixel that is hot in CFP (the study looked at this one alone), YFP / CFP one that is hot in
    YFP. A ratio is 0 where it means nothing: where the denominator is not positive, or the result
    not finite.

    Parameters
    ----------
    table : DataFrame
        Cell table with one movie column.
    channel : int or tuple of (int, int), default=(0, 1)
        The channel to look at, or the two whose ratios to look at.
    threshold : float, default=4.0
        In the unit of the image looked at: no unit for a ratio, grey values for one channel,
        where it has to be chosen by the camera.
    mask_channel : int, default=None
        A channel that is positive inside the cell, such as -1 after ``extract_cells(...,
        mask="channel")``. Pixels outside count as 0. By default all pixels count as they are.

    Returns
    -------
    flagged : DataFrame
        A copy of `table` with the boolean column ``flag_hot_pixel`` and the list column
        ``hot_pixel``.

    Raises
    ------
    ValueError
        If there is no movie column or several, if a row has no movie, or if the movies lack one
        of the channels.

    Notes
    -----
    An image of a single pixel has no hot one. Pixels that are NaN are not compared.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_cellfate import movie_column
    >>> from sklearn_cellfate.quality import flag_hot_pixel
    >>> movie = np.ones((3, 2, 20, 20))
    >>> movie[1, 0, 5, 5] = 6
    >>> cells = flag_hot_pixel(pd.DataFrame({"movie": movie_column([movie])}))
    >>> cells["flag_hot_pixel"][0], cells["hot_pixel"][0]
    (np.True_, [False, True, False])
    """
    check_table(table)
    names = movie_column_names(table)
    if not names:
        raise cannot_judge("flag_hot_pixel", "a movie column", has_only(table))
    name = only_column(table, names, "movie")
    channels = _pair(channel)
    _check_channels(table[name].dtype, name, channels, mask_channel)
    refuse_missing(table[name])
    movies = to_movies(table[name])
    lengths = np.array([len(movie) for movie in movies], dtype=np.int64)
    parts = [_are_hot(frames, channels, threshold, mask_channel) for frames in batches(movies)]
    hot = np.concatenate([np.empty(0, dtype=bool), *parts])
    return with_marks(table, "hot_pixel", hot, lengths)


def _pair(channel):
    if isinstance(channel, int | np.integer):
        return (channel,)
    channels = tuple(channel)
    if len(channels) != 2 or not all(isinstance(c, int | np.integer) and c >= 0 for c in channels):
        raise ValueError(
            f"channel must be one channel or the two of a ratio, from 0 up; found {channel!r}."
        )
    return channels


def _check_channels(dtype, name, channels, mask_channel):
    shape = dtype.pyarrow_dtype.value_type.shape
    n_channels = shape[0] if len(shape) == 3 else 1
    if max(channels) >= n_channels:
        channel = channels if len(channels) == 2 else channels[0]
        needs = f"{max(channels) + 1} channels for channel={channel}"
        found = f"the movies in column {name!r} have {n_channels}"
        raise cannot_judge("flag_hot_pixel", needs, found)
    if mask_channel is not None and not -n_channels <= mask_channel < n_channels:
        raise ValueError(
            f"mask_channel={mask_channel} is none of the {n_channels} channel(s) of the movies "
            f"in column {name!r}."
        )
    if mask_channel is not None and mask_channel % n_channels in channels:
        raise ValueError(
            f"mask_channel={mask_channel} is one of the channels to look at, "
            f"{channels if len(channels) == 2 else channels[0]}, of the {n_channels} that the "
            f"movies in column {name!r} have."
        )


def batches(movies):
    """Give the frames of all movies, in order, in arrays of about PIXELS_A_BATCH pixels."""
    batch, n_frames = [], 0
    for movie in movies:
        most = max(1, PIXELS_A_BATCH // int(np.prod(movie.shape[2:])))
        for start in range(0, len(movie), most):
            piece = movie[start : start + most]
            if n_frames + len(piece) > most:
                yield np.concatenate(batch)
                batch, n_frames = [], 0
            batch.append(piece)
            n_frames += len(piece)
    if batch:
        yield np.concatenate(batch)


def _are_hot(frames, channels, threshold, mask_channel):
    ways_up = [channels] if len(channels) == 1 else [channels, channels[::-1]]
    return np.any([_stand_out(frames, way, threshold, mask_channel) for way in ways_up], axis=0)


def _stand_out(frames, channels, threshold, mask_channel):
    pixels = _image_to_judge(frames, channels)
    if mask_channel is not None:
        pixels[frames[:, mask_channel] <= 0] = 0
    pixels = pixels.reshape(len(pixels), -1)
    if pixels.shape[1] == 1:
        return np.zeros(len(pixels), dtype=bool)
    rows, brightest = np.arange(len(pixels)), pixels.argmax(axis=1)
    highest = pixels[rows, brightest].astype(float)
    pixels[rows, brightest] = -np.inf
    with np.errstate(invalid="ignore"):  # infinite twice: neither is above the other
        return highest - pixels.max(axis=1) > threshold


def _image_to_judge(frames, channels):
    """Return a new float32 array of shape (n_frames, H, W) without NaN."""
    images = frames[:, channels[0]].astype(np.float32)
    if len(channels) == 1:
        images[np.isnan(images)] = -np.inf
        return images
    denominator = frames[:, channels[1]].astype(np.float32)
    with np.errstate(all="ignore"):
        np.divide(images, denominator, out=images)
    images[~((denominator > 0) & np.isfinite(images))] = 0
    return images
