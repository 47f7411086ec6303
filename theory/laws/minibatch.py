"""What a mini-batch of fresh samples brings for K outcomes: V₊, V₋ [K], drawn from quasi-random points.

V₊_a, V₋_a are the sums of the positive and of the negative advantages over the mini-batch's samples of outcome a. With
b± the laws of the outcome given reward and none (`reward`) and T the sum of all positive advantages (E T = nμ, Var T =
N·Var(m Â₊(m)), T1), V± = ±b±·T + noise. The noise is that of n multinomial draws with random weights, and is drawn as
    X − b·ΣX,  X_a ~ c·Poisson(λ b_a) independent,  c = w/v,  λ = n v/c²,
with v, w the second and third moments of the advantages of that sign: independent Poisson numbers projected on a fixed
sum have a multinomial's first three cumulants (each Poisson has κ₁ = κ₂ = κ₃ = b_a, and e.g. κ₃ = b_a(1−b_a)³ −
b_a³(1−b_a) = b_a(1−b_a)(1−2b_a)). So mean and covariance of V are exact, and the noise around b±·T has the third
cumulants that n weighted draws have. The third cumulants of V itself are not right: T's own skewness and its covariance
with the noise's variance are dropped, and V₊ may come out negative (G = 4, N = 1, γ = 0.2, b = (0.6, 0.3, 0.1): third
central moments of V₊ 0.320, 0.413, 0.207, here −0.118, 0.206, 0.176). A normal V in their place shifted means by up
to 9 % of the spread, this one by 2.5 % (120 drawn set-ups, 2 to 10 outcomes, mini-batches from 4 samples on).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from scipy.special import ndtri

from clipbias.common.arrays import Array
from clipbias.theory.formulas.advantage import advantage_moments, pair_moments, third_moments
from clipbias.theory.formulas.reward import check_rewards
from clipbias.theory.setup import PhaseConfig

_DEGREE = 48
_MANY = 8.0  # expected counts above it are taken as continuous
_SILENT = 1e-12  # E[Â²; sign] below it is the interpolation's rounding
_LOST = 1e-17


def rewarded_laws(old: Array, config: PhaseConfig) -> tuple[Array, Array, Array]:
    """b⁺, b⁻ [S, K] and γ̄ [S] (see `reward`) for behaviour policies [S, K]."""
    if not isinstance(config.success_prob, tuple):
        return old, old, np.full(1, config.success_prob)
    gamma = np.array(config.success_prob)
    check_rewards(config.success_prob, old.shape[1])
    rate, tiny = np.clip(old @ gamma, gamma.min(), gamma.max()), np.finfo(np.float64).tiny
    rewarded = old * gamma / np.maximum(rate, tiny)[:, None]
    return rewarded, old * (1 - gamma) / np.maximum(1 - rate, tiny)[:, None], rate


@dataclass(frozen=True, slots=True)
class Advantages:
    """T1 at success probabilities γ̄ [S]: μ, v₊, v₋, w₊, w₋, P(Â>0), P(Â<0) and the pair moment PP, [S] each."""

    mu: Array
    v_plus: Array
    v_minus: Array
    w_plus: Array
    w_minus: Array
    positive: Array
    negative: Array
    plus_plus: Array

    @classmethod
    def at(cls, rate: Array, config: PhaseConfig) -> Self:
        """They are polynomials of degree G in γ̄: Chebyshev interpolation is exact (to 1e-9 where G is above 48)."""
        low, high = float(rate.min()), float(rate.max())
        degree = min(config.group_size, _DEGREE) if high > low else 0
        nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        values = []
        for gamma in ((low + high) / 2 + (high - low) / 2 * nodes).tolist():
            one = advantage_moments(config.group_size, gamma, config.scale)
            third = third_moments(config.group_size, gamma, config.scale)
            pair = pair_moments(config.group_size, gamma, config.scale).plus_plus
            values.append([one.mu, one.v_plus, one.v_minus, *third, one.positive_prob, one.negative_prob, pair])
        coefficients = np.linalg.solve(chebvander(nodes, degree), np.array(values))
        place = (2 * rate - low - high) / (high - low) if high > low else np.zeros(len(rate))
        return cls(*(chebvander(place, degree) @ coefficients).T)

    def sums(self, points: Array, rewarded: Array, rest: Array, config: PhaseConfig) -> tuple[Array, Array]:
        """V₊, V₋ [S, K] from points [S, 2K + 1] in (0, 1)."""
        outcomes, size, groups = rest.shape[1], config.group_size, config.groups_per_minibatch
        variance = groups * (size * self.v_plus + size * (size - 1) * self.plus_plus - (size * self.mu) ** 2)
        total = size * groups * self.mu + np.sqrt(np.maximum(variance, 0.0)) * ndtri(points[:, -1])

        def noise(law: Array, second: Array, third: Array, levels: Array) -> Array:
            heard = second > _SILENT
            weight = np.where(heard, third / np.where(heard, second, 1.0), 1.0)[:, None]
            draws = size * groups * np.where(heard, second, 0.0)[:, None] / weight**2
            count = poisson_quantile(levels, draws * law)
            return np.asarray(weight * (count - law * count.sum(axis=1, keepdims=True)))

        praise = rewarded * total[:, None] + noise(rewarded, self.v_plus, self.w_plus, points[:, :outcomes])
        blame = rest * total[:, None] + noise(rest, self.v_minus, self.w_minus, points[:, outcomes:-1])
        return praise, -blame


def poisson_quantile(level: Array, rate: Array) -> Array:
    """Quantiles of Poisson(rate) at levels in (0, 1); two arrays of one shape.

    Up to a rate of 8 by adding up probabilities; beyond, Cornish and Fisher's expansion with z = Φ⁻¹(level),
    λ + z√λ + (z² − 1)/6 + (z − z³)/(72√λ), which is not rounded to whole numbers (error O(1/λ), and that rounding).
    """
    many = rate > _MANY
    quantile = np.zeros(rate.shape)
    z, large = ndtri(level[many]), rate[many]
    root = np.sqrt(large)
    quantile[many] = large + z * root + (z**2 - 1) / 6 + (z - z**3) / (72 * root)
    left = np.flatnonzero(~many)
    wanted, small = level.ravel()[left], rate.ravel()[left]
    term = np.exp(-small)
    total, count, found = term.copy(), 0, quantile.ravel()
    while len(left):
        beyond = (wanted > total) & (term > _LOST)
        left, wanted, small, term, total = left[beyond], wanted[beyond], small[beyond], term[beyond], total[beyond]
        count += 1
        term = term * small / count
        total = total + term
        found[left] = count
    return found.reshape(rate.shape)
