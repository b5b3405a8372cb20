"""Training steps captured as CUDA graphs: launched as a whole, with the processor out of the way.

A step on small images is hundreds of kernels that each take less time than their launch.
"""

import warnings
from collections import Counter
from functools import partial

import torch

__all__ = ["CapturedSteps"]

# Steps that run as they are before one is captured: libraries choose their kernels in them.
N_EAGER = 3


class CapturedSteps:
    """Run a net's steps, those of one size and stage as one graph once there were a few.

    A graph reads numbers of rows from one place and leaves the losses in another; images and
    labels stay where they are. Nothing here waits for the device.

    Parameters
    ----------
    net : AdversarialAutoencoderNet
        On a CUDA device.
    images : Tensor of shape (n, C, H, W)
        All of those trained on.
    labels : Tensor of shape (n,) or None
        Class indices.

    Attributes
    ----------
    names : list of str
        Of the losses that the last step computed.
    """

    def __init__(self, net, images, labels):
        self.net, self.images, self.labels = net, images, labels
        self._n_seen, self._graphs, self._captures = Counter(), {}, True
        self._groups = [group for one in net.optimizers for group in one.param_groups]
        self._rates = [group["lr"] for group in self._groups]
        for group in self._groups:
            # A number would be captured as it is now, and the learning rate may change.
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = torch.as_tensor(group["lr"], device=images.device)

    def __call__(self, rows):
        """Train on some rows.

        Parameters
        ----------
        rows : Tensor of int
            On the device.

        Returns
        -------
        losses : Tensor of shape (n_losses,)
            In the order of `names`.
        """
        key = len(rows), self.net.stage
        self._n_seen[key] += 1
        if self._captures and key not in self._graphs and self._n_seen[key] > N_EAGER:
            self._capture(key, rows)
        if key not in self._graphs:
            step = partial(self._step, rows)
            self.names, losses = run_aside(step, rows.device) if self._captures else step()
            return losses
        run, place, self.names, losses = self._graphs[key]
        place.copy_(rows)
        run()
        return losses.clone()

    def stop_capturing(self):
        """Give the graphs' memory back, and go on one operation at a time."""
        self._captures = False
        self._graphs.clear()

    def close(self):
        """Leave the optimisers as they were, and give the graphs' memory back."""
        self._graphs.clear()
        for group, rate in zip(self._groups, self._rates):
            # On the device it has single precision.
            unchanged = bool(group["lr"] == torch.as_tensor(rate, device=group["lr"].device))
            group["lr"] = rate if unchanged else float(group["lr"])
        self._forget_gradients()

    def _step(self, rows):
        labels = None if self.labels is None else self.labels[rows]
        losses = self.net.train_step((self.images[rows], labels))
        return list(losses), torch.stack([loss.detach() for loss in losses.values()])

    def _capture(self, key, rows):
        place = rows.clone()
        self._forget_gradients()  # so that new ones lie where the graph will find them again
        self._set_capturable(True)
        try:
            run, (names, losses) = capture(partial(self._step, place), place.device)
        except RuntimeError as error:
            self.stop_capturing()
            self._forget_gradients()
            warnings.warn(
                "training steps cannot be captured as CUDA graphs here "
                f"({str(error)!r:.120}); they go on one operation at a time, to the same result.",
                stacklevel=2,
            )
        else:
            self._graphs[key] = run, place, names, losses
        finally:
            self._set_capturable(False)

    def _set_capturable(self, value):
        """Say so to the optimisers while it is true; they warn of steps outside of graphs."""
        for group in self._groups:
            group["capturable"] = value

    def _forget_gradients(self):
        for optimizer in self.net.optimizers:
            optimizer.zero_grad()


def run_aside(function, device):
    """Run a function in a stream of its own, which is where graphs are captured."""
    with torch.cuda.device(device):
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            result = function()
        here.wait_stream(aside)
    return result


def capture(function, device):
    """Capture what a function does on a device, without doing it.

    Parameters
    ----------
    function : callable
        Without arguments.
    device : torch.device
        Whose work is captured, that of other threads left out.

    Returns
    -------
    run : callable
        Does it, with the numbers that are then where the function read them.
    result : object
        What the function returned; its tensors are where `run` leaves their numbers.
    """
    with torch.cuda.device(device):
        here, graph = torch.cuda.current_stream(), torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                result = function()
        except BaseException:
            torch.cuda.set_stream(here)  # a capture that fails to end stays in its own
            raise
    return graph.replay, result
