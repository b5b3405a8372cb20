"""Pixels of an HDF5 file, as ilastik writes it."""

import contextlib
import json

import h5py

from sklearn_cellfate.io._hdf5_heaps import refuse_damaged_heaps
from sklearn_cellfate.io._pixel_size import in_micrometres
from sklearn_cellfate.io._planes import ChunkedPlanes, letter
from sklearn_cellfate.table import in_one_line, listing

ILASTIK_EXPORT = "exported_data"


class Hdf5Planes(ChunkedPlanes):
    """The pixels of one dataset; the file is open only while a slice of it is read.

    Parameters
    ----------
    path : str
        The file.
    dataset : str, default=None
        Path of the dataset. By default ``exported_data``, or the only image that there is.
    """

    def __init__(self, path, dataset=None):
        self.path = path
        with opened_hdf5(path, check=True) as file:
            self._dataset = _chosen_name(file, dataset, path)
            pixels = file[self._dataset]
            self.shape, self.dtype, self.chunks = pixels.shape, pixels.dtype, pixels.chunks
            tags = _axis_tags(pixels)
            self.axes = "".join(tag["key"] for tag in tags) if tags else _labelled_axes(pixels)
            self.pixel_sides = _pixel_sides(pixels, tags)

    def _read(self, index):
        with opened_hdf5(self.path) as file:
            return file[self._dataset][index]


def is_hdf5(path):
    """Whether a file is HDF5, by its signature."""
    return h5py.is_hdf5(path)


@contextlib.contextmanager
def opened_hdf5(path, where=None, *, check=False):
    """Open the file; what HDF5 cannot do in it becomes one line.

    `check` it before its attributes are read for the first time. `where` is its name in messages.
    """
    where = repr(path) if where is None else where
    if check:
        refuse_damaged_heaps(path, where)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, MemoryError) as error:
        raise ValueError(f"{where} is not a readable HDF5 file: {in_one_line(error)}") from error


def _chosen_name(file, dataset, path):
    images = _image_names(file)
    if dataset is not None:
        if str(dataset).strip("/") not in images:
            raise ValueError(f"{path!r} has no image {dataset!r}; it has {listing(images)}.")
        return str(dataset).strip("/")
    if ILASTIK_EXPORT in images:
        return ILASTIK_EXPORT
    if len(images) != 1:
        found = f"several: {listing(images)}; choose with dataset={images[0]!r}" if images else 0
        raise ValueError(f"expected one image in {path!r}, found {found}.")
    return images[0]


def _image_names(file):
    """Paths of all datasets of numbers with at least two dimensions."""
    names = []

    def note(name, item):
        if isinstance(item, h5py.Dataset) and len(item.shape or ()) > 1:
            if item.dtype.kind in "iufb":
                names.append(name)

    file.visititems(note)
    return names


def _axis_tags(pixels):
    """Return ilastik's description of the axes, with upper-case keys, or None."""
    try:
        tags = json.loads(pixels.attrs["axistags"])["axes"]
        tags = [{**tag, "key": letter(tag["key"])} for tag in tags]
    except (KeyError, TypeError, ValueError):
        return None
    return tags if len(tags) == pixels.ndim else None


def _labelled_axes(pixels):
    """Return HDF5's own labels of the dimensions, "?" where there is none."""
    return "".join(letter(dimension.label) for dimension in pixels.dims)


def _units(pixels):
    """Return ilastik's units by axis; without any where they cannot be read."""
    try:
        return dict(json.loads(pixels.attrs["axis_units"]))
    except (KeyError, TypeError, ValueError):
        return {}


def _pixel_sides(pixels, tags):
    if "element_size_um" in pixels.attrs:  # of the HDF5 plugins for Fiji; z, y, x
        return tuple(in_micrometres(side, "um") for side in pixels.attrs["element_size_um"][-2:])
    if tags is None:
        return None, None
    units = _units(pixels)
    sides = {tag["key"]: tag.get("resolution") for tag in tags}
    return tuple(in_micrometres(sides.get(a), units.get(a.lower())) for a in "YX")
