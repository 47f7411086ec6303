"""A stopped or killed run ends with the same numbers, on the same model and versions."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clipbias.common.errors import InputError
from clipbias.common.files import locked, read_json, write_json
from clipbias.validate.organism.spec import SHIPPED
from clipbias.validate.protocol import run
from clipbias.validate.recipe.recipe import read_recipe
from clipbias.validate.report.run_page import write_report
from clipbias.validate.store.layout import Cell
from clipbias.validate.store.manifest import Manifest, read_manifest
from clipbias.validate.train.cell import train_cell

pytestmark = pytest.mark.training


def test_another_model_or_another_version_does_not_go_on_with_a_run(tmp_path: Path, recipe_text: str) -> None:
    model, recipe, folder = tmp_path / "model", tmp_path / "recipe.toml", tmp_path / "run"
    shutil.copytree(SHIPPED, model)
    recipe.write_text(recipe_text.replace('organism = "default"', f'path = "{model}"'))
    run.start(recipe, folder)
    untouched = (model / "config.json").read_text()
    (model / "config.json").write_text(untouched + " ")
    with pytest.raises(InputError, match=r"model must be the one .*config\.json is another"):
        run.resume(folder)
    (model / "config.json").write_text(untouched)
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", manifest | {"versions": manifest["versions"] | {"trl": "0.1"}})
    with pytest.raises(InputError, match=r"trl must be 0\.1, with which the run was started"):
        run.resume(folder)
    assert not (folder / "pilot").exists()


def test_a_changed_cell_is_not_sealed_by_resuming_and_a_lost_one_is_trained_again(folder: Path, tmp_path: Path) -> None:
    part = next((folder / "metrics.parquet").glob("*/*/*.parquet"))
    before, kept = pq.read_table(part), part.read_bytes()
    part.write_bytes(kept + b" ")
    with pytest.raises(InputError, match="was changed afterwards"):
        run.resume(folder)
    part.unlink()
    run.resume(folder)
    assert pq.read_table(part).drop_columns("started").equals(before.drop_columns("started"))
    write_report([folder], tmp_path / "report.html")


def test_one_process_at_a_time(folder: Path) -> None:
    with locked(folder), pytest.raises(InputError, match="in use by another process"):
        run.resume(folder)
    run.resume(folder)


WITHOUT_A_SPEC = """path = "{folder}/model"
instruction = ""

[task]
train = "{folder}/problems.jsonl"

[forecast]
problems = 4
answers = 6
read_problems = 3
read_at = [1, 3]
"""


def without_a_spec(recipe_text: str, folder: Path) -> str:
    """The same of a model whose answers cannot be listed: it is read on answers that it gave untrained."""
    shutil.copytree(SHIPPED, folder / "model", ignore=shutil.ignore_patterns("spec.toml"))
    rows = [{"problem": f"{a}*{b}+7=?\n", "answer": f"{a * b + 7}"} for a in range(2, 10) for b in (3, 8)]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = recipe_text.replace('organism = "default"\n', WITHOUT_A_SPEC.format(folder=folder))
    assert text != recipe_text
    return text


@pytest.mark.parametrize(("listed", "kept"), [(True, None), (False, 7)])
def test_a_batch_is_measured_once_and_an_organism_s_never(
    tmp_path: Path, recipe_text: str, monkeypatch: pytest.MonkeyPatch, listed: bool, kept: int | None
) -> None:
    """However often the run is stopped: what it draws depends on the batch."""
    recipe, folder = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text(recipe_text if listed else without_a_spec(recipe_text, tmp_path))
    run.start(recipe, folder)
    measured = iter([7])
    monkeypatch.setattr(run, "measured_batch", lambda _: next(measured))
    seen: list[int | None] = []

    def stop(cells: object, description: str, manifest: Manifest) -> None:
        seen.append(manifest.batch)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "_train", stop)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run.resume(folder)
    assert seen == [kept, kept]
    assert read_manifest(folder).batch == kept


@pytest.mark.parametrize("listed", [True, False])
def test_a_stopped_cell_ends_with_the_same_numbers(
    tmp_path: Path, recipe_text: str, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    recipe = read_recipe(recipe_text if listed else without_a_spec(recipe_text, tmp_path))

    def cell(root: str) -> Cell:
        return Cell(tmp_path / root, recipe, recipe.arm[0], seed=1, phases=3, prediction="p")

    whole, broken = cell("whole"), cell("broken")
    train_cell(whole)
    from clipbias.validate.train import cell as module

    saved = module.save_checkpoint

    def stop(root: Path, phase: int, *rest: object) -> None:
        saved(root, phase, *rest)  # type: ignore[arg-type]
        if phase == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "save_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        train_cell(broken)
    assert not broken.done
    assert [p.name for p in broken.checkpoints.glob("phase-*")] == ["phase-00002"]
    monkeypatch.setattr(module, "save_checkpoint", saved)
    module.untrained_reading.cache_clear()  # as in another process
    train_cell(broken)
    for kind in ("metrics", "tokens", "samples"):
        a, b = (pq.read_table(c.part(kind)) for c in (whole, broken))
        if kind == "metrics":
            a, b = a.drop_columns("started"), b.drop_columns("started")
        assert a.equals(b), kind
    assert not broken.checkpoints.exists()


def test_a_killed_run_is_resumed_from_the_command_line(
    tmp_path: Path,
    recipe_text: str,
    finished_run: Path,
    answer: Callable[[str], dict[str, Any]],
    in_this_process: Callable[[], AbstractContextManager[None]],
) -> None:
    """SIGKILL in the middle of the arms; `resume` finishes; the numbers are those of the run that was left alone.

    What is killed is a process with one worker, and with the process that its worker is forked from. Two workers, of
    which one is killed, are in `train/test_workers.py`.
    """
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(recipe_text)
    command = "from clipbias.common import processes; processes.cores = lambda: 1; "  # before any module takes it
    command += "from clipbias.cli.main import main; main()"
    said = tmp_path / "stderr"
    with said.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", command, "validate", "run", str(recipe), "--out", str(tmp_path / "run")],
            stderr=stderr,
        )
    metrics = tmp_path / "run" / "metrics.parquet"
    deadline = time.monotonic() + 1_200  # for what hangs: on a busy machine the imports alone take minutes
    while not list(metrics.glob("*/*/*.parquet")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, said.read_text()
    parts = sorted((finished_run / "metrics.parquet").glob("*/*/*.parquet"))
    assert 0 < len(list(metrics.glob("*/*/*.parquet"))) < len(parts)
    with in_this_process():
        assert answer(f"validate resume {tmp_path / 'run'}")["status"] == "complete"
    for part in parts:
        twin = tmp_path / "run" / part.relative_to(finished_run)
        assert pq.read_table(twin).drop_columns("started").equals(pq.read_table(part).drop_columns("started"))
