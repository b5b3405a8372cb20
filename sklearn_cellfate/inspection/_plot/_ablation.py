"""AblationDisplay: what each loss of an autoencoder is worth."""

from sklearn_cellfate.inspection._plot._comparison import ComparisonDisplay
from sklearn_cellfate.inspection._plot._scored import take_metric

__all__ = ["AblationDisplay"]


class AblationDisplay(ComparisonDisplay):
    """Scores with all losses on and with each off, fold by fold.

    A :class:`ComparisonDisplay` whose estimators are what is left of the losses; made by
    :meth:`from_result`.

    Parameters
    ----------
    scores : DataFrame
        Of one metric, a row a setting and fold.
    summary : DataFrame
        Mean and interval, a row a setting.
    differences : DataFrame
        Mean paired difference to `baseline` and its interval, a row another setting.
    by_group : DataFrame, default=None
        Value and number of cells of each group while it was held out, a row a setting and group.
    metric : str
        Which.
    baseline : str
        Name of the setting with all losses.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    sklearn_cellfate.model_selection.ablation : Makes the scores.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.utils import Bunch
    >>> from sklearn_cellfate.inspection import AblationDisplay
    >>> both = ["all losses", "no contrastive"]
    >>> index = pd.MultiIndex.from_product([both, ["accuracy"]], names=["losses", "metric"])
    >>> result = Bunch(  # as ablation returns it
    ...     scores=pd.DataFrame(
    ...         {"losses": both, "fold": 0, "metric": "accuracy", "value": [1, 0]}
    ...     ),
    ...     summary=pd.DataFrame({"mean": [1, 0], "low": [1, 0], "high": [1, 0]}, index=index),
    ...     differences=pd.DataFrame({"mean": [-1], "low": [-1], "high": [-1]}, index=index[1:]),
    ...     baseline="all losses",
    ... )
    >>> AblationDisplay.from_result(result).plot().ax_.get_xlabel()
    'accuracy'
    """

    @classmethod
    def from_result(cls, ablation, *, metric=None):
        """Take one metric out of an ablation.

        Parameters
        ----------
        ablation : Bunch
            From :func:`~sklearn_cellfate.model_selection.ablation`.
        metric : str, default=None
            The first that was scored by default.

        Returns
        -------
        display : AblationDisplay
        """
        tables, metric = take_metric(ablation, metric)
        scores = tables["scores"].rename(columns={"losses": "estimator"})
        by_fold = scores.groupby(["estimator", "fold"], sort=False)["value"].mean().reset_index()
        return cls(
            by_fold,
            tables["summary"],
            tables["differences"],
            by_fold.iloc[:0],
            metric=metric,
            baseline=ablation.baseline,
        )
