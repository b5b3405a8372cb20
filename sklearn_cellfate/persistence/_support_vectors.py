"""Support vector machines in a file: libsvm trusts that their arrays fit each other."""

import numpy as np
from sklearn.svm._base import BaseLibSVM

__all__ = ["check_support_vectors"]

KERNELS = ("linear", "poly", "rbf", "sigmoid")
ARRAYS = (
    *("support_", "support_vectors_", "_n_support"),
    *("_dual_coef_", "_intercept_", "_probA", "_probB"),
)


def check_support_vectors(one):
    """Refuse machines whose arrays do not fit each other, or the rows that they will get."""
    if isinstance(one, BaseLibSVM) and "support_" in vars(one):
        _check(one)


def _check(machine):
    if any(type(getattr(machine, name)) is not np.ndarray for name in ARRAYS):
        raise ValueError("a support vector machine fitted on sparse rows goes into a pickle only")
    n_vectors = len(machine.support_)
    of_classes = machine._impl in ("c_svc", "nu_svc")
    n_classes = len(machine._n_support) if of_classes else 2
    n_pairs = n_classes * (n_classes - 1) // 2
    n_used = machine._n_support.sum() if of_classes else machine._n_support[0]
    sound = (
        _vectors_fit(machine)
        and (machine._n_support >= 0).all()
        and n_used == n_vectors
        and machine._dual_coef_.shape == (n_classes - 1, n_vectors)
        and machine._intercept_.shape == (n_pairs,)
        and machine._probA.shape == machine._probB.shape
        and machine._probA.shape in ((0,), (n_pairs,))
    )
    if not sound:
        raise ValueError("the arrays of a support vector machine do not fit each other")


def _vectors_fit(machine):
    if type(machine.kernel) is str and machine.kernel in KERNELS:
        return machine.support_vectors_.shape == (len(machine.support_), machine.n_features_in_)
    # Rows of similarities, given or made by a function, of which those columns are read.
    n_rows = machine.shape_fit_[0]
    return type(n_rows) is int and ((machine.support_ >= 0) & (machine.support_ < n_rows)).all()
