"""Transformers against loops over images, as one writes them first.

    python -m benchmarks preprocessing

A group is a transformer and its baseline on the same images: nuclei of 20 x 20 pixels on a black
background, two channels where both are needed. ``share_of_copying`` is the time in which the
machine copies the images once over the time that the transformer takes. The last group shows how
time grows with the number of cells.
"""

import numpy as np
import pandas as pd
import pytest
from skimage.measure import label, regionprops

from sklearn_cellfate import image_column, movie_column
from sklearn_cellfate.feature_extraction import IntensityStatistics, RegionProperties
from sklearn_cellfate.preprocessing import (
    CenterObject,
    FRETRatio,
    IntensityScaler,
    LargestObject,
    PatchNormalizer,
    RelativeTimeSampler,
)

DEVICE = "cpu"
SIZE, N_CELLS = 20, 2000
IMAGE_BYTES = 2 * SIZE * SIZE * 4  # read, and written


def nuclei(n, n_channels=1, seed=0):
    """Bright discs off the middle, a speck of debris in a corner, nothing around."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    middle = SIZE / 2 + rng.uniform(-2, 2, (2, n, 1, 1))
    discs = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < (SIZE / 4) ** 2
    discs[:, 0, 0] = True
    images = rng.uniform(0.5, 1.5, (n, n_channels, SIZE, SIZE)) * discs[:, None]
    return images.astype(np.float32)


def loop(function):
    """Apply a function to one image after the other."""
    return lambda images: np.stack([function(image) for image in images])


def ratio(image):
    """First channel over second, 0 outside the nucleus."""
    inside = image[1] > 0
    quotient = np.zeros_like(image[0])
    quotient[inside] = image[0][inside] / image[1][inside]
    return quotient[None]


def stretch(image):
    """Positive pixels to [0.001, 1] between given bounds."""
    inside = image > 0
    stretched = np.zeros_like(image)
    stretched[inside] = 0.001 + 0.999 * np.clip((image[inside] - 0.5) / 1.0, 0, 1)
    return stretched


def largest(image):
    """Pixels of the largest connected object."""
    objects = label(image[0] > 0, connectivity=1)
    sizes = np.bincount(objects.ravel())
    return image * (objects == 1 + sizes[1:].argmax())


def centre(image):
    """Move the object's centroid to the middle."""
    (found,) = regionprops((image[0] > 0).astype(int))
    shift = [round((SIZE - 1) / 2 - place) for place in found.centroid]
    return np.roll(image, shift, axis=(1, 2))


def normalise(image):
    """Subtract the mean, divide by the standard deviation."""
    return (image - image.mean()) / image.std()


def measure_region(image):
    """Measure the object by scikit-image."""
    objects = (image[0] > 0).astype(int)
    (found,) = regionprops(objects, intensity_image=image[0])
    return np.array(
        [
            found.area,
            found.perimeter,
            found.axis_major_length,
            found.axis_minor_length,
            found.eccentricity,
            found.equivalent_diameter_area,
            found.axis_major_length / found.axis_minor_length,
            found.intensity_mean,
            found.intensity_std,
            found.image_intensity.sum(),
        ]
    )


def statistics(image):
    """Compute a few numbers of the pixels."""
    quartiles = np.percentile(image, [5, 25, 50, 75, 95])
    return np.array([image.mean(), image.std(), *quartiles])


PAIRS = {
    "FRETRatio": (FRETRatio(), ratio, 2),
    "IntensityScaler": (IntensityScaler(), stretch, 1),
    "LargestObject": (LargestObject(), largest, 1),
    "CenterObject": (CenterObject(), centre, 1),
    "PatchNormalizer": (PatchNormalizer(), normalise, 1),
    "RegionProperties": (RegionProperties(), measure_region, 1),
    "IntensityStatistics": (IntensityStatistics(), statistics, 1),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("kind", ["transformer", "loop over images"])
def test_images(measure, name, kind):
    """Time a transformer of images, fitted, or its loop."""
    transformer, function, n_channels = PAIRS[name]
    images = nuclei(N_CELLS, n_channels)
    run = loop(function) if kind != "transformer" else transformer.fit(images).transform
    measure(
        run,
        images,
        group=f"{name}, {N_CELLS} images",
        n_images=N_CELLS,
        baseline=kind != "transformer",
        n_bytes=IMAGE_BYTES * n_channels,
    )


@pytest.mark.parametrize("kind", ["transformer", "loop over cells"])
def test_relative_times(measure, kind):
    """Eleven frames of each life, from movies of 8 to 60 frames."""
    rng = np.random.default_rng(0)
    lives = [nuclei(n, seed=n) for n in rng.integers(8, 61, 300)]
    table = pd.DataFrame({"movie": movie_column(lives)})

    def pick(table):
        return [life[np.round(np.linspace(0, len(life) - 1, 11)).astype(int)] for life in lives]

    run = pick if kind != "transformer" else RelativeTimeSampler().fit(table).transform
    measure(
        run,
        table,
        group="RelativeTimeSampler, 300 movies",
        n_images=300 * 11,
        baseline=kind != "transformer",
        n_bytes=IMAGE_BYTES,
    )


@pytest.mark.parametrize("n_cells", [1_000, 10_000, 100_000, 1_000_000])
def test_more_and_more_cells(measure, n_cells):
    """Stretch the intensities of a cell table."""
    images = np.resize(nuclei(min(n_cells, 10_000)), (n_cells, 1, SIZE, SIZE))
    table = pd.DataFrame({"image": image_column(images)})
    scaler = IntensityScaler().fit(table.iloc[:1000])
    measure(
        scaler.transform,
        table,
        group="IntensityScaler by cells",
        n_images=n_cells,
        rounds=1 if n_cells == 1_000_000 else 3,
        n_bytes=IMAGE_BYTES,
        x=n_cells,
    )
