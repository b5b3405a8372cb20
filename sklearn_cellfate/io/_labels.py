"""Open label images, in which the value of a pixel is the number of its object."""

import os
from typing import Any

import numpy as np

from sklearn_cellfate.io._read_stack import read_stack
from sklearn_cellfate.io._stack import ImageStack, as_stack, first_file_number

# Folders of the Cell Tracking Challenge inside 01_GT and 01_ST, the one that tracks name first.
CHALLENGE_FOLDERS = ("TRA", "SEG")
# Whole numbers beyond are not all kept apart by a float of 64 bits.
LARGEST_FLOAT_LABEL = 2.0**53
# A film may begin with one cell, which does not tell masks from labels; opening must stay quick.
MOST_FRAMES_TO_JUDGE = 16


def read_labels(
    path: str | os.PathLike,
    *,
    axes: str | None = None,
    name: str | None = None,
    dataset: str | int | None = None,
    binary: bool | None = None,
) -> ImageStack:
    """Open label images as a stack of one channel that is read frame by frame.

    In a label image each pixel holds the number of the object that it belongs to, 0 in the
    background.

    Parameters
    ----------
    path : str or path-like
        Whatever :func:`read_stack` opens, so a TIFF file, a folder of numbered files, OME-Zarr,
        or ilastik's export to TIFF or HDF5; or a folder of the Cell Tracking Challenge [1]_:
        ``01_RES`` (``mask000.tif``), ``01_GT/TRA`` (``man_track000.tif``), ``01_ST/SEG``
        (``man_seg000.tif``). ``01_GT`` stands for its ``TRA``, ``01_ST`` for its ``SEG``. The
        first file is frame 0, whatever its number; :func:`read_tracks` counts a lineage alike.
    axes : str, default=None
        As in :func:`read_stack`: one letter a dimension, ``"TYX"`` for pages that do not say that
        they are frames.
    name : str, default=None
        Name of the field of view. By default that of the file or folder without extensions.
    dataset : int or str, default=None
        As in :func:`read_stack`: which of several images in a file.
    binary : bool, default=None
        Whether the file holds masks instead: any value but 0 is "cell". If True, the objects of
        each frame are numbered anew from 1 by :func:`skimage.measure.label`; pixels that touch
        by an edge or a corner are one object, and an object's number means nothing from one
        frame to the next. If False, the values are labels for certain. By default they are
        labels too, but a file that looks like masks is refused: one of booleans, or whose first
        frame with several objects, among the first 16 frames, gives all of them one value.

    Returns
    -------
    labels : ImageStack
        With one channel and an integer dtype. Whole numbers stored as floats come as int64.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        As :func:`read_stack`, and if there is more than one channel or the file looks like
        masks; when a frame is read, if it holds a negative number or one that is not whole.

    See Also
    --------
    read_stack : The movie that the labels belong to.

    References
    ----------
    .. [1] M. Maška et al., "The Cell Tracking Challenge: 10 years of objective benchmarking",
       Nature Methods 20, 2023. :doi:`10.1038/s41592-023-01879-y`

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np, tifffile
    >>> from sklearn_cellfate.io import read_labels
    >>> one_cell = np.zeros((5, 16, 16), "float32")
    >>> one_cell[:, 4:8, 4:8] = 7
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "masks.tif")
    ...     tifffile.imwrite(path, one_cell, metadata={"axes": "TYX"})
    ...     labels = read_labels(path)
    ...     labels, np.unique(labels[2])
    (ImageStack('masks', shape=(5, 1, 16, 16), dtype=int64, pixel_size=None), array([0, 7]))
    """
    path = _challenge_folder(os.path.abspath(os.fspath(path)))
    stack = read_stack(path, axes=axes, dataset=dataset, name=name)
    return _checked(stack, binary, repr(path))


