"""The skorch net that an adversarial autoencoder holds."""

import numpy as np
import pandas as pd
import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch.utils._pytree import tree_map_only

from sklearn_cellfate.neural_network._batches import EpochBatches
from sklearn_cellfate.torch_modules import (
    Autoencoder,
    AutoencoderObjective,
    Discriminator,
    discriminator_loss,
    random_symmetries,
)

__all__ = ["AdversarialAutoencoderNet"]

# Rows a forward pass outside training, always: with one shape for every call, a row's latents
# cannot depend on how many rows were asked for.
INFERENCE_BATCH = 128


class AdversarialAutoencoderNet(NeuralNet):
    """Train encoder and decoder against a discriminator of the latents, in two stages.

    Parameters
    ----------
    discriminator : class, default=Discriminator
        Built with ``discriminator__...`` parameters; has an optimiser of its own.
    pretrain_epochs : int, default=15
        Epochs of the first stage.
    prior : {"normal", "uniform"}, default="normal"
        What the discriminator is shown as genuine latents; either has mean 0 and variance 1.
    real_label, fake_label : float, default=0.9, 0.1
        Smoothed labels of the discriminator.
    augment : bool, default=False
        Turn and mirror every image of a batch at random.
    **kwargs
        As of :class:`skorch.NeuralNet`.
    """

    def __init__(
        self,
        module=Autoencoder,
        criterion=AutoencoderObjective,
        discriminator=Discriminator,
        *,
        pretrain_epochs=15,
        prior="normal",
        real_label=0.9,
        fake_label=0.1,
        augment=False,
        **kwargs,
    ):
        self.discriminator = discriminator
        self.pretrain_epochs = pretrain_epochs
        self.prior = prior
        self.real_label = real_label
        self.fake_label = fake_label
        self.augment = augment
        super().__init__(module, criterion, **kwargs)

    # skorch's hooks

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer())]

    def initialize_module(self):
        """Build the networks."""
        super().initialize_module()
        params = self.get_params_for("discriminator")
        self.discriminator_ = self.initialized_instance(self.discriminator, params)
        return self

    def initialize_optimizer(self, *args, **kwargs):
        """Give the autoencoder and the discriminator an optimiser each."""
        args, kwargs = self.get_params_for_optimizer("optimizer", self.module_.named_parameters())
        self.optimizer_ = self.optimizer(*args, **kwargs)
        args, kwargs = self.get_params_for_optimizer(
            "optimizer", self.discriminator_.named_parameters()
        )
        self.discriminator_optimizer_ = self.optimizer(*args, **kwargs)
        return self

    def get_iterator(self, dataset, training=False):
        """Cut whole batches out of the tensors of a dataset."""
        visits = self._visits if training else None
        return EpochBatches(dataset.X, dataset.y, self.batch_size, visits, shuffle=training)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run an epoch; the losses leave the device once, at its end."""
        if iterator is None:  # no validation rows
            return
        if training:
            self.history.record("stage", 1 if self.pretraining else 2)
        self._set_training(training)
        total, n_rows = None, 0
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            losses = step_fn(batch, **fit_params)
            values = torch.stack([loss.detach() for loss in losses.values()]) * len(batch[0])
            total = values if total is None else total + values
            n_rows += len(batch[0])
            self.notify("on_batch_end", batch=batch, training=training, **losses)
        for name, value in zip(losses, (total / n_rows).tolist()):
            self.history.record(f"{prefix}_{name}", value)
        # Stages minimise different sums, so only epochs of one stage are compared.
        stage = self.history[-1, "stage"]
        past = [row[f"{prefix}_loss"] for row in self.history if row["stage"] == stage]
        self.history.record(f"{prefix}_loss_best", past[-1] == min(past))

    def train_step(self, batch, **fit_params):
        """Update the autoencoder, then the discriminator."""
        images, labels = batch
        if self.augment:
            images = random_symmetries(images)
        latents, losses = self._autoencoder_losses(images, labels)
        self.optimizer_.zero_grad()
        losses["loss"].backward()
        self.optimizer_.step()
        losses["discriminator"] = self._discriminator_loss(latents.detach())
        self.discriminator_optimizer_.zero_grad()
        losses["discriminator"].backward()
        self.discriminator_optimizer_.step()
        return losses

    @torch.no_grad()
    def validation_step(self, batch, **fit_params):
        """Losses of held-out rows."""
        latents, losses = self._autoencoder_losses(*batch)
        losses["discriminator"] = self._discriminator_loss(latents)
        return losses

    # what the estimators call

    @property
    def pretraining(self):
        """Whether the epoch under way belongs to the first stage."""
        return len(self.history) <= self.pretrain_epochs

    def fit_images(self, rows, held_out, n_epochs):
        """Train on scaled images for some epochs more.

        Parameters
        ----------
        rows : TrainingRows
            Pixels between 0 and 1.
        held_out : TrainingRows or None
            Rows on which the losses are recorded, but not trained.
        n_epochs : int
            Number of epochs.
        """
        self._visits = torch.from_numpy(rows.visits)
        if held_out is not None:
            self.train_split = predefined_split(Dataset(*self._tensors(held_out)))
        try:
            self.partial_fit(*self._tensors(rows), epochs=n_epochs)
        finally:
            self.train_split = None
            del self._visits
        return self

    def encode(self, images):
        """Latents of scaled images, ``(n, latent_dim)`` float32."""
        return self._infer(self.module_.encoder, images)

    def decode(self, latents):
        """Scaled images of latents, ``(n, C, H, W)`` float32."""
        return self._infer(self.module_.decoder, latents)

    def history_frame(self):
        """History as a table, a row an epoch."""
        rows = [
            {name: row[name] for name in row if name != "batches" and not name.endswith("_best")}
            for row in self.history
        ]
        return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["epoch", "stage"])

    def get_weights(self):
        """Copy the networks' weights, as NumPy arrays by name."""
        networks = {"module": self.module_, "discriminator": self.discriminator_}
        return {
            f"{prefix}.{name}": tensor.detach().cpu().numpy().copy()
            for prefix, network in networks.items()
            for name, tensor in network.state_dict().items()
        }

    def set_weights(self, weights):
        """Load what `get_weights` returned."""
        for prefix, network in (("module", self.module_), ("discriminator", self.discriminator_)):
            network.load_state_dict(
                {
                    name: torch.from_numpy(np.array(weights[f"{prefix}.{name}"]))
                    for name in network.state_dict()
                }
            )

    def get_state(self, with_optimizers):
        """Copy what a pickle needs: weights and history, and the optimisers if asked."""
        optimizers = (self.optimizer_, self.discriminator_optimizer_) if with_optimizers else ()
        return {
            "device": str(self.device),
            "history": self.history,
            "weights": self.get_weights(),
            "optimizers": [_as_arrays(optimizer.state_dict()) for optimizer in optimizers],
        }

    def set_state(self, state):
        """Take over what `get_state` returned."""
        self.set_weights(state["weights"])
        self.history = state["history"]
        optimizers = (self.optimizer_, self.discriminator_optimizer_)
        for optimizer, arrays in zip(optimizers, state["optimizers"]):
            optimizer.load_state_dict(_as_tensors(arrays))

    def _set_training(self, training):
        self.module_.train(training)
        self.discriminator_.train(training)

    def _tensors(self, rows):
        return tuple(
            None if values is None else torch.from_numpy(values).to(self.device)
            for values in (rows.images, rows.codes)
        )

    def _autoencoder_losses(self, images, labels):
        latents, reconstructions = self.module_(images)
        # The encoder must fool the discriminator, which must not learn from it here.
        self.discriminator_.requires_grad_(False)
        fooled_logits = self.discriminator_(latents)
        self.discriminator_.requires_grad_(True)
        losses = self.criterion_(
            images, reconstructions, latents, labels, fooled_logits, pretraining=self.pretraining
        )
        return latents, losses

    def _discriminator_loss(self, latents):
        if self.prior == "normal":
            prior = torch.randn_like(latents)
        else:
            prior = (2 * torch.rand_like(latents) - 1) * 3**0.5
        return discriminator_loss(
            self.discriminator_(prior),
            self.discriminator_(latents),
            self.real_label,
            self.fake_label,
        )

    @torch.no_grad()
    def _infer(self, network, rows):
        self._set_training(False)
        results = []
        for start in range(0, len(rows), INFERENCE_BATCH):
            batch = torch.from_numpy(rows[start : start + INFERENCE_BATCH])
            padded = batch.new_zeros(INFERENCE_BATCH, *batch.shape[1:])
            padded[: len(batch)] = batch
            results.append(network(padded.to(self.device))[: len(batch)].cpu())
        return torch.cat(results).numpy()


def _as_arrays(state):
    return tree_map_only(torch.Tensor, lambda tensor: tensor.cpu().numpy().copy(), state)


def _as_tensors(state):
    return tree_map_only(np.ndarray, lambda array: torch.from_numpy(np.array(array)), state)
