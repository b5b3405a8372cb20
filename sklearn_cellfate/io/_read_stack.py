"""Open a movie in whatever file the microscope, or the program after it, has written."""

import math
import os
from pathlib import Path

from sklearn_cellfate.io._folder import FolderPlanes
from sklearn_cellfate.io._image_file import open_image
from sklearn_cellfate.io._pixel_size import side_of_square
from sklearn_cellfate.io._planes import refuse_bomb
from sklearn_cellfate.io._stack import KNOWN_AXES, UNNAMED, ImageStack, check_layout
from sklearn_cellfate.io._zarr import ZarrPlanes, is_zarr

SUFFIXES = (
    {".tif", ".tiff", ".btf", ".tf2", ".tf8", ".lsm", ".stk", ".png"}
    | {".ome", ".zarr"}
    | {".h5", ".hdf5", ".hdf"}
)
# From here on, the size of the file is held against what it declares.
LARGE_FRAME, LONG_MOVIE = 2**30, 10**6
# More than compression makes of pictures, even of those that are black nearly everywhere.
MOST_TIMES = 2**16


def read_stack(
    path: str | os.PathLike,
    *,
    axes: str | None = None,
    pixel_size: float | None = None,
    name: str | None = None,
    dataset: str | int | None = None,
) -> ImageStack:
    """Open a movie as a stack that is read frame by frame.

    Only the description of the pixels is read here; the pixels follow when a frame is asked for.

    Parameters
    ----------
    path : str or path-like
        One of

        - a TIFF file: BigTIFF, OME-TIFF (also of several files), ImageJ hyperstack, tifffile's
          own, or plain pages; if it is not compressed and its planes lie one after the other, it
          is mapped into memory. Rare compressions, such as JPEG 2000, need
          ``pip install imagecodecs``,
        - an HDF5 file as ilastik exports it,
        - a folder of numbered TIFF or PNG files, one a frame, put in the order of their numbers
          (2 before 10); the first file is frame 0, whatever its number. Files of other kinds are
          left aside. A second number that follows ``c``, ``ch`` or ``channel``
          (``t001_c2.tif``) counts channels,
        - a folder in OME-Zarr, of which the full resolution is read. This needs
          ``pip install "sklearn-cellfate[zarr]"``.
    axes : str, default=None
        One letter a dimension, slowest first: T frame, C channel, Z depth, Y height, X width, S
        colour sample. By default they are what the file says, and only what the file says: pages
        that could be frames as well as channels are refused, with the two calls to choose from.
        A file's word is overruled by yours. The number in the names of a folder's files is the
        first letter.
    pixel_size : float, default=None
        Micrometres a pixel. By default what the file says: OME's PhysicalSize, the resolution
        and unit of ImageJ, the scale of OME-Zarr, the resolution in ilastik's axis tags.
    name : str, default=None
        Name of the field of view. By default the name of the file or folder without extensions.
    dataset : int or str, default=None
        Which of several images: the number of a series in a TIFF file, the path of a dataset in
        an HDF5 file. By default there must be only one, or one named ``exported_data``.

    Returns
    -------
    stack : ImageStack
        Frames of shape (C, H, W). A dimension Z of length 1 is dropped, and colours are channels.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If the file is of another kind, empty, damaged or cut short; if its axes are not known or
        `axes` does not fit; if it has more than one plane in depth; if frames of a folder are
        missing or differ in shape or dtype.
    ImportError
        If an OME-Zarr folder is to be read without the package for it.

    Warns
    -----
    UserWarning
        If the pixels are not square, so that they have no one size.

    See Also
    --------
    read_labels : The same for label images.
    extract_cells : Cut the cells out of a stack.

    References
    ----------
    .. [1] J. Moore et al., "OME-NGFF: a next-generation file format for expanding bioimaging
       data-access strategies", Nature Methods 18, 2021. :doi:`10.1038/s41592-021-01326-w`

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np, tifffile
    >>> from sklearn_cellfate.io import read_stack
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "well A1.ome.tif")
    ...     movie = np.zeros((5, 2, 32, 24), "uint16")
    ...     tifffile.imwrite(path, movie, metadata={"axes": "TCYX", "PhysicalSizeX": 0.65})
    ...     stack = read_stack(path)
    ...     stack, stack[4].shape
    (ImageStack('well A1', shape=(5, 2, 32, 24), dtype=uint16, pixel_size=0.65), (2, 32, 24))
    """
    path = os.path.abspath(os.fspath(path))
    planes = _open_planes(path, dataset)
    axes = _told_axes(planes, path) if axes is None else _stated_axes(axes)
    check_layout(axes, planes.shape, repr(path))
    if pixel_size is None:
        height, width = planes.pixel_sides
        pixel_size = side_of_square(height, width, repr(path))
    stack = ImageStack(
        planes,
        axes,
        name=_plain_name(path) if name is None else name,
        pixel_size=pixel_size,
    )
    _refuse_far_too_large(stack, path)
    return stack


