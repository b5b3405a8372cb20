"""A fit that does not come to its end leaves the estimator as it was."""

import functools

__all__ = ["all_or_nothing"]


def all_or_nothing(fit):
    """Give an estimator its attributes back if `fit` is interrupted or fails.

    Whoever refits a model and presses Ctrl-C has the earlier model, not some of its attributes
    beside some of the next; one that was not fitted stays so.

    Parameters
    ----------
    fit : method
        May set any attributes, but changes no fitted object in place.

    Returns
    -------
    fit : method
    """

    @functools.wraps(fit)
    def guarded(self, *args, **kwargs):
        before = vars(self).copy()
        try:
            return fit(self, *args, **kwargs)
        except BaseException:  # Ctrl-C is no Exception
            self.__dict__ = before
            raise

    return guarded
