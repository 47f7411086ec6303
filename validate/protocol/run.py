"""The protocol: measure and pilot, write and hash the prediction, and only then run the arms.

A run is a folder. Each stage looks at what is there and does the rest, so `resume` is the same function as `run`.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from clipbias.common.errors import InputError, check
from clipbias.common.files import locked, read_text, write_text
from clipbias.theory.update_rule import Adam
from clipbias.validate.measure.pilot_noise import pilot_noise
from clipbias.validate.measure.start import Start
from clipbias.validate.model.locate import held_out_count, is_organism, model_folder, problem_count, styles_of
from clipbias.validate.predict.predict import Measured, PilotReading, predict
from clipbias.validate.predict.prediction import Prediction
from clipbias.validate.predict.sums import largest, read_sums
from clipbias.validate.predict.token_law import shared_log_ratio
from clipbias.validate.recipe.arm import PLAIN
from clipbias.validate.recipe.pilots import pilot_arms
from clipbias.validate.recipe.recipe import Recipe, load_recipe, read_recipe
from clipbias.validate.recipe.training import BATCH
from clipbias.validate.store.frozen import freeze
from clipbias.validate.store.layout import SUMS, Cell, arm_cells, arm_seeds, cell_hashes, pilot_cells, read_cells
from clipbias.validate.store.ledger import FILE, append, entry_of
from clipbias.validate.store.manifest import Manifest, new_manifest, now, read_manifest, write_manifest
from clipbias.validate.store.prediction_file import write_prediction
from clipbias.validate.store.run_record import RunRecord
from clipbias.validate.store.verify import check_files, check_has_cells, check_unchanged, checked_prediction

from .models import make_model
from .sampling import measured_batch

logger = logging.getLogger(__name__)

_WRITTEN_AT_THE_START = {"recipe.toml", "manifest.json", ".lock"}


def start(recipe_file: Path, folder: Path) -> None:
    """Create the run folder for a recipe, or accept one that was made from it or in which nothing was trained."""
    text = read_text(recipe_file)
    recipe = read_recipe(text)
    _check_fits(recipe)
    make_model(recipe.model)
    model = model_folder(recipe.model)
    kept = folder / "recipe.toml"
    if kept.is_file() and read_text(kept) == text and (folder / "manifest.json").is_file():
        return
    if folder.exists() and not {path.name for path in folder.iterdir()} <= _WRITTEN_AT_THE_START:
        raise InputError("out", "a new folder or one made from this recipe", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    write_text(kept, text)
    write_manifest(folder, new_manifest(folder, model, task_sha256(recipe)))


def task_sha256(recipe: Recipe) -> str | None:
    """Of the problems that the recipe names, None where it names none."""
    return None if recipe.task is None else recipe.task.sha256(recipe.probe.prompts)


def _check_fits(recipe: Recipe) -> None:
    """The model has the problems and the styles of prompt that the recipe asks for."""
    available, styles = problem_count(recipe.model, recipe.task, recipe.probe.prompts), styles_of(recipe.model)
    for arm in recipe.arm:
        if arm.problems == "all":  # drawn without replacement
            prompts = arm.training(recipe.training).prompts_per_phase
            allowed = f"at most {available}, the problems there are"
            check(prompts <= available, "training.prompts_per_phase", allowed, prompts)
        check(arm.style in styles, f"style of arm {arm.name}", f"one of {', '.join(styles)}", arm.style)
    if recipe.evaluation and held_out_count(recipe.model) == 0:
        raise InputError("evaluation", "left out: this organism's spec has held_out = 0, no problem to evaluate on")
    for style in recipe.evaluation.styles if recipe.evaluation else ():
        check(style in styles, "evaluation.styles", f"some of {', '.join(styles)}", style)


def resume(folder: Path, ledger: Path | None = None) -> None:
    """Do what is left of a run. ledger: the file in which its prediction is entered before anything is trained."""
    check_has_cells(folder, read_manifest(folder))
    with locked(folder):
        manifest, recipe = read_manifest(folder), load_recipe(folder / "recipe.toml")
        if manifest.prediction_sha256 is None:
            check_unchanged(manifest, model_folder(recipe.model), task_sha256(recipe))
            if manifest.batch is None and not is_organism(recipe.model):
                manifest = replace(manifest, batch=measured_batch(recipe))
                write_manifest(folder, manifest)
            _train(pilot_cells(folder, recipe), "pilot", manifest)
            digest = write_prediction(folder, make_prediction(folder, recipe))
            manifest = replace(
                manifest,
                status="training",
                prediction_sha256=digest,
                prediction_written=now(),
                seeds=tuple(arm_seeds(digest, recipe.seeds)),
            )
            write_manifest(folder, manifest)
            if ledger is not None:
                append(ledger, [entry_of(manifest, recipe, "hashed", folder.name)])
            logger.info("%s written, SHA-256 %s; training starts now", folder / "prediction.json", digest)
        checked_prediction(folder, manifest)
        cells = arm_cells(folder, recipe, manifest.prediction_sha256 or "")
        check_files(folder, manifest.cells_sha256 or {})
        if manifest.status == "complete" and all(cell.done for cell in cells):
            return
        check_unchanged(manifest, model_folder(recipe.model), task_sha256(recipe))
        _train(cells, "arms", manifest)
        hashes = cell_hashes(folder, cells)
        write_manifest(folder, replace(manifest, status="complete", completed=now(), cells_sha256=hashes))


def keep(folder: Path, out: Path) -> RunRecord:
    """Freeze a finished run into `out` and say so in the ledger beside it."""
    kept = freeze(folder, out)
    append(out.parent / FILE, [entry_of(kept.manifest, kept.recipe, "frozen", out.name)])
    return kept


def _train(cells: Sequence[Cell], description: str, manifest: Manifest) -> None:
    from clipbias.validate.train.workers import train_all  # with torch, which a recipe that is refused never needs

    train_all(cells, description, manifest.batch or BATCH)


def make_prediction(folder: Path, recipe: Recipe) -> Prediction:
    """Measure the untrained model and the pilots' noise, and predict every arm."""
    from clipbias.validate.measure.untrained import survey_payments, untrained_rates
    from clipbias.validate.model.subject import load_subject  # torch is loaded only once there is a model to measure

    from .forecast import write_forecast

    manifest, training = read_manifest(folder), recipe.training
    subject = load_subject(recipe.model, recipe.probe, recipe.task, manifest.batch or BATCH)
    model = subject.model.eval()
    styles = dict.fromkeys([PLAIN, *(arm.style for arm in recipe.arm)])
    starts = {}
    for style in styles:
        reading = subject.probes[style].read(model, training.max_completion_length, seed=0)
        starts[style] = Start(reading.share, reading.log_odds, reading.samples)
    foretold = write_forecast(folder, recipe, subject)
    payments, untrained = survey_payments(folder, recipe, subject), untrained_rates(folder, recipe, subject)
    cells = pilot_cells(folder, recipe)
    measured = Measured(
        recipe_sha256=manifest.recipe_sha256,
        model_sha256={k: v for k, v in manifest.model_sha256.items() if k.endswith(".safetensors")},
        strategy=subject.strategy,
        starts=starts,
        pilots={
            kind: _read_pilot([cell for cell in cells if cell.arm == arm], starts[PLAIN])
            for kind, arm in pilot_arms(recipe).items()
        },
        payments=payments,
        untrained=None if untrained is None else untrained.rates,
        untrained_sha256=None if untrained is None else untrained.sha256,
        forecast_sha256=foretold,
    )
    return predict(recipe, measured)


