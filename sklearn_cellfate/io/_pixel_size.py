"""Micrometres a pixel, out of what the different formats say."""

import warnings

import numpy as np

# How many micrometres a unit is, by the names that microscopes and programs write. No inches:
# they come from the resolution of a printer.
MICROMETRES = {
    **dict.fromkeys(["um", "µm", "μm", "micron", "microns", "micrometer", "micrometre"], 1.0),
    **dict.fromkeys(["nm", "nanometer", "nanometre"], 1e-3),
    **dict.fromkeys(["mm", "millimeter", "millimetre"], 1e3),
    **dict.fromkeys(["cm", "centimeter", "centimetre"], 1e4),
    **dict.fromkeys(["m", "meter", "metre"], 1e6),
    **dict.fromkeys(["å", "angstrom"], 1e-4),
}
# Two sides of a pixel that differ by less than this share come from rounding.
SQUARE = 1e-2


def in_micrometres(length, unit):
    """Convert a length, or return None if it or its unit says nothing."""
    factor = MICROMETRES.get(_spelled_out(unit).strip().lower())
    if factor is None or length is None:
        return None
    length = float(length) * factor
    return length if np.isfinite(length) and length > 0 else None


def side_of_square(height, width, what):
    """Return the one size of a pixel, or None, with a warning, if it is not square."""
    if height is None or width is None:
        return width if height is None else height
    if abs(height - width) > SQUARE * width:
        warnings.warn(
            f"{what} has pixels of {height:.4g} x {width:.4g} um, which are not square, so its "
            "pixel_size is None; pass pixel_size to set one.",
            stacklevel=3,
        )
        return None
    return width


def check_pixel_size(pixel_size):
    """Return a pixel size as a float, or refuse it."""
    size = float(pixel_size)
    if not (np.isfinite(size) and size > 0):
        raise ValueError(f"pixel_size must be positive micrometres a pixel, found {pixel_size!r}.")
    return size


def _spelled_out(unit):
    """Undo the backslashes in which ImageJ and ilastik write the letter mu."""
    return (unit or "").encode("latin-1", "backslashreplace").decode("unicode_escape")
