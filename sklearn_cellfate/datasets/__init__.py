"""Simulators whose truth is known, to test a pipeline before trusting it with real cells."""

from sklearn_cellfate.datasets._cell_movies import make_cell_movies
from sklearn_cellfate.datasets._cultures import make_cultures
from sklearn_cellfate.datasets._time_lapse import make_time_lapse

__all__ = ["make_cell_movies", "make_cultures", "make_time_lapse"]
