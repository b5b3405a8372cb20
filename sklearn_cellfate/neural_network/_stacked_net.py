"""From a skorch net to a job of the stacked program, and back."""

from contextlib import contextmanager

import torch

from sklearn_cellfate.neural_network._autoencoder_net import TRAINER
from sklearn_cellfate.neural_network._progress import ProgressBar
from sklearn_cellfate.neural_network._stacked_job import StackedJob, StackPlan
from sklearn_cellfate.torch_modules import Autoencoder, AutoencoderObjective, Discriminator

__all__ = ["adopt_outcome", "describe_fit", "training_handled_by", "why_not_stacked"]

# Parameters of a net that networks of one program need not share.
_OWN = {
    "noise_std": "module__noise_std",
    "dropout": "module__dropout",
    "reconstruction": "criterion__lambda_reconstruction",
    "adversarial": "criterion__lambda_adversarial",
    "contrastive": "criterion__lambda_contrastive",
    "covariance": "criterion__lambda_covariance",
    "pretrain_ratio": "criterion__pretrain_ratio",
    "temperature": "criterion__temperature",
    "real_label": "real_label",
    "fake_label": "fake_label",
    "lr": "lr",
    "betas": "optimizer__betas",
}
# Those that repeat one of them, or mean nothing to the program.
_ALSO_OWN = {"discriminator__dropout", "criterion__real_label", "callbacks", "verbose"}


def why_not_stacked(net, held_out, scheduled):
    """Say why a fit that is about to begin cannot be stacked; None if it can."""
    parts = (net.module, net.discriminator, net.criterion, net.optimizer)
    if parts != (Autoencoder, Discriminator, AutoencoderObjective, torch.optim.Adam):
        return "its networks or optimiser are not the usual ones"
    if held_out is not None:
        return "early_stopping decides for each fit alone"
    if not scheduled or net.history:
        return "it goes on from an earlier fit"
    callbacks = [callback for _, callback in map(_named, net.callbacks or [])]
    if not all(isinstance(callback, ProgressBar) for callback in callbacks):
        return "callbacks or a checkpoint follow its epochs"
    return None


def _named(callback):
    return callback if isinstance(callback, tuple) else (None, callback)


def describe_fit(net, rows, n_epochs):
    """Describe a fit that is about to begin.

    Parameters
    ----------
    net : AdversarialAutoencoderNet
    rows : TrainingRows
        Scaled.
    n_epochs : int

    Returns
    -------
    plan : StackPlan
        Fits of equal plans can be trained in one program.
    job : StackedJob
    """
    parameters = net.get_params(deep=False)
    skipped = {*_OWN.values(), *_ALSO_OWN}
    shared = sorted(
        (name, repr(value)) for name, value in parameters.items() if name not in skipped
    )
    plan = StackPlan(
        n_epochs=n_epochs,
        pretrain_epochs=net.pretrain_epochs,
        batch_size=net.batch_size,
        lr_schedule=net.lr_schedule,
        prior=net.prior,
        contrastive_form=parameters["criterion__contrastive_form"],
        augment=net.augment,
        device=str(net.device),
        shapes=(*shared, ("classes", rows.codes is not None)),
    )
    job = StackedJob(
        net.module_,
        net.discriminator_,
        rows.images,
        rows.codes,
        rows.visits,
        torch.get_rng_state(),
        {name: parameters[parameter] for name, parameter in _OWN.items()},
    )
    return plan, job


def adopt_outcome(net, outcome):
    """Leave a net as if it had been trained alone."""
    for network, weights in zip((net.module_, net.discriminator_), outcome.weights):
        network.load_state_dict(weights)
    for optimizer, state in zip(net.optimizers, outcome.optimizers):
        optimizer.load_state_dict(
            {
                "state": {
                    number: {
                        "step": torch.tensor(float(state["step"])),
                        "exp_avg": mean,
                        "exp_avg_sq": square,
                    }
                    for number, (mean, square) in enumerate(
                        zip(state["exp_avg"], state["exp_avg_sq"])
                    )
                },
                "param_groups": optimizer.state_dict()["param_groups"],
            }
        )
    for row in outcome.epochs:
        net.history.new_epoch()
        for name, value in row.items():
            net.history.record(name, value)


@contextmanager
def training_handled_by(handler):
    """Let a function train nets of autoencoders inside the block, in this context alone.

    Parameters
    ----------
    handler : callable
        ``handler(net, train, held_out, n_epochs, scheduled)`` returns whether it trained the net;
        if not, the net trains itself.
    """
    token = TRAINER.set(handler)
    try:
        yield
    finally:
        TRAINER.reset(token)
