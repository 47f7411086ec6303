"""prediction.json: the one place that writes and reads it."""

from pathlib import Path

from clipbias.common.errors import InputError
from clipbias.common.files import read_json, sha256, write_json
from clipbias.validate.predict.prediction import SCHEMA, Prediction

NAME = "prediction.json"


def write_prediction(folder: Path, prediction: Prediction) -> str:
    """Write the file; returns its SHA-256."""
    write_json(folder / NAME, prediction.to_json())
    return sha256(folder / NAME)


def read_prediction(folder: Path) -> Prediction:
    """Whether it is the one that a run was started with is for `manifest.checked_prediction` to say."""
    path = folder / NAME
    if not path.is_file():
        raise InputError("dir", f"the prediction it was started with; {path} is missing", verb="hold")
    found = read_json(path)
    if found.get("schema", SCHEMA) != SCHEMA:
        raise InputError(str(path), f"of schema {SCHEMA}", found["schema"])
    try:
        return Prediction.from_json(found)
    except KeyError as error:
        raise InputError(str(path), f"the key {error.args[0]}", verb="have") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(str(path), f"a prediction of schema {SCHEMA}: {error}") from None
