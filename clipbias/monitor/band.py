"""What is predicted of the next value of a series: a band whose edges are quantiles, from the errors made so far.

The next error has the law e̅ + s·√(1 + 1/n)·t with n − 1 degrees of freedom (Student, for normal errors), so that a band
after few phases is wide and one after many is that of a known spread. An error is a difference on a scale on which
its size does not depend on the level: the log of a spread, the square root of a share.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

REMEMBERED, ENOUGH = 64, 8  # phases: at most, and before a band is spoken of
Scale = Literal["as it is", "square root", "logarithm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The predicted value, and the quantiles at `level` and 1 − `level`; an infinite one says nothing yet."""

    predicted: float
    low: float
    high: float


def _to(scale: Scale, value: float) -> float:
    if scale == "square root":
        return math.sqrt(value)
    return math.log(value) if scale == "logarithm" else value


def _back(scale: Scale, value: float) -> float:
    if scale == "square root":
        return max(value, 0.0) ** 2
    return math.exp(min(value, 700.0)) if scale == "logarithm" else value


class Errors:
    """Of one series' predictions, on its scale; the last `REMEMBERED`."""

    def __init__(self, scale: Scale) -> None:
        self.scale: Scale = scale
        self._past: deque[float] = deque(maxlen=REMEMBERED)

    def band(self, predicted: float, level: float) -> Band:
        centre, spread = _to(self.scale, predicted), math.inf
        if self._past:
            centre += float(np.mean(self._past))
        count = len(self._past)
        if count >= ENOUGH:
            std = float(np.std(self._past, ddof=1)) * math.sqrt(1 + 1 / count)
            spread = -float(stdtrit(count - 1, level)) * std
        return Band(
            predicted=_back(self.scale, centre),
            low=_back(self.scale, centre - spread) if spread < math.inf else -math.inf,
            high=_back(self.scale, centre + spread) if spread < math.inf else math.inf,
        )

    def add(self, measured: float, predicted: float, band: Band) -> None:
        """Remember the error of `predicted`; beyond the band as far as the band, lest one blow blinds for the next."""
        inside = min(max(measured, band.low), band.high)
        self._past.append(_to(self.scale, inside) - _to(self.scale, predicted))
