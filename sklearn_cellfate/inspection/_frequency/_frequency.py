"""Which spatial frequencies a fitted classifier of images depends on."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.validation import check_is_fitted

from sklearn_cellfate._validation import images_like, read_images
from sklearn_cellfate.datasets._cell_movies import _generator
from sklearn_cellfate.inspection._frequency._bands import FrequencyBands
from sklearn_cellfate.inspection._frequency._tables import (
    check_rows,
    group_means,
    mean_interval,
)
from sklearn_cellfate.inspection._pipelines import find_image_estimator
from sklearn_cellfate.inspection._relevance._attribution import Attribution, Settings
from sklearn_cellfate.metrics._class_scores import class_numbers, respond
from sklearn_cellfate.table import listing

__all__ = ["frequency_sensitivity"]

METHODS = ("remove", "permute", "scramble", "gradient")
SCORES = {"predict_proba": "probability", "decision_function": "decision"}


@validate_params(
    {
        "bands": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "pixel_size": [Interval(Real, 0, None, closed="neither"), None],
        "method": [StrOptions(set(METHODS)), list, tuple],
        "target": "no_validation",
        "response_method": [StrOptions({"auto", *SCORES})],
        "border": [StrOptions({"mirror", "periodic"})],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "image_shape": ["array-like", None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def frequency_sensitivity(
    estimator,
    X,
    y=None,
    *,
    bands=8,
    pixel_size=None,
    method="remove",
    target=None,
    response_method="auto",
    border="mirror",
    n_repeats=5,
    groups=None,
    image_shape=None,
    random_state=None,
):
    """Measure how much a classifier depends on each band of spatial frequency.

    Each method asks another question, and answers that differ are a finding.

    - ``"remove"``: can the classifier do without the band? Beware: images that lack a band
      altogether are like none that it has been trained on, and one that takes the logarithm of
      power may answer wildly.
    - ``"permute"``: is there evidence in the band? It is exchanged for that of another of the
      images, drawn at random, as in permutation importance: nothing is out of the ordinary but
      what goes with what.
    - ``"scramble"``: is the evidence in the arrangement? The phases of the band are drawn at
      random, so it keeps its power and loses its shapes. A model of power alone (of texture)
      does not mind.
    - ``"gradient"``: what would the network react to? The spectrum of the gradient of its class
      score over the pixels, also at frequencies that these images lack.

    Parameters
    ----------
    estimator : fitted classifier
        Of images: one of ours, or any other, also within a pipeline or PatchClassifier. The
        gradient needs an AAEClassifier or EfficientNetClassifier, alone or in a pipeline.
    X : DataFrame with one image column, or array of shape (n, H, W), (n, C, H, W) or \
