"""Whether two hand-picked features are as good as all of them."""

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from sklearn_cellfate.model_selection._folds import make_folds
from sklearn_cellfate.model_selection._intervals import corrected_interval
from sklearn_cellfate.model_selection._study import Fit, Study, seeded
from sklearn_cellfate.table import listing

__all__ = ["feature_pairs"]

N_INNER_FOLDS = 3
KEYS = ["model", "features", "fold"]


def feature_pairs(
    X,
    y,
    *,
    models=None,
    groups=None,
    cv=None,
    scoring="balanced_accuracy",
    n_jobs=None,
    memory=None,
    verbose=0,
    random_state=None,
):
    """Score every pair of features, and say honestly how good the best of them is.

    The best of 78 pairs looks better than it is, as the scores that chose it are in part luck.
    So it is estimated anew: in each fold the pair is chosen on the training rows alone, by inner
    folds, and scored on the held-out rows [1]_. All features together are scored beside it.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n, n_features)
        Numbers measured on each cell. Missing ones become the median of the training rows under
        the default models.
    y : array-like of shape (n,)
        Classes.
    models : dict of str to (classifier or list of classifiers), default=None
        By name. Of a list, the best in the inner folds is taken, anew for each pair and fold:
        that is the tuning. By default ``"simple"``, a perceptron with one hidden layer of 8
        units, and ``"tuned"``, one of four: a hidden layer of 16 units, or two of 16 and 8, with
        ``alpha`` 1 or 10. Both scale features to zero mean and unit variance, and draw the
        rarer classes again until all are equally frequent, on training rows only.
    groups : array-like of shape (n,), default=None
        Donor, clone, field ... of each row. A group is on one side of each split,
        unless `cv` is a splitter or iterable that breaks groups up, which is warned of.
        Inner splits keep groups whole while there are enough.
    cv : int, cross-validation splitter or iterable, default=None
        See :func:`~sklearn_cellfate.model_selection.make_folds`.
    scoring : str, callable, list of str or dict, default="balanced_accuracy"
        Metrics, as of :func:`~sklearn_cellfate.model_selection.compare_estimators`. The first
        chooses pairs and models; more is better.
    n_jobs : int, default=None
        Fits that run at once, see :class:`joblib.Parallel`. Under
        ``joblib.parallel_config("dask")`` they run on a Dask cluster.
    memory : str, path or joblib.Memory, default=None
        Folder in which finished fits are kept. A run that was stopped and is started again with
        the same arguments goes on where it was. Workers on other machines must see the folder.
    verbose : int, default=0
        1 shows a progress bar over fits.
    random_state : int, default=None
        Seed of folds and models: it sets every ``random_state`` of the models.

    Returns
    -------
    pairs : Bunch
        scores : DataFrame
            A row a model, pair, fold and metric: ``model``, ``features`` ("area + fret", or "all
            13 features"; a name that has a plus of its own is quoted), ``first``, ``second``,
            ``fold``, ``held_out`` (groups), ``metric``, ``value``, ``n_train``, ``n_test``,
            ``fit_time`` and ``score_time`` (s), and ``inner``, the mean of the first metric over
            the inner folds.
        summary : DataFrame
            By model, features and metric: mean and standard deviation over folds.
        best : DataFrame
            A row a model, of the first metric: ``pair``, the best pair by its mean over folds,
            and that mean, ``apparent``, which is too good; ``honest``, the mean held-out score
            of the pairs that training rows chose, with its corrected 95 % interval [2]_ (``low``
            to ``high``); ``all_features``; and ``difference`` of honest to all features, with
            its interval (``difference_low`` to ``difference_high``). All are NaN where no
            fold defines the metric.
        chosen : DataFrame
            The pair chosen in each fold: ``model``, ``fold``, ``features``, ``inner``, ``value``.
        feature_names : list of str
            Features that the pairs are made of.
        metric : str
            The first metric.
        folds : list of (train, test)
            Row numbers of each fold.
        classes : ndarray
            Classes, in the order of the probabilities.

    Raises
    ------
    ValueError
        If there are fewer than two features, a feature is not a number, labels are missing, a
        fold would train without a class, or no fold can be scored.

    Warns
    -----
    UserWarning
        If no fold defines a metric for a model, as without the probabilities that it needs.

    References
    ----------
    .. [1] Cawley and Talbot (2010), On over-fitting in model selection and subsequent selection
       bias in performance evaluation, https://www.jmlr.org/papers/v11/cawley10a.html.
    .. [2] Nadeau and Bengio (2003), Inference for the generalization error,
       doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_cellfate.model_selection import feature_pairs
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> pairs = feature_pairs(X, y, models={"Bayes": GaussianNB()}, random_state=0)
    >>> pairs.best.loc["Bayes", "pair"]
    'petal length (cm) + petal width (cm)'
    >>> len(pairs.summary)  # six pairs and all features
    7
    """
    X = _check_features(X)
    names = [str(name) for name in X.columns]
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
    models = _default_models() if models is None else models
    candidates = {
        name: [seeded(model, study.seeds(1)[0]) for model in _as_list(model)]
        for name, model in models.items()
    }
    subsets: dict[str, tuple] = {
        f"{_in_pair(names[i])} + {_in_pair(names[j])}": (i, j)
        for i, j in combinations(range(len(names)), 2)
    }
    everything = f"all {len(names)} features"
    subsets[everything] = tuple(range(len(names)))

    inner = _score_inner_folds(study, candidates, subsets)
    tuned = _choose(inner, KEYS)
    scores = _score_held_out(study, candidates, subsets, tuned)
    metric = scores["metric"].iloc[0]
    pairs = scores[(scores["metric"] == metric) & (scores["features"] != everything)]
    _warn_of_undefined(pairs, metric)
    chosen = _choose(pairs, ["model", "fold"])
    whole = scores[(scores["metric"] == metric) & (scores["features"] == everything)]
    by_features = scores.groupby(["model", "features", "metric"], sort=False)["value"]
    return Bunch(
        scores=_name_pairs(scores, subsets, names),
        summary=by_features.agg(mean="mean", sd="std", folds="count"),
        best=pd.DataFrame.from_dict(
            {name: _judge(study, *_of_model(name, pairs, chosen, whole)) for name in candidates},
            orient="index",
        ),
        chosen=chosen[[*KEYS, "inner", "value"]].reset_index(drop=True),
        feature_names=names,
        metric=metric,
        folds=study.folds,
        classes=study.classes,
    )


