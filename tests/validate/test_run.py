"""The protocol: predictions come first and stay untouched, a killed run ends with the same numbers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from clipbias.validate import run
from clipbias.validate.cell import train_cell
from clipbias.validate.fields import InputError
from clipbias.validate.files import locked, read_json, read_parquet, sha256, write_json
from clipbias.validate.layout import ARM_SEEDS_FROM, Cell, arm_seeds, pilot_cells
from clipbias.validate.measured import read_run
from clipbias.validate.organism.spec import SHIPPED
from clipbias.validate.recipe import read_recipe
from clipbias.validate.report import write_report


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target / "run")
    return target / "run"


def test_the_prediction_is_older_than_every_cell(finished_run: Path) -> None:
    manifest = read_json(finished_run / "manifest.json")
    assert manifest["status"] == "complete"
    assert manifest["prediction_sha256"] == sha256(finished_run / "prediction.json")
    parts = sorted((finished_run / "metrics.parquet").glob("*/*/*.parquet"))
    assert len(parts) == 4
    for part in parts:
        metadata = read_parquet(part)[1]
        assert metadata["prediction_sha256"] == manifest["prediction_sha256"]
        assert metadata["started"] > manifest["prediction_written"]


def test_an_edited_prediction_is_refused(finished_run: Path, tmp_path: Path) -> None:
    folder = copied(finished_run, tmp_path)
    prediction = read_json(folder / "prediction.json")
    prediction["arms"]["clip"]["log_odds_mean"][-1] += 0.001
    write_json(folder / "prediction.json", prediction)
    with pytest.raises(ValueError, match="the prediction it was started with"):
        write_report([folder], tmp_path / "report.html")
    with pytest.raises(ValueError, match="was edited"):
        run.resume(folder)
    assert not (tmp_path / "report.html").exists()


def test_a_prediction_edited_together_with_its_hash_is_refused(finished_run: Path, tmp_path: Path) -> None:
    folder = copied(finished_run, tmp_path)
    prediction = read_json(folder / "prediction.json")
    prediction["arms"]["clip"]["log_odds_mean"][-1] += 0.001
    write_json(folder / "prediction.json", prediction)
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", manifest | {"prediction_sha256": sha256(folder / "prediction.json")})
    with pytest.raises(InputError, match="is missing"):  # another prediction has other seeds
        write_report([folder], tmp_path / "report.html")


def test_a_prediction_younger_than_its_run_is_refused(finished_run: Path, tmp_path: Path) -> None:
    folder = copied(finished_run, tmp_path)
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", manifest | {"prediction_written": "2999-01-01T00:00:00+00:00"})
    with pytest.raises(ValueError, match="a prediction older than its cells"):
        write_report([folder], tmp_path / "report.html")


def test_the_seeds_are_those_of_the_prediction(finished_run: Path) -> None:
    """Whoever changes a prediction meets other outcomes; nothing else decides the seeds."""
    manifest = read_json(finished_run / "manifest.json")
    assert manifest["seeds"] == arm_seeds(manifest["prediction_sha256"], 2)
    folders = {path.name for path in (finished_run / "metrics.parquet").glob("*/*")}
    assert folders == {f"seed={seed}" for seed in manifest["seeds"]}
    many, other = arm_seeds("ab" * 32, 500), arm_seeds("ab" * 31 + "ac", 500)
    assert len(set(many)) == 500
    assert not set(many) & set(other)
    assert min(many) >= ARM_SEEDS_FROM > max(c.seed for c in pilot_cells(finished_run, read_run(finished_run).recipe))
    assert max(many) < 2**31


def edited_recipe(folder: Path) -> None:
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("Does <the>", "Did <the>"))


def edited_recipe_and_hash(folder: Path) -> None:
    edited_recipe(folder)
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", manifest | {"recipe_sha256": sha256(folder / "recipe.toml")})


def removed_seed(folder: Path) -> None:
    shutil.rmtree(next((folder / "metrics.parquet" / "arm=clip").iterdir()))


def exchanged_seeds(folder: Path) -> None:
    one, two = sorted((folder / "metrics.parquet" / "arm=clip").glob("*/*.parquet"))
    shutil.copyfile(one, two)


def cut_file(folder: Path) -> None:
    next((folder / "tokens.parquet").glob("*/*/*.parquet")).write_bytes(b"PAR1")


def edited_cell(folder: Path) -> None:
    part = next((folder / "metrics.parquet").glob("*/*/*.parquet"))
    table = pq.read_table(part)
    moved = pc.add(table["log_odds"], 3.0)
    pq.write_table(table.set_column(table.column_names.index("log_odds"), "log_odds", moved), part)


def sealed(folder: Path) -> None:
    """The manifest takes the cells as they are now."""
    manifest = read_json(folder / "manifest.json")
    found = {name: sha256(folder / name) for name in manifest["cells_sha256"]}
    write_json(folder / "manifest.json", manifest | {"cells_sha256": found})


def cut_and_sealed(folder: Path) -> None:
    cut_file(folder)
    sealed(folder)


def exchanged_and_sealed(folder: Path) -> None:
    exchanged_seeds(folder)
    sealed(folder)


def no_time(folder: Path) -> None:
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", manifest | {"prediction_written": "x"})


def not_finished(folder: Path) -> None:
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", manifest | {"status": "training"})


def empty_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{}")


def broken_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b"\xff{")


def no_recipe(folder: Path) -> None:
    (folder / "recipe.toml").unlink()


def no_prediction(folder: Path) -> None:
    (folder / "prediction.json").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (edited_recipe, "recipe.toml was edited"),
        (edited_recipe_and_hash, "the recipe that was predicted"),
        (removed_seed, r"all 4 cells \(arm and seed\) of its recipe, .*part-0.parquet is missing"),
        (exchanged_seeds, "part-0.parquet was changed afterwards"),
        (cut_file, "part-0.parquet was changed afterwards"),
        (edited_cell, "part-0.parquet was changed afterwards"),
        (cut_and_sealed, "must be a whole Parquet file"),
        (exchanged_and_sealed, "must be of seed"),
        (no_time, "manifest.json must hold a time in ISO 8601, got 'x'"),
        (not_finished, "a run that was finished, this one is training: resume the run"),
        (empty_manifest, "manifest.json must have the key status"),
        (broken_manifest, "manifest.json must be UTF-8"),
        (no_recipe, "a run folder with a recipe.toml"),
        (no_prediction, "prediction.json is missing"),
    ],
)
def test_a_damaged_run_is_refused(
    finished_run: Path, tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    folder = copied(finished_run, tmp_path)
    damage(folder)
    with pytest.raises(InputError, match=words):
        write_report([folder], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_lost_prediction_is_not_made_again(finished_run: Path, tmp_path: Path) -> None:
    folder = copied(finished_run, tmp_path)
    no_prediction(folder)
    with pytest.raises(InputError, match="is missing"):
        run.resume(folder)
    assert not (folder / "prediction.json").exists()


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


@pytest.mark.parametrize("name", ["prediction.html", "manifest.html", "report.json"])
def test_a_report_takes_no_other_file_s_place(finished_run: Path, tmp_path: Path, name: str) -> None:
    folder = copied(finished_run, tmp_path)
    before = (folder / "prediction.json").read_bytes()
    with pytest.raises(InputError, match="out must be a name"):
        write_report([folder], folder / name)
    assert (folder / "prediction.json").read_bytes() == before


def test_a_changed_cell_is_not_sealed_by_resuming_and_a_lost_one_is_trained_again(
    finished_run: Path, tmp_path: Path
) -> None:
    folder = copied(finished_run, tmp_path)
    part = next((folder / "metrics.parquet").glob("*/*/*.parquet"))
    before, kept = pq.read_table(part), part.read_bytes()
    part.write_bytes(kept + b" ")
    with pytest.raises(InputError, match="was changed afterwards"):
        run.resume(folder)
    part.unlink()
    run.resume(folder)
    assert pq.read_table(part).drop_columns("started").equals(before.drop_columns("started"))
    write_report([folder], tmp_path / "report.html")


def test_stray_files_are_not_data(finished_run: Path, tmp_path: Path) -> None:
    folder = copied(finished_run, tmp_path)
    for part in (folder / "metrics.parquet").glob("*/*/*.parquet"):
        shutil.copyfile(part, part.with_name("part-1.parquet"))
    report = write_report([folder], tmp_path / "report.html")
    assert report == write_report([finished_run], tmp_path / "other.html")


def test_a_folder_in_which_nothing_was_trained_takes_a_corrected_recipe(tmp_path: Path, recipe_text: str) -> None:
    recipe, folder = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text(recipe_text)
    run.start(recipe, folder)
    recipe.write_text(recipe_text.replace("phases = 3", "phases = 4"))
    run.start(recipe, folder)
    assert (folder / "recipe.toml").read_text() == recipe.read_text()
    (folder / "pilot").mkdir()
    recipe.write_text(recipe_text)
    with pytest.raises(InputError, match="out must be a new folder"):
        run.start(recipe, folder)


def test_more_prompts_than_problems_are_refused_before_anything_is_made(tmp_path: Path, recipe_text: str) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(recipe_text.replace("prompts_per_phase = 2", "prompts_per_phase = 100000"))
    with pytest.raises(InputError, match=r"training\.prompts_per_phase must be at most"):
        run.start(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_process_at_a_time(finished_run: Path, tmp_path: Path) -> None:
    folder = copied(finished_run, tmp_path)
    with locked(folder), pytest.raises(InputError, match="in use by another process"):
        run.resume(folder)
    run.resume(folder)


def test_the_report_is_whole_and_escapes_what_the_model_wrote(finished_run: Path, tmp_path: Path) -> None:
    folder = copied(finished_run, tmp_path)
    for part in (folder / "samples.parquet").glob("*/*/*.parquet"):
        table = pq.read_table(part)
        evil = ["<script>alert(1)</script>\u202e\x1b[2J"] * table.num_rows
        pq.write_table(table.set_column(table.column_names.index("text"), "text", [evil]), part)
    sealed(folder)
    report = write_report([folder], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not any(c in page for c in "\u202e\x1b")
    assert "Does &lt;the&gt; whole line run?" in page
    assert "http://" not in page
    assert "https://" not in page
    assert json.loads((tmp_path / "report.json").read_text()) == report
    for word in (report["runs"][0]["prediction_sha256"], "recipe.toml", "trl"):
        assert word in page
    again = write_report([folder], tmp_path / "again.html")
    assert again == report
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_with_two_updates_a_phase_something_moves_and_is_counted(finished_run: Path) -> None:
    data = read_run(finished_run)
    arm = data.arms["clip"]
    assert arm.all_tokens.tokens.shape == (2, 2)
    rows = pq.ParquetDataset(finished_run / "tokens.parquet", filters=[("arm", "=", "clip")]).read().num_rows
    assert arm.all_tokens.tokens.sum() == rows
    assert arm.strategy_token.tokens.sum() == 2 * 3 * 8  # seeds, phases, rollouts
    assert arm.largest_log_ratio[0] < 1e-4 < arm.largest_log_ratio[1]


def test_a_stopped_cell_ends_with_the_same_numbers(
    tmp_path: Path, recipe_text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read_recipe(recipe_text)

    def cell(root: str) -> Cell:
        return Cell(tmp_path / root, recipe, recipe.arm[0], seed=1, phases=3, prediction="p")

    whole, broken = cell("whole"), cell("broken")
    train_cell(whole)
    from clipbias.validate import cell as module

    saved = module.save_checkpoint

    def stop(root: Path, phase: int, *rest: object) -> None:
        saved(root, phase, *rest)  # type: ignore[arg-type]
        if phase == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "save_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        train_cell(broken)
    assert not broken.done
    assert [p.name for p in broken.checkpoints.iterdir()] == ["phase-00002"]
    monkeypatch.setattr(module, "save_checkpoint", saved)
    train_cell(broken)
    for kind in ("metrics", "tokens", "samples"):
        a, b = (pq.read_table(c.part(kind)) for c in (whole, broken))
        if kind == "metrics":
            a, b = a.drop_columns("started"), b.drop_columns("started")
        assert a.equals(b), kind
    assert not broken.checkpoints.exists()


def test_a_killed_run_is_resumed_from_the_command_line(tmp_path: Path, recipe_text: str, finished_run: Path) -> None:
    """SIGKILL in the middle of the arms; `resume` finishes; the numbers are those of the run that was left alone."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(recipe_text)
    command = [sys.executable, "-c", "from clipbias.cli.main import main; main()", "validate"]
    process = subprocess.Popen(
        [*command, "run", str(recipe), "--out", str(tmp_path / "run")], stderr=subprocess.DEVNULL
    )
    metrics = tmp_path / "run" / "metrics.parquet"
    deadline = time.monotonic() + 120
    while not list(metrics.glob("*/*/*.parquet")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = subprocess.run(
        [*command, "resume", str(tmp_path / "run"), "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["status"] == "complete"
    for part in sorted((finished_run / "metrics.parquet").glob("*/*/*.parquet")):
        twin = tmp_path / "run" / part.relative_to(finished_run)
        assert pq.read_table(twin).drop_columns("started").equals(pq.read_table(part).drop_columns("started"))


def test_the_shipped_recipes_can_be_read() -> None:
    for path in sorted((Path(__file__).parents[2] / "recipes").glob("*.toml")):
        assert read_recipe(path.read_text()).name == path.stem


@pytest.mark.parametrize(
    "arguments", [["run", "RECIPE", "--out", "OUT"], ["resume", "EMPTY"], ["report", "EMPTY", "--out", "r.html"]]
)
def test_wrong_input_is_one_line_and_status_two(tmp_path: Path, recipe_text: str, arguments: list[str]) -> None:
    recipe, empty = tmp_path / "recipe.toml", tmp_path / "empty"
    recipe.write_text(recipe_text.replace("group_size = 4", "group_size = 1"))
    empty.mkdir()
    names = {"RECIPE": str(recipe), "EMPTY": str(empty), "OUT": str(tmp_path / "out")}
    command = [sys.executable, "-c", "from clipbias.cli.main import main; main()", "validate"]
    done = subprocess.run(
        [*command, *[names.get(a, a) for a in arguments]], capture_output=True, text=True, cwd=tmp_path, env=os.environ
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
