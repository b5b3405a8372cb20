"""Fits that pause where their autoencoders train, so that those of many train together."""

import contextvars
import threading
import time
import warnings
from collections import defaultdict

__all__ = ["FitScheduler", "PausableFit"]

_running = threading.local()


class FitCancelledError(BaseException):
    """Ends a paused fit; no Exception, which a search would take for a fit that failed."""


class PausableFit:
    """A fit in a thread of its own, which runs only while everything else waits.

    Nothing runs side by side: threads are here for the stack of calls (search, pipeline, column
    transformer, autoencoder) that must stand still while the network trains with others.

    Parameters
    ----------
    task : callable
        The whole fit.

    Attributes
    ----------
    job : tuple or None
        What it waits for: a plan, and a job of that plan.
    done : bool
    result, error : object
        What the task returned or raised.
    waited : float
        Seconds it stood still.
    """

    def __init__(self, task):
        self.job = self.result = self.error = None
        self.done, self.waited = False, 0.0
        self._task, self._thread, self._answer = task, None, None
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)

    @classmethod
    def current(cls):
        """Return the fit whose thread this is, or None."""
        return getattr(_running, "fit", None)

    @property
    def started(self):
        """Whether it ever ran."""
        return self._thread is not None

    def advance(self, answer=None):
        """Let the fit run until it pauses or ends.

        Parameters
        ----------
        answer : object
            What `pause` returns to the fit; an exception is raised there.
        """
        self.job, self._answer = None, answer
        outside = _surroundings()
        if self._thread is None:
            context = contextvars.copy_context()  # a thread starts with an empty one
            self._thread = threading.Thread(target=context.run, args=[self._run], daemon=True)
            self._thread.start()
        else:
            self._go.release()
        self._back.acquire()
        _restore(outside)

    def pause(self, job):
        """Wait, within the fit, for what somebody else does with a job."""
        started, inside = time.perf_counter(), _surroundings()
        self.job = job
        self._back.release()
        self._go.acquire()
        _restore(inside)
        self.waited += time.perf_counter() - started
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer

    def _run(self):
        _running.fit = self
        try:
            self.result = self._task()
        except BaseException as error:  # whatever it is, whoever asks for the result gets it
            self.error = error
        finally:
            self.done, self._task = True, None
            self._back.release()


class FitScheduler:
    """Run fits up to where they wait; train what waits together; go on.

    Parameters
    ----------
    train : callable
        ``train(plan, jobs)`` returns an outcome for each job.
    most_at_once : int
        Jobs trained together, at most.
    """

    def __init__(self, train, most_at_once):
        self._train, self._most_at_once = train, most_at_once
        self._unstarted, self._waiting = [], defaultdict(list)

    def submit(self, task):
        """Take on a fit; it starts when one of them is asked for."""
        fit = PausableFit(task)
        self._unstarted.append(fit)
        return fit

    def finish(self, fit):
        """Return the result of a fit, after as much work on all of them as that takes."""
        while not fit.done:
            full = [
                plan for plan, fits in self._waiting.items() if len(fits) >= self._most_at_once
            ]
            if full or not self._unstarted:
                largest = max(self._waiting, key=lambda plan: len(self._waiting[plan]))
                self._train_waiting(largest)
            else:
                self._advance(self._unstarted.pop(0))
        if fit.error is not None:
            raise fit.error
        return fit.result

    def cancel(self):
        """End all fits that wait."""
        fits = [fit for waiting in self._waiting.values() for fit in waiting]
        self._unstarted, self._waiting = [], defaultdict(list)
        for fit in fits:
            fit.advance(FitCancelledError())

    def _advance(self, fit, answer=None):
        fit.advance(answer)
        if not fit.done:
            plan, _ = fit.job
            self._waiting[plan].append(fit)

    def _train_waiting(self, plan):
        fits = self._waiting.pop(plan)
        started = time.perf_counter()
        try:
            outcomes = self._train(plan, [fit.job[1] for fit in fits])
        except Exception as error:
            # The fits fail of it, as each would alone: a search has its own way with failures.
            outcomes = [error] * len(fits)
        except BaseException:  # Ctrl-C: cancel() shall find them
            self._waiting[plan] = fits
            raise
        share = (time.perf_counter() - started) / len(fits)
        for fit, outcome in zip(fits, outcomes):
            fit.waited -= share  # time of its own, though it stood still
            self._advance(fit, outcome)


def _surroundings():
    """Copy what belongs to the whole process, but is changed by a fit for its duration."""
    import torch

    on_gpu = torch.cuda.is_initialized()
    return (
        torch.get_rng_state(),
        torch.cuda.get_rng_state_all() if on_gpu else [],
        warnings.filters,
        warnings.showwarning,
    )


def _restore(surroundings):
    import torch

    state, of_gpus, warnings.filters, warnings.showwarning = surroundings
    torch.set_rng_state(state)
    if of_gpus:
        torch.cuda.set_rng_state_all(of_gpus)
    with warnings.catch_warnings():
        pass  # to enter and leave tells the interpreter that the filters are others now
