"""
Do the images add anything over the measured features?
======================================================

Two hundred nuclei with an ERK biosensor are simulated in three replicates. Whether a cell
divides depends on its ERK activity and its size in the first frame, so the best score that any
classifier can reach is known. Four pipelines predict the fate from the first frame:

- *features*: 13 measurements of the nucleus, logistic regression;
- *images*: latent features of an adversarial autoencoder, logistic regression;
- *images + features*: both side by side, logistic regression;
- *pixels*: the raw pixels, random forest.

All are scored on the same folds. Each fold holds out one whole replicate, and everything that is
learned (scalings, networks, classifiers) is learned on the other two.
"""

# %%
# The cells
# ---------
# A simulated movie lasts from the first frame of a cell to its division, its death or the end of
# the film. Only the first frame is kept, as the ratio image CFP / YFP.
#
# ``features`` names the measured columns. The table also holds the simulator's truth, which no
# microscope sees: by default every numeric column would be taken for a feature.

from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.model_selection import compare_modalities
from sklearn_cellfate.preprocessing import FRETRatio, RelativeTimeSampler
from sklearn_cellfate.report import format_comparison, plot_latent_space, plot_roc

movies = make_cell_movies(n_cells=200, random_state=0)
first_frames = RelativeTimeSampler(times=[0]).fit_transform(movies.frame)
cells = FRETRatio().fit_transform(first_frames)
cells[["cell", "replicate", "fate", "area", "fret"]].head()

# %%
# The comparison
# --------------
# Read the last block first: the difference of each pipeline to the features alone. An interval
# that holds 0 says that these replicates do not show a difference.

comparison = compare_modalities(
    cells, "fate", groups="replicate", features=movies.feature_names, random_state=0
)
print(f"best possible balanced accuracy {movies.best_balanced_accuracy:.3f}")
print(f"best possible AUC {movies.best_auc:.3f}\n")
print(format_comparison(comparison))

# %%
# The curves
# ----------
# One curve a replicate while it was held out.

plot_roc(comparison)

# %%
# The latent space
# ----------------
# The cells of the first fold's held-out replicate have a dark edge: the network never saw them.

plot_latent_space(comparison, cells)
