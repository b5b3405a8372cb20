"""Predict what living cells will become from microscope images, in scikit-learn pipelines."""

from sklearn_cellfate._table_parts import read_cells_in_parts
from sklearn_cellfate.table import (
    image_column,
    movie_column,
    read_cells,
    to_images,
    to_movies,
    write_cells,
)

__version__ = "0.1.0"

__all__ = [
    "image_column",
    "movie_column",
    "read_cells",
    "read_cells_in_parts",
    "to_images",
    "to_movies",
    "write_cells",
]
