"""One point of a sweep: its settings, and the random numbers that follow from them.

They follow from nothing else, so that neither a point's neighbours nor the order, the number or the kind of workers can
change what comes out of it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from clipbias.common.errors import InputError
from clipbias.simulate.compiled.tabular import check_run, simulate
from clipbias.theory.formulas.drift import check_probs
from clipbias.theory.law import Law
from clipbias.theory.notation import from_text
from clipbias.theory.setup import PhaseConfig, Scale
from clipbias.theory.surrogate import SURROGATES, PpoClip
from clipbias.theory.update_rule import OPTIMIZERS, UpdateRule


@dataclass(frozen=True, slots=True)
class Point:
    """One call of `tabular.simulate`: the flags of `clipbias simulate run`. seed: the sweep's.

    surrogate: in the notation of the command line, instead of the clip, whose sides are None then.
    """

    probs: tuple[float, ...]
    learning_rate: float
    group_size: int
    groups_per_minibatch: int
    minibatches: int
    clip_low: float | None
    clip_high: float | None
    success_prob: float | tuple[float, ...]
    scale: Scale = "std"
    phases: int = 1
    replicates: int = 100_000
    seed: int = 0
    surrogate: str | None = None
    optimizer: str = "sgd"
    max_grad_norm: float | None = None
    epochs: int = 1
    split: bool = False
    whiten: bool = False
    kl_coefficient: float = 0.0

    def __post_init__(self) -> None:
        check_run(check_probs("probs", self.probs), self.config(), self.phases, self.replicates, self.seed)
        self.training()

    def config(self) -> PhaseConfig:
        """What one phase is made of."""
        gate: Any = PpoClip(self.clip_low, self.clip_high)
        if self.surrogate is not None:
            if gate != PpoClip(None, None):
                raise InputError("surrogate", "without clip_low and clip_high", self.surrogate)
            gate = _named("surrogate", self.surrogate)
        return PhaseConfig(
            learning_rate=self.learning_rate,
            group_size=self.group_size,
            groups_per_minibatch=self.groups_per_minibatch,
            minibatches=self.minibatches,
            success_prob=self.success_prob,
            surrogate=gate,
            scale=self.scale,
        )

    def training(self) -> UpdateRule:
        """How its samples become steps."""
        return UpdateRule(
            optimizer=_named("optimizer", self.optimizer),
            max_grad_norm=self.max_grad_norm,
            epochs=self.epochs,
            split=self.split,
            whiten=self.whiten,
            kl_coefficient=self.kl_coefficient,
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

    def simulate(self) -> Law:
        """On one thread: a sweep runs its points side by side."""
        run = (self.probs, self.config(), self.phases, self.replicates, self.stream, self.training())
        return simulate(*run, threads=1)


NAMED: dict[str, Mapping[str, Any]] = {"surrogate": SURROGATES, "optimizer": OPTIMIZERS}  # written as `notation` reads


def _named(field: str, text: str) -> Any:
    try:
        return from_text(text, NAMED[field])
    except ValueError as error:
        raise InputError(field, f"one of {', '.join(NAMED[field])} ({error})", text) from None


DEFAULTS = {f.name: f.default for f in fields(Point) if f.default is not MISSING}
