"""What a run was made with and how far it got: manifest.json."""

import importlib.metadata
import os
import platform
import subprocess
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from clipbias.common.errors import InputError
from clipbias.common.files import json_text, read_json, sha256, write_text
from clipbias.validate.model.locate import model_hashes

NAME = "manifest.json"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    machine: str
    system: str
    cores: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """status: measuring, training or complete. git: the commit of the source tree, with -dirty where it had changes.

    None until there is something to say: prediction_sha256, prediction_written and seeds from the prediction on;
    completed and cells_sha256 (of every cell's files) from the end on; frozen_sha256 (of its tables) in the frozen
    form, which has no cells; task_sha256 (of its problems) where the recipe has a task; batch, answers drawn together,
    where that was measured.
    """

    created: str
    status: str
    recipe_sha256: str
    model_sha256: dict[str, str]
    git: str | None
    python: str
    versions: dict[str, str]
    hardware: Hardware
    prediction_sha256: str | None = None
    prediction_written: str | None = None
    seeds: tuple[int, ...] | None = None
    completed: str | None = None
    cells_sha256: dict[str, str] | None = None
    frozen_sha256: dict[str, str] | None = None
    task_sha256: str | None = None
    batch: int | None = None

    def to_text(self) -> str:
        """JSON, in the order of the fields; those that are not there yet are left out."""
        late = {field.name for field in fields(self) if field.default is None}
        return json_text({name: value for name, value in asdict(self).items() if value is not None or name not in late})


def _of_json(found: dict[str, Any], where: Path) -> Manifest:
    """Raises InputError that names the file, `where`, and what is wrong with it."""
    known, hints = {field.name: field for field in fields(Manifest)}, get_type_hints(Manifest)
    missing = [name for name, field in known.items() if field.default is MISSING and name not in found]
    if missing:
        raise InputError(str(where), f"the keys {', '.join(missing)}", verb="have")
    for name, value in found.items():
        if name not in known:
            raise InputError(str(where), f"no key {name}", verb="have")
        if not _is_of(hints[name], value):
            raise InputError(str(where), f"a run's manifest: {name} is no {_in_words(hints[name])}")
    seeds = found.get("seeds")
    given = found | {"hardware": Hardware(**found["hardware"])}
    return Manifest(**given | ({} if seeds is None else {"seeds": tuple(seeds)}))


def _is_of(hint: Any, value: object) -> bool:
    """Whether a value from JSON is of a field's type."""
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return (
            isinstance(value, dict)
            and value.keys() == hints.keys()
            and all(_is_of(kind, value[name]) for name, kind in hints.items())
        )
    kinds = get_args(hint)
    if get_origin(hint) is dict:
        return isinstance(value, dict) and all(_is_of(kinds[1], entry) for entry in value.values())
    if get_origin(hint) is tuple:
        return isinstance(value, list) and all(_is_of(kinds[0], entry) for entry in value)
    if kinds:
        return any(_is_of(kind, value) for kind in kinds)
    return isinstance(value, hint) and not isinstance(value, bool)


def _in_words(hint: Any) -> str:
    if is_dataclass(hint):
        return f"table of {', '.join(get_type_hints(hint))}"
    kind = next((kind for kind in get_args(hint) if get_origin(kind)), hint)
    return {dict: "table of texts", tuple: "list of whole numbers"}.get(get_origin(kind) or str, "text")


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


def new_manifest(folder: Path, model: Path, task: str | None = None) -> Manifest:
    """task: SHA-256 of the problems, where the recipe names them."""
    return Manifest(
        task_sha256=task,
        created=now(),
        status="measuring",
        recipe_sha256=sha256(folder / "recipe.toml"),
        model_sha256=model_hashes(model),
        git=_git_state(),
        python=platform.python_version(),
        versions=versions(),
        hardware=Hardware(
            machine=platform.machine(),
            system=platform.system(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        ),
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    write_text(folder / NAME, manifest.to_text())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run whose recipe is still the one it was made from."""
    path, recipe = folder / NAME, folder / "recipe.toml"
    for file in (path, recipe):
        if not file.is_file():
            raise InputError("dir", f"a run folder with a {file.name}", str(folder))
    manifest = _of_json(read_json(path), path)
    if manifest.recipe_sha256 != sha256(recipe):
        raise InputError("dir", f"the recipe it was made from; {recipe} was edited", verb="hold")
    return manifest
