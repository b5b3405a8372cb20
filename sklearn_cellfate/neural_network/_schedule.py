"""How the learning rate changes over a fit."""

import math

__all__ = ["lr_factor"]


def lr_factor(progress, schedule, warmup=0.0):
    """Return the share of the learning rate to use.

    Parameters
    ----------
    progress : float
        Share of the fit that is done, from 0 to 1.
    schedule : {"constant", "cosine"}
        What follows the warm-up; the cosine falls to 0 at the end of the fit.
    warmup : float, default=0.0
        Share of the fit over which the factor rises in a straight line, below 1.

    Returns
    -------
    factor : float
    """
    if progress < warmup:
        return progress / warmup
    if schedule == "constant":
        return 1.0
    done = min((progress - warmup) / (1 - warmup), 1.0)
    return 0.5 * (1 + math.cos(math.pi * done))
