"""Transformers from raw crops to the pixels, and the moments of a life, that a model sees."""

from sklearn_cellfate.preprocessing._fret import FRETRatio
from sklearn_cellfate.preprocessing._intensity import IntensityScaler
from sklearn_cellfate.preprocessing._relative_time import RelativeTimeSampler

__all__ = ["FRETRatio", "IntensityScaler", "RelativeTimeSampler"]
