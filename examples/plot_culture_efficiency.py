"""
Which culture will differentiate well?
======================================

Phase contrast of stem-cell cultures is simulated: clones that will differentiate well, and clones
whose layer of cells has more holes. How many is a matter of chance for a single image, so the
best score that any classifier can reach is known: 0.77 an image at 24 hours, 0.97 at 53 hours.
Nothing else differs between the classes. Clones differ in their looks too, here a little
(``variety=0.3``). With ``variety=1`` six clones are too few to tell a hole from a look, and every
contestant scores by luck.

Each fold holds out one whole clone. Compared are

- *EfficientNet* on patches, and the same on patches of zero mean and unit variance;
- *autoencoder*: latent features of an adversarial autoencoder on small patches;
- *power spectrum*: how much structure there is at each spatial frequency, logistic regression;
- *intensity statistics*: mean, variance and entropy, logistic regression;
- *power spectrum + hour*: these features beside a column of the table;
- with ``--large`` also *EfficientNet + hour*: features of the network beside that column.

One draw of six clones says little. All pixels and longer training, with the main job's own table;
more clones; and the published network at the size that the study used, which wants a GPU::

    python examples/plot_culture_efficiency.py --large
    python examples/plot_culture_efficiency.py --draws 5
    python examples/plot_culture_efficiency.py --full
"""

# %%
# The cultures
# ------------

import argparse
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate import image_column, to_images
from sklearn_cellfate.datasets import make_cultures
from sklearn_cellfate.feature_extraction import IntensityStatistics, PowerSpectrum
from sklearn_cellfate.model_selection import (
    compare_estimators,
    compare_modalities,
    score_by_group,
)
from sklearn_cellfate.neural_network import AAEClassifier, EfficientNetClassifier
from sklearn_cellfate.patches import PatchClassifier
from sklearn_cellfate.preprocessing import PatchNormalizer

parser = argparse.ArgumentParser()
parser.add_argument("--full", action="store_true", help="EfficientNet-V2-S at 300 pixels")
parser.add_argument("--large", action="store_true", help="all pixels, longer training; minutes")
parser.add_argument("--draws", type=int, default=1, help="draws of six clones")
options = parser.parse_args()
FULL, LARGE = options.full, options.full or options.large
warnings.simplefilter("ignore", ConvergenceWarning)


side = 300 if FULL else 96 if LARGE else 48  # of a patch


def draw_cultures(seed):
    """Six clones of their own; without --large each 2 x 2 pixels become one, to save time."""
    cultures = make_cultures(
        hours=(24, 53), n_wells=4, size=600 if FULL else 192, variety=0.3, random_state=seed
    )
    if not LARGE:
        pixels = to_images(cultures.frame)
        blocks = pixels.reshape(len(pixels), 1, 96, 2, 96, 2)
        cultures.frame["image"] = image_column(blocks.mean(axis=(3, 5), dtype=np.float32))
    return cultures


cultures = draw_cultures(0)
images = cultures.frame
print(images.drop(columns="image").groupby(["clone", "efficient"]).size())

figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
late = images[images["hour"] == 53].groupby("clone", sort=False).head(1).iloc[[0, 2, 3, 5]]
for ax, (_, row), image in zip(axes, late.iterrows(), to_images(late)):
    ax.imshow(image[0], cmap="gray")
    ax.set_axis_off()
    ax.set_title(f"{row['clone']}, {'efficient' if row['efficient'] else 'inefficient'}")

# %%
# The contestants
# ---------------
# A large image is judged by its patches: each gets a probability, and their mean is the image's.

network = EfficientNetClassifier(
    "s" if FULL else "tiny",
    max_epochs=20 if FULL else 12 if LARGE else 10,
    batch_size=32,
    lr=0.001 if FULL else 0.003,
    class_weight="balanced",
    augment=True,
    random_state=0,
)
normalized_network = make_pipeline(PatchNormalizer(), network)
autoencoder = AAEClassifier(
    8,
    pretrain_epochs=1,
    max_epochs=6 if LARGE else 3,
    batch_size=64,
    lr=0.003,
    noise_std=0,
    class_weight="balanced",
    augment=True,
    random_state=0,
)
# Leaving out a clone leaves more of the other class: without weights, that alone is learned.
logistic = make_pipeline(
    StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
)
spectrum_and_hour = ColumnTransformer(
    [
        ("image", make_pipeline(PowerSpectrum(), StandardScaler()), ["image"]),
        ("hour", StandardScaler(), ["hour"]),
    ]
)
contestants = {
    "intensity statistics": make_pipeline(IntensityStatistics(), logistic),
    "power spectrum": make_pipeline(PowerSpectrum(), logistic),
    "power spectrum + hour": make_pipeline(spectrum_and_hour, logistic),
    "autoencoder": PatchClassifier(
        make_pipeline(PatchNormalizer(), autoencoder), 32, max_patches=400, random_state=0
    ),
    "EfficientNet": PatchClassifier(network, side),
    "EfficientNet, normalised": PatchClassifier(normalized_network, side),
}
# The network's features as a transformer: few, so that they do not drown the hour.
by_patches = PatchClassifier(
    make_pipeline(PatchNormalizer(), clone(network).set_params(n_components=4)), side
)
if LARGE:
    network_and_hour = ColumnTransformer(
        [("image", by_patches, ["image"]), ("hour", StandardScaler(), ["hour"])]
    )
    contestants["EfficientNet + hour"] = make_pipeline(network_and_hour, logistic)

