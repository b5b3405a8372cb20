"""The documentation of the parameters that estimators share."""

__all__ = ["document"]

_SHARED = {
    "autoencoder": """\
    lambda_reconstruction : float, default=8.0
        Weight of the reconstruction loss, 1 - MS-SSIM, in the second stage.
    lambda_adversarial : float, default=4.0
        Weight of the adversarial loss, which draws the latents towards `prior`.
    lambda_contrastive : float, default=6.0
        Weight of the supervised contrastive loss, which draws cells of one class together.
    lambda_covariance : float, default=1e-4
        Weight of the covariance loss, which keeps latent features from saying the same.
    temperature : float, default=0.5
        Temperature of the contrastive loss.
    contrastive_form : {"in", "out"}, default="in"
        Whether the contrastive loss sums over positives inside or outside the logarithm.
    prior : {"normal", "uniform"}, default="normal"
        Distribution that the latents should take; either has mean 0 and variance 1.
    label_smoothing : float, default=0.1
        The discriminator learns the labels ``label_smoothing`` and ``1 - label_smoothing``.
    noise_std : float, default=0.003
        Standard deviation of the Gaussian noise between layers, in training.
    dropout : float, default=0.3
        Share of features dropped after each block, in training.
    width : float, default=1.0
        Factor on the number of filters. At 1.0 it follows from the size of the images: the
        published networks at 20 x 20 and 144 x 144 pixels, and a rule through both elsewhere.
    pretrain_epochs : int, default=15
        Epochs of the first stage: reconstruction and adversarial loss only.
    pretrain_ratio : float, default=5.0
        Weight of the reconstruction over that of the adversarial loss in the first stage.
    max_epochs : int, default=100
        Epochs of the second stage, at most.
    batch_size : int, default=30
        Rows a mini-batch.
    lr : float, default=0.001
        Learning rate of Adam, for the autoencoder and the discriminator.
    lr_schedule : {"constant", "cosine"}, default="constant"
        Whether the learning rate stays, as published, or falls to 0 along half a cosine.
    betas : tuple of (float, float), default=(0.0, 0.9)
        Decay rates of Adam's running means.
    augment : bool, default=False
        Say that the orientation of a cell means nothing: images are turned and mirrored at random
        in training (8 symmetries of a square, 4 of a rectangle), and `transform` averages the
        latents over all of them.
    early_stopping : bool or "criteria", default=False
        True: set rows aside and stop when they have not improved for `n_iter_no_change` epochs.
        ``"criteria"``: stop once `min_separation`, `max_kl`, `min_accuracy` and `min_precision`
        all hold on the rows set aside, not before `min_epochs`. Either way the weights of the
        best epoch are kept: the lowest log loss of the head on these rows, the lowest training
        objective on them where there are no classes. The head that judges an epoch is fitted on
        some 128 training rows of all classes. False: train for `max_epochs` on all rows.
    validation_fraction : float, default=0.1
        Share of the training rows set aside for `early_stopping`; of whole groups where `groups`
        are given to ``fit``.
    n_iter_no_change : int, default=10
        Patience of ``early_stopping=True``, in epochs.
    min_epochs : int, default=50
        Epochs of the second stage before ``early_stopping="criteria"`` may stop.
    min_separation : float, default=1.0
        Criterion: Euclidean distance between the closest class centroids in the latent space.
    max_kl : float, default=0.2
        Criterion: Kullback-Leibler divergence of each latent feature from N(0, 1), in nats.
    min_accuracy, min_precision : float, default=0.65
        Criteria: of the head (macro precision for more than two classes).""",
    "training": """\
    image_shape : tuple of (int, int, int), default=None
        Channels, height and width into which the rows of a 2-D X fold. None reads a row as a
        ``(1, 1, n_features)`` image.
    device : str or torch.device, default="auto"
        Where to train: ``"auto"`` takes CUDA, then MPS, then the CPU.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last fit.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, mini-batches, noise and validation rows. With an int a fit is repeatable
        bit for bit on one device, and NumPy's and torch's global generators are left as they were.
    verbose : int, default=0
        1 shows a progress bar over epochs.
    callbacks : list of skorch callbacks, default=None
        Called during training, see :mod:`skorch.callbacks`.
    checkpoint_dir : str or Path, default=None
        Folder in which ``fit`` keeps its state after each epoch, in a file of its own which is
        removed when the fit ends. After a power cut, Ctrl-C or a full disk, call ``fit`` again
        with the same rows, parameters and versions: it goes on from the last epoch, to the same
        result as if it had never stopped. Needs a `random_state` and no `callbacks`.""",
    "attributes": """\
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the torch module.
    history_ : DataFrame
        A row an epoch: ``epoch``, ``stage``, ``dur`` (s), losses (``train_...``, ``valid_...``).
    n_iter_ : int
        Epochs trained.
    image_shape_ : tuple of (int, int, int)
        Channels, height and width of the images fitted on.
    n_features_in_ : int
        Columns of X, or pixels of an image.
    feature_names_in_ : ndarray of str
        Name of the image column; only for data frames.""",
    "fit": """\
        X : DataFrame with one image column, or array of shape (n, H, W), (n, C, H, W) or \
(n, n_features)
            Images; other columns of a data frame are ignored. Any numeric dtype and range.""",
    "weights": """\
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows: how often an epoch visits them. Whole numbers count repetitions.
        groups : array-like of shape (n,), default=None
            Donor, clone, field ... of each row, so that `early_stopping` sets whole groups
            aside. Reach it in a pipeline by metadata routing.""",
}


def document(obj):
    """Fill ``{autoencoder}``, ``{training}``, ``{attributes}``, ``{fit}`` and ``{weights}``."""
    for name, text in _SHARED.items():
        indented = "    " * (2 if text.startswith("        ") else 1) + "{" + name + "}"
        obj.__doc__ = obj.__doc__.replace(indented, text)
    return obj
