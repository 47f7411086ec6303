"""T1 with a second normalisation: advantages whitened over the whole buffer, as the code of arXiv:2506.10947 does.

A group whose rewards differ has Σ Â² = G (population standard deviation) or G − 1 (n−1), whatever its rewards; a silent
one has 0. So the variance over a buffer of B groups only counts the D that speak, and whitening multiplies every
advantage by f = √((BG − 1)/(D·ΣÂ²)) ("std-unbiased") or √(BG/(D·ΣÂ²)) ("std"). Means stay 0.
"""

from dataclasses import replace

import numpy as np

from clipbias.common.errors import check
from clipbias.theory.setup import Scale

from .advantage import AdvantageMoments, advantage_moments
from .binomial import binomial_pmf

LARGEST_GROUPS = 1_000_000  # all counts of those that speak are summed over


def whitening_factors(group_size: int, success_prob: float, groups: int, scale: Scale = "std") -> tuple[float, float]:
    """(E[f], E[f²]) as a group that speaks sees them: D − 1 ~ Bin(B − 1, 1 − P(silent)), an exact sum.

    groups = B ≥ 1. "std" and "std-unbiased" alone: without a scale Σ Â² is not the same for all groups.
    """
    check(groups >= 1, "groups", "at least 1", groups)
    check(groups <= LARGEST_GROUPS, "groups", f"at most {LARGEST_GROUPS}", groups)
    check(scale != "none", "scale", "one of std, std-unbiased", scale)
    speaks = 1.0 - advantage_moments(group_size, success_prob, scale).degenerate_prob
    others = np.arange(groups)
    law = binomial_pmf(others, groups - 1, speaks)
    unbiased = scale == "std-unbiased"
    square = (groups * group_size - unbiased) / ((others + 1) * (group_size - unbiased))
    return float(law @ np.sqrt(square)), float(law @ square)


def whitened_moments(group_size: int, success_prob: float, groups: int, scale: Scale = "std") -> AdvantageMoments:
    """`advantage_moments` after whitening over a buffer of B groups: μ·E[f], v±·E[f²]; max_abs where D = 1.

    T2 without a clip stays 0, since f depends on rewards alone; under a clip f couples the mini-batches of a phase (all
    have the same D), so that T2's independence holds to order 1/B only.
    """
    first, second = whitening_factors(group_size, success_prob, groups, scale)
    plain = advantage_moments(group_size, success_prob, scale)
    unbiased = scale == "std-unbiased"
    largest = np.sqrt((groups * group_size - unbiased) / (group_size - unbiased))
    return replace(
        plain,
        mu=plain.mu * first,
        v_plus=plain.v_plus * second,
        v_minus=plain.v_minus * second,
        max_abs=plain.max_abs * float(largest),
    )
