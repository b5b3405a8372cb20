"""Class labels to indices, and what is wrong with labels that are none."""

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from sklearn_cellfate._validation import label_array
from sklearn_cellfate.table import listing

__all__ = ["encode_labels"]


def encode_labels(y, estimator_name, classes=None):
    """Return the classes and the class index of each row.

    Parameters
    ----------
    y : array-like of shape (n,)
        Strings, booleans or integers.
    estimator_name : str
        For messages.
    classes : array-like, default=None
        The classes there may be; by default those in `y`.

    Returns
    -------
    classes : ndarray
        Sorted.
    codes : ndarray of shape (n,), int

    Raises
    ------
    ValueError
        If labels are missing, are no classes, or are not among `classes`.
    """
    if y is None:
        raise ValueError(
            f"This {estimator_name} estimator requires y to be passed, but the target y is None."
        )
    y, missing = label_array(y, warn=True)
    if len(missing):  # in scikit-learn's words, which its checks look for
        raise ValueError(
            f"Input y contains NaN: {len(missing)} of {len(y)} rows have no label (the first is "
            f"row {missing[0]}); drop these rows first."
        )
    check_classification_targets(y)
    found, codes = np.unique(y, return_inverse=True)
    if classes is None:
        return found, codes
    classes, missing = label_array(classes, warn=False)
    if len(missing):
        raise ValueError(f"classes has a missing value at position {missing[0]}.")
    classes = np.unique(classes)
    unknown = np.setdiff1d(found, classes)
    if len(unknown):
        raise ValueError(
            f"y has class {listing(unknown[:1])}, expected one of {listing(classes)}."
        )
    return classes, np.searchsorted(classes, found)[codes]
