"""What the pixel transformers share: reading any container of images, handing back the same."""

from abc import ABCMeta, abstractmethod

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import (
    _check_feature_names,
    _check_feature_names_in,
    check_is_fitted,
)

from sklearn_cellfate._transaction import all_or_nothing
from sklearn_cellfate._validation import (
    check_pixel_scale,
    images_like,
    n_dimensions,
    validate_images,
)
from sklearn_cellfate._versioned import VersionedMixin
from sklearn_cellfate.table import (
    image_column,
    image_column_names,
    listing,
    movie_column,
    movie_column_names,
    only_column,
    to_movies,
)


class PixelTransformer(VersionedMixin, TransformerMixin, BaseEstimator, metaclass=ABCMeta):
    """Base of transformers that treat each image, or each frame of a movie, by itself.

    A subclass has the parameter ``image_shape`` and says how to learn from and how to transform
    an array of shape (n, C, H, W); containers, names and ``set_output`` are handled here. One
    that learns constants in the unit of the pixels names them, and images of another unit
    (a camera's counts against fractions of 1) are refused.
    """

    _learned_in_pixel_units: tuple = ()

    @_fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X, y=None):
        """Check the images and learn what the transformer needs from these rows alone.

        Parameters
        ----------
        X : DataFrame with one image or movie column, Series, or array of shape (n, H, W), \
(n, C, H, W) or (n, n_features)
            The training rows. Other columns of a data frame are not looked at.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        form = container_form(X)
        images, _ = self._read(X, reset=True)
        self._form = form
        if form == "table":
            remember_columns(self, as_table(X))
        self._fit_images(images)
        self._check_pixel_scale(X, images, reset=True)
        return self

    def transform(self, X):
        """Transform every image, or every frame of every movie.

        Parameters
        ----------
        X : as in fit
            Images with the channels, height and width of those fitted on.

        Returns
        -------
        X_new : DataFrame, Series or ndarray
            The container that X is; a data frame keeps its other columns.
        """
        return self._apply(X, self._transform_images, in_units_of_fit=True)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that transform gives.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X; by default those seen in ``fit``.

        Returns
        -------
        names : ndarray of str objects
            The columns of the data frame fitted on; ``["image"]`` after fitting on an array of
            images; one name a value after fitting on 2-D rows.
        """
        check_is_fitted(self)
        if self._form == "stack":
            return np.array(["image"], dtype=object)
        names = _check_feature_names_in(self, input_features)
        return names if self._form == "table" else self._row_names_out(names)

    @abstractmethod
    def _fit_images(self, images):
        """Learn from training images of shape (n, C, H, W)."""

    @abstractmethod
    def _transform_images(self, images):
        """Return the new images, of shape (n, any C, H, W)."""

    def _row_names_out(self, names):
        return names

    def _read(self, X, *, reset):
        """Return the images of X and a function that puts new images in their place."""
        if container_form(X) == "table":
            table = as_table(X)
            if movie_column_names(table):
                return self._read_movies(table, X, reset)
            if not reset:
                check_column_seen(self, X, image_column_names(table)[0])
        return validate_images(self, X, reset=reset), lambda images: images_like(X, images)

    def _read_movies(self, table, X, reset):
        name = only_column(table, movie_column_names(table), "movie")
        if not reset:
            check_column_seen(self, X, name)
        movies = to_movies(table[name])
        ends = np.cumsum([len(movie) for movie in movies], dtype=int)
        frames = np.concatenate(movies) if movies else np.empty((0, 1, 1, 1))
        refuse_infinite_movies(movies, name)

        def hand_back(images):
            column = movie_column(np.split(images, ends[:-1]))
            if isinstance(X, pd.DataFrame):
                return X.assign(**{name: column})
            return pd.Series(column, index=X.index, name=X.name)

        return validate_images(self, frames, reset=reset), hand_back

    def _check_pixel_scale(self, X, images, *, reset):
        """Hold the unit of the images read from X against that of the constants learned."""
        learned = any(hasattr(self, name) for name in self._learned_in_pixel_units)
        if learned:
            rows = container_form(X) == "rows"  # which are not looked at
            check_pixel_scale(self, X if rows else images, reset=reset)

    def _apply(self, X, function, *, in_units_of_fit=False):
        check_is_fitted(self)
        images, hand_back = self._read(X, reset=False)
        if in_units_of_fit:
            self._check_pixel_scale(X, images, reset=False)
        images = function(images)
        if container_form(X) == "stack" and output_container(self) == "pandas":
            return pd.DataFrame({"image": image_column(images)})
        X_new = hand_back(images)
        check_names_for_set_output(self, X_new)
        return X_new

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def container_form(X):
    """Say how X holds its pixels: in a "table", as a "stack" of images or as 2-D "rows"."""
    if isinstance(X, pd.Series):
        X = X.to_frame()
    if isinstance(X, pd.DataFrame):
        images, movies = image_column_names(X), movie_column_names(X)
        if images and movies:
            raise ValueError(
                f"expected one image column or one movie column, found both: "
                f"{listing(images + movies)}; choose with a ColumnTransformer."
            )
        return "table" if images or movies else "rows"
    return "stack" if n_dimensions(X) > 2 else "rows"


def as_table(X):
    """Return a data frame as it is and a series as a data frame of one column."""
    return X.to_frame() if isinstance(X, pd.Series) else X


def remember_columns(estimator, table):
    """Store the names and the number of the columns fitted on, as scikit-learn does."""
    _check_feature_names(estimator, table, reset=True)
    estimator.n_features_in_ = table.shape[1]


def check_column_seen(estimator, X, name):
    """Refuse a data frame whose pixels lie in a column that was not there in fit."""
    seen = getattr(estimator, "feature_names_in_", [name])
    if isinstance(X, pd.DataFrame) and name not in seen:
        raise ValueError(
            f"the pixels of X are in column {name!r}, but {type(estimator).__name__} was "
            f"fitted on the columns {listing(seen)}."
        )


def output_container(estimator):
    """Return what set_output asks for: "default", "pandas" or "polars"."""
    return _get_output_config("transform", estimator)["dense"]


def check_names_for_set_output(estimator, X_new):
    """Refuse to let set_output rename columns that differ from those of fit."""
    if not isinstance(X_new, pd.DataFrame) or output_container(estimator) == "default":
        return
    expected = estimator.get_feature_names_out()
    if "feature_names_in_" in vars(estimator) and list(X_new.columns) != list(expected):
        raise ValueError(
            f"with set_output, X must have the columns of fit, which give "
            f"{listing(expected)}; X gives {listing(X_new.columns)}."
        )


def refuse_infinite_movies(movies, name):
    """Name the first row of a movie column that holds a pixel without a finite value."""
    bad = [row for row, movie in enumerate(movies) if not np.isfinite(movie).all()]
    if bad:
        raise ValueError(
            f"{len(bad)} of {len(movies)} movies in column {name!r} contain NaN or infinite "
            f"pixels (the first is row {bad[0]}); drop these rows or fill the pixels first."
        )
