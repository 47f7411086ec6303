"""What a run was made with and how far it got: manifest.json."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clipbias.common.errors import InputError
from clipbias.common.files import read_json, sha256, write_json

PACKAGES = (
    "clipbias",
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "datasets",
    "tokenizers",
    "numpy",
    "scipy",
)


def now() -> str:
    return datetime.now(UTC).isoformat()


def _git_state() -> str | None:
    """The commit of the source tree, with -dirty where it has changes; None outside a checkout."""
    source = Path(__file__).parent
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def model_hashes(model: Path) -> dict[str, str]:
    """SHA-256 of every file of the model's folder: weights, configuration, tokenizer, chat template, spec."""
    return {path.name: sha256(path) for path in sorted(model.iterdir()) if path.is_file() and path.name[0] != "."}


def check_unchanged(manifest: dict[str, Any], model: Path) -> None:
    """Raise InputError unless a run goes on with the model and the package versions that it was started with."""
    found = model_hashes(model)
    for name in sorted(found.keys() | manifest["model_sha256"].keys()):
        if found.get(name) != manifest["model_sha256"].get(name):
            raise InputError(f"model must be the one that the run was started with; {model / name} is another")
    for name, version in versions().items():
        began = manifest["versions"].get(name)
        if version != began:
            raise InputError(f"{name} must be {began}, with which the run was started, to go on with it; got {version}")


def new_manifest(folder: Path, model: Path) -> dict[str, Any]:
    return {
        "created": now(),
        "status": "measuring",
        "recipe_sha256": sha256(folder / "recipe.toml"),
        "model_sha256": model_hashes(model),
        "git": _git_state(),
        "python": platform.python_version(),
        "versions": versions(),
        "hardware": {
            "machine": platform.machine(),
            "system": platform.system(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        },
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run whose recipe is still the one it was made from."""
    path, recipe = folder / "manifest.json", folder / "recipe.toml"
    for file in (path, recipe):
        if not file.is_file():
            raise InputError(f"dir must be a run folder with a {file.name}, got {str(folder)!r}")
    manifest = read_json(path)
    for key in ("status", "recipe_sha256", "model_sha256", "versions"):
        if key not in manifest:
            raise InputError(f"{path} must have the key {key}")
    if manifest["recipe_sha256"] != sha256(recipe):
        raise InputError(f"dir must hold the recipe it was made from; {recipe} was edited")
    return manifest


def checked_prediction(folder: Path) -> str:
    """The SHA-256 of prediction.json, if it is the one that was written down before the arms were started."""
    path, manifest = folder / "prediction.json", read_manifest(folder)
    if "prediction_sha256" not in manifest or "prediction_written" not in manifest:
        raise InputError(f"dir must hold a run with a prediction, got {str(folder)!r} (status: {manifest['status']})")
    if not path.is_file():
        raise InputError(f"dir must hold the prediction it was started with; {path} is missing")
    digest, written = sha256(path), str(manifest["prediction_sha256"])
    if digest != written:
        raise InputError(
            f"dir must hold the prediction it was started with; {path} was edited: its SHA-256 is {digest[:12]}…, the"
            f" one written down before the run {written[:12]}…"
        )
    if read_json(path).get("recipe_sha256") != manifest["recipe_sha256"]:
        raise InputError(f"dir must hold the recipe that was predicted; {folder / 'recipe.toml'} is another")
    return digest


def check_cells(folder: Path, manifest: dict[str, Any]) -> None:
    """Raise InputError if a cell is not as it was when the run was completed; one that is gone can be trained again."""
    for name, digest in manifest.get("cells_sha256", {}).items():
        file = folder / name
        if file.is_file() and sha256(file) != digest:
            raise InputError(f"dir must hold the cells that were trained; {file} was changed afterwards")


def update_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    write_json(path, read_json(path) | changes)
