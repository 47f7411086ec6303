"""Entropy of one step against finite differences, enumeration of a group, and a solved natural gradient."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import entr, softmax

from clipbias.simulate.exact.enumeration import enumerate_phase
from clipbias.theory.formulas.drift import expected_gradient
from clipbias.theory.formulas.entropy import (
    entropy_gradient,
    entropy_hessian,
    natural_gradient_entropy_shift,
    step_entropy_shift,
)
from clipbias.theory.surrogate import UNCLIPPED, Cispo, PpoClip, Sapo, Surrogate
from setups import ONE_STEP, SMALL

from .test_drift import group_gradient_law

LOGITS = st.lists(st.floats(-2.0, 2.0), min_size=2, max_size=5)


def entropy(logits: np.ndarray) -> np.ndarray:
    return entr(softmax(logits, axis=-1)).sum(axis=-1)


@given(logits=LOGITS, seed=st.integers(0, 2**32 - 1))
def test_derivatives_are_those_of_finite_differences(logits: list[float], seed: int) -> None:
    z, way = np.array(logits), np.random.default_rng(seed).normal(size=len(logits))
    pi, step = softmax(z), 1e-3
    up, here, down = entropy(z + step * way), entropy(z), entropy(z - step * way)
    assert entropy_gradient(pi) @ way == pytest.approx((up - down) / (2 * step), abs=1e-5)
    assert way @ entropy_hessian(pi) @ way == pytest.approx((up - 2 * here + down) / step**2, abs=1e-4)
    assert entropy_gradient(pi).sum() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("clip", [(0.2, 0.2), (0.2, None), (None, 0.2), (None, None)])
def test_one_step_away_from_the_behaviour_policy_errs_by_the_third_order(clip: tuple) -> None:
    """All outcome and reward patterns of a group; halving η divides the error by eight, or more."""
    pi, b = np.array([0.55, 0.3, 0.15]), np.array([0.4, 0.32, 0.28])
    masses, gradients = group_gradient_law(pi, b, *clip, 3, 0.4, "std")
    errors = []
    for rate in (0.1, 0.05):
        exact = masses @ entropy(np.log(pi) + rate * gradients) - entropy(np.log(pi))
        found = step_entropy_shift(
            pi, b, replace(ONE_STEP, learning_rate=rate, group_size=3, success_prob=0.4, surrogate=PpoClip(*clip))
        )
        errors.append(abs(found.drift + found.noise - exact))
        assert errors[-1] < 0.03 * abs(exact)
        assert (found.drift == pytest.approx(0.0, abs=1e-15)) == (clip == (None, None))
    assert errors[0] / errors[1] > 6
    swapped = step_entropy_shift(
        pi,
        b,
        replace(ONE_STEP, learning_rate=0.05, group_size=3, success_prob=0.4, surrogate=PpoClip(clip[1], clip[0])),
    )
    if clip[0] != clip[1]:  # negative control
        assert abs(swapped.drift + swapped.noise - exact) > 20 * errors[1]


@pytest.mark.parametrize("gamma", [0.3, (0.9, 0.2, 0.5)])
def test_the_first_step_of_a_phase(gamma: float | tuple[float, ...]) -> None:
    probs, errors = (0.6, 0.3, 0.1), []
    for rate in (0.04, 0.02):
        config = replace(ONE_STEP, learning_rate=rate, success_prob=gamma)
        found = step_entropy_shift(probs, probs, config)
        errors.append(abs(found.drift + found.noise - enumerate_phase(probs, config).entropy_shift))
    assert errors[0] / errors[1] > 6


def test_noise_alone_raises_entropy_where_two_outcomes_are_skewed() -> None:
    config = replace(SMALL, learning_rate=0.05, group_size=8, minibatches=1, surrogate=UNCLIPPED)
    for prob in (0.6, 0.82, 0.83, 0.95):
        found = step_entropy_shift((prob, 1 - prob), (prob, 1 - prob), config)
        assert (found.noise > 0) == ((2 * prob - 1) * math.log(prob / (1 - prob)) > 1)
        assert found.drift == 0.0


@pytest.mark.parametrize("surrogate", [PpoClip(0.2, 0.28), Sapo(1.0, 3.0), Cispo(1.2)], ids=str)
def test_natural_gradient_solves_the_fisher_system(surrogate: Surrogate) -> None:
    pi, b, mu, rate = np.array([0.5, 0.3, 0.15, 0.05]), np.array([0.35, 0.31, 0.21, 0.13]), 0.48, 0.01
    fisher = np.diag(pi) - np.outer(pi, pi)
    step = rate * np.linalg.lstsq(fisher, expected_gradient(pi, b, surrogate, mu), rcond=None)[0]
    claimed = natural_gradient_entropy_shift(pi, b, surrogate, mu, rate)
    assert claimed == pytest.approx(float(entropy_gradient(pi) @ step), rel=1e-9, abs=1e-15)
    moved = entropy(np.log(pi) + step) - entropy(np.log(pi))
    assert moved == pytest.approx(claimed, abs=5 * float(step @ step))
