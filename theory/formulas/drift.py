"""T2: the expected gradient when rewards ignore the outcome; what is left of it is the clip's alone."""

import numpy as np
from numpy.typing import ArrayLike

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError, check
from clipbias.theory.surrogate import Surrogate, push


def check_probs(name: str, probs: ArrayLike) -> Array:
    """`probs` as an array [K ≥ 2] of positive numbers that add to 1, or an InputError naming it."""
    rule = "at least two numbers in (0, 1) that add to 1"
    try:
        array = np.asarray(probs, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(name, rule, probs) from None
    several = array.ndim == 1 and len(array) >= 2
    check(several and bool(np.all(array > 0)) and abs(array.sum() - 1.0) <= 1e-9, name, rule, array.tolist())
    return np.asarray(array / array.sum(), dtype=np.float64)


def check_alike(probs: Array, old_probs: Array) -> None:
    """Raise InputError unless both policies are over the same outcomes."""
    if len(probs) != len(old_probs):
        raise InputError("old_probs", f"as many entries as probs ({len(probs)})", len(old_probs), verb="have")


def expected_gradient(probs: ArrayLike, old_probs: ArrayLike, surrogate: Surrogate, mu: float) -> Array:
    """E[∂J/∂z_j] = μ·π_j·(s_j − s̄), s_a = f₊′(R_a) − f₋′(R_a), s̄ = Σ_a π_a s_a; array [K], units of advantage.

    probs: the policy π [K]; old_probs: the behaviour policy b [K] that samples came from; R = π/b; mu from T1.
    Source: T2 of docs/equations.md; arXiv:2506.10947 states it for symmetric ε (sign slip in v0/v1). Exact for any π
    and b when rewards ignore the outcome and advantages are independent of how π came to differ from b: one epoch,
    fresh samples in every mini-batch. It fails with several epochs on the same samples.
    """
    pi, b = check_probs("probs", probs), check_probs("old_probs", old_probs)
    check_alike(pi, b)
    s = push(pi / b, b, surrogate)
    return mu * pi * (s - pi @ s)
