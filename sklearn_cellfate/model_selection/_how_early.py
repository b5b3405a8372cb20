"""The first time at which calls are precise enough for enough of the cells."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_cellfate.table import listing

__all__ = ["how_early"]

SHARE = [Interval(Real, 0, 1, closed="right")]


@validate_params(
    {
        "course": [dict],
        "precision": SHARE,
        "coverage": SHARE,
        "n_bootstraps": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def how_early(
    course, *, precision=0.9, coverage=0.5, label=None, n_bootstraps=1000, random_state=None
):
    """Find the first time at which a fate can be called with a wanted precision.

    A cell is called where its held-out probability reaches a threshold; the others are "not sure
    yet". Precision is the share of the called cells that do have the fate, coverage the share of
    all cells of this fate that are called. The threshold for the cells of a fold comes from the
    held-out cells of the other folds at this time, and not from the cells that it is judged on:
    the middle one of those that give both the wanted precision and the wanted coverage there, or
    else the lowest that gives the precision. What it gives on its own fold may be less than
    wanted, and then the time does not count.

    Parameters
    ----------
    course : Bunch
        From :func:`time_course`, of estimators with probabilities.
    precision : float, default=0.9
        Wanted precision, above 0 and at most 1.
    coverage : float, default=0.5
        Wanted coverage, above 0 and at most 1.
    label : label, default=None
        The fate to call; for two, ``course.pos_label`` by default.
    n_bootstraps : int, default=1000
        Resamplings, of groups where there are any, else of cells, for the intervals.
    random_state : int, RandomState instance or None, default=None
        Of the resampling.

    Returns
    -------
    early : Bunch
        first : DataFrame
            A row an estimator: ``time`` in ``course.unit``, infinite for "never"; ``low`` and
            ``high``, the 95 % bootstrap interval of this time; ``never``, the share of
            resamplings in which it is never reached.
        table : DataFrame
            A row an estimator and time: ``n_called`` and ``n_right`` cells (mean over repeats),
            ``precision`` (NaN without calls) and ``coverage`` with 95 % bootstrap intervals
            ``precision_low`` ... ``coverage_high``, the lowest and highest ``threshold`` of a fold
            (infinite: none gives the precision), and ``reached``.
        label : label
            The fate that is called.
        unit : str
            Of the times, as in `course`.

    Raises
    ------
    ValueError
        If there are no probabilities, or a repeat has a single fold.

    Notes
    -----
    Cells whose movie has ended by a time count in the coverage, as not called: a time is not
    good for having lost them. The first of many times to pass is a little lucky, the more so the
    fewer cells are called: with many times, few cells and a low coverage, one may pass though the
    probabilities are noise. The interval shows how much depends on single cells or groups. It does
    not draw models and thresholds anew.

    A cell has no part in the threshold that it is judged by, but for one way round: the models
    that gave the cells of the other folds their probabilities were trained on it. Only rows set
    aside for the threshold, or folds within folds, would close this way.

    Examples
    --------
    Three times, of which the last tells the classes apart:

    >>> import numpy as np, pandas as pd
    >>> from sklearn.utils import Bunch
    >>> from sklearn_cellfate.model_selection import how_early
    >>> y = np.array([0, 1] * 20)
    >>> p = np.concatenate([np.full(40, 0.5), np.full(40, 0.5), 0.1 + 0.8 * y])
    >>> predictions = pd.DataFrame({
    ...     "estimator": "a", "time": np.repeat([0, 6, 12], 40), "repeat": 0,
    ...     "fold": np.tile(np.arange(40) // 10, 3), "row": np.tile(np.arange(40), 3),
    ...     "probability_1": p,
    ... })
    >>> course = Bunch(
    ...     predictions=predictions, times=[0, 6, 12], y=y, groups=None, unit="hours",
    ...     classes=np.array([0, 1]), pos_label=1,
    ... )
    >>> how_early(course, precision=0.9, coverage=0.5, random_state=0).first
               time   low  high  never
    estimator
    a          12.0  12.0  12.0    0.0
    """
    label = _check_label(course, label)
    column = f"probability_{label}"
    y, groups = course.y, np.arange(len(course.y)) if course.groups is None else course.groups
    units = np.unique(groups, return_inverse=True)[1]
    seed = _seed(random_state)
    first, tables = {}, []
    for name, predictions in course.predictions.groupby("estimator", sort=False):
        if column not in predictions or predictions[column].isna().any():
            raise ValueError(
                f"how_early needs probabilities, which estimator {name!r} does not give; wrap it "
                "in CalibratedClassifierCV."
            )
        calls = _call(predictions, column, y == label, precision, coverage)
        sums = _sums(calls, course.times, units, y == label)
        found = _judge_all(sums, [np.ones(units.max() + 1)], precision, coverage)
        draws = _draw(units.max() + 1, n_bootstraps, seed)  # the same for every estimator
        again = _judge_all(sums, draws, precision, coverage)
        tables.append(_table(name, course.times, calls, sums, found, again))
        first[name] = _first(course.times, found.reached, again.reached)
    index = pd.Index(first, name="estimator")
    return Bunch(
        first=pd.DataFrame(first.values(), index=index, columns=["time", "low", "high", "never"]),
        table=pd.concat(tables, ignore_index=True),
        label=label,
        unit=course.unit,
    )


def _check_label(course, label):
    label = course.pos_label if label is None else label
    if label is None:
        raise ValueError(f"label must be one of the classes {listing(course.classes)}.")
    if label not in list(course.classes):
        raise ValueError(f"label={label!r} is none of the classes {listing(course.classes)}.")
    return label


def _seed(random_state):
    if random_state is None:  # check_random_state would use, and so change, the global generator
        return np.random.SeedSequence().generate_state(1)[0]
    return check_random_state(random_state).randint(2**32, dtype=np.uint32)


def _draw(n_units, n_bootstraps, seed):
    """Yield how often each unit occurs in each resampling."""
    rng = np.random.default_rng(seed)
    for _ in range(n_bootstraps):
        yield rng.multinomial(n_units, np.full(n_units, 1 / n_units))


def _call(predictions, column, is_label, precision, coverage):
    """Call each held-out cell by a threshold from the other folds of its time and repeat."""
    # Also of the cells whose movie has ended by some time it is known which fold they are of.
    cells = predictions.drop_duplicates(["repeat", "row"])
    n_label = cells.assign(n=is_label[cells["row"]]).groupby(["repeat", "fold"])["n"].sum()
    parts = []
    for (_, repeat), part in predictions.groupby(["time", "repeat"], sort=False):
        for fold in part["fold"].unique():
            mine, others = part[part["fold"] == fold], part[part["fold"] != fold]
            threshold = find_threshold(
                others[column].to_numpy(),
                is_label[others["row"]],
                precision,
                coverage * n_label[repeat].drop(fold).sum(),
            )
            parts.append(mine.assign(threshold=threshold, called=mine[column] >= threshold))
    calls = pd.concat(parts)
    n_folds = calls.groupby("repeat")["fold"].nunique()
    if n_folds.min() < 2:
        raise ValueError(
            f"how_early needs two folds or more in each repeat, but repeat {n_folds.idxmin()} has "
            "one: the threshold of a fold comes from the others."
        )
    return calls.assign(right=calls["called"] & is_label[calls["row"]])


def find_threshold(probabilities, is_label, precision, n_wanted):
    """Find the threshold at which the cells called are precise and many enough.

    Parameters
    ----------
    probabilities : ndarray of shape (n,)
    is_label : ndarray of bool of shape (n,)
    precision : float
        Least share of right ones among the cells called.
    n_wanted : float
        Least number of right ones.

    Returns
    -------
    threshold : float
        Cells at or above it are called: the middle one of those that give both, which leaves
        room on either side; else the lowest that gives the precision; infinite if none does.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    right = np.cumsum(is_label[order])
    # Cells of one probability are called together.
    is_last = np.append(ranked[1:] < ranked[:-1], True)[: len(ranked)]
    precise = is_last & (right >= precision * np.arange(1, len(ranked) + 1) - 1e-9)
    both = np.flatnonzero(precise & (right >= n_wanted - 1e-9))
    if len(both):
        return ranked[both[len(both) // 2]]
    return ranked[precise].min() if precise.any() else np.inf


def _sums(calls, times, units, is_label):
    """Add up calls and right ones, arrays of shape (n_times, n_units), and cells of the fate."""
    n_repeats = calls["repeat"].nunique()
    at = np.searchsorted(times, calls["time"])
    shape = (len(times), units.max() + 1)
    of = units[calls["row"]]
    sums = {}
    for name in ("called", "right"):
        sums[name] = np.zeros(shape)
        np.add.at(sums[name], (at, of), calls[name] / n_repeats)
    return Bunch(**sums, of_label=np.bincount(units, is_label, shape[1]))


def _judge_all(sums, draws, precision, coverage):
    """Precision and coverage, of shape (n_draws, n_times), and whether both are reached."""
    totals = [(sums.called @ n, sums.right @ n, sums.of_label @ n) for n in draws]
    called, right, of_label = (np.array(total) for total in zip(*totals))
    with np.errstate(invalid="ignore"):  # no calls, or a resampling without the fate
        found = Bunch(precision=right / called, coverage=right / of_label[:, np.newaxis])
    found.reached = (found.precision >= precision - 1e-9) & (found.coverage >= coverage - 1e-9)
    return found


def _first(times, found, again):
    def first(reached):
        return np.where(reached.any(axis=1), np.asarray(times)[reached.argmax(axis=1)], np.inf)

    firsts = np.sort(first(again))
    low, high = np.quantile(firsts, [0.025, 0.975], method="inverted_cdf")
    return first(found)[0], low, high, np.isinf(firsts).mean()


def _table(name, times, calls, sums, found, again):
    by_time = calls.groupby("time")["threshold"].agg(["min", "max"]).reindex(times)
    table = {
        "estimator": name,
        "time": times,
        "n_called": sums.called.sum(axis=1),
        "n_right": sums.right.sum(axis=1),
    }
    for measure in ("precision", "coverage"):
        table[measure] = found[measure][0]
        bounds = pd.DataFrame(again[measure]).quantile([0.025, 0.975]).to_numpy()
        table[f"{measure}_low"], table[f"{measure}_high"] = bounds
    table["threshold_low"] = by_time["min"].to_numpy()
    table["threshold_high"] = by_time["max"].to_numpy()
    table["reached"] = found.reached[0]
    return pd.DataFrame(table)
