"""When cells meet their fate, by what was predicted of them."""

import warnings

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.utils import Bunch
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_cellfate.model_selection._held_out import check_groups
from sklearn_cellfate.table import listing

__all__ = ["time_to_fate"]

PAIRS_AT_ONCE = 4_000_000  # bounds the memory of comparing every cell with every other
FEWEST_UNITS = 3  # two that agree by chance would make an interval of no width


def time_to_fate(predicted, duration, event, *, probability=None, groups=None, level=0.95):
    """Follow cells by predicted class to their division, or to where the film lost them.

    A cell that has not divided when the film ends, or the track does, may divide later: it is
    censored. The share of cells that have not divided yet is estimated with that in mind
    (Kaplan-Meier [1]_), for each predicted class; the log-rank test [2]_ asks whether the classes
    differ, and concordance [3]_ whether cells of higher probability divide earlier.

    Parameters
    ----------
    predicted : array-like of shape (n,)
        Class predicted for each cell while it was held out, as in the ``predictions`` of
        :func:`~sklearn_cellfate.model_selection.compare_estimators`. Predictions for cells that
        were trained on say nothing.
    duration : array-like of shape (n,)
        From the moment that the prediction was made of to the event, or to the last frame if
        there was none; in any unit of time.
    event : array-like of shape (n,), bool
        Whether the event (division, say) was seen at the end of `duration`; False if censored.
    probability : array-like of shape (n,), default=None
        Predicted while held out: of the event, so that higher means earlier. Concordance needs
        it.
    groups : array-like of shape (n,), default=None
        Donor, field ... of each cell: what the interval of the concordance leaves out one by one.
        Cells by default.
    level : float, default=0.95
        Of bands and intervals.

    Returns
    -------
    survival : Bunch
        curves : DataFrame
            A row a predicted class and distinct time, beginning at 0: ``predicted``, ``time``,
            ``survival`` (share without the event), its pointwise band ``low`` to ``high``
            (log-log), ``at_risk`` (cells watched just before), ``events`` and ``censored`` (cells
            then). The band is NaN where the share is 1 or 0.
        summary : DataFrame
            By predicted class: ``n``, ``events``, and the ``median`` time with its interval
            ``low`` to ``high``; infinite where the curve, or its band, stays above one half.
        log_rank : Bunch
            ``statistic`` (chi squared), ``degrees_of_freedom`` and ``p_value``; NaN where one
            class only was predicted.
        concordance : Bunch or None
            ``value`` (1: always the more probable cell first; 0.5: as good as chance), its
            interval ``low`` to ``high`` (jackknife over cells, or over groups; NaN where fewer
            than three can be left out), ``pairs`` compared, and ``n_units`` left out in turn.
        level : float
            Of bands and intervals.

    Raises
    ------
    ValueError
        If a duration is missing, negative or infinite, `event` holds no booleans, no cell has
        the event, or lengths differ.
    ImportError
        If scikit-survival is missing.

    Warns
    -----
    UserWarning
        If too few cells, or groups, can be left out for an interval of the concordance.

    Notes
    -----
    Death before division is censored here like the end of the film, which assumes that a cell
    that died was as likely to divide as one that lived on. If deaths are many, look at them as
    an event of their own too. Bands and test take cells for independent; sisters and neighbours
    are not quite.

    Durations must not begin before the moment predicted from: a prediction from the frame at
    10 h knows that the cell was there at 10 h.

    References
    ----------
    .. [1] Kaplan and Meier (1958), doi:10.1080/01621459.1958.10501452.
    .. [2] Mantel (1966), Evaluation of survival data and two new rank order statistics arising
       in its consideration, Cancer Chemotherapy Reports 50(3).
    .. [3] Harrell, Lee and Mark (1996),
       doi:10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4.

    Examples
    --------
    >>> from sklearn_cellfate.model_selection import time_to_fate
    >>> survival = time_to_fate(
    ...     ["divides"] * 3 + ["stays"] * 3,
    ...     [5, 8, 12, 20, 72, 72],  # hours
    ...     [True, True, True, True, False, False],
    ...     probability=[0.9, 0.7, 0.8, 0.3, 0.2, 0.4],
    ... )
    >>> survival.summary
               n  events  median  low   high
    predicted
    divides    3       3     8.0  5.0   12.0
    stays      3       1     inf  20.0  inf
    >>> survival.concordance.value.round(2)
    np.float64(0.86)
    """
    compare_survival, kaplan_meier = _import_survival()
    predicted, duration, event = _check(predicted, duration, event)
    groups = check_groups(groups)
    check_consistent_length(predicted, duration, event, probability, groups)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, found {level!r}.")
    classes = np.unique(predicted)
    curves = {}
    for label in classes:
        of_class = predicted == label
        curves[label] = _curve(duration[of_class], event[of_class], kaplan_meier, level)
    concordance = None
    if probability is not None:
        probability = _check_numbers(probability, "probability")
        units = np.arange(len(event)) if groups is None else groups
        concordance = _concordance(probability, duration, event, units, level)
    return Bunch(
        curves=pd.concat(curves, names=["predicted"])
        .reset_index("predicted")
        .reset_index(drop=True),
        summary=pd.DataFrame(
            [_summarize(curve) for curve in curves.values()],
            index=pd.Index(classes, name="predicted"),
        ),
        log_rank=_log_rank(predicted, duration, event, compare_survival),
        concordance=concordance,
        level=level,
    )


