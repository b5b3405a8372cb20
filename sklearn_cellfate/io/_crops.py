"""Windows cut out of one plane, all at once, and what the labels in them say."""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

NEIGHBOURS = (
    np.s_[:, :-2, 1:-1],
    np.s_[:, 2:, 1:-1],
    np.s_[:, 1:-1, :-2],
    np.s_[:, 1:-1, 2:],
)


def window_starts(positions, size):
    """First pixel of the window of `size` pixels whose centre is nearest to each position.

    Pixel centres are at whole numbers. Of two windows that are equally near, the one that starts
    earlier is taken: a window of even size around a whole position has its extra pixel before it,
    and a position halfway between two pixels belongs to the first. A window of size 1 is the
    pixel under the position.
    """
    return np.ceil(np.asarray(positions, dtype=float) - size / 2).astype(np.int64)


def count_inside(starts, size, length):
    """How many pixels of each window lie from 0 to `length` - 1."""
    return np.maximum(np.minimum(starts + size, length) - np.maximum(starts, 0), 0)


def cut_windows(plane, top, left, shape):
    """Cut windows out of an image; what lies outside of it is 0.

    Parameters
    ----------
    plane : ndarray of shape (C, H, W)
        The image. Only the rows that a window covers are looked at, so that a memory-mapped
        file is read only there.
    top, left : ndarray of shape (n,), int
        First row and column of each window; may be negative.
    shape : tuple of (height, width)
        Of each window.

    Returns
    -------
    windows : ndarray of shape (n, C, height, width)
        Copies, not necessarily C-contiguous.
    """
    height, width = shape
    H, W = plane.shape[1:]
    within = (top >= 0) & (left >= 0) & (top <= H - height) & (left <= W - width)
    if within.all() and len(top):
        return _all_windows(plane, shape)[:, top, left].swapaxes(0, 1)
    windows = np.zeros((len(top), len(plane), height, width), plane.dtype)
    if within.any():
        windows[within] = cut_windows(plane, top[within], left[within], shape)
    # Few cells lie at the edge: padding their windows is cheaper than padding the plane.
    for i in np.flatnonzero(~within):
        above, before = max(-top[i], 0), max(-left[i], 0)
        part = plane[:, max(top[i], 0) : top[i] + height, max(left[i], 0) : left[i] + width]
        windows[i, :, above : above + part.shape[1], before : before + part.shape[2]] = part
    return windows


def _all_windows(plane, shape):
    """View of every window: (C, first row, first column, height, width)."""
    # What sliding_window_view does, without its checks, which take as long as 100 small windows.
    C, H, W = plane.shape
    firsts = (C, H - shape[0] + 1, W - shape[1] + 1)
    return as_strided(plane, firsts + shape, plane.strides + plane.strides[1:], writeable=False)


def blacken_outside(windows, masks):
    """Set to 0, in place, what lies outside of each window's mask.

    Parameters
    ----------
    windows : ndarray of shape (n, C, height, width)
        The pixels.
    masks : ndarray of shape (n, height, width), bool
        Where they stay.
    """
    if windows.dtype.kind == "f":  # 0 times NaN is not 0
        np.copyto(windows, 0, where=~masks[:, np.newaxis])
    else:  # four times faster
        windows *= masks[:, np.newaxis]


class Objects(NamedTuple):
    """The objects of the cells of one frame."""

    mask: np.ndarray  #: (n, height, width), bool: the own object within each window
    label: np.ndarray  #: (n,): its label, 0 without one in the window
    area: np.ndarray  #: (n,): its pixels in the window
    at_edge: np.ndarray  #: (n,), bool: it reaches the border of the field
    cut: np.ndarray  #: (n,), bool: it reaches the border of the window
    touching: np.ndarray  #: (n,), bool: it has a 4-neighbour of another label
    shared: np.ndarray  #: (n,), bool: another of the n cells has the same object


def find_objects(labels, own, top, left, shape):
    """Find the object of each cell in the labels of one frame.

    Parameters
    ----------
    labels : ndarray of shape (H, W), integer
        0 is the background.
    own : ndarray of shape (n,), integer
        Label of each cell's object; 0 for a cell without one.
    top, left, shape : as in `cut_windows`

    Returns
    -------
    objects : Objects
    """
    own = _as_labels(own, labels.dtype)
    windows = cut_windows(labels[np.newaxis], top, left, shape)[:, 0]
    mask = windows == own[:, np.newaxis, np.newaxis]
    mask[own == 0] = False
    area = mask.reshape(len(mask), -1).sum(axis=1, dtype=np.int32)
    label = np.where(area > 0, own, 0)
    cut = _reaches_border(mask)
    # Only objects that reach the border can have a neighbour beyond it, which the windows lack.
    alone = ~cut & ~((windows != 0) ^ mask).any(axis=(1, 2))
    touching = np.zeros(len(mask), bool)
    touching[~alone] = _is_touching(labels, own[~alone], top[~alone], left[~alone], shape)
    return Objects(
        mask=mask,
        label=label,
        area=area,
        at_edge=(label != 0) & np.isin(label, _labels_on_border(labels)),
        cut=cut,
        touching=touching,
        shared=_is_repeated(label),
    )


def _as_labels(own, dtype):
    """Convert to the labels' own dtype; a label that it cannot hold is nowhere in the image."""
    if own.dtype == dtype:
        return own
    limits = np.iinfo(dtype)
    return np.where((own >= limits.min) & (own <= limits.max), own, 0).astype(dtype)


def _is_touching(labels, own, top, left, shape):
    """Whether a pixel of each object in its window is beside one of another label."""
    # One pixel more on every side, where the neighbours of the window's outermost pixels are.
    larger = (shape[0] + 2, shape[1] + 2)
    around = cut_windows(labels[np.newaxis], top - 1, left - 1, larger)[:, 0]
    is_own = (around == own[:, np.newaxis, np.newaxis]) & (around != 0)
    is_other = (around != 0) ^ is_own
    beside = is_other[NEIGHBOURS[0]].copy()
    for side in NEIGHBOURS[1:]:
        beside |= is_other[side]
    return (beside & is_own[:, 1:-1, 1:-1]).any(axis=(1, 2))


def _labels_on_border(labels):
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return border[border != 0]


def _is_repeated(label):
    """Whether another cell has the same label, which is not 0."""
    in_order = np.sort(label[label != 0])
    return np.isin(label, in_order[1:][in_order[1:] == in_order[:-1]])


def _reaches_border(mask):
    rows = (mask[:, 0] | mask[:, -1]).any(axis=1)
    return rows | (mask[:, :, 0] | mask[:, :, -1]).any(axis=1)
