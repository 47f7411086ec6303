"""What moved besides the clip: entropy, reward, the policy itself, and the gap to the engine that samples."""

import math

import numpy as np

from ..log import Log, Role, Series
from .clip import Clip
from .finding import Evidence, Finding
from .steps import Steps
from .trend import FEWEST, MARGIN, Trend, trend_of

FAR = 0.05  # nats of divergence within one rollout: a ratio's spread of 0.3
DROPPED = 0.9  # mean correction weight below which a good part of the samples counts for nothing
LARGE = 10.0  # gradient norm that makes people ask whether it was cut
GAP = 0.01  # nats between trainer and sampler worth a sentence


def entropy_findings(log: Log, clip: Clip, signal_absent: bool) -> list[Finding]:
    """Falls or rises, with or without the clip; a bonus that is in the log is named."""
    found = []
    bonus = log.of(Role.ENTROPY_COEF)
    if bonus is not None and bonus.mean != 0:
        found.append(Finding(code="entropy-bonus", strength="certain", evidence={"coefficient": bonus.mean}))
    entropy = log.of(Role.ENTROPY)
    if entropy is None or entropy.values.size < 2:
        return found
    trend = trend_of(log, entropy)
    evidence = trend.evidence() | {"series": entropy.name}
    if signal_absent:
        if _relative(trend) > MARGIN or np.ptp(entropy.values) > MARGIN * abs(entropy.mean):
            found.append(Finding(code="entropy-noise", strength="strong", evidence=evidence))
        return found
    moves = _moves(trend)
    if moves is None:
        return found
    if moves == "flat":
        return [*found, Finding(code="entropy-flat", strength=trend.strength, evidence=evidence)]
    if clip.side in ("low", "high"):
        expected = "falls" if clip.side == "high" else "rises"
        bound = "upper" if clip.side == "high" else "lower"
        evidence["agrees"] = f"{'in line with' if moves == expected else 'against'} clipping at the {bound} bound"
    beside = "" if clip.acted is None else "-with-clip" if clip.acted else "-without-clip"
    return [*found, Finding(code=f"entropy-{moves}{beside}", strength=trend.strength, evidence=evidence)]


def _relative(trend: Trend) -> float:
    return abs(trend.last - trend.first) / max(abs(trend.first), 1e-12)


def _moves(trend: Trend) -> str | None:
    """By the trend; of few points by the ends, which a reader must take for no more than that."""
    if trend.points >= FEWEST:
        return None if trend.direction == "unclear" else trend.direction
    if _relative(trend) <= MARGIN:
        return None
    return "falls" if trend.last < trend.first else "rises"


def reward_findings(log: Log) -> list[Finding]:
    reward = log.of(Role.REWARD) or log.of(Role.MEASURE)
    if reward is None or reward.values.size < 2:
        return []
    trend = trend_of(log, reward)
    moves = _moves(trend)
    if moves is None:
        return []
    return [
        Finding(code=f"reward-{moves}", strength=trend.strength, evidence=trend.evidence() | {"series": reward.name})
    ]


def policy_findings(log: Log, steps: Steps | None, signal_absent: bool) -> list[Finding]:
    """How far the ratios are from 1, and whether by updates or by rounding."""
    found = []
    moved, still = log.of(Role.KL_OLD), signal_absent or (steps is not None and steps.value == 1)
    if moved is not None and still and moved.values.any():
        evidence: Evidence = {"mean": moved.mean, "series": moved.name, "lines": moved.values.size}
        found.append(Finding(code="recomputation-noise", strength="strong", evidence=evidence))
    elif moved is not None and moved.mean >= FAR:
        evidence = {"mean": moved.mean, "largest": float(moved.values.max()), "series": moved.name}
        found.append(
            Finding(code="policy-moved", strength="strong" if moved.values.size > 1 else "weak", evidence=evidence)
        )
    distance, least, most = log.of(Role.RATIO_DISTANCE), log.of(Role.RATIO_MIN), log.of(Role.RATIO_MAX)
    if still and most is not None and least is not None and float(most.values.max()) > 1:
        evidence = {
            "mean": distance.mean if distance else None,
            "largest": max(float(most.values.max()) - 1, 1 - float(least.values.min())),
        }
        found.append(Finding(code="noise-floor", strength="strong", evidence=evidence))
    ratio = log.of(Role.RATIO)
    if ratio is not None and ratio.values.size > 2 and (ratio.values != 1.0).any() and "minibatch" in log.series:
        away = np.abs(ratio.values - 1)
        evidence = {"first": float(ratio.values[0]), "largest": float(away.max()), "points": away.size}
        found.append(Finding(code="ratio-moves", strength="strong", evidence=evidence))
    grad = log.of(Role.GRAD)
    if grad is not None and float(grad.values.max()) >= LARGE:
        evidence = {"largest": float(grad.values.max()), "series": grad.name}
        found.append(Finding(code="gradient-before-cut", strength="weak", evidence=evidence))
    return found


def engine_findings(log: Log) -> list[Finding]:
    """What a correction for the sampler's probabilities drops or weights."""
    least, mean, gap = log.of(Role.ENGINE_MIN), log.of(Role.ENGINE_MEAN), log.of(Role.ENGINE_GAP)
    length = log.of(Role.LENGTH)
    if mean is not None and mean.mean < DROPPED and least is not None and float(least.values.min()) == 0.0:
        evidence: Evidence = {
            "mean": mean.mean,
            "gap": gap.mean if gap else None,
            "length": length.mean if length else None,
        }
        if gap is not None and length is not None:
            evidence["product"] = math.exp(min(gap.mean * length.mean, 700.0))
        return [Finding(code="engine-drops", strength="strong", evidence=evidence)]
    if gap is not None and gap.mean >= GAP:
        return [Finding(code="engine-gap", strength="strong", evidence={"gap": gap.mean, "series": gap.name})]
    return []


def form_findings(log: Log) -> list[Finding]:
    """What the form of the log takes away."""
    found = []
    if log.decimals is not None:
        below = 0.5 * 10.0**-log.decimals
        found.append(Finding(code="rounded", strength="certain", evidence={"decimals": log.decimals, "below": below}))
    if log.left_out:
        found.append(Finding(code="read-in-part", strength="certain", evidence={"bytes": log.left_out}))
    if len(log.steps) == 1 and not log.table:
        found.append(Finding(code="single-line", strength="certain"))
    old: Series | None = log.series.get("clip_ratio")
    if log.framework in ("trl", "ms-swift", "unsloth") and old is not None:
        found.append(Finding(code="old-metric", strength="certain", evidence={"series": old.name}))
    return found
