"""What is watched from phase to phase, and when it is said to be out of what was predicted of it.

An alert is a value outside the band that the prediction's own errors give. The level of a band's edge is the chance of
a false alarm in the whole training, over the number of looks: phases × edges (Bonferroni). So it is the prediction, and
not a constant, that decides how much is too much. Every edge is looked at twice: by one phase, and by the last four.
"""

from dataclasses import dataclass
from typing import Literal

from .band import RUN, Band, Errors, Scale

Quantity = Literal["noise floor", "stride", "clip low", "clip high", "entropy"]
SCALES: dict[Quantity, Scale] = {
    "noise floor": "logarithm",
    "stride": "logarithm",
    "clip low": "square root",
    "clip high": "square root",
    "entropy": "as it is",
}
BELOW: tuple[Quantity, ...] = ("entropy",)  # of which too little is an alarm as well
EDGES = 2 * (len(SCALES) + len(BELOW))
MEANINGS: dict[Quantity, str] = {
    "noise floor": "two passes with the same weights disagree more than they did: precision, or the engine's mismatch",
    "stride": "an update moves ratios further than updates did: the steps have become larger",
    "clip low": "ratios grow faster over the phase than mini-batch 2 says: steps keep one direction",
    "clip high": "ratios grow faster over the phase than mini-batch 2 says: steps keep one direction",
    "entropy": "the entropy's change is not the one that the push on it makes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A value outside its band after `step` optimizer steps: of one phase, or over the last `phases`."""

    step: int
    quantity: Quantity
    measured: float
    band: Band
    phases: int = 1

    def __str__(self) -> str:
        above = self.measured > self.band.high
        edge = self.band.high if above else self.band.low
        over = f" over {self.phases} phases" if self.phases > 1 else ""
        return (
            f"step {self.step}: {self.quantity}{over} {self.measured:.3g} is {'above' if above else 'below'} {edge:.3g}"
            f" (predicted {self.band.predicted:.3g}): {MEANINGS[self.quantity]}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """band: of one phase. alert: the first of the two looks that is out."""

    band: Band
    alert: Alert | None


class Watch:
    """false_alarms: the chance that a training of `phases` phases in which nothing changes is alarmed at all."""

    def __init__(self, phases: int, false_alarms: float) -> None:
        self._level = false_alarms / (phases * EDGES)
        self._errors = {quantity: Errors(scale) for quantity, scale in SCALES.items()}

    def look(self, step: int, quantity: Quantity, measured: float, predicted: float, leverage: float = 0.0) -> Look:
        """predicted: before the mean of its errors so far is taken off; 1, or 0 for the entropy, of a series that is
        compared with its own past alone. leverage: as in `Errors.band`."""
        errors = self._errors[quantity]
        band = errors.band(predicted, self._level, leverage)
        shown, late = errors.late(measured, predicted, self._level)
        errors.add(measured, predicted, band)
        out = [
            Alert(step=step, quantity=quantity, measured=value, band=of, phases=phases)
            for value, of, phases in ((measured, band, 1), (shown, late, RUN))
            if value > of.high or (quantity in BELOW and value < of.low)
        ]
        return Look(band=band, alert=out[0] if out else None)
