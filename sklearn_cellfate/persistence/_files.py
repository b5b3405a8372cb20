"""save, load and read_card: a fitted pipeline to a file and back."""

import contextlib
import io
import json
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.validation import check_is_fitted

from sklearn_cellfate.persistence._audit import audit
from sklearn_cellfate.persistence._boosting import check_boosted_trees
from sklearn_cellfate.persistence._card import make_card
from sklearn_cellfate.persistence._clusters import check_clusters
from sklearn_cellfate.persistence._hidden_methods import refuse_hidden_methods
from sklearn_cellfate.persistence._neighbors import check_neighbors
from sklearn_cellfate.persistence._plain import plain_copy
from sklearn_cellfate.persistence._random_states import check_random_states
from sklearn_cellfate.persistence._seal import ModelFileError, open_sealed, seal
from sklearn_cellfate.persistence._support_vectors import check_support_vectors
from sklearn_cellfate.persistence._trees import check_trees
from sklearn_cellfate.persistence._trusted import type_name
from sklearn_cellfate.persistence._versions import warn_of_versions
from sklearn_cellfate.persistence._walk import objects_in
from sklearn_cellfate.table import listing, written_whole

__all__ = ["load", "read_card", "save"]

# What is looked at in each object of a model before it is written, and after it was read.
CHECKS = (
    *(check_trees, check_boosted_trees, check_support_vectors),
    *(check_neighbors, check_clusters, check_random_states),
)


def save(
    estimator: BaseEstimator,
    path: str | os.PathLike,
    *,
    X: Any = None,
    y: Any = None,
    scores: Any = None,
    trusted: Iterable = (),
) -> None:
    """Write a fitted model to a file that runs no code when it is opened.

    Unlike a pickle, the file holds arrays, numbers and names of types alone, and :func:`load`
    builds only types that it knows: the estimators of this package, of scikit-learn and of
    imbalanced-learn. A model card travels with them, see :func:`read_card`. The file appears
    whole or not at all; if writing fails, an earlier one stays.

    Parameters
    ----------
    estimator : fitted estimator
        Of this package, or any pipeline, ``ColumnTransformer``, search ... around such.
    path : str or Path
        File to write, by custom ``.skops``; it is an archive in the format of skops.
    X : DataFrame or array-like, default=None
        The rows fitted on: their number, columns and hash go into the model card, not the rows.
    y : array-like of shape (n,), default=None
        Their labels, hashed with `X`.
    scores : dict, Series or DataFrame, default=None
        How well the model does, for the card: numbers by name, or a table of them such as the
        ``summary`` of :func:`~sklearn_cellfate.model_selection.compare_estimators`.
    trusted : iterable of type, function or str, default=()
        Types and functions of your own, or of other packages, that the model is made of, such as
        ``[MyScaler]``; :func:`load` must be told the same.

    Raises
    ------
    NotFittedError
        If `estimator` is not fitted.
    TypeError
        If it is no estimator, or holds a type that may not be loaded; the message says which.
    OSError
        If the file cannot be written.
    ImportError
        If skops is not installed.

    See Also
    --------
    load : Read the model again.

    Notes
    -----
    Of scikit-learn and imbalanced-learn all common classifiers, transformers and samplers can be
    saved: trees and forests, gradient boosting, nearest neighbours, support vector machines, SMOTE
    ... Not so gradient boosting that splits by category or begins with a model of its own,
    neighbours by a rare metric, neighbours and support vector machines fitted on sparse rows, and
    ``SMOTENC``, which keeps such rows. :func:`joblib.dump` takes any type; open such a file only
    if you know who wrote it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_cellfate.feature_extraction import IntensityStatistics
    >>> from sklearn_cellfate.persistence import load, read_card, save
    >>> rng = np.random.default_rng(0)
    >>> images, fate = rng.random((8, 12, 12)), ["dies", "divides"] * 4
    >>> model = make_pipeline(IntensityStatistics(), LogisticRegression()).fit(images, fate)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "fate.skops"
    ...     save(model, path, X=images, y=fate, scores={"accuracy": 0.5})
    ...     card, again = read_card(path), load(path)
    >>> card["classes"], card["scores"], card["training_data"]["rows"]
    (['dies', 'divides'], {'accuracy': 0.5}, 8)
    >>> bool((again.predict_proba(images) == model.predict_proba(images)).all())
    True
    """
    path = Path(path)
    _check_request(estimator, path)
    names = {type_name(kind) for kind in trusted}
    archive = _write_archive(estimator)
    card = make_card(estimator, X, y, scores, names)
    with ZipFile(archive, "a") as members:
        members.writestr("card.json", json.dumps(card, indent=2))
    with ZipFile(archive) as members:
        try:
            _refuse_untrusted(members, audit(members, names))
            refuse_hidden_methods(members)
            _check_numbers(estimator)
        except (AttributeError, ValueError) as error:
            raise TypeError(f"{type(estimator).__name__} cannot be saved: {error}") from error
    with written_whole(path) as partial:
        partial.write_bytes(seal(archive))


