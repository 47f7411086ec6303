"""Whether a noisy series rises or falls: a slope whose error does not take neighbouring values for independent."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from ..log import Log, Series
from .finding import Evidence

LEVEL = 0.95
FEWEST, MOST = 5, 10  # blocks; of fewer points there is no trend, only a first and a last value
MARGIN = 0.1  # of the mean: a change over the whole log below it is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """change ± stderr: of the fitted line from the first step to the last, [low, high] its 95 % interval; NaN of fewer
    than FEWEST points. first, last: means of the first and the last quarter, or the values themselves of few."""

    direction: Literal["rises", "falls", "flat", "unclear"]
    first: float
    last: float
    points: int
    change: float = math.nan
    stderr: float = math.nan
    low: float = math.nan
    high: float = math.nan

    def evidence(self) -> Evidence:
        found: Evidence = {"first": self.first, "last": self.last, "points": self.points}
        if math.isfinite(self.stderr):
            found |= {"change": self.change, "stderr": self.stderr, "low": self.low, "high": self.high}
        return found


def trend_of(log: Log, series: Series) -> Trend:
    """A line through the means of B consecutive blocks, B = 5…10 of at least two values where there are as many.

    Noise that neighbours share (one batch in several steps, slow drifts of the problems) is averaged within a block, so
    that the blocks' own scatter about the line is the error, with B − 2 degrees of freedom. A bend counts as scatter:
    the interval is wide, never too narrow.
    """
    y, x = series.values, log.steps[series.rows]
    points, span = len(y), float(np.ptp(x))
    if points < FEWEST or span == 0.0:
        return Trend(direction="unclear", first=float(y[0]), last=float(y[-1]), points=points)
    blocks = np.array_split(np.arange(points), max(FEWEST, min(MOST, points // 2)))
    means, places = (np.asarray([values[block].mean() for block in blocks]) for values in (y, x))
    centred = places - places.mean()
    power = float(centred @ centred)
    slope = float(centred @ means) / power
    scatter = means - means.mean() - slope * centred
    freedom = len(blocks) - 2
    change = slope * span
    stderr = math.sqrt(float(scatter @ scatter) / freedom / power) * span
    half = float(stdtrit(freedom, 0.5 + LEVEL / 2)) * stderr
    quarter = max(1, points // 4)
    return Trend(
        direction=_direction(change - half, change + half, MARGIN * abs(float(y.mean()))),
        first=float(y[:quarter].mean()),
        last=float(y[-quarter:].mean()),
        points=points,
        change=change,
        stderr=stderr,
        low=change - half,
        high=change + half,
    )


def _direction(low: float, high: float, margin: float) -> Literal["rises", "falls", "flat", "unclear"]:
    """Rises or falls where the interval excludes 0 and reaches beyond the margin; flat where it is within."""
    if -margin <= low and high <= margin:
        return "flat"
    return "rises" if low > 0 else "falls" if high < 0 else "unclear"
