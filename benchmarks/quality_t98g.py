"""Early or late? A question to real phase contrast that needs no labels.

    python benchmarks/quality_t98g.py phase.tif

Cuts the frames of a movie into regions and asks whether a region's image comes from the first or
the last third of the movie, on regions that were never trained on: each fold holds out whole
regions. The culture grows denser, so there is something to see.
"""

import argparse

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate import image_column
from sklearn_cellfate.feature_extraction import IntensityStatistics, PowerSpectrum
from sklearn_cellfate.io import read_stack
from sklearn_cellfate.model_selection import compare_estimators
from sklearn_cellfate.neural_network import EfficientNetClassifier
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.preprocessing import PatchNormalizer
from sklearn_cellfate.report import format_comparison


def cut_regions(stack, side):
    """Table of regions of the first and the last third of the frames, every second frame."""
    third = len(stack) // 3
    frames = [*range(0, third, 2), *range(len(stack) - third, len(stack), 2)]
    images, rows = [], []
    for frame in frames:
        plane = stack[frame]
        for top in range(0, plane.shape[1] - side + 1, side):
            for left in range(0, plane.shape[2] - side + 1, side):
                images.append(plane[:, top : top + side, left : left + side])
                rows.append({"frame": frame, "region": f"{top}, {left}", "late": frame >= third})
    return pd.DataFrame(rows).assign(image=image_column(np.stack(images)))


def main():
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stack")
    parser.add_argument("--axes")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    regions = cut_regions(read_stack(options.stack, axes=options.axes), 200)
    logistic = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000))
    network = EfficientNetClassifier(
        "tiny", max_epochs=12, batch_size=32, lr=0.003, augment=True, random_state=0
    )
    comparison = compare_estimators(
        {
            "intensity statistics": make_pipeline(IntensityStatistics(), logistic),
            "statistics, normalised": make_pipeline(
                PatchNormalizer(), IntensityStatistics(), logistic
            ),
            "spectrum, normalised": make_pipeline(PatchNormalizer(), PowerSpectrum(), logistic),
            "EfficientNet, normalised": PatchClassifier(
                make_pipeline(PatchNormalizer(), network), 100
            ),
        },
        regions[["image"]],
        regions["late"],
        groups=regions["region"],
        cv=StratifiedGroupKFold(5, shuffle=True, random_state=0),
        n_jobs=options.jobs,
        random_state=0,
        verbose=1,
    )
    print(f"{len(regions)} images of {regions['region'].nunique()} regions")
    print(format_comparison(comparison))


if __name__ == "__main__":
    main()
