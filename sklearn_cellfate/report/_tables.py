"""A comparison as text for the terminal."""

import pandas as pd

__all__ = ["format_comparison"]


def format_comparison(comparison):
    """Say in a few lines of text how the pipelines compare.

    Parameters
    ----------
    comparison : Bunch
        From :func:`~sklearn_cellfate.model_selection.compare_estimators`.

    Returns
    -------
    text : str
    """
    scores = comparison.scores
    metrics = scores["metric"].drop_duplicates().tolist()
    blocks = [_format_summary(comparison, metrics)]
    for metric in metrics:
        blocks.append(f"{metric} by fold\n{_format_folds(scores, metric)}")
    if len(comparison.differences):
        blocks.append(_format_differences(comparison))
    return "\n\n".join(blocks)


def _format_summary(comparison, metrics):
    cells = comparison.summary.apply(lambda row: f"{row['mean']:.3f} ± {row['sd']:.3f}", axis=1)
    table = cells.unstack("metric")[metrics]
    names = [name for name in comparison.estimators if name in table.index]
    n_folds = len(comparison.folds)
    return f"mean ± standard deviation over {n_folds} folds\n{_to_text(table.loc[names])}"


def _format_folds(scores, metric):
    of_metric = scores[scores["metric"] == metric]
    table = of_metric.pivot(index=["fold", "held_out"], columns="estimator", values="value")
    table = table[of_metric["estimator"].drop_duplicates()].round(3)
    table.index = [f"{fold}  {held_out}" for fold, held_out in table.index]
    return _to_text(table)


def _format_differences(comparison):
    text = comparison.differences.apply(_format_interval, axis=1)
    table = text.unstack("metric")[comparison.scores["metric"].drop_duplicates()]
    names = [name for name in comparison.estimators if name in table.index]
    return (
        f"paired difference to {comparison.baseline!r}, 95 % interval corrected for overlapping "
        f"training sets\n{_to_text(table.loc[names])}"
    )


def _format_interval(row):
    if pd.isna(row["low"]):
        return "-" if pd.isna(row["mean"]) else f"{row['mean']:+.3f}"
    return f"{row['mean']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"


def _to_text(table):
    with pd.option_context("display.width", 200, "display.max_columns", None):
        return table.rename_axis(index=None, columns=None).to_string(na_rep="-")
