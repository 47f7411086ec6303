"""T2 and T3 against one group in one mini-batch, by listing every outcome and reward pattern.

The referee takes nothing from the package: advantages from the rewards, the clip from its cases, scores from softmax.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clipbias.theory.formulas.advantage import advantage_moments
from clipbias.theory.formulas.covariance import gradient_covariance
from clipbias.theory.formulas.drift import expected_gradient
from clipbias.theory.surrogate import PpoClip
from setups import ONE_STEP


def group_gradient_law(
    probs: np.ndarray, old: np.ndarray, low: float | None, high: float | None, size: int, gamma: float, scale: str
) -> tuple[np.ndarray, np.ndarray]:
    """Masses [P] and gradients [P, K] of (1/G)·Σ_i ∂/∂z Â_i f(R_i) over all (2K)^G patterns."""
    outcomes = len(probs)
    masses, gradients = [], []
    for pattern in itertools.product(itertools.product(range(outcomes), (0.0, 1.0)), repeat=size):
        rewards = np.array([r for _, r in pattern])
        centred = rewards - rewards.mean()
        std = rewards.std(ddof=1 if scale == "std-unbiased" else 0)
        advantages = centred if scale == "none" or std == 0 else centred / std
        mass, gradient = 1.0, np.zeros(outcomes)
        for (a, reward), advantage in zip(pattern, advantages, strict=True):
            mass *= old[a] * (gamma if reward else 1 - gamma)
            ratio = probs[a] / old[a]
            cut = (advantage > 0 and high is not None and ratio > 1 + high) or (
                advantage < 0 and low is not None and ratio < 1 - low
            )
            if not cut:
                gradient += advantage * ratio * (np.eye(outcomes)[a] - probs)
        masses.append(mass)
        gradients.append(gradient / size)
    return np.array(masses), np.array(gradients)


SIDE = st.one_of(st.none(), st.floats(0.01, 0.9))
LOGITS = st.lists(st.floats(-1.5, 1.5), min_size=2, max_size=3)
CASE = {"logits": LOGITS, "moves": st.lists(st.floats(-1, 1), min_size=3, max_size=3), "low": SIDE, "high": SIDE,
        "gamma": st.floats(0.05, 0.95), "scale": st.sampled_from(["std", "std-unbiased", "none"])}  # fmt: skip


def policies(logits: list[float], moves: list[float]) -> tuple[np.ndarray, np.ndarray]:
    old = np.exp(logits)
    new = np.exp(np.array(logits) + moves[: len(logits)])
    return new / new.sum(), old / old.sum()


@settings(max_examples=25)
@given(size=st.integers(2, 3), **CASE)
def test_mean_and_covariance_are_those_of_every_pattern(
    size: int, logits: list[float], moves: list[float], low: float | None, high: float | None, gamma: float, scale: str
) -> None:
    new, old = policies(logits, moves)
    masses, gradients = group_gradient_law(new, old, low, high, size, gamma, scale)
    mean = masses @ gradients
    moments = advantage_moments(size, gamma, scale)
    clip = PpoClip(low, high)
    np.testing.assert_allclose(expected_gradient(new, old, clip, moments.mu), mean, atol=1e-10)
    covariance = (gradients * masses[:, None]).T @ gradients - np.outer(mean, mean)
    config = replace(ONE_STEP, group_size=size, success_prob=gamma, surrogate=clip, scale=scale)
    np.testing.assert_allclose(gradient_covariance(new, old, config), covariance, atol=1e-10)


@settings(max_examples=25)
@given(size=st.just(2), **CASE)
def test_negative_controls_wrong_sign_and_swapped_sides(
    size: int, logits: list[float], moves: list[float], low: float | None, high: float | None, gamma: float, scale: str
) -> None:
    """Where the clip acts at all, the flipped sign and the swapped sides must disagree with the enumeration."""
    new, old = policies(logits, moves)
    masses, gradients = group_gradient_law(new, old, low, high, size, gamma, scale)
    mean = masses @ gradients
    assume(np.abs(mean).max() > 1e-6)
    mu = advantage_moments(size, gamma, scale).mu
    claimed = expected_gradient(new, old, PpoClip(low, high), mu)
    assert np.abs(-claimed - mean).max() > 1e-6
    ratio = new / old
    above = np.zeros_like(ratio) if high is None else (ratio > 1 + high).astype(float)
    below = np.zeros_like(ratio) if low is None else (ratio < 1 - low).astype(float)
    swapped = above - below
    wrong = mu * new * (swapped - new @ swapped)
    assert np.abs(wrong - mean).max() > 1e-6


@given(**{k: v for k, v in CASE.items() if k not in ("gamma", "scale")})
def test_nothing_drifts_without_a_clip_or_without_a_move(
    logits: list[float], moves: list[float], low: float | None, high: float | None
) -> None:
    new, old = policies(logits, moves)
    assert not expected_gradient(new, old, PpoClip(None, None), 0.5).any()
    assert not expected_gradient(old, old, PpoClip(low, high), 0.5).any()
    assert abs(expected_gradient(new, old, PpoClip(low, high), 0.5).sum()) < 1e-12


@pytest.mark.parametrize(
    ("probs", "old", "words"),
    [([0.5, 0.6], [0.5, 0.5], "probs must be"), ([0.5, 0.5], [1.0, 0.0], "old_probs must be"),
     ([0.5, 0.5], [0.2, 0.3, 0.5], "old_probs must have as many entries")],
)  # fmt: skip
def test_errors_name_the_field(probs: list[float], old: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        expected_gradient(probs, old, PpoClip(0.2, 0.2), 0.5)
