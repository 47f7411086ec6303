"""The Monte Carlo against enumeration and closed form, by z-score with its own standard errors."""

from dataclasses import replace

import numpy as np
import pytest

from clipbias.simulate.compiled import groups
from clipbias.simulate.compiled.tabular import CHUNK, simulate
from clipbias.simulate.exact.enumeration import enumerate_phase
from clipbias.theory.law import Law
from clipbias.theory.laws.evolve import evolve
from clipbias.theory.laws.phase import phase
from clipbias.theory.setup import PROB_THRESHOLDS, QUANTILE_LEVELS, PhaseConfig
from clipbias.theory.surrogate import PpoClip
from setups import SMALL, STANDARD, TINY

pytestmark = pytest.mark.statistical

FIELDS = ("logit_shift", "prob_shift", "prob_std", "log_odds_shift", "entropy_shift")
FRACTIONS = ("clip_low_fraction", "clip_high_fraction")
ENUMERABLE = [
    ((0.65, 0.35), replace(TINY, minibatches=3)),
    (
        (0.85, 0.15),
        PhaseConfig(
            learning_rate=1.4,
            group_size=3,
            groups_per_minibatch=1,
            minibatches=3,
            success_prob=0.3,
            surrogate=PpoClip(0.1, 0.3),
            scale="std-unbiased",
        ),
    ),
    (
        (0.6, 0.4),
        replace(TINY, learning_rate=1.5, groups_per_minibatch=2, success_prob=0.6, surrogate=PpoClip(0.15, None)),
    ),
    ((0.5, 0.3, 0.2), replace(TINY, learning_rate=1.2, group_size=3, success_prob=0.6, surrogate=PpoClip(0.2, 0.1))),
    ((0.2, 0.7, 0.1), replace(TINY, learning_rate=3.0, minibatches=3, surrogate=PpoClip(None, 0.15), scale="none")),
]


def z_scores(found: Law, expected, fields=FIELDS + FRACTIONS) -> np.ndarray:
    """(found − expected)/stderr of every field; where the estimate has no spread it must be exact."""
    scores = []
    for name in fields:
        estimate = getattr(found, name)
        error = np.atleast_1d(estimate.value - np.asarray(getattr(expected, name)))
        stderr = np.atleast_1d(estimate.stderr)
        assert abs(error[stderr == 0]).max(initial=0.0) < 1e-4
        scores.extend(error[stderr > 0] / stderr[stderr > 0])
    return np.array(scores)


@pytest.mark.parametrize("max_table", [1, groups.MAX_TABLE], ids=["drawn", "tabled"])
@pytest.mark.parametrize(("probs", "config"), ENUMERABLE)
def test_agrees_with_enumeration(probs, config, max_table, monkeypatch):
    """Both ways of drawing counts: from tables of the first phase's b, and as in later phases."""
    monkeypatch.setattr(groups, "MAX_TABLE", max_table)
    found = simulate(probs, config, 1, 1_000_000, seed=1)
    scores = z_scores(found, enumerate_phase(probs, config))
    assert len(scores) >= 9
    assert abs(scores).max() < 4


def test_swapped_sides_disagree_with_enumeration():
    probs, config = ENUMERABLE[3]
    swapped = replace(config, surrogate=PpoClip(config.surrogate.high, config.surrogate.low))
    found = simulate(probs, swapped, 1, 1_000_000, seed=1)
    assert abs(z_scores(found, enumerate_phase(probs, config))).max() > 20


DRAWN_REPLICATES = 400_000


