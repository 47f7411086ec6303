"""One optimizer step for two outcomes: what it does to the log-odds x = z₁ − z₂ = logit p, and which steps there are.

A sample of outcome 1 moves x by (η/n)·Â f′(R₁) R₁·2(1−p), one of outcome 2 by −(η/n)·Â f′(R₂) R₂·2p, with R₁ = p/p₀,
R₂ = (1−p)/(1−p₀) and p₀ the behaviour policy. The step's law depends on x.

Where a clip bound cuts through a lattice cell [x − h/2, x + h/2], the cell is a mixture of its two parts: each has a
piece with its own kernel, weighted by its length, so that errors fall as h².
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from clipbias.common.arrays import Array
from clipbias.theory.formulas.advantage import advantage_moments, group_advantages, pair_moments, rewarded_law
from clipbias.theory.formulas.binomial import binomial_pmf
from clipbias.theory.formulas.reward import RewardLaw, reward_law
from clipbias.theory.setup import PhaseConfig


@dataclass(frozen=True, slots=True)
class PhaseLaw:
    """The law of y = x_M − x₀ after a phase: values offset [S] with probabilities mass [S]; and the expected shares of
    each mini-batch's samples whose gradient a bound removes, clip_low [M] and clip_high [M]. atomic: all of the mass
    sits on the values themselves; otherwise they are points of a lattice that stand for what lies around them."""

    offset: Array
    mass: Array
    clip_low: Array
    clip_high: Array
    atomic: bool = False


@dataclass(frozen=True, slots=True)
class StepGeometry:
    """What one step sees in each of P pieces of the lattice's X ≤ P cells.

    cell [P], the piece's cell, ascending; weight [P], its part of the cell; old [2], the samples' probabilities b;
    reward, who is rewarded; displacement [P, 2], R·d at the cell's centre, per unit of η/n·Â (d = 2(1−p) or −2p);
    above, below [P, 2], the slopes f₊′, f₋′ of both outcomes.
    """

    cell: NDArray[np.int64]
    weight: Array
    old: Array
    reward: RewardLaw
    displacement: Array
    above: Array
    below: Array

    def averaged(self, pieces: Array) -> Array:
        """Values of pieces [P, …] averaged over cells, [X, …]."""
        starts = np.flatnonzero(np.diff(self.cell, prepend=-1))
        weighted = pieces * self.weight.reshape(-1, *[1] * (pieces.ndim - 1))
        found = weighted[starts]
        ends = np.append(starts[1:], len(weighted))
        for cut in np.flatnonzero(ends - starts > 1):  # a handful: over all cells, reduceat would take longer
            found[cut] = np.add.reduceat(weighted[starts[cut] : ends[cut]], [0], axis=0)[0]
        return np.asarray(found)


def clip_thresholds(prob: float, config: PhaseConfig) -> list[float]:
    """Log-odds at which R₁ = p/p₀ or R₂ = (1−p)/(1−p₀) crosses a bound; those that exist."""
    other = 1 - prob
    first = [float(logit(prob * r)) for r in config.surrogate.jumps(prob) if 0 < prob * r < 1]
    second = [-float(logit(other * r)) for r in config.surrogate.jumps(other) if 0 < other * r < 1]
    return first + second


def step_geometry(y: Array, spacing: float, prob: float, config: PhaseConfig) -> StepGeometry:
    """prob = p₀ in (0, 1); y [X] equally spaced offsets x − x₀, which stay distinct however small they are."""
    x0 = float(logit(prob))
    edges = np.append(y - spacing / 2, y[-1] + spacing / 2)
    inside = [t - x0 for t in clip_thresholds(prob, config) if edges[0] < t - x0 < edges[-1]]
    cuts = np.union1d(edges, inside)
    middle = x0 + (cuts[1:] + cuts[:-1]) / 2
    cell = np.searchsorted(edges, (cuts[1:] + cuts[:-1]) / 2) - 1
    old = np.array([prob, 1.0 - prob])
    ratio = np.stack([expit(middle), expit(-middle)], axis=1) / old
    above, below = config.surrogate.slopes(ratio, old)
    centre = x0 + y[cell]
    policy = np.stack([expit(centre), expit(-centre)], axis=1)
    displacement = policy / old * np.stack([2 * expit(-centre), -2 * expit(centre)], axis=1)
    reward = reward_law(old, config.success_prob)
    return StepGeometry(cell, np.diff(cuts) / spacing, old, reward, displacement, above, below)


def largest_jump(prob: float, config: PhaseConfig) -> float:
    """The farthest that one sample can move x in the first step, (η/n)·max|Â|·2·max(p, 1−p)."""
    plus, minus = group_advantages(config.group_size, config.scale)
    samples = config.group_size * config.groups_per_minibatch
    return float(config.learning_rate / samples * max(plus.max(), -minus.min()) * 2 * max(prob, 1 - prob))


def step_moments(geometry: StepGeometry, config: PhaseConfig) -> tuple[Array, Array]:
    """Mean and variance [P] of one step's Δx in each piece: T2 and T3 for two outcomes."""
    size, reward = config.group_size, geometry.reward
    moments = advantage_moments(size, reward.success_prob, config.scale)
    pairs = pair_moments(size, reward.success_prob, config.scale)
    b, d, above, below = geometry.old, geometry.displacement, geometry.above, geometry.below
    u_plus, u_minus = (reward.rewarded * d * above).sum(axis=1), (reward.rest * d * below).sum(axis=1)
    mean = moments.mu * (u_plus - u_minus)
    praised, blamed = reward.rewarded / b, reward.rest / b
    squares = moments.v_plus * praised * above**2 + moments.v_minus * blamed * below**2
    single = (b * d**2 * squares).sum(axis=1)
    within = pairs.plus_plus * u_plus**2 + 2 * pairs.plus_minus * u_plus * u_minus + pairs.minus_minus * u_minus**2
    group = size * single + size * (size - 1) * within - size**2 * mean**2
    variance = group / (config.groups_per_minibatch * size**2)
    rate = config.learning_rate
    return rate * mean, rate**2 * np.maximum(variance, 0.0)


def group_patterns(
    size: int, reward: RewardLaw
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Array]:
    """All (m, k, l) with their probabilities, but those below 1e-20, which are lost in rounding."""
    law = rewarded_law(size, reward.success_prob)
    m_grid, k_grid, l_grid = np.meshgrid(*[np.arange(size + 1)] * 3, indexing="ij")
    valid = (k_grid <= m_grid) & (l_grid <= size - m_grid) & (law[m_grid] > 0)
    m, k, rest = m_grid[valid], k_grid[valid], l_grid[valid]
    mass = law[m] * binomial_pmf(k, m, float(reward.rewarded[0])) * binomial_pmf(rest, size - m, float(reward.rest[0]))
    kept = mass > 1e-20
    return m[kept], k[kept], rest[kept], mass[kept]
