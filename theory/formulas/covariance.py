"""T3: the covariance of one optimizer step, which is the noise that clipping acts on."""

import numpy as np
from numpy.typing import ArrayLike

from clipbias.common.arrays import Array
from clipbias.theory.setup import PhaseConfig

from .advantage import advantage_moments, pair_moments
from .drift import check_probs
from .reward import reward_law


def gradient_covariance(probs: ArrayLike, old_probs: ArrayLike, config: PhaseConfig) -> Array:
    """Covariance [K, K] of the gradient estimate g = (1/n)·Σ_i ∂/∂z [Â_i f(R_i)] in one mini-batch; n = N·G.

    A sample contributes y = Â f′(R_a) R_a (e_a − π). With u± = Σ_a b±_a R_a f±′(R_a)(e_a − π), one group's sum has
    Cov = G·Σ_a R_a²(v₊b⁺_a f₊′² + v₋b⁻_a f₋′²)(e_a−π)(e_a−π)ᵀ
          + G(G−1)·[PP·u₊u₊ᵀ + PM·(u₊u₋ᵀ + u₋u₊ᵀ) + MM·u₋u₋ᵀ] − G²·ȳȳᵀ,  ȳ = μ(u₊ − u₋),
    with the pair moments PP, PM, MM of T1, and b⁺, b⁻ of `reward` (both are b for outcome-blind rewards); groups are
    independent, so Cov(g) = N·Cov/(NG)². For outcome-blind rewards without clipping u± = 0 and only the first term
    stays. Multiply by learning_rate² for the logits. T3 of docs/equations.md. Holds as T2 does.
    """
    pi, b = check_probs("probs", probs), check_probs("old_probs", old_probs)
    size, law = config.group_size, reward_law(b, config.success_prob)
    moments = advantage_moments(size, law.success_prob, config.scale)
    pairs = pair_moments(size, law.success_prob, config.scale)
    ratio = pi / b
    above, below = config.surrogate.slopes(ratio, b)
    score = np.eye(len(pi)) - pi  # score[a] = e_a − π
    weight = ratio**2 * (moments.v_plus * law.rewarded * above**2 + moments.v_minus * law.rest * below**2)
    u_plus, u_minus = (ratio * law.rewarded * above) @ score, (ratio * law.rest * below) @ score
    mean = moments.mu * (u_plus - u_minus)
    within = (
        pairs.plus_plus * np.outer(u_plus, u_plus)
        + pairs.plus_minus * (np.outer(u_plus, u_minus) + np.outer(u_minus, u_plus))
        + pairs.minus_minus * np.outer(u_minus, u_minus)
    )
    group = size * (score.T * weight) @ score + size * (size - 1) * within - size**2 * np.outer(mean, mean)
    return np.asarray(group / (config.groups_per_minibatch * size**2))
