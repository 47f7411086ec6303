"""One point of a sweep: its settings, and the random numbers that follow from them.

They follow from nothing else, so that neither a point's neighbours nor the order, the number or the kind of workers can
change what comes out of it.
"""

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, fields

from ..theory.config import PhaseConfig, Scale
from ..theory.drift import check_probs
from ..theory.surrogate import PpoClip
from .tabular import SimulationResult, simulate


@dataclass(frozen=True, slots=True)
class Point:
    """One call of `tabular.simulate`: the flags of `clipbias simulate run`. seed: the sweep's."""

    probs: tuple[float, ...]
    learning_rate: float
    group_size: int
    groups_per_minibatch: int
    minibatches: int
    clip_low: float | None
    clip_high: float | None
    success_prob: float
    scale: Scale = "std"
    phases: int = 1
    replicates: int = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        check_probs("probs", self.probs)
        for name, least in (("phases", 1), ("replicates", 2), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        self.config()

    def config(self) -> PhaseConfig:
        """What one phase is made of."""
        return PhaseConfig(
            learning_rate=self.learning_rate,
            group_size=self.group_size,
            groups_per_minibatch=self.groups_per_minibatch,
            minibatches=self.minibatches,
            success_prob=self.success_prob,
            surrogate=PpoClip(self.clip_low, self.clip_high),
            scale=self.scale,
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the settings.

        Those left at their defaults are not in it, so that a setting added to clipbias changes no earlier number.
        """
        own = {k: v for k, v in asdict(self).items() if v != DEFAULTS.get(k, MISSING)}
        return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()

    @property
    def stream(self) -> int:
        """The seed that `tabular.simulate` gets."""
        return int(self.digest[:15], 16)

    def simulate(self) -> SimulationResult:
        """On one thread: a sweep runs its points side by side."""
        return simulate(self.config(), self.probs, self.phases, self.replicates, self.stream, threads=1)


DEFAULTS = {f.name: f.default for f in fields(Point) if f.default is not MISSING}
