"""The judge must be wrong as seldom as it promises, and each promise has a negative control that breaks it.

Rates are compared with their binomial error at four standard errors; DRAWS families or samples each.
"""

import math

import numpy as np
import pytest
from scipy import stats

from clipbias.validate.judge import verdict as room
from clipbias.validate.judge.statistics import NUMERICAL, Interval, half_width, interval, mean_pvalue
from clipbias.validate.judge.verdict import Claim, judge, judge_rise

pytestmark = pytest.mark.statistical

DRAWS = 4000
MARGIN = 0.1


def samples(truth: float, spread: float, seeds: int, draws: int = DRAWS, seed: int = 0) -> list[Interval]:
    return [interval(v) for v in np.random.default_rng(seed).normal(truth, spread, size=(draws, seeds))]


def rate(verdict: str, truth: float, spread: float, seeds: int, margin: float = MARGIN) -> float:
    """How often a claim of 0 comes to the verdict."""
    found = [judge([Claim(value=0.0, estimate=s, margin=margin)])[0].verdict for s in samples(truth, spread, seeds)]
    return found.count(verdict) / len(found)


def at_most(level: float, draws: int = DRAWS) -> float:
    return level + 4 * math.sqrt(level * (1 - level) / draws)


@pytest.mark.parametrize("seeds", [2, 5, 48])
@pytest.mark.parametrize("spread", [0.02, 0.2, 2.0])
@pytest.mark.parametrize("truth", [0.0, MARGIN / 2, -MARGIN])
def test_a_claim_true_within_its_margin_fails_in_at_most_five_of_a_hundred(
    seeds: int, spread: float, truth: float
) -> None:
    assert rate("failed", truth, spread, seeds) <= at_most(0.05)


def test_without_a_margin_a_claim_that_is_off_by_less_than_matters_fails() -> None:
    """Negative control: what the verdicts did before."""
    assert rate("failed", MARGIN / 2, 0.02, 5, margin=0.0) > 0.9


@pytest.mark.parametrize("seeds", [2, 5, 48])
@pytest.mark.parametrize("spread", [0.02, 0.1, 0.3, 2.0])
@pytest.mark.parametrize("truth", [2 * MARGIN, -2.5 * MARGIN])
def test_a_claim_off_by_twice_its_margin_is_held_in_at_most_one_of_forty(
    seeds: int, spread: float, truth: float
) -> None:
    assert rate("held", truth, spread, seeds) <= at_most(0.025)


def saturating(verdict: str, claim: float, chance: float, seeds: int = 5) -> float:
    """How often a claim about seeds that end at +0.9 with this chance, else at 0, comes to the verdict. Exact."""
    total = 0.0
    for risen in range(seeds + 1):
        of = interval(np.array([0.9] * risen + [0.0] * (seeds - risen)))
        if judge([Claim(value=claim, estimate=of, margin=0.01)])[0].verdict == verdict:
            total += float(stats.binom.pmf(risen, seeds, chance))
    return total


def test_seeds_that_saturate_break_both_promises_by_as_much_as_the_docstring_says() -> None:
    """A known limit: nothing is promised there. The claims are the true mean, and 0.9, off by 4.5 margins or more."""
    assert room.__doc__ is not None
    table = [line.split("  ") for line in room.__doc__.splitlines() if line.startswith("    ")]
    rows = {cells[0]: cells[1:] for line in table if (cells := [cell.strip() for cell in line if cell.strip()])}
    chances = [float(chance) for chance in rows["P"]]
    assert chances == [0.5, 0.8, 0.9, 0.95]
    assert rows["the true mean fails"] == [f"{100 * saturating('failed', 0.9 * p, p):.0f} %" for p in chances]
    assert rows["0.9 is held"] == [f"{100 * saturating('held', 0.9, p):.0f} %" for p in chances]
    assert all(saturating("failed", 0.9 * p, p) > 0.05 for p in chances)
    assert all(saturating("held", 0.9, p) > 0.025 for p in chances)
    assert saturating("failed", 0.9 * 0.8, 0.8, seeds=48) < 0.1  # many seeds see both endings