def _import_survival():
    try:
        from sksurv.compare import compare_survival
        from sksurv.nonparametric import kaplan_meier_estimator
    except ImportError as error:
        raise ImportError(
            'time_to_fate needs scikit-survival: pip install "sklearn-cellfate[survival]"'
        ) from error
    return compare_survival, kaplan_meier_estimator


def _curve(duration, event, kaplan_meier, level):
    time, survival, (low, high) = kaplan_meier(
        event, duration, conf_type="log-log", conf_level=level
    )
    certain = (survival == 1) | (survival == 0)  # where log(-log) has no meaning
    curve = pd.DataFrame(
        {
            "time": time,
            "survival": survival,
            "low": np.where(certain, np.nan, low),
            "high": np.where(certain, np.nan, high),
            "at_risk": [np.sum(duration >= t) for t in time],
            "events": [np.sum(event & (duration == t)) for t in time],
            "censored": [np.sum(~event & (duration == t)) for t in time],
        }
    )
    if time[0] == 0:
        return curve
    start = {"time": 0.0, "survival": 1.0, "low": np.nan, "high": np.nan}
    start |= {"at_risk": len(event), "events": 0, "censored": 0}
    return pd.concat([pd.DataFrame([start]), curve], ignore_index=True)


def _summarize(curve):
    return {
        "n": curve["at_risk"].iloc[0],
        "events": curve["events"].sum(),
        "median": _first_at_half(curve, "survival"),
        "low": _first_at_half(curve, "low"),
        "high": _first_at_half(curve, "high"),
    }


def _first_at_half(curve, name):
    # The band is undefined where nothing is left: there the curve itself has come down.
    values = curve[name].fillna(curve["survival"])
    reached = curve["time"][values <= 0.5 + 1e-12]
    return reached.iloc[0] if len(reached) else np.inf


def _log_rank(predicted, duration, event, compare_survival):
    n_classes = len(np.unique(predicted))
    if n_classes < 2:
        return Bunch(statistic=np.nan, degrees_of_freedom=0, p_value=np.nan)
    outcome = np.array(
        list(zip(event, duration)), dtype=[("event", bool), ("duration", np.float64)]
    )
    statistic, p_value = compare_survival(outcome, predicted)
    return Bunch(statistic=statistic, degrees_of_freedom=n_classes - 1, p_value=p_value)


