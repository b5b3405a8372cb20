"""
How early can the fate be called?
=================================

Some two hundred simulated nuclei with an ERK biosensor are filmed for three days. Whether a cell
divides depends on its ERK activity and its size at birth; just before mitosis it also gets round.
So there is something to see at birth, little more for most of a life, and much at its end.

All scores are of replicates that the models have not seen. The data are simulated.
"""

# %%
# The cells and the models
# ------------------------
# A model gets a table with one image a row. Which moment of the movie that is, ``time_course``
# chooses. A small autoencoder sees the ratio image; beside it stand two baselines: brightness
# and contrast, and the shape and intensity of the nucleus as measured.

import matplotlib.pyplot as plt
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.feature_extraction import IntensityStatistics, RegionProperties
from sklearn_cellfate.inspection import TimeCourseDisplay
from sklearn_cellfate.model_selection import how_early, predict_or_abstain, time_course
from sklearn_cellfate.neural_network import AAEClassifier
from sklearn_cellfate.preprocessing import FRETRatio, RelativeTimeSampler

simulated = make_cell_movies(240, max_frames=36, fate_fraction=0.4, random_state=0)
cells, fate = simulated.frame, simulated.frame["fate"]
autoencoder = AAEClassifier(
    latent_dim=4,
    pretrain_epochs=1,
    max_epochs=6,
    lr=0.006,
    batch_size=128,
    noise_std=0.0,
    random_state=0,
)


def logistic(features):
    """Logistic regression on standardised features."""
    return make_pipeline(features, StandardScaler(), LogisticRegression(max_iter=2000))


models = {
    "intensity": logistic(IntensityStatistics()),
    "nucleus": logistic(RegionProperties()),
    "autoencoder": logistic(make_pipeline(FRETRatio(), autoencoder)),
}

# %%
# Against relative time
# ---------------------
# One model for all times, to train the network once a fold. Relative time is known only when a
# life is over: this says when in a life the fate shows, not when it can be called. At birth no
# classifier can exceed the best possible score.

course = time_course(models, cells, fate, groups=cells["replicate"], models="shared")
display = TimeCourseDisplay.from_result(course, metric="roc_auc").plot()
display.ax_.plot(0, simulated.best_auc, "k*", ms=11, label="best possible at birth")
display.ax_.legend(frameon=False, fontsize="small")

# %%
# Against hours
# -------------
# Now a model for each time, and cells that have divided or died fall out, so that fewer and
# fewer are left, above the axes. Precision of guessing falls with the share of dividing cells.

quick = {name: models[name] for name in ("intensity", "nucleus")}
in_hours = time_course(
    quick,
    cells,
    fate,
    groups=cells["field"],
    cv=5,
    unit="hours",
    frame_interval=2.0,
    times=[0, 4, 8, 12, 18, 24, 36],
    random_state=0,
)
TimeCourseDisplay.from_result(in_hours, metric="precision").plot()

# %%
# How early
# ---------
# The first hour at which calls of dividing cells are right 85 times of 100, for half of the
# cells that divide. Thresholds come from other cells than those that are judged. "inf" is never.

early = how_early(in_hours, precision=0.85, coverage=0.5, random_state=0)
print(early.first.round(2))
columns = ["estimator", "time", "n_called", "precision", "coverage", "reached"]
print(early.table[columns].round(2).to_string(index=False))

# %%
# Not sure yet
# ------------
# Conformal prediction promises that 9 of 10 cells have their true fate among the fates that it
# leaves open, and is sure where one fate is left. It needs MAPIE (``pip install
# "sklearn-cellfate[conformal]"``). One set of cells trains, one calibrates, one is predicted.

many = make_cell_movies(1200, max_frames=5, fate_fraction=0.4, random_state=1)
births = RelativeTimeSampler([0.0]).fit_transform(many.frame)
names = many.frame["fate"].map({0: "arrested or dead", 1: "divides"}).to_numpy()
train, calibrate, new = slice(0, 400), slice(400, 800), slice(800, 1200)
model = logistic(RegionProperties()).fit(births[train], names[train])

try:
    said = predict_or_abstain(model, births[calibrate], names[calibrate], births[new])
except ImportError as error:
    print(error)
else:
    divides = names[new] == "divides"
    held = said["may_be_divides"].where(divides, said["may_be_arrested or dead"])
    sure = (said["prediction"] != "not sure yet").to_numpy()
    right = (said["prediction"] == names[new]).to_numpy()[sure].mean()
    print(f"true fate among those left open: {held.mean():.1%} (promised 90.0%)")
    print(f"  of cells that divide: {held[divides].mean():.1%}")
    print(f"sure of {sure.mean():.0%} of the cells, and right in {right:.1%} of them")

# %%
# Thresholds and calibration
# --------------------------
# These are scikit-learn's own: a threshold for balanced accuracy, and probabilities that mean
# what they say, on cells that the model was not fitted on.

tuned = TunedThresholdClassifierCV(
    FrozenEstimator(model), scoring="balanced_accuracy", cv="prefit", refit=False
).fit(births[calibrate], names[calibrate])
print(f"call {tuned.classes_[1]!r} from a probability of {tuned.best_threshold_:.2f}")

calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(
    births[calibrate], names[calibrate]
)
figure, ax = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
for label, one in {"as fitted": model, "calibrated": calibrated}.items():
    CalibrationDisplay.from_estimator(
        one, births[new], names[new], pos_label="divides", n_bins=6, name=label, ax=ax
    )
