"""`clipbias audit`: paths to logs to one answer, in the types of `diagnose` and as the JSON of the command line."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbias.common.errors import check

from .diagnose.diagnose import diagnose, together, without_placebo
from .diagnose.finding import Diagnosis, Finding
from .diagnose.placebo import compare
from .frameworks.catalogue import BY_NAME
from .frameworks.framework import Framework
from .log import Log, Series
from .read.read import read_path
from .words import gap_words, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """logs: audited, then those of the placebo."""

    logs: tuple[Log, ...]
    placebos: tuple[Log, ...]
    diagnosis: Diagnosis

    @property
    def framework(self) -> Framework:
        """Of the first log that has series."""
        return BY_NAME[next((log.framework for log in self.logs if log.series), self.logs[0].framework)]

    def to_json(self) -> dict[str, Any]:
        """Numbers that are none become null."""
        found = self.diagnosis
        several = len(self.logs) > 1
        series = {
            f"{log.name}: {name}" if several else name: _series(log, s)
            for log in self.logs
            for name, s in log.series.items()
            if s.meaning is not None
        }
        return {
            "framework": self.framework.name,
            "series": series,
            "diagnosis": [finding_json(finding) for finding in found.findings],
            "cannot_conclude": [
                dict(zip(("what", "why", "switch_on"), (*gap_words(gap), gap.switch_on), strict=True))
                for gap in found.gaps
            ],
            "optimizer_steps_per_rollout": found.steps_per_rollout,
            "clip_can_act": found.clip_can_act,
        }


def audit(paths: list[Path], placebos: list[Path] | None = None, framework: str | None = None) -> Audit:
    """Raises InputError where a path is no log."""
    check(framework is None or framework in BY_NAME, "framework", f"one of {', '.join(BY_NAME)}", framework)
    logs = [log for path in paths for log in read_path(path, framework)]
    against = [log for path in placebos or () for log in read_path(path, framework)]
    return audit_logs(logs, against)


def audit_logs(logs: list[Log], placebos: list[Log]) -> Audit:
    found = together(logs, [diagnose(log) for log in logs])
    if placebos:
        compared = compare(logs, placebos)
        findings, gaps = (*compared.findings, *found.findings), (*compared.gaps, *found.gaps)
    else:
        findings, gaps = found.findings, (*found.gaps, without_placebo())
    diagnosis = Diagnosis(
        findings=findings,
        gaps=gaps,
        steps_per_rollout=found.steps_per_rollout,
        clip_can_act=found.clip_can_act,
    )
    return Audit(logs=tuple(logs), placebos=tuple(placebos), diagnosis=diagnosis)


def finding_json(finding: Finding) -> dict[str, Any]:
    """As one entry of "diagnosis"."""
    numbers = {key: _plain(value) for key, value in finding.evidence.items()}
    log = {"log": finding.log} if finding.log else {}
    return {"code": finding.code, "statement": say(finding), "evidence": numbers, "strength": finding.strength} | log


def _series(log: Log, series: Series) -> dict[str, Any]:
    assert series.meaning is not None
    finite = series.finite()
    some = finite.values.size > 0
    return {
        "means": series.meaning.role.value,
        "note": series.meaning.note or None,
        "constant": series.meaning.constant,
        "points": series.values.size,
        "first_step": log.step(int(series.rows[0])),
        "last_step": log.step(int(series.rows[-1])),
        "first": _plain(float(series.values[0])),
        "last": _plain(float(series.values[-1])),
        "mean": finite.mean if some else None,
    }


def _plain(value: float | str | None) -> float | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
