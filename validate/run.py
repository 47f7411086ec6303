"""The protocol: measure and pilot, write and hash the prediction, and only then run the arms.

A run is a folder. Each stage looks at what is there and does the rest, so `resume` is the same function as `run`.
"""

from pathlib import Path

import numpy as np
import pyarrow.dataset as ds

from .files import read_json, sha256, write_json, write_text
from .layout import arm_cells, pilot_cells
from .manifest import new_manifest, now, update_manifest
from .predict import predict, spread_of
from .recipe import Recipe, load_recipe, model_folder, read_recipe
from .workers import train_all


def start(recipe_file: Path, folder: Path) -> None:
    """Create the run folder for a recipe, or accept one that was made from the same recipe."""
    text = recipe_file.read_text(encoding="utf-8")
    recipe = read_recipe(text)
    kept = folder / "recipe.toml"
    if kept.is_file():
        if kept.read_text(encoding="utf-8") != text:
            raise ValueError(f"out must be a new folder or one made from this recipe, got {str(folder)!r}")
        return
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"out must be a new or empty folder, got {str(folder)!r}")
    model = model_folder(recipe.model)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(kept, text)
    write_json(folder / "manifest.json", new_manifest(folder, model, recipe.seeds))


def resume(folder: Path) -> None:
    """Do what is left of a run."""
    if not (folder / "manifest.json").is_file():
        raise ValueError(f"dir must be a run folder with a manifest.json, got {str(folder)!r}")
    recipe = load_recipe(folder / "recipe.toml")
    manifest = read_json(folder / "manifest.json")
    if manifest["recipe_sha256"] != sha256(folder / "recipe.toml"):
        raise ValueError(f"dir must hold the recipe it was made from; {folder / 'recipe.toml'} was edited")
    train_all(pilot_cells(folder, recipe), "pilot")
    if not (folder / "prediction.json").is_file():
        write_json(folder / "prediction.json", make_prediction(folder, recipe))
    digest = sha256(folder / "prediction.json")
    if "prediction_sha256" not in manifest:
        update_manifest(folder, status="training", prediction_sha256=digest, prediction_written=now())
    elif manifest["prediction_sha256"] != digest:
        raise ValueError(f"dir must hold the prediction it was started with; {folder / 'prediction.json'} was edited")
    train_all(arm_cells(folder, recipe, digest), "arms")
    if manifest["status"] != "complete":
        update_manifest(folder, status="complete", completed=now())


def make_prediction(folder: Path, recipe: Recipe) -> dict[str, object]:
    """Measure the untrained model and the pilot's noise, and predict every arm."""
    from .subject import load_subject  # torch is loaded only once there is a model to measure

    subject = load_subject(recipe.model, recipe.probe)
    reading = subject.probe.read(subject.model.eval(), recipe.training.max_completion_length, seed=0)
    burn_in = recipe.pilot.burn_in
    metrics = ds.dataset(folder / "pilot" / "metrics.parquet", partitioning="hive").to_table(
        ["seed", "phase", "log_odds"]
    )
    table = metrics.sort_by([("seed", "ascending"), ("phase", "ascending")])
    log_odds = table["log_odds"].to_numpy().reshape(recipe.pilot.seeds, recipe.pilot.phases + 1)
    tokens = ds.dataset(folder / "pilot" / "tokens.parquet", partitioning="hive").to_table(
        ["minibatch", "log_ratio"], filter=ds.field("phase") >= burn_in
    )
    minibatch = tokens["minibatch"].to_numpy()
    ratio = tokens["log_ratio"].to_numpy().astype(np.float64)
    return {"strategy": subject.strategy} | predict(
        recipe,
        reading,
        spread_of(log_odds[:, burn_in:], recipe.training.adam_beta1, recipe.training.minibatches, reading.samples),
        ratio[minibatch == min(1, recipe.training.minibatches - 1)],
        noise_floor=float(np.abs(ratio[minibatch == 0]).max()),
        written=now(),
    )
