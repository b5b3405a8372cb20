"""The figures of the page: drawn from the tables of a run folder, each with words."""

import io
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_cellfate.inspection import (
    ComparisonDisplay,
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    TimeCourseDisplay,
    TrainingHistoryDisplay,
)
from sklearn_cellfate.inspection._plot._comparison import metric_words
from sklearn_cellfate.inspection._plot._palette import class_colours
from sklearn_cellfate.report._calibration import plot_calibration
from sklearn_cellfate.report._explorer import axis_names
from sklearn_cellfate.report._figures import panels, plot_confusion, plot_roc
from sklearn_cellfate.report._sentences import (
    WEIGHED_EQUALLY,
    count,
    group_metric,
    group_words,
    groups_were_held_out,
    number,
    probabilities_are_shifted,
    with_interval,
)
from sklearn_cellfate.report._sprites import data_uri

__all__ = ["page_figures"]

MOST_GROUPS_DRAWN = 40
STYLE: dict[Any, Any] = {
    "backend": "agg",
    "text.parse_math": False,  # labels are the user's text: a dollar sign begins no formula
    "axes.titlesize": 10,
    "axes.linewidth": 0.7,
    "figure.facecolor": "white",
}


def page_figures(run):
    """Draw every figure that the run has data for.

    Parameters
    ----------
    run : Bunch
        From :func:`read_run`.

    Returns
    -------
    figures : dict of str to dict
        By name: ``src`` (an SVG as data URI), ``alt``, ``caption`` and ``wide``.
    """
    drawers = {
        "balanced_accuracy": _draw_balanced_accuracy,
        "roc_auc": _draw_roc_auc,
        "groups": _draw_groups,
        "time_course": _draw_time_course,
        "latent_space": _draw_latent_space,
        "traversal": _draw_traversal,
        "confusion": _draw_confusion,
        "calibration": _draw_calibration,
        "roc": _draw_roc,
        "losses": _draw_losses,
    }
    figures = {}
    for name, draw in drawers.items():
        drawn = _to_svg(draw, run)
        if drawn is not None:
            figures[name] = drawn
    return figures


def _to_svg(draw, run):
    import matplotlib

    size = 14 if draw is _draw_traversal else 10  # which is shown smaller than it is drawn
    with matplotlib.rc_context(STYLE | {"font.size": size}):
        import matplotlib.pyplot as plt

        drawn = draw(run)
        if drawn is None:
            return None
        file = io.BytesIO()
        width, height = drawn["figure"].get_size_inches()
        drawn["figure"].savefig(file, format="svg")
        plt.close(drawn["figure"])
    return {
        "src": data_uri(file.getvalue(), "image/svg+xml"),
        "alt": drawn["alt"],
        "caption": drawn["caption"],
        "wide": bool(width > 8),
        "width": round(width * 96),
        "height": round(height * 96),
    }


def _figure(figure, alt, caption):
    return {"figure": figure, "alt": alt, "caption": caption}


def _draw_balanced_accuracy(run):
    return _draw_folds(run, "balanced_accuracy", 1 / len(run.classes))


def _draw_roc_auc(run):
    return _draw_folds(run, "roc_auc", 0.5)


def _draw_folds(run, metric, chance):
    if not run.scores.loc[run.scores["metric"] == metric, "value"].notna().any():
        return None
    display = ComparisonDisplay.from_result(run, metric=metric).plot()
    display.ax_.axvline(chance, color="0.8", lw=0.9, zorder=0)
    words = metric_words(metric)
    means = "; ".join(
        f"{name} {with_interval(run.summary.loc[(name, metric)])}" for name in run.estimators
    )
    return _figure(
        display.figure_,
        f"Dot plot of the {words} of each pipeline in each fold. Means: {means}.",
        f"{words[0].upper()}{words[1:]} of each pipeline on held-out cells. Small points: folds, "
        "joined by lines; large points and bars: mean and 95 % interval. Dotted line: mean of "
        f"“{run.baseline}”; grey line: chance ({number(chance)}). At the right: mean, and "
        f"difference to “{run.baseline}” in pairs with its interval.",
    )


def _draw_groups(run):
    of_groups = run.by_group.dropna(subset="value")
    if not 0 < of_groups["group"].nunique() <= MOST_GROUPS_DRAWN:
        return None
    metric = group_metric(run)
    display = ComparisonDisplay.from_result(run, metric=metric).plot(by="group")
    values = of_groups[of_groups["metric"] == metric]
    low, high = values["value"].min(), values["value"].max()
    return _figure(
        display.figure_,
        f"Dot plot of the {metric_words(metric)} in each of "
        f"{count(values['group'].nunique(), group_words(run))}, from {number(low)} to "
        f"{number(high)}.",
        f"{metric_words(metric).capitalize()} on the cells of each group while "
        f"{'it was' if groups_were_held_out(run) else 'they were'} held out "
        f"(column “{run.about['groups']}”; n: its cells).",
    )


