"""Divide many jobs over programs that fit into memory."""

import hashlib
import itertools

import torch

from sklearn_cellfate.neural_network._stacked_fit import train_stack

__all__ = ["train_in_stacks"]


def train_in_stacks(plan, jobs, *, max_stack, verbose=False):
    """Train networks of one shape in as few programs as may be.

    Parameters
    ----------
    plan : StackPlan
    jobs : list of StackedJob
    max_stack : int
        Networks in one program, at most; where a GPU's memory is out, programs of half as many
        are tried.
    verbose : bool, default=False

    Returns
    -------
    outcomes : list of StackedOutcome
    """
    _share_equal_arrays(jobs)
    # Jobs of equal length together: they have batches of one size, and end at once.
    order = sorted(range(len(jobs)), key=lambda number: len(jobs[number].images))
    stacks = _parts(order, -(-len(jobs) // max_stack))
    outcomes = [None] * len(jobs)
    for stack in stacks:
        found = _train(plan, [jobs[number] for number in stack], verbose)
        for number, outcome in zip(stack, found):
            outcomes[number] = outcome
    return outcomes


def _parts(numbers, n_parts):
    """Cut a list into parts of nearly one length."""
    cuts = [len(numbers) * part // n_parts for part in range(n_parts + 1)]
    return [numbers[start:end] for start, end in itertools.pairwise(cuts)]


def _train(plan, jobs, verbose):
    try:
        return train_stack(plan, jobs, verbose=verbose)
    except torch.OutOfMemoryError:
        if len(jobs) == 1:
            raise
    # Past the clause, whose traceback keeps the tensors of the first attempt.
    torch.cuda.empty_cache()
    first, second = _parts(jobs, 2)
    return _train(plan, first, verbose) + _train(plan, second, verbose)


def _share_equal_arrays(jobs):
    """Hold images that several jobs train on once."""
    arrays = {}
    for job in jobs:
        key = hashlib.blake2b(job.images.tobytes()).digest(), job.images.shape
        job.images = arrays.setdefault(key, job.images)
