"""Pickles of estimators say which version of this package wrote them."""

import warnings

from sklearn.exceptions import InconsistentVersionWarning

from sklearn_cellfate import __version__

__all__ = ["VersionedMixin"]

KEY = "_sklearn_cellfate_version"


class VersionedMixin:
    """Write our version into pickles, and warn where another opens them.

    scikit-learn does so for its own classes alone. Stands before ``BaseEstimator`` among the
    bases of a class.
    """

    def __getstate__(self):
        """State with the version."""
        return {**super().__getstate__(), KEY: __version__}

    def __setstate__(self, state):
        """Take over a state, which belongs to the version that it was written with."""
        state = dict(state)
        written_by = state.pop(KEY, "unknown")
        if written_by != __version__:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=f"{type(self).__name__} of sklearn-cellfate",
                    current_sklearn_version=__version__,
                    original_sklearn_version=written_by,
                ),
                stacklevel=2,
            )
        super().__setstate__(state)
