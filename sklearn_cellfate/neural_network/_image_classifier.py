"""What the image classifiers share: labels and weights of rows to training."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_sample_weight

from sklearn_cellfate.neural_network._base import BaseImageEstimator
from sklearn_cellfate.neural_network._labels import encode_labels
from sklearn_cellfate.table import listing


class BaseImageClassifier(ClassifierMixin, BaseImageEstimator):
    """Train on rows with classes; their weights say how often each is seen."""

    _parameter_constraints: dict = {
        **BaseImageEstimator._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def _fit_classes(self, X, y, sample_weight, groups):
        """Do a whole fit; returns the rows, scaled."""
        classes, codes = encode_labels(y, type(self).__name__)
        rows = self._read_rows(X, classes, codes, sample_weight, groups, reset=True)
        if (
            self.warm_start
            and hasattr(self, "net_")
            and not np.array_equal(classes, self.classes_)
        ):
            raise ValueError(
                f"warm_start goes on with the classes {listing(self.classes_)}, "
                f"found {listing(classes)}."
            )
        self.classes_ = classes
        return self._fit_rows(rows, classes)

    def _fit_classes_further(self, X, y, classes, sample_weight, groups):
        """Train one epoch more; returns the rows, scaled."""
        self._validate_params()
        first = not hasattr(self, "net_")
        known = classes if first else self.classes_
        classes, codes = encode_labels(y, type(self).__name__, known)
        rows = self._read_rows(X, classes, codes, sample_weight, groups, reset=first)
        self.classes_ = classes
        return self._fit_rows(rows, classes, n_epochs=1)

    def _read_rows(self, X, classes, codes, sample_weight, groups, *, reset):
        weights = None
        if self.class_weight is not None:
            weights = compute_sample_weight(self.class_weight, classes[codes])
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, codes, ensure_non_negative=True)
            weights = sample_weight if weights is None else weights * sample_weight
        rows = self._arrange(X, codes, weights, groups, reset=reset)
        found = np.unique(rows.codes)
        if len(classes) < 2 or len(found) < len(classes):
            raise ValueError(
                f"{type(self).__name__} needs rows of at least two classes and of every class, "
                f"found {len(found)} class(es) with a positive weight: {listing(classes[found])}."
            )
        return rows