def _read_pilot(cells: Sequence[Cell], start: Start) -> PilotReading:
    """cells: of one pilot."""
    recipe = cells[0].recipe
    training, burn_in = cells[0].arm.training(recipe.training), recipe.pilot.burn_in
    metrics = read_cells(cells, "metrics").sort_by([("seed", "ascending"), ("phase", "ascending")])
    log_odds = metrics["log_odds"].to_numpy().reshape(recipe.pilot.seeds, recipe.pilot.phases + 1)
    tokens = read_cells(cells, "tokens")
    tokens = tokens.filter(pc.greater_equal(tokens["phase"], burn_in))
    minibatch = tokens["minibatch"].to_numpy()
    ratio = tokens["log_ratio"].to_numpy().astype(np.float64)
    second = minibatch == min(1, training.minibatches - 1)
    floor = float(np.abs(ratio[minibatch == 0]).max())
    if recipe.recording is not None:  # of which these are a part
        whole = read_cells(cells, SUMS)
        whole = whole.filter(pc.greater_equal(whole["phase"], burn_in))
        floor = float(largest(read_sums(whole, training.minibatches))[0])
    return PilotReading(
        noise=pilot_noise(
            log_odds[:, burn_in:],
            training.momentum,
            training.minibatches,
            burn_in,
            start.samples,
            noise_floor=floor,
            corrected=isinstance(training.update, Adam),
        ),
        log_ratio=ratio[second],
        answer_log_ratio=shared_log_ratio(tokens)[second],
    )
