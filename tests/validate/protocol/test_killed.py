"""A run and an evaluation that are killed at ten random moments lose nothing: resumed, they end the same."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from killed import answer, train, until_it_ends

from clipbias.common.files import read_json
from clipbias.validate.protocol import evaluate, run

pytestmark = pytest.mark.training

KILLS = 10


def test_a_run(tmp_path: Path, recipe_text: str, finished_run: Path) -> None:
    """Wherever it is: between the pilot, the prediction and the arms, or in the middle of a file."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(recipe_text)
    moments = iter(np.random.default_rng(18).uniform(0.1, 1.2, KILLS).tolist())
    kills = rounds = 0
    while kills < KILLS:
        folder = tmp_path / f"run-{rounds}"
        run.start(recipe, folder)
        kills += until_it_ends(train, (str(folder),), moments)
        rounds += 1
        assert (folder / "prediction.json").read_bytes() == (finished_run / "prediction.json").read_bytes()
        for kind in ("metrics", "tokens", "samples"):
            parts = sorted((finished_run / f"{kind}.parquet").glob("*/*/*.parquet"))
            twins = sorted((folder / f"{kind}.parquet").glob("*/*/*.parquet"))
            assert [part.relative_to(finished_run) for part in parts] == [twin.relative_to(folder) for twin in twins]
            for part, twin in zip(parts, twins, strict=True):
                found, whole = (pq.read_table(file) for file in (twin, part))
                if kind == "metrics":
                    found, whole = found.drop_columns("started"), whole.drop_columns("started")
                assert found.equals(whole), twin
        manifest = read_json(folder / "manifest.json")
        assert manifest["status"] == "complete"
        assert manifest["seeds"] == read_json(finished_run / "manifest.json")["seeds"]


def test_an_evaluation(tmp_path: Path, recipe_text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(recipe_text)
    options = evaluate.EvalOptions(problems=24, samples=8, temperature=1.0, batch=8)
    whole = tmp_path / "whole"
    evaluate.start(recipe, whole, options)
    cards = evaluate.graded(whole)
    moments = iter(np.random.default_rng(19).uniform(0.05, 0.5, KILLS).tolist())
    kills = rounds = 0
    while kills < KILLS:
        folder = tmp_path / f"eval-{rounds}"
        kills += until_it_ends(answer, (str(recipe), str(folder), options), moments)
        rounds += 1
        assert evaluate.graded(folder) == cards
        files = sorted((whole / "answers").rglob("*.parquet"))
        assert len(files) == 3 + 24
        for file in files:
            assert (folder / file.relative_to(whole)).read_bytes() == file.read_bytes()
