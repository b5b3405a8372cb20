"""What became of each cell of a film, and when."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sklearn_cellfate.io._tidy_tracks import tidy
from sklearn_cellfate.table import listing

DIVIDES, DIES, CENSORED = "divides", "dies", "censored"
WHERE = "tracks"


def label_fates(
    tracks: pd.DataFrame,
    *,
    n_frames: int | None = None,
    deaths: Any = None,
    min_daughters: int = 1,
) -> pd.DataFrame:
    """Say for each cell whether it divides, dies or is censored, and when.

    A cell with daughters *divides*, in its last frame before the first of them. A single daughter
    that begins more than one frame after its mother's last is no daughter but the same cell, lost
    and found again. A cell named in `deaths` *dies*. All others are *censored*: they were last
    seen alive, and what became of them after that nobody knows.

    Parameters
    ----------
    tracks : DataFrame
        One row a cell and frame, as :func:`read_tracks` gives them: columns `cell` and `frame`,
        and `parent`, without which no division can be seen. One field of view: label several
        fields one by one.
    n_frames : int, default=None
        Length of the film. By default it ends with the last frame in `tracks`.
    deaths : str, mapping of cell to frame, or collection of cells, default=None
        Deaths, which no tracker sees. The name of a boolean column of `tracks`: a cell dies in
        its first frame with True, or, if all its frames have True, in its last. A dict or Series
        gives each dead cell's frame. Of cells in a list or set, the last frame is that of death.
    min_daughters : int, default=1
        With fewer daughters a cell does not count as dividing. One is enough by default, if it
        begins in the frame after its mother's last, since the second is often lost at once, out
        of focus or out of the field. Use 2 where the tracker also gives a cell a new number
        without a gap. A mother that goes on under her own number is one of her own daughters.

    Returns
    -------
    fates : DataFrame
        One row a cell, in the order of `cell`:

        - `cell`: as in `tracks`
        - `fate`: "divides", "dies" or "censored"
        - `time`: int64, the frame of the division, the death, or the last sight of the cell
        - `lifetime`: int64, frames from the cell's first to `time`
        - `born`: bool, whether its mother is known and divides, so that its life was seen from
          the start
        - `lost`: bool, censored before the film's end
        - `daughters`: int64, how many cells name it as their parent
        - `start`: int64, the cell's first frame

    Raises
    ------
    ValueError
        If a column is missing; if `tracks` has no rows, repeats a cell in a frame or gives a cell
        several parents; if a frame lies past `n_frames`; if `deaths` names cells that are not
        there, or cells that divide, or frames in which they were not yet there.

    Warns
    -----
    UserWarning
        If no cell has a parent, so that no division can be seen.

    See Also
    --------
    read_tracks : Tracks from the files of many programs.

    Notes
    -----
    *Right censoring.* "Divides within the film" is not the opposite of "never divides". A cell
    that the film's end (or the tracker, `lost`) takes away after ten frames had little time to
    divide; as a negative example it teaches a classifier how long cells were watched. Either
    compare cells watched equally long, for instance only those with ``start + horizon <
    n_frames`` and not lost before ``start + horizon``; or use methods for survival (Kaplan and
    Meier [1]_, Cox), which need of each cell the time and whether the event was seen:
    ``fates["lifetime"]`` and ``fates["fate"] == "divides"``. Death is then a competing event, not
    an ordinary censoring. Cells that are `lost` are censored fairly only if losing them has
    nothing to do with their fate; cells that round up to divide or die are lost more easily.

    *Left truncation.* Of cells there from the first frame, or entering later without a mother,
    nobody knows the age: `born` is False, and `lifetime` counts from the first sight. Compare
    life spans among born cells only, or count time from an event that all share, such as the drug.

    *Cells found again.* The Cell Tracking Challenge [2]_ writes a cell that was out of sight under
    a new number, with the old one as its parent. Such a single daughter after a gap makes no
    division: the first cell is censored and `lost`, the second is not `born`. Two daughters make
    a division after a gap too.

    *Mothers that keep their number.* Some trackers give one daughter the mother's number. The
    division is then at the last frame before the other daughter's first; the later rows under the
    mother's number are a daughter's, of which there is no row in the result.

    References
    ----------
    .. [1] E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations",
       Journal of the American Statistical Association 53, 1958.
       :doi:`10.1080/01621459.1958.10501452`
    .. [2] M. Maška et al., "The Cell Tracking Challenge: 10 years of objective benchmarking",
       Nature Methods 20, 2023. :doi:`10.1038/s41592-023-01879-y`

    Examples
    --------
    Cell 1 divides into 2 and 3 after frame 1. Cell 3 is lost, 2 is there until the end.

    >>> import pandas as pd
    >>> from sklearn_cellfate.io import label_fates
    >>> tracks = pd.DataFrame(
    ...     {
    ...         "cell": [1, 1, 2, 2, 3],
    ...         "frame": [0, 1, 2, 3, 2],
    ...         "parent": [None, None, 1, 1, 1],
    ...     }
    ... )
    >>> label_fates(tracks)
       cell      fate  time  lifetime   born   lost  daughters  start
    0     1   divides     1         1  False  False          2      0
    1     2  censored     3         1   True  False          0      2
    2     3  censored     2         0   True   True          0      2
    """
    if min_daughters < 1:
        raise ValueError(f"min_daughters is {min_daughters!r}; expected 1 or more.")
    tracks = _checked(tracks, deaths)
    n_frames = _film_length(tracks, n_frames)
    lives = _lives(tracks)
    division = _divisions(tracks, lives, min_daughters)
    death = _deaths(tracks, lives, deaths)
    both = lives.index[division.notna() & death.notna()]
    if len(both):
        raise ValueError(
            f"cells {listing(both)} are named in deaths, but divide; expected one fate a cell."
        )
    late = lives.index[death >= n_frames]
    if len(late):
        raise ValueError(
            f"cells {listing(late)} die in frame {death[late[0]]:g} or later; expected frames "
            f"below n_frames={n_frames}."
        )
    fate = np.select([division.notna(), death.notna()], [DIVIDES, DIES], CENSORED)
    time = division.fillna(death).fillna(lives["last"]).astype(np.int64)
    # A mother with too few daughters to divide was lost and found again under another number.
    found_again = lives["parent"].isin(lives.index[division.isna()])
    fates = pd.DataFrame(
        {
            "fate": pd.Series(fate, lives.index, dtype="str"),
            "time": time,
            "lifetime": time - lives["start"],
            "born": (lives["parent"].notna() & ~found_again).astype(bool),
            "lost": (fate == CENSORED) & (lives["last"] < n_frames - 1),
            "daughters": lives["daughters"],
            "start": lives["start"],
        }
    )
    return fates.reset_index()


def _checked(tracks, deaths):
    """Return the columns that matter, in the tidy form."""
    names = ["cell", "frame"] + ([deaths] if isinstance(deaths, str) else [])
    missing = [name for name in names if name not in tracks.columns]
    if missing:
        raise ValueError(f"tracks has no column {missing[0]!r}; it has {listing(tracks.columns)}.")
    if isinstance(deaths, str) and not _is_boolean(tracks[deaths]):
        raise ValueError(
            f"column {deaths!r} has dtype {tracks[deaths].dtype}; expected True and False."
        )
    names += ["parent"] if "parent" in tracks.columns else []
    # Where the cells are does not matter to their fate.
    table = tidy(tracks[names].assign(x=0.0, y=0.0), where=WHERE)
    if table["parent"].isna().all():
        warnings.warn(
            "no cell of these tracks has a parent, so no division can be seen: every cell that "
            "does not die is censored.",
            stacklevel=3,
        )
    return table


def _is_boolean(values):
    return pd.api.types.is_bool_dtype(values.dtype) and values.notna().all()


def _film_length(tracks, n_frames):
    last = int(tracks["frame"].max())
    if n_frames is None:
        return last + 1
    if last >= n_frames:
        raise ValueError(f"tracks go on to frame {last}; expected frames below {n_frames=}.")
    return int(n_frames)


def _lives(tracks):
    """Return a row a cell: its first and last frame, its parent, how many daughters it has."""
    lives = tracks.groupby("cell").agg(start=("frame", "min"), last=("frame", "max"))
    lives["parent"] = tracks.drop_duplicates("cell").set_index("cell")["parent"]
    daughters = lives["parent"].value_counts()
    lives["daughters"] = daughters.reindex(lives.index, fill_value=0).astype(np.int64)
    return lives


def _divisions(tracks, lives, min_daughters):
    """Return each cell's last frame before its first daughter, or NaN if it does not divide."""
    first_daughter = lives.groupby("parent")["start"].min().reindex(lives.index)
    goes_on = lives["last"] >= first_daughter
    n_daughters = lives["daughters"] + goes_on
    found_again = (n_daughters == 1) & (first_daughter > lives["last"] + 1)
    enough = (n_daughters >= min_daughters) & ~found_again
    before = tracks["frame"] < tracks["cell"].map(first_daughter[enough])
    return tracks[before].groupby("cell")["frame"].max().reindex(lives.index).astype(np.float64)


