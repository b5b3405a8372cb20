"""PatchClassifier: any image classifier over the patches of large images, scores averaged."""

import hashlib
import warnings
from numbers import Integral, Real

import numpy as np
import sklearn
from joblib import Parallel, delayed, effective_n_jobs
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, _fit_context, clone
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, gen_batches, gen_even_slices
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    has_fit_parameter,
)

from sklearn_cellfate._transaction import all_or_nothing
from sklearn_cellfate._validation import (
    check_groups,
    check_pixel_scale,
    describe_shape,
    validate_images,
)
from sklearn_cellfate._versioned import VersionedMixin

__all__ = ["PatchClassifier"]

# float32 bytes of the patches held at once: while training, unless max_patches says otherwise,
# and while predicting.
TRAINING_BYTES = 2**29
PREDICTION_BYTES = 2**26
# A patch is constant if its pixels differ by no more than this share of the largest: what rounding
# leaves of it, and what PatchNormalizer makes 0.
FLAT = 1e-6


def _inner_has(method):
    def check(self):
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class PatchClassifier(VersionedMixin, MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Classify large images by the patches that they are made of.

    Fits a classifier on patches, each with the label of its image, and predicts an image by what
    its patches say on average. Patches are cut when they are needed: a hundred images of 2048 x
    2048 pixels never lie in memory as patches.

    Parameters
    ----------
    estimator : classifier
        Takes an array of shape (n_patches, C, height, width): an image classifier of this
        package, or a pipeline that starts with a step of
        :mod:`~sklearn_cellfate.feature_extraction`.
    patch_size : int or tuple of (int, int), default=256
        Height and width of a patch, in pixels. Where an image has one side shorter than that,
        patches take the whole side.
    stride : int or tuple of (int, int), default=None
        Steps between patches, in pixels; by default the patch size, so that they do not overlap.
        What remains at the far edges is covered by patches that are moved back into the image.
    aggregate : {"mean", "median", "vote"}, default="mean"
        How an image's patches become its probabilities: their mean, their median (scaled to
        sum 1), or the share of patches that predict each class.
    min_std : float, default=0.0
        A patch is blank, and does not count, if in every channel its standard deviation is at most
        `min_std` times the median of that channel over the patches of the training images. The
        default leaves out constant patches alone. Of an image with nothing but blank patches all
        count.
    max_patches : int, default=None
        Patches to train on, at most; as many of each image as possible, drawn at random. Which
        they are does not depend on the order of the images. By default as many as half a gigabyte
        holds, in float32, but one of each image at least, and a warning says so where there are
        more. A network holds them twice
        while it trains, and three times behind a
        :class:`~sklearn_cellfate.preprocessing.PatchNormalizer`, unless that has ``copy=False``.
    image_shape : tuple of (int, int, int), default=None
        Channels, height and width into which the rows of a 2-D X fold. None reads a row as a
        ``(1, 1, n_features)`` image.
    random_state : int, RandomState instance or None, default=None
        Seed of the patches drawn.
    n_jobs : int, default=None
        Shares of the images that are predicted side by side, see :class:`joblib.Parallel`. Under
        ``joblib.parallel_config("dask")`` the workers of a Dask cluster predict them.

    Attributes
    ----------
    estimator_ : classifier
        Fitted on patches.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    patch_shape_ : tuple of (int, int)
        Height and width of a patch.
    grid_ : tuple of (ndarray, ndarray)
        First row and first column of the patches of an image.
    blank_std_ : ndarray of shape (C,)
        Standard deviation of each channel up to which a patch is blank, in the unit of the pixels.
    n_patches_ : int
        Patches trained on.
    n_patches_found_ : int
        Patches of the training images that count, from which those were drawn.
    image_shape_ : tuple of (int, int, int)
        Channels, height and width of the images fitted on.
    n_features_in_ : int
        Columns of X, or pixels of an image.
    feature_names_in_ : ndarray of str
        Name of the image column; only for data frames.

    Raises
    ------
    ValueError
        If a patch is larger than the images, or X is no valid container of images.

    Warns
    -----
    UserWarning
        If there are more patches than the default of `max_patches` trains on.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_cellfate.feature_extraction import PixelFeatures
    >>> from sklearn_cellfate.patches import PatchClassifier
    >>> rng = np.random.default_rng(0)
    >>> good = np.array(["no", "yes"] * 5)
    >>> images = rng.random((10, 1, 64, 64)) + 0.2 * (good == "yes")[:, None, None, None]
    >>> by_pixels = make_pipeline(PixelFeatures(), LogisticRegression())
    >>> model = PatchClassifier(by_pixels, patch_size=16).fit(images, good)
    >>> model.predict_patches(images).shape
    (10, 4, 4, 2)
    >>> model.score(images, good)
    1.0
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "patch_size": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "stride": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "aggregate": [StrOptions({"mean", "median", "vote"})],
        "min_std": [Interval(Real, 0, None, closed="left")],
        "max_patches": [Interval(Integral, 1, None, closed="left"), None],
        "image_shape": ["array-like", None],
        "random_state": ["random_state"],
        "n_jobs": [
            Interval(Integral, None, -1, closed="right"),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
    }

    def __init__(
        self,
        estimator,
        patch_size=256,
        *,
        stride=None,
        aggregate="mean",
        min_std=0.0,
        max_patches=None,
        image_shape=None,
        random_state=None,
        n_jobs=None,
    ):
        self.estimator = estimator
        self.patch_size = patch_size
        self.stride = stride
        self.aggregate = aggregate
        self.min_std = min_std
        self.max_patches = max_patches
        self.image_shape = image_shape
        self.random_state = random_state
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=False)
    @all_or_nothing
    def fit(self, X, y, sample_weight=None, groups=None):
        """Fit the classifier on patches.

        Parameters
        ----------
        X : DataFrame with one image column, or array of shape (n, H, W), (n, C, H, W) or \
(n, n_features)
            Images; other columns of a data frame are ignored.
        y : array-like of shape (n,)
            Class of each image.
        sample_weight : array-like of shape (n,), default=None
            Weights of the images, handed on with each of their patches.
        groups : array-like of shape (n,), default=None
            Clone, well ... of each image, handed on to an `estimator` that takes groups, so that
            it sets whole groups aside for validation. By default each image is a group.

        Returns
        -------
        self : object
        """
        images = validate_images(self, X, reset=True, dtype=None)
        check_pixel_scale(self, X, reset=True)
        y = column_or_1d(y, warn=True)
        groups = np.arange(len(images)) if groups is None else check_groups(groups)
        check_consistent_length(images, y, groups)
        self._lay_grid()
        spread = np.stack([self._spread(image) for image in images])
        self.blank_std_ = self.min_std * np.median(spread, axis=(0, 1))
        counts = self._count(spread)
        rows, patches = self._draw(images, counts)
        self.n_patches_, self.n_patches_found_ = len(rows), int(counts.sum())
        if self.max_patches is None and self.n_patches_ < self.n_patches_found_:
            size = self.n_patches_ * self._bytes_of_patch() / 2**20
            warnings.warn(
                f"{self.n_patches_} of {self.n_patches_found_} patches are trained on, {size:.0f} "
                "MB, drawn evenly from the images; set max_patches to choose how many.",
                stacklevel=4,
            )
        passed = {"groups": groups[rows]}
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, images, ensure_non_negative=True)
            passed["sample_weight"] = weights[rows]
        self.estimator_ = clone(self.estimator)
        _fit(self.estimator_, self._cut_all(images, rows, patches), y[rows], passed)
        self.classes_ = self.estimator_.classes_
        return self

    def predict(self, X):
        """Predict the class of each image.

        Parameters
        ----------
        X : as in ``fit``
            Images.

        Returns
        -------
        y : ndarray of shape (n,)
        """
        best = self._aggregate(X).argmax(axis=1)
        return self.classes_[best]

    @available_if(_inner_has("predict_proba"))
    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : as in ``fit``
            Images.

        Returns
        -------
        probabilities : ndarray of shape (n, n_classes)
            In the order of ``classes_``.
        """
        return self._aggregate(X)

    @available_if(_inner_has("transform"))
    def transform(self, X):
        """Average the features of each image's patches.

        So large images stand in a :class:`~sklearn.compose.ColumnTransformer` next to measured
        features, if the `estimator` is a transformer too, as those of this package are.

        Parameters
        ----------
        X : as in ``fit``
            Images.

        Returns
        -------
        features : ndarray of shape (n, n_features_out)
            Mean over the patches that count.
        """
        return self._in_parts(self._read(X), self._average_part)

    @available_if(_inner_has("transform"))
    def fit_transform(self, X, y, **fit_params):
        """Fit, then transform the same images.

        Parameters
        ----------
        X, y, **fit_params : as in ``fit``
            Images, their classes and the rest.

        Returns
        -------
        features : ndarray of shape (n, n_features_out)
        """
        return self.fit(X, y, **fit_params).transform(X)

    @available_if(_inner_has("transform"))
    def get_feature_names_out(self, input_features=None):
        """Names of the features.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : ndarray of str objects
            Those of the `estimator`.
        """
        check_is_fitted(self)
        last = self.estimator_[-1] if isinstance(self.estimator_, Pipeline) else self.estimator_
        return last.get_feature_names_out()

    def predict_patches(self, X):
        """Probability of each class for every patch of every image.

        Parameters
        ----------
        X : as in ``fit``
            Images.

        Returns
        -------
        probabilities : ndarray of shape (n, n_rows, n_columns, n_classes)
            By place in the grid of patches; NaN for patches that do not count. An `estimator`
            without probabilities gives 1 for the class that it predicts.
        """
        images = self._read(X)
        scores = self._apply_to_patches(images, _score_patches)
        return scores.reshape(len(images), *map(len, self.grid_), -1)

    def heat_map(self, X, label=None):
        """Where in the images the evidence for a class lies.

        Parameters
        ----------
        X : as in ``fit``
            Images.
        label : class, default=None
            One of ``classes_``; the last by default.

        Returns
        -------
        heat : ndarray of shape (n, H, W), float32
            Probability of the class at each pixel, the mean over the patches that cover it; NaN
            where no patch does that counts.
        """
        scores = self.predict_patches(X)
        classes = list(self.classes_)
        if label is not None and label not in classes:
            raise ValueError(f"label must be one of {self.classes_.tolist()}, found {label!r}.")
        scores = scores[..., -1 if label is None else classes.index(label)]
        heat = np.empty((len(scores), *self.image_shape_[1:]), dtype=np.float32)
        for image_heat, image_scores in zip(heat, scores):
            image_heat[:] = self._spread_out(image_scores)
        return heat

    def _spread_out(self, scores):
        """Mean of the scores, by place in the grid, over the patches that cover each pixel."""
        total, n_cover = np.zeros((2, *self.image_shape_[1:]), dtype=np.float32)
        height, width = self.patch_shape_
        for (i, j), score in np.ndenumerate(scores):
            if not np.isnan(score):
                top, left = self.grid_[0][i], self.grid_[1][j]
                total[top : top + height, left : left + width] += score
                n_cover[top : top + height, left : left + width] += 1
        return np.divide(total, n_cover, out=np.full_like(total, np.nan), where=n_cover > 0)

    def _read(self, X):
        check_is_fitted(self)
        images = validate_images(self, X, reset=False, dtype=None)
        check_pixel_scale(self, X, reset=False)
        return images

    # The grid

    def _lay_grid(self):
        sides = self.image_shape_[1:]
        size = _pair(self.patch_size, "patch_size")
        if all(length > side for length, side in zip(size, sides)):
            raise ValueError(
                f"patch_size {size[0]} x {size[1]} is larger than the images, which have "
                f"{describe_shape(self.image_shape_)}."
            )
        self.patch_shape_ = tuple(min(pair) for pair in zip(size, sides))
        stride = self.patch_shape_ if self.stride is None else _pair(self.stride, "stride")
        self.grid_ = tuple(map(_starts, sides, self.patch_shape_, stride))

    def _cut(self, image, patch):
        row, column = divmod(patch, len(self.grid_[1]))
        top, left = self.grid_[0][row], self.grid_[1][column]
        height, width = self.patch_shape_
        return image[:, top : top + height, left : left + width]

    def _cut_all(self, images, rows, patches):
        shape = (len(rows), self.image_shape_[0], *self.patch_shape_)
        cut = np.empty(shape, dtype=np.float32)
        for place, row, patch in zip(cut, rows, patches):
            place[:] = self._cut(images[row], patch)
        return cut

    @property
    def _n_places(self):
        return len(self.grid_[0]) * len(self.grid_[1])

    def _spread(self, image):
        """Measure how much each patch and channel varies, 0 if it is rounding.

        By the standard deviation, or by the range, which is found much faster, where only constant
        patches are blank.
        """
        low, high = self._extremes(image, np.amin), self._extremes(image, np.amax)
        spread = high - low
        flat = spread <= FLAT * np.maximum(np.abs(low), np.abs(high))
        if self.min_std > 0:
            patches = [self._cut(image, patch) for patch in range(self._n_places)]
            spread = np.array([patch.std(axis=(1, 2), dtype=np.float64) for patch in patches])
        return np.where(flat, 0.0, spread)

    def _extremes(self, image, find):
        """Find the smallest or largest pixel of each patch and channel."""
        height, width = self.patch_shape_
        found = []
        for top in self.grid_[0]:
            # Columns first, which all patches of a row share.
            columns = find(image[:, top : top + height], axis=1)
            windows = sliding_window_view(columns, width, axis=1)[:, self.grid_[1]]
            found.append(find(windows, axis=2).T)
        return np.concatenate(found).astype(np.float64)

    def _count(self, spread):
        """Mark the patches that count; all of an image without any."""
        counts = (spread > self.blank_std_).any(axis=2)
        return counts | ~counts.any(axis=1, keepdims=True)

    def _bytes_of_patch(self):
        return 4 * self.image_shape_[0] * np.prod(self.patch_shape_)

    def _draw(self, images, counts):
        """Choose the patches to train on: their images and their places in the grid."""
        limit = self.max_patches
        if limit is None:
            limit = max(int(TRAINING_BYTES // self._bytes_of_patch()), len(counts))
        rows, patches = np.nonzero(counts)
        if len(rows) <= limit:
            return rows, patches
        if limit < len(counts):
            raise ValueError(
                f"max_patches={limit} is fewer than the {len(counts)} images, so some would not "
                "be seen at all."
            )
        # Each image's patches in random order; then first all firsts, all seconds, and so on.
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        turns, ties = np.empty((2, *counts.shape))
        for image, places, turn, tie in zip(images, counts, turns, ties):
            rng = _generator_of(image, seed)
            turn[places] = rng.permutation(places.sum())
            tie[:] = rng.random(len(tie))
        chosen = np.sort(np.lexsort([ties[counts], turns[counts]])[:limit])
        return rows[chosen], patches[chosen]

    # Prediction

    def _apply_to_patches(self, images, function):
        """Return what `function` makes of the patches: (n, n_places, n_values), NaN for blanks."""
        return self._in_parts(images, self._apply_to_part, function)

    def _in_parts(self, images, method, *arguments):
        """Apply `method` to shares of the images, side by side with `n_jobs`."""
        self._validate_params()  # n_jobs may be another than in fit
        n_parts = min(effective_n_jobs(self.n_jobs), len(images))
        if n_parts == 1:
            return method(images, *arguments)
        parts = gen_even_slices(len(images), n_parts)
        jobs = (delayed(method)(images[part], *arguments) for part in parts)
        return np.concatenate(Parallel(self.n_jobs)(jobs))

    def _average_part(self, images):
        # Few images at once: features of all patches of all of them need not fit in memory.
        n_images = max(self._n_patches_at_once // self._n_places, 1)
        return np.concatenate(
            [
                np.nanmean(self._apply_to_part(images[part], _transform_patches), axis=1)
                for part in gen_batches(len(images), n_images)
            ]
        )

    @property
    def _n_patches_at_once(self):
        n_bytes = 4 * self.image_shape_[0] * int(np.prod(self.patch_shape_))
        return max(PREDICTION_BYTES // n_bytes, 1)

    def _apply_to_part(self, images, function):
        rows, patches = self._find_patches(images)
        parts = []
        for part in gen_batches(len(rows), self._n_patches_at_once):
            # No name for what is cut, so that it is gone when the next is cut.
            found = function(self, self._cut_all(images, rows[part], patches[part]))
            parts.append(np.asarray(found))
        values = np.concatenate(parts)
        result = np.full((len(images), self._n_places, values.shape[1]), np.nan)
        result[rows, patches] = values
        return result

    def _find_patches(self, images):
        """Image and place of the patches that count."""
        counts = np.stack([self._count(self._spread(image)[None])[0] for image in images])
        return np.nonzero(counts)

    def _aggregate(self, X):
        scores = self._apply_to_patches(self._read(X), _score_patches)
        if self.aggregate == "mean":
            return np.nanmean(scores, axis=1)
        if self.aggregate == "median":
            median = np.nanmedian(scores, axis=1)
            # Of three classes or more, each may be absent from most patches.
            median = np.where(
                median.any(axis=1, keepdims=True), median, np.nanmean(scores, axis=1)
            )
            return median / median.sum(axis=1, keepdims=True)
        counts = ~np.isnan(scores[..., 0])
        best = np.nan_to_num(scores).argmax(axis=2)
        votes = (best[..., None] == np.arange(len(self.classes_))) & counts[..., None]
        return votes.sum(axis=1) / counts.sum(axis=1, keepdims=True)


def _transform_patches(model, cut):
    return model.estimator_.transform(cut)


def _score_patches(model, cut):
    if hasattr(model.estimator_, "predict_proba"):
        return model.estimator_.predict_proba(cut)
    return (model.estimator_.predict(cut)[:, None] == model.classes_).astype(float)


def _generator_of(image, seed):
    """Random numbers of an image's own, wherever in the table it stands."""
    key = hashlib.blake2b(image.astype(np.float32).tobytes(), digest_size=16).digest()
    return np.random.default_rng([seed, *key])


