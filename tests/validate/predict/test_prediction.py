"""The prediction's one form on disk."""

import json
from pathlib import Path

import pytest

from clipbias.common.errors import InputError
from clipbias.common.files import json_text, read_json, sha256, write_json
from clipbias.validate.predict.prediction import Prediction
from clipbias.validate.store.prediction_file import read_prediction, write_prediction

FROZEN = sorted((Path(__file__).parents[3] / "docs" / "results").glob("*/prediction.json"))


def test_there_are_frozen_predictions() -> None:
    assert len(FROZEN) >= 10


@pytest.mark.parametrize("file", FROZEN, ids=lambda file: file.parent.name)
def test_a_prediction_that_is_read_and_written_keeps_its_hash(file: Path, tmp_path: Path) -> None:
    assert write_prediction(tmp_path, read_prediction(file.parent)) == sha256(file)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda found: found.pop("levels"), "must have the key levels"),
        (lambda found: found["arms"]["random"].pop("share_mean"), "must have the key share_mean"),
        (lambda found: found["pilot"].pop("value"), "must be a prediction of schema 1: .*'value'"),
        (lambda found: found["pilot"].update(color=1), "must be a prediction of schema 1: .*'color'"),
        (lambda found: found.update(arms=[]), "must be a prediction of schema 1"),
        (lambda found: found.update(schema=2), "must be of schema 1, got 2"),
    ],
)
def test_a_damaged_prediction_is_one_line_that_names_the_file(damage, words: str, tmp_path: Path) -> None:
    file = next(file for file in FROZEN if file.parent.name == "rewards-code-strong")
    found = read_json(file)
    damage(found)
    write_json(tmp_path / "prediction.json", found)
    with pytest.raises(InputError, match=rf"prediction\.json {words}"):
        read_prediction(tmp_path)


def test_what_is_not_claimed_is_not_written() -> None:
    file = next(file for file in FROZEN if file.parent.name == "rewards-code-strong")
    found = read_json(file)
    for name in ("untrained", "untrained_sha256"):
        del found[name]
    for arm in found["arms"].values():
        for name in ("payment", "parts", "accuracy_mean"):
            del arm[name]
    assert Prediction.from_text(json.dumps(found)).to_text() == json_text(found)
