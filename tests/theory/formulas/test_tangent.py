"""Closed forms of the tangent model (T13) against all patterns of a group, simulated optimizers, drawn logits, and the
toy's own formulas, which are their identity-kernel case."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from clipbias.common.arrays import Array
from clipbias.theory.formulas.covariance import gradient_covariance
from clipbias.theory.formulas.neutral import expected_push
from clipbias.theory.formulas.noise import ito_shift, unclipped_step_variance
from clipbias.theory.formulas.reward import advantage_gap, reward_drift, reward_law
from clipbias.theory.formulas.tangent import (
    GradientMoments,
    centred_variance,
    displacement,
    group_moments,
    minibatch_moments,
    noise_shift,
)
from clipbias.theory.setup import PhaseConfig, Scale
from clipbias.theory.surrogate import UNCLIPPED, PpoClip
from clipbias.theory.update_rule import Adam, Sgd
from setups import ONE_STEP

PROBS = np.array([0.5, 0.3, 0.2])
FEATURES = np.array([[1.0, 0.2], [0.1, -1.0], [-0.4, 0.9]])
SCORES = FEATURES - PROBS @ FEATURES
SELECTING = replace(ONE_STEP, group_size=3, success_prob=(0.9, 0.2, 0.5), surrogate=UNCLIPPED)
TABULAR = np.eye(3) - PROBS


def patterns(config: PhaseConfig) -> tuple[Array, Array]:
    """Masses and mean gradients of one group over all outcomes and rewards."""
    size = config.group_size
    chances = np.broadcast_to(config.success_prob, 3)
    masses, gradients = [], []
    for pattern in itertools.product(itertools.product(range(3), (0.0, 1.0)), repeat=size):
        rewards = np.array([paid for _, paid in pattern])
        spread = {"std": rewards.std(), "std-unbiased": rewards.std(ddof=1), "none": 1.0}[config.scale]
        advantages = (rewards - rewards.mean()) / spread if rewards.std() > 0 else np.zeros(size)
        masses.append(np.prod([PROBS[a] * (chances[a] if paid else 1 - chances[a]) for a, paid in pattern]))
        gradients.append(advantages @ SCORES[[a for a, _ in pattern]] / size)
    return np.array(masses), np.array(gradients)


@pytest.mark.parametrize("scale", ["std", "std-unbiased", "none"])
@pytest.mark.parametrize("chance", [0.3, (0.9, 0.2, 0.5), (1.0, 0.0, 0.0)])
def test_moments_over_all_patterns(scale: Scale, chance: float | tuple[float, ...]) -> None:
    config = replace(SELECTING, scale=scale, success_prob=chance)
    masses, gradients = patterns(config)
    found = group_moments(PROBS, SCORES, config)
    assert np.allclose(found.mean, masses @ gradients, atol=1e-12)
    assert np.allclose(found.second, masses @ gradients**2, atol=1e-12)
    two = minibatch_moments(GradientMoments(found.mean[None], found.second[None]), 2)
    pairs = (gradients[:, None] + gradients[None]) / 2
    assert np.allclose(two.second, np.einsum("a,b,abd->d", masses, masses, pairs**2), atol=1e-12)
    assert not np.allclose(two.second, found.second / 2, atol=1e-4) or isinstance(chance, float)


def test_several_problems_are_a_mixture() -> None:
    other = group_moments(PROBS, 2 * SCORES, SELECTING)
    first = group_moments(PROBS, SCORES, SELECTING)
    both = GradientMoments(np.stack([first.mean, other.mean]), np.stack([first.second, other.second]))
    masses, gradients = patterns(SELECTING)
    table = np.concatenate([gradients, 2 * gradients])
    weights = np.concatenate([masses, masses]) / 2
    pairs = (table[:, None] + table[None]) / 2
    assert np.allclose(minibatch_moments(both, 2).mean, weights @ table)
    assert np.allclose(minibatch_moments(both, 2).second, np.einsum("a,b,abd->d", weights, weights, pairs**2))


def test_the_identity_kernel_is_the_toy() -> None:
    found = group_moments(PROBS, TABULAR, SELECTING)
    assert np.allclose(found.mean, reward_drift(PROBS, PROBS, SELECTING).selection)
    gamma = np.array(SELECTING.success_prob)
    mean = reward_law(PROBS, SELECTING.success_prob).success_prob
    kappa = advantage_gap(SELECTING, mean)
    assert np.allclose(found.mean, kappa * (PROBS * (gamma - mean)) @ TABULAR)
    covariance = gradient_covariance(PROBS, PROBS, SELECTING)
    assert np.allclose(found.second - found.mean**2, np.diag(covariance))
    coin = replace(ONE_STEP, surrogate=UNCLIPPED)
    two = np.array([0.7, 0.3])
    noise = displacement(group_moments(two, np.eye(2) - two, coin), Sgd(), coin.learning_rate, 1)
    assert noise.mean == pytest.approx([0, 0])
    kernel = np.array([[1, -1], [-1, 1]]) * noise.std[0] ** 2  # two logits that move against each other
    variance = unclipped_step_variance(0.7, coin)
    assert 4 * noise.std[0] ** 2 == pytest.approx(variance)
    assert noise_shift(two, kernel) == pytest.approx([ito_shift(0.7, variance), -ito_shift(0.7, variance)])


STEPS, RUNS = 80, 4000
SIGNAL = np.array([0.0, 0.1, 0.3, 1.0, 2.0])  # mean over spread


def simulated(optimizer: Sgd | Adam) -> Array:
    """Δ [runs, D] after STEPS steps of torch's optimizer on independent normal gradients of spread 1."""
    generator = torch.Generator().manual_seed(3)
    shift = torch.zeros(RUNS, len(SIGNAL), dtype=torch.float64, requires_grad=True)
    made: torch.optim.Optimizer
    if isinstance(optimizer, Adam):
        made = torch.optim.Adam([shift], 0.01, (optimizer.beta1, optimizer.beta2), optimizer.epsilon, maximize=True)
    else:
        made = torch.optim.SGD([shift], 0.01, optimizer.momentum, maximize=True)
    for _ in range(STEPS):
        shift.grad = torch.as_tensor(SIGNAL) + torch.randn(shift.shape, generator=generator, dtype=torch.float64)
        made.step()
    return shift.detach().numpy()


