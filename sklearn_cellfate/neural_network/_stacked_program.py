"""One training step of many adversarial autoencoders at once."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from sklearn_cellfate.neural_network._stacked_adam import StackedAdam
from sklearn_cellfate.torch_modules import covariance_loss, supervised_contrastive_loss
from sklearn_cellfate.torch_modules._stacked_layers import StackedWeights, stack_layers

__all__ = ["LOSSES", "StackedProgram", "StackedState"]

# What a step returns of each network, in this order.
LOSSES = ("loss", "reconstruction", "adversarial", "contrastive", "covariance", "discriminator")


@dataclass
class StackedState:
    """What K networks consist of while they train.

    Attributes
    ----------
    autoencoder, discriminator : StackedAdam
        Weights and optimisers.
    buffers : dict of str to Tensor of shape (K, ...)
        Buffers of the autoencoder.
    settings : dict of str to Tensor of shape (K,)
        Weights of the losses (``reconstruction``, ``adversarial``, ``contrastive``,
        ``covariance``, ``pretrain_ratio``), ``temperature``, ``real_label`` and ``fake_label``.
    randomness : OwnStreams or SharedStream
    """

    autoencoder: StackedAdam
    discriminator: StackedAdam
    buffers: dict
    settings: dict
    randomness: Any

    def take(self, members, chosen):
        """Copy some of the networks: their numbers, and the same as a tensor on the device."""
        return StackedState(
            self.autoencoder.take(chosen),
            self.discriminator.take(chosen),
            {name: tensor[chosen] for name, tensor in self.buffers.items()},
            {name: tensor[chosen] for name, tensor in self.settings.items()},
            self.randomness.take(members),
        )

    def put(self, chosen, part):
        """Take over what has become of networks that were copied."""
        self.autoencoder.put(chosen, part.autoencoder)
        self.discriminator.put(chosen, part.discriminator)
        for name, tensor in self.buffers.items():
            tensor.index_copy_(0, chosen, part.buffers[name])


class StackedProgram:
    """What a step does to all networks; see ``AdversarialAutoencoderNet.train_step``.

    Parameters
    ----------
    module, discriminator : Module
        Of one of the networks; their settings that may differ are not read.
    similarity : MSSSIM
        Of the objective.
    contrastive_form : {"in", "out"}
    prior : {"normal", "uniform"}
    augment : bool
    """

    def __init__(self, module, discriminator, similarity, *, contrastive_form, prior, augment):
        self._reconstruct = stack_layers(module)
        self._discriminate = stack_layers(discriminator)
        self.similarity = similarity
        self.contrastive_form, self.prior, self.augment = contrastive_form, prior, augment

    def step(self, state, images, labels, schedule, *, pretraining):
        """Update autoencoders, then discriminators.

        Parameters
        ----------
        state : StackedState
            Changed in place.
        images : Tensor of shape (n, K, C, H, W)
            A batch for each network.
        labels : Tensor of shape (n, K) or None
        schedule : pair of Tensor of shape (K,)
            `rates` and `corrections` of ``StackedAdam.step``.
        pretraining : bool
            Whether this is the first stage.

        Returns
        -------
        losses : Tensor of shape (K, 6)
            See `LOSSES`; terms that play no part are 0.
        """
        if self.augment:
            images = state.randomness.symmetries(images)
        weights = StackedWeights(state.autoencoder.parameters, state.buffers, state.randomness)
        latents, reconstructions = self._reconstruct(images.flatten(1, 2), weights)
        # The encoder must fool the discriminator, which must not learn from it here.
        fixed = {name: tensor.detach() for name, tensor in state.discriminator.parameters.items()}
        fooled = self._discriminate(latents, StackedWeights(fixed, {}, state.randomness))
        terms = self._terms(
            state.settings, images, reconstructions, latents, labels, fooled, pretraining
        )
        total = sum(weight * term for weight, term in terms.values())
        state.autoencoder.step(total, *schedule)
        discriminator = self._train_discriminator(state, latents.detach(), schedule)
        found = {"loss": total, "discriminator": discriminator}
        found |= {name: term for name, (_, term) in terms.items()}
        zero = torch.zeros_like(discriminator)
        return torch.stack([found.get(name, zero).detach() for name in LOSSES], 1)

    def _terms(self, settings, images, reconstructions, latents, labels, fooled, pretraining):
        """Each loss with its weight, of shape (K,)."""
        alike = self.similarity(
            images.flatten(0, 1), reconstructions.unflatten(1, images.shape[1:3]).flatten(0, 1)
        )
        reconstruction = 1 - alike.view(images.shape[:2]).mean(0)
        adversarial = _smoothed_bce(fooled, settings["real_label"])
        if pretraining:
            return {
                "reconstruction": (settings["pretrain_ratio"], reconstruction),
                "adversarial": (torch.ones_like(adversarial), adversarial),
            }
        terms = {"reconstruction": reconstruction, "adversarial": adversarial}
        if labels is not None:
            contrast = torch.vmap(supervised_contrastive_loss, in_dims=(0, 0, 0, None))
            terms["contrastive"] = contrast(
                latents, labels.t(), settings["temperature"], self.contrastive_form
            )
        terms["covariance"] = torch.vmap(covariance_loss)(latents)
        return {name: (settings[name], term) for name, term in terms.items()}

    def _train_discriminator(self, state, latents, schedule):
        prior = state.randomness.prior(latents.shape, self.prior)
        weights = StackedWeights(state.discriminator.parameters, {}, state.randomness)
        real = _smoothed_bce(self._discriminate(prior, weights), state.settings["real_label"])
        fake = _smoothed_bce(self._discriminate(latents, weights), state.settings["fake_label"])
        loss = 0.5 * (real + fake)
        state.discriminator.step(loss, *schedule)
        return loss.detach()


def _smoothed_bce(logits, labels):
    """Mean over rows of the cross-entropy of (K, n) logits, each network with its own label."""
    targets = labels[:, None].expand_as(logits)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1)
