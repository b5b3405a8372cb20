"""Pixels of an OME-Zarr image."""

import os

import numpy as np

from sklearn_cellfate.io._pixel_size import in_micrometres
from sklearn_cellfate.io._planes import ChunkedPlanes, letter, refuse_dataset
from sklearn_cellfate.table import in_one_line

MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
# Versions before 0.3 had no list of axes because there was no choice.
FIRST_AXES = "TCZYX"


class ZarrPlanes(ChunkedPlanes):
    """The full resolution of an OME-Zarr image, or a bare Zarr array; read chunk by chunk.

    Parameters
    ----------
    path : str
        The folder of the image: inside of a plate or of a file with several images, theirs.
    dataset : None
        There is nothing to choose: every image has a path.
    """

    def __init__(self, path, dataset=None):
        refuse_dataset(dataset, path)
        self.path = path
        try:
            self._level, self.axes, self.pixel_sides = _described(path)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(
                f"{path!r} is not a readable OME-Zarr image: its notes lack, or have in another "
                f"form, {in_one_line(error)}."
            ) from error
        array = self._array()
        self.shape, self.dtype, self.chunks = array.shape, array.dtype, array.chunks
        if self.axes is None:
            self.axes = _bare_axes(array)

    def _read(self, index):
        array = self._array()
        try:
            return np.asarray(array[index])
        except Exception as error:  # the codecs raise what they like on damaged bytes
            raise ValueError(f"{self.path!r} cannot be read: {error}") from error

    def _array(self):
        import zarr

        path = os.path.join(self.path, self._level)
        try:
            return zarr.open_array(path, mode="r")
        except Exception as error:  # zarr and its codecs, on notes that are damaged
            raise ValueError(f"{path!r} is not a readable Zarr array: {error}") from error


def is_zarr(path):
    """Whether a folder belongs to a Zarr store, by the files that it must have."""
    return any(os.path.isfile(os.path.join(path, mark)) for mark in MARKS)


def _described(path):
    """Return the path of the full resolution, its axes and the sides of a pixel."""
    attributes = _attributes(path)
    if attributes is None:
        return "", None, (None, None)
    if "multiscales" not in attributes:
        raise ValueError(_where_images_are(path, attributes))
    image = attributes["multiscales"][0]
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in image.get("axes", ())]
    axes = axes or [{"name": a} for a in FIRST_AXES]
    level = image["datasets"][0]
    sides = {
        letter(axis["name"]): in_micrometres(length, axis.get("unit"))
        for axis, length in zip(axes, _scale(image, level, len(axes)))
    }
    letters = "".join(letter(axis["name"]) for axis in axes)
    return level["path"], letters, (sides.get("Y"), sides.get("X"))


def _attributes(path):
    """Return what OME says about a group, wherever its version says it; None for an array."""
    try:
        import zarr
    except ImportError as error:
        raise ImportError(
            f'reading {path!r} needs one package more: pip install "sklearn-cellfate[zarr]"'
        ) from error
    try:
        node = zarr.open(path, mode="r")
        attributes = node.attrs.asdict()
        # Since version 0.5 all that OME says stands under its name.
        return None if isinstance(node, zarr.Array) else attributes.get("ome", attributes)
    except Exception as error:  # zarr, and JSON that is none, in as many ways as versions
        raise ValueError(f"{path!r} is not a readable Zarr folder: {error}") from error


def _where_images_are(path, attributes):
    if "plate" in attributes or "well" in attributes:
        return f"{path!r} is a plate or a well: pass the path of one image, such as .../A/1/0."
    inside = sorted(entry.name for entry in os.scandir(path) if is_zarr(entry.path))
    found = f"; inside of it are {', '.join(map(repr, inside))}" if inside else ""
    return f"{path!r} is no OME-Zarr image (it has no multiscales){found}."


def _scale(image, level, n_axes):
    """Multiply the scale of a level with that of the whole image; None without any."""
    steps = [
        *level.get("coordinateTransformations", ()),
        *image.get("coordinateTransformations", ()),
    ]
    scales = [step["scale"] for step in steps if step.get("type") == "scale"]
    return np.prod(scales, axis=0) if scales else [None] * n_axes


def _bare_axes(array):
    """Return the names of the dimensions as Zarr itself or xarray keeps them."""
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get("_ARRAY_DIMENSIONS") or [""] * array.ndim
    return "".join(letter(name) for name in names)
