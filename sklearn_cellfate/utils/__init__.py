"""Checks that users run on their own pipelines, and help to run them on clusters."""

from sklearn_cellfate.utils._dask import register_dask
from sklearn_cellfate.utils._leakage import LeakageError, check_no_leakage

__all__ = ["LeakageError", "check_no_leakage", "register_dask"]
