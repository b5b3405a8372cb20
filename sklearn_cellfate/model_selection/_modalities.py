"""Do the images add anything over the measured features? The pipelines that answer it."""

import contextlib
import itertools
import tempfile
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import sklearn
from joblib import Memory
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import has_fit_parameter

from sklearn_cellfate._validation import refuse_infinite
from sklearn_cellfate.feature_extraction import PixelFeatures
from sklearn_cellfate.model_selection._compare import compare_estimators, takes_groups
from sklearn_cellfate.table import (
    image_column_names,
    is_image_dtype,
    listing,
    only_column,
    to_images,
)

__all__ = [
    "compare_modalities",
    "fit_pipeline",
    "make_default_autoencoder",
    "make_modality_pipelines",
    "numeric_features",
]


def compare_modalities(
    table,
    target,
    *,
    groups=None,
    features=None,
    image=None,
    autoencoder=None,
    cv=None,
    n_jobs=None,
    random_state=None,
    verbose=0,
):
    """Ask whether images predict the target, and whether they add to the measured features.

    Cross-validates four pipelines on the same folds: ``"features"`` (logistic regression),
    ``"images"`` (logistic regression on the latent features of an autoencoder), ``"images +
    features"`` (both side by side in a :class:`~sklearn.compose.ColumnTransformer`) and
    ``"pixels"`` (random forest on the raw pixels), see :func:`make_modality_pipelines`.

    Parameters
    ----------
    table : DataFrame
        The cell table.
    target : str
        Column of the classes.
    groups : str, default=None
        Column of the donor, clone, field ...: no group is trained on and scored in the same fold,
        unless `cv` is a splitter or iterable that breaks groups up, which is warned of.
    features : list of str, default=None
        Columns measured on the cell; text columns are one-hot encoded. By default every numeric
        column but target and groups, with a warning: a lifetime tells the outcome too.
    image : str, default=None
        The image column; may be left out where there is one.
    autoencoder : transformer of images, default=None
        Encodes the images; by default :func:`make_default_autoencoder`.
    cv : int, cross-validation splitter or iterable, default=None
        See :func:`compare_estimators`.
    n_jobs : int, default=None
        Fits that run at once.
    random_state : int, default=None
        Seed of folds and models.
    verbose : int, default=0
        1 shows a progress bar over fits.

    Returns
    -------
    comparison : Bunch
        As of :func:`compare_estimators`, compared with ``"features"`` where there are any; also
        ``pipelines``, the unfitted pipelines by name, and the columns used: ``target``,
        ``groups``, ``features`` and ``image``. :func:`fit_pipeline` fits one of them on all rows.

    Raises
    ------
    ValueError
        If a column is missing, labels are, or a fold would train without a class.
    """
    features = features if features is None or isinstance(features, str) else list(features)
    _check_request(table, target, groups, features)
    image = only_column(table, image_column_names(table), "image") if image is None else image
    _check_column(table, image)
    if not is_image_dtype(table[image].dtype):
        raise ValueError(f"column {image!r} holds no images; {_say_images(table)}.")
    refuse_infinite(to_images(table[[image]]))
    if features is None:
        features = numeric_features(table, target, groups)
        warnings.warn(
            "features were not named; every numeric column is taken for one: "
            f"{listing(features)}. Name those that are known when the image is taken.",
            stacklevel=2,
        )
    if autoencoder is None:
        autoencoder = make_default_autoencoder(len(table), random_state)
    pipelines = make_modality_pipelines(
        image, features, autoencoder=autoencoder, random_state=random_state
    )
    # With metadata routing the groups reach an autoencoder that sets validation rows aside.
    routing = sklearn.config_context(enable_metadata_routing=True)
    with _shared_fits(pipelines) as sharing, routing:
        comparison = compare_estimators(
            sharing,
            table[[image, *features]],
            table[target].to_numpy(),
            groups=None if groups is None else table[groups].to_numpy(),
            cv=cv,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
    for fitted in itertools.chain(*comparison.estimators.values()):
        _forget(fitted)
    comparison.update(
        groups=groups, pipelines=pipelines, features=list(features), image=image, target=target
    )
    return comparison


def fit_pipeline(comparison, name, table):
    """Fit one of the pipelines of a comparison on all rows of a table.

    Parameters
    ----------
    comparison : Bunch
        From :func:`compare_modalities`.
    name : str
        Which pipeline.
    table : DataFrame
        The cell table compared on.

    Returns
    -------
    model : Pipeline
        Fitted; it predicts the very labels that the comparison scored.
    """
    groups = {} if comparison.groups is None else {"groups": table[comparison.groups].to_numpy()}
    model = clone(comparison.pipelines[name])
    with sklearn.config_context(enable_metadata_routing=True):
        taken = groups if takes_groups(model) else {}
        return model.fit(table, table[comparison.target].to_numpy(), **taken)


def make_modality_pipelines(image, features, *, autoencoder=None, random_state=None):
    """Build the pipelines of :func:`compare_modalities`.

    Parameters
    ----------
    image : str
        The image column.
    features : list of str
        The measured columns; without any, only the pipelines on images are built.
    autoencoder : transformer of images, default=None
        See :func:`compare_modalities`.
    random_state : int, default=None
        Seed of the models.

    Returns
    -------
    pipelines : dict of str to Pipeline
        Each takes a cell table and ignores the columns that it does not need.

    Examples
    --------
    >>> from sklearn_cellfate.model_selection import make_modality_pipelines
    >>> list(make_modality_pipelines("image", ["area"], random_state=0))
    ['features', 'pixels', 'images', 'images + features']
    """
    if autoencoder is None:
        autoencoder = make_default_autoencoder(random_state=random_state)
    by_images = ("images", _encode_images(autoencoder), [image])
    by_features = ("features", _prepare_features(), list(features))
    forest = RandomForestClassifier(200, class_weight="balanced", random_state=random_state)
    # C: hundreds of correlated measurements on a few hundred cells need some restraint.
    logistic = LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
    pipelines = {
        "features": _pipeline([by_features], logistic),
        "pixels": _pipeline([("pixels", PixelFeatures(), [image])], forest),
        "images": _pipeline([by_images], logistic),
        "images + features": _pipeline([by_images, by_features], logistic),
    }
    if not features:
        del pipelines["features"], pipelines["images + features"]
    return pipelines


def make_default_autoencoder(n_cells=1000, random_state=None):
    """Autoencoder for a few hundred to some ten thousand cells, with classes of any balance.

    More latent features, shorter training and larger steps than the published settings, which are
    the defaults of ``AAEClassifier``; classes are balanced and orientation means nothing. From
    3000 cells on, reconstruction and prior, which keep a network from learning a few cells by
    heart, weigh less beside the classes, and the learning rate falls to 0.

    Parameters
    ----------
    n_cells : int, default=1000
        Cells to train on. The fewer there are, the more epochs: 30 for 1000 cells, changing with
        the inverse square root of their number, between 20 and 90.
    random_state : int, default=None
        Seed.

    Returns
    -------
    autoencoder : AAEClassifier
        Unfitted; change what you like with ``set_params``.

    Examples
    --------
    >>> from sklearn_cellfate.model_selection import make_default_autoencoder
    >>> make_default_autoencoder(n_cells=400).set_params(latent_dim=4).latent_dim
    4
    """
    from sklearn_cellfate.neural_network import AAEClassifier  # torch takes seconds to import

    of_many = {
        "lambda_reconstruction": 1.0,
        "lambda_adversarial": 1.0,
        "batch_size": 128,  # larger batches waste less time between them
        "lr": 0.006,
        "lr_schedule": "cosine",
    }
    of_few = {"batch_size": 64, "lr": 0.003}
    return AAEClassifier(
        latent_dim=8,
        class_weight="balanced",
        augment=True,
        dropout=0.1,
        pretrain_epochs=3,
        max_epochs=int(np.clip(round(30 * (1000 / max(n_cells, 1)) ** 0.5), 20, 90)),
        noise_std=0.0,
        random_state=random_state,
        **(of_many if n_cells >= 3000 else of_few),
    )


def numeric_features(table, target, groups):
    """Name the numeric columns, all but target, groups and quality flags.

    Parameters
    ----------
    table : DataFrame
        The cell table.
    target : str
        Column of the classes.
    groups : str or None
        Column of the donor, clone, field ...

    Returns
    -------
    names : list of str
        In the order of the table. Columns of booleans count as numeric, but for ``flag_...``,
        which say how a cell was recorded.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_cellfate.model_selection import numeric_features
    >>> cells = pd.DataFrame({"area": [80.0], "field": [1], "flag_edge": [True], "fate": [0]})
    >>> numeric_features(cells, "fate", "field")
    ['area']
    """
    numeric = make_column_selector(dtype_include=["number", "bool"])(table)
    return [
        name
        for name in numeric
        if name not in (target, groups) and not str(name).startswith("flag_")
    ]


def _check_request(table, target, groups, features):
    if not isinstance(table, pd.DataFrame):
        raise ValueError(f"table must be a DataFrame, found a {type(table).__name__}.")
    if not len(table):
        raise ValueError("the table has no rows.")
    if isinstance(features, str):
        raise ValueError(f"features must be a list of columns, found the string {features!r}.")
    roles = [("target", target)] + [("groups", groups)] * (groups is not None)
    roles += [("features", name) for name in features or ()]
    for role, name in roles:
        _check_column(table, name)
        if not _is_ordinary(table[name]):
            raise ValueError(f"{role} names column {name!r}, which holds images, movies or lists.")
    kind = type_of_target(table[target].dropna().to_numpy())
    if kind not in ("binary", "multiclass", "unknown"):
        raise ValueError(f"target {target!r} must hold classes, found {kind} values.")
    for name in features or ():
        if name in (target, groups):
            raise ValueError(f"column {name!r} is target or groups, so it cannot be a feature.")
        if features.count(name) > 1:
            raise ValueError(f"features names column {name!r} {features.count(name)} times.")
        _check_values(table[name])


def _say_images(table):
    return f"image columns are {listing(image_column_names(table)) or 'missing'}"


def _check_column(table, name):
    if name not in table.columns:
        raise ValueError(f"the table has no column {name!r}; it has {listing(table.columns)}.")


def _is_ordinary(column):
    if isinstance(column.dtype, pd.ArrowDtype):
        return not pa.types.is_nested(column.dtype.pyarrow_dtype) and not is_image_dtype(
            column.dtype
        )
    return not column.map(lambda value: isinstance(value, list | tuple | np.ndarray)).any()


def _check_values(column):
    if column.isna().all():
        raise ValueError(f"column {column.name!r} has no value in any row.")
    if pd.api.types.is_numeric_dtype(column.dtype):
        n_infinite = int(np.isinf(column.dropna().to_numpy(dtype=float)).sum())
        if n_infinite:
            raise ValueError(f"column {column.name!r} has {n_infinite} infinite values.")


def _pipeline(branches, classifier):
    columns = ColumnTransformer([(name, clone(branch), names) for name, branch, names in branches])
    return Pipeline([("columns", columns), ("classifier", clone(classifier))])


def _encode_images(autoencoder):
    if has_fit_parameter(autoencoder, "groups"):
        with sklearn.config_context(enable_metadata_routing=True):
            autoencoder = clone(autoencoder).set_fit_request(groups=True)
    return Pipeline([("autoencoder", autoencoder), ("scaler", StandardScaler())])


def _prepare_features():
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include=["number", "bool"])),
            ("words", words, make_column_selector(dtype_exclude=["number", "bool"])),
        ]
    )


@contextlib.contextmanager
def _shared_fits(pipelines):
    """Let pipelines with the same image branch fit it once a fold, not once each."""
    with tempfile.TemporaryDirectory() as folder:
        memory = Memory(folder, verbose=0)
        yield {name: _remember(clone(pipeline), memory) for name, pipeline in pipelines.items()}


def _remember(pipeline, memory):
    if "columns__images" in pipeline.get_params():
        pipeline.set_params(columns__images__memory=memory)
    return pipeline


def _forget(fitted):
    branches = fitted.named_steps["columns"].named_transformers_
    if "images" in branches:
        branches["images"].memory = None
        fitted.set_params(columns__images__memory=None)
