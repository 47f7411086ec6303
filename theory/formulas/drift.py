"""T2: the expected gradient when rewards ignore the outcome; what is left of it is the clip's alone."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipbias.theory.surrogate import Surrogate, push


def check_probs(name: str, probs: ArrayLike) -> NDArray[np.float64]:
    """`probs` as an array [K ≥ 2] of positive numbers that add to 1, or a ValueError naming it."""
    array = np.asarray(probs, dtype=np.float64)
    if array.ndim != 1 or len(array) < 2 or not np.all(array > 0) or abs(array.sum() - 1.0) > 1e-9:
        raise ValueError(f"{name} must be at least two numbers in (0, 1) that add to 1, got {array.tolist()}")
    return np.asarray(array / array.sum(), dtype=np.float64)


def expected_gradient(probs: ArrayLike, old_probs: ArrayLike, surrogate: Surrogate, mu: float) -> NDArray[np.float64]:
    """E[∂J/∂z_j] = μ·π_j·(s_j − s̄), s_a = f₊′(R_a) − f₋′(R_a), s̄ = Σ_a π_a s_a; array [K], units of advantage.

    probs: the policy π [K]; old_probs: the behaviour policy b [K] that samples came from; R = π/b; mu from T1.
    Source: T2 of docs/equations.md; arXiv:2506.10947 states it for symmetric ε (sign slip in v0/v1). Exact for any π
    and b when rewards ignore the outcome and advantages are independent of how π came to differ from b: one epoch,
    fresh samples in every mini-batch. It fails with several epochs on the same samples.
    """
    pi, b = check_probs("probs", probs), check_probs("old_probs", old_probs)
    if len(pi) != len(b):
        raise ValueError(f"old_probs must have as many entries as probs ({len(pi)}), got {len(b)}")
    s = push(pi / b, b, surrogate)
    return mu * pi * (s - pi @ s)
