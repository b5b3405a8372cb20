"""Level, spread, rhythm and company of activity traces of unequal length."""

from itertools import combinations
from numbers import Integral

import numpy as np
import pandas as pd
from scipy import signal
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from sklearn_cellfate._versioned import VersionedMixin
from sklearn_cellfate.preprocessing._base import remember_columns
from sklearn_cellfate.preprocessing._relative_time import _holds_lists, _number_lists
from sklearn_cellfate.table import listing, unmasked

__all__ = ["TraceFeatures"]

QUANTILES = (0, 5, 25, 50, 75, 95, 100)  # %
LEAST_POWER = 1e-12  # whose logarithm stands for none


class TraceFeatures(VersionedMixin, TransformerMixin, BaseEstimator):
    """Describe traces, such as a kinase's activity frame by frame, by numbers of fixed meaning.

    Of each trace: mean, standard deviation, skewness, slope over the whole trace, quantiles, how
    it changes from frame to frame, autocorrelation, and its power spectrum after Welch [1]_. Of
    each two traces of a cell: their correlation, one shifted against the other. Nothing is
    learned from other cells, and traces may be of any length.

    Parameters
    ----------
    lags : array-like of int, default=(1, 2, 5, 10, 20, 40)
        Frames by which a trace is shifted against itself and, in both directions, against the
        others. Lags beyond the end of a trace give 0.
    window : int, default=120
        Frames of the windows whose spectra are averaged; half of each overlaps the next. Shorter
        traces are one window. What repeats less often than once a window is not told apart.
    n_bands : int, default=8
        Bands of frequency, each as wide as ``1 / window`` at the slow end and the wider the
        faster.

    Attributes
    ----------
    trace_columns_ : list of str
        The columns of lists; ``["trace"]`` for an array.
    n_features_in_ : int
        Columns of the data frame or array fitted on.
    feature_names_in_ : ndarray of str
        Columns of the data frame fitted on, where their names are all strings.

    Raises
    ------
    ValueError
        If there are no traces, or a trace has no frame or holds an infinite value; the message
        names the row.

    See Also
    --------
    sklearn_cellfate.preprocessing.RelativeTimeSampler : The values at relative times.

    Notes
    -----
    X is a data frame whose columns of lists are traces (other columns are ignored), or an array
    of shape (n, T) with a trace a row, padded with NaN. Frames that were lost inside a trace
    (NaN) are filled in by straight lines. Powers are logarithms to base 10 of the unit of X
    squared times frames.

    References
    ----------
    .. [1] Welch (1967), The use of fast Fourier transform for the estimation of power spectra,
       doi:10.1109/TAU.1967.1161901.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_cellfate.feature_extraction import TraceFeatures
    >>> time = np.arange(100)
    >>> cells = pd.DataFrame({"erk": [np.sin(time / 3), np.sin(time[:60] / 9)]})
    >>> features = TraceFeatures().set_output(transform="pandas").fit_transform(cells)
    >>> features[["erk_mean", "erk_mean_change", "erk_autocorrelation_1"]].round(2)
       erk_mean  erk_mean_change  erk_autocorrelation_1
    0      0.04             0.21                   0.94
    1      0.01             0.07                   0.99
    """

    _parameter_constraints: dict = {
        "lags": ["array-like"],
        "window": [Interval(Integral, 2, None, closed="left")],
        "n_bands": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, *, lags=(1, 2, 5, 10, 20, 40), window=120, n_bands=8):
        self.lags = lags
        self.window = window
        self.n_bands = n_bands

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Note the columns.

        Parameters
        ----------
        X : DataFrame or array of shape (n, T)
            Traces.
        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        lags = np.asarray(self.lags)
        if lags.ndim != 1 or lags.dtype.kind not in "iu" or (lags < 1).any():
            raise ValueError(
                f"lags must be whole numbers of frames from 1 on, found {self.lags!r}."
            )
        self._bands = _bands(self.window // 2, self.n_bands)
        self._of_table = _is_table(X)
        if self._of_table:
            remember_columns(self, X)
            self.trace_columns_ = [name for name in X.columns if _holds_lists(X[name])]
        else:
            self.trace_columns_ = ["trace"]
            self._validate_array(X, reset=True)
        return self

    def transform(self, X):
        """Compute the features.

        Parameters
        ----------
        X : as in fit
            Traces of any length.

        Returns
        -------
        features : ndarray of shape (n, n_features_out), float64
        """
        check_is_fitted(self)
        traces = [_clean(column, name) for name, column in self._traces(X).items()]
        check_consistent_length(*traces)
        parts = [np.array([self._describe(trace) for trace in column]) for column in traces]
        parts += [
            np.array([self._describe_pair(one, other) for one, other in zip(first, second)])
            for first, second in combinations(traces, 2)
        ]
        return np.hstack(parts)

    def get_feature_names_out(self, input_features=None):
        """Names of the features.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X; by default those seen in ``fit``.

        Returns
        -------
        names : ndarray of str objects
            ``erk_mean``, ..., ``erk_akt_correlation_-40``, ...
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features)
        of_one = ["mean", "sd", "skewness", "slope"]
        of_one += [f"quantile_{percent}%" for percent in QUANTILES]
        of_one += ["mean_change", "sd_change", "largest_fall", "largest_rise"]
        of_one += [f"autocorrelation_{lag}" for lag in self.lags]
        of_one += [f"power_{number}" for number in range(len(self._bands) - 1)]
        names = [f"{column}_{name}" for column in self.trace_columns_ for name in of_one]
        names += [
            f"{first}_{second}_correlation_{lag}"
            for first, second in combinations(self.trace_columns_, 2)
            for lag in self._both_ways()
        ]
        return np.array(names, dtype=object)

    def _describe(self, trace):
        deviation = trace - trace.mean()
        spread = deviation.std()
        changes = np.diff(trace) if len(trace) > 1 else np.zeros(1)
        flat = spread <= 1e-9 * np.abs(trace).max()  # rounding has no shape
        skewness = 0.0 if flat else np.mean(deviation**3) / spread**3
        return [
            *(trace.mean(), spread, skewness, _slope(deviation)),
            *np.percentile(trace, QUANTILES),
            *(np.abs(changes).mean(), changes.std(), changes.min(), changes.max()),
            *(_correlate(deviation, deviation, lag) for lag in self.lags),
            *self._log_powers(trace),
        ]

    def _describe_pair(self, one, other):
        if len(one) != len(other):
            raise ValueError(
                f"the traces of a cell must be of one length, found {len(one)} and {len(other)} "
                "frames."
            )
        one, other = one - one.mean(), other - other.mean()
        return [_correlate(one, other, lag) for lag in self._both_ways()]

    def _both_ways(self):
        lags = sorted({int(lag) for lag in self.lags})
        return [-lag for lag in reversed(lags)] + [0] + lags

    def _log_powers(self, trace):
        length = min(self.window, len(trace))
        _, power = signal.welch(
            trace, nperseg=length, noverlap=length // 2, nfft=self.window, detrend="constant"
        )
        # Without the mean, which is a feature of its own.
        means = [power[1:][a:b].mean() for a, b in zip(self._bands, self._bands[1:])]
        return np.log10(np.maximum(means, LEAST_POWER))

    def _traces(self, X):
        """Return lists of numbers by name."""
        if _is_table(X) != self._of_table:
            raise ValueError(
                f"TraceFeatures was fitted on {listing(self.trace_columns_)}, but X is "
                f"{'an array' if self._of_table else 'a data frame of lists'}."
            )
        if not self._of_table:
            return {"trace": list(self._validate_array(X, reset=False))}
        absent = [name for name in self.trace_columns_ if name not in X.columns]
        if absent:
            raise ValueError(f"X has no column {absent[0]!r}; it has {listing(X.columns)}.")
        return {name: _number_lists(X[name]) for name in self.trace_columns_}

    def _validate_array(self, X, *, reset):
        if isinstance(X, np.ma.MaskedArray):
            X = unmasked(X, "X")
        return validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _is_table(X):
    return isinstance(X, pd.DataFrame) and any(_holds_lists(X[name]) for name in X.columns)


def _bands(n_frequencies, n_bands):
    """First frequency of each band and the end of the last, evenly spaced by ratio."""
    edges = np.geomspace(1, n_frequencies + 1, n_bands + 1).round().astype(int) - 1
    return np.unique(edges)


def _clean(traces, name):
    """Traces without padding, gaps filled in; refuses what cannot be described."""
    cleaned = []
    for row, trace in enumerate(traces):
        observed = np.flatnonzero(~np.isnan(trace))
        if not len(observed):
            raise ValueError(f"column {name!r} has no frame in row {row}.")
        if np.isinf(trace).any():
            raise ValueError(f"column {name!r} has infinite values in row {row}.")
        life = np.arange(observed[0], observed[-1] + 1)
        cleaned.append(np.interp(life, observed, trace[observed]))
    return cleaned


def _slope(deviation):
    """Rise over the whole trace of the straight line of least squares."""
    if len(deviation) < 2:
        return 0.0
    time = np.linspace(-0.5, 0.5, len(deviation))
    return time @ deviation / (time @ time)


def _correlate(one, other, lag):
    """Correlation of deviations from the mean, `other` coming `lag` frames later than `one`."""
    if abs(lag) >= len(one):
        return 0.0
    earlier, later = (one, other) if lag >= 0 else (other, one)
    shift = abs(lag)
    # Over all frames, not over those that overlap: never beyond 1, and calm at long lags.
    product = earlier[: len(earlier) - shift] @ later[shift:] / len(one)
    scale = one.std() * other.std()
    return product / scale if scale > 1e-12 else 0.0
