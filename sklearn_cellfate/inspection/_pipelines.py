"""The image estimator inside a pipeline, and the images as it sees them."""

from functools import partial

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from sklearn_cellfate._validation import validate_images
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.table import listing

__all__ = ["find_explained", "find_image_estimator", "find_network"]


def find_image_estimator(estimator, X):
    """Find the fitted network behind a pipeline and prepare its images.

    Parameters
    ----------
    estimator : fitted estimator
        One of our image estimators, or a :class:`~sklearn.pipeline.Pipeline`,
        :class:`~sklearn.compose.ColumnTransformer`, :class:`~sklearn.pipeline.FeatureUnion` or
        fitted search around one; the first is taken where there are several.
    X : as `estimator` accepts
        Rows.

    Returns
    -------
    image_estimator : AdversarialAutoencoder, AAEClassifier or EfficientNetClassifier
        The fitted one inside.
    images : ndarray of shape (n, C, H, W), float32
        The images of `X` behind the steps before it.

    Raises
    ------
    ValueError
        If there is no image estimator inside, or the images are not as fitted on.
    NotFittedError
        If `estimator` is not fitted.
    """
    image_estimator, preparations = _find_or_refuse(estimator)
    for prepare in preparations:
        X = prepare(X)
    return image_estimator, validate_images(image_estimator, X, reset=False)


def find_network(estimator, *, with_patches=False):
    """Find the fitted network behind a pipeline, as :func:`find_image_estimator`, without rows.

    With patches, what is around one, as :func:`find_explained`.
    """
    return _find_or_refuse(estimator, with_patches=with_patches)[0]


def find_explained(estimator, X):
    """Find what a map explains and its images: a network, or patches around one.

    As :func:`find_image_estimator`, but where a network stands in a
    :class:`~sklearn_cellfate.patches.PatchClassifier`, that is returned, and whole images.
    """
    explained, preparations = _find_or_refuse(estimator, with_patches=True)
    for prepare in preparations:
        X = prepare(X)
    return explained, validate_images(explained, X, reset=False)


def _find_or_refuse(estimator, *, with_patches=False):
    check_is_fitted(estimator)
    found = _find(estimator, with_patches)
    if found is None:
        hint = "; explain its estimator_ on patches" if _find(estimator, True) else ""
        raise ValueError(
            f"{type(estimator).__name__} does not look at images through a network: there is no "
            f"AdversarialAutoencoder, AAEClassifier or EfficientNetClassifier in it{hint}."
        )
    return found


def _find(estimator, with_patches):
    """Return the first network and what prepares its rows, step by step; None without one."""
    from sklearn_cellfate.neural_network._base import BaseImageEstimator  # imports torch

    kinds = (BaseImageEstimator, PatchClassifier) if with_patches else BaseImageEstimator
    if isinstance(estimator, kinds):
        return estimator, []
    for part, prepare in _parts(estimator):
        found = _find(part, with_patches)
        if found is not None:
            image_estimator, preparations = found
            return image_estimator, [prepare, *preparations]
    return None


def _parts(estimator):
    """Yield the estimators inside, each with what turns X into the rows that it sees."""
    if isinstance(estimator, Pipeline):
        for number, (_, step) in enumerate(estimator.steps):
            yield step, partial(_transform, estimator.steps[:number])
    elif isinstance(estimator, ColumnTransformer):
        for _, part, names in estimator.transformers_:
            yield part, partial(_choose, names=names)
    elif isinstance(estimator, FeatureUnion):
        for _, part in estimator.transformer_list:
            yield part, _as_it_is
    elif hasattr(estimator, "best_estimator_"):
        yield estimator.best_estimator_, _as_it_is


def _transform(steps, X):
    for _, step in steps:
        if hasattr(step, "transform"):  # neither a sampler nor "passthrough"
            X = step.transform(X)
    return X


def _choose(X, names):
    try:
        return _safe_indexing(X, names, axis=1)
    except KeyError as error:
        raise ValueError(f"X lacks columns of {names}; it has {listing(X.columns)}.") from error


def _as_it_is(X):
    return X
