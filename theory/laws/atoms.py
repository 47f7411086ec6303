"""One phase with two outcomes where a mini-batch has few possible updates: the law of x as atoms, none rounded.

Small mini-batches put weight on single points, and whether such a point lies just inside or just outside a clip bound
decides what the next step does to it; a lattice, which moves it by up to half a spacing, errs by its whole weight.

A mini-batch moves x by (η/n)·c(x)·V: c(x) [4] is what one unit of advantage does to x (in rewarded samples of outcome 1
and 2, then in the others; 0 where clipped), V [4] the sums of the advantages of these four kinds. The law of V does not
depend on x. Atoms of x that meet in one cell (an interval that crosses no bound) are replaced by two with the same
mass, mean, variance and third moment (Gauss quadrature), which lie in the same interval.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from clipbias.common.arrays import Array
from clipbias.theory.formulas.advantage import advantage_moments, group_advantages
from clipbias.theory.formulas.reward import reward_law
from clipbias.theory.setup import PhaseConfig

from .two_outcome_step import PhaseLaw, clip_thresholds, group_patterns, largest_jump

LARGEST_ATOMIC_GROUP = 37  # 9,880 patterns
LARGEST_SUPPORT = 10_000  # of V
LARGEST_PRODUCT = 300_000
_NEGLIGIBLE = 1e-6
PAIRS_A_STEP = 400_000  # atoms of x times those of V: sets the width of a cell
_PAIRS_AT_ONCE = 40_000  # what fits into a core's cache
_MANY_PAIRS = 20_000_000  # half a second's work: then what is below rounding is left out
_LOST = 1e-18


@dataclass(frozen=True, slots=True)
class AdvantageSums:
    """Law of V: value [A, 4] with probability mass [A]."""

    value: Array
    mass: Array


def advantage_sums(prob: float, config: PhaseConfig) -> AdvantageSums | None:
    """The law of V for one mini-batch sampled from p₀ = prob, or None where it has more than 10,000 values.

    Where it has, the values that hardly ever occur are left out: with rare rewards (or rare failures) nearly all of the
    mass sits on few values that lie far apart.
    """
    size = config.group_size
    if size > LARGEST_ATOMIC_GROUP:
        return None
    plus, minus = group_advantages(size, config.scale)
    m, k, rest, mass = group_patterns(size, reward_law(np.array([prob, 1.0 - prob]), config.success_prob))
    value = np.stack([plus[m] * k, plus[m] * (m - k), minus[m] * rest, minus[m] * (size - m - rest)], axis=1)
    group = total = _distinct(value, mass)
    for _ in range(config.groups_per_minibatch - 1):
        if len(total.mass) * len(group.mass) > LARGEST_PRODUCT:
            total, group = _common(total, prob), _common(group, prob)
        if len(total.mass) * len(group.mass) > LARGEST_PRODUCT:
            return None
        value = (total.value[:, None] + group.value[None]).reshape(-1, 4)
        total = _distinct(value, np.outer(total.mass, group.mass).ravel())
    if len(total.mass) > LARGEST_SUPPORT:
        total = _common(total, prob)
    return total if len(total.mass) <= LARGEST_SUPPORT else None


def _common(sums: AdvantageSums, prob: float) -> AdvantageSums:
    """Without values that together have at most 1e-6 of the mass and 1e-6 of the first step's variance."""
    move = sums.value @ np.array([1 - prob, -prob, 1 - prob, -prob])
    part = sums.mass * (1 + move**2 / (sums.mass @ move**2))
    order = np.argsort(part)
    kept = np.sort(order[np.cumsum(part[order]) > _NEGLIGIBLE])
    return AdvantageSums(sums.value[kept], sums.mass[kept] / sums.mass[kept].sum())


def _distinct(value: Array, mass: Array) -> AdvantageSums:
    """Equal rows once, with their probabilities added; equal to 1e-9, far above rounding.

    np.unique over rows in a fifth of its time: sorting column by column beats comparing rows.
    """
    rounded = np.rint(value * 1e9)
    order = np.lexsort(rounded.T[::-1])
    differs = np.append(True, (np.diff(rounded[order], axis=0) != 0).any(axis=1))
    row = np.empty(len(order), dtype=np.int64)
    row[order] = np.cumsum(differs) - 1
    return AdvantageSums(value[order[differs]], np.asarray(np.bincount(row, mass), dtype=np.float64))


