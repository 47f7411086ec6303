"""T9: rewards that depend on the outcome: who is among the rewarded, and what selection adds to the drift.

Every sample of outcome a is rewarded with probability γ_a, independently. A group then has m ~ Bin(G, γ̄) rewarded
samples, γ̄ = Σ_a b_a γ_a; given m, their outcomes are independent draws from b⁺_a = b_a γ_a/γ̄, those of the others from
b⁻_a = b_a(1−γ_a)/(1−γ̄). So every formula for outcome-blind rewards holds with b⁺ for the praised and b⁻ for the blamed
in the place of b, and γ̄ for γ.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from clipbias.common.arrays import Array
from clipbias.common.errors import check
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED

from .advantage import advantage_moments
from .drift import check_alike, check_probs


@dataclass(frozen=True, slots=True)
class RewardLaw:
    """success_prob: γ̄. rewarded, rest [K]: b⁺ and b⁻, the laws of a rewarded and of an unrewarded sample's outcome."""

    success_prob: float
    rewarded: Array
    rest: Array


def check_rewards(success_prob: float | tuple[float, ...], outcomes: int) -> None:
    """Raise InputError unless success_prob is one number or one for each of the outcomes."""
    if isinstance(success_prob, tuple):
        known = f"one number or as many as outcomes ({outcomes})"
        check(len(success_prob) == outcomes, "success_prob", known, len(success_prob))


def reward_law(old_probs: Array, success_prob: float | tuple[float, ...]) -> RewardLaw:
    """Bayes' rule for behaviour probabilities b [K]; b⁺ is b itself where nobody is rewarded, b⁻ where all are."""
    if not isinstance(success_prob, tuple):
        return RewardLaw(success_prob, old_probs, old_probs)
    check_rewards(success_prob, len(old_probs))
    gamma = np.asarray(success_prob, dtype=np.float64)
    joint, other = old_probs * gamma, old_probs * (1.0 - gamma)
    mean = float(joint.sum())
    rewarded = joint / mean if mean > 0 else old_probs
    rest = other / other.sum() if other.sum() > 0 else old_probs
    return RewardLaw(min(mean, 1.0), rewarded, rest)


@dataclass(frozen=True, slots=True)
class DriftParts:
    """E[∂J/∂z], [K], in two parts that add up: selection, what the rewards do without a clip, and clip, the rest."""

    selection: Array
    clip: Array

    @property
    def total(self) -> Array:
        return np.asarray(self.selection + self.clip, dtype=np.float64)


def reward_drift(probs: ArrayLike, old_probs: ArrayLike, config: PhaseConfig) -> DriftParts:
    """E[∂J/∂z_j] = μ(γ̄)·Σ_a (R_a b⁺_a f₊′_a − R_a b⁻_a f₋′_a)·(δ_aj − π_j), array [K] in units of advantage.

    Exact for any π and b where samples are fresh (as T2, which it becomes at equal γ_a). At π = b without a clip it is
    π_j(A_j − Ā), A_a = (γ_a − γ̄)·κ, κ = `advantage_gap` (T9): outcomes gain by their advantage over the average,
    not by how many of the rewarded samples they are.
    """
    pi, b = check_probs("probs", probs), check_probs("old_probs", old_probs)
    check_alike(pi, b)
    law = reward_law(b, config.success_prob)
    mu = advantage_moments(config.group_size, law.success_prob, config.scale).mu

    def drift(above: Array, below: Array) -> Array:
        pull = mu * pi / b * (law.rewarded * above - law.rest * below)
        return np.asarray(pull - pi * pull.sum(), dtype=np.float64)

    selection = drift(*UNCLIPPED.slopes(pi / b, b))
    return DriftParts(selection, drift(*config.surrogate.slopes(pi / b, b)) - selection)


def advantage_gap(config: PhaseConfig, success_prob: float) -> float:
    """κ = E[Â₊(m′+1)] − E[Â₋(m′)], m′ ~ Bin(G−1, γ̄): what a reward is worth to the sample that gets it (T9).

    = μ(γ̄)/(γ̄(1−γ̄)), since μ = γ̄·E[Â | rewarded] = −(1−γ̄)·E[Â | not]. success_prob = γ̄ in (0, 1).
    """
    check(0.0 < success_prob < 1.0, "success_prob", "in (0, 1)", success_prob)
    mu = advantage_moments(config.group_size, success_prob, config.scale).mu
    return mu / (success_prob * (1.0 - success_prob))
