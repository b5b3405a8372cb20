"""The movie of one field of view, read frame by frame."""

import os
from typing import Any

import numpy as np

from sklearn_cellfate.io._pixel_size import check_pixel_size
from sklearn_cellfate.table import unmasked

# One more letter stands for a dimension of length 1 that the file does not name.
KNOWN_AXES = "TCZYXS"
UNNAMED = "_"


class ImageStack:
    """A movie that is read one frame at a time, always as (T, C, H, W).

    Made by :func:`read_stack` and :func:`read_labels`; functions that take a stack take a plain
    array as well. Nothing stays open between two reads, so there is nothing to close. A stack of
    a file pickles as the file's path, and a worker process opens it anew.

    Parameters
    ----------
    planes : array-like with ``shape``, ``dtype`` and basic slicing
        The pixels: an array, or an object that reads a file when it is sliced.
    axes : str
        One letter a dimension of `planes`, in its order: T time, C channel, Z depth, Y height,
        X width, S sample (the red, green and blue of a colour image). Y and X must be there. Z
        must be of length 1 and is dropped; samples become channels.
    name : str, default="stack"
        Name of the field of view.
    pixel_size : float, default=None
        Micrometres a pixel, if known.

    Attributes
    ----------
    shape : tuple of (T, C, H, W)
        Frames, channels, height and width.
    dtype : numpy.dtype
        Of the pixels, in the byte order of this machine.
    name : str
        Name of the field of view.
    pixel_size : float or None
        Micrometres a pixel; None if the file does not say.

    Raises
    ------
    ValueError
        If the axes do not fit, or if there is more than one plane in depth.
    TypeError
        If the pixels are not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.io import ImageStack
    >>> movie = ImageStack(np.zeros((2, 10, 32, 24), "uint8"), "CTYX", name="well A1")
    >>> movie
    ImageStack('well A1', shape=(10, 2, 32, 24), dtype=uint8, pixel_size=None)
    >>> movie[3].shape
    (2, 32, 24)
    """

    def __init__(self, planes, axes, *, name="stack", pixel_size=None):
        self.name = str(name)
        check_layout(axes, planes.shape, repr(self.name))
        self.dtype = _native(planes.dtype)
        if self.dtype.kind not in "iufb":
            raise TypeError(f"{self.name!r} has dtype {self.dtype}; expected numbers.")
        self.pixel_size = None if pixel_size is None else check_pixel_size(pixel_size)
        self._planes, self._axes = planes, axes
        size = dict(zip(axes, planes.shape))
        channels = size.get("C", 1) * size.get("S", 1)
        self.shape = (size.get("T", 1), channels, size["Y"], size["X"])

    def __len__(self):
        """Return the number of frames."""
        return self.shape[0]

    def __getitem__(self, t):
        """Read frame `t` as an array of shape (C, H, W), which may be read-only."""
        t = _frame_number(t, len(self))
        index = tuple(t if a == "T" else slice(None) if a in "CSYX" else 0 for a in self._axes)
        frame = np.asarray(self._planes[index])
        left = [a for a in self._axes if a in "CSYX"]
        frame = frame.transpose([left.index(a) for a in "CSYX" if a in left])
        return frame.reshape(self.shape[1:]).astype(self.dtype, copy=False)

    def __iter__(self):
        """Read one frame after the other."""
        return (self[t] for t in range(len(self)))

    def __array__(self, dtype=None, copy=None):
        """Read everything."""
        if copy is False:
            raise ValueError("reading a stack makes a new array; copy=False is not possible.")
        pixels = np.empty(self.shape, self.dtype if dtype is None else dtype)
        for t, frame in enumerate(self):
            pixels[t] = frame
        return pixels

    def __repr__(self):
        """Name, shape, dtype and pixel size."""
        return (
            f"ImageStack({self.name!r}, shape={self.shape}, dtype={self.dtype}, "
            f"pixel_size={self.pixel_size})"
        )


