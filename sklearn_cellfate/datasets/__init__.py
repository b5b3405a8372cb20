"""Simulators whose truth is known, to test a pipeline before trusting it with real cells."""

from sklearn_cellfate.datasets._cell_movies import make_cell_movies

__all__ = ["make_cell_movies"]
