"""T6: the clip that leaves rare outcomes alone when shared noise moves their ratios."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from clipbias.theory.laws.lattice import Method
from clipbias.theory.laws.phase import phase
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, PpoClip

_LOST_IN_ROUNDING = 1e-10


def _check_ratio_std(ratio_std: float) -> None:
    if not 0.0 < ratio_std < math.inf:
        raise ValueError(f"ratio_std must be positive and finite, got {ratio_std}")


def expected_push(clip: PpoClip, ratio_std: float, rest_std: float | None = None) -> float:
    """E[R·s(R)] for log R ~ N(−σ̄²/2, σ²): the drift of a rare outcome in units of μ·b.

    = E[R]·{Φ((ln(1−ε_l) − m)/σ) − Φ((m − ln(1+ε_h))/σ)}, m = σ² − σ̄²/2, E[R] = exp((σ²−σ̄²)/2)  (T6; the first term is
    0 with clip-low off, the second with clip-high off; a dual clip gives Φ((m − ln c)/σ) back, since beyond c penalties
    are cut off too). σ = ratio_std > 0 is the standard deviation of the log-ratio, σ̄ = rest_std ≥ 0 the root mean
    square, under b, of those of all outcomes, which normalisation takes off; by default σ, so that E[R] = 1. Holds for
    an outcome so rare that its own samples do not move it, its logit being carried along by noise shared with others.
    """
    _check_ratio_std(ratio_std)
    rest = ratio_std if rest_std is None else rest_std
    if not 0.0 <= rest < math.inf:
        raise ValueError(f"rest_std must be at least 0 and finite, got {rest}")
    centre = ratio_std**2 - rest**2 / 2

    def beyond(bound: float) -> float:
        """E[R; R > bound]/E[R]."""
        return float(ndtr((centre - math.log(bound)) / ratio_std)) if bound < math.inf else 0.0

    low = 0.0 if clip.low in (None, 1.0) else float(ndtr((math.log(clip.lower_bound) - centre) / ratio_std))
    high = beyond(clip.upper_bound) - beyond(math.inf if clip.dual is None else clip.dual)
    return math.exp((ratio_std**2 - rest**2) / 2) * (low - high)


def neutral_clip_high(clip_low: float, ratio_std: float, rest_std: float | None = None) -> float:
    """The ε_h at which E[R·s] = 0: (1+ε_h)(1−ε_l) = exp(2σ²−σ̄²), by default exp(σ²) (T6; σ̄ as in `expected_push`).

    The two Gaussian tails are equal iff their arguments are. As σ → 0 it is ε_l/(1−ε_l): 0.25 at ε_l = 0.2.
    ratio_std ≥ 0 (0 is the limit of small steps); rest_std in [0, √2·ratio_std]; clip_low in [0, 1).
    """
    if not 0.0 <= clip_low < 1.0:
        raise ValueError(f"clip_low must be in [0, 1), got {clip_low}")
    if not 0.0 <= ratio_std < 26.0:  # exp(26²) is near the largest float
        raise ValueError(f"ratio_std must be in [0, 26), got {ratio_std}")
    rest = ratio_std if rest_std is None else rest_std
    exponent = 2 * ratio_std**2 - rest**2
    if not (rest >= 0.0 and exponent >= 0.0):
        raise ValueError(f"rest_std must be in [0, {math.sqrt(2) * ratio_std:g}] at this ratio_std, got {rest}")
    if exponent - math.log1p(-clip_low) > 700.0:  # exp(709.8) is the largest float
        raise ValueError(f"clip_low must be smaller at this ratio_std ({ratio_std}): no float is neutral to {clip_low}")
    return math.exp(exponent) / (1.0 - clip_low) - 1.0


def neutral_ratio_std(clip_low: float, clip_high: float) -> float:
    """The σ at which the pair is neutral: σ² = ln((1+ε_h)(1−ε_l)); below it rare outcomes rise, beyond it they fall.

    ValueError where (1+ε_h)(1−ε_l) < 1: such a pair (every symmetric ε > 0 among them) lowers rare outcomes at any σ.
    DAPO's 0.2/0.28 is neutral at σ = 0.154.
    """
    if not 0.0 <= clip_low < 1.0:
        raise ValueError(f"clip_low must be in [0, 1), got {clip_low}")
    if not 0.0 < clip_high < math.inf:
        raise ValueError(f"clip_high must be positive and finite, got {clip_high}")
    product = (1.0 + clip_high) * (1.0 - clip_low)
    if product < 1.0:
        bound = 1.0 / (1.0 - clip_low) - 1.0
        raise ValueError(f"clip_high must be at least {bound:.4f} with clip_low {clip_low}, got {clip_high}")
    return math.sqrt(math.log(product))


def neutral_clip_high_for_law(clip_low: float, ratio: ArrayLike, weight: ArrayLike) -> float:
    """The neutral ε_h for any law of R (not log-normal): ratio [S] > 0 with probabilities weight [S].

    E[R·s(R)] = 0 iff E[R; R < 1−ε_l] = E[R; R > 1+ε_h]: the two bounds must cut equal tails off the size-biased law
    dQ = R dP/E[R], so 1+ε_h is its quantile at 1 − Q(R < 1−ε_l). (For a log-normal R, Q is P moved up by σ² in log R,
    which gives exp(σ²)/(1−ε_l).) The quantile is interpolated between atoms. ValueError where nothing lies below 1−ε_l
    (every ε_h that cuts nothing off is neutral) or the quantile is not above 1.
    """
    if not 0.0 < clip_low < 1.0:
        raise ValueError(f"clip_low must be in (0, 1), got {clip_low}")
    order = np.argsort(np.asarray(ratio, dtype=np.float64))
    values = np.asarray(ratio, dtype=np.float64)[order]
    biased = values * np.asarray(weight, dtype=np.float64)[order]
    cumulative = (np.cumsum(biased) - 0.5 * biased) / biased.sum()
    low = float(np.interp(1.0 - clip_low, values, cumulative, left=0.0))
    bound = float(np.interp(1.0 - low, cumulative, values))
    if low <= 0.0 or bound <= 1.0:
        raise ValueError(f"clip_low must cut off part of the law's lower tail and leave its middle, got {clip_low}")
    return bound - 1.0


def neutral_clip_high_of_phase(
    prob: float, config: PhaseConfig, of: Literal["drift", "entropy"] = "drift", method: Method = "exact"
) -> float:
    """The ε_h at which one phase of the full calculation (T4) is neutral, at config's ε_l; config's ε_h is not used.

    "drift": the expected log-odds do not move (the question of T6 without its assumptions: the prior need not be
    small, the law of R is what clipping leaves of it). "entropy": E[ΔH] is that of the same phase without a clip. The
    excess need not be monotone (bounds of a few hundredths may turn its sign once more): the largest root in
    [0.001, 10] is returned, found downward in steps of a factor 1.5 and then to 1e-4. ValueError where there is none
    (p = ½ has no drift at any bounds) or the phase does not reach ε_l.
    """
    clip = config.surrogate
    if not isinstance(clip, PpoClip) or clip.low is None:
        raise ValueError("clip_low must be a number, got none")
    if clip.dual is not None:
        raise ValueError(f"dual must be none where clip_high is sought, got {clip.dual}")
    low = clip.low
    from scipy.optimize import brentq  # loading it takes longer than most phases

    def excess(log_high: float) -> float:
        trial = replace(config, surrogate=PpoClip(low, math.exp(log_high)))
        result = phase(prob, trial, method)
        return result.log_odds_shift if of == "drift" else result.entropy_shift - free.entropy_shift

    free = phase(prob, replace(config, surrogate=UNCLIPPED), method)
    tried = np.linspace(math.log(10.0), math.log(1e-3), 24).tolist()
    above = excess(tried[0])
    if abs(above) > _LOST_IN_ROUNDING * free.log_odds_std:
        for upper, lower in pairwise(tried):
            below = excess(lower)
            if above * below < 0:
                return math.exp(float(brentq(excess, lower, upper, xtol=1e-4)))
            above = below
    raise ValueError(f"clip_low must have a neutral clip_high in [0.001, 10] here, and {low} has none")
