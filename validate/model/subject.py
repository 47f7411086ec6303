"""The model under test: its weights, its problems, and how its strategies are recognised."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from clipbias.common.errors import InputError, check
from clipbias.validate.organism.spec import load_spec
from clipbias.validate.organism.text import held_out_problems, training_problems
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import ProbeLine
from clipbias.validate.recipe.task_line import TaskLine
from clipbias.validate.recipe.training import BATCH
from clipbias.validate.tasks.code import looks_like_code
from clipbias.validate.tasks.problems import Problem
from clipbias.validate.tasks.styles import STYLES

from .locate import model_folder
from .probe import FirstTokenProbe, Probe, SampledProbe
from .sampling import is_chat, opening, turns, written


@dataclass(frozen=True, slots=True)
class Subject:
    """problems, held_out and probes: by style of prompt; a problem has the same place in every style, and held-out
    problems are never trained on. strategy_of maps a completion to True where it uses the first strategy (code). batch:
    answers that are drawn together, at most; which are drawn depends on it."""

    folder: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    problems: Mapping[str, tuple[Problem, ...]]
    held_out: Mapping[str, tuple[Problem, ...]]
    probes: Mapping[str, Probe]
    strategy: str
    strategy_of: Callable[[str], bool]
    batch: int

    def prompt(self, problem: Problem) -> str | list[dict[str, Any]]:
        """As TRL takes it: turns of a chat where the tokenizer has a chat template, else plain text.

        TRL begins every answer itself, so that one whose first words are given is plain text too. To that it adds the
        special tokens that the tokenizer always adds, of which a chat template has written the first already.
        """
        asked = problem.prompt
        if not is_chat(self.tokenizer, asked):
            return written(self.tokenizer, asked)
        if not opening(asked):
            return turns(asked)
        text, first = written(self.tokenizer, asked), self.tokenizer.bos_token
        adds = first is not None and self.tokenizer("")["input_ids"] == [self.tokenizer.bos_token_id]
        return text.removeprefix(first) if adds else text


def quiet() -> None:
    """What transformers has to say is said by the errors it raises."""
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def load_model(folder: Path, field: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """From a local folder only, safetensors only, in single precision; no code from the folder is run."""
    quiet()
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", **safe)
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **safe)
    except Exception as error:  # whatever the readers do not expect of a damaged file
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(field, f"a model that transformers can load ({reason})", str(folder)) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def load_subject(line: ModelLine, probe: ProbeLine, task: TaskLine | None = None, batch: int = BATCH) -> Subject:
    """The model of a recipe (`load_model`), with problems and probes."""
    folder = model_folder(line)
    model, tokenizer = load_model(folder, "model.path")
    if (folder / "spec.toml").is_file():
        check(task is None, "task", "left out where the model is an organism", "given")
        return _organism(folder, model, tokenizer, probe, batch)
    return _pretrained(folder, model, tokenizer, line, probe, task or TaskLine(), batch)


def _probe_seed() -> np.random.Generator:
    """The probe's prompts are part of the instrument: the same in every run."""
    return np.random.default_rng(2506_10947)


def _organism(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, probe: ProbeLine, batch: int
) -> Subject:
    spec = load_spec(folder / "spec.toml")
    first, styles = spec.strategy[0], [style.name for style in spec.style]
    problems = {style: tuple(training_problems(spec, style)) for style in styles}
    count = len(problems[styles[0]])
    fixed = _probe_seed().choice(count, size=min(probe.prompts, count), replace=False)
    opening = first.template[0]
    token = cast(int, tokenizer.convert_tokens_to_ids(opening))  # of one token
    probes: dict[str, Probe] = {
        style: FirstTokenProbe(tokenizer, tuple(problems[style][i].prompt for i in fixed), token) for style in styles
    }
    held_out = {style: tuple(held_out_problems(spec, style)) for style in styles}
    return Subject(
        folder, model, tokenizer, problems, held_out, probes, first.name, lambda t: t.startswith(opening), batch
    )


class _Styled(Mapping[str, tuple[Problem, ...]]):
    """The same problems in every style, each put when it is first asked for: there may be forty thousand."""

    def __init__(self, problems: tuple[Problem, ...], instruction: str) -> None:
        self._problems, self._instruction = problems, instruction
        self._put: dict[str, tuple[Problem, ...]] = {}

    def __getitem__(self, style: str) -> tuple[Problem, ...]:
        if style not in self._put:
            self._put[style] = tuple(STYLES[style].put(problem, self._instruction) for problem in self._problems)
        return self._put[style]

    def __iter__(self) -> Iterator[str]:
        return iter(STYLES)

    def __len__(self) -> int:
        return len(STYLES)


def _pretrained(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    line: ModelLine,
    probe: ProbeLine,
    task: TaskLine,
    batch: int,
) -> Subject:
    found = task.problems(probe.prompts)
    problems, held_out = (_Styled(part, line.instruction) for part in (found.train, found.held_out))
    probes: dict[str, Probe] = {
        style: SampledProbe(
            tokenizer, tuple(p.prompt for p in held_out[style][: probe.prompts]), probe.samples, looks_like_code, batch
        )
        for style in STYLES
    }
    return Subject(folder, model, tokenizer, problems, held_out, probes, "code", looks_like_code, batch)
