"""The continuous ranked probability score: how far a measured number lies from a predicted law, in the number's unit.

CRPS(F, y) = ∫ (F(x) − 1{x ≥ y})² dx. It is the absolute error where the law is a point, lower is better, and a true law
scores best on average: a law that is too wide pays as one that is too narrow.

Source: Gneiting & Raftery 2007, doi:10.1198/016214506000001437, section 4.2.
"""

import math

import numpy as np
from scipy.special import ndtr

from clipbias.common.arrays import Array
from clipbias.common.errors import check


def crps_normal(measured: Array, mean: Array, std: Array) -> Array:
    """σ·[z(2Φ(z) − 1) + 2φ(z) − 1/√π], z = (y − μ)/σ, and |y − μ| where σ = 0. Shapes broadcast."""
    error = np.asarray(measured - mean)
    sigma = np.broadcast_to(np.asarray(std, dtype=np.float64), error.shape)
    z = np.divide(error, sigma, out=np.zeros_like(error, dtype=np.float64), where=sigma > 0)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    score = sigma * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / math.sqrt(math.pi))
    return np.where(sigma > 0, score, np.abs(error))


def crps_ensemble(measured: Array, members: Array) -> Array:
    """Of the law that gives each of n members the same chance: mean |x_i − y| − ½ mean |x_i − x_j|.

    measured [...], members [..., n]. The second mean is Σ_i (2i − n − 1) x_(i) / n² over the sorted members.
    """
    ordered = np.sort(members, axis=-1)
    n = ordered.shape[-1]
    apart = ordered @ (2 * np.arange(1, n + 1) - n - 1) / n**2
    return np.asarray(np.abs(ordered - np.asarray(measured)[..., None]).mean(axis=-1) - apart)


def crps_quantiles(measured: Array, quantiles: Array, levels: tuple[float, ...]) -> Array:
    """Of the law with these quantiles whose distribution function is linear between them; what the levels leave out
    sits on the first and the last.

    measured [...], quantiles [..., L] ascending. On a piece from (a, F_a) to (b, F_b) ∫ F² = (b − a)(F_a² + F_a F_b +
    F_b²)/3, and beyond the last quantile the distance counts whole.
    """
    check(list(levels) == sorted(levels), "levels", "ascending", levels)
    y = np.asarray(measured, dtype=np.float64)[..., None]
    first, last = quantiles[..., :-1], quantiles[..., 1:]
    below, above = np.asarray(levels[:-1]), np.asarray(levels[1:])
    at = np.clip(y, first, last)
    width = last - first
    share = np.divide(at - first, width, out=np.zeros_like(at * width), where=width > 0)
    reached = below + share * (above - below)

    def squared(a: Array, b: Array) -> Array:
        return np.asarray((a**2 + a * b + b**2) / 3)

    pieces = (at - first) * squared(below, reached) + (last - at) * squared(1 - reached, 1 - above)
    beyond = np.maximum(quantiles[..., 0] - y[..., 0], 0.0) + np.maximum(y[..., 0] - quantiles[..., -1], 0.0)
    return np.asarray(pieces.sum(axis=-1) + beyond)