def _pair(value, name):
    pair = (value, value) if isinstance(value, int | np.integer) else tuple(value)
    if len(pair) != 2 or not all(isinstance(n, int | np.integer) and n > 0 for n in pair):
        raise ValueError(f"{name} must be a positive int or two (height, width), found {value!r}.")
    return tuple(int(n) for n in pair)


def _starts(side, length, stride):
    """Where patches start along a side; the last is moved back to end with the image."""
    starts = np.arange(0, side - length + 1, stride)
    return starts if starts[-1] + length == side else np.append(starts, side - length)


def _fit(estimator, X, y, passed):
    """Fit, handing on what the estimator, or the last step of a pipeline, takes."""
    prefix, taker = "", estimator
    while isinstance(taker, Pipeline):
        prefix += f"{taker.steps[-1][0]}__"
        taker = taker.steps[-1][1]
    taken = {
        name: value
        for name, value in passed.items()
        if has_fit_parameter(taker, name) or (name == "groups" and isinstance(taker, BaseSearchCV))
    }
    if "sample_weight" in passed and "sample_weight" not in taken:
        raise ValueError(f"{type(taker).__name__} takes no sample_weight.")
    # By name of the step, whatever the caller's own way of handing on metadata.
    with sklearn.config_context(enable_metadata_routing=False):
        estimator.fit(X, y, **{prefix + name: value for name, value in taken.items()})
