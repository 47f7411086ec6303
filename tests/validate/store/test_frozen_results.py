"""The frozen results of this repository, through the one reader: whole, verified, and written back as they are."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from clipbias.common.errors import InputError
from clipbias.common.files import read_json, write_json
from clipbias.validate.store.frozen import read_frozen
from clipbias.validate.store.manifest import Manifest, read_manifest, write_manifest
from clipbias.validate.store.run_record import COLUMNS

FROZEN = sorted(file.parent for file in (Path(__file__).parents[3] / "docs" / "results").glob("*/manifest.json"))


def test_there_are_ten() -> None:
    assert len(FROZEN) >= 10


@pytest.mark.parametrize("folder", FROZEN, ids=lambda folder: folder.name)
def test_a_frozen_run_is_read_whole(folder: Path) -> None:
    run = read_frozen(folder)
    assert (run.name, run.seeds) == (folder.name, tuple(sorted(run.manifest.seeds or ())))
    assert run.arms.keys() == run.prediction.arms.keys() == {arm.name for arm in run.recipe.arm}
    for arm in run.recipe.arm:
        curves = run.arms[arm.name].curves
        assert curves.keys() == set(COLUMNS)
        shape = (len(run.seeds), arm.training(run.recipe.training).phases + 1)
        assert {values.shape for values in curves.values()} == {shape}
        assert np.isfinite(curves["log_odds"]).all()
        assert run.prediction.arms[arm.name].band.log_odds_mean.shape == shape[1:]
    with pytest.raises(InputError, match="dir must hold a run with its cells, not its frozen form"):
        run.tokens(run.recipe.arm[0].name)


@pytest.mark.parametrize("folder", FROZEN, ids=lambda folder: folder.name)
def test_a_manifest_is_written_as_it_was_read(folder: Path, tmp_path: Path) -> None:
    write_manifest(tmp_path, read_manifest(folder))
    assert (tmp_path / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": None, "versions": None}, "must have the keys status, versions"),
        ({"color": 1}, "must have no key color"),
        ({"hardware": {"machine": "x"}}, "must be a run's manifest: .*system"),
        ({"hardware": 3}, "must be a run's manifest"),
        ({"seeds": 3}, "must be a run's manifest"),
        ({"model_sha256": ["x"]}, "must be a run's manifest"),
    ],
)
def test_a_damaged_manifest_is_one_line_that_names_the_file(change: dict, words: str) -> None:
    found = {name: value for name, value in (read_json(FROZEN[0] / "manifest.json") | change).items() if value}
    with pytest.raises(InputError, match=rf"manifest\.json {words}"):
        Manifest.from_json(found, Path("x") / "manifest.json")


def test_a_table_that_is_gone_is_missed(tmp_path: Path) -> None:
    folder = tmp_path / FROZEN[0].name
    shutil.copytree(FROZEN[0], folder)
    (folder / "credit.parquet").unlink()
    with pytest.raises(InputError, match=r"dir must hold all that was frozen; .*credit\.parquet is missing"):
        read_frozen(folder)
    manifest = read_json(folder / "manifest.json")
    del manifest["frozen_sha256"]["credit.parquet"]
    write_json(folder / "manifest.json", manifest)
    with pytest.raises(InputError, match=r"credit\.parquet is missing"):
        read_frozen(folder)
