"""The protocol: measure and pilot, write and hash the prediction, and only then run the arms.

A run is a folder. Each stage looks at what is there and does the rest, so `resume` is the same function as `run`.
"""

import logging
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from clipbias.common.errors import InputError, check
from clipbias.common.files import locked, read_json, read_text, sha256, write_json, write_text
from clipbias.validate.measure.pilot_spread import spread_of
from clipbias.validate.model.locate import model_folder, problem_count, styles_of
from clipbias.validate.predict.predict import predict
from clipbias.validate.recipe.arm import PLAIN
from clipbias.validate.recipe.recipe import Recipe, load_recipe, read_recipe
from clipbias.validate.store.layout import arm_cells, arm_seeds, cell_hashes, pilot_cells, read_cells
from clipbias.validate.store.manifest import (
    check_cells,
    check_unchanged,
    checked_prediction,
    new_manifest,
    now,
    read_manifest,
    update_manifest,
)
from clipbias.validate.train.workers import train_all

from .organism import make_model

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
        raise InputError(f"out must be a new folder or one made from this recipe, got {str(folder)!r}")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(kept, text)
    write_json(folder / "manifest.json", new_manifest(folder, model))


def _check_fits(recipe: Recipe) -> None:
    """The model has the problems and the styles of prompt that the recipe asks for."""
    available, styles = problem_count(recipe.model), styles_of(recipe.model)
    for arm in recipe.arm:
        if arm.problems == "all":  # drawn without replacement
            prompts = arm.training(recipe.training).prompts_per_phase
            allowed = f"at most {available}, the problems there are"
            check(prompts <= available, "training.prompts_per_phase", allowed, prompts)
        check(arm.style in styles, f"style of arm {arm.name}", f"one of {', '.join(styles)}", arm.style)
    for style in recipe.evaluation.styles if recipe.evaluation else ():
        check(style in styles, "evaluation.styles", f"some of {', '.join(styles)}", style)


def resume(folder: Path) -> None:
    """Do what is left of a run."""
    read_manifest(folder)
    with locked(folder):
        manifest, recipe, path = read_manifest(folder), load_recipe(folder / "recipe.toml"), folder / "prediction.json"
        if "prediction_sha256" not in manifest:
            check_unchanged(manifest, model_folder(recipe.model))
            train_all(pilot_cells(folder, recipe), "pilot")
            write_json(path, make_prediction(folder, recipe))
            digest = sha256(path)
            seeds = arm_seeds(digest, recipe.seeds)
            update_manifest(folder, status="training", prediction_sha256=digest, prediction_written=now(), seeds=seeds)
            logger.info("%s written, SHA-256 %s; training starts now", path, digest)
        cells = arm_cells(folder, recipe, checked_prediction(folder))
        check_cells(folder, manifest)
        if manifest["status"] == "complete" and all(cell.done for cell in cells):
            return
        check_unchanged(manifest, model_folder(recipe.model))
        train_all(cells, "arms")
        update_manifest(folder, status="complete", completed=now(), cells_sha256=cell_hashes(folder, cells))


def make_prediction(folder: Path, recipe: Recipe) -> dict[str, object]:
    """Measure the untrained model and the pilot's noise, and predict every arm."""
    from clipbias.validate.measure.untrained import survey_payments, with_accuracy
    from clipbias.validate.model.subject import load_subject  # torch is loaded only once there is a model to measure

    subject, length = load_subject(recipe.model, recipe.probe), recipe.training.max_completion_length
    model = subject.model.eval()
    styles = dict.fromkeys([PLAIN, *(arm.style for arm in recipe.arm)])
    readings = {style: subject.probes[style].read(model, length, seed=0) for style in styles}
    burn_in, cells = recipe.pilot.burn_in, pilot_cells(folder, recipe)
    metrics = read_cells(cells, "metrics").sort_by([("seed", "ascending"), ("phase", "ascending")])
    log_odds = metrics["log_odds"].to_numpy().reshape(recipe.pilot.seeds, recipe.pilot.phases + 1)
    tokens = read_cells(cells, "tokens")
    tokens = tokens.filter(pc.greater_equal(tokens["phase"], burn_in))
    minibatch = tokens["minibatch"].to_numpy()
    ratio = tokens["log_ratio"].to_numpy().astype(np.float64)
    manifest = read_json(folder / "manifest.json")
    claims = predict(
        recipe,
        readings,
        spread_of(
            log_odds[:, burn_in:],
            recipe.training.adam_beta1,
            recipe.training.minibatches,
            burn_in,
            readings[PLAIN].samples,
        ),
        ratio[minibatch == min(1, recipe.training.minibatches - 1)],
        noise_floor=float(np.abs(ratio[minibatch == 0]).max()),
        payments=survey_payments(folder, recipe, subject),
    )
    return {
        "recipe_sha256": manifest["recipe_sha256"],
        "model_sha256": {k: v for k, v in manifest["model_sha256"].items() if k.endswith(".safetensors")},
        "strategy": subject.strategy,
    } | with_accuracy(folder, recipe, subject, claims)
