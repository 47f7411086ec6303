"""A recipe: everything that decides what an experiment will do, read from TOML."""

import re
from dataclasses import dataclass
from pathlib import Path

from ..theory.config import PhaseConfig
from ..theory.surrogate import PpoClip
from .fields import check, parse_toml, read_dataclass
from .files import read_text
from .organism.spec import SHIPPED

LARGEST = 100_000  # of any count


@dataclass(frozen=True, slots=True)
class ModelLine:
    """What is trained: a shipped organism by name, or the folder of an organism or of any causal language model.

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


def model_folder(line: ModelLine) -> Path:
    if line.organism is not None:
        check(line.organism == "default", "model.organism", "'default' (or give model.path)", line.organism)
        return SHIPPED
    folder = Path(line.path or "")
    check((folder / "config.json").is_file(), "model.path", "a folder with config.json", str(folder))
    return folder


@dataclass(frozen=True, slots=True)
class Training:
    """GRPO as the paper runs it: one epoch, `minibatches` optimizer steps per phase, no KL term."""

    prompts_per_phase: int
    group_size: int
    minibatches: int
    learning_rate: float
    phases: int
    max_completion_length: int
    success_prob: float = 0.5
    adam_beta1: float = 0.9
    adam_beta2: float = 0.95
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        for field in ("prompts_per_phase", "minibatches", "phases", "max_completion_length"):
            check(1 <= getattr(self, field) <= LARGEST, f"training.{field}", f"in [1, {LARGEST}]", getattr(self, field))
        check(2 <= self.group_size <= LARGEST, "training.group_size", f"in [2, {LARGEST}]", self.group_size)
        check(self.learning_rate > 0, "training.learning_rate", "positive", self.learning_rate)
        check(0 < self.success_prob < 1, "training.success_prob", "in (0, 1)", self.success_prob)
        for field in ("adam_beta1", "adam_beta2"):
            check(0 <= getattr(self, field) < 1, f"training.{field}", "in [0, 1)", getattr(self, field))
        check(self.max_grad_norm > 0, "training.max_grad_norm", "positive", self.max_grad_norm)
        check(
            self.rollouts % (self.minibatches * self.group_size) == 0,
            "training.minibatches",
            f"a number that splits {self.prompts_per_phase} groups evenly",
            self.minibatches,
        )

    @property
    def rollouts(self) -> int:
        """Completions sampled per phase."""
        return self.prompts_per_phase * self.group_size

    @property
    def minibatch_size(self) -> int:
        return self.rollouts // self.minibatches

    def toy(self, learning_rate: float, clip: PpoClip) -> PhaseConfig:
        """The same phase on the toy policy (TRL scales advantages with the n−1 standard deviation).

        The toy keeps a group whole within a mini-batch. TRL shuffles a phase's samples over its mini-batches, so that
        a mini-batch holds parts of several groups and a group meets itself again in later steps, with advantages that
        correlate by −1/(G−1).
        """
        return PhaseConfig(
            learning_rate=learning_rate,
            group_size=self.group_size,
            groups_per_minibatch=self.minibatch_size // self.group_size,
            minibatches=self.minibatches,
            success_prob=self.success_prob,
            surrogate=clip,
            scale="std-unbiased",
        )


@dataclass(frozen=True, slots=True)
class Pilot:
    """Short unclipped runs that measure the noise before anything is predicted; `burn_in` phases are left out."""

    seeds: int
    phases: int
    burn_in: int

    def __post_init__(self) -> None:
        check(2 <= self.seeds <= LARGEST, "pilot.seeds", f"in [2, {LARGEST}]", self.seeds)
        check(self.phases <= LARGEST, "pilot.phases", f"at most {LARGEST}", self.phases)
        check(0 <= self.burn_in < self.phases, "pilot.burn_in", f"in [0, {self.phases})", self.burn_in)


@dataclass(frozen=True, slots=True)
class ProbeLine:
    """How the strategy share is read: `prompts` fixed prompts; without a spec, by `samples` answers to each."""

    prompts: int
    samples: int = 4

    def __post_init__(self) -> None:
        check(self.prompts >= 1, "probe.prompts", "at least 1", self.prompts)
        check(self.samples >= 1, "probe.samples", "at least 1", self.samples)


@dataclass(frozen=True, slots=True)
class Arm:
    """One condition; a clip side that is `none` is off."""

    name: str
    clip_low: float | None
    clip_high: float | None

    def __post_init__(self) -> None:
        check(
            re.fullmatch(r"[a-z0-9-]+", self.name) is not None,
            "arm.name",
            "made of a-z, 0-9 and -",
            self.name,
        )
        check(
            self.clip_low is None or 0 < self.clip_low < 1,
            f"clip_low of arm {self.name}",
            "in (0, 1) or none",
            self.clip_low,
        )
        allowed = "positive or none"
        check(self.clip_high is None or self.clip_high > 0, f"clip_high of arm {self.name}", allowed, self.clip_high)

    @property
    def clip(self) -> PpoClip:
        return PpoClip(low=self.clip_low, high=self.clip_high)


@dataclass(frozen=True, slots=True)
class Recipe:
    name: str
    question: str
    seeds: int
    model: ModelLine
    training: Training
    pilot: Pilot
    probe: ProbeLine
    arm: tuple[Arm, ...]
    checkpoint_every: int = 10

    def __post_init__(self) -> None:
        check(2 <= self.seeds <= LARGEST, "seeds", f"in [2, {LARGEST}]", self.seeds)
        check(self.checkpoint_every >= 1, "checkpoint_every", "at least 1", self.checkpoint_every)
        names = [a.name for a in self.arm]
        check(len(names) >= 1 and len(set(names)) == len(names), "arm", "tables with distinct names", names)


def read_recipe(text: str) -> Recipe:
    """Parse a recipe; raises InputError naming the field on anything missing, unknown or out of range."""
    return read_dataclass(Recipe, parse_toml(text, "the recipe"))


def load_recipe(path: Path) -> Recipe:
    return read_recipe(read_text(path))
