"""Files that hold a fitted model, and run no code when they are opened."""

from sklearn_cellfate.persistence._files import load, read_card, save
from sklearn_cellfate.persistence._seal import ModelFileError
from sklearn_cellfate.persistence._versions import ModelVersionWarning

__all__ = ["ModelFileError", "ModelVersionWarning", "load", "read_card", "save"]
