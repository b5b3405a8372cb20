"""A joblib backend under which the autoencoders of all tasks train in one program a process."""

import warnings
from collections import Counter
from contextlib import contextmanager

from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.parallel import (
    LokyBackend,
    MultiprocessingBackend,
    ParallelBackendBase,
    SequentialBackend,
    get_active_backend,
)

from sklearn_cellfate.model_selection._stacked_tasks import run_together

__all__ = ["stacked_fits"]

# Tasks that joblib hands over at once: all, in practice; it evaluates "2*n_jobs" up to 1e6.
MOST_TASKS = 100_000


@contextmanager
def stacked_fits(estimator, *, max_stack, n_jobs=None, verbose=False):
    """Train the autoencoders of the next parallel call of scikit-learn together.

    Parameters
    ----------
    estimator : estimator
        What is fitted; the ``device`` of its networks says whether processes of this machine
        would share a GPU.
    max_stack : int
        Networks in one program, at most.
    n_jobs : int, default=None
        Processes of joblib's active backend, each with its share of the fits; one where they
        would share a GPU, and under a backend of threads.
    verbose : bool, default=False
        Show a progress bar over the epochs of each program.
    """
    outer, _ = get_active_backend()
    n_jobs = effective_n_jobs(n_jobs)
    backend = _StackingBackend(estimator, outer, n_jobs, max_stack, verbose)
    with parallel_config(backend=backend):
        yield
    _warn_of_fits_alone(backend.reasons)


def _warn_of_fits_alone(reasons):
    counts = Counter(reason for reason in reasons if reason is not None)
    if counts:
        warnings.warn(
            f"{counts.total()} of {len(reasons)} fits were trained one by one, for "
            f"{'; '.join(counts)}.",
            stacklevel=4,
        )


def _count_processes(outer, n_jobs, estimator):
    if getattr(outer, "uses_threads", False):
        return 1  # of two fits in threads one draws, the other waits for its turn
    here = isinstance(outer, (LokyBackend, MultiprocessingBackend))
    return 1 if here and _trains_on_gpu(estimator) else n_jobs


def _trains_on_gpu(estimator):
    # These import torch.
    from sklearn_cellfate.neural_network._base import BaseImageEstimator
    from sklearn_cellfate.neural_network._device import resolve_device

    parts = [estimator, *estimator.get_params().values()]
    networks = [part for part in parts if isinstance(part, BaseImageEstimator)]
    return any(resolve_device(network.device).type != "cpu" for network in networks)


class _StackingBackend(ParallelBackendBase):
    """Gather tasks of joblib, then run all of them, divided over processes.

    Whole fits are divided, not only the training: to build, encode and score takes as long as a
    few epochs, which a single process would do fit by fit.

    Parameters
    ----------
    estimator : estimator
    outer : joblib.parallel.ParallelBackendBase
        Runs the processes.
    n_jobs, max_stack : int
    verbose : bool

    Attributes
    ----------
    reasons : list of str or None
        Why fits were trained alone, see `run_together`.
    """

    def __init__(self, estimator, outer, n_jobs, max_stack, verbose):
        super().__init__()
        self.reasons = []
        self._estimator, self._outer, self._n_jobs = estimator, outer, n_jobs
        self._max_stack, self._verbose = max_stack, verbose
        self._waiting, self._results, self._spent = [], {}, False

    def effective_n_jobs(self, n_jobs):
        """All tasks at once; parallel calls after the first run as without this backend."""
        return 1 if self._spent else MOST_TASKS

    def get_nested_backend(self):
        """Run what a fit would run in threads one by one, so that its networks stack, too.

        Threads would wait for ever for their turn to draw, which the fit has that waits for them.
        """
        return SequentialBackend(nesting_level=self.nesting_level + 1), 1

    def submit(self, func, callback=None):
        """Take on a task, a batch of one fit."""
        future = _Future(self, func, callback)
        self._waiting.append(future)
        return future

    def finish(self, future):
        """Return the result of a task, after all that wait with it."""
        if future in self._waiting:
            futures, self._waiting = self._waiting, []
            # Dealt out in turn: fits of one setting, of about one length, come together.
            n_processes = _count_processes(self._outer, self._n_jobs, self._estimator)
            n_shares = min(n_processes, len(futures))
            shares = [futures[first::n_shares] for first in range(n_shares)]
            found = Parallel(n_jobs=n_shares, backend=self._outer)(
                delayed(run_together)(
                    [one.task for one in share], max_stack=self._max_stack, verbose=self._verbose
                )
                for share in shares
            )
            for share, (results, reasons) in zip(shares, found):
                self._results |= dict(zip(share, results))
                self.reasons += reasons
        return self._results.pop(future)

    def terminate(self):
        """Be of no more use."""
        self._spent = True

    def abort_everything(self, ensure_ready=True):
        """Forget what still waits, after an error."""
        self._waiting = []


class _Future:
    """A task, and its result to come."""

    def __init__(self, backend, task, callback):
        self.task, self._backend, self._callback = task, backend, callback

    def get(self, timeout=None):
        """Do what it takes to have the result."""
        results = self._backend.finish(self)
        self._callback(results)
        return results
