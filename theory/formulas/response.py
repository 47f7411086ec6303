"""T12: how an observable answers to who is praised, read off trainings whose rewards are coins.

Over a phase t of a training, S_c(t) = Σ_i Â_i·1{sample i is of class c}. Under a coin the advantages are exogenous:
given all that went before, S has mean 0 whatever the policy, so that least squares in

    Δy(t) = a + Σ_{l=0}^{L} Σ_c β_cl S_c(t − l) + rest(t)

estimates without bias what a unit of advantage on class c does to y in its own phase (l = 0) and, by the optimizer's
momentum, l phases later. S before the first phase is 0.

Holds where the answer is linear and the same in all phases; where what moves y is who was praised among these classes,
and not which of a class's samples; and for a reward that looks as far as its own S are put in. Advantages of whole
groups add up to 0, so that of C classes that are all samples one must be left out: β is then against that class.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError, check
from clipbias.theory.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Response:
    """coefficients [L + 1, C]: β by lag and class, in units of y per unit of advantage; intercept: a. explained: the
    share of Δy's variance that the regression accounts for (R²)."""

    coefficients: Estimate
    intercept: Estimate
    explained: float

    def changes(self, sums: ArrayLike) -> Array:
        """a + Σ β S(t − l), [R, T], for sums S [R, T, C] of any reward."""
        lagged = _lagged(np.asarray(sums, dtype=np.float64), len(self.coefficients.value))
        return np.asarray(self.intercept.value + lagged @ self.coefficients.value.ravel(), dtype=np.float64)


def advantage_sums(advantages: ArrayLike, classes: ArrayLike, count: int) -> Array:
    """S [..., C] of samples [..., n] with advantages and classes 0…C−1."""
    known = np.asarray(classes)[..., None] == np.arange(count)
    return np.asarray((np.asarray(advantages, dtype=np.float64)[..., None] * known).sum(-2), dtype=np.float64)


def _lagged(sums: Array, depth: int) -> Array:
    """[R, T, depth·C]: S(t), S(t − 1), …, zero before the first phase."""
    shifted = [np.pad(sums, ((0, 0), (lag, 0), (0, 0)))[:, : sums.shape[1]] for lag in range(depth)]
    return np.concatenate(shifted, axis=2)


def response(changes: ArrayLike, sums: ArrayLike, lags: int = 0) -> Response:
    """Least squares over all phases of R seeds, errors by seed: changes Δy [R, T], sums S [R, T, C], lags L ≥ 0.

    The error is the sandwich (XᵀX)⁻¹·[Σ_r X_rᵀu_r u_rᵀX_r]·(XᵀX)⁻¹·R/(R−1), u_r the residuals of seed r: right for
    rests that go along with each other within a seed in any way, since seeds are independent (Liang and Zeger,
    doi:10.1093/biomet/73.1.13).
    """
    moved, given = np.asarray(changes, dtype=np.float64), np.asarray(sums, dtype=np.float64)
    check(moved.ndim == 2, "changes", "of seeds and phases, [R, T]", moved.shape)
    check(given.ndim == 3 and given.shape[:2] == moved.shape, "sums", f"{list(moved.shape)} times classes", given.shape)
    check(0 <= lags < moved.shape[1], "lags", f"in [0, {moved.shape[1] - 1}]", lags)
    check(len(moved) >= 2, "changes", "of at least 2 seeds", len(moved))
    table = np.concatenate([np.ones((*moved.shape, 1)), _lagged(given, lags + 1)], axis=2)
    square = np.einsum("rtk,rtl->kl", table, table)
    scale = np.sqrt(np.diag(square))
    if not scale.all() or np.linalg.cond(square / np.outer(scale, scale)) > 1e12:
        raise InputError("sums", "of classes that do not add up to 0 (leave one out), and more phases than unknowns")
    inverse = np.linalg.inv(square)
    found = inverse @ np.einsum("rtk,rt->k", table, moved)
    rest = moved - table @ found
    by_seed = np.einsum("rtk,rt->rk", table, rest)
    seeds = len(moved)
    stderr = np.sqrt(np.diag(inverse @ (by_seed.T @ by_seed) @ inverse) * seeds / (seeds - 1))
    shape = (lags + 1, given.shape[2])
    return Response(
        Estimate(found[1:].reshape(shape), stderr[1:].reshape(shape)),
        Estimate(found[0], stderr[0]),
        float(1.0 - rest.var() / moved.var()),
    )
