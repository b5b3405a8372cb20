"""A copy of a fitted network that ends in the scores to explain; the original is not touched."""

from copy import deepcopy

import numpy as np
import torch
from torch import nn
from torch.nn.utils import skip_init

from sklearn_cellfate.preprocessing._symmetries import apply_symmetry, symmetries

__all__ = ["Views", "copy_network"]

# Images in one pass: relevance propagation keeps some gigabytes for a million pixels.
BATCH_PIXELS = 2**18
BATCH_IMAGES = 128


def copy_network(estimator, readout):
    """Copy encoder and scores of an estimator, in double precision.

    Relevance is a chain of quotients with denominators that may be small: in single precision
    the rounding of a hundred layers shows in the map.

    Parameters
    ----------
    estimator : AdversarialAutoencoder, AAEClassifier or EfficientNetClassifier
        Fitted.
    readout : Readout
        The scores.

    Returns
    -------
    network : Sequential
        From scaled images of shape (n, C, H, W) to scores of shape (n, n_scores).
    """
    encoder = deepcopy(estimator.net_.module_.encoder)
    device = next(encoder.parameters()).device
    device = torch.device("cpu") if device.type == "mps" else device  # knows no doubles
    n_scores, n_features = readout.weight.shape
    # Without random weights, which would move the global generator.
    scores = skip_init(nn.Linear, n_features, n_scores, dtype=torch.float64)
    with torch.no_grad():
        scores.weight.copy_(torch.from_numpy(readout.weight))
        scores.bias.copy_(torch.from_numpy(readout.bias))
    network = nn.Sequential(*encoder, scores).to(device=device, dtype=torch.float64)
    return network.eval().requires_grad_(False)


class Views:
    """The symmetries of images that an estimator averages over, a batch at a time.

    Parameters
    ----------
    estimator : AdversarialAutoencoder, AAEClassifier or EfficientNetClassifier
        With ``augment=True`` it averages, without there is one view, the image itself.
    scaled, baselines : ndarray of shape (n, C, H, W), float32
        Images as the network takes them, and what the pixels of each are compared with.
    network : Sequential
        From :func:`copy_network`; says where to compute.
    batch_size : int or None
        Images at a time, all views of all of them counted; None for as many as `BATCH_PIXELS`.
    """

    def __init__(self, estimator, scaled, baselines, network, batch_size):
        _, _, height, width = scaled.shape
        self.numbers = symmetries(height, width) if estimator.augment else [0]
        self.scaled, self.baselines, self.like = scaled, baselines, network[-1].weight
        if batch_size is None:
            batch_size = min(BATCH_PIXELS // (height * width), BATCH_IMAGES)
        self.n_images = max(batch_size // len(self.numbers), 1)

    def score(self, network, *, of_baselines=False):
        """Mean scores of each image, or of its baseline: ndarray of shape (n, n_scores)."""
        images = self.baselines if of_baselines else self.scaled
        with torch.no_grad():
            parts = [self._mean(network(self._turn(images[rows]))) for rows in self._batches()]
        return torch.cat(parts).cpu().numpy()

    def explain(self, explain, columns):
        """Mean map of each image, that of each view turned back.

        Parameters
        ----------
        explain : callable
            Takes images, their baselines and the columns of the scores to explain; gives maps in
            the images' shape.
        columns : ndarray of shape (n,), int
            Score to explain for each image.

        Returns
        -------
        maps : ndarray of shape (n, C, H, W), float32
        """
        maps = np.empty(self.scaled.shape, np.float32)
        for rows in self._batches():
            views, baselines = self._turn(self.scaled[rows]), self._turn(self.baselines[rows])
            wanted = torch.from_numpy(columns[rows]).to(views.device)
            found = explain(views, baselines, wanted.repeat(len(self.numbers))).detach()
            upright = map(_turn_back, found.chunk(len(self.numbers)), self.numbers)
            maps[rows] = self._mean(torch.cat(list(upright))).cpu().numpy()
        return maps

    def _batches(self):
        for start in range(0, len(self.scaled), self.n_images):
            yield slice(start, start + self.n_images)

    def _turn(self, images):
        """All views of some images, view by view."""
        images = torch.from_numpy(np.ascontiguousarray(images)).to(self.like)
        return torch.cat([apply_symmetry(images, number) for number in self.numbers])

    def _mean(self, values):
        return values.unflatten(0, (len(self.numbers), -1)).mean(0)


def _turn_back(maps, number):
    """Undo :func:`apply_symmetry`: its steps in the opposite order."""
    if number & 1:
        maps = maps.flip(-1)
    if number & 2:
        maps = maps.flip(-2)
    return maps.transpose(-1, -2) if number & 4 else maps
