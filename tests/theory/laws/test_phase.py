"""T4 against direct Monte Carlo, a table of it, exact enumeration, and itself on finer lattices."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from clipbias.theory.formulas.advantage import advantage_moments
from clipbias.theory.formulas.covariance import gradient_covariance
from clipbias.theory.formulas.drift import expected_gradient
from clipbias.theory.laws.atoms import advantage_sums, propagate_atoms
from clipbias.theory.laws.lattice import propagate_lattice
from clipbias.theory.laws.phase import first_step_std, phase
from clipbias.theory.laws.two_outcome_step import step_geometry, step_moments
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import PpoClip
from setups import SMALL, STANDARD, TINY

pytestmark = pytest.mark.statistical

# p, η, ε_l, ε_h, N, γ, Monte Carlo mean of the change of x, its standard error, its standard deviation (T4)
TABLE = [
    (0.65, 0.5, 0.2, 0.2, 4, 0.5, 0.00395, 0.00024, 0.154),
    (0.65, 1.0, 0.2, 0.2, 4, 0.5, 0.02586, 0.00031, 0.198),
    (0.65, 1.0, 0.2, None, 4, 0.5, -0.03209, 0.00039, 0.250),
    (0.65, 2.0, 0.2, 0.28, 4, 0.5, 0.02277, 0.00046, 0.29),
]
RARE = (0.93, 1.3, 0.2, 0.28, 2, 0.3, 0.0167, 0.0003)


def config(
    eta: float, low: float | None, high: float | None, groups: int, gamma: float, minibatches: int = 8
) -> PhaseConfig:
    return PhaseConfig(
        learning_rate=eta,
        group_size=16,
        groups_per_minibatch=groups,
        minibatches=minibatches,
        success_prob=gamma,
        surrogate=PpoClip(low, high),
    )


@pytest.mark.parametrize("method", ["exact", "gaussian"])
@pytest.mark.parametrize(("p", "eta", "low", "high", "groups", "gamma", "mean", "stderr", "std"), TABLE)
def test_the_table(
    p: float, eta: float, low: float | None, high: float | None, groups: int, gamma: float, mean: float, stderr: float,
    std: float, method: str,
) -> None:  # fmt: skip
    found = phase(p, config(eta, low, high, groups, gamma), method)
    assert abs(found.log_odds_shift - mean) < 2 * stderr + 0.02 * abs(mean)
    assert found.log_odds_std == pytest.approx(std, abs=6e-3)


@pytest.mark.parametrize("case", [TABLE[1], TABLE[2], RARE])
def test_exact_agrees_with_monte_carlo(case: tuple, sampled_log_odds: Callable[..., np.ndarray]) -> None:
    p, plan = case[0], config(*case[1:6])
    found = phase(p, plan, "exact", resolution=24)
    changes = sampled_log_odds(p, plan, 1, 300_000, seed=1) - logit(p)
    stderr = changes.std() / math.sqrt(len(changes))
    assert abs(found.log_odds_shift - changes.mean()) < 4 * stderr
    kurtosis = ((changes - changes.mean()) ** 4).mean() / changes.var() ** 2
    spread_error = math.sqrt((kurtosis - 1) / 4 / len(changes))
    assert abs(found.log_odds_std / changes.std() - 1) < 4 * spread_error
    prob_change = expit(logit(p) + changes) - p
    assert abs(found.mean_prob_shift[0] - prob_change.mean()) < 4 * prob_change.std() / math.sqrt(len(changes))


def test_the_gaussian_step_errs_for_rare_outcomes_and_the_exact_one_does_not() -> None:
    p, mean, stderr = RARE[0], RARE[6], RARE[7]
    plan = config(*RARE[1:6])
    assert abs(phase(p, plan, "gaussian").log_odds_shift - mean) > 5 * stderr
    assert abs(phase(p, plan, "exact").log_odds_shift - mean) < 2 * stderr + 0.02 * mean


def test_swapped_clip_sides_are_noticed() -> None:
    """Negative control: 0.2/none is not none/0.2."""
    right = phase(0.65, config(1.0, 0.2, None, 4, 0.5)).log_odds_shift
    wrong = phase(0.65, config(1.0, None, 0.2, 4, 0.5)).log_odds_shift
    assert right < -0.03 < 0.03 < wrong


@settings(max_examples=12)
@given(
    p=st.floats(0.05, 0.95), eta=st.floats(0.1, 2.0), groups=st.integers(1, 4), gamma=st.floats(0.1, 0.9),
    method=st.sampled_from(["exact", "gaussian"]),
)  # fmt: skip
def test_an_inert_or_absent_clip_does_not_drift(p: float, eta: float, groups: int, gamma: float, method: str) -> None:
    for plan in (config(eta, 0.2, 0.2, groups, gamma, minibatches=1), config(eta, None, None, groups, gamma)):
        found = phase(p, plan, method)
        assert abs(found.log_odds_shift) < 1e-6 * found.log_odds_std
        assert not any(found.clip_low_fraction)
        assert not any(found.clip_high_fraction)


@given(p=st.floats(0.02, 0.98), move=st.floats(-0.8, 0.8), gamma=st.floats(0.1, 0.9),
       low=st.one_of(st.none(), st.floats(0.05, 0.9)), high=st.one_of(st.none(), st.floats(0.05, 0.9)))  # fmt: skip
def test_the_step_on_the_lattice_is_t2_and_t3(
    p: float, move: float, gamma: float, low: float | None, high: float | None
) -> None:
    """The two-outcome sums of the kernel are the K-outcome formulas projected on x = z₁ − z₂."""
    plan = PhaseConfig(
        learning_rate=0.7,
        group_size=12,
        groups_per_minibatch=3,
        minibatches=8,
        success_prob=gamma,
        surrogate=PpoClip(low, high),
        scale="std-unbiased",
    )
    x = float(logit(p)) + move
    mean, variance = step_moments(step_geometry(np.array([move]), 1e-9, p, plan), plan)
    new, old, axis = np.array([expit(x), expit(-x)]), np.array([p, 1 - p]), np.array([1.0, -1.0])
    mu = advantage_moments(12, gamma, "std-unbiased").mu
    assert mean[0] == pytest.approx(0.7 * axis @ expected_gradient(new, old, plan.surrogate, mu), abs=1e-9)
    assert variance[0] == pytest.approx(0.49 * axis @ gradient_covariance(new, old, plan) @ axis, abs=1e-9)


def enumerated(prob: float, plan: PhaseConfig) -> tuple[float, float]:
    """Mean and standard deviation of the change of x, over every outcome and reward of every sample."""
    size = plan.group_size
    patterns = list(itertools.product(itertools.product((0, 1), (0.0, 1.0)), repeat=size))
    old = np.array([prob, 1 - prob])
    laws = []
    for pattern in patterns:
        rewards = np.array([r for _, r in pattern])
        std = rewards.std()
        advantages = (rewards - rewards.mean()) / std if std > 0 else np.zeros(size)
        mass = math.prod(old[a] * (plan.success_prob if r else 1 - plan.success_prob) for a, r in pattern)
        laws.append((mass, [(a, adv) for (a, _), adv in zip(pattern, advantages, strict=True)]))
    states = {float(logit(prob)): 1.0}
    for _ in range(plan.minibatches):
        following: dict[float, float] = {}
        for x, weight in states.items():
            p = np.array([expit(x), expit(-x)])
            ratio = p / old
            for mass, samples in laws:
                total = 0.0
                for a, adv in samples:
                    kept = ratio[a] <= plan.surrogate.upper_bound if adv > 0 else ratio[a] >= plan.surrogate.lower_bound
                    total += adv * kept * ratio[a] * (2 * p[1] if a == 0 else -2 * p[0])
                y = round(x + plan.learning_rate / size * total, 12)
                following[y] = following.get(y, 0.0) + weight * mass
        states = following
    change = np.array(list(states)) - float(logit(prob))
    mass = np.array(list(states.values()))
    mean = float(mass @ change)
    return mean, math.sqrt(float(mass @ change**2) - mean**2)


sides = st.one_of(st.none(), st.floats(0.02, 0.95))


@settings(max_examples=40)
@given(p=st.floats(1e-6, 1 - 1e-6), eta=st.floats(0.05, 3.0), gamma=st.floats(0.02, 0.98), low=sides, high=sides)
def test_atoms_are_enumeration_where_they_never_merge(
    p: float, eta: float, gamma: float, low: float | None, high: float | None
) -> None:
    plan = replace(TINY, learning_rate=eta, minibatches=3, success_prob=gamma, surrogate=PpoClip(low, high))
    mean, std = enumerated(p, plan)
    found = phase(p, plan)
    assert found.log_odds_shift == pytest.approx(mean, abs=1e-11 + 1e-9 * std)  # the enumeration rounds x to 1e-12
    assert found.log_odds_std == pytest.approx(std, rel=1e-9)


# Atoms near a bound: a lattice of 12 points per standard deviation of a step errs by 0.6 to 1.8 % of the phase's.
ATOMIC = [
    (
        0.469,
        PhaseConfig(
            learning_rate=1.4632,
            group_size=4,
            groups_per_minibatch=3,
            minibatches=3,
            success_prob=0.7735,
            surrogate=PpoClip(0.5, 0.1),
            scale="none",
        ),
    ),
    (0.148, replace(SMALL, learning_rate=2.61, group_size=8, minibatches=4)),
    (
        0.9,
        PhaseConfig(
            learning_rate=2.0,
            group_size=8,
            groups_per_minibatch=2,
            minibatches=4,
            success_prob=0.4,
            surrogate=PpoClip(0.2, 0.28),
        ),
    ),
]


@pytest.mark.parametrize(("p", "plan"), ATOMIC)
def test_merged_atoms_agree_with_a_lattice_only_when_it_is_fine(p: float, plan: PhaseConfig) -> None:
    found, std = phase(p, plan), first_step_std(p, plan)

    def error(resolution: float) -> float:
        law = propagate_lattice(p, plan, "exact", std, resolution)
        return abs(float(law.mass @ law.offset) - found.log_odds_shift) / found.log_odds_std

    assert error(64) < 3e-3
    assert error(12) > 4e-3


def test_the_two_roads_agree_where_updates_are_many() -> None:
    """G = 16, N = 1 moves by 900 different amounts; both roads, all their results."""
    plan = replace(STANDARD, learning_rate=0.3, groups_per_minibatch=1, surrogate=PpoClip(0.2, 0.28))
    sums, std = advantage_sums(0.65, plan), first_step_std(0.65, plan)
    assert sums is not None
    atoms, lattice = propagate_atoms(0.65, plan, sums, std), propagate_lattice(0.65, plan, "exact", std, 48)
    means = [float(law.mass @ law.offset) for law in (atoms, lattice)]
    spreads = [math.sqrt(float(law.mass @ law.offset**2)) for law in (atoms, lattice)]
    assert means[0] == pytest.approx(means[1], abs=1e-3 * spreads[0])
    assert spreads[0] == pytest.approx(spreads[1], rel=1e-3)
    np.testing.assert_allclose(atoms.clip_low, lattice.clip_low, atol=2e-4)
    np.testing.assert_allclose(atoms.clip_high, lattice.clip_high, atol=2e-4)
    assert atoms.mass.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("p", [1e-6, 1 - 1e-6, 1e-9])
@pytest.mark.parametrize("groups", [1, 4])
def test_rare_outcomes_keep_their_spread(p: float, groups: int) -> None:
    """Unclipped steps are uncorrelated, so the variance of a phase is M times that of a step; the clip hardly acts."""
    plan = config(1.0, 0.2, 0.2, groups, 0.5)
    assert phase(p, plan).log_odds_std == pytest.approx(math.sqrt(8) * first_step_std(p, plan), rel=1e-3)


def test_steps_too_small_or_too_large_for_the_log_odds() -> None:
    tiny = phase(0.65, config(1e-20, 0.2, 0.2, 4, 0.5))
    assert tiny.log_odds_std == pytest.approx(1e-20 * phase(0.65, config(1e-3, 0.2, 0.2, 4, 0.5)).log_odds_std / 1e-3)
    with pytest.raises(ValueError, match=r"learning_rate must be at most 41.9 here"):
        phase(0.65, config(50.0, 0.2, 0.2, 4, 0.5))
    with pytest.raises(ValueError, match="prob must not be so close to 0 or 1"):
        phase(1e-13, replace(config(1.0, 0.2, 0.2, 4, 0.5), group_size=64))


@pytest.mark.parametrize("method", ["exact", "gaussian"])
def test_the_lattice_error_is_small(method: str) -> None:
    """Default resolution against four times as fine: below 1e-3 of the standard deviation."""
    for row in TABLE:
        plan = config(*row[1:6])
        coarse, fine = phase(row[0], plan, method), phase(row[0], plan, method, resolution=48)
        assert abs(coarse.log_odds_shift - fine.log_odds_shift) < 1e-3 * fine.log_odds_std
        assert coarse.log_odds_std == pytest.approx(fine.log_odds_std, rel=1e-3)


def test_halves_of_the_shift_and_conservation() -> None:
    found = phase(0.65, config(1.0, 0.2, 0.28, 4, 0.5))
    assert found.mean_logit_shift == (found.log_odds_shift / 2, -found.log_odds_shift / 2)
    assert sum(found.mean_prob_shift) == pytest.approx(0, abs=1e-15)
    assert found.prob_std[0] == pytest.approx(found.prob_std[1])
    assert found.clip_low_fraction[0] == found.clip_high_fraction[0] == 0.0
    assert list(found.clip_high_fraction) == sorted(found.clip_high_fraction)


def test_a_policy_that_cannot_move_stays() -> None:
    found = phase(0.65, config(0.0, 0.2, 0.2, 4, 0.5))
    assert (found.log_odds_shift, found.log_odds_std, found.entropy_shift) == (0, 0, 0)


def test_errors_name_the_field() -> None:
    with pytest.raises(ValueError, match=r"prob must be in \(0, 1\)"):
        phase(1.0, config(1.0, 0.2, 0.2, 4, 0.5))
    with pytest.raises(ValueError, match="method must be one of exact, gaussian"):
        phase(0.5, config(1.0, 0.2, 0.2, 4, 0.5), "fast")
    with pytest.raises(ValueError, match=r"clip_low must be in \(0, 1\] or none"):
        config(1.0, 1.2, 0.2, 4, 0.5)


def test_groups_too_large_for_the_exact_step_are_refused_and_taken_by_the_gaussian_one() -> None:
    large = replace(STANDARD, group_size=300)
    with pytest.raises(ValueError, match="group_size must be at most 128 for the exact method"):
        phase(0.65, large)
    assert phase(0.65, large, "gaussian").log_odds_std > 0


@pytest.mark.parametrize(
    ("p", "plan"),
    [
        (
            0.796,
            PhaseConfig(
                learning_rate=1.75,
                group_size=5,
                groups_per_minibatch=6,
                minibatches=11,
                success_prob=0.98,
                surrogate=PpoClip(None, 0.047),
            ),
        ),
        (
            0.65,
            PhaseConfig(
                learning_rate=2.0,
                group_size=8,
                groups_per_minibatch=8,
                minibatches=8,
                success_prob=0.02,
                surrogate=PpoClip(0.1, 0.1),
            ),
        ),
        (0.65, replace(STANDARD, success_prob=0.99, surrogate=PpoClip(0.05, 0.05))),
    ],
)
def test_rare_rewards_and_rare_failures(
    p: float, plan: PhaseConfig, sampled_log_odds: Callable[..., np.ndarray]
) -> None:
    """Nearly all mini-batches are silent, a step's few atoms are far apart: a lattice errs by 6 % of the spread."""
    found = phase(p, plan)
    changes = sampled_log_odds(p, plan, 1, 400_000, seed=5) - logit(p)
    stderr = changes.std() / math.sqrt(len(changes))
    assert abs(found.log_odds_shift - changes.mean()) < 4 * stderr + 0.005 * changes.std()
    assert found.log_odds_std == pytest.approx(changes.std(), rel=0.01)
