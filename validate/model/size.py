"""How large a model is, from its folder and without loading it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path

from clipbias.common.errors import InputError
from clipbias.validate.organism.spec import load_spec
from clipbias.validate.organism.text import training_problems
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.task_line import TaskLine
from clipbias.validate.tasks.styles import STYLES

from .locate import model_folder

ASKED = 64  # of the problems with the longest texts, whose prompts are measured


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSize:
    """width: of a token's state; inner: of the layer between two such; key_values: what attention keeps of a token."""

    parameters: int
    vocabulary: int
    layers: int
    width: int
    inner: int
    key_values: int


def model_size(folder: Path) -> ModelSize:
    """Of any causal language model that transformers knows, saved as safetensors."""
    from transformers import AutoConfig  # seconds

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config()
        width, heads = int(config.hidden_size), int(config.num_attention_heads)
        layers, vocabulary = int(config.num_hidden_layers), int(config.vocab_size)
    except (OSError, ValueError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError("model.path", f"a model that transformers can load ({reason})", str(folder)) from error
    head = getattr(config, "head_dim", None) or width // heads
    return ModelSize(
        parameters=sum(map(_numbers, sorted(folder.glob("*.safetensors")))),
        vocabulary=vocabulary,
        layers=layers,
        width=width,
        inner=getattr(config, "intermediate_size", None) or 4 * width,
        key_values=2 * head * (getattr(config, "num_key_value_heads", None) or heads),
    )


def _numbers(file: Path) -> int:
    """In a safetensors file, by its header."""
    with file.open("rb") as opened:
        header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")


def longest_prompt(line: ModelLine, task: TaskLine | None, prompts: int, styles: Iterable[str]) -> int:
    """Tokens of the longest prompt in any of these styles: an organism's has one a character; another model's tokenizer
    is shown those with the longest texts, which is near enough. prompts: of the probe."""
    folder = model_folder(line)
    if (folder / "spec.toml").is_file():
        spec = load_spec(folder / "spec.toml")
        return max(len(str(problem.prompt)) for style in styles for problem in training_problems(spec, style))
    from transformers import AutoTokenizer

    from .sampling import encode_prompts

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    known = (task or TaskLine()).problems(prompts)
    longest = sorted({*known.train, *known.held_out}, key=lambda problem: -len(str(problem.prompt)))[:ASKED]
    put = [[STYLES[style].put(problem, line.instruction).prompt for problem in longest] for style in styles]
    return max(int(encode_prompts(tokenizer, asked)["input_ids"].shape[1]) for asked in put)
