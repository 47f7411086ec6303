"""T9: rewards by outcome against every pattern of one group, against T2, and against the claim that they refute."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from clipbias.theory.formulas.advantage import advantage_moments, group_advantages
from clipbias.theory.formulas.covariance import gradient_covariance
from clipbias.theory.formulas.drift import expected_gradient
from clipbias.theory.formulas.reward import advantage_gap, reward_drift, reward_law
from clipbias.theory.laws.decomposition import decomposition
from clipbias.theory.laws.phase import phase
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, Cispo, Dppo, Gspo, PpoClip, Probability, Sapo
from setups import ONE_STEP, STANDARD, TINY

SURROGATES = st.sampled_from(
    [UNCLIPPED, PpoClip(0.1, 0.2), PpoClip(0.2, None), PpoClip(None, 0.1), PpoClip(0.2, 0.2, 1.5), Cispo(1.2),
     Sapo(2.0, 3.0), Dppo(0.05, 0.1), Gspo(0.05, 0.03, 4), Probability()]
)  # fmt: skip
PROBS = st.lists(st.floats(-1.5, 1.5), min_size=2, max_size=3)
GAMMAS = st.lists(st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.01, 0.99)), min_size=3, max_size=3)


def law_of_one_group(new: np.ndarray, old: np.ndarray, config: PhaseConfig) -> tuple[np.ndarray, np.ndarray]:
    """Masses and gradients of one group over all (2K)^G patterns, with rewards drawn sample by sample."""
    size, gammas = config.group_size, config.success_prob
    above, below = config.surrogate.slopes(new / old, old)
    masses, gradients = [], []
    for pattern in itertools.product(itertools.product(range(len(old)), (0.0, 1.0)), repeat=size):
        rewards = np.array([r for _, r in pattern])
        std = rewards.std()
        advantages = (rewards - rewards.mean()) / std if std > 0 else np.zeros(size)
        mass, gradient = 1.0, np.zeros(len(old))
        for (a, reward), advantage in zip(pattern, advantages, strict=True):
            mass *= old[a] * (gammas[a] if reward else 1 - gammas[a])
            slope = above[a] if advantage > 0 else below[a]
            gradient += advantage * slope * new[a] / old[a] * (np.eye(len(old))[a] - new)
        masses.append(mass)
        gradients.append(gradient / size)
    return np.array(masses), np.array(gradients)


@settings(max_examples=60)
@given(logits=PROBS, moves=st.lists(st.floats(-1, 1), min_size=3, max_size=3), gammas=GAMMAS, surrogate=SURROGATES,
       size=st.integers(2, 3))  # fmt: skip
def test_drift_and_covariance_are_those_of_every_pattern(logits, moves, gammas, surrogate, size) -> None:
    outcomes = len(logits)
    old = np.exp(logits) / np.exp(logits).sum()
    new = old * np.exp(moves[:outcomes])
    new /= new.sum()
    config = replace(ONE_STEP, group_size=size, success_prob=tuple(gammas[:outcomes]), surrogate=surrogate)
    masses, gradients = law_of_one_group(new, old, config)
    mean = masses @ gradients
    np.testing.assert_allclose(reward_drift(new, old, config).total, mean, atol=1e-12)
    covariance = (gradients * masses[:, None]).T @ gradients - np.outer(mean, mean)
    np.testing.assert_allclose(gradient_covariance(new, old, config), covariance, atol=1e-12)


@given(logits=PROBS, moves=st.lists(st.floats(-1, 1), min_size=3, max_size=3), gamma=st.floats(0.01, 0.99),
       surrogate=SURROGATES, size=st.integers(2, 20))  # fmt: skip
def test_equal_rewards_are_t2(logits, moves, gamma, surrogate, size) -> None:
    """γ_k all equal: no selection, whatever the shares. The intuitive hypothesis, that outcomes gain because most of
    the rewarded samples are theirs, is refuted for every policy; and is what a baseline of 0 would do (the control)."""
    outcomes = len(logits)
    old = np.exp(logits) / np.exp(logits).sum()
    new = old * np.exp(moves[:outcomes])
    new /= new.sum()
    config = replace(ONE_STEP, group_size=size, success_prob=(gamma,) * outcomes, surrogate=surrogate)
    parts = reward_drift(new, old, config)
    np.testing.assert_allclose(parts.selection, 0.0, atol=1e-12)
    mu = advantage_moments(size, gamma).mu
    np.testing.assert_allclose(parts.clip, expected_gradient(new, old, surrogate, mu), atol=1e-12)
    uncentred = gamma * (old * old - old * (old @ old))  # rewarded samples counted, none blamed
    assert abs(uncentred).max() > 1e-9 or np.ptp(old) < 1e-3


@given(logits=PROBS, gammas=st.lists(st.floats(0.05, 0.95), min_size=3, max_size=3), size=st.integers(2, 30))
def test_at_the_start_of_a_phase_selection_is_pi_times_the_advantage_over_the_average(logits, gammas, size) -> None:
    """The other form, with κ summed over m′ directly."""
    pi = np.exp(logits) / np.exp(logits).sum()
    gamma = np.array(gammas[: len(pi)])
    config = replace(ONE_STEP, group_size=size, success_prob=tuple(gamma))
    mean = float(pi @ gamma)
    plus, minus = group_advantages(size)
    others = binom.pmf(np.arange(size), size - 1, mean)
    kappa = float(others @ (plus[1:] - minus[:-1]))
    assert advantage_gap(config, mean) == pytest.approx(kappa, rel=1e-10)
    parts = reward_drift(pi, pi, config)
    np.testing.assert_allclose(parts.selection, pi * (gamma - mean) * kappa, atol=1e-12)
    np.testing.assert_allclose(parts.clip, 0.0, atol=1e-12)


def test_rewards_that_are_certain() -> None:
    law = reward_law(np.array([0.7, 0.3]), (1.0, 0.0))
    assert law.success_prob == pytest.approx(0.7)
    np.testing.assert_allclose(law.rewarded, [1, 0])
    np.testing.assert_allclose(law.rest, [0, 1])
    silent = reward_law(np.array([0.7, 0.3]), (0.0, 0.0))
    np.testing.assert_allclose(silent.rewarded, [0.7, 0.3])


def test_a_true_reward_is_selection_and_a_random_one_is_not() -> None:
    shape = replace(STANDARD, learning_rate=0.3, minibatches=4, success_prob=(0.61, 0.28))
    true, random = decomposition(0.65, shape, 5), decomposition(0.65, replace(shape, success_prob=0.5), 5)
    assert true.selection_log_odds > 0.5
    assert abs(true.clip_drift_log_odds) < 0.1 * true.selection_log_odds
    assert (random.selection_prob, random.selection_log_odds) == (0.0, 0.0)
    incorrect = decomposition(0.65, replace(shape, success_prob=(0.28, 0.61)), 5)
    assert incorrect.selection_log_odds < -0.5


def test_a_number_for_each_outcome_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"success_prob must be one number or as many as outcomes \(2\), got 3"):
        phase(0.5, replace(TINY, group_size=4, success_prob=(0.1, 0.2, 0.3)))
