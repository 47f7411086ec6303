"""The whole line with what a recipe may name beside PPO's clip and Adam as ever."""

from pathlib import Path

import numpy as np
import pytest

from clipbias.common.files import read_json
from clipbias.validate.protocol import run
from clipbias.validate.report.run_page import write_report
from clipbias.validate.store.frozen import freeze
from clipbias.validate.store.run_record import read_run

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


def test_a_run_of_other_surrogates_under_sgd(recipe_text: str, tmp_path: Path) -> None:
    text = recipe_text.replace("[pilot]", 'optimizer = "sgd:momentum=0.5"\n\n[pilot]').replace("[probe]", TOY)
    text = text.replace("learning_rate = 3e-4", "learning_rate = 0.05").partition("[[arm]]")[0] + ARMS
    file, folder = tmp_path / "recipe.toml", tmp_path / "run"
    file.write_text(text)
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
    assert kept.prediction.to_json() == found.prediction.to_json()
    np.testing.assert_array_equal(kept.arms["gspo"].curves["share"], shares["gspo"])
    pushed = kept.rows("tenths", arm="sapo")
    assert not any(pushed["low"].to_pylist())
    assert any(pushed["push"].to_pylist())
