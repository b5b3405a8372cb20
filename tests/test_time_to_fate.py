"""time_to_fate: textbook curves, censoring, concordance, and simulated cells."""

import sys

import matplotlib
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from sklearn_cellfate.datasets import make_cell_movies
from sklearn_cellfate.inspection import SurvivalDisplay
from sklearn_cellfate.model_selection import compare_estimators, time_to_fate

metrics = pytest.importorskip("sksurv.metrics", reason="needs scikit-survival")
matplotlib.use("agg")


def test_a_curve_worked_by_hand():
    # Freireich's 6-MP arm: remission in weeks of 21 patients, + censored; Kaplan-Meier's shares
    # are in every textbook.
    weeks = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    relapse = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    survival = time_to_fate(["6-MP"] * 21, weeks, relapse)
    curve = survival.curves.set_index("time")
    assert curve.index[0] == 0 and curve.loc[0, "survival"] == 1
    shares = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    assert curve.loc[list(shares), "survival"].round(3).to_dict() == shares
    assert curve.loc[[6, 10, 23], "at_risk"].tolist() == [21, 15, 6]
    assert curve.loc[6, ["events", "censored"]].tolist() == [3, 1]
    # Greenwood's variance, on the scale of log(-log S).
    share = curve.loc[10, "survival"]
    variance = (3 / (21 * 18) + 1 / (17 * 16) + 1 / (15 * 14)) / np.log(share) ** 2
    half = stats.norm.ppf(0.975) * np.sqrt(variance)
    expected = share ** np.exp([half, -half])
    assert_allclose(curve.loc[10, ["low", "high"]].astype(float), expected)
    assert survival.summary.loc["6-MP", ["n", "events", "median"]].tolist() == [21, 9, 23]
    assert np.isnan(survival.log_rank.p_value), "one class cannot differ from itself"
    assert survival.concordance is None


def test_without_censoring_the_curve_is_the_share_still_there():
    duration = np.random.default_rng(0).integers(1, 20, 60)
    predicted = np.array(["a", "b"])[np.arange(60) % 2]
    curves = time_to_fate(predicted, duration, np.ones(60, bool)).curves
    for row in curves.itertuples():
        of_class = duration[predicted == row.predicted]
        assert row.survival == pytest.approx(np.mean(of_class > row.time))
        assert row.at_risk == np.sum(of_class >= row.time)


def test_the_log_rank_test_is_that_of_expected_counts():
    duration = np.array([3, 5, 7, 2, 9, 12, 4, 8.0])
    event = np.array([1, 1, 1, 1, 1, 0, 1, 0], dtype=bool)
    first = np.array([1, 1, 1, 1, 0, 0, 0, 0], dtype=bool)
    observed = expected = variance = 0
    for time in np.unique(duration[event]):
        at_risk = duration >= time
        n, n_first = at_risk.sum(), (at_risk & first).sum()
        deaths = (event & (duration == time)).sum()
        observed += (event & first & (duration == time)).sum()
        expected += deaths * n_first / n
        if n > 1:
            variance += deaths * n_first * (n - n_first) * (n - deaths) / (n**2 * (n - 1))
    log_rank = time_to_fate(first, duration, event).log_rank
    assert log_rank.statistic == pytest.approx((observed - expected) ** 2 / variance)
    assert log_rank.p_value == pytest.approx(stats.chi2.sf(log_rank.statistic, 1))
    assert log_rank.degrees_of_freedom == 1


# Concordance ----------------------------------------------------------------------------------


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    duration = rng.exponential(20, 300).round(0) + 1  # with ties
    event = rng.random(300) < 0.6
    return duration, event, rng


def concordance(probability, duration, event, **settings):
    predicted = np.asarray(probability) > 0.5
    return time_to_fate(
        predicted, duration, event, probability=probability, **settings
    ).concordance


def test_concordance_of_perfect_reversed_and_random_order(cells):
    duration, event, rng = cells
    assert concordance(-duration, duration, np.ones(300)).value == 1
    assert concordance(duration, duration, np.ones(300)).value == 0
    random = concordance(rng.random(300), duration, event)
    assert random.low < 0.5 < random.high and abs(random.value - 0.5) < 0.06
    assert concordance(np.full(300, 0.3), duration, event).value == 0.5


def test_concordance_agrees_with_scikit_survival(cells):
    duration, event, rng = cells
    probability = (-duration / 30 + rng.normal(size=300)).round(1)  # ties here too
    value, right, wrong, tied, _ = metrics.concordance_index_censored(event, duration, probability)
    found = concordance(probability, duration, event)
    assert found.value == pytest.approx(value)
    assert found.pairs == right + wrong + tied


