"""That a run is what it says: a prediction that came first, seeds that nobody chose, and files as they were written."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from clipbias.common.errors import InputError
from clipbias.common.files import sha256
from clipbias.validate.model.locate import model_hashes
from clipbias.validate.predict.prediction import FILE as PREDICTION
from clipbias.validate.predict.prediction import Prediction
from clipbias.validate.recipe.recipe import Recipe

from .layout import FORECAST, arm_seeds
from .manifest import NAME, Manifest, versions
from .prediction_file import read_prediction


def checked_prediction(folder: Path, manifest: Manifest) -> Prediction:
    """prediction.json, if it is the one that was written down before the arms were started."""
    path, written = folder / PREDICTION, manifest.prediction_sha256
    if written is None or manifest.prediction_written is None:
        raise InputError("dir", f"a run with a prediction (status: {manifest.status})", str(folder), verb="hold")
    prediction = read_prediction(folder)
    digest = sha256(path)
    if digest != written:
        edited = f"{path} was edited: its SHA-256 is {digest[:12]}…, that written before the run {written[:12]}…"
        raise InputError("dir", f"the prediction it was started with; {edited}", verb="hold")
    if prediction.recipe_sha256 != manifest.recipe_sha256:
        raise InputError("dir", f"the recipe that was predicted; {folder / 'recipe.toml'} is another", verb="hold")
    foretold = prediction.forecast_sha256
    if foretold is not None and (not (folder / FORECAST).is_file() or sha256(folder / FORECAST) != foretold):
        raise InputError("dir", f"the forecast it was started with; {folder / FORECAST} is another", verb="hold")
    return prediction


def check_has_cells(folder: Path, manifest: Manifest) -> None:
    """Raise InputError where there is only what was kept of a run."""
    if manifest.frozen_sha256 is not None:
        raise InputError("dir", "the folder of a run, not its frozen form", str(folder))


def check_complete(folder: Path, manifest: Manifest, recipe: Recipe) -> None:
    """Raise InputError unless the run was finished, with the seeds that its prediction decides."""
    if manifest.status != "complete":
        raise InputError("dir", f"a run that was finished, this one is {manifest.status}: resume the run", verb="hold")
    if list(manifest.seeds or ()) != arm_seeds(manifest.prediction_sha256 or "", recipe.seeds):
        raise InputError("dir", f"the seeds that the prediction decides; {folder / NAME} has others", verb="hold")


def check_files(folder: Path, hashes: dict[str, str]) -> None:
    """Raise InputError if a file is not as it was written; one that is gone is for others to miss."""
    for name, digest in hashes.items():
        file = folder / name
        if file.is_file() and sha256(file) != digest:
            raise InputError("dir", f"the files that were written; {file} was changed afterwards", verb="hold")


def check_order(folder: Path, manifest: Manifest, started: Iterable[tuple[str, Path]]) -> None:
    """Raise InputError unless every cell was started after the prediction had been written. started: when, and the
    file that says so."""
    predicted = _time(manifest.prediction_written or "", folder / NAME)
    for when, file in started:
        if _time(when, file) < predicted:
            raise InputError("dir", f"a prediction older than its cells; {file} was started before it", verb="hold")


def _time(written: str, where: Path) -> datetime:
    try:
        return datetime.fromisoformat(written).astimezone()
    except ValueError:
        raise InputError(str(where), "a time in ISO 8601", written, verb="hold") from None


def check_unchanged(manifest: Manifest, model: Path, task: str | None = None) -> None:
    """Raise InputError unless a run goes on with the model, the problems and the package versions that it was started
    with. task: SHA-256 of the problems, where the recipe names them."""
    if task != manifest.task_sha256:
        raise InputError("task", "the problems that the run was started with, and they are others", verb="give")
    found = model_hashes(model)
    for name in sorted(found.keys() | manifest.model_sha256.keys()):
        if found.get(name) != manifest.model_sha256.get(name):
            raise InputError("model", f"the one that the run was started with; {model / name} is another")
    for name, version in versions().items():
        began = manifest.versions.get(name)
        if version != began:
            raise InputError(name, f"{began}, with which the run was started, to go on with it", version)
