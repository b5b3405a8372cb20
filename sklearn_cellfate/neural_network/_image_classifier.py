"""What the image classifiers share: fitting, by labels and weights of rows."""

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import compute_class_weight, compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_sample_weight

from sklearn_cellfate._transaction import all_or_nothing
from sklearn_cellfate.neural_network._base import BaseImageEstimator
from sklearn_cellfate.neural_network._docs import document
from sklearn_cellfate.neural_network._labels import encode_labels
from sklearn_cellfate.table import listing


class BaseImageClassifier(ClassifierMixin, BaseImageEstimator):
    """Train on rows with classes; their weights say how often each is seen."""

    _parameter_constraints: dict = {
        **BaseImageEstimator._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    @_fit_context(prefer_skip_nested_validation=False)
    @all_or_nothing
    @document
    def fit(self, X, y, sample_weight=None, groups=None):
        """Train on images and their classes.

        Parameters
        ----------
        {fit}
        y : array-like of shape (n,)
            Classes: strings, booleans or integers, at least two.
        {weights}

        Returns
        -------
        self : object
        """
        classes, codes = encode_labels(y, type(self).__name__)
        rows = self._read_rows(X, classes, codes, sample_weight, groups, reset=True)
        found = np.unique(rows.codes)
        if len(classes) < 2 or len(found) < len(classes):
            raise ValueError(
                f"{type(self).__name__} needs rows of at least two classes and of every class, "
                f"found {len(found)} class(es) with a positive weight: {listing(classes[found])}."
            )
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
        self._fit_rows(rows, classes)
        return self

    @all_or_nothing
    @document
    def partial_fit(self, X, y, classes=None, sample_weight=None, groups=None):
        """Train one epoch more on some rows, at the constant learning rate `lr`.

        A pickled estimator goes on with new moments of the optimiser, unless `warm_start` keeps
        them.

        Parameters
        ----------
        {fit}
        y : array-like of shape (n,)
            Classes; not all need come up in every call, but for a head, such as that of
            ``AAEClassifier``, all in the first. ``class_weight="balanced"`` balances those that
            do.
        classes : array-like, default=None
            All classes there will be; by default those in the `y` of the first call. Not looked
            at in later calls.
        {weights}

        Returns
        -------
        self : object
        """
        self._validate_params()
        first = not hasattr(self, "net_")
        known = classes if first else self.classes_
        classes, codes = encode_labels(y, type(self).__name__, known)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes, found {listing(classes)} "
                "alone; name all there will be by `classes` in the first call of partial_fit."
            )
        rows = self._read_rows(X, classes, codes, sample_weight, groups, reset=first)
        self.classes_ = classes
        self._fit_rows(rows, classes, n_epochs=1)
        return self

    def _read_rows(self, X, classes, codes, sample_weight, groups, *, reset):
        weights = None
        if self.class_weight == "balanced":
            weights = compute_sample_weight("balanced", codes)
        elif self.class_weight is not None:
            of_class = compute_class_weight(self.class_weight, classes=classes, y=classes)
            weights = of_class[codes]
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, codes, ensure_non_negative=True)
            weights = sample_weight if weights is None else weights * sample_weight
        return self._arrange(X, codes, weights, groups, reset=reset)
