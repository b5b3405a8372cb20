"""Features computed from pixels, without training."""

from sklearn_cellfate.feature_extraction._pixels import PixelFeatures

__all__ = ["PixelFeatures"]
