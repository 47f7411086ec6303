import math

import numpy as np
import pytest
from scipy.integrate import quad

from clipbias.theory.formulas.continuous import gaussian_moments, gaussian_pair_moments, uniform_moments


@pytest.mark.parametrize("size", [2, 3, 5, 16])
@pytest.mark.parametrize("ddof", [0, 1])
def test_gaussian_rewards_by_sampling(size: int, ddof: int) -> None:
    scale = ("std", "std-unbiased")[ddof]
    rewards = np.random.default_rng(size).normal(3.0, 2.0, (400_000, size))
    a = (rewards - rewards.mean(axis=1, keepdims=True)) / rewards.std(axis=1, ddof=ddof, keepdims=True)
    found, pairs = gaussian_moments(size, scale), gaussian_pair_moments(size, scale)
    up, down = np.maximum(a, 0), np.minimum(a, 0)
    for claimed, values in [
        (found.mu, up.mean(axis=1)), (-found.mu, down.mean(axis=1)), (found.v_plus, (up**2).mean(axis=1)),
        (pairs.plus_plus, up[:, 0] * up[:, 1]), (pairs.plus_minus, up[:, 0] * down[:, 1]),
        (pairs.minus_minus, down[:, 0] * down[:, 1]),
    ]:  # fmt: skip
        assert abs(claimed - values.mean()) < 4 * values.std() / math.sqrt(len(values)) + 1e-12
    assert np.abs(a).max() <= found.max_abs + 1e-9


def test_gaussian_mu_is_an_integral() -> None:
    """G = 3: the advantages lie on a circle of radius √3, with |cos| of a uniform angle."""
    mean = quad(lambda t: abs(math.sqrt(2) * math.cos(t)), 0, 2 * math.pi, points=[math.pi / 2, 1.5 * math.pi])[0]
    assert gaussian_moments(3).mu == pytest.approx(0.5 * mean / (2 * math.pi), rel=1e-9)


def test_uniform_rewards_by_quadrature() -> None:
    """G = 3 with rewards shifted and scaled so that the smallest is 0 and the largest 1: the middle one is uniform."""

    def total(middle: float) -> float:
        rewards = np.array([0.0, middle, 1.0])
        return float(np.abs(rewards - rewards.mean()).mean() / rewards.std())

    found, error = uniform_moments(3)
    assert error < 5e-5
    assert found.mu == pytest.approx(0.5 * quad(total, 0, 1, points=[0.5])[0], abs=5 * error + 1e-6)
    assert uniform_moments(2)[0].mu == pytest.approx(0.5)


def test_coins_gaussians_and_uniforms_have_different_pushes() -> None:
    """Uniform rewards are flatter than Gaussian ones, coins flatter still: μ rises toward its bound ½."""
    gaussian, uniform = gaussian_moments(16).mu, uniform_moments(16)[0].mu
    assert 0.40 < gaussian < uniform - 0.02 < 0.42
