"""A joblib backend under which the autoencoders of all tasks train in one program."""

import warnings
from collections import Counter
from contextlib import contextmanager

from joblib import effective_n_jobs, parallel_config
from joblib.parallel import ParallelBackendBase

from sklearn_cellfate.model_selection._stacked_fits import FitScheduler, PausableFit

__all__ = ["stacked_fits"]

# Tasks that joblib hands over at once: all, in practice; it evaluates "2*n_jobs" up to 1e6.
MOST_TASKS = 100_000
NO_NETWORK = "they hold no AdversarialAutoencoder or AAEClassifier"


@contextmanager
def stacked_fits(*, max_stack, n_jobs=None, verbose=False):
    """Train the autoencoders of the next parallel call of scikit-learn together.

    Parameters
    ----------
    max_stack : int
        Networks in one program, at most.
    n_jobs : int, default=None
        Programs side by side, each in a process; on a CPU only.
    verbose : bool, default=False
        Show a progress bar over the epochs of each program.
    """
    # These import torch.
    from sklearn_cellfate.neural_network import _stacked_net, _stacked_train
    from sklearn_cellfate.neural_network._device import drawing_alone

    n_processes = effective_n_jobs(n_jobs)

    def train(plan, jobs):
        return _stacked_train.train_in_stacks(
            plan, jobs, max_stack=max_stack, n_processes=n_processes, verbose=verbose
        )

    reasons = {}  # why fits trained alone, by fit; None where they did not

    def handle(net, rows, held_out, n_epochs, scheduled):
        fit = PausableFit.current()
        if fit is None:  # the final fit on all rows
            return False
        reasons[fit] = _stacked_net.why_not_stacked(net, held_out, scheduled)
        if reasons[fit] is not None:
            return False
        outcome = fit.pause(_stacked_net.describe_fit(net, rows, n_epochs))
        if outcome.diverged:  # alone it diverges again, and says how
            return False
        _stacked_net.adopt_outcome(net, outcome)
        return True

    backend = _StackingBackend(FitScheduler(train, max_stack * n_processes))
    with (
        drawing_alone(),  # the fits, too, which run in threads with a copy of this context
        _stacked_net.training_handled_by(handle),
        parallel_config(backend=backend),
    ):
        yield
    _warn_of_fits_alone([reasons.get(fit, NO_NETWORK) for fit in backend.sound_fits])


def _warn_of_fits_alone(reasons):
    counts = Counter(reason for reason in reasons if reason is not None)
    if counts:
        warnings.warn(
            f"{counts.total()} of {len(reasons)} fits were trained one by one, for "
            f"{'; '.join(counts)}.",
            stacklevel=4,
        )


class _StackingBackend(ParallelBackendBase):
    """Run tasks of joblib as pausable fits, one at a time.

    Parameters
    ----------
    scheduler : FitScheduler

    Attributes
    ----------
    sound_fits : list of PausableFit
        Those that have ended without an error.
    """

    supports_sharedmem = True
    uses_threads = True

    def __init__(self, scheduler):
        super().__init__()
        self.sound_fits = []
        self._scheduler, self._spent = scheduler, False

    def effective_n_jobs(self, n_jobs):
        """All tasks at once; parallel calls after the first run as without this backend."""
        return 1 if self._spent else MOST_TASKS

    def submit(self, func, callback=None):
        """Take on a task."""
        return _Future(self, self._scheduler.submit(func), callback)

    def finish(self, fit):
        """Return the results of a task, a batch of one fit."""
        results = self._scheduler.finish(fit)
        for result in results:
            if isinstance(result, dict) and "fit_time" in result:
                # Of scikit-learn's `_fit_and_score`: by the clock it includes all other fits.
                result["fit_time"] = max(result["fit_time"] - fit.waited, 0.0)
            if not (isinstance(result, dict) and result.get("fit_error")):
                self.sound_fits.append(fit)
        return results

    def terminate(self):
        """End what still waits."""
        self._spent = True
        self._scheduler.cancel()

    def abort_everything(self, ensure_ready=True):
        """End what still waits, after an error."""
        self._scheduler.cancel()


class _Future:
    """Result of a task to come."""

    def __init__(self, backend, fit, callback):
        self._backend, self._fit, self._callback = backend, fit, callback

    def get(self, timeout=None):
        """Do what it takes to have the result."""
        results = self._backend.finish(self._fit)
        self._callback(results)
        return results
