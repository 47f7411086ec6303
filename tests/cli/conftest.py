"""The program as a user runs it: a process, its two streams and its exit status."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = str(Path(sys.executable).with_name("clipbias"))


@pytest.fixture
def clipbias() -> Callable[[str], subprocess.CompletedProcess[str]]:
    def run(arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([PROGRAM, *arguments.split()], capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def answer(clipbias: Callable[[str], subprocess.CompletedProcess[str]]) -> Callable[[str], dict[str, Any]]:
    """The one JSON object on stdout, NaN refused, stderr silent."""

    def ask(arguments: str) -> dict[str, Any]:
        done = clipbias(arguments + " --json")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("\n") == 1
        return json.loads(done.stdout, parse_constant=pytest.fail)

    return ask
