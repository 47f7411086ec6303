"""The model under test: its weights, its problems, and how its strategies are recognised."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from clipbias.common.errors import InputError
from clipbias.validate.organism.spec import load_spec
from clipbias.validate.organism.text import held_out_problems, training_problems
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import ProbeLine
from clipbias.validate.tasks.problems import WORD_PROBLEMS, WORD_STYLES, Problem, word_problems

from .locate import model_folder
from .probe import FirstTokenProbe, Probe, SampledProbe

# Signs of program code in an answer; plain alternatives on a bounded prefix, since model output is untrusted.
_CODE = re.compile(r"```\s{0,4}python|\bprint\(|\bdef \w{1,64}\(|^import \w|^from \w{1,64} import ", re.MULTILINE)
_PREFIX = 4000


def looks_like_code(completion: str) -> bool:
    return _CODE.search(completion[:_PREFIX]) is not None


@dataclass(frozen=True, slots=True)
class Subject:
    """problems, held_out and probes: by style of prompt; a problem has the same place in every style, and held-out
    problems are never trained on. strategy_of maps a completion to True where it uses the first strategy (code)."""

    folder: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    problems: dict[str, tuple[Problem, ...]]
    held_out: dict[str, tuple[Problem, ...]]
    probes: dict[str, Probe]
    strategy: str
    strategy_of: Callable[[str], bool]

    def prompt(self, problem: Problem) -> str | list[dict[str, Any]]:
        """A chat turn where the tokenizer has a chat template, else plain text."""
        if self.tokenizer.chat_template:
            return [{"role": "user", "content": problem.prompt}]
        return problem.prompt


def load_model(folder: Path, field: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """From a local folder only, safetensors only, in single precision; no code from the folder is run."""
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", **safe)
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **safe)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(field, f"a model that transformers can load ({reason})", str(folder)) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def load_subject(line: ModelLine, probe: ProbeLine) -> Subject:
    """The model of a recipe (`load_model`), with problems and probes."""
    folder = model_folder(line)
    model, tokenizer = load_model(folder, "model.path")
    make = _organism if (folder / "spec.toml").is_file() else _pretrained
    return make(folder, model, tokenizer, line, probe)


def _probe_seed() -> np.random.Generator:
    """The probe's prompts are part of the instrument: the same in every run."""
    return np.random.default_rng(2506_10947)


def _organism(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, line: ModelLine, probe: ProbeLine
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
    return Subject(folder, model, tokenizer, problems, held_out, probes, first.name, lambda t: t.startswith(opening))


def _pretrained(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, line: ModelLine, probe: ProbeLine
) -> Subject:
    plain = word_problems(WORD_PROBLEMS + probe.prompts, line.instruction, _probe_seed())
    put = {name: tuple(replace(p, prompt=form.format(p.prompt)) for p in plain) for name, form in WORD_STYLES.items()}
    held_out = {style: problems[WORD_PROBLEMS:] for style, problems in put.items()}
    probes: dict[str, Probe] = {
        style: SampledProbe(tokenizer, tuple(p.prompt for p in problems), probe.samples, looks_like_code)
        for style, problems in held_out.items()
    }
    problems = {style: problems[:WORD_PROBLEMS] for style, problems in put.items()}
    return Subject(folder, model, tokenizer, problems, held_out, probes, "code", looks_like_code)
