"""EfficientNetClassifier: EfficientNet-V2 by scikit-learn's contract."""

import math
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_cellfate.neural_network._accelerated_net import (
    AcceleratedEfficientNetNet,
    make_accelerator,
)
from sklearn_cellfate.neural_network._arrays import as_arrays, as_tensors
from sklearn_cellfate.neural_network._base import ROWS_AT_ONCE
from sklearn_cellfate.neural_network._docs import document
from sklearn_cellfate.neural_network._efficientnet_net import EfficientNetNet
from sklearn_cellfate.neural_network._image_classifier import BaseImageClassifier
from sklearn_cellfate.neural_network._stopping import EpochMonitor

__all__ = ["EfficientNetClassifier"]

# Parameters that the net takes by the same name.
TRAINING_PARAMETERS = (
    "lr",
    "lr_schedule",
    "warmup",
    "batch_size",
    "weight_decay",
    "layer_decay",
    "frozen_epochs",
    "unfreeze_every",
    "label_smoothing",
    "max_grad_norm",
    "augment",
    "brightness",
    "contrast",
)


@document
class EfficientNetClassifier(BaseImageClassifier):
    """Classify images with an EfficientNet-V2.

    Reads from a phase-contrast image which culture will differentiate well, and works on any
    images: any size, any number of channels, two classes or many. It is a transformer too:
    `transform` gives the features before the last layer, which stand in a pipeline next to
    hand-measured ones. For images larger than the network should see at once, put it into
    :class:`~sklearn_cellfate.patches.PatchClassifier`.

    Parameters
    ----------
    variant : {"tiny", "s", "m", "l"}, default="s"
        Size of the network: 0.13, 20, 53 or 117 million parameters. ``"tiny"`` has the same
        blocks and suits small images and computers without a GPU.
    weights : None, "imagenet", path or dict of str to Tensor, default=None
        Where training starts: at random, from torchvision's weights of ImageNet, or from a state
        dict (a path is read with ``torch.load(weights_only=True)``). For one channel the first
        filters are summed over theirs, for another number their mean is repeated; a last layer
        for another number of classes starts anew. A dict stays with the estimator, in clones and
        pickles too (80 MB for ``"s"``, as arrays of the CPU); a path does not.
    n_components : int, default=None
        `transform` gives so many principal components of the features (of those of the training
        rows; with ``partial_fit`` of its first call); all features by default.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes: how often an epoch visits their rows.
    frozen_epochs : int, default=0
        Epochs at the start that train the last layer alone.
    unfreeze_every : int, default=0
        Epochs after which the next stage, from the last to the first, is trained too. 0 opens
        all after `frozen_epochs`.
    layer_decay : float, default=1.0
        Learning rate of a stage relative to the stage after it.
    dropout : float, default=0.2
        Share of features dropped before the last layer, in training.
    stochastic_depth : float, default=0.2
        Probability of leaving out the last residual block in training; falls to 0 at the first.
    label_smoothing : float, default=0.1
        Probability mass that targets spread over all classes.
    weight_decay : float, default=0.02
        Of AdamW [1]_; biases and batch norm are spared.
    max_grad_norm : float or None, default=1.0
        Gradients of a step are scaled down to this norm.
    mixed_precision : bool or "auto", default="auto"
        Train in bfloat16 where that is safe; "auto" does so on CUDA devices that have it.
        Predictions are always float32.
    max_epochs : int, default=30
        Epochs.
    batch_size : int, default=32
        Rows a mini-batch.
    lr : float, default=0.001
        Learning rate of AdamW, at its highest.
    lr_schedule : {"constant", "cosine"}, default="cosine"
        What follows the warm-up: the learning rate stays, or falls to 0 along half a cosine.
    warmup : float, default=0.05
        Share of the fit over which the learning rate rises from 0.
    augment : bool, default=False
        Say that orientation means nothing: images are turned and mirrored at random in training
        (8 symmetries of a square, 4 of a rectangle), and `transform` averages the features over
        all of them.
    brightness, contrast : float, default=0.0
        Largest random shift and relative change of scale of each training image, in standard
        deviations of the pixels.
    early_stopping : bool, default=False
        Set rows aside, stop when their cross-entropy has not improved for `n_iter_no_change`
        epochs and keep the weights of the best epoch. False: train for `max_epochs` on all rows.
    validation_fraction : float, default=0.1
        Share of the training rows set aside for `early_stopping`; of whole groups where `groups`
        are given to ``fit``.
    n_iter_no_change : int, default=10
        Patience of `early_stopping`, in epochs.
    distributed : bool, default=False
        Train in all processes that ``accelerate launch`` or ``torchrun`` has started, each on a
        GPU of its own with its share of every mini-batch, see Notes. Needs the extra
        ``accelerate``, a `random_state`, ``device="auto"`` and no `checkpoint_dir`.
    {training}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    pca_ : PCA or None
        What `n_components` asks for.
    pixel_mean_, pixel_std_ : ndarray of shape (C,)
        Mean and standard deviation of each channel over the training images, by which pixels are
        standardised.
    {attributes}

    See Also
    --------
    AAEClassifier : Few latent features, and images made from them.

    Notes
    -----
    Images with both sides below 96 pixels are not halved by the first convolution.

    With ``distributed=True`` every process calls `fit` with the same rows, all of which it holds,
    and ends with the same model, so that one of them may save it; predicting is each process's
    own affair. `batch_size` counts the rows of all processes together: settings keep their
    meaning, and the gradients are those of the whole batch, but for one thing. In training batch
    norm standardises by the statistics of a process's share, so that with two processes a fit
    differs from that of one as between batch sizes. Batch norm's running means are averaged over
    the processes in the end. A fit is repeatable for the same number of processes, as far as the
    devices add up in the same order.

    Symmetries, brightness and contrast are drawn for each image, on the device. The transforms of
    torchvision (v2) draw once for a whole batch, take one or three channels only, and clip pixels
    to [0, 1], which standardised ones leave.

    References
    ----------
    Tan and Le (2021), EfficientNetV2, doi:10.48550/arXiv.2104.00298.

    .. [1] Loshchilov and Hutter (2019), Decoupled weight decay regularization,
       doi:10.48550/arXiv.1711.05101.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.neural_network import EfficientNetClassifier
    >>> rng = np.random.default_rng(0)
    >>> fate = np.array(["dies", "divides"] * 40)
    >>> images = rng.random((80, 1, 20, 20)) * np.where(fate == "dies", 1, 2)[:, None, None, None]
    >>> net = EfficientNetClassifier("tiny", max_epochs=8, random_state=0).fit(images, fate)
    >>> net.score(images, fate) > 0.9
    True
    """

    _parameter_constraints: dict = {
        **BaseImageClassifier._parameter_constraints,
        "variant": [StrOptions({"tiny", "s", "m", "l"})],
        "weights": [None, str, Path, dict],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "frozen_epochs": [Interval(Integral, 0, None, closed="left")],
        "unfreeze_every": [Interval(Integral, 0, None, closed="left")],
        "layer_decay": [Interval(Real, 0, 1, closed="right")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "stochastic_depth": [Interval(Real, 0, 1, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "mixed_precision": ["boolean", StrOptions({"auto"})],
        "lr_schedule": [StrOptions({"constant", "cosine"})],
        "warmup": [Interval(Real, 0, 1, closed="left")],
        "brightness": [Interval(Real, 0, None, closed="left")],
        "contrast": [Interval(Real, 0, 1, closed="left")],
        "distributed": ["boolean"],
    }

    def __init__(
        self,
        variant="s",
        *,
        weights=None,
        n_components=None,
        class_weight=None,
        frozen_epochs=0,
        unfreeze_every=0,
        layer_decay=1.0,
        dropout=0.2,
        stochastic_depth=0.2,
        label_smoothing=0.1,
        weight_decay=0.02,
        max_grad_norm=1.0,
        mixed_precision="auto",
        max_epochs=30,
        batch_size=32,
        lr=0.001,
        lr_schedule="cosine",
        warmup=0.05,
        augment=False,
        brightness=0.0,
        contrast=0.0,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        distributed=False,
        image_shape=None,
        device="auto",
        warm_start=False,
        random_state=None,
        verbose=0,
        callbacks=None,
        checkpoint_dir=None,
    ):
        self.variant = variant
        self.weights = weights
        self.n_components = n_components
        self.class_weight = class_weight
        self.frozen_epochs = frozen_epochs
        self.unfreeze_every = unfreeze_every
        self.layer_decay = layer_decay
        self.dropout = dropout
        self.stochastic_depth = stochastic_depth
        self.label_smoothing = label_smoothing
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.mixed_precision = mixed_precision
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.warmup = warmup
        self.augment = augment
        self.brightness = brightness
        self.contrast = contrast
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.distributed = distributed
        self.image_shape = image_shape
        self.device = device
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self.checkpoint_dir = checkpoint_dir

    def transform(self, X):
        """Compute the features before the last layer.

        Parameters
        ----------
        X : see ``fit``
            Images of the shape fitted on.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out)
            Float64; ``n_components`` principal components of them if asked for. With
            ``augment=True`` the mean over the symmetries of each image.
        """
        features = self._encode(self._read_images(X), self._shift_and_span())
        return features if self.pca_ is None else self.pca_.transform(features)

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
        best = self._logits(X).argmax(axis=1)
        return self.classes_[best]

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
        return softmax(self._logits(X), axis=1)

    def decision_function(self, X):
        """Confidence in each class.

        Parameters
        ----------
        X : as in ``fit``
            Images.

        Returns
        -------
        decision : ndarray of shape (n,) or (n, n_classes)
            The log odds of the second class, or for more than two classes the logits.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    @property
    def _n_features_out(self):
        return self.net_.module_.n_features if self.pca_ is None else self.pca_.n_components_

    def _logits(self, X):
        features = self._encode(self._read_images(X), self._shift_and_span())
        weight, bias = self.net_.classifier_weights()
        return features @ weight.T + bias

    # Fitting

    def _check_settings(self, rows):
        if self.distributed:
            self._check_distributed()
        if self.n_components is None:
            return
        most = min(len(rows.images), 256 if self.variant == "tiny" else 1280)
        if self.n_components > most:
            raise ValueError(
                f"n_components={self.n_components} is more than the {most} that "
                f"{len(rows.images)} rows and variant {self.variant!r} can give."
            )

    def _check_distributed(self):
        if self.random_state is None:
            raise ValueError(
                "distributed=True needs a random_state, found None: all processes must start "
                "from the same weights and draw the same mini-batches."
            )
        if self.checkpoint_dir is not None:
            raise ValueError(
                "distributed=True cannot be combined with checkpoint_dir, found "
                f"{self.checkpoint_dir!r}."
            )
        if self.device != "auto":
            raise ValueError(
                'distributed=True needs device="auto", since each process is given a device of '
                f"its own; found {self.device!r}."
            )

    def _training_device(self):
        if self.distributed:
            return make_accelerator().device
        return super()._training_device()

    def _configure_net(self):
        """Parameters of the net, from which a pickle builds it again."""
        return {
            "module__image_shape": self.image_shape_,
            "module__n_classes": len(self.classes_),
            "module__variant": self.variant,
            "module__dropout": self.dropout,
            "module__stochastic_depth": self.stochastic_depth,
            **{name: getattr(self, name) for name in TRAINING_PARAMETERS},
        }

    def _make_net(self, device):
        # torchvision takes a second to import.
        from sklearn_cellfate.torch_modules import EfficientNetV2

        mixed_precision = self.mixed_precision
        if mixed_precision == "auto":
            mixed_precision = device.type == "cuda" and torch.cuda.is_bf16_supported()
        kind = AcceleratedEfficientNetNet if self.distributed else EfficientNetNet
        return kind(
            EfficientNetV2,
            **self._net_config,
            mixed_precision=mixed_precision,
            device=device,
            train_split=None,
            verbose=0,
        ).initialize()

    def _start_net(self, device):
        net = super()._start_net(device)
        if self.weights is not None:
            from sklearn_cellfate.torch_modules._efficientnet import adapt_weights

            net.module_.load_state_dict(adapt_weights(self._read_weights(), net.module_))
        return net

    def _read_weights(self):
        if isinstance(self.weights, dict):
            return self.weights
        if self.weights != "imagenet":
            return load_weights(self.weights)
        if self.variant == "tiny":
            raise ValueError('weights="imagenet" exist for the variants "s", "m" and "l" only.')
        from sklearn_cellfate.torch_modules._efficientnet import imagenet_weights

        return imagenet_weights(self.variant)

    def _make_monitor(self, train, held_out):
        return EpochMonitor(self.n_iter_no_change)

    def _fit_on_features(self, rows, *, whole_fit, first):
        if not whole_fit and not first:
            return  # components stay those of the first call, so that features keep their meaning
        self.pca_ = None
        if self.n_components is not None:
            self.pca_ = PCA(self.n_components, svd_solver="full").fit(self._encode(rows.images))

    # A dict of weights may lie on a device, too.

    def __getstate__(self):
        """State of the base class, with `weights` as arrays."""
        state = super().__getstate__()
        if isinstance(self.weights, dict):
            state["weights"] = as_arrays(self.weights)
        return state

    def __setstate__(self, state):
        """Make tensors of `weights` again."""
        if isinstance(state["weights"], dict):
            state = state | {"weights": as_tensors(state["weights"])}
        super().__setstate__(state)

    # Pixels

    def _learn_pixel_scale(self, rows):
        # Sums that are exact, so that a weight of 2 is the same as a row written twice.
        def mean(of_images):
            weighted = (of_images.T * rows.visits).tolist()
            return np.array([math.fsum(channel) for channel in weighted]) / rows.visits.sum()

        self.pixel_mean_ = mean(rows.images.mean((2, 3), dtype=np.float64))
        centre = self.pixel_mean_.astype(np.float32)[:, None, None]
        squares = np.empty(rows.images.shape[:2])
        for part in gen_batches(len(squares), ROWS_AT_ONCE):
            centred = rows.images[part] - centre
            squares[part] = np.square(centred, out=centred).mean((2, 3), dtype=np.float64)
        std = np.sqrt(mean(squares))
        self.pixel_std_ = np.where(std > 0, std, 1.0)

    def _shift_and_span(self):
        return tuple(
            part.astype(np.float32)[:, None, None] for part in (self.pixel_mean_, self.pixel_std_)
        )


def load_weights(path):
    """Read a state dict from a file without running code from it."""
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'weights must be "imagenet" or a file; there is none at {path!r}.'
        )
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged archive happens to raise
        raise ValueError(f"weights file {str(path)!r} holds no state dict: {error}") from error
    if not isinstance(weights, dict):
        raise ValueError(f"weights file {str(path)!r} holds a {type(weights).__name__}, no dict.")
    return weights
