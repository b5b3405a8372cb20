"""Grid search and cross-validation whose autoencoders train in one program."""

from numbers import Integral

import numpy as np
from sklearn.base import _fit_context
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.utils._param_validation import Interval, validate_params

from sklearn_cellfate.model_selection._stacked_backend import stacked_fits

__all__ = ["StackedGridSearchCV", "stacked_cross_validate"]

_MAX_STACK = [Interval(Integral, 1, None, closed="left")]


class StackedGridSearchCV(GridSearchCV):
    """Grid search that trains the autoencoders of all folds and candidates at once.

    A small network on small images leaves most of a processor idle, since the time goes into
    starting operations. Here the networks of all folds, seeds and candidates that share an
    architecture stand side by side in one program, whose operations work on all of them. Use it
    as :class:`~sklearn.model_selection.GridSearchCV`, on an
    :class:`~sklearn_cellfate.neural_network.AAEClassifier` or
    :class:`~sklearn_cellfate.neural_network.AdversarialAutoencoder` or any pipeline around one:
    all other steps are fitted fold by fold as usual.

    Candidates may differ in ``lambda_...``, ``pretrain_ratio``, ``lr``, ``betas``,
    ``temperature``, ``noise_std``, ``dropout``, ``label_smoothing``, ``random_state`` and in all
    that is not of the autoencoder; each combination of other settings (``latent_dim``, ``width``,
    ``batch_size``, numbers of epochs ...) makes a program of its own. Fits with
    ``early_stopping``, callbacks or a checkpoint are trained one by one, with a warning.

    On a CPU every network sees the batches, noise and dropout that it would see alone, so that
    scores equal those of ``GridSearchCV`` but for rounding, which training amplifies from epoch
    to epoch. On a GPU noise and dropout are drawn for all networks together: scores differ as
    between seeds.

    Parameters
    ----------
    estimator : estimator
        An autoencoder, or a pipeline that holds one.
    param_grid : dict or list of dict
        Values to try, by name of the parameter.
    scoring : str, callable, list, tuple or dict, default=None
        Score or scores of the held-out rows; by default the estimator's own.
    n_jobs : int, default=None
        Processes, each with its share of the fits, whose networks make programs of their own.
        Those of a GPU of this machine are trained in one, whatever `n_jobs`. Under
        ``joblib.parallel_config("dask")`` the shares go to the cluster, as many as it has threads
        (fits in one worker process take turns, so give each a single thread); under a backend of
        threads all fits train in one program.
    refit : bool, str or callable, default=True
        Fit the best candidate on all rows; with several scores the name of the one to choose by.
    cv : int, splitter or iterable, default=None
        Folds.
    verbose : int, default=0
        From 1 on, a progress bar over the epochs of each program; otherwise as in
        ``GridSearchCV``.
    pre_dispatch : int or str, default="2*n_jobs"
        An int limits the fits that are under way, and with them a program's networks; by default
        there is no limit but `max_stack`.
    error_score : "raise" or float, default=nan
        Score of a fit that fails.
    return_train_score : bool, default=False
        Whether to score the training rows too.
    max_stack : int, default=32
        Networks in one program, at most. In batches of 30 rows one takes 6 MB at 20 x 20 pixels
        and 170 MB at 64 x 64 (measured on a CPU). If a GPU's memory is out, programs of half as
        many are tried. Fits that wait also hold a copy of their training rows each.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        As of ``GridSearchCV``. The fit time of a candidate holds an equal share of the time of
        its program.
    best_estimator_, best_score_, best_params_, best_index_, refit_time_, scorer_, n_splits_, \
multimetric_, classes_, n_features_in_, feature_names_in_
        As of ``GridSearchCV``.

    See Also
    --------
    stacked_cross_validate : Scores of one setting.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.model_selection import StackedGridSearchCV
    >>> from sklearn_cellfate.neural_network import AAEClassifier
    >>> rng = np.random.default_rng(0)
    >>> fate = np.array(["dies", "divides"] * 20)
    >>> images = rng.random((40, 1, 8, 8)) * np.where(fate == "dies", 1, 2)[:, None, None, None]
    >>> aae = AAEClassifier(pretrain_epochs=1, max_epochs=2, random_state=0)
    >>> search = StackedGridSearchCV(aae, {"lr": [0.001, 0.01]}, cv=2).fit(images, fate)
    >>> sorted(search.best_params_)
    ['lr']
    >>> search.predict(images[:1]).shape
    (1,)
    """

    _parameter_constraints: dict = {
        **GridSearchCV._parameter_constraints,
        "max_stack": _MAX_STACK,
    }

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        error_score=np.nan,
        return_train_score=False,
        max_stack=32,
    ):
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.max_stack = max_stack

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **params):
        """Fit all candidates on all folds, then the best on all rows.

        Parameters
        ----------
        X : DataFrame or array, as `estimator` accepts
            Rows.
        y : array-like of shape (n,), default=None
            Classes.
        **params : dict of str to object
            Passed on to ``fit`` of `estimator`, the scorer and the splitter: ``groups`` above
            all.

        Returns
        -------
        self : object
        """
        verbose = self.verbose > 0
        with stacked_fits(
            self.estimator, max_stack=self.max_stack, n_jobs=self.n_jobs, verbose=verbose
        ):
            return super().fit(X, y, **params)


@validate_params(
    {"max_stack": _MAX_STACK, "n_jobs": [Integral, None]}, prefer_skip_nested_validation=False
)
def stacked_cross_validate(estimator, X, y=None, *, max_stack=32, n_jobs=None, **options):
    """Cross-validate with the autoencoders of all folds trained at once.

    Parameters
    ----------
    estimator : estimator
        An autoencoder, or a pipeline that holds one, see :class:`StackedGridSearchCV`.
    X : DataFrame or array, as `estimator` accepts
        Rows.
    y : array-like of shape (n,), default=None
        Classes.
    max_stack : int, default=32
        Networks in one program, at most, see :class:`StackedGridSearchCV`.
    n_jobs : int, default=None
        Processes, each with its share of the fits; see :class:`StackedGridSearchCV`.
    **options : dict of str to object
        ``groups``, ``scoring``, ``cv``, ``verbose``, ``params``, ``return_train_score``,
        ``return_estimator``, ``return_indices`` and ``error_score`` of
        :func:`~sklearn.model_selection.cross_validate`.

    Returns
    -------
    scores : dict of ndarray of shape (n_splits,)
        As of ``cross_validate``; the fit time of a fold holds an equal share of the time of its
        program.

    See Also
    --------
    StackedGridSearchCV : The same for a grid of settings.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cellfate.model_selection import stacked_cross_validate
    >>> from sklearn_cellfate.neural_network import AAEClassifier
    >>> rng = np.random.default_rng(0)
    >>> fate = np.array(["dies", "divides"] * 20)
    >>> images = rng.random((40, 1, 8, 8)) * np.where(fate == "dies", 1, 2)[:, None, None, None]
    >>> aae = AAEClassifier(pretrain_epochs=1, max_epochs=2, random_state=0)
    >>> stacked_cross_validate(aae, images, fate, cv=4)["test_score"].shape
    (4,)
    """
    verbose = options.get("verbose", 0)
    with stacked_fits(estimator, max_stack=max_stack, n_jobs=n_jobs, verbose=verbose > 0):
        return cross_validate(estimator, X, y, **options)
