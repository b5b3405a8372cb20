"""
How far can an explanation be believed?
=======================================

A relevance map always looks like something. Four questions with a number for an answer say
whether it, and the model behind it, deserve trust:

- Does the relevance lie where the truth does? (:func:`relevance_mass`, if the truth is known)
- Does the score fall when the most relevant patches are blanked? (:func:`pixel_flipping`)
- Does the model go by the contrast of the patches only? (:func:`variance_dependence`)
- Which of its inputs does a model need, the images or the features? (:func:`block_importance`)

Everything is simulated, so the right answers are known. It takes about a minute on one core.
"""

# %%
# A network that looks for holes
# ------------------------------
# Cultures that will not differentiate have more holes between the cells, here many more than in
# the study (``effect=3``), and their classes differ in nothing else. The network is trained on
# three wells of each clone and explained on the fourth.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_cellfate import to_images
from sklearn_cellfate.datasets import make_cell_movies, make_cultures
from sklearn_cellfate.inspection import (
    BlockImportanceDisplay,
    PixelFlippingDisplay,
    VarianceDependenceDisplay,
    block_importance,
    relevance,
    variance_dependence,
)
from sklearn_cellfate.metrics import pixel_flipping, relevance_mass
from sklearn_cellfate.model_selection import make_modality_pipelines
from sklearn_cellfate.neural_network import AAEClassifier, EfficientNetClassifier
from sklearn_cellfate.preprocessing import FRETRatio, RelativeTimeSampler

cultures = make_cultures(
    n_wells=4, n_fields=4, hours=(53,), size=64, variety=0.3, effect=3, random_state=0
)
images = cultures.frame
images["kind"] = np.where(images["efficient"], "efficient", "inefficient")
held_out = images["well"].str.endswith("w4").to_numpy()
train, test = images[~held_out], images[held_out]
network = EfficientNetClassifier(
    "tiny", max_epochs=30, batch_size=32, lr=0.003, augment=True, random_state=0
)
network.fit(train, train["kind"])
print(f"accuracy on wells never seen: {network.score(test, test['kind']):.2f}")

# %%
# Does the relevance lie on the holes?
# ------------------------------------
# Of the inefficient cultures, whose holes the network should point at. A map that knows nothing of
# the holes has as much of its relevance there as they have of the area.

inefficient = (test["kind"] == "inefficient").to_numpy()
explained, holes = test[inefficient], cultures.holes[held_out][inefficient]
maps = {
    "layer-wise relevance": relevance(network, explained, "inefficient"),
    "gradient": relevance(network, explained, "inefficient", method="gradient"),
}
share = holes.mean(axis=(1, 2))
for name, values in maps.items():
    ratio = np.nanmean(relevance_mass(values, holes) / share)
    print(f"{name:22} {ratio:.1f} times the holes' share of the area")

most = share.argmax()
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
axes[0].imshow(to_images(explained)[most, 0], cmap="gray")
axes[0].set_title("culture, holes outlined")
units = ("log odds", "log odds per unit of pixels")
for ax, name, unit in zip(axes[1:], maps, units):
    summed = maps[name][most].sum(axis=0)
    limit = np.abs(summed).max()
    shown = ax.imshow(summed, cmap="RdBu_r", vmin=-limit, vmax=limit)
    figure.colorbar(shown, ax=ax, shrink=0.8, label=f"for 'inefficient'\n({unit})")
    ax.set_title(name)
for ax in axes:
    ax.contour(holes[most], [0.5], colors="#009E73", linewidths=1)
    ax.set_axis_off()

# %%
# Does the score fall when relevant patches are blanked?
# ------------------------------------------------------
# Blank patches look like holes themselves, so the score of "inefficient" can rise whatever is
# blanked. That is why the curve is compared with random order: what a map gains over it counts.
# With more than half of it blank an image is none any more, so the test stops there.

ax = None
for (name, values), colour in zip(maps.items(), ("#0072B2", "#D55E00")):
    flipped = pixel_flipping(
        network,
        explained,
        values,
        target="inefficient",
        max_share=0.5,
        n_steps=8,
        fill="blur",
        response_method="decision_function",
        n_random=5,
        random_state=0,
    )
    display = PixelFlippingDisplay(flipped).plot(ax, label=name, color=colour)
    ax = display.ax_
    print(f"{name:22} {flipped.gain:+.2f} over random order, whose sd is {flipped.random_sd:.2f}")

# %%
# Does the network go by contrast only?
# -------------------------------------
# Holes change the variance of an image, so the score goes with it. If the network used nothing
# else, it would fail once all images have the same variance.

dependence = variance_dependence(
    network, test, target="inefficient", groups=test["clone"], n_bins=4, random_state=0
)
print(dependence.summary.round(2))
VarianceDependenceDisplay.from_result(dependence)

# %%
# The images, or the measured features?
# -------------------------------------
# Other data: nuclei with a biosensor, whose fate depends on ERK activity and size. Both can be
# measured, and both show in the image. Each fold fits on two replicates and shuffles blocks of
# columns on the third. A block that another can stand in for looks dispensable, which is why
# "image and features" is shuffled too: what the model knows altogether.

movies = make_cell_movies(n_cells=240, fate_fraction=0.4, random_state=0)
first_frames = RelativeTimeSampler(times=[0]).fit_transform(movies.frame)
cells = FRETRatio().fit_transform(first_frames).rename(columns={"movie_0%": "image"})
features = ["area", "eccentricity", "fret"]
autoencoder = AAEClassifier(
    4, pretrain_epochs=2, max_epochs=15, batch_size=64, lr=0.003, noise_std=0, random_state=0
)
pipelines = make_modality_pipelines("image", features, autoencoder=autoencoder, random_state=0)
importance = block_importance(
    pipelines["images + features"],
    cells,
    cells["fate"],
    blocks={
        "image": ["image"],
        **{name: [name] for name in features},
        "all features": features,
        "image and features": ["image", *features],
    },
    groups=cells["replicate"],
    n_repeats=5,
    random_state=0,
)
with pd.option_context("display.width", 100):
    print(importance.summary.round(3))
BlockImportanceDisplay.from_result(importance)
