"""A table of movies, seen at one moment after the other."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklearn_cellfate.preprocessing import RelativeTimeSampler
from sklearn_cellfate.preprocessing._relative_time import (
    _lists,
    _number_lists,
    _sampled_columns,
)
from sklearn_cellfate.table import image_column, is_movie_dtype, listing, to_movies

__all__ = ["UNITS", "see_at_times"]

UNITS = ("relative", "frames", "hours")


def see_at_times(X, times, unit, frame_interval, frames):
    """Cut a table of movies into one table a moment.

    Parameters
    ----------
    X : DataFrame
        With at least one movie column or column of lists of numbers.
    times : int or array-like of float
        How many, or which.
    unit : {"relative", "frames", "hours"}
        See ``time_course``.
    frame_interval : float or None
        Hours between frames.
    frames : str or None
        Column of frame numbers.

    Returns
    -------
    moments : Bunch
        ``times``, ndarray of shape (n_times,); ``tables``, a list of as many DataFrames with all
        rows of X, each movie replaced by the image of that moment and each list by its number;
        ``present``, ndarray of bool of shape (n_times, n): whether a row was still observed.
        Where not, its table holds the last frame, to keep the place.
    """
    if not isinstance(X, pd.DataFrame):
        raise ValueError(
            f"X must be a cell table (DataFrame) with a movie column, found a {type(X).__name__}; "
            "movie_column makes one of arrays."
        )
    if not _sampled_columns(X):
        raise ValueError(
            "X must have at least one movie column or column of lists of numbers, found none "
            f"among {listing(X.columns)}."
        )
    if unit not in UNITS:
        raise ValueError(f"unit must be one of {listing(UNITS)}, found {unit!r}.")
    if unit == "hours":
        if (
            not isinstance(frame_interval, int | float | np.number)
            or not 0 < frame_interval < np.inf
        ):
            raise ValueError(
                "unit='hours' needs frame_interval, the hours between two frames, found "
                f"{frame_interval!r}."
            )
    elif frame_interval is not None:
        raise ValueError(f"frame_interval is for unit='hours', found unit={unit!r}.")
    if unit == "relative":
        return _at_fractions(X, times, frames)
    return _at_frames(X, times, frame_interval or 1, frames)


def _at_fractions(X, times, frames):
    sampler = RelativeTimeSampler(times, frames=frames).fit(X)
    sampled = sampler.transform(X)
    n_times = len(sampler.fractions_)
    names = {name: sampler._names(name) for name in sampler.sampled_columns_}
    tables = [
        _seen(X, frames, {name: sampled[of_name[k]] for name, of_name in names.items()})
        for k in range(n_times)
    ]
    return Bunch(
        times=sampler.fractions_, tables=tables, present=np.ones((n_times, len(X)), dtype=bool)
    )


def _at_frames(X, times, interval, frames):
    # Checks that every row has frames, and as many frame numbers.
    sampler = RelativeTimeSampler([0.0], frames=frames).fit(X)
    sampler.transform(X)
    lives = {name: _read(X[name]) for name in sampler.sampled_columns_}
    numbers = _frame_numbers(X, frames, lives)
    span = np.array([of_row[-1] for of_row in numbers])
    times = _absolute_times(times, span.max(), interval)
    present, tables = [], []
    for time in times:
        passed = int(np.floor(time / interval + 1e-9))
        present.append(passed <= span)
        # What was last seen by then: a later frame is not known yet.
        last = [np.searchsorted(of_row, passed, side="right") - 1 for of_row in numbers]
        tables.append(_seen(X, frames, {name: _pick(of, last) for name, of in lives.items()}))
    return Bunch(times=times, tables=tables, present=np.array(present))


def _seen(X, frames, columns):
    """X with other columns of the same names, in their places, and without frame numbers."""
    table = X.drop(columns=[] if frames is None else [frames])
    for name, column in columns.items():
        table[name] = column
    return table


def _read(column):
    return to_movies(column) if is_movie_dtype(column.dtype) else _lists(column)


def _frame_numbers(X, frames, lives):
    """Frame numbers of each row, from 0; lists without numbers must be equally long."""
    if frames is not None:
        return [of_row - of_row[0] for of_row in _number_lists(X[frames])]
    lengths = {name: np.array([len(life) for life in of]) for name, of in lives.items()}
    (first, expected), *others = lengths.items()
    for name, found in others:
        unequal = np.flatnonzero(found != expected)
        if len(unequal):
            row = unequal[0]
            raise ValueError(
                f"row {row} has {expected[row]} frames in column {first!r} but {found[row]} in "
                f"column {name!r}; drop one of them, or name the frame numbers with frames=."
            )
    return [np.arange(length) for length in expected]


def _absolute_times(times, longest, interval):
    if isinstance(times, Integral):
        if times < 1:
            raise ValueError(f"times must be 1 or more, found {times}.")
        return np.unique(np.rint(np.linspace(0, longest, times))) * interval
    found = np.asarray(times, dtype=float)
    if found.ndim != 1 or not len(found) or not np.all(np.isfinite(found) & (found >= 0)):
        raise ValueError(f"times must be times since the first frame, 0 or more, found {times!r}.")
    if len(np.unique(found)) < len(found):
        raise ValueError(f"times must differ from each other, found {times!r}.")
    return np.sort(found)


def _pick(lives, positions):
    values = [life[position] for life, position in zip(lives, positions)]
    return np.array(values) if np.ndim(values[0]) == 0 else image_column(np.stack(values))
