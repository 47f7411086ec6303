"""T4, T5 and T10 against the compiled Monte Carlo over drawn two-outcome set-ups, inside their stated domains."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import kstest

from clipbias.simulate.compiled.tabular import simulate
from clipbias.theory.laws.evolve import evolve, large_steps
from clipbias.theory.laws.paths import PathsResult, paths
from clipbias.theory.laws.phase import phase
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import PpoClip

pytestmark = pytest.mark.statistical

SET_UPS, LONG_RUNS, MANY_OUTCOMES = 200, 200, 40
SIZES = [(4, 1), (8, 1), (8, 8), (16, 4), (16, 5), (16, 8)]  # G and N, among them those that T4 solves fastest


def drawn(rng: np.random.Generator) -> tuple[float, PhaseConfig]:
    size, groups = SIZES[rng.integers(len(SIZES))]
    sides = [None if rng.random() < 0.2 else float(rng.uniform(0.05, 0.5)) for _ in range(2)]
    return float(rng.uniform(0.05, 0.95)), PhaseConfig(
        learning_rate=float(np.exp(rng.uniform(np.log(0.2), np.log(2.0)))),
        group_size=size,
        groups_per_minibatch=groups,
        minibatches=int(rng.integers(2, 9)),
        success_prob=float(rng.uniform(0.1, 0.9)),
        surrogate=PpoClip(*sides),
        scale=("std", "std-unbiased", "none")[rng.integers(3)],
    )


def followed(probs: Sequence[float], config: PhaseConfig, seed: int) -> PathsResult | None:
    """T5, or None where it warns."""
    found = paths(probs, config, points=128, seed=seed)
    return None if found.warnings else found


def test_one_phase() -> None:
    """T4: the mean shift within 2 % or 4 standard errors, z-scores standard normal. T5: within 5 % or 4 standard errors
    of the simulation and 4.9 of its own (t with 15 degrees of freedom), where it does not warn."""
    rng, z, compared = np.random.default_rng(0), [], 0
    for seed in range(SET_UPS):
        prob, config = drawn(rng)
        sampled = simulate((prob, 1 - prob), config, 1, 20_000, seed).log_odds_shift
        law = phase(prob, config)
        distance, error = law.log_odds_shift - float(sampled.value), float(sampled.stderr)
        assert abs(distance) < max(0.02 * abs(law.log_odds_shift), 4 * error), (prob, config)
        z.append(distance / error)
        found = followed((prob, 1 - prob), config, seed)
        if found is not None:
            compared += 1
            shift, own = float(found.log_odds_shift.value[0]), float(found.log_odds_shift.stderr[0])
            allowed = max(0.05 * abs(law.log_odds_shift), 4 * error) + 4.9 * own
            assert abs(shift - law.log_odds_shift) < allowed, (prob, config)
    assert compared > SET_UPS / 2
    assert kstest(z, "norm").pvalue > 0.01


def test_more_outcomes() -> None:
    """T5 for 3 to 10 outcomes, as above, every outcome's logit."""
    rng, compared = np.random.default_rng(2), 0
    for seed in range(MANY_OUTCOMES):
        _, config = drawn(rng)
        probs = rng.dirichlet(np.full(rng.integers(3, 11), 2.0)) * 0.95
        probs += 0.05 / len(probs)
        found = followed(probs, config, seed)
        if found is not None:
            compared += 1
            sampled = simulate(probs, config, 1, 20_000, seed).logit_shift
            allowed = np.maximum(0.05 * np.abs(sampled.value), 4 * sampled.stderr) + 4.9 * found.logit_shift.stderr
            assert np.all(np.abs(found.logit_shift.value - sampled.value) < allowed), (probs, config)
    assert compared > MANY_OUTCOMES / 2


def test_many_phases() -> None:
    """T10 over four phases, in 200 set-ups where it does not warn: the mean shift within 2 % or 4 standard errors,
    z-scores standard normal; the spread within 4 standard errors and 1 %."""
    rng, z, seed = np.random.default_rng(1), [], 0
    while len(z) < LONG_RUNS:
        prob, config = drawn(rng)
        config = replace(config, minibatches=min(config.minibatches, 5))  # for time: the lattice grows with them
        seed += 1
        if large_steps(prob, config):
            continue
        found = evolve(prob, config, 4)
        assert not found.warnings
        law = found.laws[-1]
        sampled = simulate((prob, 1 - prob), config, 4, 10_000, seed)
        shift, error = law.mean - float(logit(prob)), float(sampled.log_odds_shift.stderr)
        distance, spread = shift - float(sampled.log_odds_shift.value), sampled.log_odds_std
        assert abs(distance) < max(0.02 * abs(shift), 4 * error), (prob, config)
        assert abs(law.std - float(spread.value)) < math.hypot(4 * float(spread.stderr), 0.01 * law.std), (prob, config)
        z.append(distance / error)
    assert seed < 1.5 * LONG_RUNS
    assert kstest(z, "norm").pvalue > 0.01
