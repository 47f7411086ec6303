"""One suite, the same every time: Hypothesis draws the same examples, and every test carries one marker.

The command line is asked in this process, or as a process of its own: its two streams and its exit status. Most tests
ask here, since starting a process costs seconds of imports and compiled code; `cli/test_process.py` holds the two to
each other.
"""

import gc
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from clipbias.cli.main import main

settings.register_profile("clipbias", derandomize=True, deadline=None, database=None, max_examples=60)
settings.register_profile("thorough", derandomize=True, deadline=None, database=None, max_examples=20_000)
settings.load_profile("clipbias")

# One thread for each of pytest's workers and for what they start: tests are small, and of two pairs of threads on two
# cores those that wait spin. Set before numpy and torch are imported; numbers of a run are those of one thread.
os.environ["OMP_NUM_THREADS"] = "1"

MARKERS = ("fast", "training", "statistical")  # in the order of what a file of them takes
ALL_SLOW = re.compile(r"^pytestmark = pytest\.mark\.(?:training|statistical)$", re.MULTILINE)
PROGRAM = str(Path(sys.executable).with_name("clipbias"))
Done = subprocess.CompletedProcess[str]


def has_nothing_fast(path: Path) -> bool:
    """As the marker of the whole file says, without importing what it imports."""
    return path.suffix == ".py" and ALL_SLOW.search(path.read_text(encoding="utf-8")) is not None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where fast tests alone are asked for, files without any are left out: TRL alone takes seconds to import."""
    return True if config.option.markexpr == "fast" and has_nothing_fast(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test is fast unless its module or the test itself says what else it is; two kinds at once are a mistake.

    What takes longest comes first, so that workers end together.
    """
    order = {}
    for item in items:
        kinds = {marker.name for marker in item.iter_markers() if marker.name in MARKERS}
        if not kinds:
            item.add_marker(pytest.mark.fast)
        elif len(kinds) > 1:
            raise pytest.UsageError(f"{item.nodeid} is marked {' and '.join(sorted(kinds))}: one of them")
        order[item] = MARKERS.index((kinds or {"fast"}).pop())
    items.sort(key=lambda item: -order[item])  # stable: files stay whole


def pytest_collection_finish() -> None:
    """What was imported stays: collections of garbage, which trainers ask for, need not look through it each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def program() -> Callable[[str], Done]:
    """As a user runs it: a process. What its clock says beyond two seconds, on a busy machine, is left out."""

    def run(arguments: str) -> Done:
        done = subprocess.run([PROGRAM, *arguments.split()], capture_output=True, text=True, check=False)
        return Done(done.args, done.returncode, done.stdout, re.sub(r"^at work.*\n", "", done.stderr, flags=re.M))

    return run


@pytest.fixture
def clipbias(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Done]:
    """The same in this process. What is no answer and no complaint, a traceback, fails the test."""
    monkeypatch.setattr("clipbias.cli.cost.SAID_SECONDS", 1e6)  # stderr must not depend on the machine's load

    def run(arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["clipbias", *arguments.split()])
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
        return Done(sys.argv, int(ended.value.code or 0), out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def answer(clipbias: Callable[[str], Done]) -> Callable[[str], dict[str, Any]]:
    """The one JSON object on stdout, NaN refused, stderr silent."""

    def ask(arguments: str) -> dict[str, Any]:
        done = clipbias(arguments + " --json")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("\n") == 1
        return json.loads(done.stdout, parse_constant=pytest.fail)

    return ask
