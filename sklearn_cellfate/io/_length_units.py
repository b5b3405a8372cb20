"""The units of length beside the positions of tracks."""

import re

from sklearn_cellfate.io._pixel_size import in_micrometres

PIXEL = "pixel"
PIXELS = ("pixel", "pixels", "px", "pix")
# What may end the name of a column; a bare "m" or "in" there is more often something else.
LENGTHS = ("um", "\u00b5m", "\u03bcm", "micron", "microns", "nm", "mm", "inch", "inches")
# ImageJ takes a printer's resolution for the size of a pixel; positions then are in inches.
INCHES = ("inch", "inches", "in")
MICROMETRES_AN_INCH = 25400.0


def named_unit(text):
    """Return "pixel" for any name of it; other text is returned without its brackets."""
    if text is None:
        return None
    text = text.strip().strip("()[]").strip()
    return PIXEL if text.lower() in PIXELS else text


def micrometres_in(unit, where):
    """Return how many micrometres the unit has, or refuse one that is not known."""
    # A micro sign lost in decoding is U+FFFD, and nothing else stands before an m so.
    unit = unit.replace("\ufffdm", "um")
    if unit.lower() in INCHES:
        return MICROMETRES_AN_INCH
    size = in_micrometres(1.0, unit) or in_micrometres(1.0, unit.removesuffix("s"))
    if size is None:
        raise ValueError(
            f"{where} gives positions in {unit!r}, which is no unit known here; if they are in "
            "um, call read_tracks with units='um'."
        )
    return size


def split_unit(name):
    """Split the name of a column into a plain lower-case name and the unit that ends it.

    >>> split_unit("X (um)"), split_unit("POSITION_X"), split_unit("y_px")
    (('x', 'um'), ('position_x', None), ('y', 'pixel'))
    """
    words = re.findall(r"[^\W_]+", str(name).lower())
    if len(words) > 1 and words[-1] in (*PIXELS, *LENGTHS):
        return "_".join(words[:-1]), named_unit(words[-1])
    return "_".join(words), None