def drawn_configs() -> list[tuple[float, PhaseConfig]]:
    rng = np.random.default_rng(20250611)
    cases = []
    for _ in range(24):
        size = int(rng.choice([2, 3, 4, 6, 8, 16, 24, 32]))
        clip = PpoClip(*(None if rng.random() < 0.15 else float(rng.uniform(0.05, 0.4)) for _ in range(2)))
        groups, minibatches = int(rng.integers(1, 7)), int(rng.integers(1, 12))
        rate = float(rng.uniform(0.2, 3.0)) * np.sqrt(groups * size / 64)
        scale = ("std", "std-unbiased", "none")[rng.integers(3)]
        config = PhaseConfig(
            learning_rate=rate,
            group_size=size,
            groups_per_minibatch=groups,
            minibatches=minibatches,
            success_prob=float(rng.uniform(0.1, 0.9)),
            surrogate=clip,
            scale=scale,
        )
        cases.append((float(rng.uniform(0.05, 0.95)), config))
    return cases


@pytest.mark.parametrize(("prob", "config"), drawn_configs())
def test_agrees_with_the_closed_form(prob, config):
    found = simulate((prob, 1 - prob), config, 1, DRAWN_REPLICATES, seed=3)
    law = phase(prob, config)
    expected = {
        "log_odds_shift": law.log_odds_shift,
        "log_odds_std": law.log_odds_std,
        "prob_shift": np.array(law.mean_prob_shift),
        "prob_std": np.array(law.prob_std),
        "clip_low_fraction": np.array(law.clip_low_fraction),
        "clip_high_fraction": np.array(law.clip_high_fraction),
        "entropy_shift": law.entropy_shift,
    }
    for name, value in expected.items():
        estimate = getattr(found, name)
        seen = (
            np.atleast_1d(estimate.value) * DRAWN_REPLICATES * config.group_size > 1000
        )  # whole groups are clipped at once
        tolerance = 4 * np.atleast_1d(estimate.stderr) + np.where(seen | (name not in FRACTIONS), 1e-12, 1e-4)
        assert (abs(np.atleast_1d(estimate.value - value)) <= tolerance).all(), name


def test_swapped_sides_disagree_with_the_closed_form():
    config = replace(STANDARD, surrogate=PpoClip(0.1, 0.3))
    swapped = replace(config, surrogate=PpoClip(0.3, 0.1))
    found = simulate((0.65, 0.35), swapped, 1, 100_000, seed=3).log_odds_shift
    assert abs(found.value - phase(0.65, config).log_odds_shift) > 20 * found.stderr


@pytest.mark.parametrize("group_size", [16, 80, 1500])
def test_own_draws_agree_with_the_tables(group_size):
    """In later phases counts are drawn from each policy's own probabilities; both roads lead to T10's law."""
    config = replace(
        STANDARD,
        learning_rate=0.8 * np.sqrt(group_size / 16),
        group_size=group_size,
        minibatches=4,
        surrogate=PpoClip(0.2, 0.28),
    )
    found = simulate((0.65, 0.35), config, 4, 60_000, seed=5)
    if group_size == 16:
        law = evolve(0.65, config, 4).laws[-1]
        expected = {"log_odds_mean": law.mean, "log_odds_std": law.std, "entropy_mean": law.entropy_mean}
        for name, value in expected.items():
            estimate = getattr(found, name)
            assert abs(estimate.value - value) < 4 * estimate.stderr, name
        for threshold in PROB_THRESHOLDS:
            estimate = found.prob_above(threshold)
            assert abs(estimate.value[0] - law.prob_above(threshold)) < 4 * estimate.stderr[0] + 2e-4
        for level in QUANTILE_LEVELS:
            estimate = found.quantile(level)
            value = 1 / (1 + np.exp(-law.quantile(level)))
            assert abs(estimate.value[0] - value) < 4 * estimate.stderr[0] + 1e-4
    else:
        other = simulate((0.35, 0.65), config, 4, 60_000, seed=6)  # the same by symmetry, other draws
        difference = found.log_odds_mean.value + other.log_odds_mean.value
        assert abs(difference) < 4 * np.hypot(found.log_odds_mean.stderr, other.log_odds_mean.stderr)
        assert found.log_odds_std.value == pytest.approx(float(other.log_odds_std.value), rel=0.02)