def test_claims_are_held_and_failed_where_the_seeds_can_tell() -> None:
    """Power: the promises are not kept by never deciding."""
    assert rate("held", 0.0, 0.05, 5) > 0.9
    assert rate("held", MARGIN / 2, 0.05, 16) > 0.9
    assert rate("failed", 3 * MARGIN, 0.1, 8) > 0.9
    assert rate("cannot tell", 0.0, 2.0, 5) > 0.9


@pytest.mark.parametrize("truth", [0.0, MARGIN])
def test_a_family_of_true_claims_has_a_failure_in_at_most_five_of_a_hundred(truth: float) -> None:
    size, seeds = 8, 5
    drawn = samples(truth, 0.1, seeds, DRAWS * size, seed=1)
    families = [drawn[i : i + size] for i in range(0, len(drawn), size)]
    failed, alone = 0, 0
    for family in families:
        claims = [Claim(value=0.0, estimate=s, margin=MARGIN) for s in family]
        failed += any(found.verdict == "failed" for found in judge(claims))
        alone += any(judge([claim])[0].verdict == "failed" for claim in claims)
    assert failed / DRAWS <= at_most(0.05)
    if truth:  # negative control: each judged alone
        assert alone / DRAWS > 0.1


def test_an_error_that_all_seeds_share_counts() -> None:
    """The start was counted: its error moves all seeds of a draw alike. Who forgets it rejects far too often."""
    rng, shared, seeds = np.random.default_rng(2), 0.3, 16
    starts = rng.normal(0.0, shared, size=DRAWS)
    found = [interval(v) for v in starts[:, None] + rng.normal(0.0, 0.2, size=(DRAWS, seeds))]

    def failed(stderr: float) -> float:
        claims = [Claim(value=0.0, estimate=s, margin=0.0, stderr=stderr) for s in found]
        return sum(judge([claim])[0].verdict == "failed" for claim in claims) / DRAWS

    assert failed(shared) <= at_most(0.05)
    assert failed(0.0) > 0.5


def test_a_claim_that_is_itself_uncertain_is_held_no_sooner() -> None:
    """Off by twice the margin, with an error of the claim of one margin: who forgets it holds far too often."""
    rng, shared = np.random.default_rng(5), MARGIN
    truths = 2 * MARGIN + rng.normal(0.0, shared, size=DRAWS)
    found = [interval(v) for v in truths[:, None] + rng.normal(0.0, 0.02, size=(DRAWS, 5))]

    def held(stderr: float) -> float:
        claims = [Claim(value=0.0, estimate=s, margin=MARGIN, stderr=stderr) for s in found]
        return sum(judge([claim])[0].verdict == "held" for claim in claims) / DRAWS

    assert held(shared) <= at_most(0.025)
    assert held(0.0) > 0.1


@pytest.mark.parametrize(("stderr", "verdict"), [(0.0, "held"), (0.003, "held"), (0.004, "cannot tell")])
def test_held_reaches_as_far_as_the_seeds_and_the_claim_can_be_off(stderr: float, verdict: str) -> None:
    """2.776·√(0.001² + e²) is 0.0028, 0.0088 and 0.0114, of a margin of 0.01; the claim is met exactly."""
    of = Interval(mean=0.3, stderr=0.001, low=0.2972, high=0.3028, n=5)
    assert half_width(of, stderr) == pytest.approx(stats.t.ppf(0.975, 4) * math.sqrt(0.001**2 + stderr**2))
    assert judge([Claim(value=0.3, estimate=of, margin=0.01, stderr=stderr)])[0].verdict == verdict


def test_the_p_value_is_that_of_the_nearer_edge() -> None:
    values = np.random.default_rng(3).normal(0.5, 0.3, size=7)
    of, edge = interval(values), MARGIN
    nearer = edge if values.mean() > edge else -edge
    assert mean_pvalue(of, margin=MARGIN) == pytest.approx(stats.ttest_1samp(values, nearer).pvalue)
    assert mean_pvalue(of, of.mean + 0.9 * MARGIN, margin=MARGIN) == 1.0


