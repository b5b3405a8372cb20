"""Hold the sums of relevance maps of a trained EfficientNet-V2-S against its scores.

Trains the published size from scratch on simulated cultures until it knows them, then compares
the network with its canonical form, and the sum of each map with the score it is to share out:

    python benchmarks/conservation.py
"""

import argparse
import time
from copy import deepcopy

import torch

from sklearn_cellfate import to_images
from sklearn_cellfate.datasets import make_cultures
from sklearn_cellfate.inspection import relevance
from sklearn_cellfate.inspection._relevance._canonizers import canonize
from sklearn_cellfate.neural_network import EfficientNetClassifier

COMPOSITES = ("epsilon_plus_flat", "epsilon_gamma", "epsilon_gamma_box", "alpha_beta")


def largest_difference(net, images):
    """Largest difference between outputs of the encoder and its canonical form, over the range."""
    scaled = torch.from_numpy(net._scale(images))
    encoder = net.net_.module_.encoder.eval()
    with torch.no_grad():
        expected = encoder(scaled)
        found = canonize(deepcopy(encoder))(scaled)
    return float((found - expected).abs().max() / (expected.max() - expected.min()))


def main():
    """Train and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", default="s", help="of EfficientNetClassifier")
    parser.add_argument("--size", type=int, default=64, help="of the images, in pixels")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--explained", type=int, default=8, help="images with maps")
    options = parser.parse_args()
    cultures = make_cultures(
        8,
        n_wells=2,
        n_fields=8,
        hours=(53,),
        size=options.size,
        variety=0,
        effect=4,
        random_state=0,
    ).frame
    unseen = cultures["well"].str.endswith("w2").to_numpy()
    train, test = cultures[~unseen], cultures[unseen]
    started = time.perf_counter()
    net = EfficientNetClassifier(
        options.variant, max_epochs=options.epochs, batch_size=16, lr=0.003, random_state=0
    )
    net.fit(train[["image"]], train["efficient"])
    seconds = time.perf_counter() - started
    loss = net.history_["train_loss"]
    print(f"{len(train)} images, {options.epochs} epochs, {seconds:.0f} s")
    print(f"loss {loss.iloc[0]:.3f} -> {loss.iloc[-1]:.3f}", end=", ")
    print(f"accuracy {net.score(train, train['efficient']):.3f}", end=", ")
    print(f"of wells not seen {net.score(test, test['efficient']):.3f}")
    images = to_images(test.iloc[:: len(test) // options.explained])
    print(
        f"canonical form: differs by {largest_difference(net, images):.1e} of the range, float32"
    )
    for name in COMPOSITES:
        _, scores = relevance(net, images, composite=name, return_scores=True)
        share = scores["relevance"] / (scores["score"] - scores["constant"])
        sizes = scores[["score", "constant"]].abs().mean()
        print(
            f"{name:18s} relevance over score, its constant left out: {share.min():.7f} to "
            f"{share.max():.7f}; mean size of score {sizes['score']:.2f}, of its constant "
            f"{sizes['constant']:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
