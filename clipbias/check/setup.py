"""A training as its framework will run it, in one description for all frameworks: what `frameworks` read, and what
`answer` reasons about.

Bounds are absolute bounds on the ratio R as the loss uses them (0.8, not 0.2), whatever the framework's key holds.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, Literal

UNREACHABLE = 1000.0  # no ratio of a training gets here: a bound beyond it is a bound switched off


Level = Literal["token", "sequence"]
Severity = Literal["error", "warning", "note"]


class Moves(StrEnum):
    """Why a ratio differs from 1: it cannot; by rounding of a second pass with the same weights; because its
    denominator is of another engine or of older weights; because the policy was updated since; there is no ratio."""

    IDENTICAL = "identical"
    NOISE = "noise"
    MISMATCH = "mismatch"
    UPDATES = "updates"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """steps_per_rollout: optimizer steps on one rollout's samples, below 1 where several rollouts share a step, None
    where the file does not say or the framework refuses it. arithmetic: how it comes out, in the file's own numbers and
    units. epochs: passes over a rollout. prompts_per_rollout, group_size: samples of a prompt."""

    steps_per_rollout: Fraction | None
    arithmetic: str
    epochs: int = 1
    group_size: int | None = None
    prompts_per_rollout: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Denominator:
    """source: where the ratio's denominator comes from: the training pass's own detached value, a second pass of the
    trainer, the engine that generated. where: in the framework's words."""

    source: Literal["own", "second pass", "engine", "none"]
    where: str


def in_steps(steps: Fraction) -> str:
    """The end of a geometry's arithmetic."""
    return f"{float(steps):g} optimizer step{'' if steps == 1 else 's'} a rollout"


def moved_by(denominator: Denominator, steps: Fraction | None, *, aligned: bool = True) -> Moves | None:
    """The rule that most frameworks share. aligned: that no optimizer step falls inside a rollout's single step."""
    if denominator.source == "none":
        return Moves.NONE
    if denominator.source == "engine":
        return Moves.MISMATCH
    if steps is None:
        return None
    if steps > 1 or not aligned:
        return Moves.UPDATES
    return Moves.IDENTICAL if denominator.source == "own" else Moves.NOISE


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """kind: how it treats ratios beyond its bounds: removes the gradient ("clip"), caps a detached weight ("weight"), a
    smooth gate ("soft"), masks by something else than the ratio ("mask"), nothing ("none"). level: of one ratio. lower,
    upper, dual: None where there is none. keys: as written, with their unit, beside the bound that they make."""

    name: str
    kind: Literal["clip", "weight", "soft", "mask", "none"] = "clip"
    level: Level = "token"
    lower: float | None = None
    upper: float | None = None
    dual: float | None = None
    keys: tuple[str, ...] = ()

    @property
    def lower_bound(self) -> float | None:
        """None where no ratio gets below it."""
        return None if self.lower is None or self.lower <= 0 else self.lower

    @property
    def acts_at_one(self) -> bool:
        """Whether the bounds leave no room around 1, so that even a ratio of 1 is beyond or on them."""
        lower, upper = self.lower or 0.0, self.upper
        return lower > 1 or (upper is not None and (upper < 1 or (lower == 1 and upper == 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """A group's advantages (r − baseline)/(std + epsilon). scale: of the standard deviation, with n or n − 1. over:
    whose it is. limit: |advantage| is cut off there. whitened: once more, over the buffer."""

    scale: Literal["std", "std-unbiased", "none"] = "std-unbiased"
    baseline: Literal["group mean", "leave one out", "other"] = "group mean"
    over: Literal["group", "batch"] = "group"
    epsilon: float = 0.0
    limit: float | None = None
    whitened: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Something beside the clip that removes tokens, answers or steps."""

    name: str
    key: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A key that this training does not use, and why."""

    key: str
    value: Any
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """level: "error" where the framework refuses or learns nothing, "warning" where the clip is not what the keys
    suggest, "note" otherwise. fix: what to write instead."""

    code: str
    level: Severity
    message: str
    fix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """How the framework writes what a control changes, as (key, value) pairs. more_updates: gives the clip something to
    do. no_clip, high_only, low_only: switch bounds off. kl: the key of its coefficient."""

    more_updates: tuple[tuple[str, Any], ...] = ()
    no_clip: tuple[tuple[str, Any], ...] = ()
    high_only: tuple[tuple[str, Any], ...] = ()
    low_only: tuple[tuple[str, Any], ...] = ()
    kl: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """All that decides what the clip does. moves: None where not determined. refused: the framework's own reason for
    not starting. confounders: what else moves entropy (bonus, KL), as (key, value). optimizer: for the toy."""

    geometry: Geometry
    denominator: Denominator
    moves: Moves | None
    loss: Loss
    normalisation: Normalisation
    keys: Keys
    gates: tuple[Gate, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    remarks: tuple[Remark, ...] = ()
    refused: str | None = None
    confounders: tuple[tuple[str, Any], ...] = ()
    optimizer: Literal["adam", "sgd"] = "adam"