def test_the_ratio_is_inert_in_the_only_minibatch():
    config = replace(SMALL, learning_rate=2.0, group_size=8, minibatches=1, surrogate=PpoClip(0.01, 0.01))
    found = simulate((0.7, 0.3), config, 3, 20_000, seed=0)
    unclipped = simulate((0.7, 0.3), replace(config, surrogate=PpoClip(None, None)), 3, 20_000, seed=0)
    np.testing.assert_array_equal(found.logit_shift.value, unclipped.logit_shift.value)
    assert not found.clip_low_fraction.value.any()
    assert not found.clip_high_fraction.value.any()


def numbers(result: Law) -> np.ndarray:
    parts = [getattr(result, name) for name in (*FIELDS, *FRACTIONS, "log_odds_std", "entropy_mean")]
    parts += [result.quantile(level) for level in QUANTILE_LEVELS]
    parts += [result.prob_above(threshold) for threshold in PROB_THRESHOLDS]
    return np.concatenate([np.ravel(array) for part in parts for array in (part.value, part.stderr)])


def test_threads_do_not_matter_and_seeds_do():
    config, replicates = ENUMERABLE[3][1], 3 * CHUNK + 17
    one, three, other = (
        numbers(simulate((0.5, 0.3, 0.2), config, 2, replicates, seed, threads=threads))
        for seed, threads in ((4, 1), (4, 3), (5, 1))
    )
    np.testing.assert_array_equal(one, three)
    assert (one != other).any()


def test_progress_ends_at_the_number_of_replicates():
    done: list[int] = []
    simulate((0.5, 0.5), ENUMERABLE[0][1], 1, 300_000, 0, progress=done.append)
    assert done == sorted(done)
    assert done[-1] == 300_000
    assert len(done) > 1


def test_standard_errors_are_calibrated():
    """z-scores over seeds are standard normal: variance 1 within 4 of its standard errors."""
    probs, config = ENUMERABLE[0]
    exact = enumerate_phase(probs, config)
    seeds = 400
    for name in ("log_odds_shift", "prob_std", "clip_high_fraction"):
        scores = []
        for seed in range(seeds):
            estimate = getattr(simulate(probs, config, 1, 4000, seed, threads=1), name)
            error = np.ravel(estimate.value - getattr(exact, name))[-1]
            scores.append(error / np.ravel(estimate.stderr)[-1])
        assert abs(np.mean(scores)) < 4 / np.sqrt(seeds), name
        assert abs(np.var(scores) - 1) < 4 * np.sqrt(2 / seeds), name


def test_a_quantile_of_a_law_on_one_point_is_known_to_its_bin():
    config = replace(TINY, learning_rate=0.0, group_size=4)
    found = simulate((0.65, 0.35), config, 1, 2000, 0)
    for level in QUANTILE_LEVELS:
        estimate = found.quantile(level)
        assert abs(estimate.value[0] - 0.65) < 2 * estimate.stderr[0]
        assert estimate.stderr[0] < 6e-4


def test_quantile_errors_are_calibrated():
    config = replace(STANDARD, minibatches=4)
    reference = simulate((0.6, 0.4), config, 2, 400_000, seed=1000).quantile(0.25).value[0]
    estimates = [simulate((0.6, 0.4), config, 2, 2000, seed).quantile(0.25) for seed in range(100)]
    scores = [(e.value[0] - reference) / e.stderr[0] for e in estimates]
    assert abs(np.mean(scores)) < 0.5
    assert abs(np.var(scores) - 1) < 4 * np.sqrt(2 / 100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phases": 0}, r"phases must be in \[1, 1000000\], got 0"),
        ({"replicates": 1}, r"replicates must be in \[2, 1000000000\], got 1"),
        ({"seed": -1}, r"seed must be in \[0, 9223372036854775807\], got -1"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"probs": (0.5, 0.6)}, "probs must be at least two numbers in"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    arguments = {"probs": (0.5, 0.5), "config": ENUMERABLE[0][1], "phases": 1, "replicates": 2, "seed": 0, **change}
    with pytest.raises(ValueError, match=message):
        simulate(**arguments)