# %%
# The comparison
# --------------


def hold_out_clones(images):
    """Train without one clone at a time."""
    return compare_estimators(
        contestants,
        images[["image", "hour"]],
        images["efficient"],
        groups=images["clone"],
        cv=LeaveOneGroupOut(),
        scoring="accuracy",
        n_jobs=1 if FULL else 2,
        random_state=0,
        verbose=1,
    )


def judged_images(comparison, images, draw):
    """Held-out predictions with clone and hour."""
    predictions = comparison.predictions
    of_images = images[["clone", "hour"]].iloc[predictions["row"]].reset_index(drop=True)
    return predictions.assign(clone=f"draw {draw}, " + of_images["clone"], hour=of_images["hour"])


comparison = hold_out_clones(images)
judged = [judged_images(comparison, images, 0)]
for draw in range(1, options.draws):
    others = draw_cultures(draw).frame
    judged.append(judged_images(hold_out_clones(others), others, draw))
judged = pd.concat(judged, ignore_index=True)

# %%
# By image, and by clone
# ----------------------
# A held-out clone has one class, so folds have no balanced accuracy of their own: all held-out
# images are scored together. Six clones leave a wide interval, whatever the score. (The clones of
# one draw share their training images, so that the interval of several draws is still too narrow.)

rows = []
for name, of_estimator in judged.groupby("estimator", sort=False):
    scores = score_by_group(
        of_estimator["y_true"].to_numpy(),
        of_estimator[["probability_False", "probability_True"]].to_numpy(),
        of_estimator["clone"].to_numpy(),
        by=of_estimator["hour"].to_numpy(),
    )
    rows.append(scores.rename_axis("hour").reset_index().assign(estimator=name))
scores = pd.concat(rows, ignore_index=True)
columns = ["estimator", "hour", "image_accuracy", "accuracy", "low", "high", "n_groups"]
print(scores[columns].round(3).to_string(index=False))
print("\nbest possible")
print(cultures.best_balanced_accuracy.round(3).to_string(index=False))

# %%
# Does the image add anything to the table?
# -----------------------------------------
# The main job's question, with its own function: the hour alone, the image, both, and raw pixels.
# The network takes the place of the autoencoder. In three folds of two clones each has both
# classes at hand. This fits the network six times more, so it waits for ``--large``.

if LARGE:
    answer = compare_modalities(
        images,
        "efficient",
        groups="clone",
        features=["hour"],
        autoencoder=by_patches,
        cv=3,
        n_jobs=1 if FULL else 2,
        random_state=0,
    )
    print(answer.summary.xs("balanced_accuracy", level="metric").round(2))

# %%
# Over the hours
# --------------

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for name, of_estimator in scores.groupby("estimator", sort=False):
    ax.plot(of_estimator["hour"], of_estimator["image_accuracy"], "o-", label=name)
best = cultures.best_balanced_accuracy
ax.plot(best["hour"], best["image"], "k:", label="best possible")
ax.set(xlabel="hour", ylabel="accuracy of images of unseen clones", ylim=(0.3, 1))
ax.legend(frameon=False, fontsize="small")

# %%
# Where the evidence lies
# -----------------------
# The heat map of an image of the first clone, from the network that never saw this clone.

fitted = comparison.estimators["EfficientNet, normalised"][0]
held_out = images.iloc[comparison.folds[0][1]].tail(1)
figure, axes = plt.subplots(1, 2, figsize=(7, 3.5), layout="constrained")
axes[0].imshow(to_images(held_out)[0, 0], cmap="gray")
shown = axes[1].imshow(fitted.heat_map(held_out)[0], vmin=0, vmax=1, cmap="RdBu")
figure.colorbar(shown, ax=axes[1], label="probability of efficient")
for ax in axes:
    ax.set_axis_off()
print(np.round(fitted.predict_patches(held_out)[0, ..., 1], 2))
