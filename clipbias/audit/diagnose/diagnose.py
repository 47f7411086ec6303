"""One log to its diagnosis, and several logs of one experiment to what they say together."""

from dataclasses import replace
from itertools import combinations

import numpy as np

from ..log import Log
from .clip import clip_of
from .faults import faults_of
from .finding import Diagnosis, Evidence, Finding, Gap
from .gaps import PLACEBO, gaps_of
from .movement import engine_findings, entropy_findings, form_findings, policy_findings, reward_findings
from .signal import signal_of
from .steps import steps_of

APART = 10.0  # clipped shares of two arms that cannot be compared without a word on their scales


def diagnose(log: Log) -> Diagnosis:
    """What one log shows, up to where its numbers end."""
    if not log.series:
        return Diagnosis(findings=(), gaps=(), steps_per_rollout=None, clip_can_act=None)
    faults = faults_of(log)
    sound = faults.sound
    signal = signal_of(sound)
    steps = steps_of(sound, signal.absent)
    clip = clip_of(sound, steps, signal.absent)
    logged = {series.meaning.role for series in log.series.values() if series.meaning is not None}
    findings = [
        *faults.findings,
        *clip.findings,
        *([steps.finding()] if steps is not None else []),
        *signal.findings,
        *entropy_findings(sound, clip, signal.absent),
        *reward_findings(sound),
        *policy_findings(sound, steps, signal.absent),
        *engine_findings(sound),
        *form_findings(log),
    ]
    return Diagnosis(
        findings=tuple(findings),
        gaps=tuple(gaps_of(sound, logged, steps, clip, signal.absent, findings)),
        steps_per_rollout=steps.value if steps is not None else None,
        clip_can_act=clip.can_act,
    )


def together(logs: list[Log], each: list[Diagnosis]) -> Diagnosis:
    """Findings name their log where there are several; what all agree on is the answer, else None. Of logs that are
    the same to the last bit the first speaks for all."""
    findings: list[Finding] = []
    gaps: dict[str, Gap] = {}
    same = {j: i for i, j in combinations(range(len(logs)), 2) if logs[i].series and _equal(logs[i], logs[j])}
    for place, (log, diagnosis) in enumerate(zip(logs, each, strict=True)):
        if place in same:
            continue
        name = log.name if len(logs) - len(same) > 1 else ""
        findings += [replace(finding, log=name) for finding in diagnosis.findings]
        gaps = {gap.code: gap for gap in diagnosis.gaps} | gaps
    for second, first in same.items():
        evidence: Evidence = {"first": logs[first].name, "second": logs[second].name}
        findings.insert(0, Finding(code="arms-identical", strength="certain", evidence=evidence))
        gaps["arms"] = Gap(code="arms", switch_on="arms that learn something")
    if scales := _scales(logs, each):
        findings.append(scales)
        gaps["scales"] = Gap(
            code="scales", switch_on="the share of gradient that each clip removes, or an arm without it"
        )
    told = [diagnosis for log, diagnosis in zip(logs, each, strict=True) if log.series]
    can_act = {diagnosis.clip_can_act for diagnosis in told}
    steps = {diagnosis.steps_per_rollout for diagnosis in told}
    return Diagnosis(
        findings=tuple(findings),
        gaps=tuple(gaps.values()),
        steps_per_rollout=steps.pop() if len(steps) == 1 else None,
        clip_can_act=True if True in can_act else can_act.pop() if len(can_act) == 1 else None,
    )


def _equal(a: Log, b: Log) -> bool:
    return a.series.keys() == b.series.keys() and all(
        np.array_equal(series.values, b.series[name].values, equal_nan=True) for name, series in a.series.items()
    )


def _scales(logs: list[Log], each: list[Diagnosis]) -> Finding | None:
    shares = [
        float(share)
        for log, diagnosis in zip(logs, each, strict=True)
        for finding in diagnosis.findings
        if log.table and finding.code.startswith("clip-acted") and (share := finding.evidence["share"])
    ]
    if len(shares) < 2 or max(shares) < APART * min(shares):
        return None
    return Finding(code="clip-scales", strength="strong", evidence={"largest": max(shares), "least": min(shares)})


def without_placebo() -> Gap:
    return Gap(code="gain", switch_on=PLACEBO)
