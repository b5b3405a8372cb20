"""Memory of PatchClassifier on a hundred images of 2048 x 2048 pixels.

    python benchmarks/memory_patches.py
    python benchmarks/memory_patches.py --stride 128
    python benchmarks/memory_patches.py --classifier network
    python benchmarks/memory_patches.py --classifier network --in-place

Prints the peak of the process above what it holds before, images included, against the size of all
patches as the classifier sees them. ``network`` is the tiny EfficientNet
behind a PatchNormalizer, for one epoch; ``--in-place`` lets that write over the patches.
"""

import argparse
import resource
import time

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate.feature_extraction import IntensityStatistics
from sklearn_cellfate.neural_network import EfficientNetClassifier
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.preprocessing import PatchNormalizer

PATCH = 256


def peak_megabytes():
    """Return the most memory that the process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def network(copy):
    """Make the pipeline of README, with imports and first allocations behind it."""
    inner = EfficientNetClassifier("tiny", max_epochs=1, random_state=0)
    some = np.random.default_rng(0).random((4, 1, PATCH, PATCH), dtype=np.float32)
    pipeline = make_pipeline(PatchNormalizer(copy=copy), inner)
    return clone(pipeline.fit(some, [0, 1, 0, 1]))


def main():
    """Fit and predict, and print the peaks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--stride", type=int)
    parser.add_argument("--classifier", choices=["statistics", "network"], default="statistics")
    parser.add_argument("--in-place", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    shape = (options.images, 1, options.side, options.side)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    labels = np.arange(options.images) % 2
    if options.classifier == "network":
        classifier = network(not options.in_place)
    else:
        classifier = make_pipeline(IntensityStatistics(), StandardScaler(), LogisticRegression())
    model = PatchClassifier(classifier, PATCH, stride=options.stride, random_state=0)
    before = peak_megabytes()
    print(f"{options.images} images of {options.side} pixels: {images.nbytes / 2**20:.0f} MB")
    steps = {
        "fit": lambda: model.fit(images, labels),
        "predict": lambda: model.predict_proba(images),
    }
    for name, step in steps.items():
        started = time.perf_counter()
        step()
        seconds = time.perf_counter() - started
        print(f"{name}: {peak_megabytes() - before:.0f} MB more at the peak, {seconds:.0f} s")
    n_patches = options.images * len(model.grid_[0]) * len(model.grid_[1])
    megabytes = 4 * n_patches * PATCH**2 / 2**20
    drawn = megabytes * model.n_patches_ / n_patches
    print(
        f"{n_patches} patches, {megabytes:.0f} MB; {model.n_patches_} trained on, {drawn:.0f} MB"
    )


if __name__ == "__main__":
    main()
