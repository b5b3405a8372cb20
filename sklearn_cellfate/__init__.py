"""Predict what living cells will become from microscope images, in scikit-learn pipelines."""

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
    "to_images",
    "to_movies",
    "write_cells",
]
