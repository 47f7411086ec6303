"""From a training's description to what its user asked: can the clip act, by which arithmetic, and which way."""

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np

from clipbias.common.arrays import Array
from clipbias.theory.formulas.advantage import rewarded_law
from clipbias.theory.formulas.neutral import expected_push, neutral_clip_high, shares_beyond
from clipbias.theory.surrogate import PpoClip

from .setup import UNREACHABLE, Loss, Moves, Normalisation, Remark, Severity, Training

Verdict = Literal["can-act", "cannot-act", "noise-only", "no-ratio-clip", "refused", "undetermined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What no configuration says. success_prob: of a sample under a reward of 0 and 1. ratio_std: of the log-ratio, in
    nats, of whatever the loss takes the ratio of (a token or an answer)."""

    success_prob: float = 0.5
    ratio_std: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """neutral_upper: the absolute upper bound at which a rare outcome is neither raised nor lowered in expectation, at
    the assumed spread; neutral_upper_quiet: where all others stand still. push: E[R·s] of a rare outcome, in units of
    μ·b (`neutral.expected_push`): negative takes from the rare, and lowers entropy. cut_low, cut_high: of blamed
    and of praised samples, the share beyond the bound at that spread."""

    verdict: Verdict
    clip_can_act: bool | None
    degenerate_group_prob: float | None
    max_abs_advantage: float | None
    neutral_upper: float | None
    neutral_upper_quiet: float | None
    push: float | None
    cut_low: float | None
    cut_high: float | None
    remarks: tuple[Remark, ...] = field(default=())


def decide(training: Training) -> tuple[Verdict, bool | None]:
    """The verdict, and whether a bound can take or change any gradient."""
    loss, moves = training.loss, training.moves
    if training.refused is not None:
        return "refused", None
    if loss.kind in ("soft", "mask", "none") or (loss.lower is None and loss.upper is None):
        return "no-ratio-clip", False
    if loss.acts_at_one:
        return "can-act", True
    if moves is None:
        return "undetermined", None
    if loss.lower_bound is None and (loss.upper is None or loss.upper >= UNREACHABLE) and loss.dual is None:
        return "cannot-act", False
    if moves in (Moves.IDENTICAL, Moves.NONE):
        return "cannot-act", False
    if moves is Moves.NOISE:
        return "noise-only", False
    return "can-act", True


def binary_advantages(size: int, rule: Normalisation) -> tuple[Array, Array]:
    """(Â₊, Â₋) of a rewarded and an unrewarded sample of a group with m = 0…G rewarded ones; two arrays [G + 1].

    Â = (r − baseline)/(std + ε), cut off at ±limit. Baseline and std are the group's, or without the sample itself
    ("leave one out", whose std is left out where it is 0). 0 where no such sample exists.
    """
    m = np.arange(size + 1, dtype=np.float64)

    def scaled(reward: float) -> Array:
        others = m - reward
        alone = rule.baseline == "leave one out"
        count, rewarded = (size - 1.0, others) if alone else (float(size), m)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = rewarded / count
            degrees = count - 1 if rule.scale == "std-unbiased" else count
            std = np.sqrt(np.maximum(mean * (1 - mean), 0.0) * count / degrees) if degrees else np.zeros_like(m)
            centred = reward - mean
            if rule.scale == "none":
                found = centred
            elif alone:
                found = np.where(std > 0, centred / (std + rule.epsilon), centred)
            else:
                found = np.where(std > 0, centred / (std + rule.epsilon), 0.0)
        exists = (m >= 1) if reward else (m <= size - 1)
        found = np.where(exists, found, 0.0)
        return np.asarray(found if rule.limit is None else np.clip(found, -rule.limit, rule.limit))

    return scaled(1.0), scaled(0.0)


def largest_advantage(size: int, rule: Normalisation) -> float | None:
    """max |Â| over all groups of rewards 0 and 1; None where it depends on more than the group."""
    if rule.baseline == "other" or rule.over == "batch" or rule.whitened or size < 1:
        return rule.limit if size > 1 else 0.0
    plus, minus = binary_advantages(size, rule)
    return float(max(np.abs(plus).max(), np.abs(minus).max()))


def degenerate_prob(size: int, success_prob: float) -> float:
    """P(all of a group rewarded, or none) = γ^G + (1 − γ)^G."""
    if size < 2:
        return 1.0
    law = rewarded_law(size, success_prob)
    return float(law[0] + law[-1])


def ppo_clip(loss: Loss) -> PpoClip | None:
    """The clip as the theory has it, where its bounds are on both sides of 1."""
    low = None if loss.lower_bound is None else 1 - loss.lower_bound
    high = None if loss.upper is None or loss.upper >= UNREACHABLE else loss.upper - 1
    if loss.kind != "clip" or (low is not None and not 0 < low <= 1) or (high is not None and high <= 0):
        return None
    dual = loss.dual if loss.dual is not None and loss.dual > (1.0 if high is None else 1 + high) else None
    return PpoClip(low, high, dual)


def _neutral(low: float, ratio_std: float, rest: float | None) -> float | None:
    return 1 + neutral_clip_high(low, ratio_std, rest) if 0 < low < 1 and ratio_std < 10 else None


def answer(training: Training, assumed: Assumed) -> Answer:
    """Everything that `check` says of one training."""
    verdict, can = decide(training)
    size = training.geometry.group_size
    clip = ppo_clip(training.loss)
    acting = clip if can else None
    low = clip.low if clip is not None else None
    return Answer(
        verdict=verdict,
        clip_can_act=can,
        degenerate_group_prob=None if size is None else degenerate_prob(size, assumed.success_prob),
        max_abs_advantage=None if size is None else largest_advantage(size, training.normalisation),
        neutral_upper=None if low is None else _neutral(low, assumed.ratio_std, None),
        neutral_upper_quiet=None if low is None else _neutral(low, assumed.ratio_std, 0.0),
        push=None if acting is None else expected_push(acting, assumed.ratio_std),
        cut_low=None if acting is None else shares_beyond(acting, assumed.ratio_std)[0],
        cut_high=None if acting is None else shares_beyond(acting, assumed.ratio_std)[1],
        remarks=tuple(_remarks(training, verdict, assumed)),
    )


def _remarks(training: Training, verdict: Verdict, assumed: Assumed) -> list[Remark]:
    """What follows from the description alone, whatever the framework."""
    found: list[Remark] = []
    loss, keys = training.loss, training.keys

    def say(code: str, level: Severity, message: str, fix: str | None = None) -> None:
        found.append(Remark(code=code, level=level, message=message, fix=fix))

    more = ", ".join(f"{key}: {value}" for key, value in keys.more_updates) or None
    if training.refused is not None:
        say("refused", "error", f"the framework stops at this: {training.refused}")
    if verdict == "cannot-act" and training.moves is Moves.IDENTICAL:
        say(
            "inert",
            "warning",
            "the ratio is 1 by construction: no bound is ever crossed, and clip metrics read 0",
            more,
        )
    if verdict == "noise-only":
        say(
            "noise-only",
            "warning",
            "the ratio differs from 1 by rounding alone: the clip does nothing that it is for",
            more,
        )
    if loss.kind == "weight" and loss.upper is not None and loss.upper < 1:
        say("cap-below-one", "error", f"every weight is cut from 1 to {loss.upper:g}, on every token alike")
    elif loss.kind == "clip" and loss.upper is not None and loss.upper < 1:
        message = f"upper bound {loss.upper:g} below 1: praised tokens have no gradient from the start"
        say("upper-below-one", "error", message, "bounds are absolute here: 1 minus and 1 plus the increments")
    if loss.lower is not None and loss.lower > 1:
        say("lower-above-one", "error", f"lower bound {loss.lower:g} above 1 acts on a ratio of 1")
    if loss.kind == "weight" and loss.lower is not None and loss.lower == 1:
        say("floor-at-one", "warning", "weights below 1 are lifted to 1")
    if loss.kind == "clip" and loss.lower == 1 and loss.upper == 1:
        say("point-band", "error", "the band is the point 1: rounding alone decides which tokens are cut off")
    if loss.kind == "clip" and loss.lower is not None and loss.lower <= 0:
        say("no-lower", "note", f"lower bound {loss.lower:g} is never crossed by a ratio")
    low, high = 1 - (loss.lower or 0.0), (loss.upper or 0.0) - 1
    if loss.kind == "clip" and loss.name not in ("gmpo", "geo_mean") and 0.5 < low < 1 < high < 2:
        message = f"bounds {1 - low:g} and {1 + high:g}: {low:g} and {high:g} look absolute, where increments are asked"
        say("absolute-increments", "warning", message, f"1 − {low:g} = {1 - low:.3g} and {high:g} − 1 = {high - 1:.3g}")
    per_answer = loss.level == "sequence"
    if loss.kind == "clip" and per_answer and loss.upper is not None and 1.05 < loss.upper < UNREACHABLE:
        message = (
            f"upper bound {loss.upper:g} on an answer's mean ratio, where GSPO has 1.0004: practically never crossed"
        )
        say("wide-for-sequences", "warning", message)
    if loss.kind == "clip" and loss.level == "token" and loss.upper is not None and 1 < loss.upper < 1.01:
        say(
            "narrow-for-tokens",
            "warning",
            f"upper bound {loss.upper:g} on tokens' ratios cuts off nearly all that move",
        )
    size = training.geometry.group_size
    if size == 1 and training.normalisation.baseline != "other" and training.refused is None:
        say("group-of-one", "error", "a group of one has no advantage: reward minus its own mean is 0")
    if verdict in ("can-act", "noise-only") and training.confounders:
        named = ", ".join(f"{key} {value}" for key, value in training.confounders)
        say("confounders", "note", f"entropy is moved by {named} too: its change cannot be laid at the clip's door")
    if size is not None and size > 1 and degenerate_prob(size, assumed.success_prob) > 0.5:
        say(
            "few-mixed-groups",
            "warning",
            f"more than half of all groups of {size} have no advantage at this success rate",
        )
    return found


def steps_text(steps: Fraction | None) -> float | int | None:
    """For JSON: a whole number where it is one."""
    return None if steps is None else int(steps) if steps.denominator == 1 else float(steps)


def finite(bound: float | None) -> float | None:
    """For JSON: an infinite bound is none."""
    return None if bound is None or math.isinf(bound) else bound
