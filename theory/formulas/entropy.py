"""T10, one step: what drift and noise of the logits do to the entropy H = −Σ_j π_j log π_j, to second order.

E[ΔH] ≈ ∇H·E[Δz] + ½ tr(∇²H·E[ΔzΔzᵀ]): the first term is the clip's push (and selection), the second is there without
any clip or meaning in the reward. Both are in nats.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from clipbias.common.arrays import Array
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import Surrogate, push

from .covariance import gradient_covariance
from .drift import check_probs
from .reward import reward_drift


def entropy_gradient(probs: ArrayLike) -> Array:
    """∂H/∂z_j = −π_j·(log π_j + H) for π = softmax(z); [K]. Adds to 0."""
    pi = check_probs("probs", probs)
    surprise = np.log(pi)
    return np.asarray(-pi * (surprise - pi @ surprise), dtype=np.float64)


def entropy_hessian(probs: ArrayLike) -> Array:
    """∂²H/∂z_j∂z_k = −π_j·[(δ_jk − π_k)(1 + log π_j + H) + ∂H/∂z_k]; [K, K], symmetric."""
    pi = check_probs("probs", probs)
    surprise = np.log(pi)
    inner = (np.eye(len(pi)) - pi) * (1 + surprise - pi @ surprise)[:, None]
    return np.asarray(-pi[:, None] * (inner + entropy_gradient(pi)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class EntropyShift:
    """E[ΔH] of one step: from the mean of Δz, and from its spread."""

    drift: float
    noise: float


def step_entropy_shift(probs: ArrayLike, old_probs: ArrayLike, config: PhaseConfig) -> EntropyShift:
    """One optimizer step from π = probs [K] on samples of b = old_probs [K]: E[Δz] of T2 and T9, E[ΔzΔzᵀ] of T3.

    Holds where a step is small: the error is of third order in the learning rate (tested as an order of convergence).
    Without a clip and for outcome-blind rewards, noise is all: it lowers the entropy of an even policy and may raise
    that of a skewed one (for two outcomes where (2p − 1)·x > 1: p > 0.824).
    """
    pi, rate = check_probs("probs", probs), config.learning_rate
    mean = rate * reward_drift(pi, old_probs, config).total
    second = rate**2 * gradient_covariance(pi, old_probs, config) + np.outer(mean, mean)
    return EntropyShift(
        drift=float(entropy_gradient(pi) @ mean),
        noise=0.5 * float((entropy_hessian(pi) * second).sum()),
    )


def natural_gradient_entropy_shift(
    probs: ArrayLike, old_probs: ArrayLike, surrogate: Surrogate, mu: float, learning_rate: float
) -> float:
    """ΔH = −η·μ·Cov_π(log π, s) to first order, for a step along F⁻¹∇J = μ·(s − s̄), F = diag π − ππᵀ (T2's natural
    gradient; Δz is free up to a constant).

    A surrogate lowers entropy where it pushes likely outcomes (s and log π go together). s = f₊′ − f₋′ at R = π/b;
    mu = μ of T1. The vanilla step has −ημ·Σ_j π_j²(log π_j + H)(s_j − s̄) instead: ∇H·(T2).
    """
    pi, b = check_probs("probs", probs), check_probs("old_probs", old_probs)
    s = push(pi / b, b, surrogate)
    surprise = np.log(pi)
    return float(-learning_rate * mu * (pi * (surprise - pi @ surprise)) @ (s - pi @ s))
