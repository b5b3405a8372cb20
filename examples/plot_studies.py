"""
How many labels, which features, and when?
==========================================

Questions that a reviewer asks of a model of cell fate, each one call: how many labelled cells it
needs, whether two hand-picked features are as good as all thirteen, and whether the cells that it
expects to divide do so earlier. All answers come from whole fields of view that the model has not
seen, with an interval.

The model here is a logistic regression on 13 measurements of the first frame, which takes seconds;
the same calls take a network. The number of its latent features and the worth of each of its
losses have a study of their own:
:func:`~sklearn_cellfate.model_selection.latent_dimension_study` and
:func:`~sklearn_cellfate.model_selection.ablation`.
"""

# %%
# The cells
# ---------
# Four hundred nuclei are filmed for three days. Whether one divides depends on its ERK activity
# and size in the first frame.

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.inspection import (
    FeaturePairsDisplay,
    LabelBudgetDisplay,
    SurvivalDisplay,
)
from sklearn_cellfate.model_selection import (
    compare_estimators,
    feature_pairs,
    label_budget,
    time_to_fate,
)

movies = make_cell_movies(n_cells=400, max_frames=72, random_state=0)  # a frame an hour
cells = movies.frame
features = cells[movies.feature_names]
model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
honest = {"groups": cells["field"], "cv": 5, "random_state": 0}

# %%
# How many labelled cells?
# ------------------------
# Cells are drawn from the training side of each fold, five times; all sizes are scored on the same
# held-out fields. With ``memory="some/folder"`` a long run can be stopped and started again.

budget = label_budget(model, features, cells["fate"], **honest)
print(budget.differences.round(3))
LabelBudgetDisplay.from_result(budget).plot()

# %%
# Two features or thirteen?
# -------------------------
# The best of 78 pairs is partly lucky. Its honest score is that of the pair that the training rows
# would have chosen. ``models`` may be left out: then each pair is scored by a simple and by a
# tuned multilayer perceptron, which takes minutes.

pairs = feature_pairs(features, cells["fate"], models={"logistic": model}, **honest)
print(pairs.best.T)
FeaturePairsDisplay.from_result(pairs).plot()

# %%
# When do they divide?
# --------------------
# A cell that has not divided when the film ends may divide later, so shares are estimated with
# censoring in mind. A cell that dies leaves the sight in the same way.

comparison = compare_estimators({"logistic": model}, features, cells["fate"], **honest)
held_out = comparison.predictions.sort_values("row")
survival = time_to_fate(
    np.where(held_out["y_pred"] == 1, "divides", "stays"),
    cells["lifetime"],
    cells["end"] == "mitosis",
    probability=held_out["probability_1"],
    groups=cells["field"],
)
print(survival.summary)
SurvivalDisplay.from_result(survival).plot(unit="h")
