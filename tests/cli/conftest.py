"""The command line, in this process and as a process of its own: its two streams and its exit status.

Most tests ask in this process, since starting one costs a second of imports and compiled code; `test_process.py` holds
the two to each other.
"""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from clipbias.cli.main import main

PROGRAM = str(Path(sys.executable).with_name("clipbias"))
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def program() -> Callable[[str], Done]:
    """As a user runs it: a process."""

    def run(arguments: str) -> Done:
        return subprocess.run([PROGRAM, *arguments.split()], capture_output=True, text=True, check=False)

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