def _deaths(tracks, lives, deaths):
    """Return the frame of each cell's death, or NaN."""
    none = pd.Series(np.nan, index=lives.index)
    if deaths is None:
        return none
    if isinstance(deaths, str):
        return _deaths_marked(tracks, deaths).reindex(lives.index).astype(np.float64)
    if isinstance(deaths, Mapping | pd.Series):
        given = pd.Series(deaths, dtype=np.float64)
    else:
        cells = pd.Index(list(deaths))
        given = lives["last"].reindex(cells).astype(np.float64)
    unknown = [cell for cell in given.index if cell not in lives.index]
    if unknown:
        raise ValueError(f"deaths names cells that are not in tracks: {listing(unknown)}.")
    wrong = given.index[~(given >= lives["start"][given.index]) | (given % 1 != 0)]
    if len(wrong):
        raise ValueError(
            f"deaths says frame {given[wrong[0]]:g} for cell {listing(wrong[:1])}; expected a "
            f"whole number from its first frame, {lives['start'][wrong[0]]}, on."
        )
    return none.fillna(given)


def _deaths_marked(tracks, column):
    marked = tracks[tracks[column]].groupby("cell")["frame"]
    always = tracks.groupby("cell")[column].all()
    return marked.min().where(~always[marked.min().index], marked.max())
