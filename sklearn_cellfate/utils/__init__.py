"""Checks that users run on their own pipelines."""

from sklearn_cellfate.utils._leakage import LeakageError, check_no_leakage

__all__ = ["LeakageError", "check_no_leakage"]
