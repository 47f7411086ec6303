"""What is shown of one phase, whatever framework it ran in."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from clipbias.common.arrays import Array

from .band import Band
from .watch import Alert, Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Fractions:
    """Of all tokens of mini-batches 3…, the share that is clipped: measured, and predicted from mini-batch 2 (None
    where nothing predicts it)."""

    measured: float
    predicted: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """After `step` optimizer steps. None, or no entry, where the source does not tell.

    spread [M]: root mean square of log R by mini-batch; in the first it is the noise floor. stride: mean |log R| that
    one update makes, Σ_m mean|log R|/Σ_m √S_m, less noisy than a spread. clipped: by side, or "both" where sides are
    pooled; "again": of samples that steps were taken on in an epoch before. push, push_predicted [10]: by tenth of the
    old probability, what the clip adds to the gradient in mini-batches 3…, over all of their tokens. entropy: nats a
    token; its change since the last phase, observed and predicted, and of that the part that the clip makes. bands:
    what was predicted of each quantity that is watched.
    """

    step: int
    spread: Array | None = None
    stride: float | None = None
    clipped: dict[str, Fractions] = field(default_factory=dict)
    push: Array | None = None
    push_predicted: Array | None = None
    entropy: float | None = None
    entropy_change: float | None = None
    entropy_change_predicted: float | None = None
    entropy_change_by_clip: float | None = None
    bands: dict[Quantity, Band] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()

    def metrics(self) -> dict[str, float]:
        """As a tracker gets them; what is not known is not there."""
        return {
            f"clipping/{name}": value for name, value in self._known() if value is not None and math.isfinite(value)
        }

    def _known(self) -> Iterator[tuple[str, float | None]]:
        if self.spread is not None:
            yield "noise_floor", float(self.spread[0])
            for m, value in enumerate(self.spread[1:], start=2):
                yield f"spread/{m:02d}", float(value)
        yield "stride", self.stride
        for side, of in self.clipped.items():
            yield f"{side}/measured", of.measured
            yield f"{side}/predicted", of.predicted
        for name, push in (("push", self.push), ("push_predicted", self.push_predicted)):
            for tenth, value in enumerate(() if push is None else push):
                yield f"{name}/{tenth}", float(value)
        yield "entropy/level", self.entropy
        yield "entropy/change", self.entropy_change
        yield "entropy/change_predicted", self.entropy_change_predicted
        yield "entropy/change_by_clip", self.entropy_change_by_clip
        for quantity, band in self.bands.items():
            yield f"limit/{quantity.replace(' ', '_')}/low", band.low
            yield f"limit/{quantity.replace(' ', '_')}/high", band.high
        yield "alerts", float(len(self.alerts))
