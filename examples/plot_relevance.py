"""
Why did it say that this culture will fail?
===========================================

In simulated phase contrast of stem-cell cultures the classes differ in one thing only: images of
clones that will not differentiate have more holes in their layer of cells, and where the holes
are is known. A small EfficientNet learns from images of 18 clones which class a clone is of.
Relevance maps then say which pixels of six other clones speak for "inefficient". They are
explanations, so they are tested:

- How much of the positive relevance lies in the holes, against their share of the area?
- Do the maps change when the network's weights are shuffled? A map that does not shows the
  image, whatever the network has learned.

It takes a minute on two cores.
"""

# %%
# Cultures and a network
# ----------------------

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from sklearn_cellfate.datasets import make_cultures
from sklearn_cellfate.inspection import RelevanceDisplay, parameter_randomization, relevance
from sklearn_cellfate.metrics import relevance_mass, relevance_rank_accuracy
from sklearn_cellfate.neural_network import EfficientNetClassifier
from sklearn_cellfate.preprocessing import PatchNormalizer

cultures = make_cultures(
    24, n_wells=3, n_fields=6, hours=(53,), size=96, variety=0.3, random_state=0
)
frame = cultures.frame
clones = frame.groupby("clone")["efficient"].first()
held_out = [*clones.index[clones][-3:], *clones.index[~clones][-3:]]
unseen = frame["clone"].isin(held_out).to_numpy()
kind = np.where(frame["efficient"], "efficient", "inefficient")

network = EfficientNetClassifier(
    "tiny", max_epochs=14, lr=0.003, class_weight="balanced", augment=True, random_state=0
)
model = make_pipeline(PatchNormalizer(), network)
model.fit(frame[["image"]][~unseen], kind[~unseen])
accuracy = model.score(frame[["image"]][unseen], kind[unseen])
print(f"accuracy on images of clones never seen: {accuracy:.2f}")

# %%
# What speaks for "inefficient"
# -----------------------------
# Red pixels speak for the class, blue ones against it; black outlines are the true holes, which
# the network was never shown. Below each map stands how much of the score it is: all but the
# constant that the last layer adds to every image.

rows = np.flatnonzero(unseen & (kind == "inefficient") & cultures.holes.any(axis=(1, 2)))
rows = rows[:: max(len(rows) // 12, 1)][:12]
images, holes = frame[["image"]].iloc[rows], cultures.holes[rows]

display = RelevanceDisplay.from_estimator(
    model,
    images[::3],
    target="inefficient",
    masks=holes[::3],
    names=frame["clone"].iloc[rows[::3]].tolist(),
)

# %%
# Does the relevance fall on the holes?
# -------------------------------------

area = holes.mean(axis=(1, 2))
scores = []
for method in ("lrp", "integrated_gradients", "input_x_gradient", "gradient"):
    maps = relevance(model, images, target="inefficient", method=method, n_samples=10)
    mass = relevance_mass(maps, holes)
    scores.append(
        {
            "method": method,
            "share of relevance in holes": mass.mean(),
            "times their area": mass.mean() / area.mean(),
            "rank accuracy": relevance_rank_accuracy(maps, holes).mean(),
        }
    )
print(f"holes take {area.mean():.1%} of the area")
print(pd.DataFrame(scores).round(2).to_string(index=False))

# %%
# Do the maps know the network?
# -----------------------------
# From the last layer down, weights are shuffled, and the maps of the shuffled network compared
# with those of the intact one: 1 is no change. Not all of a map is the network's: about half of
# the rank correlation of relevance stays, as bright structures attract relevance of either sign
# in any network. So a single map without such a check says little.

figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
styles = {"lrp": ("#0072B2", "o-"), "gradient": ("#D55E00", "s--")}
for method, (colour, style) in styles.items():
    similarity = parameter_randomization(
        model, images[:4], target="inefficient", method=method, random_state=0
    )
    ax.plot(similarity["layer"], similarity["spearman"], style, color=colour, label=method)
ax.axhline(0, color="grey", lw=0.8)
ax.set(
    xlabel="layers shuffled, from the last down to this one",
    ylabel="rank correlation of absolute maps",
    ylim=(-0.1, 1.05),
)
ax.legend(frameon=False)
plt.show()
