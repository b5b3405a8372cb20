"""Support vector machines in a file: libsvm trusts that their arrays fit each other."""

from sklearn.svm._base import BaseLibSVM

__all__ = ["check_support_vectors"]


def check_support_vectors(estimators):
    """Refuse machines whose arrays do not fit each other, or the rows that they will get.

    Parameters
    ----------
    estimators : iterable of estimators
        All of a model, those inside others included.

    Raises
    ------
    ValueError
        If libsvm would read beyond the end of an array.
    """
    for estimator in estimators:
        if isinstance(estimator, BaseLibSVM) and hasattr(estimator, "support_"):
            _check(estimator)


def _check(machine):
    n_vectors = len(machine.support_)
    of_classes = machine._impl in ("c_svc", "nu_svc")
    n_classes = len(machine._n_support) if of_classes else 2
    n_pairs = n_classes * (n_classes - 1) // 2
    if machine.kernel == "precomputed":  # rows of similarities, of which those columns are read
        inside = (machine.support_ >= 0) & (machine.support_ < machine.shape_fit_[0])
        vectors_fit = inside.all()
    else:
        vectors_fit = machine.support_vectors_.shape == (n_vectors, machine.n_features_in_)
    sound = (
        vectors_fit
        and (machine._n_support >= 0).all()
        and machine.n_support_.sum() == n_vectors
        and machine._dual_coef_.shape == (n_classes - 1, n_vectors)
        and machine._intercept_.shape == (n_pairs,)
        and {machine._probA.size, machine._probB.size} <= {0, n_pairs}
    )
    if not sound:
        raise ValueError("the arrays of a support vector machine do not fit each other")
