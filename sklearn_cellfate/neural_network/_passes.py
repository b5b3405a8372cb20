"""Forward passes outside training: rows go to the device in parts of one size."""

import numpy as np
import torch

__all__ = ["apply_in_passes"]

# Results wait on the device for one another, up to so many bytes.
RESULT_BYTES = 2**28


@torch.inference_mode()
def apply_in_passes(network, rows, size, device, scale=None):
    """Apply a network to the rows of an array, so many at once, always.

    Nothing is waited for between passes: while a GPU computes one, the host puts the rows of the
    next into pinned memory. The copy itself is short beside either, so one stream will do.

    Parameters
    ----------
    network : Module
        In evaluation mode, on the device; leaves its input as it is.
    rows : ndarray of shape (n, ...)
        On the host.
    size : int
        Rows a pass; what lacks in the last is filled with zeros.
    device : str or torch.device
    scale : tuple of two ndarray or None
        What is subtracted from rows on the device, then what they are divided by; None for rows
        to be taken as they are.

    Returns
    -------
    results : ndarray of shape (n, ...)
    """
    device = torch.device(device)
    if scale is not None:
        scale = [torch.tensor(part, device=device) for part in scale]
    place = torch.from_numpy(np.zeros((size, *rows.shape[1:]), rows.dtype)).to(device)
    move = Staging(rows, size, device).move if is_staged(device) else copy_rows
    gathered, waiting, n_bytes = [], [], 0
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        filled = place[: len(part)]
        move(part, filled)
        place[len(part) :].zero_()
        if scale is not None:
            filled.sub_(scale[0]).div_(scale[1])
        waiting.append(network(place)[: len(part)])
        n_bytes += waiting[-1].nbytes
        if n_bytes >= RESULT_BYTES:
            gathered.append(torch.cat(waiting).cpu())
            waiting, n_bytes = [], 0
    if waiting:
        gathered.append(torch.cat(waiting).cpu())
    return (gathered[0] if len(gathered) == 1 else torch.cat(gathered)).numpy()


def is_staged(device):
    """Whether a device copies by itself what lies in pinned memory."""
    return device.type == "cuda"


def copy_rows(rows, place):
    """Copy rows of an array to a place on the device."""
    place.copy_(torch.from_numpy(np.array(rows)))  # a copy: torch warns of what is read-only


class Staging:
    """Two buffers in pinned memory: one is filled while the device may still read the other.

    Parameters
    ----------
    rows : ndarray of shape (n, ...)
        Those to be moved.
    size : int
        Of them at once.
    device : torch.device
    """

    def __init__(self, rows, size, device):
        self._stream = torch.cuda.current_stream(device)
        n_turns = 1 if len(rows) <= size else 2
        self._turns = [(pinned_like(rows[:size]), torch.cuda.Event()) for _ in range(n_turns)]

    def move(self, rows, place):
        """Copy rows to a place on the device, which goes on by itself."""
        self._turns.append(self._turns.pop(0))
        buffer, has_read = self._turns[-1]
        has_read.synchronize()
        buffer.numpy()[: len(rows)] = rows
        place.copy_(buffer[: len(rows)], non_blocking=True)
        has_read.record(self._stream)


def pinned_like(rows):
    """Memory of the host that the device copies by itself."""
    return torch.from_numpy(np.empty_like(rows)).pin_memory()
