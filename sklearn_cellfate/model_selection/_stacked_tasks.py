"""Fits of one process, whose autoencoders train in one program."""

from sklearn_cellfate.model_selection._stacked_fits import FitScheduler, PausableFit

__all__ = ["run_together"]

NO_NETWORK = "they hold no AdversarialAutoencoder or AAEClassifier"


def run_together(tasks, *, max_stack, verbose=False):
    """Run tasks, each a fit, up to where their autoencoders train; these train together.

    Parameters
    ----------
    tasks : list of callable
        Of joblib, of one fit each.
    max_stack : int
        Networks in one program, at most.
    verbose : bool, default=False
        Show a progress bar over the epochs of each program.

    Returns
    -------
    results : list
        What each task returned.
    reasons : list of str or None
        Why a fit was trained alone, None where it was not; one for each fit without an error.
    """
    # These import torch.
    from sklearn_cellfate.neural_network import _stacked_net, _stacked_train
    from sklearn_cellfate.neural_network._device import drawing_alone

    known = {}

    def train(plan, jobs):
        return _stacked_train.train_in_stacks(plan, jobs, max_stack=max_stack, verbose=verbose)

    def handle(net, rows, held_out, n_epochs, scheduled):
        fit = PausableFit.current()
        if fit is None:  # in a thread that a fit has started
            return False
        known[fit] = _stacked_net.why_not_stacked(net, held_out, scheduled)
        if known[fit] is not None:
            return False
        outcome = fit.pause(_stacked_net.describe_fit(net, rows, n_epochs))
        if outcome.diverged:  # alone it diverges again, and says how
            return False
        _stacked_net.adopt_outcome(net, outcome)
        return True

    scheduler = FitScheduler(train, max_stack)
    fits = [scheduler.submit(task) for task in tasks]
    # The fits run in threads with a copy of this context, so they draw alone, too.
    with drawing_alone(), _stacked_net.training_handled_by(handle):
        try:
            results = [_finish(scheduler, fit) for fit in fits]
        finally:
            scheduler.cancel()
    sound = [fit for fit, of_fit in zip(fits, results) if not any(map(_failed, of_fit))]
    return results, [known.get(fit, NO_NETWORK) for fit in sound]


def _finish(scheduler, fit):
    results = scheduler.finish(fit)
    for result in results:
        if isinstance(result, dict) and "fit_time" in result:
            # Of scikit-learn's `_fit_and_score`: by the clock it includes all other fits.
            result["fit_time"] = max(result["fit_time"] - fit.waited, 0.0)
    return results


def _failed(result):
    return isinstance(result, dict) and bool(result.get("fit_error"))
