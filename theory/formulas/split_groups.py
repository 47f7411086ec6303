"""T8: what dealing a group's samples out to several mini-batches does once a gate acts, to leading order.

Without a gate nothing (docs/drift.md). With one, a sample's expected gradient depends on how far the policy has
moved, whose variance given the rewards is (η/n)²·ΣÂ_j² over the samples used before. With whole groups these Â_j are
independent of the sample's own advantage; with split ones a share (G−1)/(Mn−1) of them are its group-mates, and
    e± = E[|Â_i|·Â_j²; ±Â_i > 0]  (i ≠ j of one group)  differs from  μ·v,  v = v₊ + v₋.
So a praised sample meets a variance that is larger by the factor 1 + ρ₊, ρ± = (e±/(μv) − 1)·(G−1)/(Mn−1), at
every step, and a blamed one by 1 + ρ₋. Two things decide the sign: where groups are often silent, mates are loud
together (ρ > 0: small groups, rare rewards or failures); and the fixed sum of a group's squares makes them quiet beside
a loud sample (ρ < 0).
"""

import numpy as np
from numpy.typing import ArrayLike

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import Sapo

from .advantage import advantage_moments, group_advantages, rewarded_law
from .drift import check_probs


def _rate(config: PhaseConfig) -> float:
    if isinstance(config.success_prob, tuple):
        raise InputError("success_prob", "one number", config.success_prob)
    return config.success_prob


def mate_moments(config: PhaseConfig) -> tuple[float, float]:
    """e₊, e₋: E[|Â_i|·Â_j²; ±Â_i > 0] for two samples of one group, exact sums over m ~ Bin(G, γ)."""
    size, m = config.group_size, np.arange(config.group_size + 1)
    plus, minus = group_advantages(size, config.scale)
    law = rewarded_law(size, _rate(config))
    praised = m * plus * ((m - 1) * plus**2 + (size - m) * minus**2)
    blamed = -(size - m) * minus * (m * plus**2 + (size - m - 1) * minus**2)
    pairs = size * (size - 1)
    return float(law @ praised) / pairs, float(law @ blamed) / pairs


def variance_excess(config: PhaseConfig) -> tuple[float, float]:
    """ρ₊, ρ₋: relative excess of the policy's variance that a praised and a blamed sample meet with split groups.

    Samples are dealt out at random over all M mini-batches of the phase.
    """
    moments = advantage_moments(config.group_size, _rate(config), config.scale)
    whole = moments.mu * (moments.v_plus + moments.v_minus)
    mates = (config.group_size - 1) / (config.minibatches * config.groups_per_minibatch * config.group_size - 1)
    plus, minus = mate_moments(config)
    return (plus / whole - 1) * mates, (minus / whole - 1) * mates


def sapo_shift(probs: ArrayLike, config: PhaseConfig, split: bool) -> Array:
    """E[Δz] of one phase under SAPO, to order η³; [K].

    Near R = 1 its slopes are f±′ = 1 + φ±(R−1)², φ± = −τ±²/4; with C = diag π − ππᵀ, q_a = (e_a−π)ᵀC(e_a−π)
        E[Δz]_k = (η³/n)·M(M−1)/2·μv·(φ₊(1+ρ₊) − φ₋(1+ρ₋))·π_k(q_k − Σπq),
    ρ± = 0 for whole groups. The next order is η⁴ (η⁵ for whole groups at γ = ½). A smooth gate is needed: the
    probability of reaching PPO's bounds has no expansion in η; there ρ± says by how much the variance in T4 is off.
    """
    pi, gate = check_probs("probs", probs), config.surrogate
    if not isinstance(gate, Sapo):
        raise InputError("surrogate", "a Sapo, whose slopes are smooth", gate)
    moments = advantage_moments(config.group_size, _rate(config), config.scale)
    excess_plus, excess_minus = variance_excess(config) if split else (0.0, 0.0)
    gates = -(gate.plus**2) / 4 * (1 + excess_plus) + gate.minus**2 / 4 * (1 + excess_minus)
    centred = np.eye(len(pi)) - pi
    q = np.einsum("ai,ij,aj->a", centred, np.diag(pi) - np.outer(pi, pi), centred)
    steps = config.minibatches * (config.minibatches - 1) / 2
    samples = config.group_size * config.groups_per_minibatch
    size = config.learning_rate**3 / samples * steps * moments.mu * (moments.v_plus + moments.v_minus) * gates
    return np.asarray(size * pi * (q - pi @ q), dtype=np.float64)
