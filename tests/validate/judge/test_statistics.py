"""Every test must reject a true prediction as often as it says, and each has a negative control that must fail."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from clipbias.validate.judge.statistics import (
    correlations,
    count_pvalue,
    holm,
    interval,
    mean_pvalue,
    quantile_score,
    quantile_scores,
    spread_pvalue,
)
from clipbias.validate.predict.prediction import Band

pytestmark = pytest.mark.statistical

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
SPREAD_ERROR = 0.114  # as in the shipped experiment, a pilot of 12 seeds


def seeds(runs: int, n: int, spread_error: float, rng: np.random.Generator) -> np.ndarray:
    """[runs, n] normal seeds whose law has variance 1 although each run's own spread is off by a shared factor."""
    factor = np.exp(spread_error * rng.standard_normal((runs, 1)) - spread_error**2)
    return factor * rng.standard_normal((runs, n))


def band(quantiles: np.ndarray) -> Band:
    """Around 0."""
    still = np.zeros(len(quantiles))
    return Band(
        log_odds_quantiles=quantiles,
        log_odds_mean=still,
        log_odds_std=still,
        start_stderr=0.0,
        share_mean=still,
        strategy_entropy_mean=still,
    )


@pytest.mark.parametrize("n", [4, 20])
@pytest.mark.parametrize("spread_error", [0.0, SPREAD_ERROR, 0.3])
def test_the_spread_test_rejects_a_true_prediction_in_five_of_a_hundred_runs(n: int, spread_error: float) -> None:
    draws = seeds(4000, n, spread_error, np.random.default_rng(1))
    rejected = [spread_pvalue(float(d.std(ddof=1)), n, spread_error) < 0.05 for d in draws]
    assert abs(np.mean(rejected) - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 4000)


def test_the_spread_test_is_the_chi_square_test_where_the_spread_is_known() -> None:
    for ratio in (0.5, 0.9, 1.3):
        below = stats.chi2.cdf(19 * ratio**2, 19)
        assert spread_pvalue(ratio, 20, 0.0) == pytest.approx(2 * min(below, 1 - below))


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_band_twice_too_wide_or_too_narrow_fails_the_spread_test(factor: float) -> None:
    draws = factor * seeds(400, 20, SPREAD_ERROR, np.random.default_rng(2))
    rejected = [spread_pvalue(float(d.std(ddof=1)), 20, SPREAD_ERROR) < 0.05 for d in draws]
    assert np.mean(rejected) > 0.9


def test_the_count_test_allows_for_the_error_that_all_seeds_share() -> None:
    """The plain binomial test, which does not, rejects true predictions too often."""
    n, spread_error, rng = 40, 0.25, np.random.default_rng(3)
    reach = float(np.quantile(np.abs(seeds(200_000, 1, spread_error, rng)), 0.9))
    inside = (np.abs(seeds(4000, n, spread_error, rng)) <= reach).sum(axis=1)
    pvalues = np.array([count_pvalue(count, n, reach, spread_error) for count in range(n + 1)])
    allowed = 0.05 + 4 * math.sqrt(0.05 * 0.95 / 4000)
    assert np.mean(pvalues[inside] < 0.05) < allowed
    assert np.mean(stats.binom.cdf(inside, n, 0.9) < 0.05) > 2 * allowed
    assert count_pvalue(20, n, reach, spread_error) < 0.05


def test_the_mean_test_is_the_t_test_and_knows_identical_arms() -> None:
    values = np.random.default_rng(4).normal(0.3, 1.0, size=9)
    assert mean_pvalue(interval(values), 0.1) == pytest.approx(stats.ttest_1samp(values, 0.1).pvalue)
    assert [mean_pvalue(interval(np.zeros(4)), claim) for claim in (0.0, 5e-4, -0.2)] == [1.0, 1.0, 0.0]


def test_holm_is_bonferroni_over_every_set_of_hypotheses() -> None:
    """Closed testing: p̃_i is the largest Bonferroni p-value of a set that holds i."""
    rng = np.random.default_rng(5)
    for m in (1, 2, 4):
        pvalues = rng.uniform(0, 0.5, size=m).tolist()
        sets = [s for size in range(1, m + 1) for s in combinations(range(m), size)]
        closed = [max(min(1.0, len(s) * min(pvalues[j] for j in s)) for s in sets if i in s) for i in range(m)]
        assert holm(pvalues) == pytest.approx(closed)


def test_the_quantile_score_of_a_true_normal_prediction() -> None:
    """E[(y − q)(τ − 1{y < q})] = σ·φ(Φ⁻¹(τ)) for y ~ N(m, σ²) and its own τ-quantile q."""
    n, mean, std = 40_000, 0.4, 0.7
    ends = np.random.default_rng(6).normal(mean, std, size=(n, 1))
    log_odds = np.hstack([np.full((n, 1), 99.0), ends])  # the start must not count
    quantiles = np.vstack([np.zeros(5), mean + std * stats.norm.ppf(LEVELS)])
    scores = quantile_score(log_odds, quantiles, LEVELS)
    expected = std * stats.norm.pdf(stats.norm.ppf(LEVELS)).mean()
    assert abs(scores.mean() - expected) < 4 * scores.std() / math.sqrt(n)


def test_the_true_band_scores_better_than_any_other() -> None:
    """Negative controls: twice and half the width, a shifted band, and no band at all."""
    rng, phases = np.random.default_rng(7), np.arange(11)
    log_odds = np.hstack([np.zeros((2000, 1)), np.cumsum(rng.normal(0, 0.1, size=(2000, 10)), axis=1)])
    spread = 0.1 * np.sqrt(phases)[:, None] * stats.norm.ppf(LEVELS)
    true = quantile_score(log_odds, spread, LEVELS)
    for other in (2 * spread, spread / 2, spread + 0.1, 0 * spread):
        assert interval(true - quantile_score(log_odds, other, LEVELS)).high < 0
    scores = quantile_scores(log_odds, band(spread), band(2 * spread), LEVELS)
    assert scores.prediction == interval(true)
    assert scores.against_without_momentum.high < 0
    assert scores.against_nothing.mean == pytest.approx(scores.prediction.mean - scores.nothing.mean)


def test_the_interval_covers_the_mean() -> None:
    rng = np.random.default_rng(0)
    covered = [(i := interval(rng.normal(1.0, 2.0, size=6))).low < 1.0 < i.high for _ in range(2000)]
    assert abs(np.mean(covered) - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 2000)


def test_the_interval_of_a_share_stays_among_shares() -> None:
    wide = interval(np.array([0.2, 0.9]), 0.0, 1.0)
    assert (wide.low, wide.high) == (0.0, 1.0)


def test_correlations_need_two_arms_and_three_seeds() -> None:
    a, b = np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.0, 3.0])
    assert correlations([a]) is None
    assert correlations([a[:2], b[:2]]) is None
    assert correlations([a, b, -a]) == pytest.approx([-1.0, np.corrcoef(a, b)[0, 1]])


def test_the_written_spread_is_that_of_the_mixture() -> None:
    """E[σ_z²] = σ²: the share of seeds in a wide band that the count test expects is the mixture's."""
    rng, reach, spread_error = np.random.default_rng(8), 2.0, 0.4
    inside = np.abs(seeds(400_000, 1, spread_error, rng)[:, 0]) <= reach
    outside = count_pvalue(0, 1, reach, spread_error)  # of one seed
    assert abs((1 - inside.mean()) - outside) < 4 * math.sqrt(outside * (1 - outside) / len(inside))