def _draw_time_course(run):
    table = run.time_course
    if table is None:
        return None
    keys = ["estimator", "time", "metric"]
    counted = [name for name in table if name == "n" or name.startswith("n_")]
    pos_label = table["pos_label"].iloc[0]
    course = Bunch(
        scores=table,
        summary=table.set_index(keys),
        counts=table.drop_duplicates("time").set_index("time")[counted],
        unit=table["unit"].iloc[0],
        pos_label=pos_label if isinstance(pos_label, str) else None,
        classes=[name for name in counted if name not in ("n", "n_ended")],
    )
    display = TimeCourseDisplay.from_result(course).plot()
    of_metric = table[table["metric"] == display.metric]
    best = of_metric.loc[of_metric["mean"].idxmax()]
    shared = table["models"].iloc[0] == "shared"
    return _figure(
        display.figure_,
        f"Line plot of balanced accuracy against time for "
        f"{', '.join(of_metric['estimator'].unique())}; the highest mean, "
        f"{with_interval(best)}, is that of {best['estimator']} at time {best['time']:.3g}.",
        "Balanced accuracy on held-out cells at each time of their lives, mean and 95 % interval "
        f"over folds; {'one model for all times' if shared else 'a model a time'}.",
    )


def _draw_latent_space(run):
    arrays = run.latents
    display = LatentSpaceDisplay(
        arrays["latents"], run.cells[run.about["target"]], held_out=arrays["held_out"]
    ).plot()
    return _figure(
        display.figure_,
        f"Scatter plot of {len(arrays['row'])} cells in the latent plane, coloured by "
        f"{run.about['target']}; {int(arrays['held_out'].sum())} held-out cells have a dark edge.",
        f"Cells in the latent plane ({'; '.join(filter(None, axis_names(arrays)))}). Ellipses: "
        "mean and covariance of the cells of a class that were trained on.",
    )


def _draw_traversal(run):
    if run.traversal is None:
        return None
    figure = LatentTraversalDisplay.from_result(run.traversal).figure_
    n_latents, n_steps = run.traversal.images.shape[:2]
    return _figure(
        figure,
        f"Grid of decoded cells: a row for each of {n_latents} latent features, {n_steps} steps "
        "from left to right, and beside it area, intensities and shape of the decoded cell.",
        "What each latent feature looks like: one is changed from its 5 % to its 95 % quantile "
        "over the cells trained on (its value above each cell), the others stay at their mean. "
        "At the right, what is measured on the decoded cells. A picture of what the decoder has "
        "learned is no proof.",
    )


def _draw_confusion(run):
    return _figure(
        plot_confusion(run),
        "Confusion matrices, one a pipeline; "
        + "; ".join(
            f"{name}: balanced accuracy "
            f"{with_interval(run.summary.loc[(name, 'balanced_accuracy')])}"
            for name in run.estimators
        )
        + ".",
        "Confusion of the classes on all held-out cells, as shares of the true class "
        "(mean ± standard deviation over folds above).",
    )


def _positives(run):
    return list(run.classes) if run.pos_label is None else [run.pos_label]


def _draw_calibration(run):
    labels = _positives(run)
    if any(f"probability_{label}" not in run.predictions for label in labels):
        return None
    figure, axes = panels(run)
    colours = class_colours(len(labels))
    plot_calibration(axes, run.predictions.groupby("estimator", sort=False), labels, colours)
    named = ", ".join(f"“{label}”" for label in labels)
    shifted = ""
    if probabilities_are_shifted(run):
        shifted = (
            f" {WEIGHED_EQUALLY[0].upper()}{WEIGHED_EQUALLY[1:]}: calibrate before reading it as "
            "a chance."
        )
    return _figure(
        figure,
        f"Reliability curves of the probability of {named}, one panel a pipeline.",
        f"Reliability: of cells that were given a certain probability of {named} while held out, "
        "how many were of that class. Dotted line: perfect calibration; bars: 95 % Wilson "
        f"intervals; bins of about as many cells each, all folds together.{shifted}",
    )


def _draw_roc(run):
    if not run.scores.loc[run.scores["metric"] == "roc_auc", "value"].notna().any():
        return None
    areas = "; ".join(
        f"{name}: {with_interval(run.summary.loc[(name, 'roc_auc')])}" for name in run.estimators
    )
    lines = "a line a fold" if run.pos_label is not None else "a colour a class, a line a fold"
    return _figure(
        plot_roc(run),
        f"ROC curves, one panel a pipeline; areas under the curve: {areas}.",
        f"ROC curves on held-out cells, {lines} (area under the curve above: mean ± standard "
        "deviation over folds). Dotted line: guessing.",
    )


def _draw_losses(run):
    if not len(run.losses):
        return None
    display = TrainingHistoryDisplay(run.losses).plot()
    last = int(run.losses["epoch"].max())
    return _figure(
        display.figure_,
        f"Training losses over {last} epochs, a panel for each of {np.size(display.axes_)}.",
        f"Losses of the network of fold {int(run.latents['fold']) + 1} while it was trained, each "
        "before its weight.",
    )
