"""The plan of a recipe at size: configuration, check's answer, memory, time and power. Nothing is fetched or run."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from clipbias.check.check import Checked, check_documents
from clipbias.check.document import Document, Entry
from clipbias.check.words import verdict
from clipbias.common.errors import InputError, check
from clipbias.theory.surrogate import PpoClip
from clipbias.validate.model.locate import model_folder
from clipbias.validate.model.size import ModelSize, model_size
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import Recipe

from .configuration import Layout, accelerate_command, adapter_keys, as_yaml, changes, slurm_script, trl_keys
from .device import Batch, Gpu, Method, Part, Times, fitting_micro, memory_parts, times
from .power import Question, Start, questions

PROMPT = 1024  # tokens, at most, as in arXiv:2506.10947
SHAPES = {  # of models that can be planned for before they are fetched; from their config.json
    "Qwen/Qwen2.5-Math-1.5B": ModelSize(
        parameters=1_543_714_304, vocabulary=151_936, layers=28, width=1536, inner=8960, key_values=512
    ),
    "Qwen/Qwen2.5-Math-7B": ModelSize(
        parameters=7_615_616_512, vocabulary=152_064, layers=28, width=3584, inner=18_944, key_values=1024
    ),
}


def size_of(line: ModelLine) -> ModelSize:
    """From the model's folder where it is there; of a repository that is not, from SHAPES."""
    folder = model_folder(line)
    if (folder / "config.json").is_file():
        return model_size(folder)
    if line.hub in SHAPES:
        return SHAPES[line.hub]
    raise InputError("model", f"there already, or one of {', '.join(SHAPES)}", line.hub or line.path or line.organism)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """questions: by the assumed spread of a phase. changes: of further arms to the configuration of the first."""

    recipe: Recipe
    gpu: Gpu
    layout: Layout
    configuration: dict[str, Any]
    changes: dict[str, dict[str, Any]]
    checked: Checked
    parts: tuple[Part, ...]
    times: Times
    questions: tuple[tuple[float, tuple[Question, ...]], ...]

    @property
    def hours(self) -> float:
        """Of one arm and seed."""
        return self.times.phase * self.recipe.training.phases / 3600

    @property
    def runs(self) -> int:
        return len(self.recipe.arm) * self.recipe.seeds

    @property
    def slurm(self) -> str:
        return slurm_script(self.recipe.name, self.layout.gpus, self.hours)

    @property
    def yaml(self) -> str:
        return as_yaml(self.configuration)

    def to_json(self) -> dict[str, Any]:
        return {
            "unrun": True,
            "gpu": self.gpu.name,
            "gpus": self.layout.gpus,
            "configuration": self.configuration,
            "changes": self.changes,
            "check": self.checked.to_json(),
            "accelerate": accelerate_command(self.layout.gpus),
            "slurm": self.slurm,
            "memory": [asdict(part) for part in self.parts],
            "memory_bytes": sum(part.bytes for part in self.parts),
            "seconds": asdict(self.times) | {"phase": self.times.phase},
            "hours": self.hours,
            "runs": self.runs,
            "questions": [
                {"spread": spread, "measures": [asdict(question) for question in found]}
                for spread, found in self.questions
            ],
        }


def plan(recipe: Recipe, gpu: Gpu, gpus: int, mean: float, start: Start | None, spreads: tuple[float, ...]) -> Plan:
    """mean: tokens of an answer. start: of the untrained model, where the clip is asked about, at each of `spreads`.
    Of what the recipe's training leaves out it takes bfloat16, gradient checkpointing and the largest micro-batch.
    Raises InputError where the training does not fit, before anything is fetched."""
    training, size = recipe.training, size_of(recipe.model)
    check(gpus >= 1, "gpus", "at least 1", gpus)
    check(1 <= mean <= training.max_completion_length, "mean_tokens", "in [1, training.max_completion_length]", mean)
    batch = Batch(
        rollouts=training.rollouts,
        minibatch=training.minibatch_size,
        prompt=PROMPT,
        longest=training.max_completion_length,
        mean=mean,
    )
    method = Method(
        lora_rank=training.lora_rank,
        half=training.bf16 is not False,
        checkpointing=training.gradient_checkpointing is not False,
    )
    layout = Layout(gpus=gpus, micro=fitting_micro(size, batch, gpu, gpus, method, training.micro_batch))
    configuration = trl_keys(recipe, recipe.arm[0], layout) | adapter_keys(training)
    asked = [] if start is None else [(spread, replace(start, spread=spread)) for spread in spreads]
    found = tuple((spread, questions(recipe, _clipped(recipe), at)) for spread, at in asked)
    return Plan(
        recipe=recipe,
        gpu=gpu,
        layout=layout,
        configuration=configuration,
        changes=changes(recipe, layout),
        checked=checked(configuration, gpus),
        parts=memory_parts(size, batch, gpus, layout.micro, method),
        times=times(size, batch, gpu, gpus, method),
        questions=found,
    )


def _clipped(recipe: Recipe) -> Arm:
    """The first arm whose effect the toy can foretell."""
    for arm in recipe.arm:
        if arm.blind and arm.clipped and isinstance(arm.gate, PpoClip):
            return arm
    raise InputError("arm", "one that is paid by a coin and clips by two bounds, for the seeds that it needs", "none")


def checked(configuration: dict[str, Any], gpus: int) -> Checked:
    """What `clipbias check` says of it."""
    entries = {key: Entry(value) for key, value in configuration.items()}
    return check_documents([Document(path=Path("grpo.yaml"), entries=entries)], framework="trl", devices=gpus)


def says(found: Plan) -> str:
    return verdict(found.checked)
