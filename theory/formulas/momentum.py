"""T8, continued: what an optimizer with momentum does to noise that is independent from step to step.

The update is v_k = (1−β)·Σ_{j≥0} β^j g_{k−j} with independent, centred gradient noise g (Adam's first moment; its
normalisation is taken as constant). Updates then correlate as β^|h| at a distance of h steps, so that noise keeps going
in one direction for about 1/(1−β) steps. Sums of updates are measured in units of the stationary variance of one,
(1−β)/(1+β) of that of g. Adam starts from rest and divides v_k by 1−β^k, so that its first updates are far larger: its
first step is √((1+β)/(1−β)) standard deviations of a later one (4.4 at β = 0.9). Nothing here knows of clipping.
"""

import math
from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike

from clipbias.common.arrays import Array
from clipbias.common.errors import check


def _check(momentum: float, steps: int) -> None:
    check(0.0 <= momentum < 1.0, "momentum", "in [0, 1)", momentum)
    check(steps >= 0, "steps", "at least 0", steps)


def summed_noise(momentum: float, steps: int) -> float:
    """S(n) = Σ_{i,j≤n} β^|i−j| = n + 2Σ_{h<n} (n−h)β^h: variance of n updates' sum, long after the start.

    n for β = 0 (a random walk); near n² for n ≪ 1/(1−β) (steady motion). Summed term by term: the closed form loses all
    digits as β → 1.
    """
    _check(momentum, steps)
    distance = np.arange(1, steps)
    return float(steps + 2 * ((steps - distance) @ momentum**distance))


def summed_noise_from_rest(
    momentum: float, steps: int, after: int = 0, *, corrected: bool = True, rates: ArrayLike = 1.0
) -> float:
    """S₀(n; a) = (1+β)/(1−β)·Σ_j W_j², W_j = Σ_{k=max(j, a+1)}^{n} r_k(1−β)β^{k−j}/(1−β^k): variance of the sum of the
    updates a+1…n.

    rates: r_k of those updates, [n − a], where the learning rate changes; 1 by default.

    W_j is what the gradient of step j moves in all, with Adam's correction 1/(1−β^k) for its start from zero
    (arXiv:1412.6980, algorithm 1). S₀(n; a) is at least S(n − a); their ratio goes to 1 with a, and with n.
    corrected=False: without it, as SGD's momentum starts, quietly: then S₀ is at most S.
    """
    _check(momentum, steps)
    _check(momentum, steps - after)
    _check(momentum, after)
    zero = momentum ** np.arange(steps, 0, -1) if corrected else np.zeros(steps)
    weights = (1 - momentum) / (1 - zero)
    weights[steps - after :] = 0.0
    weights[: steps - after] *= np.broadcast_to(np.asarray(rates, dtype=np.float64), steps - after)[::-1]
    moved = np.array([*accumulate(weights.tolist(), lambda before, own: own + momentum * before)])
    return float((1 + momentum) / (1 - momentum) * (moved @ moved))


def loudness(momentum: float, minibatches: int, phase: int, *, corrected: bool = True) -> float:
    """S₀(tM; (t−1)M)/S(M): variance of the change over phase t = 1, 2, … over that of a phase long after the start.

    4.59, 1.74 and 1.27 in phases 1, 2, 3 for β = 0.9, M = 8.
    """
    check(phase >= 1, "phase", "at least 1", phase)
    whole = summed_noise_from_rest(momentum, minibatches * phase, minibatches * (phase - 1), corrected=corrected)
    return whole / summed_noise(momentum, minibatches)


def persistence_from_rest(momentum: float, minibatches: int, phases: int, *, corrected: bool = True) -> float:
    """κ⁰_T = √(S₀(TM)/(T·S(M))): spread of the first T phases' sum over that of T independent later phases."""
    check(phases >= 1, "phases", "at least 1", phases)
    first = summed_noise_from_rest(momentum, minibatches * phases, corrected=corrected)
    return math.sqrt(first / (phases * summed_noise(momentum, minibatches)))


def persistence(momentum: float, minibatches: int, phases: int) -> float:
    """κ_T = √(S(TM)/(T·S(M))): spread of T later phases' sum over that of T independent such phases; κ_1 = 1."""
    check(phases >= 1, "phases", "at least 1", phases)
    one = summed_noise(momentum, minibatches)
    return math.sqrt(summed_noise(momentum, minibatches * phases) / (phases * one))


def lasting_persistence(momentum: float, minibatches: int) -> float:
    """κ_∞ = √(M(1+β)/((1−β)·S(M))), the limit of κ_T: also a gradient's eventual effect over that seen in its phase."""
    one = summed_noise(momentum, minibatches)
    return math.sqrt(minibatches * (1 + momentum) / (1 - momentum) / one)


def carried(log_odds: ArrayLike, start: float, mean: float, lasting: float, noise: float) -> Array:
    """x ↦ x₀ + κ_∞·(x̄ − x₀) + κ⁰_T·(x − x̄): what momentum makes of the log-odds after T phases without it.

    start = x₀; mean = x̄, of the law without momentum; lasting = κ_∞, of gradients (`lasting_persistence`); noise = κ⁰_T
    (`persistence_from_rest`). Noise keeps going for a while; of every gradient its phase saw only the part 1/κ_∞.
    """
    return np.asarray(start + lasting * (mean - start) + noise * (np.asarray(log_odds) - mean))


def phase_correlation(momentum: float, minibatches: int) -> float:
    """Correlation of the changes over two neighbouring phases: (S(2M) − 2S(M))/(2S(M)). 0.59 for β = 0.9, M = 8."""
    one = summed_noise(momentum, minibatches)
    return (summed_noise(momentum, 2 * minibatches) - 2 * one) / (2 * one)


def effective_share(momentum: float, minibatches: int) -> float:
    """1/(1 + 2Σ_k ρ_k²): how much of the number of neighbouring phases counts when a variance is estimated from them.

    ρ_k = ρ_1·β^{M(k−1)} is the correlation of phases k apart (Bartlett's formula for a Gaussian sequence).
    """
    first = phase_correlation(momentum, minibatches)
    return 1 / (1 + 2 * first**2 / (1 - momentum ** (2 * minibatches)))
