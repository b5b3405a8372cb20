"""Random numbers in a file: a generator takes its next number from a place in a small array."""

import numpy as np

__all__ = ["check_random_states"]

# How many numbers the generators that make several at once keep, and where they say which is next.
KEPT = {"MT19937": (624, ("state", "pos")), "Philox": (4, ("buffer_pos",))}


def check_random_states(one):
    """Refuse generators that would take their next number from outside their array."""
    if isinstance(one, np.random.RandomState):
        _check(one.get_state(legacy=False))
    elif isinstance(one, np.random.Generator):
        _check(one.bit_generator.state)


def _check(state):
    length, path = KEPT.get(state["bit_generator"], (0, ()))
    place = state
    for name in path:
        place = place[name]
    if path and not 0 <= place <= length:
        raise ValueError(f"a random generator would go on at {place} of {length} numbers")
