"""
What do the latent features of a cell mean?
===========================================

A supervised autoencoder reduces each nucleus to a few numbers that tell its fate. Here cells are
simulated, so what they differ in is known: the fate follows ERK activity and nuclear radius, and
orientation means nothing. Did the network find these two, and how would one know without the
truth?
"""

# %%
# Train on two replicates, look at the third
# ------------------------------------------
# The first frame of each movie, as the ratio image CFP / YFP. The third replicate takes no part
# in training: what a network makes of cells that it has learned by heart proves little.
#
# The uniform prior is a square and has sides along which the two factors can lie. The normal one
# is round: there they more often turn into mixtures of each other.

import numpy as np

from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.inspection import (
    LatentCorrelationsDisplay,
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    TrainingHistoryDisplay,
)
from sklearn_cellfate.metrics import (
    latent_correlation_matrix,
    latent_kl_divergence,
    latent_normality,
)
from sklearn_cellfate.model_selection import make_default_autoencoder
from sklearn_cellfate.preprocessing import FRETRatio, RelativeTimeSampler

movies = make_cell_movies(n_cells=1500, max_frames=5, random_state=0)
cells = FRETRatio().fit_transform(RelativeTimeSampler(times=[0]).fit_transform(movies.frame))
cells["fate"] = np.where(cells["fate"] == 1, "divides", "does not divide")
held_out = cells["replicate"].to_numpy() == "r3"
train, test = cells[~held_out], cells[held_out]

model = make_default_autoencoder(len(train), random_state=0)
model.set_params(latent_dim=2, prior="uniform", early_stopping=True, n_iter_no_change=100)
model.fit(train, train["fate"], groups=train["field"])

# %%
# The training
# ------------
# Stage 1 reconstructs; in stage 2 the classes draw cells together. A tenth of the training cells
# is set aside, whole fields of view, and shown dashed.

TrainingHistoryDisplay.from_estimator(model)

# %%
# The latent space
# ----------------
# Ellipses hold 86 % of normally distributed cells. Cells of the held-out replicate have a dark
# edge.

LatentSpaceDisplay.from_estimator(model, cells, cells["fate"], held_out=held_out)

# %%
# Each latent feature was to have mean 0 and variance 1, and none to repeat another. Divergences
# are those from a standard normal, in nats; of the uniform prior that is 0.18, which the moments
# cannot see.

latents = model.transform(test)
table = latent_normality(latents)
table["KL by moments"] = latent_kl_divergence(latents)
table["KL by neighbours"] = latent_kl_divergence(latents, method="neighbors")
print(table.round(2).to_string(), "\n")
print(latent_correlation_matrix(latents).round(2))

# %%
# What the decoder draws
# ----------------------
# One latent feature changes along each row, the others stay at their mean.

LatentTraversalDisplay.from_estimator(model, train, n_steps=7, pixel_size=1.24)

# %%
# What the cells say
# ------------------
# Spearman correlations on the held-out replicate with what is measured on each nucleus, and with
# the simulator's truth, in the last rows. Fields of view are drawn whole for the intervals; six
# of them make intervals that are too narrow. Orientation is an axis, the same again after half a
# turn, so the rank of the angle says nothing; cosine and sine of twice the angle stand for it.
#
# Where there are more latent features than factors they repeat one another: look at the
# correlations between them before you read a traversal.

measured = ["fret", "area", "eccentricity", "intensity_sum"]
axis = 2 * test["true_orientation"]
test = test.assign(orientation_cosine=np.cos(axis), orientation_sine=np.sin(axis))
truth = ["true_erk", "true_radius", "orientation_cosine", "orientation_sine"]
LatentCorrelationsDisplay.from_estimator(
    model, test, measured + truth, groups=test["field"], random_state=0
)
