"""T6: the clip that leaves rare outcomes alone when shared noise moves their ratios."""

import math

from scipy.special import ndtr

from .surrogate import ClipRange


def _check_ratio_std(ratio_std: float) -> None:
    if not 0.0 < ratio_std < math.inf:
        raise ValueError(f"ratio_std must be positive and finite, got {ratio_std}")


def expected_push(clip: ClipRange, ratio_std: float) -> float:
    """E[R·s(R)] for log R ~ N(−σ²/2, σ²): the drift of a rare outcome in units of μ·b.

    = Φ((ln(1−ε_l) − σ²/2)/σ) − Φ((σ²/2 − ln(1+ε_h))/σ)  (design T6; the first term is 0 with clip-low off, the second
    with clip-high off). σ = ratio_std > 0 is the standard deviation of the log-ratio. Holds for an outcome so rare that
    its own samples do not move it, its logit being carried along by noise shared with others (E[R] = 1).
    """
    _check_ratio_std(ratio_std)
    half = ratio_std**2 / 2
    low = 0.0 if clip.low in (None, 1.0) else float(ndtr((math.log(clip.lower_bound) - half) / ratio_std))
    high = 0.0 if clip.high is None else float(ndtr((half - math.log(clip.upper_bound)) / ratio_std))
    return low - high


def neutral_clip_high(clip_low: float, ratio_std: float) -> float:
    """The ε_h at which E[R·s] = 0: (1+ε_h)(1−ε_l) = exp(σ²), so ε_h = exp(σ²)/(1−ε_l) − 1 (design T6).

    The two Gaussian tails are equal iff their arguments are. As σ → 0 it is ε_l/(1−ε_l): 0.25 at ε_l = 0.2.
    ratio_std ≥ 0 (0 is the limit of small steps); clip_low in [0, 1).
    """
    if not 0.0 <= clip_low < 1.0:
        raise ValueError(f"clip_low must be in [0, 1), got {clip_low}")
    if not 0.0 <= ratio_std < 26.0:  # exp(26²) is near the largest float
        raise ValueError(f"ratio_std must be in [0, 26), got {ratio_std}")
    return math.exp(ratio_std**2) / (1.0 - clip_low) - 1.0


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
