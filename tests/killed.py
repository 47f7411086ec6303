"""Work in processes that are killed at random moments, as a system does that wants its memory back.

A moment is an amount of the process's own processor time, so that a busy machine changes nothing. Processes are forked
from one that has imported what they need and has done nothing else.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

from here import Here

from clipbias.common import processes
from clipbias.validate.protocol import evaluate, run

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["clipbias.validate.train.cell", "clipbias.validate.measure.transformers_engine", __name__]
)
_TICK = os.sysconf("SC_CLK_TCK")


def train(folder: str) -> None:
    """All of a run that is left, in this process and not in workers of its own, which would import for seconds."""
    with patch.object(processes, "ProcessPoolExecutor", Here):
        run.resume(Path(folder))


def answer(recipe: str, folder: str, options: evaluate.EvalOptions) -> None:
    evaluate.start(Path(recipe), Path(folder), options)


def _seconds(pid: int) -> float:
    """Of processor time that a process has taken; what has ended has taken all of it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return float("inf")
    return float("inf") if fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / _TICK


def until_it_ends(work: Callable[..., None], given: tuple[object, ...], moments: Iterator[float]) -> int:
    """Do the work, in as many processes as it takes; each is killed after the next of these moments, until there are
    none. Returns how many were killed."""
    kills = 0
    while True:
        process = _CONTEXT.Process(target=work, args=given)
        process.start()
        assert process.pid is not None
        moment = next(moments, None)
        while moment is not None and process.is_alive() and _seconds(process.pid) < moment:
            time.sleep(0.005)
        if moment is not None and process.is_alive():
            process.kill()
        process.join()
        if process.exitcode == 0:
            return kills
        assert process.exitcode == -9, process.exitcode
        kills += 1
