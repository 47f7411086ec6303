"""prediction.json: the one place that writes and reads it."""

from pathlib import Path

from clipbias.common.errors import InputError
from clipbias.common.files import read_text, sha256, write_text
from clipbias.validate.predict.prediction import FILE, SCHEMA, Prediction


def write_prediction(folder: Path, prediction: Prediction) -> str:
    """Write the file; returns its SHA-256."""
    write_text(folder / FILE, prediction.to_text())
    return sha256(folder / FILE)


def read_prediction(folder: Path) -> Prediction:
    """Whether it is the one that a run was started with is for `manifest.checked_prediction` to say."""
    path = folder / FILE
    if not path.is_file():
        raise InputError("dir", f"the prediction it was started with; {path} is missing", verb="hold")
    text = read_text(path)
    try:
        return Prediction.from_text(text)
    except InputError as error:
        raise error.within(f"{folder}/") from None
    except KeyError as error:
        raise InputError(str(path), f"the key {error.args[0]}", verb="have") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(str(path), f"a prediction of schema {SCHEMA}: {error}") from None
