"""Whether a noisy series rises or falls: a slope whose error does not take neighbouring values for independent."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from clipbias.common.arrays import Array

from ..log import Log, Series
from .finding import Evidence, Strength

LEVEL = 0.95
FEWEST, MOST = 5, 10  # blocks; of fewer points there is no trend, only a first and a last value
WANDERING = 0.7  # lag-one autocorrelation of the residuals, from which a trend is weak, in logs of 73 points and more
SHORT = 22  # and from 1 − SHORT/points in shorter ones, where a random walk's residuals correlate less
DRIFT = 0.99  # level at which the increments alone exclude a walk without drift
MARGIN = 0.1  # of the mean: a change over the whole log below it is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """change ± stderr: of the fitted line from the first step to the last, [low, high] its 95 % interval; NaN of fewer
    than FEWEST points. first, last: means of the first and the last quarter, or the values themselves of few.
    correlation: of neighbouring residuals of a line through all points. no_walk: that a random walk seldom does so."""

    direction: Literal["rises", "falls", "flat", "unclear"]
    first: float
    last: float
    points: int
    change: float = math.nan
    stderr: float = math.nan
    low: float = math.nan
    high: float = math.nan
    correlation: float = math.nan
    no_walk: bool = False

    @property
    def strength(self) -> Strength:
        """That something is flat is no claim that it does not wander."""
        sure = self.correlation <= WANDERING if self.direction == "flat" else self.no_walk
        return "strong" if self.points >= FEWEST and sure else "weak"

    def evidence(self) -> Evidence:
        found: Evidence = {"first": self.first, "last": self.last, "points": self.points}
        if math.isfinite(self.stderr):
            found |= {"change": self.change, "stderr": self.stderr, "low": self.low, "high": self.high}
            found["correlation"] = self.correlation
        return found


def trend_of(log: Log, series: Series) -> Trend:
    """A line through the means of B consecutive blocks, B = 5…10 of at least two values where there are as many.

    Noise that neighbours share (one batch in several steps, slow drifts of the problems) is averaged within a block, so
    that the blocks' own scatter about the line is the error, with B − 2 degrees of freedom. A bend counts as scatter.

    Right for independent noise, and for moderately correlated noise in long logs. Of noise that outlives a block the
    interval is too narrow. How often a series without a trend rises or falls (nominal 0.05; stationary noise of lag-one
    correlation ρ, or a random walk; 20,000 series):

        points  ρ = 0  0.5   0.9   0.97  walk
        8       0.05   0.12  0.28  0.32  0.32
        60      0.05   0.08  0.29  0.48  0.60
        300     0.05   0.05  0.09  0.23  0.60

    Hence a trend is strong only where a random walk would seldom look like it (`_no_walk`). How often one is called
    strong (at least 1,500 series), and a rise by 1 in independent noise of that standard deviation (500 series):

        points  ρ = 0.5  0.9   0.97  walk   rise in 0.05  0.1   0.2
        10      0.00     0.00  0.01  0.01   0.77          0.08  0.00
        20      0.02     0.01  0.01  0.02   0.88          0.53  0.49
        30      0.06     0.02  0.02  0.03   1.00          0.97  0.98
        40      0.09     0.03  0.03  0.04   1.00          1.00  1.00
        60      0.07     0.05  0.04  0.04   1.00          1.00  1.00
        74      0.08     0.07  0.03  0.05   1.00          1.00  1.00
        200     0.06     0.00  0.00  0.01   1.00          1.00  1.00
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
    correlation = _correlation(x, y)
    return Trend(
        direction=_direction(change - half, change + half, MARGIN * abs(float(y.mean()))),
        first=float(y[:quarter].mean()),
        last=float(y[-quarter:].mean()),
        points=points,
        change=change,
        stderr=stderr,
        low=change - half,
        high=change + half,
        correlation=correlation,
        no_walk=_no_walk(y, correlation),
    )


def _correlation(x: Array, y: Array) -> float:
    """Of neighbouring residuals of the least-squares line; 0 where nothing is left."""
    centred = x - x.mean()
    left = y - y.mean()
    left = left - centred * float(centred @ left) / float(centred @ centred)
    power = float(left @ left)
    return float(left[1:] @ left[:-1]) / power if power > 0 else 0.0


def _no_walk(y: Array, correlation: float) -> bool:
    """Residuals of a line that forget, or increments whose mean is not 0 (Student's t): a walk has neither.

    The residuals of a walk of n points correlate by about 1 − O(1/n), as in Dickey and Fuller's test with a trend.
    """
    if correlation <= min(WANDERING, 1.0 - SHORT / len(y)):
        return True
    steps = np.diff(y)
    stderr = float(steps.std(ddof=1)) / math.sqrt(len(steps))
    return abs(float(steps.mean())) > float(stdtrit(len(steps) - 1, 0.5 + DRIFT / 2)) * stderr


def _direction(low: float, high: float, margin: float) -> Literal["rises", "falls", "flat", "unclear"]:
    """Rises or falls where the interval excludes 0 and reaches beyond the margin; flat where it is within."""
    if -margin <= low and high <= margin:
        return "flat"
    return "rises" if low > 0 else "falls" if high < 0 else "unclear"
