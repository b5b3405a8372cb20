"""Maps from the gradient of a score over the pixels."""

import torch

from sklearn_cellfate.neural_network._device import seeded

__all__ = [
    "make_gradient",
    "make_input_x_gradient",
    "make_integrated_gradients",
    "make_smoothgrad",
]


def make_gradient(network, settings):
    """Gradient of the score."""
    return lambda images, baselines, columns: _gradient(network, images, columns)


def make_input_x_gradient(network, settings):
    """Gradient times pixel: how far each pixel moves the score, were it linear."""

    def explain(images, baselines, columns):
        return images * _gradient(network, images, columns)

    return explain


def make_integrated_gradients(network, settings):
    """Difference from the baseline, times the mean gradient on the way from there."""
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(network, multiply_by_inputs=True)

    def explain(images, baselines, columns):
        return method.attribute(
            images,
            baselines,
            target=columns,
            n_steps=settings.n_samples,
            internal_batch_size=len(images),
        )

    return explain


def make_smoothgrad(network, settings):
    """Mean gradient over noisy copies of an image, the same noise for every image."""
    from captum.attr import NoiseTunnel, Saliency

    method = NoiseTunnel(Saliency(network))

    def explain(images, baselines, columns):
        rows = zip(images.split(1), columns.split(1))
        return torch.cat([one(image, column, len(images)) for image, column in rows])

    def one(image, column, n_at_once):
        with seeded(settings.seed, image.device):
            return method.attribute(
                image,
                target=column,
                nt_type="smoothgrad",
                nt_samples=settings.n_samples,
                nt_samples_batch_size=min(n_at_once, settings.n_samples),
                stdevs=settings.noise * float(image.max() - image.min()),
                abs=False,
            )

    return explain


def _gradient(network, images, columns):
    images = images.detach().requires_grad_()
    scores = network(images).gather(1, columns[:, None])
    return torch.autograd.grad(scores.sum(), images)[0]
