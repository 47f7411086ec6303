"""Following a file that grows: the audit again whenever it has, and of that what is new."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from clipbias.common.errors import InputError

from .audit import Audit, audit
from .diagnose.finding import Finding

POLL = 2.0  # seconds


def watch(
    path: Path, framework: str | None, go_on: Callable[[], bool], poll: float = POLL
) -> Iterator[tuple[Finding, Audit]]:
    """Each finding when it first holds, or holds with more strength, while `go_on()`. What is not a log yet is waited
    for; a file that was begun anew is read anew."""
    told: set[tuple[str, str, str]] = set()
    seen: tuple[int, int] | None = None
    while go_on():
        state = path.stat()
        if (state.st_size, state.st_mtime_ns) == seen:
            time.sleep(poll)
            continue
        seen = (state.st_size, state.st_mtime_ns)
        try:
            found = audit([path], framework=framework)
        except InputError:
            continue
        for finding in found.diagnosis.findings:
            key = (finding.code, finding.strength, finding.log)
            if key not in told:
                told.add(key)
                yield finding, found
