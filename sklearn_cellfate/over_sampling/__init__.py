"""Samplers that balance classes with images that are new, yet as likely as those seen."""

from sklearn_cellfate.over_sampling._augmentation import AugmentationOverSampler

__all__ = ["AugmentationOverSampler"]
