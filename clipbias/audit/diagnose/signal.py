"""Whether there was anything to learn from: groups with one reward, gradients of exactly nothing, cut-off answers."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..log import Log, Role, Series
from .finding import Evidence, Finding, Strength

MOSTLY = 0.5  # of groups without a difference: half of the answers teach nothing
LONG = 0.2  # of answers cut off


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """absent: in every step that tells. findings: what to say of it."""

    absent: bool
    findings: tuple[Finding, ...]


def signal_of(log: Log) -> Signal:
    findings = [*_truncation(log)]
    series, without, why = _idle(log)
    seen, idle = without.size, int(without.sum())
    if seen and idle == seen:
        level = log.of(Role.REWARD)
        evidence: Evidence = {"lines": seen, "why": why, "reward": level.mean if level else None}
        certain: Strength = "certain" if why != "the spread of rewards is 0" else "strong"
        findings.insert(0, Finding(code="no-learning-signal", strength=certain, evidence=evidence))
        return Signal(absent=True, findings=tuple(findings))
    zero = _alike(log)
    if zero is not None and zero.mean >= MOSTLY:
        evidence = {"share": zero.mean, "largest": float(zero.values.max()), "lines": zero.values.size}
        findings.append(Finding(code="degenerate-groups", strength="strong", evidence=evidence))
    elif seen and idle / seen >= MOSTLY:
        findings.append(Finding(code="steps-without-signal", strength="strong", evidence={"idle": idle, "lines": seen}))
    if series is not None and idle < seen and without[-max(3, seen // 4) :].all():
        since = log.step(int(series.rows[np.flatnonzero(~without)[-1] + 1]))
        findings.append(Finding(code="signal-ended", strength="strong", evidence={"since": since, "why": why}))
    return Signal(absent=False, findings=tuple(findings))


def _idle(log: Log) -> tuple[Series | None, NDArray[np.bool_], str]:
    """Which lines of a series learned nothing, and how that is known. The first series that knows decides."""
    zero = _alike(log)
    if zero is not None:
        return zero, zero.values == 1.0, "all groups have one reward"
    high, low = log.of(Role.ADVANTAGE_MAX), log.of(Role.ADVANTAGE_MIN)
    if high is not None and low is not None and high.values.size == low.values.size:
        return high, (high.values == 0.0) & (low.values == 0.0), "all advantages are 0"
    spread, grad = log.of(Role.REWARD_STD), log.of(Role.GRAD)
    if grad is not None and log.decimals is None:
        return grad, grad.values == 0.0, "the gradient is 0"
    if spread is not None:
        return spread, spread.values == 0.0, "the spread of rewards is 0"
    return None, np.zeros(0, dtype=np.bool_), ""


def _alike(log: Log) -> Series | None:
    """Share of groups with one reward."""
    mixed = log.of(Role.MIXED)
    return log.of(Role.ZERO_STD) or (replace(mixed, values=1 - mixed.values) if mixed is not None else None)


def _truncation(log: Log) -> list[Finding]:
    cut = log.of(Role.TRUNCATED)
    if cut is None or cut.mean < LONG:
        return []
    length = log.of(Role.LENGTH)
    late = _late(cut)
    evidence: Evidence = {
        "share": cut.mean,
        "late": late,
        "largest": float(cut.values.max()),
        "length": float(length.values.max()) if length else None,
        "series": cut.name,
    }
    return [Finding(code="truncation", strength="strong", evidence=evidence)]


def _late(series: Series) -> float:
    return float(np.mean(series.values[-max(1, series.values.size // 4) :]))
