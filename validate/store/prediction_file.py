"""prediction.json: the one place that writes and reads it."""

from pathlib import Path

from clipbias.common.errors import InputError
from clipbias.common.files import read_text, sha256, write_text
from clipbias.validate.predict.forecast import Forecast, from_text
from clipbias.validate.predict.prediction import FILE, SCHEMA, Prediction

from .layout import FORECAST


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


def read_forecasts(folder: Path) -> dict[str, Forecast]:
    """Forecasts by arm; none where the recipe asked for none."""
    path = folder / FORECAST
    if not path.is_file():
        return {}
    try:
        return from_text(read_text(path))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(str(path), f"forecasts of arms: {error}") from None
