"""What the sliders of the explorer say: a problem for `theory.law`, small enough to be answered at once."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from clipbias.common.errors import check
from clipbias.simulate.methods import MonteCarlo
from clipbias.theory.law import Gaussian, Law, Method, law
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import PpoClip
from clipbias.theory.update_rule import PLAIN, Adam, Sgd, UpdateRule

Optimizer = Literal["plain", "momentum", "adam"]
UPDATES: dict[Optimizer, UpdateRule] = {
    "plain": PLAIN,
    "momentum": UpdateRule(optimizer=Sgd(momentum=0.9)),
    "adam": UpdateRule(optimizer=Adam(beta1=0.9, beta2=0.95)),
}
REPLICATES = 4000  # where there is no closed form; errors of a sixtieth of the spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Slider:
    """field: of `Setting`. Values from low to high in steps, at first `start`."""

    field: str
    label: str
    low: float
    high: float
    step: float
    start: float


SLIDERS = (
    Slider(field="share", label="Share of the strategy", low=0.01, high=0.99, step=0.01, start=0.65),
    Slider(field="clip_low", label="Lower side of the clip, ε_l", low=0.02, high=0.5, step=0.01, start=0.2),
    Slider(field="clip_high", label="Upper side of the clip, ε_h", low=0.02, high=0.5, step=0.01, start=0.2),
    Slider(field="learning_rate", label="Step size η", low=0.02, high=3.0, step=0.02, start=1.0),
    Slider(field="group_size", label="Answers to a prompt, G", low=2, high=64, step=1, start=16),
    Slider(field="groups_per_minibatch", label="Groups in a mini-batch, N", low=1, high=16, step=1, start=4),
    Slider(field="minibatches", label="Mini-batches in a phase, M", low=1, high=16, step=1, start=8),
    Slider(field="success_prob", label="Chance of a reward, γ", low=0.05, high=0.95, step=0.05, start=0.5),
    Slider(field="phases", label="Phases, T", low=1, high=40, step=1, start=20),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Two outcomes under a coin. share: of the first. clip_low, clip_high: None switches a side off."""

    share: float
    clip_low: float | None
    clip_high: float | None
    learning_rate: float
    group_size: int
    groups_per_minibatch: int
    minibatches: int
    success_prob: float
    phases: int
    optimizer: Optimizer

    def __post_init__(self) -> None:
        for slider in SLIDERS:
            value = getattr(self, slider.field)
            if value is not None or not slider.field.startswith("clip"):
                within = f"in [{slider.low:g}, {slider.high:g}]"
                check(value is not None and slider.low <= value <= slider.high, slider.field, within, value)
        check(self.optimizer in UPDATES, "optimizer", f"one of {', '.join(UPDATES)}", self.optimizer)

    @property
    def config(self) -> PhaseConfig:
        return PhaseConfig(
            learning_rate=self.learning_rate,
            group_size=self.group_size,
            groups_per_minibatch=self.groups_per_minibatch,
            minibatches=self.minibatches,
            success_prob=self.success_prob,
            surrogate=PpoClip(self.clip_low, self.clip_high),
        )


@lru_cache(maxsize=64)
def solved(setting: Setting) -> Law:
    """By the Gaussian step, or by simulation where the optimizer has no closed form."""
    method: Method = Gaussian() if setting.optimizer == "plain" else MonteCarlo(replicates=REPLICATES, threads=1)
    probs = (setting.share, 1 - setting.share)
    return law(probs, setting.config, setting.phases, method=method, update=UPDATES[setting.optimizer])