def propagate_atoms(prob: float, config: PhaseConfig, sums: AdvantageSums, std: float) -> PhaseLaw:
    """The law of one phase as atoms.

    std > 0: standard deviation of the first step. It is divided into 8 cells at least, and into up to 128 where V has
    few values; the jump of a rare outcome, which may be far longer, into 128.
    """
    x0, old = float(logit(prob)), np.array([prob, 1.0 - prob])
    rate = config.learning_rate / (config.group_size * config.groups_per_minibatch)
    affordable = PAIRS_A_STEP / (len(sums.mass) * 16 * math.sqrt(config.minibatches))
    width = max(std / min(max(affordable, 8.0), 128.0), largest_jump(prob, config) / 128)
    bounds = np.sort(clip_thresholds(prob, config)) - x0
    reward = reward_law(old, config.success_prob)
    moments = advantage_moments(config.group_size, reward.success_prob, config.scale)
    low, high = np.zeros(config.minibatches), np.zeros(config.minibatches)
    y, law = np.zeros(1), np.ones(1)
    for step in range(config.minibatches):
        policy = np.stack([expit(x0 + y), expit(-x0 - y)], axis=1)
        above, below = config.surrogate.slopes(policy / old, old)
        low[step] = moments.negative_prob * float(law @ (below == 0) @ reward.rest)
        high[step] = moments.positive_prob * float(law @ (above == 0) @ reward.rewarded)
        unit = rate * policy / old * np.stack([2 * policy[:, 1], -2 * policy[:, 0]], axis=1)
        y, law = _step(y, law, np.concatenate([unit * above, unit * below], axis=1), sums, bounds, width)
    return PhaseLaw(y, law, low, high, atomic=True)


def _step(y: Array, law: Array, unit: Array, sums: AdvantageSums, bounds: Array, width: float) -> tuple[Array, Array]:
    """All atoms y + unit·V, merged cell by cell.

    Where rewards are rare nearly all of the mass stays at a few of tens of thousands of atoms; the others, which
    together have less than 1e-18 of it, are left out where following them would take long.
    """
    if len(y) * len(sums.mass) > _MANY_PAIRS:
        order = np.argsort(law)
        kept = np.sort(order[np.cumsum(law[order]) > _LOST])
        y, law, unit = y[kept], law[kept], unit[kept]
    at_once = max(1, _PAIRS_AT_ONCE // len(sums.mass))
    keys, parts = [], []
    for first in range(0, len(y), at_once):
        part = slice(first, first + at_once)
        position = (y[part, None] + unit[part] @ sums.value.T).ravel()
        mass = np.outer(law[part], sums.mass).ravel()
        cell = np.rint(position / width)
        zone = np.zeros(len(position), dtype=np.int64)
        for bound in bounds:  # several times faster than a binary search among a handful
            zone += position > bound
        key, row = _grouped(cell.astype(np.int64) * (len(bounds) + 1) + zone)
        offset = position / width - cell
        keys.append(key)
        parts.append(_raw_moments(row, offset, mass, len(key)))
    key, row = _grouped(np.concatenate(keys))
    moments: Array = np.stack([np.bincount(row, values, len(key)) for values in np.concatenate(parts, axis=1)])
    held = moments[0] > 0  # after thousands of steps a cell's probability may underflow
    key, moments = key[held], moments[:, held]
    offset, mass = _two_nodes(moments)
    place = (key // (len(bounds) + 1))[:, None] + offset
    positive = mass > 0
    return place[positive] * width, mass[positive]


def _raw_moments(row: NDArray[np.int64], offset: Array, mass: Array, rows: int) -> Array:
    """Σ mass·offsetⁱ over the atoms of each row, i = 0…3; [4, rows]."""
    moments = [np.bincount(row, mass, rows)]
    for _ in range(3):
        mass = mass * offset
        moments.append(np.bincount(row, mass, rows))
    return np.stack(moments)


def _grouped(key: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """np.unique with its inverse, by a table instead of a sort where keys are dense."""
    start, span = key.min(), int(np.ptp(key)) + 1
    if span > 4 * len(key):
        found, row = np.unique(key, return_inverse=True)
        return found, row
    present = np.flatnonzero(np.bincount(key - start, minlength=span))
    place = np.zeros(span, dtype=np.int64)
    place[present] = np.arange(len(present))
    return present + start, place[key - start]


def _two_nodes(moments: Array) -> tuple[Array, Array]:
    """Nodes and weights [C, 2] of the two-point Gauss rule with the raw moments 0…3 of each cell, [4, C].

    With mean m, variance v and skew s = μ₃/v the nodes are m + s/2 ± √(s²/4 + v); one node where v vanishes.
    """
    mass, first, second, third = moments
    mean = first / mass
    variance = np.maximum(second / mass - mean**2, 0.0)
    single = variance < 1e-13
    spread = np.where(single, 1.0, variance)
    skew = np.where(single, 0.0, (third - 3 * mean * second) / mass + 2 * mean**3) / spread
    root = np.sqrt(skew**2 / 4 + spread)
    left, right = skew / 2 - root, skew / 2 + root
    share = np.where(single, 0.0, -left / (right - left))
    node = mean[:, None] + np.where(single[:, None], 0.0, np.stack([left, right], axis=1))
    return node, mass[:, None] * np.stack([1 - share, share], axis=1)
