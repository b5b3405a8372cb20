"""The largest object of an image, without debris."""

from numbers import Integral

import numpy as np
from scipy.ndimage import generate_binary_structure, label
from sklearn.utils._param_validation import Options

from sklearn_cellfate.preprocessing._object import ObjectTransformer, keep_inside, object_mask


class LargestObject(ObjectTransformer):
    """Keep only the largest connected object of each image, the same pixels in all channels.

    Everything else, such as debris or a piece of a neighbour, becomes 0. The object is where the
    mask channel is positive or, without one, where any channel is. An image without an object is
    not changed. Of several objects of the largest size, the one nearest to the image's centre is
    kept (the least mean squared distance of its pixels), and of those the first from the top,
    then from the left.

    Parameters
    ----------
    mask_channel : int, default=None
        Index of the channel that is positive inside the object. It is cleaned like the others,
        and stays. By default the background of all channels is 0.
    connectivity : {1, 2}, default=2
        1 connects a pixel with its 4 neighbours, 2 with the 8 that share an edge or a corner, as
        in scikit-image.
    image_shape : tuple of (channels, height, width), default=None
        How each row of a 2-D X folds into an image. By default all columns of a 2-D X are pixels
        of one channel.

    Attributes
    ----------
    image_shape_ : tuple of (channels, height, width)
        Shape of the images fitted on.
    n_features_in_ : int
        Number of columns of a data frame or 2-D array fitted on; values an image otherwise.
    feature_names_in_ : ndarray of str
        Columns of the data frame fitted on, where their names are all strings.

    Raises
    ------
    ValueError
        If X lacks the mask channel, or is no valid container of images.

    See Also
    --------
    MaskBackground : Make the background 0 first.
    CenterObject : Move what is left to the centre.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.preprocessing import LargestObject
    >>> crop = np.array([[[5, 6, 0, 0], [0, 7, 0, 3], [0, 0, 0, 4]]])
    >>> LargestObject().fit_transform(crop)[0]
    array([[5., 6., 0., 0.],
           [0., 7., 0., 0.],
           [0., 0., 0., 0.]], dtype=float32)
    """

    _parameter_constraints: dict = {
        "mask_channel": [Integral, None],
        "connectivity": [Options(Integral, {1, 2})],
        "image_shape": ["array-like", None],
    }

    def __init__(self, mask_channel=None, *, connectivity=2, image_shape=None):
        self.mask_channel = mask_channel
        self.connectivity = connectivity
        self.image_shape = image_shape

    def _transform_images(self, images):
        inside = object_mask(images, self.mask_channel)
        largest = largest_objects(inside, self.connectivity)
        empty = ~inside.any(axis=(1, 2))
        return keep_inside(images, largest | empty[:, np.newaxis, np.newaxis])


def largest_objects(inside, connectivity):
    """Return the pixels of the largest connected object of each mask.

    Parameters
    ----------
    inside : ndarray of bool of shape (n, H, W)
        Masks.
    connectivity : {1, 2}
        Neighbours by edges alone, or by corners too.

    Returns
    -------
    largest : ndarray of bool of shape (n, H, W)
    """
    # One call for all images, with neighbours in the plane alone, so that no object spans two.
    structure = np.zeros((3, 3, 3), dtype=bool)
    structure[1] = generate_binary_structure(2, connectivity)
    labels, n_labels = label(inside, structure)
    places = np.flatnonzero(labels)
    found = labels.ravel()[places]
    areas = np.bincount(found, minlength=n_labels + 1)
    distances = np.bincount(
        found,
        weights=_squared_distances(*inside.shape[1:]).ravel()[places % inside[0].size],
        minlength=n_labels + 1,
    )
    first_places = np.empty(n_labels + 1, dtype=np.intp)
    first_places[found[::-1]] = places[::-1]  # the last to be written is the first place
    image_of = first_places // inside[0].size
    ranked = 1 + np.lexsort([first_places[1:], distances[1:], -areas[1:], image_of[1:]])
    images_with, best = np.unique(image_of[ranked], return_index=True)
    chosen = np.full(len(inside), -1)
    chosen[images_with] = ranked[best]
    return labels == chosen[:, np.newaxis, np.newaxis]


def _squared_distances(height, width):
    """Four times each pixel's squared distance from the centre: whole numbers, exact in a tie."""
    rows = 2 * np.arange(height) - (height - 1)
    columns = 2 * np.arange(width) - (width - 1)
    return rows[:, np.newaxis] ** 2 + columns**2
