"""Sentences with numbers filled in, as a reader can quote them."""

import numpy as np
import pandas as pd

from sklearn_cellfate.inspection._plot._comparison import metric_words
from sklearn_cellfate.report._calibration import calibration, calibration_gap

__all__ = [
    "WEIGHED_EQUALLY",
    "answer",
    "count",
    "group_metric",
    "group_words",
    "groups_were_held_out",
    "number",
    "probabilities_are_shifted",
    "question",
    "quotable",
    "signed",
    "with_interval",
]

MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
MEASURE = "balanced_accuracy"
WEIGHED_EQUALLY = (
    "all pipelines weigh the classes equally, so a rarer class tends to be given more probability "
    "than its share of these cells"
)


def question(run):
    """Say what the run asked, in one sentence."""
    target = f"“{run.about['target']}”"
    n_features = len(run.about["features"])
    if not n_features:
        return f"Do images of the cells tell {target}?"
    measured = "the one measured feature" if n_features == 1 else f"{n_features} measured features"
    return f"Do images of the cells tell {target}, and do they add anything to {measured}?"


def answer(run):
    """Say what it found, in one sentence."""
    alone = run.summary.loc[("images", MEASURE)]
    chance = 1 / len(run.classes)
    beats = alone["low"] > chance
    text = (
        f"On {_held_out_words(run)}, images alone "
        f"{'told the classes better than chance' if beats else 'were not shown to beat chance'} "
        f"(balanced accuracy {_beside(alone, number)}; chance is {number(chance)})"
    )
    key = ("images + features", MEASURE)
    if run.baseline != "features" or key not in run.differences.index:
        return text + "."
    gain = run.differences.loc[key]
    if pd.isna(gain["low"]):
        shown = "; whether they add to the measured features cannot be said from one fold"
    elif gain["low"] > 0:
        shown = f"; they added to the measured features: {_beside(gain, signed)}"
    elif gain["high"] < 0:
        shown = f"; beside the measured features they did harm: {_beside(gain, signed)}"
    else:
        shown = (
            "; that they add to the measured features was not shown: difference "
            f"{_beside(gain, signed)}"
        )
    return text + shown + "."


def quotable(run):
    """Sentences by what they are about.

    Parameters
    ----------
    run : Bunch
        From :func:`read_run`.

    Returns
    -------
    sentences : list of dict
        ``about`` and ``text``.
    """
    made = {
        "Cells": _say_cells(run),
        "Quality": _say_quality(run),
        "Folds": _say_folds(run),
        **{f"Score of {name}": _say_score(run, name) for name in run.estimators},
        **{f"{name} against {run.baseline}": text for name, text in _say_differences(run)},
        "Groups": _say_groups(run),
        **{f"{name} over time": text for name, text in _say_time_course(run)},
        "Calibration": _say_calibration(run),
        "Method": _say_method(run),
        "Software": _say_software(run),
    }
    return [{"about": about, "text": text} for about, text in made.items() if text]


def _say_cells(run):
    about = run.about
    classes = [f"{one['n_cells']} of class “{one['label']}”" for one in about["classes"]]
    channels, height, width = about["data"]["image_shape"]
    groups = ""
    if about["groups"] is not None:
        n_groups = len(about["group_counts"])
        groups = f" from {count(n_groups, 'group')} (column “{about['groups']}”)"
    return (
        f"{count(about['data']['n_cells'], _cell(run))}{groups} "
        f"{'was' if about['data']['n_cells'] == 1 else 'were'} compared, {_listed(classes)}; each "
        f"is seen in one image of {height} {TIMES} {width} pixels with "
        f"{count(channels, 'channel')} and in {count(len(about['features']), 'measured feature')}."
    )


def _say_quality(run):
    flags = run.about["flags"]
    if not flags:
        return ""
    taken = [f"{flow['taken']} by “{flow['flag']}”" for flow in flags]
    return (
        f"Of {count(run.about['data']['n_cells'], _cell(run))}, quality flags mark, one after the "
        f"other, {_listed(taken)}, and {flags[-1]['remaining']} are free of flags; flagged cells "
        "were not left out of this comparison."
    )


