"""Where to compute, and random numbers that leave the rest of the program alone."""

import contextlib
import threading
import warnings
from contextvars import ContextVar

import torch
from torch.nn import init
from torch.overrides import TorchFunctionMode

__all__ = [
    "DrawnApart",
    "available_device",
    "drawing_alone",
    "generator_states",
    "resolve_device",
    "seeded",
    "set_generator_states",
]


def resolve_device(device):
    """Return the torch device for ``"auto"`` (CUDA, then MPS, then CPU) or a device's name."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f'device must be "auto" or a torch device such as "cpu", "cuda", "cuda:1" or "mps", '
            f"found {device!r}."
        ) from error


def available_device(device):
    """Return `device`, or with a warning another where this machine lacks it."""
    device = torch.device(device)
    present = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if not present.get(device.type, lambda: True)():
        kind = device.type.upper()
        warnings.warn(f"no {kind} device here; the model moves to the CPU.", stacklevel=2)
        return torch.device("cpu")
    if device.type == "cuda" and device.index and device.index >= torch.cuda.device_count():
        warnings.warn(f"no {device} here; the model moves to the first GPU.", stacklevel=2)
        return torch.device("cuda")
    return device


_drawing = threading.Lock()
_draws_alone = ContextVar("draws_alone", default=False)


@contextlib.contextmanager
def drawing_alone():
    """Let other threads wait that would seed torch, whose generators are those of the process.

    Two fits in threads would otherwise draw each other's numbers, as under joblib's "threading"
    or in a Dask worker. Threads that run in a copy of this context do not wait.
    """
    if _draws_alone.get():
        yield
        return
    with _drawing:
        token = _draws_alone.set(True)
        try:
            yield
        finally:
            _draws_alone.reset(token)


@contextlib.contextmanager
def seeded(seed, device):
    """Seed torch inside the block; afterwards its generators stand where they stood."""
    devices = [device] if device.type == "cuda" else []
    with drawing_alone(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


class DrawnApart(TorchFunctionMode):
    """Let networks draw their first weights, inside the block, from a generator of their own.

    A model that is unpickled needs no such weights, and must neither wait for a fit in another
    thread nor draw its numbers.
    """

    # What layers draw by. The functions of `init` call the methods, past this mode.
    _DRAWS = (
        torch.randn,
        torch.Tensor.normal_,
        torch.Tensor.uniform_,
        init.kaiming_normal_,
        init.kaiming_uniform_,
        init.normal_,
        init.uniform_,
    )

    def __init__(self):
        super().__init__()
        self._generator = torch.Generator()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Call a function of torch."""
        kwargs = kwargs or {}
        if func in self._DRAWS:
            kwargs = kwargs | {"generator": self._generator}
        return func(*args, **kwargs)


def generator_states(device):
    """States of the generators that training on a device draws from: the CPU's and its own.

    Parameters
    ----------
    device : str or torch.device

    Returns
    -------
    states : list of Tensor
    """
    states = [torch.get_rng_state()]
    if torch.device(device).type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def set_generator_states(states, device):
    """Put generators back to what `generator_states` returned."""
    torch.set_rng_state(states[0])
    if torch.device(device).type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
