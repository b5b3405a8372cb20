"""The skorch net that an EfficientNet classifier holds."""

import itertools
import math

import torch
from torch import nn
from torch.nn import functional as F

from sklearn_cellfate.neural_network._base_net import BaseNet
from sklearn_cellfate.torch_modules import random_symmetries

__all__ = ["EfficientNetNet"]

# Mini-batches, and rows in them, that settle the running means of batch norm after training, and
# before each epoch's held-out rows are judged: as many as it takes to have both. More change
# nothing that rows can show (benchmarks/settling.py).
SETTLING_BATCHES, SETTLING_ROWS = 50, 1600


class EfficientNetNet(BaseNet):
    """Train an EfficientNet, all of it or from the classifier downwards stage by stage.

    Parameters
    ----------
    weight_decay : float
        Of AdamW; biases and batch norm are left out.
    layer_decay : float
        Factor on the learning rate of each stage relative to the stage above it.
    frozen_epochs, unfreeze_every : int
        Epochs that train the classifier alone, and epochs between opening one stage and the
        next; 0 opens all at once.
    label_smoothing : float
        Of the cross-entropy.
    max_grad_norm : float or None
        Gradients are scaled down to this norm.
    augment : bool
        Turn and mirror every image of a batch at random.
    brightness, contrast : float
        Largest random shift and relative change of scale of every training image, in standard
        deviations of the data set.
    mixed_precision : bool
        Whether training computes in bfloat16 where that is safe.
    **kwargs
        As of :class:`BaseNet`.
    """

    most_at_once = {"cpu": 32, "cuda": 256}

    def __init__(
        self,
        module,
        *,
        criterion=nn.CrossEntropyLoss,
        weight_decay,
        layer_decay,
        frozen_epochs,
        unfreeze_every,
        label_smoothing,
        max_grad_norm,
        augment,
        brightness,
        contrast,
        mixed_precision,
        **kwargs,
    ):
        self.weight_decay = weight_decay
        self.layer_decay = layer_decay
        self.frozen_epochs = frozen_epochs
        self.unfreeze_every = unfreeze_every
        self.label_smoothing = label_smoothing
        self.max_grad_norm = max_grad_norm
        self.augment = augment
        self.brightness = brightness
        self.contrast = contrast
        self.mixed_precision = mixed_precision
        super().__init__(module, criterion, **kwargs)

    def initialize_module(self):
        """Build the network; channels last is the layout that convolutions are fastest in."""
        super().initialize_module()
        self.module_.to(memory_format=torch.channels_last)
        return self

    def initialize_optimizer(self, *args, **kwargs):
        """Give each stage its learning rate and spare biases and batch norm the decay.

        Parameters of the same settings share a group: a step costs time for each.
        """
        groups = {}
        for depth, stage in enumerate(reversed(self.module_.stages)):
            lr = self.lr * self.layer_decay**depth
            for parameter in stage.parameters():
                decay = self.weight_decay if parameter.ndim > 1 else 0.0
                group = {"params": [], "lr": lr, "weight_decay": decay}
                groups.setdefault((lr, decay), group)["params"].append(parameter)
        self.optimizer_ = torch.optim.AdamW(groups.values(), lr=self.lr, fused=True)
        return self

    def adopt(self, name, value):
        """Train with another value of a parameter from now on; moments of AdamW stay."""
        super().adopt(name, value)
        if name in ("weight_decay", "layer_decay"):
            moments = self.optimizer_.state
            self.initialize_optimizer()
            self.optimizer_.state.update(moments)

    def partial_fit(self, X, y=None, **fit_params):
        """Train, then settle batch norm; the best of watched epochs is settled already."""
        self._batches = self.get_iterator(self.get_dataset(X, y), training=True)
        try:
            super().partial_fit(X, y, **fit_params)
            # Not by the few rows of one call of the estimator's partial_fit.
            if self._scheduled and self.train_split is None:
                self._settle_batch_norm()
        finally:
            del self._batches
        return self

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run an epoch; before held-out rows are judged, settle batch norm."""
        if iterator is not None and not training:
            self._settle_batch_norm()
        super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)

    def train_step(self, batch, **fit_params):
        """Update the network."""
        images, labels = batch
        images = self._augmented(images)
        _, losses = self._backpropagate(
            self.optimizer_, lambda: self._training_losses(images, labels)
        )
        if self.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.module_.parameters(), self.max_grad_norm)
        self.optimizer_.step()
        return losses

    @torch.no_grad()
    def validation_step(self, batch, **fit_params):
        """Losses of held-out rows."""
        images, labels = batch
        return self._losses(self.module_(images), labels, 0.0)

    def classifier_weights(self):
        """Weight and bias of the last layer, as float64 arrays."""
        last = self.module_.classifier[1]
        return tuple(tensor.detach().cpu().double().numpy() for tensor in (last.weight, last.bias))

    def _training_losses(self, images, labels):
        with torch.autocast(
            torch.device(self.device).type, torch.bfloat16, enabled=self.mixed_precision
        ):
            logits = self.module_(images)
        return logits, self._losses(logits.float(), labels, self.label_smoothing)

    def _losses(self, logits, labels, label_smoothing):
        loss = F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
        accuracy = (logits.detach().argmax(1) == labels).float().mean()
        return {"loss": loss, "accuracy": accuracy}

    def _augmented(self, images):
        if self.augment:
            images = random_symmetries(images)
        if self.brightness or self.contrast:
            images = random_light(images, self.brightness, self.contrast)
        return images.contiguous(memory_format=torch.channels_last)

    def _set_training(self, training):
        super()._set_training(training)
        for number, stage in enumerate(reversed(self.networks["module"].stages)):
            is_open = number < self._n_open_stages()
            stage.requires_grad_(is_open)
            if not is_open:
                stage.eval()  # running means of batch norm stay, too

    @torch.no_grad()
    def _settle_batch_norm(self):
        """Average the statistics of batch norm over the weights as they are now.

        Running means trail behind the weights by dozens of steps, which on a few hundred images
        is half of the training (Wu and Johnson, 2021, doi:10.48550/arXiv.2105.07576).
        """
        self._set_training(True)
        norms = [m for m in self.module_.modules() if isinstance(m, nn.BatchNorm2d) and m.training]
        self.module_.eval()
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.train().reset_running_stats()
            norm.momentum = None  # the plain average over all batches
        n_batches = max(SETTLING_BATCHES, math.ceil(SETTLING_ROWS / self.batch_size))
        for images, _ in itertools.islice(self._batches, n_batches):
            self.module_(self._augmented(images))
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum

    def _n_open_stages(self):
        epochs_past = len(self.history) - 1 - self.frozen_epochs
        if epochs_past < 0:
            return 1
        if not self.unfreeze_every:
            return len(self.networks["module"].stages)
        return 2 + epochs_past // self.unfreeze_every


def random_light(images, brightness, contrast):
    """Scale and shift the pixels of each image, all its channels alike.

    torchvision's ColorJitter draws once a batch, wants one or three channels and clips to [0, 1].

    Parameters
    ----------
    images : Tensor of shape (n, C, H, W)
        In units of their standard deviation.
    brightness, contrast : float
        Largest shift, and largest relative change of scale.

    Returns
    -------
    images : Tensor of shape (n, C, H, W)
    """
    draws = 2 * torch.rand(2, len(images), 1, 1, 1, device=images.device) - 1
    return images * (1 + contrast * draws[0]) + brightness * draws[1]
