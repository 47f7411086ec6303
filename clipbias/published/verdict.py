"""The rules by which a prediction and what was published become a verdict. Fixed before the first prediction was made.

Their SHA-256 stands in `record/rules.sha256`; the command refuses to judge by rules that differ from it. Whoever wrote
them had read the published figures, and knew what the mixture of two strategies makes of some of them: what is fixed is
that no threshold was moved afterwards.

A number that is predicted has a band of 90 %, of what would be measured: spread over seeds, counting of answers and
what is not known of its inputs, as far as each applies. `still` is what would be measured if nothing happened.

    explained        the published value, as well as it could be read, lies in the band, and the band says something: it
                     excludes `still`, or reaches no further than `widest` to either side;
    direction right  it lies outside, on the same side of `still` as all of the band;
    contradicted     all of the band lies on one side of `still`, and the published value outside of it on the other, or
                     within the margin of `still`;
    not explained    everything else: the band expects nothing in particular and something came, or it is too wide.

Of a direction (−1 falls, 0 stays, +1 rises) there is no "explained": the same direction is "direction right", none
where one was published is "not explained", and any other than the published one is "contradicted".
"""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["explained", "direction right", "not explained", "contradicted"]
VERDICTS: tuple[Verdict, ...] = ("explained", "direction right", "not explained", "contradicted")

LEVEL = 0.9  # of every band
SEEN = 0.1  # of the spread over seeds: a drift that is smaller counts as none
NOISE_SUFFICES = 0.05  # chance of the published effect or a larger one: from here on noise alone may have made it

# What would not matter, and how far a band may reach that contains "nothing happens": by unit, in plain numbers.
# Two accuracies on 500 problems differ by up to 0.05 by counting alone; a point is what tables print.
MARGIN = {
    "%": 0.01,
    "points": 0.01,
    "fraction": 0.01,
    "count": 5.0,
    "share": 5e-4,
    "increment": 0.02,
    "small increment": 2e-5,
}
WIDEST = {
    "%": 0.06,
    "points": 0.06,
    "fraction": 0.06,
    "count": 30.0,
    "share": 1e-3,
    "increment": 0.06,
    "small increment": 6e-5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A predicted value and the band that holds what would be measured with a chance of LEVEL; plain units."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """sign: −1, 0 or +1, of `size`; spread: the standard deviation over seeds that it is seen against, 0 where it is
    the sign of an exact expectation."""

    size: float
    spread: float = 0.0

    @property
    def sign(self) -> int:
        still = abs(self.size) <= max(SEEN * self.spread, 1e-9)
        return 0 if still else 1 if self.size > 0 else -1


Prediction = Number | Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was published, in plain units: value ± half_width of the reading, and what it would be if nothing happened;
    of a direction value is its sign."""

    value: float
    half_width: float
    still: float
    margin: float
    widest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    verdict: Verdict
    why: str


def judge(prediction: Prediction, outcome: Outcome) -> Judged:
    """The rules above, and nothing else."""
    if isinstance(prediction, Direction):
        return _of_direction(prediction.sign, int(outcome.value))
    return _of_number(prediction, outcome)


def _of_direction(predicted: int, published: int) -> Judged:
    if predicted == published:
        return Judged(verdict="direction right", why="the same direction")
    if predicted == 0:
        return Judged(verdict="not explained", why="theory expects no change")
    why = "theory expects a change where none was seen" if published == 0 else "the opposite direction"
    return Judged(verdict="contradicted", why=why)


def _of_number(band: Number, outcome: Outcome) -> Judged:
    value, reading, still = outcome.value, outcome.half_width, outcome.still
    inside = band.low <= value + reading and value - reading <= band.high
    predicted = 1 if band.low > still else -1 if band.high < still else 0
    clear = abs(value - still) > outcome.margin + reading
    published = (1 if value > still else -1) if clear else 0
    if inside:
        if predicted != 0:
            return Judged(verdict="explained", why="in a band that excludes no change")
        if max(band.high - band.value, band.value - band.low) <= outcome.widest:
            return Judged(verdict="explained", why="in a narrow band around no change")
        return Judged(verdict="not explained", why="in a band too wide to say anything")
    if predicted == 0:
        return Judged(verdict="not explained", why="outside a band that contains no change")
    if published == predicted:
        return Judged(verdict="direction right", why="outside the band, on its side of no change")
    why = "no change, where the band excludes it" if published == 0 else "on the other side of no change"
    return Judged(verdict="contradicted", why=why)