(n, C * H * W)
        Images, as the estimator accepts; best such that it has not been trained on. Other columns
        of a data frame stay as they are.
    y : array-like of shape (n,), default=None
        True classes, for the accuracy.
    bands : int or array-like of shape (n_bands + 1,), default=8
        Number of bands between the lowest and the highest frequency of the images, each as many
        times wider than the one before (one without any frequency is joined to its neighbour
        above), or the edges of the bands. A band includes its lower edge, the last one both.
    pixel_size : float, default=None
        Side of a pixel in micrometres. Frequencies are in cycles per micrometre then; without it,
        in cycles per pixel.
    method : {"remove", "permute", "scramble", "gradient"} or list of these, default="remove"
        See above.
    target : class or array-like of shape (n,), default=None
        The class whose score is followed: one for all images or one for each, such as `y`. By
        default the one that the estimator predicts for each image as it is.
    response_method : {"auto", "predict_proba", "decision_function"}, default="auto"
        Whether the score is the probability of the class or its decision value, which does not
        level off where the classifier is sure. ``"auto"`` takes the first that the estimator
        has, or else 1 for the class that it predicts and 0 for others. The class of the highest
        score is taken for the predicted one.
    border : {"mirror", "periodic"}, default="mirror"
        How images go on beyond their border, see Notes.
    n_repeats : int, default=5
        Random exchanges, or phases, drawn for each image and band, averaged.
    groups : array-like of shape (n,), default=None
        Clone, well, donor ... of each image. Means and intervals are over groups then, each
        counting once; images of one group are no independent witnesses.
    image_shape : tuple of (channels, height, width), default=None
        How each row of a 2-D X folds into an image. By default a row is an image of one line.
    random_state : int, RandomState instance or None, default=None
        Seed of exchanges and phases. The global NumPy generator is neither used nor changed.

    Returns
    -------
    sensitivity : :class:`~sklearn.utils.Bunch`
        With the attributes

        table : DataFrame with one row a method, quantity and band
            - ``method``, ``quantity``, ``band`` (from 0), ``frequency_low``, ``frequency_high``
              and ``frequency`` (mean over the band).
            - ``mean`` over images (or groups), ``low`` and ``high`` (its 95 % interval, Student's
              t) and ``n``, the number of images (or groups).

            Quantities of ``"gradient"`` are ``energy_share``, which sums to 1 over bands that
            cover all frequencies but 0, and ``energy_density``, the share over the band's share
            of all frequencies: 1 throughout for a gradient like white noise. Of the other
            methods: ``score_change``, in the unit of the score, negative where evidence is lost,
            and with `y` ``accuracy_change``.
        images : DataFrame with one row an image, method, quantity and band
            ``image`` (position in X), ``method``, ``quantity``, ``band`` and ``value``.
        bands : DataFrame with one row a band
            ``frequency_low``, ``frequency_high``, ``frequency``, ``wavelength`` (one over it, in
            pixels or um), ``n_frequencies`` and ``power_share``, the mean share of the images'
            variance.
        scores : ndarray of shape (n,)
            Score of the target class of each image as it is.
        accuracy : float or None
            Of the images as they are, if `y` is given.
        score_name : {"probability", "decision", "vote"}
            What the score is.
        unit : {"cycles/pixel", "cycles/um"}
            Of all frequencies.

    Raises
    ------
    ValueError
        If a band holds no frequency of these images, the gradient is asked of an estimator
        without a network or an exchange of a single image, or an argument is not valid.
    NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    class_spectra : What the images of each class have at each frequency.
    FrequencyDisplay : Draw both.

    Notes
    -----
    A Fourier transform takes images for periodic, and the jump from one border to the opposite
    one for structure at all frequencies. By default images are mirrored at their borders instead,
    where nothing jumps: this is the discrete cosine transform, which has frequencies in steps of
    half a cycle an image, and real coefficients, whose phases are their signs. Take
    ``"periodic"``, the plain Fourier transform, for images that are. There is no window, for the
    changed images must be images. In either way the bands and the mean add up to the image, their
    powers to its variance, and images with scrambled phases are real, with the same mean and
    power in each band.

    Frequencies are radial and in physical units, so images need not be square. All channels of an
    image are changed together, and get the same shifts of phase. Changed pixels may leave the
    range of the camera and are not clipped; a step of a pipeline that looks for zeros, such as a
    mask, will not find them.

    The gradient is that of the target class's logit less the mean logit of the others (its log
    odds where there are two), as of :func:`relevance`, over pixels as the network sees them:
    behind the steps of the pipeline before it, and scaled. With ``augment=True`` it is the
    gradient of the mean over symmetries that the score is.

    References
    ----------
    Breiman (2001), Random forests, doi:10.1023/A:1010933404324, on permutation importance.
    Yin et al. (2019), A Fourier perspective on model robustness in computer vision,
    doi:10.48550/arXiv.1906.08988.
    Oppenheim and Lim (1981), The importance of phase in signals, doi:10.1109/PROC.1981.12022.

    Examples
    --------
    Stripes eight pixels apart, under more noise than the eye can look through:

    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_cellfate.feature_extraction import PixelFeatures
    >>> from sklearn_cellfate.inspection import frequency_sensitivity
    >>> rng = np.random.default_rng(0)
    >>> striped = np.arange(80) % 2
    >>> stripes = np.cos(2 * np.pi * np.arange(24) / 8) * striped[:, None, None, None]
    >>> images = stripes + rng.normal(0, 2, (80, 1, 24, 24))
    >>> model = make_pipeline(PixelFeatures(), LogisticRegression(C=1e-4)).fit(images, striped)
    >>> result = frequency_sensitivity(model, images, striped, bands=[0, 0.08, 0.17, 0.35, 0.5])
    >>> change = result.table.query("quantity == 'score_change'")
    >>> change.loc[change["mean"].idxmin(), ["frequency_low", "frequency_high"]].tolist()
    [0.08, 0.17]
    """
    methods = _check_methods(method)
    check_is_fitted(estimator)
    if not hasattr(estimator, "classes_"):
        raise ValueError(f"{type(estimator).__name__} is no classifier: it has no classes_.")
    images = read_images(X, image_shape)
    y, groups = check_rows(images, y=y, groups=groups)
    _check_classes(y, estimator.classes_)
    if "permute" in methods and len(images) < 2:
        raise ValueError('method="permute" exchanges bands between images, but X has one only.')
    plane = FrequencyBands(images.shape[2:], bands, pixel_size, border)
    model = _Model(estimator, X, y, response_method)
    model.set_baseline(images, target)
    rng = _generator(random_state)
    values = {}
    for name in methods:
        if name == "gradient":
            values |= _gradient_energy(estimator, X, model.labels, plane, pixel_size)
        else:
            values |= _changes(model, images, plane, name, n_repeats, rng)
    return Bunch(
        table=_summary(values, groups, plane),
        images=_by_image(values),
        bands=_describe(plane, images),
        scores=model.scores,
        accuracy=None if y is None else float(model.correct.mean()),
        score_name=model.score_name,
        unit=plane.unit,
    )


class _Model:
    """A classifier's score of one class in each image, and whether it is right."""

    def __init__(self, estimator, X, y, response_method):
        self.estimator, self.X, self.y = estimator, X, y
        if response_method == "auto":
            response_method = next((name for name in SCORES if hasattr(estimator, name)), None)
        self.response_method = response_method
        self.score_name = SCORES.get(response_method, "vote")

    def set_baseline(self, images, target):
        """Score images as they are, and so choose the class to follow in each."""
        responses, predicted = self._respond(images)
        target = predicted if target is None else target
        self._numbers = class_numbers(self.estimator, target, len(images))
        self.labels = self.estimator.classes_[self._numbers]
        self.scores, self.correct = self._pick(responses, predicted)

    def follow(self, images):
        """Return what the score and the correctness of each image change by."""
        scores, correct = self._pick(*self._respond(images))
        changes = {"score_change": scores - self.scores}
        if self.y is not None:
            changes["accuracy_change"] = correct - self.correct
        return changes

    def _respond(self, images):
        X, classes = images_like(self.X, images), self.estimator.classes_
        if self.response_method is None:
            predicted = np.asarray(self.estimator.predict(X))
            return (predicted[:, None] == classes).astype(float), predicted
        # The class of the highest score, for a call of predict would take as long again.
        responses = respond(self.estimator, X, self.response_method)
        return responses, classes[responses.argmax(axis=1)]

    def _pick(self, responses, predicted):
        correct = None if self.y is None else (predicted == self.y).astype(float)
        return responses[np.arange(len(responses)), self._numbers], correct


