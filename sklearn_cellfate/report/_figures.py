"""The figures of a comparison."""

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay

from sklearn_cellfate.inspection import LatentSpaceDisplay, TrainingHistoryDisplay
from sklearn_cellfate.report._latents import fold_autoencoder

__all__ = ["plot_confusion", "plot_latent_space", "plot_losses", "plot_roc"]

LONGEST_LABEL = 14  # characters of a class beside a confusion matrix


def plot_roc(comparison):
    """ROC curve of every fold, a panel a pipeline; for three classes or more, of each class.

    Parameters
    ----------
    comparison : Bunch
        From :func:`~sklearn_cellfate.model_selection.compare_modalities`.

    Returns
    -------
    figure : matplotlib Figure
    """
    figure, axes = panels(comparison)
    for ax, (name, predictions) in zip(axes, _by_estimator(comparison)):
        positives = comparison.classes[1:] if len(comparison.classes) == 2 else comparison.classes
        for number, label in enumerate(positives):
            for fold, rows in predictions.groupby("fold"):
                _plot_fold(ax, rows, label, f"C{(fold if len(positives) == 1 else number) % 10}")
        ax.plot([0, 1], [0, 1], color="0.7", lw=0.8, ls=":")
        ax.set(title=f"{name}\n{_score_text(comparison, name, 'roc_auc', 'AUC')}")
        ax.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
    return figure


def plot_confusion(comparison):
    """Confusion matrices of all held-out rows, normalised over the true class.

    Parameters
    ----------
    comparison : Bunch
        From :func:`~sklearn_cellfate.model_selection.compare_modalities`.

    Returns
    -------
    figure : matplotlib Figure
    """
    figure, axes = panels(comparison)
    labels = [_shorten(str(label)) for label in comparison.classes]
    for ax, (name, predictions) in zip(axes, _by_estimator(comparison)):
        ConfusionMatrixDisplay.from_predictions(
            predictions["y_true"],
            predictions["y_pred"],
            labels=comparison.classes,
            display_labels=labels,
            xticks_rotation=30 if max(map(len, labels)) > 6 else "horizontal",
            normalize="true",
            values_format=".2f",
            cmap="Blues",
            colorbar=False,
            ax=ax,
        )
        text = _score_text(comparison, name, "balanced_accuracy", "balanced accuracy")
        ax.set(title=f"{name}\n{text}", xlabel="predicted class", ylabel="true class")
        ax.label_outer()
    return figure


def plot_latent_space(comparison, table, fold=0):
    """Latent space of one fold's autoencoder, the rows it has never seen marked.

    Parameters
    ----------
    comparison : Bunch
        From :func:`~sklearn_cellfate.model_selection.compare_modalities`.
    table : DataFrame
        The cell table compared on.
    fold : int, default=0
        Which fold.

    Returns
    -------
    figure : matplotlib Figure
    """
    held_out = np.zeros(len(table), dtype=bool)
    held_out[comparison.folds[fold][1]] = True
    display = LatentSpaceDisplay.from_estimator(
        fold_autoencoder(comparison, fold),
        table[[comparison.image]],
        table[comparison.target],
        held_out=held_out,
    )
    display.ax_.set_title(f"latent space, fold {fold}")
    return display.figure_


def plot_losses(comparison, fold=0):
    """Losses of one fold's autoencoder over its epochs.

    Parameters
    ----------
    comparison : Bunch
        From :func:`~sklearn_cellfate.model_selection.compare_modalities`.
    fold : int, default=0
        Which fold.

    Returns
    -------
    figure : matplotlib Figure
    """
    return TrainingHistoryDisplay.from_estimator(fold_autoencoder(comparison, fold)).figure_


def panels(comparison):
    """Return a figure and its axes, one a pipeline, two side by side."""
    import matplotlib.pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    n_panels = len(comparison.estimators)
    n_columns = min(n_panels, 2)
    n_rows = -(-n_panels // n_columns)
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(3.3 * n_columns, 3.7 * n_rows),
        # Inches between a title and the axis label above.
        layout=ConstrainedLayoutEngine(h_pad=0.12),
        squeeze=False,
    )
    for ax in axes.flat[n_panels:]:
        ax.set_axis_off()
    return figure, axes.flat[:n_panels]


def _shorten(label):
    if len(label) <= LONGEST_LABEL:
        return label
    return label[: LONGEST_LABEL - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _by_estimator(comparison):
    return comparison.predictions.groupby("estimator", sort=False)


def _plot_fold(ax, rows, label, colour):
    is_positive = rows["y_true"] == label
    if is_positive.nunique() == 2:  # a held-out group may lack a class
        RocCurveDisplay.from_predictions(
            is_positive,
            rows[f"probability_{label}"],
            ax=ax,
            curve_kwargs={"color": colour, "lw": 1},
        )
        ax.get_legend().remove()


def _score_text(comparison, name, metric, words):
    row = comparison.summary.loc[(name, metric)]
    return f"{words} {row['mean']:.3f} ± {row['sd']:.3f}"
