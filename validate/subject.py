"""The model under test: its weights, its problems, and how its strategies are recognised."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from .fields import InputError
from .organism.spec import load_spec
from .organism.text import all_problems
from .probe import FirstTokenProbe, Probe, SampledProbe
from .problems import WORD_PROBLEMS, Problem, word_problems
from .recipe import ModelLine, ProbeLine, model_folder

# Signs of program code in an answer; plain alternatives on a bounded prefix, since model output is untrusted.
_CODE = re.compile(r"```\s{0,4}python|\bprint\(|\bdef \w{1,64}\(|^import \w|^from \w{1,64} import ", re.MULTILINE)
_PREFIX = 4000


def looks_like_code(completion: str) -> bool:
    return _CODE.search(completion[:_PREFIX]) is not None


@dataclass(frozen=True, slots=True)
class Subject:
    """strategy_of maps a completion to True where it uses the first strategy (code)."""

    folder: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    problems: tuple[Problem, ...]
    probe: Probe
    strategy: str
    strategy_of: Callable[[str], bool]

    def prompt(self, problem: Problem) -> str | list[dict[str, Any]]:
        """A chat turn where the tokenizer has a chat template, else plain text."""
        if self.tokenizer.chat_template:
            return [{"role": "user", "content": problem.prompt}]
        return problem.prompt


def load_subject(line: ModelLine, probe: ProbeLine) -> Subject:
    """Load from a local folder only; safetensors only; no code from the folder is run."""
    folder = model_folder(line)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"model.path must be a model that transformers can load, got {str(folder)!r}: {reason}"
        ) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    rng = np.random.default_rng(2506_10947)  # the probe's prompts are part of the instrument: the same in every run
    if (folder / "spec.toml").is_file():
        spec = load_spec(folder / "spec.toml")
        first = spec.strategy[0]
        problems = all_problems(spec)
        opening = first.template[0]
        fixed = [problems[i] for i in rng.choice(len(problems), size=min(probe.prompts, len(problems)), replace=False)]
        reader: Probe = FirstTokenProbe(
            tokenizer, tuple(p.prompt for p in fixed), tokenizer.convert_tokens_to_ids(opening)
        )
        return Subject(
            folder,
            model,
            tokenizer,
            tuple(problems),
            reader,
            first.name,
            lambda text: text.startswith(opening),
        )
    problems = word_problems(WORD_PROBLEMS + probe.prompts, line.instruction, rng)
    training, fixed = problems[:WORD_PROBLEMS], problems[WORD_PROBLEMS:]
    sampled = SampledProbe(tokenizer, tuple(p.prompt for p in fixed), probe.samples, looks_like_code)
    return Subject(folder, model, tokenizer, tuple(training), sampled, "code", looks_like_code)