def _concordance(probability, duration, event, units, level):
    """Harrell's concordance, with the jackknife over units of which none may be split."""
    units = np.unique(units, return_inverse=True)[1]
    right, compared = _count_pairs(probability, duration, event, units)
    total_right, total = right.sum(), compared.sum()
    if not total:
        raise ValueError(
            "no two cells can be compared: none with the event was watched by another that "
            "lasted longer."
        )
    value = total_right / total
    # Pairs without any that has an end in the unit left out.
    with np.errstate(invalid="ignore"):
        without = (total_right - _touching(right)) / (total - _touching(compared))
    without = without[np.isfinite(without)]
    low, high = _jackknife(value, without, level)
    n_units = len(without)
    return Bunch(
        value=value,
        low=low,
        high=high,
        pairs=int(total),
        n_units=n_units,
    )


def _jackknife(value, without, level):
    """Interval of a value from the values without each unit in turn."""
    n_units = len(without)
    if n_units < FEWEST_UNITS:
        warnings.warn(
            "the concordance has no interval: of cells, or groups where these are given, "
            f"{FEWEST_UNITS} must be left out in turn with others to compare, found {n_units}.",
            stacklevel=4,
        )
        return np.nan, np.nan
    error = np.sqrt((n_units - 1) / n_units * np.sum((without - without.mean()) ** 2))
    half = stats.t.ppf(0.5 + level / 2, n_units - 1) * error
    return max(value - half, 0.0), min(value + half, 1.0)


def _count_pairs(probability, duration, event, units):
    """Pairs in the right order (ties count half), and all compared, between every two units."""
    n_units = units.max() + 1
    right, compared = np.zeros((2, n_units, n_units))
    first = np.flatnonzero(event)
    n_rows = max(1, PAIRS_AT_ONCE // len(event))
    for start in range(0, len(first), n_rows):
        rows = first[start : start + n_rows]
        longer = duration > duration[rows, np.newaxis]
        longer |= (duration == duration[rows, np.newaxis]) & ~event
        difference = probability[rows, np.newaxis] - probability
        of_pair = np.where(np.abs(difference) <= 1e-8, 0.5, difference > 0) * longer
        _add(right, rows, of_pair, units)
        _add(compared, rows, longer, units)
    return right, compared


def _add(table, rows, of_pair, units):
    by_unit = np.zeros((len(rows), len(table)))
    np.add.at(by_unit.T, units, of_pair.T)
    np.add.at(table, units[rows], by_unit)


def _touching(table):
    return table.sum(axis=0) + table.sum(axis=1) - table.diagonal()


def _check(predicted, duration, event):
    predicted = column_or_1d(predicted)
    missing = pd.isna(predicted)
    if not len(predicted):
        raise ValueError("there are no cells.")
    if missing.any():
        raise ValueError(f"predicted is missing for {missing.sum()} of {len(missing)} cells.")
    duration = _check_numbers(duration, "duration")
    if (duration < 0).any():
        raise ValueError(
            f"{(duration < 0).sum()} of {len(duration)} durations are negative (the first is "
            f"{duration[duration < 0][0]:g}); they are counted from the moment predicted from."
        )
    event = column_or_1d(event)
    values = pd.unique(pd.Series(event))
    if not set(values) <= {True, False}:  # 0 and 1 are equal to them
        raise ValueError(
            f"event must be True where the event was seen and False where not, found "
            f'{listing(values)}; write end == "mitosis", say.'
        )
    event = event.astype(bool)
    if not event.any():
        raise ValueError(f"none of the {len(event)} cells has the event: all are censored.")
    return predicted, duration, event


def _check_numbers(values, name):
    values = column_or_1d(values)
    try:
        values = values.astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers, found {listing(values[:3])} ...") from error
    unusable = ~np.isfinite(values)
    if unusable.any():
        raise ValueError(
            f"{name} is missing or infinite for {unusable.sum()} of {len(values)} cells (the "
            f"first in row {np.flatnonzero(unusable)[0]})."
        )
    return values
