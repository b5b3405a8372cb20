"""AAEClassifier: an adversarial autoencoder with a classifier on its latent features."""

import numpy as np
from sklearn.base import clone
from sklearn.ensemble._base import _set_random_states
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import has_fit_parameter

from sklearn_cellfate.neural_network._base_autoencoder import BaseAutoencoder
from sklearn_cellfate.neural_network._docs import document
from sklearn_cellfate.neural_network._image_classifier import BaseImageClassifier
from sklearn_cellfate.neural_network._rows import TrainingRows
from sklearn_cellfate.table import listing

__all__ = ["AAEClassifier"]

# Rows of each class that partial_fit keeps for heads of later calls; a line through a few latent
# features needs no more.
KEPT_ROWS = 64


def _head_has(method):
    def check(self):
        getattr(self.head_ if hasattr(self, "head_") else self._make_head(), method)
        return True

    return check


@document
class AAEClassifier(BaseImageClassifier, BaseAutoencoder):
    """Classify images by the latent features of a supervised adversarial autoencoder.

    Reads a cell's fate from one frame of its nucleus, and works on any images: any size, any
    number of channels, two classes or many. It is a transformer too: `transform` gives the latent
    features, which stand in a pipeline next to hand-measured ones.

    Parameters
    ----------
    latent_dim : int, default=2
        Number of latent features.
    head : classifier, default=None
        Fitted on the latent features of the training rows; by default a logistic regression, the
        published dense softmax layer. With ``partial_fit`` it is fitted on the rows of the last
        call, and for classes that it lacks on some of the last call of ``partial_fit`` that had
        them; the first must have every class. For that it keeps 64 rows of each class, in pickles
        too.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes: how often an epoch visits their rows, and their weight in the
        head.
    {autoencoder}
    {training}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    head_ : classifier
        The fitted head.
    pixel_min_, pixel_max_ : ndarray of shape (C,)
        Intensities of each channel that are mapped to 0 and 1 for the networks: the percentiles
        1 of the darkest and 99 of the brightest pixels of the training images.
    {attributes}

    See Also
    --------
    AdversarialAutoencoder : Latent features without a classifier.

    References
    ----------
    Makhzani et al. (2015), Adversarial autoencoders, doi:10.48550/arXiv.1511.05644.
    Khosla et al. (2020), Supervised contrastive learning, doi:10.48550/arXiv.2004.11362.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.neural_network import AAEClassifier
    >>> rng = np.random.default_rng(0)
    >>> fate = np.array(["dies", "divides"] * 40)
    >>> images = rng.random((80, 1, 20, 20)) * np.where(fate == "dies", 1, 2)[:, None, None, None]
    >>> aae = AAEClassifier(pretrain_epochs=2, max_epochs=10, random_state=0).fit(images, fate)
    >>> aae.score(images, fate) > 0.9
    True
    """

    _parameter_constraints: dict = {
        **BaseImageClassifier._parameter_constraints,
        **BaseAutoencoder._parameter_constraints,
        "head": [HasMethods(["fit", "predict"]), None],
    }

    def __init__(
        self,
        latent_dim=2,
        *,
        head=None,
        class_weight=None,
        lambda_reconstruction=8.0,
        lambda_adversarial=4.0,
        lambda_contrastive=6.0,
        lambda_covariance=1e-4,
        temperature=0.5,
        contrastive_form="in",
        prior="normal",
        label_smoothing=0.1,
        noise_std=0.003,
        dropout=0.3,
        width=1.0,
        pretrain_epochs=15,
        pretrain_ratio=5.0,
        max_epochs=100,
        batch_size=30,
        lr=0.001,
        lr_schedule="constant",
        betas=(0.0, 0.9),
        augment=False,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        min_epochs=50,
        min_separation=1.0,
        max_kl=0.2,
        min_accuracy=0.65,
        min_precision=0.65,
        image_shape=None,
        device="auto",
        warm_start=False,
        random_state=None,
        verbose=0,
        callbacks=None,
        checkpoint_dir=None,
    ):
        super().__init__(
            latent_dim,
            lambda_reconstruction=lambda_reconstruction,
            lambda_adversarial=lambda_adversarial,
            lambda_contrastive=lambda_contrastive,
            lambda_covariance=lambda_covariance,
            temperature=temperature,
            contrastive_form=contrastive_form,
            prior=prior,
            label_smoothing=label_smoothing,
            noise_std=noise_std,
            dropout=dropout,
            width=width,
            pretrain_epochs=pretrain_epochs,
            pretrain_ratio=pretrain_ratio,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            lr_schedule=lr_schedule,
            betas=betas,
            augment=augment,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            min_epochs=min_epochs,
            min_separation=min_separation,
            max_kl=max_kl,
            min_accuracy=min_accuracy,
            min_precision=min_precision,
            image_shape=image_shape,
            device=device,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
            callbacks=callbacks,
            checkpoint_dir=checkpoint_dir,
        )
        self.head = head
        self.class_weight = class_weight

    def predict(self, X):
        """Predict classes.

        Parameters
        ----------
        X : as in ``fit``
            Images.

        Returns
        -------
        y : ndarray of shape (n,)
        """
        latents = self.transform(X)
        return self.classes_[self.head_.predict(latents)]

    @available_if(_head_has("predict_proba"))
    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : as in ``fit``
            Images.

        Returns
        -------
        probabilities : ndarray of shape (n, n_classes), float64
            In the order of ``classes_``.
        """
        latents = self.transform(X)
        return self.head_.predict_proba(latents)

    @available_if(_head_has("decision_function"))
    def decision_function(self, X):
        """Confidence in each class, as the head's ``decision_function``.

        Parameters
        ----------
        X : as in ``fit``
            Images.

        Returns
        -------
        decision : ndarray of shape (n,) or (n, n_classes)
        """
        latents = self.transform(X)
        return self.head_.decision_function(latents)

    def _make_head(self):
        return super()._make_head() if self.head is None else clone(self.head)

    def _fit_on_features(self, rows, *, whole_fit, first):
        if whole_fit:
            vars(self).pop("_kept", None)
        else:
            rows = self._with_rows_of_every_class(rows)
        latents = self._encode(rows.images)
        self.head_ = self._make_head()
        _set_random_states(
            self.head_, self.random_state if isinstance(self.random_state, int) else 0
        )
        whole = np.all(rows.visits == np.round(rows.visits))
        if whole:
            times = rows.visits.astype(int)
            self.head_.fit(np.repeat(latents, times, axis=0), np.repeat(rows.codes, times))
        elif has_fit_parameter(self.head_, "sample_weight"):
            self.head_.fit(latents, rows.codes, sample_weight=rows.visits)
        else:  # weights in steps of a tenth, for heads that take none
            times = np.maximum(1, np.round(10 * rows.visits)).astype(int)
            self.head_.fit(np.repeat(latents, times, axis=0), np.repeat(rows.codes, times))

    def _with_rows_of_every_class(self, rows):
        """Add rows of earlier calls where classes are absent, and keep some of each for later.

        Images rather than latents, since the encoder goes on learning.
        """
        few = _some_of_every_class(rows)
        if hasattr(self, "_kept"):
            earlier = TrainingRows(*self._kept, None)
            earlier = earlier.take(~np.isin(earlier.codes, rows.codes))
            rows, few = _join(rows, earlier), _join(few, earlier)
        unknown = np.setdiff1d(np.arange(len(self.classes_)), rows.codes)
        if len(unknown):
            raise ValueError(
                f"the head of {type(self).__name__} needs rows of every class, but no call of "
                f"partial_fit had any of {listing(self.classes_[unknown])}."
            )
        self._kept = few.images, few.codes, few.visits
        return rows


def _some_of_every_class(rows):
    """Take a few rows of each class, which stand for all of it: with as many visits together."""
    parts = [np.flatnonzero(rows.codes == code) for code in np.unique(rows.codes)]
    few = rows.take(np.concatenate([part[:KEPT_ROWS] for part in parts]))
    for part in parts:
        mine = few.codes == rows.codes[part[0]]
        few.visits[mine] *= rows.visits[part].sum() / few.visits[mine].sum()
    return few


def _join(*parts):
    """Put rows below each other, without their groups."""
    names = "images", "codes", "visits"
    joined = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return TrainingRows(*joined, None)
