"""What a diagnosis is made of: findings with their numbers, and gaps, what cannot be concluded."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Evidence: TypeAlias = dict[str, float | str | None]
Strength = Literal["certain", "strong", "weak"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """code: one of `words.SENTENCES`, whose sentence is filled in from `evidence`. strength: certain where it follows
    from how the training is built, else by what chance and rounding could do. log: whose, where there are several."""

    code: str
    strength: Strength
    evidence: Evidence = field(default_factory=dict)
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """code: one of `words.GAPS`. switch_on: the key that would log it, or what else would tell."""

    code: str
    switch_on: str
    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """steps_per_rollout, clip_can_act: None where the log does not tell."""

    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    steps_per_rollout: float | None
    clip_can_act: bool | None
