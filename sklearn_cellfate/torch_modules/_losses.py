"""The losses on latent features."""

import torch
from torch.nn import functional as F

__all__ = [
    "adversarial_loss",
    "covariance_loss",
    "discriminator_loss",
    "supervised_contrastive_loss",
]


def supervised_contrastive_loss(latents, labels, temperature=0.5, form="in"):
    """Pull cells of one class together on the unit sphere and push the others away.

    Of an anchor let ``w`` be the exponential of its similarity to each other cell, the cosine of
    their latents over `temperature`, and positives the cells of its class. Then ``"in"`` is the
    mean over anchors of ``-log(w[positives].sum() / w.sum())``, and ``"out"`` that of
    ``-log(w[positives] / w.sum()).mean()``.

    Parameters
    ----------
    latents : Tensor of shape (n, latent_dim)
        Normalised here.
    labels : Tensor of shape (n,), integer
        Class of each cell.
    temperature : float, default=0.5
        Divides the similarities.
    form : {"in", "out"}, default="in"
        Whether the sum over positives stands inside or outside the logarithm.

    Returns
    -------
    loss : Tensor of shape ()
        Anchors without a positive are left out; 0 if no anchor has one.

    References
    ----------
    Khosla et al. (2020), Supervised contrastive learning, doi:10.48550/arXiv.2004.11362.
    """
    z = F.normalize(latents, dim=1)
    similarity = z @ z.t() / temperature
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    positive = (labels[:, None] == labels[None, :]) & ~itself
    n_positives = positive.sum(1)
    log_all = similarity.masked_fill(itself, -torch.inf).logsumexp(1)
    if form == "in":
        # A finite filler, so that anchors without a positive stay out of the gradient as zeros.
        per_anchor = log_all - similarity.masked_fill(~positive, -1e9).logsumexp(1)
    else:
        mean_positive = (similarity * positive).sum(1) / n_positives.clamp_min(1)
        per_anchor = log_all - mean_positive
    has_positive = n_positives > 0
    return torch.where(has_positive, per_anchor, 0.0).sum() / has_positive.sum().clamp_min(1)


def covariance_loss(latents):
    """Sum of the squared off-diagonal covariances of the latents, over the number of latents.

    Parameters
    ----------
    latents : Tensor of shape (n, latent_dim)
        A batch; 0 for a batch of one.

    Returns
    -------
    loss : Tensor of shape ()

    References
    ----------
    Bardes, Ponce and LeCun (2022), VICReg, doi:10.48550/arXiv.2105.04906.
    """
    n, latent_dim = latents.shape
    centred = latents - latents.mean(0)
    covariance = centred.t() @ centred / max(n - 1, 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / latent_dim


def adversarial_loss(logits, real_label=0.9):
    """Loss of an encoder whose latents should pass for draws of the prior.

    Parameters
    ----------
    logits : Tensor of shape (n,)
        The discriminator's, for the latents of cells.
    real_label : float, default=0.9
        Smoothed label of "drawn from the prior".

    Returns
    -------
    loss : Tensor of shape ()
    """
    return _smoothed_bce(logits, real_label)


def discriminator_loss(prior_logits, latent_logits, real_label=0.9, fake_label=0.1):
    """Loss of a discriminator that tells draws of the prior from latents of cells.

    Parameters
    ----------
    prior_logits, latent_logits : Tensor of shape (n,)
        Its logits for either kind.
    real_label, fake_label : float, default=0.9, 0.1
        Smoothed labels.

    Returns
    -------
    loss : Tensor of shape ()
        Half of each.
    """
    real = _smoothed_bce(prior_logits, real_label)
    return 0.5 * (real + _smoothed_bce(latent_logits, fake_label))


def _smoothed_bce(logits, label):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
