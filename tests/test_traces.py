"""Traces: features of known signals, and growth factors told apart on real ones."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_cellfate.feature_extraction import TraceFeatures
from sklearn_cellfate.preprocessing import RelativeTimeSampler


@parametrize_with_checks([TraceFeatures(), TraceFeatures(lags=[3], window=8, n_bands=2)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def describe(cells, **settings):
    return TraceFeatures(**settings).set_output(transform="pandas").fit_transform(cells)


def test_a_straight_line():
    features = describe(pd.DataFrame({"erk": [np.arange(11) * 0.5, [5.0] * 4, [7.0]]}))
    line = features.iloc[0]
    assert line["erk_mean"] == 2.5 and line["erk_slope"] == pytest.approx(5)
    assert line["erk_sd"] == pytest.approx(0.5 * np.sqrt(10))
    assert line["erk_skewness"] == pytest.approx(0)
    assert line[["erk_quantile_0%", "erk_quantile_25%", "erk_quantile_100%"]].tolist() == [
        0,
        1.25,
        5,
    ]
    assert line[["erk_mean_change", "erk_largest_fall", "erk_largest_rise"]].tolist() == [0.5] * 3
    # Traces without change, or of one frame, have features too.
    rest = features.iloc[1:].filter(regex="sd|slope|skew|change|autocorr|fall|rise")
    assert (rest == 0).all(axis=None)


def test_a_wave_has_its_power_at_its_frequency_and_half_a_period_turns_it_over():
    time = np.arange(480)
    periods = [60, 20, 8]
    waves = pd.DataFrame({"erk": [np.sin(2 * np.pi * time / period) for period in periods]})
    features = describe(waves, n_bands=8, window=120, lags=[4, 10, 30])
    strongest = features.filter(like="power").to_numpy().argmax(axis=1)
    # Bands begin at harmonics 1, 2, 3, 5, 8, 13, 22, 36 of the window: 120 / period is 2, 6, 15.
    assert strongest.tolist() == [1, 3, 5]
    correlation = features.filter(like="autocorrelation").to_numpy()
    assert_allclose([correlation[0, 2], correlation[1, 1], correlation[2, 0]], -1, atol=0.07)


def test_akt_that_follows_erk_is_seen_to_follow():
    rng = np.random.default_rng(0)
    erk = rng.normal(size=300)
    akt = np.roll(erk, 5) + 0.1 * rng.normal(size=300)
    features = describe(pd.DataFrame({"erk": [erk], "akt": [akt]}), lags=[2, 5]).iloc[0]
    company = features.filter(like="erk_akt_correlation")
    assert company.idxmax() == "erk_akt_correlation_5" and company.max() > 0.9
    assert len(company) == 5, "both ways, and at once"
    assert company.drop("erk_akt_correlation_5").abs().max() < 0.2


def test_lists_and_padded_arrays_say_the_same():
    rng = np.random.default_rng(0)
    traces = [rng.normal(size=length) for length in (50, 31, 7)]
    padded = np.full((3, 50), np.nan)
    for row, trace in enumerate(traces):
        padded[row, : len(trace)] = trace
    arrow = pd.Series(traces, dtype=pd.ArrowDtype(pa.list_(pa.float64())))
    expected = TraceFeatures().fit_transform(pd.DataFrame({"t": traces}))
    assert_allclose(TraceFeatures().fit_transform(padded), expected)
    assert_allclose(TraceFeatures().fit_transform(pd.DataFrame({"t": arrow})), expected)
    gap = padded[:1].copy()
    gap[0, 20] = np.nan
    padded[0, 20] = (padded[0, 19] + padded[0, 21]) / 2
    assert_allclose(TraceFeatures().fit_transform(gap), TraceFeatures().fit_transform(padded[:1]))


def test_names_count_and_other_columns():
    cells = pd.DataFrame({"donor": ["a"], "erk": [[1.0, 2.0]], "akt": [[1.0, 2.0]]})
    features = TraceFeatures().fit(cells)
    names = features.get_feature_names_out()
    assert len(set(names)) == len(names) == features.transform(cells).shape[1]
    assert features.trace_columns_ == ["erk", "akt"]


def test_bad_traces_are_named():
    good = pd.DataFrame({"erk": [[1.0, 2.0]], "akt": [[1.0, 2.0]]})
    fitted = TraceFeatures().fit(good)
    for change, message in (
        ({"erk": [[]]}, "column 'erk' has no frame in row 0"),
        ({"akt": [[np.inf, 1.0]]}, "column 'akt' has infinite values in row 0"),
        ({"akt": [[1.0]]}, "of one length, found 2 and 1 frames"),
    ):
        with pytest.raises(ValueError, match=message):
            fitted.transform(good.assign(**change))
    with pytest.raises(ValueError, match="column 'state' must hold lists of numbers"):
        TraceFeatures().fit_transform(pd.DataFrame({"state": [["G1", "S"], ["M"]]}))
    with pytest.raises(ValueError, match="X has no column 'akt'; it has 'erk'"):
        fitted.transform(good[["erk"]])
    with pytest.raises(ValueError, match="fitted on 'erk', 'akt', but X is an array"):
        fitted.transform(np.ones((2, 2)))
    for lags in ([0], [1.5], 3):
        with pytest.raises(ValueError, match="lags"):
            TraceFeatures(lags=lags).fit(good)


@pytest.fixture(scope="module")
def traces(request):
    path = request.path.parents[2] / "shared" / "data" / "erk_akt_traces.parquet"
    if not path.is_file():
        pytest.skip(f"no real traces at {path}")
    return pd.read_parquet(path)


def test_real_traces_are_sampled_at_relative_times(traces):
    sampled = RelativeTimeSampler().fit_transform(traces)
    assert [name for name in sampled if name.startswith("akt")] == [
        f"akt_{percent}%" for percent in range(0, 101, 10)
    ]
    for row in (0, 100, 564):
        life = traces["erk"].iloc[row]
        wanted = np.round(np.linspace(0, len(life) - 1, 11)).astype(int)
        found = sampled.iloc[row][[f"erk_{percent}%" for percent in range(0, 101, 10)]]
        assert found.tolist() == life[wanted].tolist()


@pytest.mark.slow
def test_real_growth_factors_are_told_apart_better_than_before(traces):
    features = TraceFeatures().fit_transform(traces)
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    classes = traces["growth_factor"]
    egf_family = classes.isin(["EGF", "BTC", "EPR"])
    for y, known in ((classes, 0.612), (egf_family, 0.922)):
        scores = cross_val_score(model, features, y, cv=folds, scoring="balanced_accuracy")
        assert scores.mean() > known
