"""As many workers as cores and memory allow, and what happens when the system kills one."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clipbias.common.errors import InputError
from clipbias.common.processes import WorkerKilledError
from clipbias.validate.model.locate import model_folder
from clipbias.validate.model.memory import BASE, Load, fitting_workers, worker_bytes
from clipbias.validate.model.size import ModelSize, longest_prompt, model_size
from clipbias.validate.recipe.recipe import read_recipe
from clipbias.validate.store.layout import Cell, arm_cells, pilot_cells
from clipbias.validate.store.manifest import read_manifest
from clipbias.validate.train import workers

GB = 10**9
LOAD = Load(minibatch=8, sampled=32, prompt=64, answer=64)
QWEN = ModelSize(parameters=494_032_768, vocabulary=151_936, layers=24, width=896, inner=4_864, key_values=256)


@pytest.fixture
def cells(tmp_path: Path, recipe_text: str) -> list[Cell]:
    return pilot_cells(tmp_path, read_recipe(recipe_text))


@pytest.mark.fast
def test_the_organisms_size_is_that_of_its_weights(cells: list[Cell]) -> None:
    line = cells[0].recipe.model
    size = model_size(model_folder(line))
    assert (size.parameters, size.vocabulary, size.layers, size.width) == (336_672, 35, 3, 96)
    assert longest_prompt(line, None, 8, ["plain"]) == len("9*9+9=?\n")


@pytest.mark.fast
def test_a_model_of_half_a_billion_parameters_fits_once_into_24_gigabytes() -> None:
    """As was seen: two processes of 12.6 GB each, of which one was killed."""
    needed = worker_bytes(QWEN, LOAD)
    assert needed == pytest.approx(12.6 * GB, rel=0.15)
    assert fitting_workers(2, needed, 24 * GB) == 1
    assert fitting_workers(2, needed, 32 * GB) == 2


@pytest.mark.fast
def test_more_of_anything_needs_more() -> None:
    least = worker_bytes(QWEN, LOAD)
    assert least > BASE + 16 * QWEN.parameters
    longer = Load(minibatch=8, sampled=32, prompt=64, answer=128)
    wider = Load(minibatch=16, sampled=32, prompt=64, answer=64)
    crowd = Load(minibatch=8, sampled=4096, prompt=64, answer=64)
    assert all(worker_bytes(QWEN, load) > least for load in (longer, wider, crowd))


@pytest.mark.fast
def test_a_smaller_batch_needs_less(cells: list[Cell]) -> None:
    recipe = cells[0].recipe
    asked = max(recipe.training.rollouts, recipe.probe.prompts * recipe.probe.samples)
    assert [workers._load(cells[0], 8, batch).sampled for batch in (4, 1024)] == [4, asked]


@pytest.mark.fast
def test_workers_fall_with_the_free_memory(cells: list[Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 4)
    for free, expected in ((8 * GB, 2), (0.7 * GB, 1)):
        monkeypatch.setattr(workers, "free_memory", lambda free=free: int(free))
        assert workers._workers(cells, 1024) == expected


@pytest.mark.fast
def test_where_not_even_one_fits_nothing_is_started(cells: list[Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "free_memory", lambda: int(0.3 * GB))
    with pytest.raises(InputError, match=r"^memory must be free for one .*0\.5 GB .* and 0\.3 GB are$"):
        workers.train_all(cells, "pilot")
    assert not cells[0].root.exists()


@pytest.mark.fast
def test_one_worker_that_is_killed_is_the_end(cells: list[Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def killed(work: object, items: object, count: int, prepare: object, loaded: str | None) -> object:
        asked.append(count)
        raise WorkerKilledError(count)

    monkeypatch.setattr(workers, "cores", lambda: 2)
    monkeypatch.setattr(workers, "side_by_side", killed)
    with pytest.raises(InputError, match="memory"):
        workers.train_all(cells, "pilot")
    assert asked == [2, 1]


def _kill_one_worker(folder: Path) -> None:
    """The first that there is once something was saved."""
    while not list(folder.glob("checkpoints/*/*/phase-*")):
        time.sleep(0.01)
    os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)


@pytest.mark.training
def test_a_killed_worker_is_tried_again_with_fewer_and_changes_no_number(
    tmp_path: Path,
    recipe_text: str,
    finished_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Both arms side by side: their numbers are those of the run that no process but this one trained."""
    prediction = read_manifest(finished_run).prediction_sha256
    assert prediction is not None
    cells = arm_cells(tmp_path, read_recipe(recipe_text), prediction)[:2]
    assert cells[0].arm != cells[1].arm
    monkeypatch.setattr(workers, "cores", lambda: 2)
    killer = threading.Thread(target=_kill_one_worker, args=(tmp_path,), daemon=True)
    killer.start()
    with caplog.at_level(logging.WARNING, "clipbias"):
        workers.train_all(cells, "arms")
    killer.join(60.0)
    assert "memory; going on with 1" in caplog.text
    for part in (cell.part(kind) for cell in cells for kind in ("metrics", "tokens")):
        found, twin = (pq.read_table(file) for file in (part, finished_run / part.relative_to(tmp_path)))
        if "started" in found.column_names:
            found, twin = found.drop_columns("started"), twin.drop_columns("started")
        assert found.equals(twin)