def _default_models():
    settings = [
        {"hidden_layer_sizes": sizes, "alpha": alpha}
        for sizes in ((16,), (16, 8))
        for alpha in (1.0, 10.0)
    ]
    return {
        "simple": _perceptron(hidden_layer_sizes=(8,), alpha=1.0),
        "tuned": [_perceptron(**setting) for setting in settings],
    }


def _perceptron(**settings):
    from imblearn.over_sampling import RandomOverSampler  # takes a second to import
    from imblearn.pipeline import make_pipeline

    # A loose tolerance: thousands of fits, of which the last digit means nothing.
    return make_pipeline(
        SimpleImputer(strategy="median"),
        StandardScaler(),
        RandomOverSampler(),
        _Perceptron(solver="lbfgs", tol=1e-2, max_iter=300, **settings),
    )


class _Perceptron(MLPClassifier):
    """One that keeps quiet where it stops early, as that restrains it like a penalty."""

    def fit(self, X, y):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=ConvergenceWarning)
            return super().fit(X, y)


def _as_list(model):
    return list(model) if isinstance(model, list | tuple) else [model]


def _score_inner_folds(study, candidates, subsets):
    """Mean of the first metric over the inner folds of each model, subset, fold and candidate."""
    plan = []
    for fold, (train, _) in enumerate(study.folds):
        splits = _inner_folds(study, train)
        plan += [
            Fit(
                {"model": name, "features": subset, "fold": fold, "candidate": number},
                candidate,
                train[inner_train],
                train[inner_test],
                columns,
            )
            for name, models in candidates.items()
            for number, candidate in enumerate(models)
            for subset, columns in subsets.items()
            for inner_train, inner_test in splits
        ]
    scores, _ = study.run(plan)
    scores = scores[scores["metric"] == scores["metric"].iloc[0]]
    means = scores.groupby([*KEYS, "candidate"], sort=False)["value"].mean()
    return means.rename("inner").reset_index()


