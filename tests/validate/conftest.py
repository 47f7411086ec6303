"""A two-minute line in miniature: the shipped organism, a few prompts, a few phases."""

import fcntl
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from here import Here

RECIPE = """
name = "miniature"
question = "Does <the> whole line run?"
seeds = 2
checkpoint_every = 1

[model]
organism = "default"

[training]
prompts_per_phase = 2
group_size = 4
minibatches = {minibatches}
learning_rate = 3e-4
phases = 3
max_completion_length = 32

[pilot]
seeds = 2
phases = 3
burn_in = 1

[probe]
prompts = 8

[[arm]]
name = "clip"
clip_low = 0.2
clip_high = 0.2

[[arm]]
name = "no-clip"
clip_low = "none"
clip_high = "none"
"""


@pytest.fixture
def recipe_text() -> str:
    return RECIPE.format(minibatches=2)


@pytest.fixture(scope="session")
def in_this_process() -> Callable[[], AbstractContextManager[None]]:
    """No workers: torch and TRL would be imported anew for them, at many times the cost of a miniature.

    The numbers are those of workers: `protocol/test_resume.py` and `train/test_workers.py` compare.
    """

    @contextmanager
    def patched() -> Generator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("clipbias.common.processes.ProcessPoolExecutor", Here)
            yield

    return patched


@pytest.fixture(scope="session")
def finished_run(
    tmp_path_factory: pytest.TempPathFactory, in_this_process: Callable[[], AbstractContextManager[None]]
) -> Path:
    """A complete run of the miniature recipe; tests that change it must copy it first.

    All of pytest's workers have the same: who asks first trains it, and others wait.
    """
    from clipbias.validate.protocol import run

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    folder.mkdir(exist_ok=True)
    recipe, whole = folder / "recipe.toml", folder / "whole"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(folder / "run", ignore_errors=True)
            recipe.write_text(RECIPE.format(minibatches=2))
            with in_this_process():
                run.start(recipe, folder / "run")
                run.resume(folder / "run")
            whole.touch()
    return folder / "run"


@pytest.fixture
def folder(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be damaged."""
    shutil.copytree(finished_run, tmp_path / "run")
    return tmp_path / "run"
