"""What is predicted of the next value of a series: a band whose edges are quantiles, from the errors made so far.

The next error has the law e̅ + s·√(1 + 1/n + h)·t with n − 1 degrees of freedom (Student, for normal errors; h: of a
prediction whose slope was fitted, x²/Σx²), so that a band after few phases is wide and one after many is that of a
known spread. The mean of the last k errors has against the n before them e̅ + s·√((1/k + 1/n)(1 + ρ)/(1 − ρ))·t: it
finds what is small and stays. ρ is the errors' serial correlation, one standard error more than is found, and at least
0. An error is a difference on a scale on which its size does not depend on the level: the log of a length, the square
root of a share.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from clipbias.common.arrays import Array

REMEMBERED, ENOUGH, RUN = 64, 8, 4  # phases: at most, before a band is spoken of, of a mean of late errors
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

    def band(self, predicted: float, level: float, leverage: float = 0.0) -> Band:
        """Of the next value. leverage: h."""
        errors = np.array(self._past)
        return self._band(predicted, level, errors, 1.0 + leverage + 1 / max(len(errors), 1))

    def late(self, measured: float, predicted: float, level: float) -> tuple[float, Band]:
        """What this phase would have shown with the mean error of the last `RUN` phases, this one among them; and its
        band."""
        count = max(len(self._past) - RUN + 1, 0)
        past = np.array(self._past)
        shown = _to(self.scale, predicted) + float(np.mean([*past[count:], self._error(measured, predicted)]))
        variance = (1 / RUN + 1 / count) * _carried(past[:count]) if count else math.inf
        return _back(self.scale, shown), self._band(predicted, level, past[:count], variance)

    def add(self, measured: float, predicted: float, band: Band) -> None:
        """Remember the error of `predicted`; beyond the band as far as the band, lest one blow blinds for the next."""
        self._past.append(self._error(min(max(measured, band.low), band.high), predicted))

    def _error(self, measured: float, predicted: float) -> float:
        return _to(self.scale, measured) - _to(self.scale, predicted)

    def _band(self, predicted: float, level: float, errors: Array, variance: float) -> Band:
        """variance: of what is predicted, less the errors' mean, over that of one error."""
        centre, spread, count = _to(self.scale, predicted), math.inf, len(errors)
        if count:
            centre += float(errors.mean())
        if count >= ENOUGH:
            spread = -float(stdtrit(count - 1, level)) * float(errors.std(ddof=1)) * math.sqrt(variance)
        return Band(
            predicted=_back(self.scale, centre),
            low=_back(self.scale, centre - spread) if spread < math.inf else -math.inf,
            high=_back(self.scale, centre + spread) if spread < math.inf else math.inf,
        )


def _carried(errors: Array) -> float:
    """(1 + ρ)/(1 − ρ)."""
    around = errors - errors.mean()
    square = float(around @ around)
    found = float(around[1:] @ around[:-1]) / square if square > 0 else 0.0
    rho = min(max(found + 1 / math.sqrt(len(errors)), 0.0), 0.9)
    return (1 + rho) / (1 - rho)