def _changes(model, images, plane, method, n_repeats, rng):
    """Return by quantity what changes in each image, of shape (n, n_bands)."""
    found = {}
    for band in range(plane.n_bands):
        if method == "remove":
            repeats = [model.follow(plane.remove(images, band))]
        else:
            change = getattr(plane, method)
            repeats = [model.follow(change(images, band, rng)) for _ in range(n_repeats)]
        for quantity in repeats[0]:
            mean = np.mean([changes[quantity] for changes in repeats], axis=0)
            found.setdefault((method, quantity), []).append(mean)
    return {key: np.column_stack(columns) for key, columns in found.items()}


def _gradient_energy(estimator, X, labels, plane, pixel_size):
    """Return the share of each gradient's energy in each band, and its density."""
    try:
        network, images = find_image_estimator(estimator, X)
        if not hasattr(network, "classes_"):
            raise ValueError(f"{type(network).__name__} knows no classes.")
        columns = class_numbers(network, labels, len(images))
        gradients = Attribution(network, images, None, Settings("gradient"), columns).maps()
    except ValueError as error:
        raise ValueError(f"method='gradient' cannot be had: {error}") from error
    # A step before the network may have cut the images to another size.
    plane = FrequencyBands(images.shape[2:], plane.edges, pixel_size, plane.border)
    shares = plane.shares(gradients)
    return {
        ("gradient", "energy_share"): shares,
        ("gradient", "energy_density"): shares * plane.n_frequencies / plane.counts,
    }


def _summary(values, groups, plane):
    parts = []
    for (method, quantity), by_image in values.items():
        part = _band_columns(plane)
        part.insert(0, "method", method)
        part.insert(1, "quantity", quantity)
        part.insert(2, "band", np.arange(plane.n_bands))
        parts.append(part.assign(**mean_interval(group_means(by_image, groups))))
    return pd.concat(parts, ignore_index=True)


def _by_image(values):
    parts = []
    for (method, quantity), by_image in values.items():
        image, band = np.indices(by_image.shape)
        columns = {"image": image.ravel(), "method": method, "quantity": quantity}
        parts.append(pd.DataFrame({**columns, "band": band.ravel(), "value": by_image.ravel()}))
    return pd.concat(parts, ignore_index=True)


def _describe(plane, images):
    return _band_columns(plane).assign(
        wavelength=1 / plane.means,
        n_frequencies=plane.counts.astype(int),
        power_share=plane.shares(images).mean(axis=0),
    )


def _band_columns(plane):
    return pd.DataFrame(
        {
            "frequency_low": plane.edges[:-1],
            "frequency_high": plane.edges[1:],
            "frequency": plane.means,
        }
    )


def _check_classes(y, classes):
    known = set(classes.tolist())
    unknown = [] if y is None else [label for label in np.unique(y) if label not in known]
    if unknown:
        raise ValueError(f"y has {listing(unknown)}, expected one of {listing(classes)}.")


def _check_methods(method):
    methods = [method] if isinstance(method, str) else list(dict.fromkeys(method))
    unknown = [name for name in methods if name not in METHODS]
    if unknown or not methods:
        found = repr(unknown[0]) if unknown else "none"
        raise ValueError(f"method must be one or several of {listing(METHODS)}, found {found}.")
    return methods
