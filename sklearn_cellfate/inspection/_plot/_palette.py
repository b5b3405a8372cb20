"""Colours that colour-blind readers tell apart."""

from itertools import cycle, islice

__all__ = ["class_colours"]

# Okabe and Ito (2008), without black, which marks, and yellow, which is too pale for points.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")


def class_colours(n_classes):
    """Return so many colours, which come again from the seventh on."""
    return list(islice(cycle(OKABE_ITO), n_classes))
