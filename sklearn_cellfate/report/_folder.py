"""A comparison as a folder of tables, figures and the model to use."""

import os
import tempfile
from pathlib import Path

import joblib

from sklearn_cellfate.report._figures import (
    plot_confusion,
    plot_latent_space,
    plot_losses,
    plot_roc,
)
from sklearn_cellfate.report._tables import format_comparison

__all__ = ["write_comparison"]


def write_comparison(comparison, table, model, folder):
    """Write a comparison and the model to use to a folder.

    Every file appears whole: all are written beside the folder first and then moved in, so that
    a failure leaves the folder as it was.

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

    Returns
    -------
    files : list of Path
        What was written: ``report.txt``, ``scores``, ``summary``, ``differences`` and
        ``predictions`` as ``.csv`` and ``.parquet``, figures as ``.png``, ``model.joblib``.
    """
    folder = Path(folder).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as draft:
        draft = Path(draft)
        (draft / "report.txt").write_text(format_comparison(comparison) + "\n", encoding="utf-8")
        _write_tables(comparison, draft)
        _write_figures(comparison, table, draft)
        joblib.dump(model, draft / "model.joblib")
        folder.mkdir(exist_ok=True)
        names = sorted(path.name for path in draft.iterdir())
        for name in names:
            os.replace(draft / name, folder / name)
    return [folder / name for name in names]


def _write_tables(comparison, folder):
    tables = {
        "scores": comparison.scores,
        "summary": comparison.summary.reset_index(),
        "differences": comparison.differences.reset_index(),
        "predictions": comparison.predictions,
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
        table.to_parquet(folder / f"{name}.parquet", index=False)


def _write_figures(comparison, table, folder):
    import matplotlib

    with matplotlib.rc_context({"backend": "agg"}):
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
