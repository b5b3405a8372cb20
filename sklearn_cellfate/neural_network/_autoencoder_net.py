"""The skorch net that an adversarial autoencoder holds."""

from contextvars import ContextVar

import torch

from sklearn_cellfate.neural_network._base_net import OWN_CALLBACKS, BaseNet
from sklearn_cellfate.neural_network._captured_step import CapturedSteps
from sklearn_cellfate.torch_modules import (
    Autoencoder,
    AutoencoderObjective,
    Discriminator,
    discriminator_loss,
    random_symmetries,
)
from sklearn_cellfate.torch_modules._folded import fold

__all__ = ["TRAINER", "AdversarialAutoencoderNet"]

# Who trains the nets of this context in their place, where somebody does: takes what `fit_images`
# does and returns whether it trained.
TRAINER = ContextVar("trainer", default=None)


class AdversarialAutoencoderNet(BaseNet):
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
        As of :class:`BaseNet`.
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
        self._folded, self._steps, self._held_out_latents = {}, None, []
        super().__init__(module, criterion, **kwargs)

    @property
    def networks(self):
        """Autoencoder and discriminator."""
        return {"module": self.module_, "discriminator": self.discriminator_}

    @property
    def optimizers(self):
        """One for either network."""
        return (self.optimizer_, self.discriminator_optimizer_)

    @property
    def pretraining(self):
        """Whether the epoch under way belongs to the first stage."""
        return len(self.history) <= self.pretrain_epochs

    @property
    def stage(self):
        """1 or 2."""
        return 1 if self.pretraining else 2

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

    def copy(self):
        """Net to be trained in place of this; folds its networks anew."""
        twin = super().copy()
        twin._folded = {}
        return twin

    def fit_images(self, rows, held_out, n_epochs, *, scheduled=True):
        """Train on scaled images, see :class:`BaseNet`, or be trained with others."""
        trainer = TRAINER.get()
        if trainer is not None and trainer(self, rows, held_out, n_epochs, scheduled):
            return None  # nothing diverged
        try:
            return super().fit_images(rows, held_out, n_epochs, scheduled=scheduled)
        finally:
            if self._steps is not None:
                self._steps.close()
                self._steps = None

    def train_step(self, batch, **fit_params):
        """Update the autoencoder, then the discriminator."""
        images, labels = batch
        if self.augment:
            images = random_symmetries(images)
        latents, losses = self._backpropagate(
            self.optimizer_, lambda: self._autoencoder_losses(images, labels)
        )
        self.optimizer_.step()
        losses["discriminator"] = self._discriminator_loss(latents)
        self.discriminator_optimizer_.zero_grad()
        losses["discriminator"].backward()
        self.discriminator_optimizer_.step()
        return losses

    @torch.no_grad()
    def validation_step(self, batch, **fit_params):
        """Losses of held-out rows."""
        latents, losses = self._autoencoder_losses(*batch)
        losses["discriminator"] = self._discriminator_loss(latents)
        self._held_out_latents.append(latents)
        return losses

    def held_out_latents(self):
        """Give the latents of the held-out rows, as the epoch under way has computed them."""
        return torch.cat(self._held_out_latents).cpu().numpy()

    def decode(self, latents):
        """Scaled images of latents, ``(n, C, H, W)`` float32."""
        return self._infer(self.module_.decoder, latents)

    @property
    def _captures_steps(self):
        """Whether steps may be captured: others' callbacks may look into each of them."""
        own = all(isinstance(callback, OWN_CALLBACKS) for _, callback in self.callbacks_)
        return self._on_cuda and own and not self._recomputes

    def _be_frugal(self, optimizer):
        if self._steps is not None:
            # Graphs hold memory, and write to buffers that are about to be put back by others.
            self._steps.stop_capturing()
        super()._be_frugal(optimizer)

    def _run_batches(self, iterator, training, step_fn, **fit_params):
        if training:
            self._folded.clear()  # a graph changes weights and leaves their versions as they were
        else:
            self._held_out_latents = []
        if not (training and self._captures_steps):
            return super()._run_batches(iterator, training, step_fn, **fit_params)
        if self._steps is None:
            self._steps = CapturedSteps(self, iterator.images, iterator.labels)
        values, sizes = [], []
        for number, rows in enumerate(iterator.draw_rows()):
            self._set_lr((number + 0.5) / len(iterator))
            values.append(self._steps(rows))
            sizes.append(len(rows))
        return self._steps.names, values, sizes

    def _for_inference(self, network):
        """Fold a network, or find it folded since its weights last changed.

        What is changed past torch's counting of versions is not seen: ``tensor.data``, memory
        shared with NumPy.
        """
        tensors = [*network.parameters(), *network.buffers()]
        version = [(id(tensor), tensor._version) for tensor in tensors]
        known, folded = self._folded.get(type(network), (None, None))
        if known != version:
            # Not in inference mode, whose tensors could not be copied with the net.
            with torch.inference_mode(False), torch.no_grad():
                folded = fold(network)
            self._folded[type(network)] = version, folded
        return folded

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
