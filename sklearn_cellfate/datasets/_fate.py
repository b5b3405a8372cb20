"""The law by which simulated cells choose their fate, and the best that a classifier can do.

The log-odds of dividing are ``intercept + spread * z`` with ``z`` standard normal: a weighted sum
of independent standard normal factors is one such ``z``. All that is asked here is therefore an
integral over one dimension, and is solved on a grid.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

# Eight standard deviations hold all but 1e-15 of the cells; so fine a step leaves an error of
# about 1e-6 in the balanced accuracy, whose threshold falls between two grid points.
Z = np.linspace(-8, 8, 100_001)
WEIGHT = np.exp(-(Z**2) / 2)
WEIGHT /= WEIGHT.sum()


def solve_intercept(fate_fraction, spread):
    """Return the intercept at which the expected fraction of dividing cells is as asked."""

    def excess(intercept):
        return _mean(expit(intercept + spread * Z)) - fate_fraction

    reach = spread * Z[-1]  # shifted so far, the least likely cell is as likely as asked
    return brentq(excess, logit(fate_fraction) - reach - 1, logit(fate_fraction) + reach + 1)


def best_scores(intercept, spread):
    """Return the balanced accuracy and the AUC of a classifier that knows each cell's log-odds.

    Both are values of the population. No other classifier reaches more: the balanced accuracy is
    greatest where cells whose probability exceeds the prevalence are called dividing, and the
    AUC where cells are ranked by their probability.
    """
    probability = expit(intercept + spread * Z)
    prevalence = _mean(probability)
    dividing = WEIGHT * probability / prevalence
    resting = WEIGHT * (1 - probability) / (1 - prevalence)
    called = probability > prevalence
    balanced_accuracy = (dividing[called].sum() + resting[~called].sum()) / 2
    # Cells on one grid point tie; a tie counts half.
    auc = np.sum(dividing * (np.cumsum(resting) - resting / 2))
    return float(balanced_accuracy), float(auc)


def _mean(values):
    # Not a dot product: its last bits, and with them the cells, would depend on BLAS's threads.
    return np.sum(WEIGHT * values)
