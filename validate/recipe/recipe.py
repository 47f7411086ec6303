"""A recipe: everything that decides what an experiment will do, read from TOML."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from clipbias.common.errors import check
from clipbias.common.files import read_text
from clipbias.common.tables import parse_toml, read_dataclass

from .arm import PLAIN, Arm
from .model_line import ModelLine
from .task_line import TaskLine
from .training import LARGEST, Training

REPLICATES = 4000
Parts = Literal["token", "answer"]  # what a gradient of a survey is of


@dataclass(frozen=True, slots=True)
class Pilot:
    """Short unclipped runs that measure the noise before anything is predicted; `burn_in` phases are left out. There
    are as many again for each further kind of optimizer (`pilots`)."""

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
class SurveyLine:
    """`samples` answers of the untrained model to every problem: the labels of majority rewards, and what each reward
    pays each strategy before training."""

    samples: int = 64

    def __post_init__(self) -> None:
        check(1 <= self.samples <= LARGEST, "survey.samples", f"in [1, {LARGEST}]", self.samples)


@dataclass(frozen=True, slots=True)
class EvaluationLine:
    """`samples` answers to every held-out problem, before training and after it, put in each of `styles`."""

    samples: int
    styles: tuple[str, ...] = (PLAIN,)

    def __post_init__(self) -> None:
        check(1 <= self.samples <= LARGEST, "evaluation.samples", f"in [1, {LARGEST}]", self.samples)
        check(len(self.styles) >= 1, "evaluation.styles", "at least one name", list(self.styles))


@dataclass(frozen=True, slots=True)
class ToyLine:
    """How the toy's laws are computed: `exact` and `gaussian` by theory, for plain gradient ascent, with momentum put
    on afterwards; or `monte-carlo`, `replicates` simulated trainings with the arm's own optimizer."""

    method: Literal["exact", "gaussian", "monte-carlo"] = "exact"
    replicates: int = REPLICATES

    def __post_init__(self) -> None:
        check(100 <= self.replicates <= LARGEST, "toy.replicates", f"in [100, {LARGEST}]", self.replicates)
        used = self.method == "monte-carlo" or self.replicates == REPLICATES
        check(used, "toy.replicates", "left out unless toy.method is monte-carlo", self.replicates)


@dataclass(frozen=True, slots=True)
class ForecastLine:
    """What is foretold beside the share (`predict.forecast`), and when it is measured.

    problems, answers: of the survey whose gradients are taken, `coordinates` of the parameters. parts: whether a
    gradient is of a token or of a whole answer. Few answers make too few groups whose rewards differ: of something that
    6 % of answers do, 47 % with 16 answers where 63 % is true. seeds: simulated. model_error: of a mean change of
    log-odds, for each phase, as found on another model (`recipes/forecast/model_error.py`). read_problems: others, on
    which trained models are read after each of read_at phases, by as many answers where these cannot be listed.
    """

    problems: int = 240
    answers: int = 64
    coordinates: int = 4096
    parts: Parts = "token"
    seeds: int = 48
    model_error: float = 0.0
    read_problems: int = 32
    read_at: tuple[int, ...] = (1, 2, 5, 10, 20)

    def __post_init__(self) -> None:
        for name in ("problems", "answers", "coordinates", "seeds", "read_problems"):
            check(1 <= getattr(self, name) <= LARGEST, f"forecast.{name}", f"in [1, {LARGEST}]", getattr(self, name))
        check(0 <= self.model_error < 10, "forecast.model_error", "in [0, 10)", self.model_error)
        ascending = self.read_at == tuple(sorted(set(self.read_at))) and all(phase >= 1 for phase in self.read_at)
        check(len(self.read_at) > 0 and ascending, "forecast.read_at", "ascending phases from 1", list(self.read_at))


@dataclass(frozen=True, slots=True)
class RecordingLine:
    """What is kept of every mini-batch's tokens: sums and histograms of all, and one by one those of `answers`, a share
    of its answers. Without this table all tokens are kept, and nothing else, since all else follows from them."""

    answers: float

    def __post_init__(self) -> None:
        check(0 < self.answers <= 1, "recording.answers", "in (0, 1]", self.answers)


@dataclass(frozen=True, slots=True)
class Recipe:
    """An experiment before it runs: one model, one training, and the arms that differ from it.

    question: what the experiment asks, for its report. seeds: how many trainings each arm gets. pilot, probe, survey,
    evaluation: what is measured before and beside the training, and how often. forecast: whether more than the share is
    foretold. checkpoint_every: phases between the states from which a killed training resumes. task: which problems,
    where they are not an organism's own. recording: what is kept of tokens, where that is not each of them.
    """

    name: str
    question: str
    seeds: int
    model: ModelLine
    training: Training
    pilot: Pilot
    probe: ProbeLine
    arm: tuple[Arm, ...]
    checkpoint_every: int = 10
    survey: SurveyLine = SurveyLine()
    evaluation: EvaluationLine | None = None
    toy: ToyLine | None = None
    forecast: ForecastLine | None = None
    task: TaskLine | None = None
    recording: RecordingLine | None = None

    def __post_init__(self) -> None:
        fits = self.task is None or self.model.organism is None
        check(fits, "task", "left out where the model is an organism", "a table")
        check(0 < self.training.success_prob < 1, "training.success_prob", "in (0, 1)", self.training.success_prob)
        check(2 <= self.seeds <= LARGEST, "seeds", f"in [2, {LARGEST}]", self.seeds)
        check(self.checkpoint_every >= 1, "checkpoint_every", "at least 1", self.checkpoint_every)
        names = [a.name for a in self.arm]
        check(len(names) >= 1 and len(set(names)) == len(names), "arm", "tables with distinct names", names)
        full = self.forecast is None or self.training.lora_rank is None
        allowed = "left out where there is a forecast, whose gradients are of all weights"
        check(full, "training.lora_rank", allowed, self.training.lora_rank)
        for arm in self.arm:
            arm.training(self.training)  # names the field that does not fit


def read_recipe(text: str) -> Recipe:
    """Parse a recipe; raises InputError naming the field on anything missing, unknown or out of range."""
    found = parse_toml(text, "the recipe")
    arms = found.get("arm")
    for arm in arms if isinstance(arms, list) else []:
        if isinstance(arm, dict) and "surrogate" in arm:  # which says what its clip is
            for side in ("clip_low", "clip_high"):
                arm.setdefault(side, "none")
    return read_dataclass(Recipe, found)


def load_recipe(path: str | Path) -> Recipe:
    """The recipe in a TOML file; InputError says which key is wrong and what it allows."""
    return read_recipe(read_text(Path(path)))


def recipe_text(recipe: Recipe) -> str:
    """TOML that `read_recipe` reads back as the same recipe."""
    plain, tables = [], []
    for field in dataclasses.fields(recipe):
        value = getattr(recipe, field.name)
        if dataclasses.is_dataclass(value):
            tables.append(f"\n[{field.name}]\n{_lines(value)}")
        elif field.name == "arm":
            tables.extend(f"\n[[arm]]\n{_lines(arm)}" for arm in value)
        elif value is not None:
            plain.append(f"{field.name} = {_toml(value)}\n")
    return "".join(plain + tables)


def _lines(table: Any) -> str:
    """`none` where that is a value, nothing where it only says that nothing was given."""
    given = [(f, getattr(table, f.name)) for f in dataclasses.fields(table)]
    kept = [(f.name, value) for f, value in given if value is not None or f.default is dataclasses.MISSING]
    return "".join(f"{name} = {_toml(value)}\n" for name, value in kept)


def _toml(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)  # TOML writes texts, numbers and truth as JSON does
