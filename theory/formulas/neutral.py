"""T6: the clip that leaves rare outcomes alone when shared noise moves their ratios."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from clipbias.common.errors import InputError, check
from clipbias.theory.surrogate import PpoClip


def expected_push(clip: PpoClip, ratio_std: float, rest_std: float | None = None) -> float:
    """E[R·s(R)] for log R ~ N(−σ̄²/2, σ²): the drift of a rare outcome in units of μ·b.

    = E[R]·{Φ((ln(1−ε_l) − m)/σ) − Φ((m − ln(1+ε_h))/σ)}, m = σ² − σ̄²/2, E[R] = exp((σ²−σ̄²)/2)  (T6; the first term is
    0 with clip-low off, the second with clip-high off; a dual clip gives Φ((m − ln c)/σ) back, since beyond c penalties
    are cut off too). σ = ratio_std > 0 is the standard deviation of the log-ratio, σ̄ = rest_std ≥ 0 the root mean
    square, under b, of those of all outcomes, which normalisation takes off; by default σ, so that E[R] = 1. Holds for
    an outcome so rare that its own samples do not move it, its logit being carried along by noise shared with others.
    """
    check(0.0 < ratio_std < math.inf, "ratio_std", "positive and finite", ratio_std)
    rest = ratio_std if rest_std is None else rest_std
    check(0.0 <= rest < math.inf, "rest_std", "at least 0 and finite", rest)
    centre = ratio_std**2 - rest**2 / 2

    def beyond(bound: float) -> float:
        """E[R; R > bound]/E[R]."""
        return float(ndtr((centre - math.log(bound)) / ratio_std)) if bound < math.inf else 0.0

    low = 0.0 if clip.low in (None, 1.0) else float(ndtr((math.log(clip.lower_bound) - centre) / ratio_std))
    high = beyond(clip.upper_bound) - beyond(math.inf if clip.dual is None else clip.dual)
    return math.exp((ratio_std**2 - rest**2) / 2) * (low - high)


def shares_beyond(clip: PpoClip, ratio_std: float) -> tuple[float, float]:
    """(P(R < 1−ε_l), P(R > 1+ε_h)) for log R ~ N(−σ²/2, σ²), σ = ratio_std > 0: how much each side could cut off.

    = Φ((ln(1−ε_l) + σ²/2)/σ), Φ(−(ln(1+ε_h) + σ²/2)/σ); 0 for a side that is off. Of penalties the first share is cut
    off, of praise the second.
    """
    check(0.0 < ratio_std < math.inf, "ratio_std", "positive and finite", ratio_std)
    low, high = clip.lower_bound, clip.upper_bound
    below = float(ndtr((math.log(low) + ratio_std**2 / 2) / ratio_std)) if low > 0 else 0.0
    above = float(ndtr(-(math.log(high) + ratio_std**2 / 2) / ratio_std)) if high < math.inf else 0.0
    return below, above


def neutral_clip_high(clip_low: float, ratio_std: float, rest_std: float | None = None) -> float:
    """The ε_h at which E[R·s] = 0: (1+ε_h)(1−ε_l) = exp(2σ²−σ̄²), by default exp(σ²) (T6; σ̄ as in `expected_push`).

    The two Gaussian tails are equal iff their arguments are. As σ → 0 it is ε_l/(1−ε_l): 0.25 at ε_l = 0.2.
    ratio_std ≥ 0 (0 is the limit of small steps); rest_std in [0, √2·ratio_std]; clip_low in [0, 1).
    """
    check(0.0 <= clip_low < 1.0, "clip_low", "in [0, 1)", clip_low)
    check(0.0 <= ratio_std < 26.0, "ratio_std", "in [0, 26)", ratio_std)  # exp(26²) is near the largest float
    rest = ratio_std if rest_std is None else rest_std
    exponent = 2 * ratio_std**2 - rest**2
    within = f"in [0, {math.sqrt(2) * ratio_std:g}] at this ratio_std"
    check(rest >= 0.0 and exponent >= 0.0, "rest_std", within, rest)
    if exponent - math.log1p(-clip_low) > 700.0:  # exp(709.8) is the largest float
        raise InputError("clip_low", f"smaller at this ratio_std ({ratio_std}): no float is neutral to {clip_low}")
    return math.exp(exponent) / (1.0 - clip_low) - 1.0


def neutral_ratio_std(clip_low: float, clip_high: float) -> float:
    """The σ at which the pair is neutral: σ² = ln((1+ε_h)(1−ε_l)); below it rare outcomes rise, beyond it they fall.

    InputError where (1+ε_h)(1−ε_l) < 1: such a pair (every symmetric ε > 0 among them) lowers rare outcomes at any σ.
    DAPO's 0.2/0.28 is neutral at σ = 0.154.
    """
    check(0.0 <= clip_low < 1.0, "clip_low", "in [0, 1)", clip_low)
    check(0.0 < clip_high < math.inf, "clip_high", "positive and finite", clip_high)
    product = (1.0 + clip_high) * (1.0 - clip_low)
    if product < 1.0:
        bound = 1.0 / (1.0 - clip_low) - 1.0
        raise InputError("clip_high", f"at least {bound:.4f} with clip_low {clip_low}", clip_high)
    return math.sqrt(math.log(product))


def neutral_clip_high_for_law(clip_low: float, ratio: ArrayLike, weight: ArrayLike) -> float:
    """The neutral ε_h for any law of R (not log-normal): ratio [S] > 0 with probabilities weight [S].

    E[R·s(R)] = 0 iff E[R; R < 1−ε_l] = E[R; R > 1+ε_h]: the two bounds must cut equal tails off the size-biased law
    dQ = R dP/E[R], so 1+ε_h is its quantile at 1 − Q(R < 1−ε_l). (For a log-normal R, Q is P moved up by σ² in log R,
    which gives exp(σ²)/(1−ε_l).) The quantile is interpolated between atoms. InputError where nothing lies below 1−ε_l
    (every ε_h that cuts nothing off is neutral) or the quantile is not above 1.
    """
    check(0.0 < clip_low < 1.0, "clip_low", "in (0, 1)", clip_low)
    order = np.argsort(np.asarray(ratio, dtype=np.float64))
    values = np.asarray(ratio, dtype=np.float64)[order]
    biased = values * np.asarray(weight, dtype=np.float64)[order]
    cumulative = (np.cumsum(biased) - 0.5 * biased) / biased.sum()
    low = float(np.interp(1.0 - clip_low, values, cumulative, left=0.0))
    bound = float(np.interp(1.0 - low, cumulative, values))
    if low <= 0.0 or bound <= 1.0:
        raise InputError("clip_low", "off part of the law's lower tail and leave its middle", clip_low, verb="cut")
    return bound - 1.0
