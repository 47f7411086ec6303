"""The notebook of the docs runs from top to bottom, and what is exact in it comes out as it shows."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import matplotlib.pyplot as plt
import pytest

pytestmark = pytest.mark.training

CELLS = json.loads((Path(__file__).parents[2] / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


def printed(cell: dict[str, Any]) -> str:
    return "".join(line for output in cell["outputs"] for line in output.get("text", ()))


def test_it_runs_and_exact_numbers_are_those_it_shows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clipbias: Callable[[str], CompletedProcess[str]],
    in_this_process: Callable[[], AbstractContextManager[None]],
) -> None:
    shells = pytest.importorskip("IPython.core.interactiveshell")
    capture = pytest.importorskip("IPython.utils.capture").capture_output
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shell = shells.InteractiveShell(history_length=0)
    shell.history_manager.enabled = False
    asked = []

    def system(command: str) -> None:
        done = clipbias(command.removeprefix("clipbias "))
        assert done.returncode == 0, done.stderr
        asked.append(done.stdout + done.stderr)

    monkeypatch.setattr(shell, "system", system)
    try:
        with in_this_process():
            for cell in CODE:
                with capture() as said:
                    shell.run_cell("".join(cell["source"])).raise_error()
                if "exact" in cell["metadata"].get("tags", ()):
                    assert said.stdout == printed(cell)
    finally:
        plt.close("all")
    run = shell.user_ns["run"]
    assert [run.manifest.prediction_sha256 in said for said in asked] == [True]
    assert set(run.arms) == {"clip", "no-clip"}


def test_there_is_something_exact_to_compare_and_a_picture() -> None:
    assert sum("exact" in cell["metadata"].get("tags", ()) and bool(printed(cell)) for cell in CODE) == 3
    assert any("image/png" in output.get("data", {}) for cell in CODE for output in cell["outputs"])
