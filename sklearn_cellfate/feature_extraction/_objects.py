"""One call of scikit-image for the objects of many images."""

import numpy as np

# Numbers without a unit, which scikit-image gives for pixels of side 1 only.
SCALE_FREE = {"moments_hu", "moments_weighted_hu"}


def measure_objects(masks, channels, properties, pixel_size=1.0):
    """Measure the one object of each image.

    Parameters
    ----------
    masks : ndarray of bool of shape (n, H, W)
        Where the objects are.
    channels : ndarray of shape (n, C, H, W)
        Intensities; there may be no channel.
    properties : list of str
        Names of properties of :func:`skimage.measure.regionprops` that are numbers.
    pixel_size : float
        Side of a pixel.

    Returns
    -------
    values : dict of str to ndarray of shape (n, ...), float64
        Of each property. Images without an object have NaN. Positions are those within the
        image.

    Raises
    ------
    AttributeError
        If scikit-image has no such property, or there is no channel to measure it on.
    TypeError
        If a property is not a number.
    """
    from skimage.measure import regionprops_table

    n_images, height, width = masks.shape
    # One tall image with a label an image: a call for each would cost more than the measuring.
    numbers = np.arange(1, n_images + 1, dtype=np.int32)[:, np.newaxis, np.newaxis]
    labels = (masks * numbers).reshape(n_images * height, width)
    # In float64, or the sums of many bright pixels lose digits.
    tall = np.moveaxis(channels, 1, -1).reshape(n_images * height, width, -1).astype(np.float64)
    values = {}
    for spacing, names in _by_spacing(properties, pixel_size):
        with np.errstate(divide="ignore", invalid="ignore"):  # of objects that are a point or line
            table = regionprops_table(
                labels,
                tall if channels.shape[1] else None,
                properties=["label", *names],
                spacing=(spacing, spacing),
            )
        found = table.pop("label") - 1
        for name in names:
            values[name] = _gather(table, name, found, n_images)
    if "bbox" in values:
        values["bbox"][:, [0, 2]] -= height * np.arange(n_images)[:, np.newaxis]
    return values


def _by_spacing(properties, pixel_size):
    scale_free = [name for name in properties if name in SCALE_FREE]
    others = [name for name in properties if name not in SCALE_FREE]
    return [(size, names) for size, names in ((1.0, scale_free), (pixel_size, others)) if names]


def _gather(table, name, found, n_images):
    """Put the columns ``name-0-0``, ``name-0-1``, ... into one array with a row an image."""
    columns = [key for key in table if key == name or key.startswith(name + "-")]
    if any(table[key].dtype == object for key in columns):
        raise TypeError(f"{name} is not a number")
    last = columns[-1].split("-")[1:]
    values = np.full((n_images, *(int(index) + 1 for index in last)), np.nan)
    values[found] = np.stack([table[key] for key in columns], axis=1).reshape(
        len(found), *values.shape[1:]
    )
    return values