@pytest.mark.parametrize("seed", range(40))
def test_failed_is_where_the_interval_misses_the_whole_margin_and_held_where_it_lies_in_it(seed: int) -> None:
    """The rule read off the interval, in other words than the code's."""
    rng = np.random.default_rng(seed)
    claim, of = rng.normal(), interval(rng.normal(size=6) * 10 ** rng.uniform(-2, 0) + rng.normal(0, 0.15))
    low, high = of.low - claim, of.high - claim
    verdict = judge([Claim(value=claim, estimate=of, margin=MARGIN)])[0].verdict
    if low > MARGIN or high < -MARGIN:
        assert verdict == "failed"
    elif (low >= -MARGIN and high <= MARGIN) or (low <= 0 <= high and high - low <= 2 * MARGIN):
        assert verdict == "held"
    else:
        assert verdict == "cannot tell"


def test_the_case_that_the_margin_was_made_for() -> None:
    """Predicted −92.0 points, measured −91.9 [−92.0, −91.8]."""
    of = Interval(mean=-0.919, stderr=0.00036, low=-0.920, high=-0.918, n=5)
    found = judge([Claim(value=-0.9201, estimate=of, margin=0.01)])[0]
    assert found.verdict == "held"
    assert (found.pvalue < 0.05, found.margin_pvalue) == (True, 1.0)


def test_seeds_that_all_end_alike_are_compared_to_the_toys_own_error() -> None:
    same = interval(np.full(4, 0.25))
    for claim, margin, verdict in (
        (0.25, 0.01, "held"), (0.2549, 0.01, "held"), (0.27, 0.01, "failed"), (0.25 + NUMERICAL / 2, 0.01, "held"),
    ):  # fmt: skip
        assert judge([Claim(value=claim, estimate=same, margin=margin)])[0].verdict == verdict


@pytest.mark.parametrize("seeds", [2, 3, 5, 48])
@pytest.mark.parametrize("value", [0.1, 0.2, 0.3, 0.7, -0.9, 17.3])
def test_rounding_decides_nothing(value: float, seeds: int) -> None:
    """None of these numbers is a binary fraction: of three seeds of 0.2 the standard error is 2e-17, not 0."""
    same, margin = interval(np.full(seeds, value)), 0.01
    for claim in (value, value + NUMERICAL / 2, value + NUMERICAL, value - NUMERICAL):
        assert mean_pvalue(same, claim) == 1.0
    assert mean_pvalue(same, value + 1.001 * NUMERICAL) == 0.0
    for claim in (value + margin, value - margin, value + 0.1 - 0.09, value + 0.1 - 0.11):  # exactly at the margin
        found = judge([Claim(value=claim, estimate=same, margin=margin)])[0]
        assert (found.verdict, found.margin_pvalue) == ("held", 1.0)
    assert judge([Claim(value=value + 1.001 * margin, estimate=same, margin=margin)])[0].verdict == "failed"
    of = interval(np.full(seeds, value + 0.1) - np.full(seeds, value))  # the rounding of a difference
    assert mean_pvalue(of, 0.1) == 1.0
    assert judge_rise(same, value) == "cannot tell"


def test_seeds_that_differ_by_more_than_rounding_are_tested_as_they_are() -> None:
    values = 0.2 + 1e-12 * np.array([-1.0, 0.5, 0.5])
    assert mean_pvalue(interval(values), 0.2 + 1e-12) == pytest.approx(
        stats.ttest_1samp(values, 0.2 + 1e-12).pvalue, rel=1e-6
    )


def test_a_rise_is_held_above_its_margin_and_failed_below() -> None:
    for low, high, verdict in ((0.02, 0.03, "held"), (-0.02, 0.005, "failed"), (0.005, 0.02, "cannot tell")):
        of = Interval(mean=(low + high) / 2, stderr=0.001, low=low, high=high, n=5)
        assert judge_rise(of, 0.01) == verdict
