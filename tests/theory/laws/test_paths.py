"""T5 and T10 for K outcomes against the lattice, against enumeration and against the compiled Monte Carlo."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logit, logsumexp

from clipbias.simulate.compiled.tabular import simulate
from clipbias.simulate.exact.enumeration import enumerate_phase
from clipbias.theory.estimate import Estimate
from clipbias.theory.laws.evolve import evolve
from clipbias.theory.laws.paths import _log_rest, paths
from clipbias.theory.laws.phase import phase
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, Cispo, Dppo, Gspo, PpoClip, Probability, Sapo, Surrogate
from setups import ONE_STEP, STANDARD, TINY

pytestmark = pytest.mark.statistical


def close(found: Estimate, value: np.ndarray | float, error: np.ndarray | float = 0.0, slack: float = 0.0) -> None:
    """Within four standard errors of both, each of which has its own (t with 15 degrees of freedom: 4.9 for 4 σ)."""
    distance = np.abs(found.value - value) - slack
    assert np.all(distance < 4.9 * np.hypot(found.stderr, error) + 1e-12), (found, value, error)


SURROGATES = [
    UNCLIPPED, PpoClip(0.2, 0.2), PpoClip(0.2, None), PpoClip(None, 0.2), PpoClip(0.2, 0.2, 1.25), Cispo(1.1),
    Sapo(1.0, 4.0), Dppo(0.05, 0.1), Gspo(0.05, 0.04, 3), Probability(),
]  # fmt: skip


@pytest.mark.parametrize("surrogate", SURROGATES, ids=str)
@pytest.mark.parametrize("gamma", [0.5, (0.8, 0.4)])
def test_two_outcomes_are_t4(surrogate: Surrogate, gamma: float | tuple[float, float]) -> None:
    """The same normal step on the lattice, free of sampling error."""
    config = replace(STANDARD, minibatches=6, success_prob=gamma, surrogate=surrogate)
    found, lattice = paths((0.65, 0.35), config, points=4096), phase(0.65, config, "gaussian", resolution=24)
    slack = 1e-3 * lattice.log_odds_std
    close(found.log_odds_shift[0], lattice.log_odds_shift, 0, slack)
    close(found.log_odds_std[0], lattice.log_odds_std, 0, slack)
    close(found.prob_shift, np.array(lattice.mean_prob_shift), 0, slack)
    close(found.entropy_shift, lattice.entropy_shift, 0, slack)
    close(found.clip_low_fraction, np.array(lattice.clip_low_fraction), 0, 1e-3)
    close(found.clip_high_fraction, np.array(lattice.clip_high_fraction), 0, 1e-3)


def test_more_outcomes_than_the_sequence_has_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="probs must have at most 10600 entries"):
        paths(np.full(10_601, 1 / 10_601), replace(ONE_STEP, group_size=16, surrogate=UNCLIPPED))


def test_swapped_sides_are_noticed() -> None:
    right, wrong = (paths((0.65, 0.35), replace(STANDARD, surrogate=clip)) for clip in SURROGATES[2:4])
    assert right.log_odds_shift.value[0] < -0.02 < 0.02 < wrong.log_odds_shift.value[0]


def test_the_step_has_the_moments_of_the_enumeration() -> None:
    """One mini-batch: the normal law has the exact mean and covariance, for any K and rewards by outcome."""
    for probs, gamma in [((0.5, 0.3, 0.2), 0.4), ((0.5, 0.3, 0.2), (0.9, 0.2, 0.5)), ((0.9, 0.1), (0.5, 0.0))]:
        config = replace(ONE_STEP, learning_rate=0.05, success_prob=gamma)
        found, exact = paths(probs, config, points=4096), enumerate_phase(probs, config)
        close(found.logit_shift, exact.logit_shift)
        close(found.logit_std, np.sqrt(exact.logit_variance))


@pytest.mark.parametrize("phases", [1, 4])
def test_many_outcomes_agree_with_the_compiled_simulator(phases: int) -> None:
    probs = np.array([0.4, 0.25, 0.2, 0.1, 0.05])
    config = replace(STANDARD, groups_per_minibatch=8, minibatches=6, surrogate=PpoClip(0.2, 0.28))
    found = paths(probs, config, phases)
    sampled = simulate(probs, config, phases, 60_000, seed=3)
    for name in ("logit_shift", "prob_shift", "prob_std", "entropy_shift", "clip_low_fraction", "clip_high_fraction"):
        theirs = getattr(sampled, name)
        close(getattr(found, name), theirs.value, theirs.stderr, 2e-4)


def test_many_phases_of_two_outcomes_are_t10() -> None:
    config = replace(STANDARD, learning_rate=0.5, minibatches=4, success_prob=(0.5, 0.45))
    found, law = paths((0.65, 0.35), config, 10), evolve(0.65, config, 10, "gaussian").laws[-1]
    slack = 5e-3 * law.std
    shift = found.log_odds_shift[0]
    close(shift, law.mean - float(logit(0.65)), 0, slack)
    close(found.log_odds_std[0], law.std, 0, slack)
    close(found.entropy_mean, law.entropy_mean, 0, slack)


def test_the_stated_errors_are_those_of_repeated_runs() -> None:
    config = replace(STANDARD, minibatches=4)
    runs = [paths((0.5, 0.3, 0.2), config, points=128, seed=seed).entropy_shift for seed in range(40)]
    spread = np.std([float(run.value) for run in runs], ddof=1)
    stated = math.sqrt(np.mean([float(run.stderr) ** 2 for run in runs]))
    assert 0.7 < spread / stated < 1.4


def test_fewer_points_are_needed_than_at_random() -> None:
    config = STANDARD
    found = paths((0.65, 0.35), config)
    at_random = found.log_odds_std.value[0] / math.sqrt(16 * 1024)
    assert found.log_odds_shift.stderr[0] < at_random / 1.5


def test_single_jumps_are_warned_of_and_nothing_else() -> None:
    probs = (0.93, 0.07)
    rare = replace(STANDARD, groups_per_minibatch=2, success_prob=0.3, surrogate=PpoClip(0.2, 0.28))
    (doubt,) = paths(probs, replace(rare, learning_rate=2.5), points=2).warnings
    assert re.search(r"expected 2\.2 times .* means may err", doubt)
    assert paths(probs, replace(rare, learning_rate=0.3), points=2).warnings == ()
    assert paths(probs, replace(rare, learning_rate=2.5, surrogate=UNCLIPPED), points=2).warnings == ()


def test_log_odds_lose_no_digits() -> None:
    z = np.array([[0.0, -40.0, -41.0], [0.0, 0.0, -3.0], [2.0, 1.0, 0.0]])
    for a in range(3):
        expected = logsumexp(np.delete(z, a, axis=1), axis=1)
        np.testing.assert_allclose(_log_rest(z)[:, a], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("points", "phases", "words"), [(3, 1, "points must be a power of 2"), (2, 0, "phases must")])
def test_errors_name_the_field(points: int, phases: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        paths((0.5, 0.5), replace(TINY, group_size=4), phases, points)


def test_long_jumps_of_few_samples_are_doubted_without_bounds() -> None:
    """Enumeration gives a log-odds shift of 0.766, paths 0.687."""
    config = PhaseConfig(
        learning_rate=1.911,
        group_size=2,
        groups_per_minibatch=1,
        minibatches=3,
        success_prob=(0.99, 0.631),
        surrogate=Sapo(1.0, 2.0),
    )
    (doubt,) = paths((0.6933, 0.3067), config, points=64).warnings
    assert "one sample moves its logit" in doubt
