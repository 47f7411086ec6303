"""The frozen results of this repository, through the one reader: whole, verified, and written back as they are."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipbias.common.errors import InputError
from clipbias.common.files import read_json, write_json
from clipbias.validate.protocol.run import resume
from clipbias.validate.store.frozen import freeze, read_frozen
from clipbias.validate.store.manifest import read_manifest, write_manifest
from clipbias.validate.store.run_record import COLUMNS, read_run

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
        ({"hardware": 3}, "must be a run's manifest: hardware is no table of machine, system, cores"),
        ({"hardware": {"machine": "x", "system": "y", "cores": "2"}}, "must be a run's manifest: hardware is no table"),
        ({"seeds": 3}, "must be a run's manifest: seeds is no list of whole numbers"),
        ({"seeds": [1, "2"]}, "must be a run's manifest: seeds is no list of whole numbers"),
        ({"model_sha256": ["x"]}, "must be a run's manifest: model_sha256 is no table of texts"),
        ({"versions": {"torch": 2}}, "must be a run's manifest: versions is no table of texts"),
        ({"frozen_sha256": {"curves.parquet": 2}}, "must be a run's manifest: frozen_sha256 is no table of texts"),
        ({"prediction_written": 3}, "must be a run's manifest: prediction_written is no text"),
        ({"prediction_sha256": 5}, "must be a run's manifest: prediction_sha256 is no text"),
        ({"git": True}, "must be a run's manifest: git is no text"),
        ({"status": ["complete"]}, "must be a run's manifest: status is no text"),
    ],
)
def test_a_damaged_manifest_is_one_line_that_names_the_file(change: dict, words: str, tmp_path: Path) -> None:
    found = {name: value for name, value in (read_json(FROZEN[0] / "manifest.json") | change).items() if value}
    shutil.copyfile(FROZEN[0] / "recipe.toml", tmp_path / "recipe.toml")
    write_json(tmp_path / "manifest.json", found)
    with pytest.raises(InputError, match=rf"manifest\.json {words}"):
        read_frozen(tmp_path)


def test_a_run_and_its_frozen_form_are_not_taken_for_each_other(tmp_path: Path) -> None:
    for work in (read_run, resume, lambda folder: freeze(folder, tmp_path / "again")):
        with pytest.raises(InputError, match=r"dir must be the folder of a run, not its frozen form, got '.*"):
            work(FROZEN[0])
    shutil.copytree(FROZEN[0], tmp_path / "run")
    write_manifest(tmp_path / "run", replace(read_manifest(FROZEN[0]), frozen_sha256=None))
    with pytest.raises(InputError, match=r"dir must be the frozen form of a run, got '.*run'"):
        read_frozen(str(tmp_path / "run"))


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
