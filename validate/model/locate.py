"""Which model a recipe trains, and where it lies: an organism's weights are made from its spec where there are none."""

import sys
from dataclasses import dataclass
from pathlib import Path

from clipbias.common.errors import check
from clipbias.common.files import sha256
from clipbias.validate.organism.spec import SHIPPED, SPECS, load_spec
from clipbias.validate.organism.text import training_problems
from clipbias.validate.tasks.problems import WORD_PROBLEMS, WORD_STYLES

ORGANISMS = Path("runs") / "organisms"  # of the working folder: one folder for each spec that was pretrained


@dataclass(frozen=True, slots=True)
class ModelLine:
    """What is trained: an organism by its name or the file of its spec, or the folder of any causal language model.

    instruction follows every word problem put to a model that is no organism; it should leave the strategy open.
    """

    organism: str | None = None
    path: str | None = None
    instruction: str = "Put the final answer in \\boxed{}."

    def __post_init__(self) -> None:
        check(
            (self.organism is None) != (self.path is None),
            "model",
            "either organism or path",
            "both" if self.organism is not None else "neither",
        )


def spec_file(organism: str) -> Path:
    """The spec of an organism that is named by its file or by the name of one that comes with the package."""
    if organism == "default":
        return SHIPPED / "spec.toml"
    file = Path(organism) if organism.endswith(".toml") else SPECS / f"{organism}.toml"
    names = ["default", *sorted(path.stem for path in SPECS.glob("*.toml"))]
    check(file.is_file(), "model.organism", f"one of {', '.join(names)} or the file of a spec (.toml)", organism)
    return file


def model_folder(line: ModelLine) -> Path:
    """The folder of the weights; that of an organism is named by its spec's SHA-256, whether it is there or not."""
    if line.organism == "default":
        return SHIPPED
    if line.organism is not None:
        file = spec_file(line.organism)
        return ORGANISMS / f"{file.stem}-{sha256(file)[:12]}"
    folder = Path(line.path or "")
    check((folder / "config.json").is_file(), "model.path", "a folder with config.json", str(folder))
    return folder


def _spec_of(line: ModelLine) -> Path:
    """The spec of an organism, whether it has been pretrained or not; of another model a file that is not there."""
    return model_folder(line) / "spec.toml" if line.organism is None else spec_file(line.organism)


def styles_of(line: ModelLine) -> tuple[str, ...]:
    """The styles of prompt that a model has."""
    spec = _spec_of(line)
    return tuple(style.name for style in load_spec(spec).style) if spec.is_file() else tuple(WORD_STYLES)


def problem_count(line: ModelLine) -> int:
    """Problems that the model can be trained on."""
    spec = _spec_of(line)
    return len(training_problems(load_spec(spec))) if spec.is_file() else WORD_PROBLEMS


def make_model(line: ModelLine) -> None:
    """Pretrain the organism that the line names, unless that was done before (minutes)."""
    folder = model_folder(line)
    if line.organism is None or (folder / "config.json").is_file():
        return
    from clipbias.validate.organism.pretrain import build  # torch is loaded only where something is trained

    print(f"pretraining {line.organism} into {folder}", file=sys.stderr)
    build(spec_file(line.organism), folder, progress=sys.stderr.isatty())
