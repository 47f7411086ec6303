"""Where the model that a recipe trains lies, and what it can be asked."""

from functools import cache
from pathlib import Path

from clipbias.common.errors import check
from clipbias.common.files import cache_folder, sha256
from clipbias.validate.organism.spec import SHIPPED, SPECS, load_spec
from clipbias.validate.organism.text import training_problems
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.task_line import TaskLine
from clipbias.validate.tasks.styles import STYLES

ORGANISMS = Path("runs") / "organisms"  # of the working folder: one folder for each spec that was pretrained


def spec_file(organism: str, field: str = "model.organism") -> Path:
    """The spec of an organism that is named by its file or by the name of one that comes with the package."""
    if organism == "default":
        return SHIPPED / "spec.toml"
    file = Path(organism) if organism.endswith(".toml") else SPECS / f"{organism}.toml"
    names = ["default", *sorted(path.stem for path in SPECS.glob("*.toml"))]
    check(file.is_file(), field, f"one of {', '.join(names)} or the file of a spec (.toml)", organism)
    return file


def model_folder(line: ModelLine) -> Path:
    """The folder of the weights; that of an organism is named by its spec's SHA-256, whether it is there or not."""
    if line.organism == "default":
        return SHIPPED
    if line.organism is not None:
        file = spec_file(line.organism)
        return ORGANISMS / f"{file.stem}-{sha256(file)[:12]}"
    if line.hub is not None:
        return hub_folder(line.hub, line.revision or "")
    folder = Path(line.path or "")
    if folder.suffix == ".gguf":
        check(folder.is_file(), "model.path", "a file that is there", str(folder))
        return converted_folder(folder)
    check((folder / "config.json").is_file(), "model.path", "a folder with config.json, or a .gguf file", str(folder))
    return folder


def hub_folder(repository: str, revision: str) -> Path:
    """Where the Hub's own client keeps a repository at a commit, whether it is there or not."""
    from huggingface_hub import constants  # which reads the environment when it is loaded

    return Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "snapshots" / revision


def converted_folder(file: Path) -> Path:
    """Where a .gguf file is converted to: named by its SHA-256, so that it is done once."""
    status = file.stat()
    return cache_folder() / "models" / f"{file.stem}-{_sha256_of(file.resolve(), status.st_size, status.st_mtime_ns)}"


@cache
def _sha256_of(file: Path, size: int, changed: int) -> str:
    """Gigabytes are hashed once a process, unless the file changes."""
    return sha256(file)[:12]


def model_hashes(model: Path) -> dict[str, str]:
    """SHA-256 of every file of the model's folder: weights, configuration, tokenizer, chat template, spec."""
    return {path.name: sha256(path) for path in sorted(model.iterdir()) if path.is_file() and path.name[0] != "."}


def _spec_of(line: ModelLine) -> Path:
    """The spec of an organism, whether it has been pretrained or not; of another model a file that is not there."""
    return model_folder(line) / "spec.toml" if line.organism is None else spec_file(line.organism)


def is_organism(line: ModelLine) -> bool:
    return _spec_of(line).is_file()


def styles_of(line: ModelLine) -> tuple[str, ...]:
    """The styles of prompt that a model has."""
    spec = _spec_of(line)
    return tuple(style.name for style in load_spec(spec).style) if spec.is_file() else tuple(STYLES)


def held_out_count(line: ModelLine) -> int | None:
    """Problems that an organism is never trained on; None of another model, of which the survey's own are kept back."""
    spec = _spec_of(line)
    return load_spec(spec).held_out if spec.is_file() else None


def problem_count(line: ModelLine, task: TaskLine | None, prompts: int) -> int:
    """Problems that the model can be trained on; prompts: of the probe."""
    spec = _spec_of(line)
    if spec.is_file():
        return len(training_problems(load_spec(spec)))
    return len((task or TaskLine()).problems(prompts).train)
