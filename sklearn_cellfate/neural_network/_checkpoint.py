"""Files from which a fit that was cut off goes on, to the same result as if it never was."""

import hashlib
import io
import warnings
from pathlib import Path

import joblib
import numpy as np
import sklearn
import torch
from skorch.callbacks import Callback

from sklearn_cellfate import __version__
from sklearn_cellfate.neural_network._arrays import as_tensors
from sklearn_cellfate.neural_network._device import generator_states, set_generator_states
from sklearn_cellfate.table import written_whole

__all__ = ["Checkpoint", "fit_key"]

DIGEST_SIZE = 32  # bytes before the archive, in which torch checks no sums

# What a fit's result does not depend on, or what is in its first weights or in its seed.
NOT_IN_KEY = {
    "callbacks",
    "checkpoint_dir",
    "device",
    "random_state",
    "verbose",
    "warm_start",
    "weights",
}


def fit_key(estimator, net, train, held_out, seed):
    """Hash all that the result of a fit depends on.

    Parameters
    ----------
    estimator : estimator
        Its parameters count.
    net : BaseNet
        The net before training: its weights, optimisers and device count.
    train, held_out : TrainingRows or None
        The scaled rows.
    seed : int
        Seed of the fit.

    Returns
    -------
    key : str
    """
    parameters = estimator.get_params(deep=False)
    start = net.get_state(with_optimizers=True)
    rows = [vars(part) | {"groups": None} for part in (train, held_out) if part is not None]
    return joblib.hash(
        [
            {name: value for name, value in parameters.items() if name not in NOT_IN_KEY},
            [start["weights"], start["optimizers"], len(start["history"]), start["device"]],
            rows,
            [seed, __version__, sklearn.__version__, torch.__version__],
        ],
        hash_name="sha1",
    )


class Checkpoint(Callback):
    """Keep the state of a fit in a file after each epoch, and begin with what is there.

    Parameters
    ----------
    folder : str or Path
        Where the file is; made if need be.
    name : str
        Of the estimator.
    key : str
        What tells this fit from others, see :func:`fit_key`.
    monitor : EpochMonitor or None
        Its state belongs to the fit's.
    """

    def __init__(self, folder, name, key, monitor):
        self.folder, self.name, self.key, self.monitor = Path(folder), name, key, monitor
        self.path = self.folder / f"{name}-{key}.pt"

    def on_train_begin(self, net, **kwargs):
        """Go on where the file left off."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise ValueError(
                f"checkpoint_dir={str(self.folder)!r} is a file, or lies below one; expected a "
                "folder."
            ) from error
        self.has_warned_ = False
        for partial in self.folder.glob(f".{self.path.name}.*.partial"):
            partial.unlink(missing_ok=True)  # of a process that was killed while it wrote
        state = self._read()
        if state is None:
            return
        net.resume(state["net"])
        if self.monitor is not None:
            self.monitor.set_state(state["monitor"])
        set_generator_states(state["generators"], net.device)

    def on_epoch_end(self, net, **kwargs):
        """Write the file anew; a disk that is full is no reason to stop."""
        state = {
            "key": self.key,
            "net": _tensors_of(net),
            "monitor": None if self.monitor is None else as_tensors(self.monitor.get_state()),
            "generators": generator_states(net.device),
        }
        # Not straight to the file: torch turns a full disk into a RuntimeError of many lines.
        buffer = io.BytesIO()
        buffer.write(bytes(DIGEST_SIZE))
        torch.save(state, buffer)
        content = buffer.getbuffer()
        content[:DIGEST_SIZE] = _digest(content[DIGEST_SIZE:])
        try:
            with written_whole(self.path) as partial:
                partial.write_bytes(content)
        except OSError as error:
            self._warn_once(f"{error}; training goes on")

    def remove(self):
        """Remove the file of a fit that has ended."""
        self.path.unlink(missing_ok=True)

    def _read(self):
        if not self.path.exists():
            others = sorted(path.name for path in self.folder.glob(f"{self.name}-*.pt"))
            if others:
                warnings.warn(
                    f"checkpoint_dir={str(self.folder)!r} holds {len(others)} checkpoint(s) of "
                    f"other fits, with other rows, parameters or versions, such as {others[0]!r}; "
                    "this fit starts from scratch. Delete those that no fit will go on from.",
                    stacklevel=2,
                )
            return None
        try:
            content = memoryview(self.path.read_bytes())
            digest, archive = content[:DIGEST_SIZE], content[DIGEST_SIZE:]
            if digest != _digest(archive):
                raise ValueError("it is damaged")
            state = torch.load(io.BytesIO(archive), map_location="cpu", weights_only=True)
            if state["key"] != self.key:
                raise ValueError("it belongs to another fit")
        except Exception as error:  # whatever a damaged archive happens to raise
            warnings.warn(
                f"the checkpoint {str(self.path)!r} cannot be read "
                f"({error!r:.80}); this fit starts from scratch.",
                stacklevel=2,
            )
            return None
        return state

    def _warn_once(self, reason):
        if not self.has_warned_:
            self.has_warned_ = True
            warnings.warn(
                f"the checkpoint {str(self.path)!r} could not be written: {reason}. An earlier "
                "one, if there is any, is intact.",
                stacklevel=2,
            )


def _digest(content):
    return hashlib.blake2b(content, digest_size=DIGEST_SIZE).digest()


def _tensors_of(net):
    """Collect what `BaseNet.resume` takes; not copied, as it may fill half a memory."""
    return {
        "weights": {
            f"{prefix}.{name}": tensor
            for prefix, network in net.networks.items()
            for name, tensor in network.state_dict().items()
        },
        "optimizers": [optimizer.state_dict() for optimizer in net.optimizers],
        "history": [
            {
                name: value.item() if isinstance(value, np.generic) else value
                for name, value in row.items()
            }
            for row in net.history
        ],
    }
