"""TrainingHistoryDisplay: the losses of a fit, epoch by epoch."""

from sklearn_cellfate.inspection._pipelines import find_network
from sklearn_cellfate.inspection._plot._panels import panel_grid

__all__ = ["TrainingHistoryDisplay"]

LOSSES = ("reconstruction", "adversarial", "discriminator", "contrastive", "covariance")
STYLES = {"train": ("-", "#0072B2"), "valid": ("--", "#D55E00")}


class TrainingHistoryDisplay:
    """Losses over the epochs of both training stages, on training and validation rows.

    Of an autoencoder its own four losses and the discriminator's, each before its weight; of
    another network its one loss. Training losses are those met while training, with dropout and,
    under ``class_weight="balanced"``, with classes of equal size; so the two lines of a panel may
    lie apart from the start. Look at where they turn.

    Parameters
    ----------
    history : DataFrame
        The ``history_`` of a fitted network.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One a loss.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.inspection import TrainingHistoryDisplay
    >>> losses = {"train_reconstruction": [0.9, 0.5], "train_adversarial": [0.7, 0.7]}
    >>> history = pd.DataFrame({"epoch": [1, 2], "stage": [1, 2], **losses})
    >>> [ax.get_title() for ax in TrainingHistoryDisplay(history).plot().axes_]
    ['reconstruction', 'adversarial']
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the history of a fitted network.

        Parameters
        ----------
        estimator : AdversarialAutoencoder, AAEClassifier, EfficientNetClassifier or pipeline
            Fitted; of a pipeline, the network inside. Validation rows have losses with
            ``early_stopping=True``.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.

        Returns
        -------
        display : TrainingHistoryDisplay

        Raises
        ------
        NotFittedError
            If `estimator` is not fitted.
        """
        return cls(find_network(estimator).history_).plot(ax=ax)

    def plot(self, ax=None):
        """Draw a panel a loss.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Its place is divided among the panels; it must come from ``subplots``. A new figure
            by default.

        Returns
        -------
        display : TrainingHistoryDisplay

        Raises
        ------
        ValueError
            If there is no epoch in the history.
        """
        names = [name for name in LOSSES if f"train_{name}" in self.history]
        if not names and "train_loss" in self.history:
            names = ["loss"]
        if not names:
            raise ValueError("the history has no epoch with losses; was max_epochs 0?")
        axes = panel_grid(ax, 1, len(names), (2.6 * len(names), 2.8))[0]
        for panel, name in zip(axes, names):
            self._plot_loss(panel, name)
        axes[0].set_ylabel("mean over the rows")
        axes[0].legend(frameon=False, fontsize="small")
        self.axes_, self.figure_ = axes, axes[0].figure
        return self

    def _plot_loss(self, ax, name):
        epoch = self.history["epoch"]
        for side, (style, colour) in STYLES.items():
            if f"{side}_{name}" in self.history:
                values = self.history[f"{side}_{name}"]
                ax.plot(epoch, values, style, color=colour, label=side)
        ax.set(title=name, xlabel="epoch", xlim=(epoch.min() - 1, epoch.max() + 1))
        ax.margins(y=0.15)  # room for the number of the stage
        self._mark_stages(ax)

    def _mark_stages(self, ax):
        """Draw a line where a stage begins, with its number to the right."""
        for stage, first in self.history.groupby("stage")["epoch"].min().iloc[1:].items():
            ax.axvline(first - 0.5, color="0.7", lw=0.8)
            ax.annotate(
                f" stage {stage}",
                (first - 0.5, 1),
                (0, -2),
                xycoords=ax.get_xaxis_transform(),
                textcoords="offset points",
                va="top",
                fontsize="x-small",
                color="0.4",
            )
