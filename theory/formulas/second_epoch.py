"""T8, where fresh samples end: a second epoch on the same samples, to leading order.

The second time a sample is used, the policy has already followed it. Its own first step, δz = (η/n)·Â(e_a − π), then
meets the change of its own gradient:
    E[∂_z(Â R_a (e_a − π))·δz] = (η/n)·E[Â²]·E_a[(e_a − π)|e_a − π|²] = −(2η/n)·E[Â²]·π_j(π_j − |π|²),
since ∂_z R_a(e_a − π) = R_a(e_a − π)(e_a − π)ᵀ − R_a(diag π − ππᵀ), whose second part averages to 0. Different samples
of a group, whose advantages correlate, add nothing: their outcomes are independent and scores average to 0. What is
left pushes likely outcomes down, toward the uniform policy, with no clip and no meaning in the reward. This drift alone
would raise entropy; noise is of the same order, and for two outcomes their sum is proportional to 3(2p − 1)x − 2,
x = logit p: entropy rises where p > 0.773 or p < 0.227 and falls between (docs/noise.md).
"""

import numpy as np
from numpy.typing import ArrayLike

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError
from clipbias.theory.setup import PhaseConfig

from .advantage import advantage_moments
from .drift import check_probs


def second_epoch_shift(probs: ArrayLike, config: PhaseConfig) -> Array:
    """E[Δz] of a phase of two epochs from probs [K], to order η²: −(2Mη²/n)·(v₊ + v₋)·π_j(π_j − |π|²); [K].

    Every mini-batch meets its own first step once. For rewards that ignore the outcome and surrogates whose slopes are
    1 near R = 1 (PPO's clip, CISPO, DPPO: no bound is reached to this order). Groups whole or split: the same. For two
    outcomes the log-odds move by −(4Mη²/n)(v₊ + v₋)·(2p − 1)·p(1 − p). The next order is η⁴ (η³ where advantages are
    skewed, γ ≠ ½), tested by enumeration as an order of convergence.
    """
    pi = check_probs("probs", probs)
    if isinstance(config.success_prob, tuple):
        raise InputError("success_prob", "one number", config.success_prob)
    moments = advantage_moments(config.group_size, config.success_prob, config.scale)
    samples = config.group_size * config.groups_per_minibatch
    own = pi * (pi - pi @ pi)
    factor = 2 * config.minibatches * config.learning_rate**2 / samples * (moments.v_plus + moments.v_minus)
    return np.asarray(-factor * own, dtype=np.float64)
