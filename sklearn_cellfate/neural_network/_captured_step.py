"""Training steps captured as CUDA graphs: launched as a whole, with the processor out of the way.

A step on small images is hundreds of kernels that each take less time than their launch.
"""

import contextlib
import warnings
from collections import Counter
from functools import partial

import torch

__all__ = ["CapturedSteps", "Graphs"]

# Steps that run as they are before one is captured: libraries choose their kernels in them.
N_EAGER = 3


class Graphs:
    """Run functions of tensors, each as one graph once it has run a few times.

    A graph reads its inputs in one place and leaves its result in another. All else that a
    function reads or writes must stay where it is. Nothing here waits for the device.

    Parameters
    ----------
    device : torch.device
        A CUDA device.
    generators : sequence of torch.Generator, default=()
        Those that functions draw from, beside the device's own.
    around_capture : callable, default=contextlib.nullcontext
        Makes the context manager in which a function is captured.
    """

    def __init__(self, device, *, generators=(), around_capture=contextlib.nullcontext):
        self._side = SideStream(device, generators)
        self._around_capture = around_capture
        self._n_seen, self._graphs, self._captures = Counter(), {}, True

    def __call__(self, key, function, *inputs):
        """Run a function.

        Parameters
        ----------
        key : hashable
            Says all that decides what the function does, but for the numbers in tensors.
        function : callable
            Takes the inputs, returns a tensor.
        *inputs : Tensor
            On the device, for one key always of one shape.

        Returns
        -------
        result : Tensor
        """
        self._n_seen[key] += 1
        if self._captures and key not in self._graphs and self._n_seen[key] > N_EAGER:
            self._capture(key, function, inputs)
        if key not in self._graphs:
            run = partial(function, *inputs)
            return self._side.run(run) if self._captures else run()
        run, places, result = self._graphs[key]
        for place, values in zip(places, inputs):
            place.copy_(values)
        run()
        return result.clone()

    def stop(self):
        """Give the graphs' memory back, and go on one operation at a time."""
        self._captures = False
        self._graphs.clear()

    def _capture(self, key, function, inputs):
        places = [values.clone() for values in inputs]
        try:
            with self._around_capture():
                run, result = self._side.capture(partial(function, *places))
        except torch.OutOfMemoryError:
            raise  # one operation at a time it would run out again
        except RuntimeError as error:
            self.stop()
            warnings.warn(
                "training steps cannot be captured as CUDA graphs here "
                f"({str(error)!r:.120}); they go on one operation at a time, to the same result.",
                stacklevel=2,
            )
        else:
            self._graphs[key] = run, places, result


class SideStream:
    """Stream of a device beside the current one, which is where graphs are captured.

    One for all that is tried and captured: memory that a stream has freed is used again by this
    stream alone, and the graphs share theirs.

    Parameters
    ----------
    device : torch.device
        Whose work is captured, that of other threads left out.
    generators : sequence of torch.Generator
        As of :class:`Graphs`.
    """

    def __init__(self, device, generators):
        self.device, self.generators = device, generators
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def run(self, function):
        """Run a function without arguments after all that was begun, before all that follows."""
        with torch.cuda.device(self.device):
            here = torch.cuda.current_stream()
            self._stream.wait_stream(here)
            with torch.cuda.stream(self._stream):
                result = function()
            here.wait_stream(self._stream)
        return result

    def capture(self, function):
        """Capture what a function does, without doing it.

        Parameters
        ----------
        function : callable
            Without arguments.

        Returns
        -------
        run : callable
            Does it, with the numbers that are then where the function read them.
        result : object
            What the function returned; its tensors are where `run` leaves their numbers.

        Raises
        ------
        RuntimeError
            If it cannot be captured. It can then be run: random numbers go on where they were.
        """
        with torch.cuda.device(self.device):
            here, graph = torch.cuda.current_stream(), torch.cuda.CUDAGraph()
            for generator in self.generators:
                graph.register_generator_state(generator)
            try:
                with torch.cuda.graph(
                    graph,
                    pool=self._pool,
                    stream=self._stream,
                    capture_error_mode="thread_local",
                ):
                    result = function()
            except BaseException as error:
                torch.cuda.set_stream(here)  # a capture that fails to end stays in its own
                self._renew_generators()
                if isinstance(error.__context__, torch.OutOfMemoryError):
                    raise error.__context__ from None  # it is why the capture could not end
                raise
        return graph.replay, result

    def _renew_generators(self):
        """Let generators draw outside of graphs again, from where they were before a capture.

        Older torch takes the generators of a capture that failed to end to be captured for ever,
        and refuses each draw after that. The copy of a state has no part in any capture.
        """
        own = torch.cuda.default_generators[torch.cuda.current_device()]
        for generator in (own, *self.generators):
            generator.graphsafe_set_state(generator.clone_state())


class CapturedSteps:
    """Run a net's steps, those of one size and stage as one graph.

    Images and labels stay where they are; a step takes the numbers of its rows.

    Parameters
    ----------
    net : AdversarialAutoencoderNet
        On a CUDA device.
    images : Tensor of shape (n, C, H, W)
        All of those trained on.
    labels : Tensor of shape (n,) or None
        Class indices.
    """

    def __init__(self, net, images, labels):
        self.net, self.images, self.labels = net, images, labels
        self._graphs = Graphs(images.device, around_capture=self._ready_to_capture)
        self._names = {}
        self._groups = [group for one in net.optimizers for group in one.param_groups]
        self._rates = [group["lr"] for group in self._groups]
        for group in self._groups:
            # A number would be captured as it is now, and the learning rate may change.
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = torch.as_tensor(group["lr"], device=images.device)

    @property
    def names(self):
        """Names of the losses that the last step computed."""
        return self._names[self.net.stage]

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
        return self._graphs((len(rows), self.net.stage), self._step, rows)

    def stop_capturing(self):
        """Give the graphs' memory back, and go on one operation at a time."""
        self._graphs.stop()

    def close(self):
        """Leave the optimisers as they were, and give the graphs' memory back."""
        self._graphs.stop()
        for group, rate in zip(self._groups, self._rates):
            on_device, group["lr"] = group["lr"], rate
            # A device that has failed tells nothing more, and must not hide why it failed.
            with contextlib.suppress(RuntimeError):
                found = on_device.item()
                if found != torch.as_tensor(rate).item():  # of single precision, as is the other
                    group["lr"] = found
        self._forget_gradients()

    def _step(self, rows):
        labels = None if self.labels is None else self.labels[rows]
        losses = self.net.train_step((self.images[rows], labels))
        self._names[self.net.stage] = list(losses)
        return torch.stack([loss.detach() for loss in losses.values()])

    @contextlib.contextmanager
    def _ready_to_capture(self):
        self._forget_gradients()  # so that new ones lie where the graph will find them again
        self._set_capturable(True)
        try:
            yield
        except RuntimeError as error:
            self._forget_gradients()
            if isinstance(error, torch.OutOfMemoryError):
                # Without graphs there is more of it, and a step knows how to do with less.
                raise RuntimeError(str(error)) from error
            raise
        finally:
            self._set_capturable(False)

    def _set_capturable(self, value):
        """Say so to the optimisers while it is true; they warn of steps outside of graphs."""
        for group in self._groups:
            group["capturable"] = value

    def _forget_gradients(self):
        for optimizer in self.net.optimizers:
            optimizer.zero_grad()