def as_stack(x: Any, name: str | None = None) -> ImageStack:
    """Return a stack of what may be a stack, an array or a Dask array.

    Parameters
    ----------
    x : ImageStack, or array of shape (T, H, W) or (T, C, H, W)
        NumPy, Dask or whatever NumPy can convert. A Dask array is computed frame by frame.
    name : str, default=None
        Name of the field of view. By default a stack keeps its own and an array is "stack".

    Returns
    -------
    stack : ImageStack
        `x` itself if it is a stack and needs no other name.

    Raises
    ------
    ValueError
        If an array has neither three nor four dimensions, or has none of some kind.
    TypeError
        If `x` is a path, or does not hold numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.io import as_stack
    >>> as_stack(np.zeros((10, 32, 24)), name="A1").shape
    (10, 1, 32, 24)
    """
    if isinstance(x, str | os.PathLike):
        raise TypeError(f"expected a stack or an array, found a path: read_stack({str(x)!r}).")
    if isinstance(x, ImageStack):
        return x if name is None else _renamed(x, name)
    if isinstance(x, np.ma.MaskedArray):
        x = unmasked(x, "the stack")
    if not (hasattr(x, "shape") and hasattr(x, "dtype") and hasattr(x, "__getitem__")):
        x = np.asarray(x)
    axes = {3: "TYX", 4: "TCYX"}.get(len(x.shape))
    if axes is None:
        raise ValueError(
            f"a stack of shape {tuple(x.shape)} is neither (T, H, W) nor (T, C, H, W); a single "
            "image needs a frame axis: image[np.newaxis]."
        )
    return ImageStack(x, axes, name="stack" if name is None else name)


def first_file_number(stack):
    """Return the number in the name of the first frame's file, or None if frames have none."""
    return getattr(stack._planes, "first_number", None)


def check_layout(axes, shape, what):
    """Refuse axes that do not name every dimension, and more than one plane in depth."""
    if not isinstance(axes, str):
        raise TypeError(f"axes must be text such as 'TCYX', found {axes!r}.")
    named = axes.replace(UNNAMED, "")
    if not set("YX") <= set(named) <= set(KNOWN_AXES) or len(set(named)) != len(named):
        raise ValueError(
            f"axes={axes!r} of {what}: expected Y, X and any of T, C, Z, S, each once, such as "
            "'TCYX'."
        )
    if len(axes) != len(shape):
        raise ValueError(
            f"axes={axes!r} names {len(axes)} dimensions, but {what} has {len(shape)}: "
            f"{tuple(shape)}."
        )
    if 0 in shape:
        raise ValueError(f"{what} is empty: {describe_axes(axes, shape)}.")
    depth = dict(zip(axes, shape)).get("Z", 1)
    if depth > 1:
        frames = axes.replace("Z", "T")
        hint = "" if "T" in axes else f"; if they are frames after all, pass axes={frames!r}"
        raise ValueError(
            f"{what} has {depth} planes in depth ({describe_axes(axes, shape)}), and a stack is "
            f"flat: project them first, for example by the maximum over Z{hint}."
        )


def describe_axes(axes, shape):
    """Say "T 37, Y 1022, X 1024"."""
    return ", ".join(f"{a} {n}" for a, n in zip(axes, shape))


def _native(dtype):
    return np.dtype(dtype).newbyteorder("=")


def _frame_number(t, length):
    try:
        number = t.__index__()
    except AttributeError:
        raise TypeError(
            f"a stack gives one frame at a time, by its number, found {t!r}; "
            "np.asarray(stack) reads them all."
        ) from None
    if not -length <= number < length:
        raise IndexError(f"frame {number} of a stack of {length} frames.")
    return number % length


def _renamed(stack, name):
    return ImageStack(stack._planes, stack._axes, name=name, pixel_size=stack.pixel_size)
