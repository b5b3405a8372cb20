"""Transformers from raw crops to the pixels, and the moments of a life, that a model sees."""

from sklearn_cellfate.preprocessing._center_object import CenterObject
from sklearn_cellfate.preprocessing._fret import FRETRatio
from sklearn_cellfate.preprocessing._intensity import IntensityScaler
from sklearn_cellfate.preprocessing._largest_object import LargestObject
from sklearn_cellfate.preprocessing._mask_background import MaskBackground
from sklearn_cellfate.preprocessing._patch_normalizer import PatchNormalizer
from sklearn_cellfate.preprocessing._relative_time import RelativeTimeSampler

__all__ = [
    "CenterObject",
    "FRETRatio",
    "IntensityScaler",
    "LargestObject",
    "MaskBackground",
    "PatchNormalizer",
    "RelativeTimeSampler",
]
