"""A run that was damaged or edited is refused in one line; what a model wrote is shown and never obeyed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from clipbias.common.errors import InputError
from clipbias.common.files import read_json, sha256, write_json
from clipbias.validate.protocol import run
from clipbias.validate.report.run_page import write_report

pytestmark = pytest.mark.training


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


def test_an_edited_prediction_is_refused(folder: Path, tmp_path: Path) -> None:
    prediction = read_json(folder / "prediction.json")
    prediction["arms"]["clip"]["log_odds_mean"][-1] += 0.001
    write_json(folder / "prediction.json", prediction)
    with pytest.raises(ValueError, match="the prediction it was started with"):
        write_report([folder], tmp_path / "report.html")
    with pytest.raises(ValueError, match="was edited"):
        run.resume(folder)
    assert not (tmp_path / "report.html").exists()


def test_a_prediction_edited_together_with_its_hash_is_refused(folder: Path, tmp_path: Path) -> None:
    prediction = read_json(folder / "prediction.json")
    prediction["arms"]["clip"]["log_odds_mean"][-1] += 0.001
    write_json(folder / "prediction.json", prediction)
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", manifest | {"prediction_sha256": sha256(folder / "prediction.json")})
    with pytest.raises(InputError, match="is missing"):  # another prediction has other seeds
        write_report([folder], tmp_path / "report.html")


def test_a_prediction_younger_than_its_run_is_refused(folder: Path, tmp_path: Path) -> None:
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", manifest | {"prediction_written": "2999-01-01T00:00:00+00:00"})
    with pytest.raises(ValueError, match="a prediction older than its cells"):
        write_report([folder], tmp_path / "report.html")


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
        (empty_manifest, "manifest.json must have the keys created, status"),
        (broken_manifest, "manifest.json must be UTF-8"),
        (no_recipe, "a run folder with a recipe.toml"),
        (no_prediction, "prediction.json is missing"),
    ],
)
def test_a_damaged_run_is_refused(folder: Path, tmp_path: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(folder)
    with pytest.raises(InputError, match=words):
        write_report([folder], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_lost_prediction_is_not_made_again(folder: Path) -> None:
    no_prediction(folder)
    with pytest.raises(InputError, match="is missing"):
        run.resume(folder)
    assert not (folder / "prediction.json").exists()


@pytest.mark.parametrize("name", ["prediction.html", "manifest.html", "report.json"])
def test_a_report_takes_no_other_file_s_place(folder: Path, name: str) -> None:
    before = (folder / "prediction.json").read_bytes()
    with pytest.raises(InputError, match="out must be a name"):
        write_report([folder], folder / name)
    assert (folder / "prediction.json").read_bytes() == before


def test_stray_files_are_not_data(folder: Path, finished_run: Path, tmp_path: Path) -> None:
    for part in (folder / "metrics.parquet").glob("*/*/*.parquet"):
        shutil.copyfile(part, part.with_name("part-1.parquet"))
    report = write_report([folder], tmp_path / "report.html")
    assert report == write_report([finished_run], tmp_path / "other.html")


def test_the_report_is_whole_and_escapes_what_the_model_wrote(folder: Path, tmp_path: Path) -> None:
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
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(json.dumps(report.json))
    for word in (report.json["runs"][0]["prediction_sha256"], "recipe.toml", "trl"):
        assert word in page
    again = write_report([folder], tmp_path / "again.html")
    assert again == report
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page