def _say_folds(run):
    folds = run.scores.drop_duplicates("fold")["held_out"].astype(str).tolist()
    n_folds = count(len(folds), "fold")
    if run.about["groups"] is None:
        return (
            f"Cells were divided into {n_folds} at random; no groups were named, so cells of one "
            "donor, clone or field may have been on both sides of a split."
        )
    if not groups_were_held_out(run):
        n_mixed = run.about.get("n_mixed_folds")
        found = "an unknown number" if n_mixed is None else str(n_mixed)
        return (
            f"Cells were divided into {n_folds}, in {found} of which cells of one group (column "
            f"“{run.about['groups']}”) were on both sides of the split, so the scores do not "
            "speak of new groups."
        )
    held_out = [f"in fold {number} {names}" for number, names in enumerate(folds, start=1)]
    return (
        f"In {n_folds}, whole groups (column “{run.about['groups']}”) were held out, and nothing "
        f"was learned from them: {'; '.join(held_out)}."
    )


def _say_score(run, name):
    parts = []
    for metric in run.scores["metric"].drop_duplicates():
        row = run.summary.loc[(name, metric)]
        words = metric_words(metric)
        if metric in ("precision", "recall") and run.pos_label is not None:
            words = f"{words} of “{run.pos_label}”"
        parts.append(f"{words} {with_interval(row)}")
    n_folds = count(int(run.summary.loc[(name, MEASURE), "folds"]), "fold")
    return (
        f"On {_held_out_words(run)}, the pipeline “{name}” reached over {n_folds}: "
        f"{_listed(parts)}."
    )


def _say_differences(run):
    for name in run.differences.index.get_level_values("estimator").unique():
        row = run.differences.loc[(name, MEASURE)]
        if pd.isna(row["mean"]):
            continue
        if pd.isna(row["low"]):
            verdict = "one fold says nothing of its uncertainty"
        elif row["low"] > 0 or row["high"] < 0:
            verdict = "the interval leaves out 0"
        else:
            verdict = "the interval holds 0, so no difference was shown"
        yield (
            name,
            f"On {_held_out_words(run)}, the balanced accuracy of “{name}” differed from that of "
            f"“{run.baseline}” by {with_interval(row, signed)}, in pairs on the same folds; "
            f"{verdict}.",
        )


def _say_groups(run):
    metric = group_metric(run)
    of_best = run.by_group[
        (run.by_group["estimator"] == _best(run)) & (run.by_group["metric"] == metric)
    ]
    if len(of_best) < 2:
        return ""
    words, group = metric_words(metric), group_words(run)
    by_score = of_best.sort_values("value", kind="stable")
    worst, best = by_score.iloc[0], by_score.iloc[-1]
    if worst["value"] == best["value"]:
        return (
            f"In each of {count(len(of_best), group)}, the {words} of "
            f"“{_best(run)}” was {number(best['value'])}."
        )
    return (
        f"Of {count(len(of_best), group)}, the {words} of “{_best(run)}” was lowest "
        f"in {worst['group']} ({number(worst['value'])}, n = {worst['n']}) and highest in "
        f"{best['group']} ({number(best['value'])}, n = {best['n']})."
    )


def groups_were_held_out(run):
    """Whether every fold kept every group on one side; not taken for granted of earlier runs."""
    return run.about["groups"] is not None and run.about.get("n_mixed_folds") == 0


def group_words(run):
    """Name a group whose held-out cells were scored."""
    return "held-out group" if groups_were_held_out(run) else "group"


def group_metric(run):
    """Name what groups are compared by: groups of one class have no balanced accuracy."""
    rows = run.by_group[run.by_group["metric"] == MEASURE].dropna(subset="value")
    every_group_has_it = rows["group"].nunique() == run.by_group["group"].nunique()
    return MEASURE if every_group_has_it else "accuracy"


def _say_time_course(run):
    if run.time_course is None:
        return
    table = run.time_course[run.time_course["metric"] == MEASURE].dropna(subset="mean")
    for name, rows in table.groupby("estimator", sort=False):
        rows = rows.sort_values("time")
        first, best = rows.iloc[0], rows.loc[rows["mean"].idxmax()]
        models = "one model for all times" if first["models"] == "shared" else "a model a time"
        start = f"{with_interval(first)} {_time_words(first)}"
        if best["time"] == first["time"]:
            told = f"{start}, the highest of {count(len(rows), 'time')}"
        else:
            told = (
                f"{start} and, the highest of {count(len(rows), 'time')}, {with_interval(best)} "
                f"{_time_words(best)}"
            )
        yield (
            name,
            f"On {_held_out_words(run)}, with {models}, the balanced accuracy of “{name}” was "
            f"{told}.",
        )


