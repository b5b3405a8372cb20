"""Which of its losses an autoencoder needs."""

from sklearn.base import clone
from sklearn.utils import Bunch

from sklearn_cellfate.model_selection._study import Study, parameters_named
from sklearn_cellfate.table import listing

__all__ = ["ablation"]

ALL = "all losses"


def ablation(
    estimator,
    X,
    y,
    *,
    n_repeats=3,
    groups=None,
    cv=None,
    scoring="balanced_accuracy",
    n_jobs=None,
    memory=None,
    verbose=0,
    random_state=None,
):
    """Switch the losses of an autoencoder off, one by one, and score what is left.

    Each weight ``lambda_...`` of the estimator that is not 0 is set to 0 in turn, on the same
    folds and with the same seeds, and compared with all losses on. Where three or more are on,
    reconstruction alone is tried too.

    Parameters
    ----------
    estimator : classifier
        Holds an :class:`~sklearn_cellfate.neural_network.AAEClassifier` or
        ``AdversarialAutoencoder``, or is one; or any classifier with parameters ``lambda_...``.
    X : DataFrame or array-like of shape (n, ...)
        Whatever the estimator accepts.
    y : array-like of shape (n,)
        Classes.
    n_repeats : int, default=3
        Seeds with which each fold is fitted.
    groups : array-like of shape (n,), default=None
        Donor, clone, field ... of each row. A group is on one side of each split,
        unless `cv` is a splitter or iterable that breaks groups up, which is warned of.
    cv : int, cross-validation splitter or iterable, default=None
        See :func:`~sklearn_cellfate.model_selection.make_folds`.
    scoring : str, callable, list of str or dict, default="balanced_accuracy"
        Metrics, as of :func:`~sklearn_cellfate.model_selection.compare_estimators`.
    n_jobs : int, default=None
        Fits that run at once, see :class:`joblib.Parallel`. Under
        ``joblib.parallel_config("dask")`` they run on a Dask cluster.
    memory : str, path or joblib.Memory, default=None
        Folder in which finished fits are kept. A run that was stopped and is started again with
        the same arguments goes on where it was. Workers on other machines must see the folder.
    verbose : int, default=0
        1 shows a progress bar over fits.
    random_state : int, default=None
        Seed of folds and models: each repeat sets every ``random_state`` of the estimator,
        whatever it was.

    Returns
    -------
    ablation : Bunch
        scores : DataFrame
            A row a fit and metric: ``losses`` ("all losses", "no contrastive", ...), ``fold``,
            ``repeat``, ``held_out`` (groups), ``metric``, ``value``, ``n_train``, ``n_test``,
            ``fit_time`` and ``score_time`` (s).
        summary : DataFrame
            By losses and metric: mean over folds (of the means over repeats), standard deviation
            over folds and the corrected 95 % interval [1]_ of the mean, ``low`` to ``high``.
        differences : DataFrame
            By losses and metric: mean paired difference to all losses, with its interval; below
            0 the loss is missed.
        baseline : str
            ``"all losses"``.
        folds : list of (train, test)
            Row numbers of each fold.
        classes : ndarray
            Classes, in the order of the probabilities.

    Raises
    ------
    ValueError
        If the estimator has no two losses switched on, labels are missing, a fold would train
        without a class, or no fold can be scored.

    Notes
    -----
    The first training stage of the autoencoders (``pretrain_epochs``) weighs reconstruction and
    adversarial loss by ``pretrain_ratio``, whatever the ``lambda_...`` are. Set
    ``pretrain_epochs=0`` for losses that are off from the first step on.

    References
    ----------
    .. [1] Nadeau and Bengio (2003), Inference for the generalization error,
       doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.model_selection import ablation
    >>> from sklearn_cellfate.neural_network import AAEClassifier
    >>> images = np.random.default_rng(0).random((12, 1, 4, 4))
    >>> fate = np.array(["dies", "divides"] * 6)
    >>> aae = AAEClassifier(lambda_covariance=0.0, pretrain_epochs=0, max_epochs=1)
    >>> result = ablation(aae, images, fate, cv=2, n_repeats=1, random_state=0)
    >>> result.summary.index.get_level_values("losses").to_list()
    ['all losses', 'no adversarial', 'no contrastive', 'no reconstruction', 'reconstruction only']
    """
    study = Study(
        X,
        y,
        groups=groups,
        cv=cv,
        scoring=scoring,
        n_jobs=n_jobs,
        memory=memory,
        verbose=verbose,
        random_state=random_state,
    )
    scores, _ = study.run(study.plan(_variants(estimator), n_repeats, "losses"))
    return Bunch(
        scores=scores,
        summary=study.summarize(scores, "losses"),
        differences=study.compare_with(ALL, scores, "losses"),
        baseline=ALL,
        folds=study.folds,
        classes=study.classes,
    )


def _variants(estimator):
    """Name the estimator with all losses on, and with each of them off."""
    weights = parameters_named(estimator, lambda name: name.startswith("lambda_"))
    parameters = estimator.get_params()
    losses = {name.rpartition("lambda_")[2]: name for name in weights if parameters[name]}
    if len(losses) < 2:
        raise ValueError(
            f"{type(estimator).__name__} has {len(losses)} losses switched on "
            f"(found {listing(weights) or 'no parameter lambda_...'}), expected two or more: "
            "weights lambda_... that are not 0."
        )
    off = {f"no {loss}": {name: 0.0} for loss, name in losses.items()}
    if len(losses) > 2 and "reconstruction" in losses:
        others = [name for loss, name in losses.items() if loss != "reconstruction"]
        off["reconstruction only"] = dict.fromkeys(others, 0.0)
    variants = {name: clone(estimator).set_params(**zeros) for name, zeros in off.items()}
    return {ALL: estimator, **variants}