@pytest.mark.statistical
@pytest.mark.parametrize("optimizer", [Sgd(), Sgd(0.9), Adam(0.9, 0.95), Adam(0.9, 0.999)])
def test_displacement_beside_torchs_optimizers(optimizer: Sgd | Adam) -> None:
    found = displacement(GradientMoments(SIGNAL, SIGNAL**2 + 1.0), optimizer, 0.01, STEPS)
    runs = simulated(optimizer)
    mean, spread = runs.mean(0), runs.std(0)
    if isinstance(optimizer, Sgd):
        assert (abs(mean - found.mean) / (spread / RUNS**0.5)).max() < 4
        assert abs(spread / found.std - 1).max() < 4 / np.sqrt(2 * RUNS)
        assert abs(mean - STEPS * 0.01 * SIGNAL).max() > 0.1 or optimizer.momentum == 0
        return
    assert abs(mean[1:] / found.mean[1:] - 1).max() < 0.12
    assert abs(spread[:3] / found.std[:3] - 1).max() < 0.1
    silent = displacement(GradientMoments(SIGNAL, np.ones_like(SIGNAL)), optimizer, 0.01, STEPS)
    assert silent.mean[-1] > 1.8 * mean[-1]  # without the signal in the divisor


def kernel_of(rng: np.random.Generator, size: float) -> Array:
    root = rng.normal(size=(3, 2)) * size
    return root @ root.T


@pytest.mark.parametrize("size", [0.05, 0.1])
def test_noise_shift_by_quadrature(size: float) -> None:
    """Gauss–Hermite over the two noises that make the kernel; the error is of fourth order."""
    root = np.random.default_rng(1).normal(size=(3, 2)) * size
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    grid = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    mass = np.outer(weights, weights).ravel() / (2 * np.pi)
    moved = PROBS * np.exp(grid @ root.T)
    moved /= moved.sum(1, keepdims=True)
    shift = mass @ moved - PROBS
    found = noise_shift(PROBS, root @ root.T)
    assert found.sum() == pytest.approx(0, abs=1e-15)
    assert abs(found - shift).max() < 20 * size**2 * abs(shift).max()
    assert abs(noise_shift(PROBS, np.diag(np.diag(root @ root.T))) - shift).max() > 0.2 * abs(shift).max()


def test_spreads_of_the_neutral_clip_are_those_of_log_ratios() -> None:
    """300 answers on 64 noises, a third of them louder: V_a is T6's σ² and Σ b V its σ̄², as the push on the loud says.

    With few noises the log of the normalisation is skewed along with log R, and T6's normal law is not theirs.
    """
    rng = np.random.default_rng(2)
    probs, loud = np.full(300, 1 / 300), np.arange(300) < 100
    root = rng.normal(size=(300, 64))
    root *= np.where(loud, 0.08, 0.03)[:, None] / np.linalg.norm(root, axis=1, keepdims=True)
    moved = rng.normal(size=(20_000, 64)) @ root.T
    log_ratio = moved - np.log(np.exp(moved) @ probs)[:, None]
    variance = centred_variance(probs, root @ root.T)
    rest = float(probs @ variance)
    assert abs(log_ratio.var(0) / variance - 1).max() < 5 * np.sqrt(2 / 20_000)
    assert log_ratio.mean() == pytest.approx(-rest / 2, abs=1e-4)
    ratio, clip = np.exp(log_ratio[:, loud]), PpoClip(0.03, 0.03)
    push = (ratio * ((ratio < clip.lower_bound) * 1.0 - (ratio > clip.upper_bound))).mean(1)
    error = push.std() / 20_000**0.5
    sigma = float(variance[loud].mean()) ** 0.5
    assert abs(push.mean() - expected_push(clip, sigma, rest**0.5)) < 4 * error
    assert abs(push.mean() - expected_push(clip, sigma)) > 8 * error
