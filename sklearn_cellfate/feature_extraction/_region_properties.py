"""Size, shape and brightness of the object in each image: what is measured by hand."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval

from sklearn_cellfate._validation import describe_shape
from sklearn_cellfate.feature_extraction._image_features import ImageFeatures, in_parts
from sklearn_cellfate.feature_extraction._objects import measure_objects
from sklearn_cellfate.preprocessing._object import check_mask_channel, object_mask
from sklearn_cellfate.table import listing

__all__ = ["RegionProperties"]

SHAPE_PROPERTIES = [
    "axis_major_length",
    "axis_minor_length",
    "eccentricity",
    "equivalent_diameter_area",
    "perimeter",
    "area",
    "aspect_ratio",
]
# What is computed here, and from which properties of scikit-image.
DERIVED = {
    "fret_ratio": ["intensity_mean"],
    "intensity_sum": ["intensity_mean", "num_pixels"],
    "aspect_ratio": ["axis_major_length", "axis_minor_length"],
    # From the position within the object's box: the same to the last digit in any company.
    "centroid": ["bbox", "centroid_local"],
    "centroid_weighted": ["bbox", "centroid_weighted_local"],
}


class RegionProperties(ImageFeatures):
    """Measure the object in each image, or in each frame of a movie, with scikit-image.

    By default these are the 13 features of AI4CellFate [1]_: mean and standard deviation of
    each channel over the object, the FRET ratio of the whole cell, the sum of all intensity,
    major and minor axis, eccentricity, equivalent diameter, perimeter, area and aspect ratio.

    The object of an image is one, of however many pieces: all pixels where `mask_channel`, or
    without it any channel, is above 0. Where there is no such pixel every feature is NaN.

    Parameters
    ----------
    properties : list of str, default=None
        What to measure, in this order. Any property of
        :func:`skimage.measure.regionprops` that is a number or a fixed number of numbers
        (``"solidity"``, ``"extent"``, ``"orientation"``, ``"moments_hu"``, ...), by the names
        of scikit-image 0.26, and also

        - ``"fret_ratio"``: mean of channel `numerator` over mean of channel `denominator`;
        - ``"intensity_sum"``: sum over the pixels of the object and all channels;
        - ``"aspect_ratio"``: ``axis_major_length / axis_minor_length``.

        By default ``intensity_mean``, ``intensity_std``, ``fret_ratio``, ``intensity_sum``,
        ``axis_major_length``, ``axis_minor_length``, ``eccentricity``,
        ``equivalent_diameter_area``, ``perimeter``, ``area`` and ``aspect_ratio``; without
        ``fret_ratio`` for images of one channel, and without the first four for masks alone.
    mask_channel : int, default=None
        The channel whose pixels above 0 are the object, counted from the end if negative. It
        is no channel of intensities. By default the object is where any channel is above 0.
    pixel_size : float, default=1.0
        Side of a pixel in micrometres. Lengths (axes, diameters, perimeters, positions) are
        pixels times `pixel_size`, areas pixels times its square; with 1.0 they are in pixels.
        Intensities keep the unit of X, angles are in radians, ``bbox`` is in whole pixels.
    numerator : int, default=1
        The channel above the line of ``fret_ratio``. With channels (CFP, YFP) the defaults give
        YFP / CFP, which rises with the activity of the kinase.
    denominator : int, default=0
        The channel below the line.
    image_shape : tuple of (channels, height, width), default=None
        How each row of a 2-D X folds into an image. By default a row is an image of one line.

    Attributes
    ----------
    properties_ : list of str
        What is measured.
    image_shape_ : tuple of (channels, height, width)
        Shape of the images fitted on.
    n_features_in_ : int
        Number of columns of a data frame or 2-D array fitted on; values an image otherwise.
    feature_names_in_ : ndarray of str
        Columns of the data frame fitted on, where their names are all strings.

    Raises
    ------
    ValueError
        If a property is unknown, no number or needs a channel that X does not have, or if X is
        no valid container of images.

    See Also
    --------
    sklearn_cellfate.preprocessing.RelativeTimeSampler : Takes the lists that movies give.

    Notes
    -----
    A property with several numbers gives as many columns: ``intensity_mean_0`` is that of
    channel 0. Positions count from the centre of the first pixel of the image.

    What has no meaning is NaN, never infinite: ``fret_ratio`` where the mean of the denominator
    is not positive, ``aspect_ratio`` of objects one pixel wide, whose minor axis is 0.

    The list of a movie without frames is empty.

    References
    ----------
    .. [1] The features are those that the study AI4CellFate measures on each nucleus.
    .. [2] S. van der Walt et al., "scikit-image: image processing in Python", PeerJ 2:e453,
       2014. :doi:`10.7717/peerj.453`

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.feature_extraction import RegionProperties
    >>> image = np.zeros((1, 2, 6, 8))
    >>> image[0, :, 1:5, 1:7] = [[[2]], [[3]]]  # 4 x 6 pixels, CFP 2 and YFP 3
    >>> names = ["area", "solidity", "intensity_mean", "fret_ratio"]
    >>> measure = RegionProperties(names, pixel_size=0.5).set_output(transform="pandas")
    >>> measure.fit_transform(image)
       area  solidity  intensity_mean_0  intensity_mean_1  fret_ratio
    0   6.0       1.0               2.0               3.0         1.5
    >>> RegionProperties().fit_transform(image).shape
    (1, 13)
    """

    _parameter_constraints: dict = {
        "properties": ["array-like", None],
        "mask_channel": [Integral, None],
        "pixel_size": [Interval(Real, 0, None, closed="neither")],
        "numerator": [Interval(Integral, 0, None, closed="left")],
        "denominator": [Interval(Integral, 0, None, closed="left")],
        "image_shape": ["array-like", None],
    }

    def __init__(
        self,
        properties=None,
        *,
        mask_channel=None,
        pixel_size=1.0,
        numerator=1,
        denominator=0,
        image_shape=None,
    ):
        self.properties = properties
        self.mask_channel = mask_channel
        self.pixel_size = pixel_size
        self.numerator = numerator
        self.denominator = denominator
        self.image_shape = image_shape

    def _fit_images(self, images):
        shape = images.shape[1:]
        check_mask_channel(self.mask_channel, shape)
        self._mask_channel = None if self.mask_channel is None else self.mask_channel % shape[0]
        self._channels = [k for k in range(shape[0]) if k != self._mask_channel]
        self.properties_ = self._check_properties(shape)
        # How many numbers each property has is seen on one small object.
        values = self._measure(np.ones((1, shape[0], 3, 3), np.float32))
        self._names = [
            name for key in self.properties_ for name in self._column_names(key, values[key])
        ]

    def _transform_images(self, images):
        features = np.empty((len(images), len(self._names)))
        for part in in_parts(images):
            values = self._measure(images[part])
            columns = [values[name].reshape(len(images[part]), -1) for name in self.properties_]
            features[part] = np.hstack(columns)
        features[~np.isfinite(features)] = np.nan
        return features

    # Measuring ---------------------------------------------------------------------------------

    def _measure(self, images):
        """Return the values of each property, an array with one row an image."""
        sources = {source for name in self.properties_ for source in DERIVED.get(name, [name])}
        masks = object_mask(images, self._mask_channel)
        channels = images[:, self._channels]
        measured = measure_objects(masks, channels, sorted(sources), self.pixel_size)
        return {name: self._values(name, measured) for name in self.properties_}

    def _values(self, name, measured):
        if name == "fret_ratio":
            means = dict(zip(self._channels, measured["intensity_mean"].T))
            return _divide(means[self.numerator], means[self.denominator])
        if name == "intensity_sum":
            return measured["intensity_mean"].sum(axis=1) * measured["num_pixels"]
        if name == "aspect_ratio":
            return _divide(measured["axis_major_length"], measured["axis_minor_length"])
        if name in ("centroid", "centroid_weighted"):
            local = measured[f"{name}_local"]
            corner = self.pixel_size * measured["bbox"][:, :2]
            return local + corner.reshape(corner.shape + (1,) * (local.ndim - 2))
        return measured[name]

    def _column_names(self, name, values):
        for place in np.ndindex(values.shape[1:]):
            if place and _needs_intensity(name):
                place = (*place[:-1], self._channels[place[-1]])
            yield "_".join([name, *map(str, place)])

    # Checking ----------------------------------------------------------------------------------

    def _check_properties(self, shape):
        if self.properties is None:
            return self._default_properties(shape)
        names = list(self.properties)
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"properties must be at least one name, none of them twice, "
                f"found {listing(names)}."
            )
        for name in names:
            self._check_property(name, shape)
        return names

    def _default_properties(self, shape):
        names = ["intensity_mean", "intensity_std"] if self._channels else []
        if len(self._channels) > 1:
            self._check_ratio(shape)
            names.append("fret_ratio")
        if self._channels:
            names.append("intensity_sum")
        return names + SHAPE_PROPERTIES

    def _check_property(self, name, shape):
        if name == "fret_ratio":
            self._check_ratio(shape)
        elif _needs_intensity(name) and not self._channels:
            raise ValueError(
                f"property {name!r} needs a channel of intensities, but X has "
                f"{describe_shape(shape)}: the mask."
            )
        mask, image = np.ones((1, 3, 3), bool), np.ones((1, len(self._channels), 3, 3))
        try:
            measure_objects(mask, image, DERIVED.get(name, [name]))
        except (AttributeError, IndexError, TypeError) as error:
            raise ValueError(
                f"property {name!r} is none that scikit-image measures as a number, nor one of "
                f"{listing(DERIVED)}."
            ) from error

    def _check_ratio(self, shape):
        absent = [k for k in (self.numerator, self.denominator) if k not in self._channels]
        if absent:
            mask = "" if self._mask_channel is None else f", number {self._mask_channel} the mask"
            raise ValueError(
                f"numerator={self.numerator} and denominator={self.denominator} ask for a channel "
                f"{absent[0]}, but X has {describe_shape(shape)}{mask}."
            )


def _needs_intensity(name):
    return "intensity" in name or "weighted" in name


def _divide(numerator, denominator):
    ratio = np.full(len(numerator), np.nan)
    return np.divide(numerator, denominator, out=ratio, where=denominator > 0)
