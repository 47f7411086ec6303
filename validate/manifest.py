"""What a run was made with and how far it got: manifest.json."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .files import read_json, sha256, write_json

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


def new_manifest(folder: Path, model: Path, seeds: int) -> dict[str, Any]:
    return {
        "created": now(),
        "status": "measuring",
        "seeds": list(range(1, seeds + 1)),
        "recipe_sha256": sha256(folder / "recipe.toml"),
        "model_sha256": {path.name: sha256(path) for path in sorted(model.glob("*.safetensors"))},
        "git": _git_state(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "hardware": {
            "machine": platform.machine(),
            "system": platform.system(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        },
    }


def update_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    write_json(path, read_json(path) | changes)