@pytest.mark.parametrize("n_groups", [None, 12])
def test_the_jackknife_leaves_out_whole_units(n_groups, cells, monkeypatch):
    monkeypatch.setattr("sklearn_cellfate.model_selection._time_to_fate.PAIRS_AT_ONCE", 500)
    duration, event, rng = (part[:60] if part is not cells[2] else part for part in cells)
    probability = -duration / 30 + rng.normal(size=60)
    units = np.arange(60) if n_groups is None else np.arange(60) % n_groups
    without = [
        metrics.concordance_index_censored(event[kept], duration[kept], probability[kept])[0]
        for kept in (units != unit for unit in np.unique(units))
    ]
    n = len(without)
    half = stats.t.ppf(0.975, n - 1) * np.sqrt((n - 1) * np.var(without))
    found = concordance(probability, duration, event, groups=None if n_groups is None else units)
    assert found.n_units == n
    assert_allclose([found.low, found.high], [found.value - half, found.value + half])


@pytest.mark.parametrize(("n_donors", "n_units"), [(1, 0), (2, 2)])
def test_one_or_two_donors_have_a_concordance_without_interval(n_donors, n_units, cells):
    duration, _, _ = cells
    donors = np.arange(300) % n_donors
    with pytest.warns(UserWarning, match=f"must be left out in turn .* found {n_units}"):
        survival = time_to_fate(
            duration > 5, duration, np.ones(300), probability=-duration, groups=donors
        )
    found = survival.concordance
    assert found.value == 1 and found.n_units == n_units
    assert np.isnan([found.low, found.high]).all()
    assert set(survival.curves["predicted"]) == {False, True}
    legend = SurvivalDisplay.from_result(survival).plot().ax_.get_legend()
    assert legend.get_title().get_text().endswith("concordance 1.00")


# Simulated cells ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    movies = make_cell_movies(400, max_frames=72, fate_fraction=0.4, random_state=0)
    table = movies.frame
    model = make_pipeline(StandardScaler(), LogisticRegression())
    comparison = compare_estimators(
        {"features": model},
        table[movies.feature_names],
        table["fate"],
        groups=table["field"],
        cv=3,
        random_state=0,
    )
    return table, comparison.predictions.sort_values("row")


def test_cells_predicted_to_divide_do_so_earlier(simulated):
    table, held_out = simulated
    survival = time_to_fate(
        held_out["y_pred"],
        table["lifetime"],
        table["end"] == "mitosis",
        probability=held_out["probability_1"],
        groups=table["field"],
    )
    assert survival.log_rank.p_value < 1e-10
    assert survival.concordance.low > 0.6
    assert survival.concordance.n_units == 18
    last = survival.curves.groupby("predicted")["survival"].last()
    assert last[1] < last[0]
    # Nobody can say how long those that stayed would have waited.
    assert survival.summary.loc[0, "median"] == np.inf
    display = SurvivalDisplay.from_result(survival).plot(unit="h")
    ticks = [label.get_text().split("\n") for label in display.ax_.get_xticklabels()]
    for tick, *numbers in ticks:
        watched = [
            np.sum((held_out["y_pred"].to_numpy() == label) & (table["lifetime"] >= float(tick)))
            for label in (0, 1)
        ]
        assert [int(number) for number in numbers] == watched
    matplotlib.pyplot.close("all")


def test_a_model_that_knows_nothing_separates_nothing(simulated):
    table, _ = simulated
    guess = np.random.default_rng(5).random(len(table))
    survival = time_to_fate(
        guess > 0.5, table["lifetime"], table["end"] == "mitosis", probability=guess
    )
    assert survival.log_rank.p_value > 0.01
    assert survival.concordance.low < 0.5 < survival.concordance.high


# Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duration": [1, 2, -3, 4]}, "1 of 4 durations are negative .the first is -3"),
        ({"duration": [1, None, 3, 4]}, "duration is missing or infinite for 1 of 4 .* row 1"),
        ({"duration": [1, np.inf, 3, 4]}, "duration is missing or infinite for 1 of 4"),
        ({"duration": ["1 h", "2", "3", "4"]}, "duration must hold numbers, found '1 h'"),
        ({"event": ["mitosis", "death"] * 2}, "event must be True .* found 'mitosis', 'death'"),
        ({"event": [True, None, False, True]}, "event must be True"),
        ({"event": [0, 0, 0, 0]}, "none of the 4 cells has the event: all are censored"),
        ({"predicted": ["a", None, "b", "b"]}, "predicted is missing for 1 of 4 cells"),
        ({"probability": [0.1, np.nan, 0.2, 0.3]}, "probability is missing or infinite for 1"),
        ({"duration": [1, 1, 1, 1], "event": [1] * 4}, "no two cells can be compared"),
        ({"groups": ["a", "a", "b"]}, "inconsistent numbers of samples"),
        ({"level": 95}, "level must lie between 0 and 1, found 95"),
        ({"predicted": [], "duration": [], "event": []}, "there are no cells"),
    ],
)
def test_bad_input_is_named(changes, message):
    good = {
        "predicted": list("aabb"),
        "duration": [1, 2, 3, 4],
        "event": [True, True, False, True],
        "probability": [0.9, 0.8, 0.2, 0.1],
    }
    with pytest.raises(ValueError, match=message):
        time_to_fate(**good | changes)


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sksurv.compare", None)
    with pytest.raises(ImportError, match=r'pip install "sklearn-cellfate\[survival\]"'):
        time_to_fate(["a"], [1], [True])