def _refuse_far_too_large(stack, path):
    """Refuse frames that nobody films, in a file that hardly holds anything.

    Zarr and HDF5 leave out chunks of zeros, so how large a sound movie can be, the size of its
    file does not say.
    """
    frame = math.prod(stack.shape[1:]) * stack.dtype.itemsize
    if frame <= LARGE_FRAME and len(stack) <= LONG_MOVIE:
        return
    on_disk = _bytes_on_disk(path)
    if frame > LARGE_FRAME:
        refuse_bomb(frame, on_disk, path, most=MOST_TIMES)
    if len(stack) > max(LONG_MOVIE, on_disk):
        raise ValueError(
            f"{path!r} is damaged: it declares {len(stack):,} frames in {on_disk:,} bytes."
        )


def _bytes_on_disk(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())


def _open_planes(path, dataset):
    if not os.path.exists(path):
        raise FileNotFoundError(f"no file or folder at {path!r}.")
    if is_zarr(path):
        return ZarrPlanes(path, dataset)
    if os.path.isdir(path):
        return FolderPlanes(path, dataset)
    return open_image(path, dataset)


def _stated_axes(axes):
    if not isinstance(axes, str) or not axes.isalpha():
        raise ValueError(f"axes={axes!r}: expected one letter a dimension, such as 'TCYX'.")
    return axes.upper()


def _told_axes(planes, path):
    """Return the axes that the file itself states, or ask for those that it does not."""
    sizes = list(zip(planes.axes, planes.shape))
    axes = "".join(UNNAMED if n == 1 and a not in "YX" else a for a, n in sizes)
    if set(axes) <= set(KNOWN_AXES + UNNAMED):
        _refuse_movies_in_a_folder(axes, path)
        return axes
    if len(planes.shape) == 2:
        return "YX"
    told = f"{path!r} holds pixels of shape {tuple(planes.shape)} ({planes.dtype.name}) and "
    if len(planes.shape) == 3:
        raise ValueError(
            f"{told}does not say what its {planes.shape[0]} planes are: pass axes='TYX' if they "
            "are the frames of a movie, axes='CYX' if they are the channels of one image."
        )
    example = "TCZYX"[-len(planes.shape) :] if len(planes.shape) != 4 else "TCYX"
    raise ValueError(
        f"{told}does not say which dimension is what: pass axes, one letter a dimension (T frame, "
        f"C channel, Z depth, Y height, X width, S colour sample), such as axes={example!r}."
    )


def _refuse_movies_in_a_folder(axes, path):
    twice = {a for a in axes.replace(UNNAMED, "") if axes.count(a) > 1}
    if twice:
        raise ValueError(
            f"the names of the files in {path!r} count {''.join(twice)}, and each file holds "
            f"several of it (together {axes}); open the files one by one, or pass axes."
        )


def _plain_name(path):
    """Name of a file without extensions; of an image inside a Zarr store with the store's."""
    parts = Path(path).parts
    stores = [i for i, part in enumerate(parts) if part.endswith(".zarr")]
    return "/".join(_without_suffixes(part) for part in parts[stores[-1] if stores else -1 :])


def _without_suffixes(name):
    while Path(name).suffix.lower() in SUFFIXES:
        name = Path(name).stem
    return name
