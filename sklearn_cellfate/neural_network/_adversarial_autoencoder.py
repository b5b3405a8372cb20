"""AdversarialAutoencoder: latent features of images, with classes or without."""

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils.validation import _check_sample_weight

from sklearn_cellfate._transaction import all_or_nothing
from sklearn_cellfate.metrics import ms_ssim
from sklearn_cellfate.neural_network._base_autoencoder import BaseAutoencoder
from sklearn_cellfate.neural_network._docs import document
from sklearn_cellfate.neural_network._labels import encode_labels

__all__ = ["AdversarialAutoencoder"]


@document
class AdversarialAutoencoder(BaseAutoencoder):
    """Learn a few latent features of images with an adversarial autoencoder.

    An encoder and a decoder learn to reconstruct the images while a discriminator keeps the
    latent features close to a prior. Where classes are given, a supervised contrastive loss
    draws the cells of each together.

    Parameters
    ----------
    latent_dim : int, default=2
        Number of latent features.
    {autoencoder}
    {training}

    Attributes
    ----------
    pixel_min_, pixel_max_ : ndarray of shape (C,)
        Intensities of each channel that are mapped to 0 and 1 for the networks: the percentiles
        1 of the darkest and 99 of the brightest pixels of the training images.
    {attributes}

    See Also
    --------
    AAEClassifier : The same with a classifier on the latent features.

    References
    ----------
    Makhzani et al. (2015), Adversarial autoencoders, doi:10.48550/arXiv.1511.05644.
    Khosla et al. (2020), Supervised contrastive learning, doi:10.48550/arXiv.2004.11362.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.neural_network import AdversarialAutoencoder
    >>> images = np.random.default_rng(0).random((40, 1, 20, 20))
    >>> aae = AdversarialAutoencoder(pretrain_epochs=1, max_epochs=2, random_state=0).fit(images)
    >>> aae.transform(images).shape
    (40, 2)
    >>> aae.inverse_transform([[0.0, 0.0]]).shape
    (1, 1, 20, 20)
    """

    @_fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    @document
    def fit(self, X, y=None, sample_weight=None, groups=None):
        """Train the autoencoder.

        Parameters
        ----------
        {fit}
        y : array-like of shape (n,), default=None
            Classes, for the contrastive loss; without them it is off.
        {weights}

        Returns
        -------
        self : object
        """
        rows, classes = self._read_rows(X, y, sample_weight, groups, reset=True)
        self._fit_rows(rows, classes)
        return self

    @all_or_nothing
    @document
    def partial_fit(self, X, y=None, sample_weight=None, groups=None):
        """Train one epoch more on some rows; the first call starts from scratch.

        Parameters
        ----------
        {fit}
        y : array-like of shape (n,), default=None
            Classes, for the contrastive loss.
        {weights}

        Returns
        -------
        self : object
        """
        self._validate_params()
        first = not hasattr(self, "net_")
        rows, classes = self._read_rows(X, y, sample_weight, groups, reset=first)
        self._fit_rows(rows, classes, n_epochs=1)
        return self

    def score(self, X, y=None):
        """Mean MS-SSIM between images and their reconstructions.

        Parameters
        ----------
        X : as in ``fit``
            Images.
        y : None
            Ignored.

        Returns
        -------
        score : float
            In (0, 1], higher is better; pixels are compared on the scale of the training rows.
        """
        scaled = self._scale(self._read_images(X))
        return float(np.mean(ms_ssim(scaled, self.net_.decode(self.net_.encode(scaled)))))

    def _read_rows(self, X, y, sample_weight, groups, *, reset):
        classes, codes = (None, None) if y is None else encode_labels(y, type(self).__name__)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        return self._arrange(X, codes, sample_weight, groups, reset=reset), classes
