"""The enumeration by counts against a sum over every sample's outcome and reward, written differently."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from clipbias.simulate.exact.enumeration import enumerate_phase
from clipbias.theory.laws.phase import phase
from clipbias.theory.setup import PhaseConfig, Scale
from clipbias.theory.surrogate import PpoClip
from setups import SMALL, STANDARD, TINY


def advantages(rewards: np.ndarray, scale: Scale) -> np.ndarray:
    centred = rewards - rewards.mean()
    if scale == "none" or not centred.any():
        return centred
    return centred / rewards.std(ddof=0 if scale == "std" else 1)


def objective_gradient(z, old, outcomes, advantage, clip) -> np.ndarray:
    """∂/∂z of Σ min(Â R, Â clip(R)) sample by sample, through log R's gradient."""
    pi = np.exp(z) / np.exp(z).sum()
    gradient = np.zeros_like(z)
    for a, adv in zip(outcomes, advantage, strict=True):
        ratio = pi[a] / old[a]
        bounded = np.clip(ratio, clip.lower_bound, clip.upper_bound)
        if adv * ratio <= adv * bounded:
            gradient += adv * ratio * (np.eye(len(z))[a] - pi)
    return gradient


def brute_force(probs, config: PhaseConfig) -> dict[str, np.ndarray]:
    old = np.array(probs)
    size, groups = config.group_size, config.groups_per_minibatch
    n = size * groups
    states = {(0.0,) * len(old): 1.0}
    low, high = np.zeros(config.minibatches), np.zeros(config.minibatches)
    for step in range(config.minibatches):
        following: dict[tuple[float, ...], float] = {}
        for shift, weight in states.items():
            z = np.log(old) + np.array(shift)
            ratio = np.exp(z) / np.exp(z).sum() / old if step else np.ones(len(old))
            for outcomes in product(range(len(old)), repeat=n):
                for rewards in product((0, 1), repeat=n):
                    w = weight * np.prod(old[list(outcomes)])
                    w *= config.success_prob ** sum(rewards) * (1 - config.success_prob) ** (n - sum(rewards))
                    adv = advantages_of_groups(np.array(rewards), size, config.scale)
                    new = np.array(shift) + config.learning_rate / n * objective_gradient(
                        z, old, outcomes, adv, config.surrogate
                    )
                    r = ratio[list(outcomes)]
                    low[step] += w * ((adv < 0) & (r < config.surrogate.lower_bound)).mean()
                    high[step] += w * ((adv > 0) & (r > config.surrogate.upper_bound)).mean()
                    following[tuple(new)] = following.get(tuple(new), 0.0) + w
        states = following
    shifts, weight = np.array(list(states)), np.array(list(states.values()))
    policy = old * np.exp(shifts)
    policy /= policy.sum(axis=1, keepdims=True)
    mean = weight @ policy
    entropy = -(policy * np.log(policy)).sum(axis=1) + (old * np.log(old)).sum()
    return {
        "logit_shift": weight @ shifts,
        "prob_shift": mean - old,
        "prob_variance": weight @ policy**2 - mean**2,
        "entropy_shift": weight @ entropy,
        "entropy_variance": weight @ entropy**2 - (weight @ entropy) ** 2,
        "clip_low_fraction": low,
        "clip_high_fraction": high,
    }


def advantages_of_groups(rewards: np.ndarray, size: int, scale: Scale) -> np.ndarray:
    return np.concatenate([advantages(group, scale) for group in rewards.reshape(-1, size)])


CASES = [
    ((0.65, 0.35), replace(TINY, minibatches=3)),
    (
        (0.8, 0.2),
        PhaseConfig(
            learning_rate=0.9,
            group_size=2,
            groups_per_minibatch=2,
            minibatches=1,
            success_prob=0.3,
            surrogate=PpoClip(0.1, 0.3),
        ),
    ),
    (
        (0.7, 0.3),
        PhaseConfig(
            learning_rate=1.5,
            group_size=3,
            groups_per_minibatch=1,
            minibatches=2,
            success_prob=0.4,
            surrogate=PpoClip(0.2, None),
            scale="std-unbiased",
        ),
    ),
    ((0.5, 0.3, 0.2), replace(TINY, learning_rate=1.2, success_prob=0.6, surrogate=PpoClip(None, 0.15), scale="none")),
]


@pytest.mark.parametrize(("probs", "config"), CASES)
def test_counts_agree_with_the_sum_over_samples(probs, config):
    found = enumerate_phase(probs, config)
    for name, expected in brute_force(probs, config).items():
        np.testing.assert_allclose(getattr(found, name), expected, rtol=0, atol=1e-12, err_msg=name)


def test_swapped_sides_are_seen():
    probs, config = CASES[1][0], replace(TINY, learning_rate=1.5, success_prob=0.3, surrogate=PpoClip(0.1, 0.4))
    swapped = replace(TINY, learning_rate=1.5, success_prob=0.3, surrogate=PpoClip(0.4, 0.1))
    expected = brute_force(probs, config)["logit_shift"]
    assert abs(enumerate_phase(probs, config).logit_shift - expected).max() < 1e-12
    assert abs(enumerate_phase(probs, swapped).logit_shift - expected).max() > 1e-3


def test_logits_do_not_drift_without_clipping():
    config = PhaseConfig(
        learning_rate=1.5,
        group_size=3,
        groups_per_minibatch=1,
        minibatches=3,
        success_prob=0.3,
        surrogate=PpoClip(None, None),
    )
    found = enumerate_phase((0.6, 0.4), config)
    assert abs(found.logit_shift).max() < 1e-14
    assert found.log_odds_variance > 0.1


def test_agrees_with_the_lattice_of_theory_phase():
    """A few samples make atoms, the lattice's hardest case: agreement within its stated error, 1e-3 of the std…
    but clip events of atoms near a bound may fall on the other side, so the case keeps atoms away from the bounds."""
    config = replace(SMALL, learning_rate=0.6, minibatches=2, surrogate=PpoClip(0.1, 0.1))
    exact = enumerate_phase((0.6, 0.4), config)
    lattice = phase(0.6, config, resolution=48.0)
    std = np.sqrt(exact.log_odds_variance)
    assert lattice.log_odds_shift == pytest.approx(exact.log_odds_shift, abs=0.02 * std)
    assert lattice.log_odds_std == pytest.approx(std, rel=0.02)


def test_too_large_a_case_is_refused_by_name():
    config = STANDARD
    with pytest.raises(
        ValueError, match=r"^group_size, groups_per_minibatch, minibatches .* at most 2000000 sequences"
    ):
        enumerate_phase((0.5, 0.5), config)