def _choose(table, keys):
    """Take the row of the best inner score of each key, the first of several.

    What no inner fold defines is worse than any number, be the metric a loss turned negative.
    """
    by_inner = table.sort_values("inner", ascending=False, kind="stable", na_position="last")
    return table[keys].drop_duplicates().merge(by_inner.drop_duplicates(keys), on=keys)


def _inner_folds(study, train):
    y = study.y[train]
    groups = None if study.groups is None else study.groups[train]
    try:
        return make_folds(y, groups, N_INNER_FOLDS, study.random_state)
    except ValueError:
        # Too few groups to hold one out twice. Rows choose then, still among training rows.
        return make_folds(y, None, N_INNER_FOLDS, study.random_state)


def _score_held_out(study, candidates, subsets, tuned):
    plan = [
        Fit(
            {name: getattr(row, name) for name in [*KEYS, "inner"]},
            candidates[row.model][row.candidate],
            train,
            test,
            subsets[row.features],
        )
        for row in tuned.itertuples()
        for train, test in [study.folds[row.fold]]
    ]
    scores, _ = study.run(plan)
    return scores


def _warn_of_undefined(pairs, metric):
    defined = pairs.groupby("model", sort=False)["value"].count()
    undefined = defined.index[defined == 0]
    if len(undefined):
        warnings.warn(
            f"no fold defines {listing([metric])} for model {listing(undefined)}, so none of its "
            "pairs is the best; a metric of probabilities needs a model that gives them.",
            stacklevel=3,
        )


def _of_model(name, *tables):
    return [table[table["model"] == name].set_index("fold") for table in tables]


def _judge(study, pairs, chosen, whole):
    """Hold the best pair of a model against its honest estimate and against all features."""
    means = pairs.groupby("features", sort=False)["value"].mean()
    mean, low, high = _interval(study, chosen["value"])
    difference = _interval(study, chosen["value"] - whole["value"])
    return {
        "pair": means.idxmax() if means.notna().any() else np.nan,
        "n_pairs": len(means),
        "apparent": means.max(),
        "honest": mean,
        "low": low,
        "high": high,
        "all_features": whole["value"].mean(),
        **dict(zip(("difference", "difference_low", "difference_high"), difference)),
    }


def _interval(study, by_fold):
    by_fold = by_fold.dropna()
    n_train, n_test = (
        [len(study.folds[fold][side]) for fold in by_fold.index] for side in range(2)
    )
    return corrected_interval(by_fold, n_train, n_test)


def _in_pair(name):
    """Quote a name in which the sign between two names would be misread."""
    return repr(name) if " + " in f" {name} " else name


def _name_pairs(scores, subsets, names):
    pairs = {
        features: [names[column] for column in columns] if len(columns) == 2 else [None, None]
        for features, columns in subsets.items()
    }
    first, second = zip(*(pairs[features] for features in scores["features"]))
    return scores.assign(first=first, second=second)


def _check_features(X):
    """Features as a table, or what is wrong with them."""
    table = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X)).add_prefix("x")
    words = [
        name for name, dtype in table.dtypes.items() if not pd.api.types.is_numeric_dtype(dtype)
    ]
    if words:
        raise ValueError(f"features must be numbers, but columns {listing(words)} hold none.")
    if table.shape[1] < 2:
        raise ValueError(f"two features or more make pairs, found {listing(table.columns)}.")
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        raise ValueError(f"X has several columns {listing(repeated)}; rename them.")
    values = table.to_numpy(dtype=float, na_value=np.nan)
    infinite = table.columns[np.isinf(values).any(axis=0)]
    if len(infinite):
        raise ValueError(f"columns {listing(infinite)} have infinite values.")
    return pd.DataFrame(values, columns=table.columns)
