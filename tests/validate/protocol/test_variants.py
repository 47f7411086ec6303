"""The whole line with what a recipe may name beside PPO's clip and Adam as ever."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from clipbias.common.files import read_json
from clipbias.validate.measure.pilot_noise import pilot_noise
from clipbias.validate.protocol import run
from clipbias.validate.report.run_page import write_report
from clipbias.validate.store.frozen import freeze
from clipbias.validate.store.layout import pilot_cells, read_cells
from clipbias.validate.store.run_record import read_run

Here = Callable[[], AbstractContextManager[None]]

pytestmark = pytest.mark.training

ARMS = """
[[arm]]
name = "sapo"
surrogate = "sapo:plus=1,minus=3"

[[arm]]
name = "gspo"
surrogate = "gspo:low=1e-6,high=1e-6,length=20"
"""
TOY = '[toy]\nmethod = "monte-carlo"\nreplicates = 200\n\n[probe]'


def test_a_run_of_other_surrogates_under_sgd(recipe_text: str, tmp_path: Path, in_this_process: Here) -> None:
    text = recipe_text.replace("[pilot]", 'optimizer = "sgd:momentum=0.5"\n\n[pilot]').replace("[probe]", TOY)
    text = text.replace("learning_rate = 3e-4", "learning_rate = 0.05").partition("[[arm]]")[0] + ARMS
    file, folder = tmp_path / "recipe.toml", tmp_path / "run"
    file.write_text(text)
    with in_this_process():
        run.start(file, folder)
        run.resume(folder)
    found = read_run(folder)
    assert read_json(folder / "prediction.json")["toy"] == {"method": "monte-carlo", "replicates": 200}

    soft, hard = (found.tokens(name).all_tokens for name in ("sapo", "gspo"))
    assert not soft.low.any()
    assert not soft.high.any()
    claim = found.prediction.arms["gspo"].tokens_clipped
    seen = (hard.low + hard.high).sum(axis=0) / hard.tokens.sum(axis=0)
    assert seen[0] == claim.low[0] == claim.high[0] == 0.0
    assert seen[1] > 0.1  # half of the answers, or of those of mixed groups, move the wrong way by a millionth
    assert claim.low[1] + claim.high[1] == pytest.approx(seen[1], abs=0.3)
    shares = {name: arm.curves["share"] for name, arm in found.arms.items()}
    assert all(np.isfinite(share).all() for share in shares.values())
    assert (shares["sapo"][:, -1] != shares["gspo"][:, -1]).any()

    write_report([folder], tmp_path / "report.html")
    assert "sapo:plus=1,minus=3" in (tmp_path / "report.html").read_text(encoding="utf-8")
    kept = freeze(folder, tmp_path / "frozen")
    assert kept.prediction.to_text() == found.prediction.to_text()
    np.testing.assert_array_equal(kept.arms["gspo"].curves["share"], shares["gspo"])
    pushed = kept.rows("tenths", arm="sapo")
    assert not any(pushed["low"].to_pylist())
    assert any(pushed["push"].to_pylist())


MIXED = """
[[arm]]
name = "adam"
clip_low = "none"
clip_high = "none"

[[arm]]
name = "sgd"
optimizer = "sgd:momentum=0.5"
learning_rate = 0.02
clip_low = 0.2
clip_high = 0.2
"""


def test_a_run_of_one_arm_under_adam_and_one_under_sgd(recipe_text: str, tmp_path: Path, in_this_process: Here) -> None:
    """Each kind of optimizer has a pilot; its arms' claims and tests take the spread of that one."""
    file, folder = tmp_path / "recipe.toml", tmp_path / "run"
    file.write_text(recipe_text.partition("[[arm]]")[0] + MIXED)
    with in_this_process():
        run.start(file, folder)
        run.resume(folder)
    metrics = folder / "pilot" / "metrics.parquet"
    seeds = {arm: sorted(path.name for path in (metrics / f"arm={arm}").iterdir()) for arm in ("pilot", "pilot-sgd")}
    assert seeds["pilot"] == seeds["pilot-sgd"]
    found = read_run(folder)
    adam, sgd = found.recipe.arm
    assert list(read_json(folder / "prediction.json")["further_pilots"]) == ["sgd"]
    further = found.prediction.further_pilots["sgd"]
    assert found.pilot(adam) == found.prediction.pilot
    assert found.pilot(sgd) == further.pilot
    assert further.pilot.value != found.prediction.pilot.value
    cells = [cell for cell in pilot_cells(folder, found.recipe) if cell.arm.name == "pilot-sgd"]
    log_odds = np.array([read_cells([cell], "metrics")["log_odds"].to_numpy() for cell in cells])
    spread = pilot_noise(log_odds[:, 1:], momentum=0.5, minibatches=2, burn_in=1, corrected=False)
    assert further.pilot == replace(spread, noise_floor=further.pilot.noise_floor)
    assert further.calibration.spreads[2] == pytest.approx(spread.value)

    report = write_report([folder], tmp_path / "report.html")
    assert "Arms under sgd have a pilot of their own" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert report.json["runs"][0]["further_pilots"] == {"sgd": asdict(further)}
    assert not report.json["runs"][0]["paired"]  # they differ in more than their clip
    kept = freeze(folder, tmp_path / "frozen")
    assert kept.prediction.to_text() == found.prediction.to_text()
    assert kept.pilot(sgd) == further.pilot