def as_labels(x: Any, name: str | None = None, *, binary: bool | None = None) -> ImageStack:
    """Return a stack of labels of what may be a stack, an array or a Dask array.

    Parameters
    ----------
    x : ImageStack, or array of shape (T, H, W) or (T, 1, H, W)
        As in :func:`as_stack`.
    name : str, default=None
        Name of the field of view, by default the stack's own or "labels".
    binary : bool, default=None
        As in :func:`read_labels`.

    Returns
    -------
    labels : ImageStack
        With one channel and an integer dtype.

    Raises
    ------
    ValueError
        As :func:`as_stack` and :func:`read_labels`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.io import as_labels
    >>> as_labels(np.zeros((3, 20, 20), dtype="uint16"), "field 1").shape
    (3, 1, 20, 20)
    """
    if name is None and not isinstance(x, ImageStack):
        name = "labels"
    stack = as_stack(x, name)
    return _checked(stack, binary, repr(stack.name))


def _checked(stack, binary, what):
    if isinstance(stack._planes, _LabelPlanes):
        return stack
    if stack.shape[1] != 1:
        raise ValueError(
            f"{what} has {stack.shape[1]} channels, and a label image has one; a picture of "
            "labels in colours does not hold their numbers."
        )
    if binary is None:
        _refuse_masks(stack, what)
    if stack.dtype.kind == "u" and not binary:
        return stack
    planes = _LabelPlanes(stack, bool(binary), what)
    return ImageStack(planes, planes.axes, name=stack.name, pixel_size=stack.pixel_size)


class _LabelPlanes:
    """Frames of a stack, turned into labels as they are read."""

    axes = "TCYX"

    def __init__(self, stack, binary, what):
        self._stack, self._binary, self._what = stack, binary, what
        self.shape = stack.shape
        self.dtype = np.dtype(np.int64) if binary or stack.dtype.kind in "fb" else stack.dtype
        self.first_number = first_file_number(stack)

    def __getitem__(self, index):
        """Read one frame, which is what an ImageStack asks for."""
        t, *within = index
        frame = self._stack[t]
        if self._binary:
            frame = _objects(frame)
        else:
            _refuse_no_labels(frame, f"frame {t} of {self._what}")
        return frame.astype(self.dtype, copy=False)[tuple(within)]


def _refuse_no_labels(frame, what):
    if frame.dtype.kind == "f" and not (frame == np.trunc(frame)).all():
        bad = frame[~(frame == np.trunc(frame))]
        raise ValueError(f"{what} holds {bad[0]:g}, and labels are whole numbers.")
    if frame.dtype.kind in "if" and frame.min() < 0:
        raise ValueError(f"{what} holds {frame.min():g}, and labels are not negative.")
    if frame.dtype.kind == "f" and frame.max() > LARGEST_FLOAT_LABEL:
        raise ValueError(f"{what} holds {frame.max():g}, too large to be a label.")


def _refuse_masks(stack, what):
    advice = (
        "pass binary=True to number the objects of each frame, or number them with "
        "skimage.measure.label"
    )
    if stack.dtype.kind == "b":
        raise ValueError(f"{what} holds masks of True and False, not labels; {advice}.")
    for t in range(min(len(stack), MOST_FRAMES_TO_JUDGE)):
        frame = stack[t]
        values = frame[frame != 0]
        if values.size and (values != values[0]).any():
            return
        if values.size and _objects(frame).max() > 1:
            raise ValueError(
                f"{what} looks like masks, not labels: several objects of its frame {t} all have "
                f"the value {values[0]:g}; {advice}. If it is one cell in pieces, pass "
                "binary=False."
            )


def _objects(frame):
    """Give each object of a frame of shape (1, H, W) a number."""
    from skimage.measure import label  # not a light import

    return label(frame[0] != 0)[np.newaxis]


def _challenge_folder(path):
    """Go from 01_GT or 01_ST into the folder that holds the label images."""
    for inside in CHALLENGE_FOLDERS:
        if os.path.isdir(path) and os.path.isdir(os.path.join(path, inside)):
            return os.path.join(path, inside)
    return path
