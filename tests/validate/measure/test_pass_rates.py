"""Rates of nested answers: pass@k by counting choices, intervals by how often they hold the truth."""

import itertools
from math import comb

import numpy as np
import pytest

from clipbias.validate.measure.pass_rates import pass_at, rate


@pytest.mark.parametrize(("n", "c"), [(n, c) for n in (1, 2, 5, 8) for c in range(n + 1)])
def test_pass_at_k_is_the_share_of_choices_with_a_right_answer(n: int, c: int) -> None:
    answers = [True] * c + [False] * (n - c)
    for k in range(1, n + 1):
        chosen = [any(some) for some in itertools.combinations(answers, k)]
        assert pass_at(np.array([n]), np.array([c]), k)[0] == pytest.approx(np.mean(chosen), abs=1e-12)


def test_pass_at_k_with_many_answers() -> None:
    for n, c, k in ((1024, 3, 512), (4096, 1, 2), (1000, 999, 1), (1000, 1, 999)):
        expected = 1 - comb(n - c, k) / comb(n, k)
        assert pass_at(np.array([n]), np.array([c]), k)[0] == pytest.approx(expected, rel=1e-9)


def test_rates_are_those_of_all_answers() -> None:
    found = rate(np.array([3, 0, 1]), np.array([4, 0, 8]))
    assert found is not None
    assert (found.value, found.problems, found.answers) == (4 / 12, 2, 12)
    assert rate(np.array([0, 0]), np.array([0, 0])) is None
    alone = rate(np.array([3]), np.array([4]))
    assert alone is not None
    assert (alone.low, alone.high) == (0.0, 1.0)  # of one problem nothing is known about others


def test_an_interval_does_not_vanish_where_all_is_right() -> None:
    found = rate(np.full(30, 8.0), np.full(30, 8.0))
    assert found is not None
    assert found.high == 1.0
    assert 0.85 < found.low < 0.92  # 30 problems say this much, not 240 answers (0.98)


@pytest.mark.statistical
@pytest.mark.parametrize(("mean", "alike"), [(0.5, 4.0), (0.2, 1.0), (0.05, 2.0), (0.8, 1e4)])
def test_intervals_hold_the_truth_as_often_as_they_say(mean: float, alike: float) -> None:
    """60 problems whose difficulties are Beta(mean·alike, (1 − mean)·alike), 8 answers to each, 4,000 times.

    The interval is on the safe side, as Clopper's and Pearson's is: 95 % or more, where the Monte Carlo error is 0.34.
    Taking the 480 answers for independent must fail unless all problems are alike.
    """
    rng = np.random.default_rng(5)
    inside, naive, trials = 0, 0, 4000
    for _ in range(trials):
        difficulty = rng.beta(mean * alike, (1 - mean) * alike, size=60)
        right = rng.binomial(8, difficulty).astype(float)
        found = rate(right, np.full(60, 8.0))
        assert found is not None
        inside += found.low <= mean <= found.high
        half = 1.96 * np.sqrt(found.value * (1 - found.value) / 480)
        naive += abs(found.value - mean) <= half
    assert 0.94 < inside / trials < 0.99
    assert (naive / trials < 0.9) == (alike < 100)


@pytest.mark.statistical
def test_a_rate_given_a_condition_holds_as_well() -> None:
    """Accuracy of answers with code, where problems differ in both: a ratio of two sums; the truth by many problems."""
    rng = np.random.default_rng(6)

    def draw(problems: int) -> tuple[np.ndarray, np.ndarray]:
        coded = rng.binomial(8, rng.beta(2, 1, problems))
        return rng.binomial(coded, rng.beta(1, 1, problems)).astype(float), coded.astype(float)

    right, coded = draw(4_000_000)
    truth = right.sum() / coded.sum()
    inside = 0
    for _ in range(3000):
        found = rate(*draw(80))
        assert found is not None
        inside += found.low <= truth <= found.high
    assert 0.94 < inside / 3000 < 0.99
