"""Open one image file as what its first bytes say that it is."""

import os

from sklearn_cellfate.io._hdf5 import Hdf5Planes, is_hdf5
from sklearn_cellfate.io._png import PngPlanes
from sklearn_cellfate.io._tiff import TiffPlanes


def open_image(path, dataset=None, *, alone=False):
    """Open a TIFF, PNG or HDF5 file; `alone` keeps to this file of a set."""
    with open(path, "rb") as file:
        start = file.read(8)
    if not start:
        raise ValueError(f"{path!r} is an empty file.")
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return TiffPlanes(path, dataset, alone=alone)
    if start == b"\x89PNG\r\n\x1a\n":
        return PngPlanes(path, dataset)
    if is_hdf5(path):
        return Hdf5Planes(path, dataset)
    raise ValueError(
        f"{os.path.basename(path)!r} is no TIFF, HDF5 or PNG file (it begins with {start!r}); "
        "save it as OME-TIFF, for example with Fiji."
    )
