"""What simulated cells are, and what happens to them in three days under the microscope.

Time is in hours, length in micrometres. Whatever the fate changes in a cell's looks begins after
the first frame, so that the first frame tells of the fate only what ERK and size tell.
"""

import numpy as np
import pandas as pd
from scipy.special import expit

from sklearn_cellfate.datasets._nucleus import FRAME

DURATION = 72.0
SHORTEST_LIFE = 5  # frames
DEATH_FRACTION = 0.25  # of the cells that do not divide

MEAN_RADIUS = 6.0
RADIUS_SPREAD = 0.13  # of the logarithm
ERK_SPREAD = 0.8  # of the log-odds of the fraction of active ERK

RATIO_RANGE = (0.9, 2.1)  # YFP / CFP of the biosensor without and with all ERK active
PULSES_PER_HOUR = 0.6  # at full activity
PULSE_HEIGHT = 0.6  # of the ERK that is still inactive
PULSE_DECAY = 0.75
GROWTH_TIME = 24.0
ROUNDING_TIME = 2.0
DYING_TIME = 6.0
MEDIAN_PHOTONS = 600.0


def draw_population(rng, n_cells, n_replicates, n_fields, intercept, effect):
    """Draw the cells: where they sit, what they are and what becomes of them."""
    site = rng.permutation(n_cells) % (n_replicates * n_fields)
    replicate = site // n_fields
    erk, size = rng.standard_normal((2, n_cells))
    probability = expit(intercept + effect[0] * erk + effect[1] * size)
    fate = (rng.random(n_cells) < probability).astype(np.int64)
    dies = (fate == 0) & (rng.random(n_cells) < DEATH_FRACTION)
    # Laser power differs between replicates, illumination a little between fields. It scales both
    # channels alike and so leaves their ratio as it is.
    gain = np.exp(rng.permutation(np.linspace(-0.35, 0.35, n_replicates)))[replicate]
    gain *= np.exp(rng.normal(0, 0.05, n_replicates * n_fields))[site]
    return pd.DataFrame(
        {
            "replicate": replicate,
            "field": site % n_fields,
            "fate": fate,
            "end": np.select([fate == 1, dies], ["mitosis", "death"], "censored"),
            "life_fraction": _life_fractions(rng, fate, dies),
            "erk": expit(-0.5 + ERK_SPREAD * erk),
            "radius": MEAN_RADIUS * np.exp(RADIUS_SPREAD * size),
            "orientation": rng.uniform(-np.pi / 2, np.pi / 2, n_cells),
            "probability": probability,
            "aspect_ratio": 1.1 + 0.4 * rng.beta(2, 2, n_cells),
            "growth": rng.uniform(0.15, 0.35, n_cells),
            "photons": MEDIAN_PHOTONS * gain * np.exp(rng.normal(0, 0.3, n_cells)),
            # What sets a cell's ratio beside its ERK: bleed-through, maturation of the proteins.
            "ratio_bias": np.exp(rng.normal(0, 0.03, n_cells)),
            "background": rng.uniform(4, 12, n_replicates)[replicate],
        }
    )


def lifetimes(cells, max_frames):
    """Return how many frames each cell is seen."""
    shortest = min(SHORTEST_LIFE, max_frames)
    frames = np.rint(cells["life_fraction"].to_numpy() * max_frames).astype(np.int64)
    return np.clip(frames, shortest, max_frames)


def draw_frames(rng, cells, lifetime, max_frames, image_shape, pixel_size):
    """Let the cells live and return each frame of their lives, in the order of the cells.

    Returns
    -------
    frames : ndarray of shape (lifetime.sum(),), dtype FRAME
    """
    interval = DURATION / max_frames
    number = np.arange(max_frames)
    seen = number < lifetime[:, np.newaxis]
    row = {name: cells[name].to_numpy()[:, np.newaxis] for name in cells}
    hours = number * interval
    rounding = _last_hours(number, lifetime, ROUNDING_TIME / interval) * (row["end"] == "mitosis")
    decay = _last_hours(number, lifetime, DYING_TIME / interval) * (row["end"] == "death")
    # Area grows and saturates; a rounded cell is compact, a dying one shrinks.
    growth = 1 + row["growth"] * (1 - np.exp(-hours / GROWTH_TIME))
    radius = row["radius"] * np.sqrt(growth) * (1 - 0.12 * rounding) * (1 - 0.25 * decay)
    wander = 0.08 * np.sqrt(interval) * rng.standard_normal(seen.shape)
    wander[:, 0] = 0
    erk = row["erk"] + (1 - row["erk"]) * _erk_pulses(rng, row["erk"], hours, interval)
    lowest, highest = RATIO_RANGE

    frames = np.empty(np.count_nonzero(seen), FRAME)
    values = {
        "cell": np.arange(len(cells))[:, np.newaxis],
        "hours": hours,
        "radius": radius / pixel_size,
        "aspect_ratio": row["aspect_ratio"] ** (1 - rounding),
        "orientation": row["orientation"] + np.cumsum(wander, axis=1),
        "ratio": (lowest + (highest - lowest) * erk) * row["ratio_bias"],
        "photons": row["photons"] * (1 + 0.6 * rounding) * (1 + 1.2 * decay),
        "background": row["background"],
        "rounding": rounding,
        "decay": decay,
        # Crops are centred to a whole pixel, and no segmentation finds the same edge twice.
        "row": (image_shape[0] - 1) / 2 + rng.uniform(-0.5, 0.5, seen.shape),
        "column": (image_shape[1] - 1) / 2 + rng.uniform(-0.5, 0.5, seen.shape),
        "mask_margin": rng.normal(0, 0.2 / pixel_size, seen.shape),
    }
    for name, value in values.items():
        frames[name] = np.broadcast_to(value, seen.shape)[seen]
    return frames


def _life_fractions(rng, fate, dies):
    """Draw lives as fractions of the longest: many divide early, most of the others stay."""
    divided = rng.beta(1, 2.5, len(fate))
    died = rng.beta(1.5, 1.5, len(fate))
    return np.select([fate == 1, dies], [divided, died], 1.0)


def _last_hours(number, lifetime, n_frames):
    """Rise from 0 to 1 over the last frames of a life, never before its second frame."""
    last = lifetime[:, np.newaxis] - 1
    span = np.clip(np.rint(n_frames), 1, np.maximum(last, 1))
    return np.clip((number - np.maximum(last - span, 0)) / span, 0, 1)


def _erk_pulses(rng, baseline, hours, interval):
    """Return the fraction of inactive ERK that pulses switch on, for each cell and frame.

    Pulses come at random, more often in cells of higher baseline, rise at once and decay
    exponentially. Only the latest counts. Its age when a frame is taken is exponential, and if
    that exceeds the interval the latest pulse is the one before; so the pulses are the same
    whatever the interval. The first frame shows the baseline.
    """
    age = rng.exponential(1 / (PULSES_PER_HOUR * baseline), (len(baseline), len(hours)))
    onset = np.where(age < interval, hours - age, -np.inf)
    onset[:, 0] = -np.inf
    latest = np.maximum.accumulate(onset, axis=1)
    return PULSE_HEIGHT * np.exp((latest - hours) / PULSE_DECAY)