def load(path: str | os.PathLike, *, trusted: Iterable = ()) -> Any:
    """Read a model that :func:`save` wrote, without running code from the file.

    The file is read if its checksum is right and it names only types that this package knows, or
    that you name in `trusted`; otherwise nothing of it is built.

    Parameters
    ----------
    path : str or Path
        The file.
    trusted : iterable of type, function or str, default=()
        Types and functions beyond those that this package knows which the file may name; their
        modules are imported. Name what you know, never what the file happens to ask for.

    Returns
    -------
    estimator : fitted estimator
        Predicts bit for bit as the one that was saved, on the same machine. Networks that were
        fitted on a GPU which this machine lacks move to the CPU, with a warning.

    Raises
    ------
    ModelFileError
        If the file is damaged, no model file, a pickle, or names other types.
    ImportError
        If skops is not installed.

    Warns
    -----
    ModelVersionWarning
        If the model was saved with other versions of this package, scikit-learn, skorch, torch
        or imbalanced-learn.

    See Also
    --------
    read_card : What the file says about itself.

    Notes
    -----
    What no check of types can tell: whether the numbers are those that were fitted. A forged file
    may hold a model that predicts wrongly, or that is absurdly large. Trees, neighbours, support
    vectors and random generators are checked for numbers that point outside their arrays, but
    scikit-learn's compiled code follows others unchecked: a file forged with malice runs no code
    of its own when it is loaded, yet may still crash the process when the model predicts. So take
    model files from people whom you trust, and try others in a process of their own.

    Examples
    --------
    See :func:`save`.
    """
    skops_io = _import_skops()
    trusted = {type_name(kind) for kind in trusted}
    with open_sealed(path) as archive:
        card = _card_of(archive, path)
        with _refusing(path):
            names = audit(archive, trusted)
            _refuse_untrusted(archive, names)
            refuse_hidden_methods(archive)
            warn_of_versions(card["versions"], stacklevel=2)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InconsistentVersionWarning)  # said already
                estimator = skops_io.loads(archive.fp.getvalue(), trusted=names)
            _check_numbers(estimator)
    return estimator


def read_card(path: str | os.PathLike) -> dict:
    """Read what a model file says about the model, without loading it.

    Parameters
    ----------
    path : str or Path
        A file of :func:`save`.

    Returns
    -------
    card : dict
        ``estimator``, its ``parameters``, when it was ``saved``, ``versions`` of the packages,
        ``image_shape`` (channels, height, width) and ``columns`` of the rows that it takes,
        ``classes`` that it tells apart, ``training_data`` (rows, columns, SHA-256) and ``scores``
        if they were given, and the names of ``trusted`` types that :func:`load` must be told.

    Raises
    ------
    ModelFileError
        If the file is damaged or no model file.

    Examples
    --------
    See :func:`save`.
    """
    with open_sealed(path) as archive:
        return _card_of(archive, path)


def _check_request(estimator, path):
    if not isinstance(estimator, BaseEstimator):
        raise TypeError(f"estimator must be a scikit-learn estimator, found {estimator!r:.80}.")
    check_is_fitted(estimator)
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder; give the name of a file in it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(path.parent)!r} to write into.")


def _write_archive(estimator):
    """Return an archive of the model alone; arrays lie in it as they are."""
    skops_io = _import_skops()
    try:
        return io.BytesIO(skops_io.dumps(plain_copy(estimator)))
    except Exception as error:  # whatever a strange object does when it is asked for its state
        raise TypeError(
            f"{type(estimator).__name__} holds something that only a pickle can store: {error}"
        ) from error


def _refuse_untrusted(archive, names):
    """Refuse types that neither we nor skops nor the user trusts."""
    found = _import_skops().get_untrusted_types(data=archive.fp.getvalue())
    unknown = sorted(set(found) - set(names))
    if unknown:
        raise ModelFileError(
            f"it holds {listing(unknown)}, which a model file may not name. If you know the "
            f"code, list it for save and for load: trusted={unknown!r}."
        )


@contextlib.contextmanager
def _refusing(path):
    """Turn whatever a forged or outdated file leads to into one error."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{str(path)!r} is refused: {error}") from error
    except Exception as error:  # of skops, and of whatever an estimator's __setstate__ meets
        raise ModelFileError(
            f"{str(path)!r} is refused: the model cannot be built from it "
            f"({type(error).__name__}: {error})."
        ) from error


def _check_numbers(estimator):
    """Refuse fitted numbers which compiled code would follow out of their arrays.

    Each check looks at one object of a model, and raises ValueError if it is of its kind and holds
    such numbers.
    """
    for one in objects_in(estimator):
        for check in CHECKS:
            check(one)


def _card_of(archive, path):
    with _refusing(path):
        card = json.loads(archive.read("card.json"))
        if not isinstance(card, dict) or not isinstance(card.get("versions"), dict):
            raise ModelFileError("it has no model card.")
        return card


def _import_skops():
    try:
        import skops.io  # takes seconds to import
    except ImportError as error:
        raise ImportError(
            'safe model files need skops: pip install "sklearn-cellfate[safe]"'
        ) from error
    return skops.io
