"""Features computed from pixels, without training."""

from sklearn_cellfate.feature_extraction._intensity_statistics import IntensityStatistics
from sklearn_cellfate.feature_extraction._pixels import PixelFeatures
from sklearn_cellfate.feature_extraction._power_spectrum import PowerSpectrum
from sklearn_cellfate.feature_extraction._region_properties import RegionProperties
from sklearn_cellfate.feature_extraction._trace_features import TraceFeatures

__all__ = [
    "IntensityStatistics",
    "PixelFeatures",
    "PowerSpectrum",
    "RegionProperties",
    "TraceFeatures",
]
