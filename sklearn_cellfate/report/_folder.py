"""A comparison as a folder of tables, figures and the model to use."""

import json
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from sklearn_cellfate.persistence import save
from sklearn_cellfate.report._figures import (
    plot_confusion,
    plot_latent_space,
    plot_losses,
    plot_roc,
)
from sklearn_cellfate.report._latents import explore_latents, fold_autoencoder
from sklearn_cellfate.report._run import describe_run, sample_rows
from sklearn_cellfate.report._tables import format_comparison
from sklearn_cellfate.table import folder_written_whole, write_cells

__all__ = ["write_comparison", "write_time_course"]

SAFE_MODEL, PICKLED_MODEL = "model.skops", "model.joblib"
NOT_OF_EVERY_RUN = (
    *("traversal.parquet", "traversal.npz", "time_course.parquet"),
    *(SAFE_MODEL, PICKLED_MODEL),
)


def write_comparison(comparison, table, model, folder, *, run=None, name=None, pickle=False):
    """Write a comparison and the model to use to a folder.

    Every file appears whole: all are written beside the folder first and then moved in, so that
    a failure leaves the folder as it was. What an earlier run left there of which this one has
    nothing, such as its time course, is removed. :func:`write_report` makes a page of it.

    Parameters
    ----------
    comparison : Bunch
        From :func:`~sklearn_cellfate.model_selection.compare_modalities`.
    table : DataFrame
        The cell table compared on.
    model : Pipeline
        Fitted on all rows.
    folder : str or path-like
        Where to; files of the same names are replaced.
    run : dict, default=None
        From :func:`describe_run`, with the seed and the file of the data; by default what it can
        say without them.
    name : str, default=None
        Which pipeline of the comparison `model` is: its scores go into the model card.
    pickle : bool, default=False
        Write the model as ``model.joblib``, a pickle that can run any code when it is opened,
        even where a file that runs none can be written.

    Returns
    -------
    files : list of Path
        What was written: ``report.txt``; ``scores``, ``summary``, ``differences``, ``by_group``
        and ``predictions`` as ``.csv`` and ``.parquet``; figures as ``.png``; ``model.skops`` of
        :func:`sklearn_cellfate.persistence.save`, or ``model.joblib``; and what the report is
        made of: ``run.json``, ``cells.parquet`` (the rows compared, of large tables a sample, the
        row number as index), ``losses.parquet``, ``latents.npz`` and, of a network with a
        decoder, ``traversal.parquet`` and ``traversal.npz``.

    Warns
    -----
    UserWarning
        If the model is written as a pickle though none was asked for: without skops (the extra
        ``safe``), or if the model holds types that a safe file may not name.
    """
    run = describe_run(comparison, table) if run is None else run
    with folder_written_whole(folder, NOT_OF_EVERY_RUN) as draft:
        (draft / "report.txt").write_text(format_comparison(comparison) + "\n", encoding="utf-8")
        (draft / "run.json").write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
        _write_tables(comparison, draft)
        _write_figures(comparison, table, draft)
        _write_latents(comparison, table, draft)
        _write_model(comparison, table, model, draft, name, pickle)
        names = sorted(path.name for path in draft.iterdir())
    return [Path(folder) / file for file in names]


def write_time_course(course, folder):
    """Put a time course into a run folder, for the report to show.

    Parameters
    ----------
    course : Bunch
        From :func:`~sklearn_cellfate.model_selection.time_course`.
    folder : str or path-like
        The run folder.

    Returns
    -------
    file : Path
        ``time_course.parquet``: a row an estimator, time and metric with ``mean``, ``sd``,
        ``folds``, ``low`` and ``high``, the cells observed at that time (``n``, ``n_ended`` and
        ``n_<class>``), and in each row ``unit``, ``models`` and ``pos_label``.
    """
    pos_label = None if course.pos_label is None else str(course.pos_label)
    table = pd.merge(course.summary.reset_index(), course.counts.reset_index(), on="time")
    table = table.assign(unit=course.unit, models=course.models)
    table["pos_label"] = pd.array([pos_label] * len(table), dtype="str")
    with folder_written_whole(folder) as draft:
        table.to_parquet(draft / "time_course.parquet", index=False)
    return Path(folder) / "time_course.parquet"


def _write_model(comparison, table, model, folder, name, pickle):
    if not pickle:
        try:
            save(
                model,
                folder / SAFE_MODEL,
                X=table[[comparison.image, *comparison.features]],
                y=table[comparison.target],
                scores=None if name is None else comparison.summary.loc[name],
            )
            return
        except (ImportError, TypeError) as error:  # no skops, or a type that it may not name
            warnings.warn(f"the model is written as a pickle: {error}", stacklevel=3)
    joblib.dump(model, folder / PICKLED_MODEL)


def _write_tables(comparison, folder):
    tables = {
        "scores": comparison.scores,
        "summary": comparison.summary.reset_index(),
        "differences": comparison.differences.reset_index(),
        "by_group": comparison.by_group,
        "predictions": comparison.predictions,
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
        table.to_parquet(folder / f"{name}.parquet", index=False)


def _write_latents(comparison, table, folder):
    rows = sample_rows(table, comparison.image)
    groups = [] if comparison.groups is None else [comparison.groups]
    columns = [comparison.image, comparison.target, *groups, *comparison.features]
    cells = table.iloc[rows][columns].set_axis(pd.Index(rows, name="row"))
    write_cells(cells.rename(columns=str), folder / "cells.parquet")
    fold_autoencoder(comparison, 0).history_.to_parquet(folder / "losses.parquet", index=False)
    arrays, traversal = explore_latents(comparison, table, rows)
    np.savez_compressed(folder / "latents.npz", **arrays)
    if traversal is not None:
        traversal.table.to_parquet(folder / "traversal.parquet", index=False)
        np.savez_compressed(
            folder / "traversal.npz",
            **{name: traversal[name] for name in ("images", "latent_values", "latents")},
        )


def _write_figures(comparison, table, folder):
    import matplotlib

    # Class labels are the user's text: a dollar sign begins no formula.
    with matplotlib.rc_context({"backend": "agg", "text.parse_math": False}):
        import matplotlib.pyplot as plt

        figures = {
            "roc": plot_roc(comparison),
            "confusion": plot_confusion(comparison),
            "latent_space": plot_latent_space(comparison, table),
            "losses": plot_losses(comparison),
        }
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.png", dpi=120)
            plt.close(figure)
