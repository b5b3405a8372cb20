"""write_report: a run folder as one self-contained page."""

import base64
import hashlib
from pathlib import Path

import pandas as pd

from sklearn_cellfate.inspection._plot._comparison import metric_words
from sklearn_cellfate.report._explorer import explorer_data, explorer_words
from sklearn_cellfate.report._page_figures import page_figures
from sklearn_cellfate.report._read import read_run
from sklearn_cellfate.report._sentences import (
    answer,
    count,
    number,
    question,
    quotable,
    signed,
)
from sklearn_cellfate.table import written_whole

__all__ = ["write_report"]


def write_report(folder, path):
    """Write a run folder as one page that needs no network.

    Parameters
    ----------
    folder : str or path-like
        Written by ``evaluate`` or :func:`write_comparison`.
    path : str or path-like
        The HTML file; it appears whole or not at all.

    Returns
    -------
    path : Path

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or none for the page.
    ValueError
        If it is no run folder, a file in it is missing or damaged, or `path` is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{str(path)!r} is a folder; name a file for the page.")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"{str(path)!r}: there is no such folder.")
    page = _render(read_run(folder))
    with written_whole(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def _render(run):
    environment = _environment()
    script = environment.loader.get_source(environment, "explorer.js")[0]
    style = environment.loader.get_source(environment, "report.css")[0]
    return environment.get_template("report.html.j2").render(
        about=run.about,
        question=question(run),
        answer=answer(run),
        sentences=quotable(run),
        figures=page_figures(run),
        classes=_class_table(run),
        scores=_score_table(run),
        metrics=[metric_words(name) for name in run.scores["metric"].drop_duplicates()],
        differences=_difference_table(run),
        groups=_group_table(run),
        explorer=explorer_data(run),
        explorer_words=explorer_words(run),
        style=style,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _environment():
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sklearn_cellfate.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = count
    return environment


def _class_table(run):
    """Cells of each class, a row a group and one for all."""
    groups = [(one["group"], one["n_cells"]) for one in run.about["group_counts"]]
    totals = [one["n_cells"] for one in run.about["classes"]]
    rows = [*groups, ("all", totals)]
    return {
        "labels": [str(label) for label in run.classes],
        "rows": [{"name": name, "counts": counts, "sum": sum(counts)} for name, counts in rows],
    }


def _score_table(run):
    """Mean and interval of each pipeline and metric."""
    metrics = run.scores["metric"].drop_duplicates()
    return [
        {
            "name": name,
            "cells": [_cell(run.summary.loc[(name, metric)], number) for metric in metrics],
        }
        for name in run.estimators
    ]


def _difference_table(run):
    names = run.differences.index.get_level_values("estimator").unique()
    metrics = run.scores["metric"].drop_duplicates()
    return [
        {
            "name": name,
            "cells": [_cell(run.differences.loc[(name, metric)], signed) for metric in metrics],
        }
        for name in names
    ]


def _cell(row, form):
    bounds = None if pd.isna(row["low"]) else f"{form(row['low'])} to {form(row['high'])}"
    return {"mean": form(row["mean"]), "bounds": bounds}


def _group_table(run):
    """Accuracy and balanced accuracy of each pipeline, a row a group."""
    wanted = run.by_group[run.by_group["metric"].isin(["accuracy", "balanced_accuracy"])]
    sizes = wanted.drop_duplicates("group").set_index("group")["n"]
    values = wanted.set_index(["group", "estimator", "metric"])["value"]
    return [
        {
            "name": str(group),
            "n": int(n),
            "values": [
                [
                    _share(values.get((group, name, metric)))
                    for metric in ("accuracy", "balanced_accuracy")
                ]
                for name in run.estimators
            ],
        }
        for group, n in sizes.items()
    ]


def _share(value):
    return "\N{EN DASH}" if value is None or pd.isna(value) else number(value)
