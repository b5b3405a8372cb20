"""Which packages a model was saved with, and a warning where others open it."""

import warnings
from importlib.metadata import PackageNotFoundError, version

from sklearn.exceptions import InconsistentVersionWarning

__all__ = ["ModelVersionWarning", "installed_versions", "warn_of_versions"]

# What a fitted model is made of; patch releases of the others do not change it.
COMPARED = ("sklearn-cellfate", "scikit-learn", "skorch", "torch", "imbalanced-learn")
NOTED = (*COMPARED, "numpy", "pandas", "skops")


class ModelVersionWarning(InconsistentVersionWarning):
    """A model was saved with other versions of the packages than those that load it.

    Parameters
    ----------
    message : str
        Which packages, and both versions.
    """

    def __init__(self, message):
        self.message = message

    def __str__(self):
        """Return the one line."""
        return self.message


def installed_versions():
    """Versions of the packages that a model depends on, by name.

    Returns
    -------
    versions : dict of str to str
    """
    versions = {}
    for package in NOTED:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def warn_of_versions(saved, stacklevel):
    """Warn once where versions differ from those of a model card.

    Parameters
    ----------
    saved : dict of str to str
    stacklevel : int
        As of :func:`warnings.warn`.
    """
    here = installed_versions()
    differing = [
        f"{package} {saved[package]} (here {here[package]})"
        for package in COMPARED
        if package in saved
        and package in here
        and _release(saved[package]) != _release(here[package])
    ]
    if differing:
        warnings.warn(
            ModelVersionWarning(
                f"the model was saved with {', '.join(differing)}; it may predict otherwise or "
                "fail. Compare its predictions, or fit and save it anew."
            ),
            stacklevel=stacklevel + 1,
        )


def _release(text):
    return text.split("+")[0]  # 2.9.0+cu130 and 2.9.0 are one release
