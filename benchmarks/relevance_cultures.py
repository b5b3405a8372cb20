"""Check on cultures with known holes that relevance for the class with more holes falls on them.

Trains EfficientNet on simulated cultures of 18 clones and explains images of the negative class
from 6 others, whose holes are known:

    python benchmarks/relevance_cultures.py
"""

import argparse
import time

import numpy as np
from sklearn.pipeline import make_pipeline

from sklearn_cellfate import to_images
from sklearn_cellfate.datasets import make_cultures
from sklearn_cellfate.inspection import parameter_randomization, relevance
from sklearn_cellfate.metrics import relevance_mass, relevance_rank_accuracy
from sklearn_cellfate.neural_network import EfficientNetClassifier
from sklearn_cellfate.preprocessing import PatchNormalizer

COMPOSITES = ("epsilon_plus_flat", "epsilon_gamma", "epsilon_gamma_box", "alpha_beta")
GRADIENTS = ("gradient", "input_x_gradient", "integrated_gradients", "smoothgrad")


def train(effect, seed):
    """Return the network and the cultures of the clones that it has not seen."""
    cultures = make_cultures(
        24,
        n_wells=3,
        n_fields=6,
        hours=(53,),
        size=96,
        variety=0.3,
        effect=effect,
        random_state=seed,
    )
    frame = cultures.frame
    clones = frame.groupby("clone")["efficient"].first()
    held_out = [clone for kind in (False, True) for clone in clones.index[clones == kind][-3:]]
    unseen = frame["clone"].isin(held_out).to_numpy()
    net = EfficientNetClassifier(
        "tiny",
        max_epochs=14,
        lr=0.003,
        class_weight="balanced",
        augment=True,
        random_state=seed,
    )
    model = make_pipeline(PatchNormalizer(), net)
    model.fit(frame[["image"]][~unseen], frame["efficient"][~unseen])
    return model, frame[unseen], cultures.holes[unseen]


def score_maps(model, frame, holes, n_images):
    """Print how much of each method's positive relevance lies in holes."""
    rows = np.flatnonzero(~frame["efficient"].to_numpy() & holes.any((1, 2)))[:n_images]
    images, masks = to_images(frame.iloc[rows]), holes[rows]
    area = masks.mean((1, 2))
    print(f"{len(rows)} images of inefficient clones, {area.mean():.1%} of the area in holes")
    ways = {name: {"composite": name} for name in COMPOSITES}
    ways |= {name: {"method": name, "n_samples": 10} for name in GRADIENTS}
    for name, how in ways.items():
        started = time.perf_counter()
        maps = relevance(model, images, False, random_state=0, **how)
        seconds = time.perf_counter() - started
        mass, rank = relevance_mass(maps, masks), relevance_rank_accuracy(maps, masks)
        print(
            f"{name:21s} mass in holes {np.nanmean(mass):.3f}, "
            f"{np.nanmean(mass) / area.mean():.2f} times their area "
            f"(median image {np.nanmedian(mass / area):.2f}); "
            f"rank accuracy {np.nanmean(rank):.3f}; {seconds:.0f} s"
        )
    return images


def main():
    """Train, explain, randomise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--effect", type=float, default=1.0, help="see make_cultures")
    parser.add_argument("--n-images", type=int, default=32, help="images to explain")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.perf_counter()
    model, frame, holes = train(options.effect, options.seed)
    seconds = time.perf_counter() - started
    accuracy = model.score(frame[["image"]], frame["efficient"])
    print(f"accuracy on images of unseen clones {accuracy:.3f}, fit {seconds:.0f} s")
    images = score_maps(model, frame, holes, options.n_images)
    for method in ("lrp", "gradient"):
        similarity = parameter_randomization(model, images[:8], method=method, random_state=0)
        print(f"weights shuffled from the last layer down, {method}:")
        print(similarity.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
