"""Microscope files in: stacks, label images and tracks, and the cell table made of them."""

from sklearn_cellfate.io._extract import extract_cells
from sklearn_cellfate.io._fates import label_fates
from sklearn_cellfate.io._labels import as_labels, read_labels
from sklearn_cellfate.io._read_stack import read_stack
from sklearn_cellfate.io._stack import ImageStack, as_stack
from sklearn_cellfate.io._tracks import read_tracks

__all__ = [
    "ImageStack",
    "as_labels",
    "as_stack",
    "extract_cells",
    "label_fates",
    "read_labels",
    "read_stack",
    "read_tracks",
]
