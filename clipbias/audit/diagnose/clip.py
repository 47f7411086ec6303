"""Whether the clip could act, whether it did, and on which side."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..frameworks.catalogue import BY_NAME
from ..log import Log, Role, Series
from .finding import Evidence, Finding, Strength
from .steps import Steps

NOISE = 5e-4  # clipped share of tokens that rounding of a second pass can make
MOST = 0.3  # clipped share beyond which a bound is no trust region
AT_ONE = 0.02  # capped share in the first line, where ratios are about 1
MOSTLY = 2.0  # one side over the other

Side = Literal["low", "high", "both", "pooled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """acted: None where the log does not tell. side: of what acted."""

    can_act: bool | None
    acted: bool | None
    findings: tuple[Finding, ...]
    side: Side | None = None


def clip_of(log: Log, steps: Steps | None, signal_absent: bool) -> Clip:
    framework = BY_NAME[log.framework]
    if framework.no_ratio_clip:
        return _no_ratio_clip(log)
    if log.settings.get("clipped") == 0:
        return Clip(can_act=False, acted=False, findings=(Finding(code="no-bounds", strength="certain"),))
    counted = {role: s for role in (Role.CLIP_LOW, Role.CLIP_HIGH, Role.CLIP) if (s := log.of(role)) is not None}
    beyond = (Role.OUTSIDE_LOW, Role.OUTSIDE_HIGH, Role.OUTSIDE)
    outside = {role: s for role in beyond if (s := log.of(role)) is not None}
    if any((s.values > 0).any() for s in (*counted.values(), *outside.values())):
        exact = log.framework == "trl" and log.of(Role.ENGINE_GAP) is None
        return _acted(counted or outside, steps, effective=bool(counted), exact=exact)
    capped = log.of(Role.CAPPED)
    if capped is not None:
        return _capped(capped, steps)
    if not counted and not outside:
        return _uncounted(log, steps, signal_absent)
    return _never(log, next(iter((*counted.values(), *outside.values()))), steps, signal_absent)


def _acted(counted: dict[Role, Series], steps: Steps | None, effective: bool, exact: bool) -> Clip:
    """exact: whether the denominator is the training pass's own, so that rounding clips nothing."""
    low = counted.get(Role.CLIP_LOW) or counted.get(Role.OUTSIDE_LOW)
    high = counted.get(Role.CLIP_HIGH) or counted.get(Role.OUTSIDE_HIGH)
    pooled = counted.get(Role.CLIP) or counted.get(Role.OUTSIDE)
    if low is not None and high is not None:
        total, side = low.mean + high.mean, _side(low.mean, high.mean)
        peak = max(float(low.values.max()), float(high.values.max()))
        evidence: Evidence = {"low": low.mean, "high": high.mean, "share": total, "largest": peak}
    else:
        one = pooled or low or high
        assert one is not None
        side = "pooled" if pooled else "low" if low else "high"
        total, peak = one.mean, float(one.values.max())
        evidence = {"share": total, "largest": peak, "series": one.name}
    lines = max(s.values.size for s in counted.values())
    evidence |= {"lines": lines}
    code = f"clip-acted-{side}" if effective else "ratios-outside"
    found = [Finding(code=code, strength="strong" if total > NOISE and lines > 1 else "weak", evidence=evidence)]
    if total <= NOISE:
        found.append(Finding(code="clip-at-noise", strength="weak", evidence={"share": total, "noise": NOISE}))
    if total > MOST:
        found.append(Finding(code="clip-extreme", strength="strong", evidence={"share": total}))
    alone = steps is not None and steps.value == 1
    if alone:
        found.append(Finding(code="clip-by-noise", strength="strong", evidence={"share": total}))
    told = not alone and (exact or total > NOISE or (steps is not None and steps.value is not None))
    return Clip(can_act=True if told else None, acted=True, findings=tuple(found), side=side)


def _side(low: float, high: float) -> Side:
    return "high" if high > MOSTLY * low else "low" if low > MOSTLY * high else "both"


def _capped(capped: Series, steps: Steps | None) -> Clip:
    share, first = capped.mean, float(capped.values[0])
    if share == 0.0:
        idle = steps is not None and steps.value == 1
        found = Finding(code="weights-never-capped", strength="strong", evidence={"lines": capped.values.size})
        return Clip(can_act=False if idle else None, acted=False, findings=(found,))
    findings = [Finding(code="weights-capped", strength="strong", evidence={"share": share, "first": first})]
    if first > AT_ONE:
        findings.append(Finding(code="capped-at-ratio-one", strength="strong", evidence={"first": first}))
    return Clip(can_act=True, acted=True, findings=tuple(findings))


def _no_ratio_clip(log: Log) -> Clip:
    masked = log.of(Role.MASKED)
    evidence: Evidence = {"masked": masked.mean if masked else None, "framework": BY_NAME[log.framework].title}
    return Clip(
        can_act=False, acted=False, findings=(Finding(code="no-ratio-clip", strength="certain", evidence=evidence),)
    )


def _uncounted(log: Log, steps: Steps | None, signal_absent: bool) -> Clip:
    """Without any clipped share: from the ratios and the steps alone."""
    most, bounded = log.of(Role.RATIO_MAX), log.of(Role.RATIO_BOUNDED_MAX)
    if most is not None and bounded is not None and most.values.size == bounded.values.size:
        crossed = most.values > bounded.values * (1 + 1e-6)
        evidence: Evidence = {"largest": float(most.values.max()), "bound": float(bounded.values.max())}
        if crossed.any():
            evidence |= {"lines": most.values.size, "crossed": int(crossed.sum())}
            return Clip(
                can_act=True,
                acted=None,
                findings=(Finding(code="bound-crossed", strength="strong", evidence=evidence),),
            )
    if steps is None or steps.value is None or signal_absent:
        return Clip(can_act=None, acted=None, findings=())
    if steps.value > 1:
        return Clip(can_act=True, acted=None, findings=())
    found = Finding(code="clip-never-by-construction", strength=steps.strength, evidence=_why(steps))
    return Clip(can_act=False, acted=False, findings=(found,))


def _never(log: Log, series: Series, steps: Steps | None, signal_absent: bool) -> Clip:
    """All shares are 0."""
    lines = series.values.size
    evidence: Evidence = {"lines": lines, "series": series.name}

    def found(
        code: str, strength: Strength, can_act: bool | None, acted: bool | None, extra: Evidence | None = None
    ) -> Clip:
        finding = Finding(code=code, strength=strength, evidence=evidence | (extra or {}))
        return Clip(can_act=can_act, acted=acted, findings=(finding,))

    if series.constant:
        ratio = log.of(Role.RATIO)
        still = ratio is None or bool(np.all(ratio.values == 1.0))
        return found("clip-constant", "certain", False if still else None, None)
    if signal_absent:
        return found("clip-uninformative", "certain", None, None)
    if log.decimals is not None:
        return found("clip-rounded", "certain", None, None, {"below": 0.5 * 10.0**-log.decimals})
    if steps is not None and steps.value is not None:
        if steps.value == 1:
            return found("clip-never-by-construction", steps.strength, False, False, _why(steps))
        return found("clip-never-as-logged", "strong" if lines > 1 else "weak", True, False, {"steps": steps.value})
    return found("clip-never-as-logged", "strong" if lines >= 8 else "weak", None, False, {"steps": None})


def _why(steps: Steps) -> Evidence:
    return {"why": steps.why, "lines": steps.evidence.get("lines")}
