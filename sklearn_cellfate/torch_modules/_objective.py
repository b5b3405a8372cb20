"""What the autoencoder minimises: the weighted sum of its four losses, in two stages."""

from torch import nn

from sklearn_cellfate.torch_modules._losses import (
    adversarial_loss,
    covariance_loss,
    supervised_contrastive_loss,
)
from sklearn_cellfate.torch_modules._ms_ssim import MSSSIM

__all__ = ["AutoencoderObjective"]


class AutoencoderObjective(nn.Module):
    """Weighted sum of the autoencoder's losses.

    Parameters
    ----------
    size : tuple of (int, int)
        Height and width of the images.
    lambda_reconstruction, lambda_adversarial, lambda_contrastive, lambda_covariance : float
        Weights of the losses in the second stage.
    pretrain_ratio : float
        Weight of the reconstruction over that of the adversarial loss in the first stage, in
        which the other two are off.
    temperature : float
        Of the contrastive loss.
    contrastive_form : {"in", "out"}
        Of the contrastive loss.
    real_label : float
        Smoothed label of "drawn from the prior".
    """

    def __init__(
        self,
        size,
        *,
        lambda_reconstruction=8.0,
        lambda_adversarial=4.0,
        lambda_contrastive=6.0,
        lambda_covariance=1e-4,
        pretrain_ratio=5.0,
        temperature=0.5,
        contrastive_form="in",
        real_label=0.9,
    ):
        super().__init__()
        self.similarity = MSSSIM(size)
        self.weights = {
            "reconstruction": lambda_reconstruction,
            "adversarial": lambda_adversarial,
            "contrastive": lambda_contrastive,
            "covariance": lambda_covariance,
        }
        self.pretrain_weights = {"reconstruction": pretrain_ratio, "adversarial": 1.0}
        self.temperature = temperature
        self.contrastive_form = contrastive_form
        self.real_label = real_label

    def forward(self, images, reconstructions, latents, labels, fooled_logits, *, pretraining):
        """Compute the losses of a batch.

        Parameters
        ----------
        images : Tensor of shape (n, C, H, W)
            Pixels from 0 to 1.
        reconstructions : Tensor of shape (n, C, H, W)
            What the decoder makes of the latents.
        latents : Tensor of shape (n, latent_dim)
            Latent features.
        labels : Tensor of shape (n,) or None
            Classes as integers; None switches the contrastive loss off.
        fooled_logits : Tensor of shape (n, 1)
            What the discriminator says of the latents.
        pretraining : bool
            Whether the weights of the first stage count.

        Returns
        -------
        losses : dict of str to Tensor
            By name, and their weighted sum as ``"loss"``. A loss of weight zero is left out.
        """
        weights = self.pretrain_weights if pretraining else self.weights
        terms = {
            "reconstruction": lambda: 1 - self.similarity(images, reconstructions).mean(),
            "adversarial": lambda: adversarial_loss(fooled_logits, self.real_label),
            "contrastive": lambda: supervised_contrastive_loss(
                latents, labels, self.temperature, self.contrastive_form
            ),
            "covariance": lambda: covariance_loss(latents),
        }
        if labels is None:
            del terms["contrastive"]
        losses = {name: term() for name, term in terms.items() if weights.get(name)}
        total = sum(weights[name] * loss for name, loss in losses.items())
        return {"loss": total, **losses}
