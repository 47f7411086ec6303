"""The protocol: predictions come first, decide the seeds, and the report says what the run says."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clipbias.common.errors import InputError
from clipbias.common.files import read_json, read_parquet, sha256
from clipbias.validate.protocol import run
from clipbias.validate.recipe.recipe import read_recipe, recipe_text
from clipbias.validate.store.frozen import read_frozen
from clipbias.validate.store.layout import ARM_SEEDS_FROM, arm_seeds, pilot_cells
from clipbias.validate.store.manifest import read_manifest
from clipbias.validate.store.run_record import read_run

pytestmark = pytest.mark.training


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


def test_an_evaluation_of_an_organism_that_keeps_no_problem_back_is_refused(tmp_path: Path, recipe_text: str) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(recipe_text.replace("[[arm]]", "[evaluation]\nsamples = 4\n\n[[arm]]", 1))
    with pytest.raises(InputError, match="evaluation must be left out"):
        run.start(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_frozen_and_entered_in_the_ledger_beside_it(
    finished_run: Path, tmp_path: Path, answer: Callable[[str], dict[str, Any]]
) -> None:
    digest = read_manifest(finished_run).prediction_sha256
    assert answer(f"validate freeze {finished_run} --out {tmp_path / 'kept'}")["prediction_sha256"] == digest
    assert read_frozen(tmp_path / "kept").arms.keys() == read_run(finished_run).arms.keys()
    (entry,) = answer(f"validate ledger {tmp_path / 'ledger.jsonl'}")["entries"]
    assert (entry["prediction_sha256"], entry["fate"], entry["where"]) == (digest, "frozen", "kept")


def test_with_two_updates_a_phase_something_moves_and_is_counted(finished_run: Path) -> None:
    arm = read_run(finished_run).tokens("clip")
    assert arm.all_tokens.tokens.shape == (2, 2)
    rows = pq.ParquetDataset(finished_run / "tokens.parquet", filters=[("arm", "=", "clip")]).read().num_rows
    assert arm.all_tokens.tokens.sum() == rows
    assert arm.strategy_token.tokens.sum() == 2 * 3 * 8  # seeds, phases, rollouts
    assert arm.largest_log_ratio[0] < 1e-4 < arm.largest_log_ratio[1]


def test_the_shipped_recipes_can_be_read() -> None:
    recipes = Path(__file__).parents[3] / "recipes"
    files = [*recipes.glob("*.toml"), *(recipes / "suite").glob("*.toml")]
    for path in sorted(file for file in files if file.name != "suite.toml"):
        recipe = read_recipe(path.read_text())
        assert recipe.name == path.stem
        assert read_recipe(recipe_text(recipe)) == recipe


@pytest.mark.parametrize(
    "arguments", [["run", "RECIPE", "--out", "OUT"], ["resume", "EMPTY"], ["report", "EMPTY", "--out", "r.html"]]
)
def test_wrong_input_is_one_line_and_status_two(
    clipbias: Callable[[str], subprocess.CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    recipe_text: str,
    arguments: list[str],
) -> None:
    recipe, empty = tmp_path / "recipe.toml", tmp_path / "empty"
    recipe.write_text(recipe_text.replace("group_size = 4", "group_size = 1"))
    empty.mkdir()
    names = {"RECIPE": str(recipe), "EMPTY": str(empty), "OUT": str(tmp_path / "out")}
    monkeypatch.chdir(tmp_path)
    done = clipbias(" ".join(["validate", *(names.get(a, a) for a in arguments)]))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
