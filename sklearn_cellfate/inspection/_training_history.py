"""TrainingHistoryDisplay: the losses of a fit, epoch by epoch."""

__all__ = ["TrainingHistoryDisplay"]

LOSSES = ("reconstruction", "adversarial", "discriminator", "contrastive", "covariance")


class TrainingHistoryDisplay:
    """Losses over the epochs of both training stages.

    Parameters
    ----------
    history : DataFrame
        The ``history_`` of a fitted autoencoder.

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
    def from_estimator(cls, estimator):
        """Draw the history of a fitted autoencoder.

        Parameters
        ----------
        estimator : AdversarialAutoencoder or AAEClassifier
            Fitted.

        Returns
        -------
        display : TrainingHistoryDisplay
        """
        return cls(estimator.history_).plot()

    def plot(self):
        """Draw into a new figure.

        Returns
        -------
        display : TrainingHistoryDisplay

        Raises
        ------
        ValueError
            If there is no epoch in the history.
        """
        import matplotlib.pyplot as plt

        names = [name for name in LOSSES if f"train_{name}" in self.history]
        if not names:
            raise ValueError("the history has no epoch with losses; was max_epochs 0?")
        figure, axes = plt.subplots(
            1, len(names), figsize=(2.6 * len(names), 2.6), layout="constrained", squeeze=False
        )
        for ax, name in zip(axes[0], names):
            self._plot_loss(ax, name)
        axes[0, 0].legend(frameon=False)
        self.axes_, self.figure_ = axes[0], figure
        return self

    def _plot_loss(self, ax, name):
        epoch = self.history["epoch"]
        for side, style in (("train", "-"), ("valid", "--")):
            if f"{side}_{name}" in self.history:
                ax.plot(epoch, self.history[f"{side}_{name}"], style, label=side)
        last_of_first_stage = epoch[self.history["stage"] == 1].max()
        if last_of_first_stage == last_of_first_stage:  # not NaN: there was a first stage
            ax.axvline(last_of_first_stage + 0.5, color="0.7", lw=0.8)
        ax.set(title=name, xlabel="epoch")
