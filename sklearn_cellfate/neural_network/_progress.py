"""A progress bar over epochs."""

from skorch.callbacks import Callback
from tqdm.auto import tqdm

__all__ = ["ProgressBar"]


class ProgressBar(Callback):
    """Show epochs and losses of a fit as it runs.

    Parameters
    ----------
    n_epochs : int
        Epochs that the fit may take.
    """

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_train_begin(self, net, **kwargs):
        """Open the bar."""
        self.bar_ = tqdm(total=self.n_epochs, initial=net.n_epochs_done, unit="epoch")

    def on_epoch_end(self, net, **kwargs):
        """Move it on."""
        epoch = net.history[-1]
        losses = {name: epoch[name] for name in ("train_loss", "valid_loss") if name in epoch}
        self.bar_.set_postfix(stage=epoch["stage"], **losses)
        self.bar_.update()

    def close(self):
        """Leave it as it stands, however training ended."""
        if hasattr(self, "bar_"):
            self.bar_.close()
