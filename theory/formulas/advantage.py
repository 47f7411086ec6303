"""T1: the law of a group's normalised advantages when the reward is a coin."""

from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np

from clipbias.common.arrays import Array
from clipbias.common.errors import check
from clipbias.theory.setup import LARGEST_GROUP, Scale

from .binomial import binomial_pmf


@dataclass(frozen=True, slots=True)
class AdvantageMoments:
    """mu = E[Â; Â>0] = −E[Â; Â<0]. v_plus = E[Â²; Â>0], v_minus = E[Â²; Â<0] (units of advantage²).
    positive_prob = P(Â>0), negative_prob = P(Â<0). degenerate_prob = P(m ∈ {0, G}): the group is silent.
    max_abs = the largest |Â| that has positive probability."""

    mu: float
    v_plus: float
    v_minus: float
    positive_prob: float
    negative_prob: float
    degenerate_prob: float
    max_abs: float


def _check(group_size: int, scale: str) -> None:
    check(group_size >= 2, "group_size", "at least 2", group_size)
    check(group_size <= LARGEST_GROUP, "group_size", f"at most {LARGEST_GROUP}", group_size)
    check(scale in get_args(Scale), "scale", f"one of {', '.join(get_args(Scale))}", scale)


def group_advantages(group_size: int, scale: Scale = "std", epsilon: float = 0.0) -> tuple[Array, Array]:
    """(Â₊, Â₋) of a rewarded and an unrewarded sample for m = 0…G rewarded ones; two arrays [G + 1].

    With q = m/G: Â₊ = c√((1−q)/q), Â₋ = −c√(q/(1−q)), and 0 for m ∈ {0, G}; c = 1 for the population standard
    deviation ("std"), √((G−1)/G) for the n−1 one ("std-unbiased"). "none": Â = r − q (Dr. GRPO, arXiv:2503.20783).

    epsilon ≥ 0 is added to the standard deviation σ = √(q(1−q))/c before dividing: Â ← Â·σ/(σ + ε). TRL's is 1e-4,
    which changes Â by less than 1e-4/√(1/G − 1/G²) relatively; the default leaves it out.
    """
    _check(group_size, scale)
    check(0.0 <= epsilon < np.inf, "epsilon", "at least 0 and finite", epsilon)
    q = np.arange(group_size + 1) / group_size
    if scale == "none":
        return np.where(q > 0, 1.0 - q, 0.0), np.where(q < 1, -q, 0.0)
    c = 1.0 if scale == "std" else np.sqrt((group_size - 1) / group_size)
    plus, minus = np.zeros_like(q), np.zeros_like(q)
    inner = slice(1, group_size)
    std = np.sqrt(q[inner] * (1 - q[inner])) / c
    shrunk = std / (std + epsilon)
    plus[inner] = c * np.sqrt((1 - q[inner]) / q[inner]) * shrunk
    minus[inner] = -c * np.sqrt(q[inner] / (1 - q[inner])) * shrunk
    return plus, minus


def rewarded_law(group_size: int, success_prob: float) -> Array:
    """P(m rewarded of G), m ~ Bin(G, γ); array [G + 1]."""
    check(0.0 <= success_prob <= 1.0, "success_prob", "in [0, 1]", success_prob)
    return binomial_pmf(np.arange(group_size + 1), group_size, success_prob)


@lru_cache(maxsize=1024)  # a law of many phases asks thousands of times for the same
def advantage_moments(
    group_size: int, success_prob: float, scale: Scale = "std", epsilon: float = 0.0
) -> AdvantageMoments:
    """Moments of one sample's advantage, exact sums over m ~ Bin(G, γ).

    μ = Σ_m P(m)·(m/G)·Â₊(m) = c·E√(q(1−q)) for the standard-deviation scales (T1; the μ of arXiv:2506.10947).
    Known value: G = 16, γ = ½ gives 0.4835, with n−1 0.4682. Holds for rewards that ignore the outcome.
    """
    plus, minus = group_advantages(group_size, scale, epsilon)
    law = rewarded_law(group_size, success_prob)
    q = np.arange(group_size + 1) / group_size
    inner = law[1:group_size]
    possible = np.maximum(plus, -minus)[law > 0]
    return AdvantageMoments(
        mu=float((law * q * plus).sum()),
        v_plus=float((law * q * plus**2).sum()),
        v_minus=float((law * (1 - q) * minus**2).sum()),
        positive_prob=float((inner * q[1:group_size]).sum()),
        negative_prob=float((inner * (1 - q[1:group_size])).sum()),
        degenerate_prob=float(law[0] + law[-1]),
        max_abs=abs(float(possible.max())),
    )


def third_moments(group_size: int, success_prob: float, scale: Scale = "std") -> tuple[float, float]:
    """w₊ = E[Â³; Â>0] and w₋ = E[|Â|³; Â<0], exact sums over m ~ Bin(G, γ): the skewness of a mini-batch's noise."""
    plus, minus = group_advantages(group_size, scale)
    law = rewarded_law(group_size, success_prob)
    q = np.arange(group_size + 1) / group_size
    return float((law * q * plus**3).sum()), float((law * (1 - q) * -(minus**3)).sum())


@dataclass(frozen=True, slots=True)
class PairMoments:
    """E[Â_i Â_j; signs] of two different samples of one group, by the signs of the two advantages."""

    plus_plus: float
    plus_minus: float
    minus_minus: float


@lru_cache(maxsize=1024)
def pair_moments(group_size: int, success_prob: float, scale: Scale = "std") -> PairMoments:
    """Σ_m P(m)·P(the two are rewarded / one is / none is | m)·Â·Â, without replacement (T3).

    plus_minus is for an ordered pair (i rewarded, j not). plus_plus + 2·plus_minus + minus_minus =
    −(v₊ + v₋)/(G−1), since the advantages of a group add to 0.
    """
    law = rewarded_law(group_size, success_prob)
    plus, minus = group_advantages(group_size, scale)
    m = np.arange(group_size + 1)
    pairs = group_size * (group_size - 1)
    return PairMoments(
        plus_plus=float((law * m * (m - 1) / pairs * plus**2).sum()),
        plus_minus=float((law * m * (group_size - m) / pairs * plus * minus).sum()),
        minus_minus=float((law * (group_size - m) * (group_size - m - 1) / pairs * minus**2).sum()),
    )
