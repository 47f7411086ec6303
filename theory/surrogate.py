"""PPO's clipped surrogate: what its bounds let through, and the push that is left when rewards say nothing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class ClipRange:
    """Increments of the clip: the ratio is bounded to [1 − low, 1 + high]; None switches that side off.

    low in (0, 1], high > 0 (units of the ratio). At 0 the ratio 1 would lie on the bound itself, and what happens at
    a bound is a convention (see `slopes`).
    """

    low: float | None
    high: float | None

    def __post_init__(self) -> None:
        if self.low is not None and not 0.0 < self.low <= 1.0:
            raise ValueError(f"clip_low must be in (0, 1] or none, got {self.low}")
        if self.high is not None and not 0.0 < self.high < np.inf:
            raise ValueError(f"clip_high must be positive and finite, or none, got {self.high}")

    @property
    def lower_bound(self) -> float:
        """1 − ε_l, or 0 (never crossed by a ratio) where the side is off."""
        return 0.0 if self.low is None else 1.0 - self.low

    @property
    def upper_bound(self) -> float:
        """1 + ε_h, or ∞ where the side is off."""
        return float("inf") if self.high is None else 1.0 + self.high


def slopes(ratio: ArrayLike, clip: ClipRange) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slopes (f₊′, f₋′) of the clipped surrogate in the ratio, shape of `ratio`.

    For Â > 0 the surrogate is Â·min(R, 1+ε_h), for Â < 0 it is Â·max(R, 1−ε_l), hence
    f₊′(R) = 1{R ≤ 1+ε_h} and f₋′(R) = 1{R ≥ 1−ε_l} (PPO, arXiv:1707.06347, eq. 7). At a bound itself, where the
    surrogate has a kink, the gradient is kept; for continuous ratios this has probability 0.
    """
    ratio = np.asarray(ratio, dtype=np.float64)
    return (ratio <= clip.upper_bound).astype(np.float64), (ratio >= clip.lower_bound).astype(np.float64)


def push(ratio: ArrayLike, clip: ClipRange) -> NDArray[np.float64]:
    """s(R) = f₊′(R) − f₋′(R) = 1{R < 1−ε_l} − 1{R > 1+ε_h}, shape of `ratio` (design T2).

    +1 where only penalties are cut off (the outcome is pushed up on average), −1 where only praise is.
    """
    above, below = slopes(ratio, clip)
    return above - below
