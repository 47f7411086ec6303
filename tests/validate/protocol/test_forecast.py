"""A recipe that asks for a forecast: hashed with the prediction, measured where it says, kept when frozen."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from clipbias.common.errors import InputError
from clipbias.common.files import sha256
from clipbias.validate.predict.forecast import from_text
from clipbias.validate.protocol import run
from clipbias.validate.protocol.forecast import forecast_only
from clipbias.validate.store.frozen import freeze
from clipbias.validate.store.prediction_file import read_prediction
from clipbias.validate.store.run_record import read_run

pytestmark = pytest.mark.training

ASKED = """
[survey]
samples = 2

[forecast]
problems = 24
answers = 8
coordinates = 256
seeds = 12
read_problems = 3
read_at = [1, 3]

[[arm]]
name = "format"
clip_low = 0.2
clip_high = 0.2
reward = "format"
"""


def test_a_run_with_a_forecast(
    tmp_path: Path, recipe_text: str, in_this_process: Callable[[], AbstractContextManager[None]]
) -> None:
    recipe, folder = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text(recipe_text + ASKED)
    with in_this_process():
        run.start(recipe, folder)
        run.resume(folder)
    prediction, record = read_prediction(folder), read_run(folder)
    assert prediction.forecast_sha256 == sha256(folder / "forecast.json")
    foretold = from_text((folder / "forecast.json").read_text())
    assert set(foretold) == {"clip", "no-clip", "format"}
    for arm in record.arms.values():
        share = arm.observed["share"]
        assert share.shape == (2, 4)
        assert np.isfinite(share).tolist() == [[True, True, False, True]] * 2
        assert share[0, 0] == share[1, 0]  # untrained, and read without drawing
    alone = forecast_only(recipe, tmp_path / "alone")
    assert alone.sha256 == prediction.forecast_sha256
    kept = freeze(folder, tmp_path / "frozen")
    np.testing.assert_array_equal(kept.arms["format"].observed["boxed"], record.arms["format"].observed["boxed"])
    (folder / "forecast.json").write_text((folder / "forecast.json").read_text().replace("0", "1", 1))
    with pytest.raises(InputError, match="forecast it was started with"):
        read_run(folder)


def test_a_survey_that_is_worn_out_before_the_run_ends_is_refused_with_the_size_that_would_do(
    tmp_path: Path, recipe_text: str
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text((recipe_text + ASKED).replace("learning_rate = 3e-4", "learning_rate = 3e-3"))
    with pytest.raises(InputError, match=r"forecast\.answers must be at least about \d+: after phase . of arm") as said:
        forecast_only(recipe, tmp_path / "out")
    assert int(str(said.value).split("about ")[1].split(":")[0]) > 8
    assert not (tmp_path / "out" / "forecast.json").exists()