def _time_words(row):
    if row["unit"] == "relative":
        return f"at {100 * row['time']:.0f} % of a life"
    return f"after {row['time']:.3g} {row['unit']}"


def _say_calibration(run):
    label = run.pos_label if run.pos_label is not None else run.classes[0]
    column = f"probability_{label}"
    rows = run.predictions[run.predictions["estimator"] == _best(run)]
    if column not in rows or rows[column].isna().all():
        return ""
    bins = calibration(rows["y_true"] == label, rows[column])
    balanced = f"; {WEIGHED_EQUALLY}" if probabilities_are_shifted(run) else ""
    return (
        f"On {_held_out_words(run)}, the probability of “{label}” given by “{_best(run)}” was off "
        f"the share of such cells by {number(calibration_gap(bins))} on average over "
        f"{count(len(bins), 'bin')}{balanced}."
    )


def probabilities_are_shifted(run):
    """Whether the pipelines weigh classes equally that are not equally frequent."""
    counts = [one["n_cells"] for one in run.about["classes"]]
    equally = run.about.get("weighs_classes_equally", False)  # unknown of earlier runs
    return equally and min(counts) < 0.8 * max(counts)


def _say_method(run):
    scores = run.summary
    beyond = (scores["low"] < 0).any() or (scores["high"] > 1).any()
    wide = "; being symmetric, those of few folds may reach beyond 0 and 1" if beyond else ""
    return (
        "Intervals are 95 % t intervals of the mean over folds, corrected for overlapping "
        f"training sets (Nadeau and Bengio 2003, doi:10.1023/A:1024068626366){wide}."
    )


def _say_software(run):
    versions, about = run.about["versions"], run.about
    seed = "" if about["seed"] is None else f", with seed {about['seed']}"
    return (
        f"The comparison was run on {about['date'][:10]} with sklearn-cellfate "
        f"{versions['sklearn-cellfate']}, scikit-learn {versions['scikit-learn']}, PyTorch "
        f"{versions['torch']} and Python {versions['python']}{seed}; the data have SHA-256 "
        f"{about['data']['sha256']}."
    )


def _best(run):
    return run.summary.xs(MEASURE, level="metric")["mean"].idxmax()


def _held_out_words(run):
    kind = "simulated " if run.about["simulated"] else ""
    if not groups_were_held_out(run):
        return f"held-out {kind}cells"
    return f"{kind}cells of groups never seen in training"


def _cell(run):
    return "simulated cell" if run.about["simulated"] else "cell"


# Words and numbers ------------------------------------------------------------------------------


def number(value):
    """Two decimals, with a minus sign and not a hyphen."""
    return "not defined" if pd.isna(value) else f"{_rounded(value):.2f}".replace("-", MINUS)


def signed(value):
    """Two decimals with the sign before them."""
    return "not defined" if pd.isna(value) else f"{_rounded(value):+.2f}".replace("-", MINUS)


def _rounded(value):
    return round(float(value), 2) + 0.0  # so that no zero has a minus sign


def with_interval(row, form=number):
    """Mean and interval in words: ``0.71 (95 % interval 0.65 to 0.77)``."""
    if pd.isna(row["low"]):
        return form(row["mean"])
    return f"{form(row['mean'])} (95 % interval {form(row['low'])} to {form(row['high'])})"


def _beside(row, form):
    """Mean and interval without brackets."""
    if pd.isna(row["low"]):
        return form(row["mean"])
    return f"{form(row['mean'])}, 95 % interval {form(row['low'])} to {form(row['high'])}"


def count(n, noun):
    """Say how many: ``1 cell``, ``1200 cells``."""
    digits = f"{n:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if n >= 10_000 else str(n)
    return f"{digits} {noun}{'' if np.equal(n, 1) else 's'}"


def _listed(parts):
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
