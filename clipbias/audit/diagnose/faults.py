"""Where a training broke: numbers that are none."""

from dataclasses import dataclass

import numpy as np

from ..log import Log, Role
from .finding import Evidence, Finding

TELLING = (
    Role.LOSS,
    Role.GRAD,
    Role.ENTROPY,
    Role.KL_OLD,
    Role.CLIP,
    Role.CLIP_LOW,
    Role.CLIP_HIGH,
    Role.RATIO,
    Role.REWARD,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """sound: the log up to where it broke for good; all of it where nothing stands before."""

    sound: Log
    findings: tuple[Finding, ...]


def faults_of(log: Log) -> Faults:
    """Broken for good where a telling series ends without a number; else single values are left out."""
    bad = [
        s for s in log.series.values() if s.meaning and s.meaning.role in TELLING and not np.isfinite(s.values).all()
    ]
    if not bad:
        return Faults(sound=log, findings=())
    ends = []
    for series in bad:
        if not np.isfinite(series.values[-1]):
            held = np.flatnonzero(np.isfinite(series.values))
            ends.append((int(series.rows[held[-1] + 1 if held.size else 0]), series.name))
    lost = sum(int((~np.isfinite(series.values)).sum()) for series in bad)
    names = ", ".join(series.name for series in bad[:4])
    if not ends:
        evidence: Evidence = {"values": lost, "series": names}
        return Faults(sound=log, findings=(Finding(code="numbers-missing", strength="certain", evidence=evidence),))
    row, name = min(ends)
    last = log.step(row - 1) if row else None
    evidence = {"step": log.step(row), "last_sound": last, "series": names, "first": name}
    finding = Finding(code="numerical-fault", strength="certain", evidence=evidence)
    return Faults(sound=log.before(row) if row else log, findings=(finding,))
