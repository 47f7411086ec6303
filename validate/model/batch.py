"""How many answers are drawn together: as many as are drawn fastest, and as fit.

A large batch costs memory and waits for its longest answer; a small one reads all weights for few tokens. Where the
best lies depends on model and machine, so it is measured once for both and kept.
"""

import time
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from clipbias.common.errors import InputError
from clipbias.common.files import cache_folder, read_json, write_json
from clipbias.common.memory import free_memory
from clipbias.validate.recipe.training import BATCH

from .memory import answer_bytes
from .size import ModelSize

TOKENS = 16  # that each answer of a trial has
PROMPT = 64  # tokens of a trial's prompt
WORTH = 1.1  # a batch twice as large must be faster by so much
LONGEST_TRIAL = 20.0  # seconds; a larger one would not be told sooner
USED = 0.8  # of the free memory, since what other processes take is not known


def fitting(size: ModelSize, prompt: int, answer: int, free: int) -> int:
    """Answers that fit; raises InputError where not even one does."""
    most = int(USED * free // answer_bytes(size, prompt, answer))
    if most < 1:
        raise InputError("memory", f"free for one answer of {answer} tokens, and {free / 1e9:.1f} GB are")
    return min(most, BATCH)


def free_bytes(model: PreTrainedModel) -> int:
    """Of the device that the model is on."""
    return int(torch.cuda.mem_get_info(model.device)[0]) if model.device.type == "cuda" else free_memory()


def best_batch(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, size: ModelSize, most: int) -> int:
    """At most `most`. Measured where it was not before, for this size of model on this machine, and kept there."""
    file, key = cache_folder() / "batches.json", machine(model, size)
    kept = read_json(file) if file.is_file() else {}
    if not isinstance(kept.get(key), int):
        kept = kept | {key: fastest(model, tokenizer, most)}
        write_json(file, kept)
    return max(1, min(int(kept[key]), most))


def machine(model: PreTrainedModel, size: ModelSize) -> str:
    """What the speed of a batch depends on, in words."""
    on = (
        torch.cuda.get_device_name(model.device)
        if model.device.type == "cuda"
        else f"{torch.get_num_threads()} threads"
    )
    numbers = f"{size.parameters} {size.vocabulary} {size.layers} {size.width} {size.inner} {size.key_values}"
    return f"{model.config.model_type} {numbers} {model.dtype}, torch {torch.__version__}, {on}, {_cpu()}"


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def fastest(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, most: int) -> int:
    """The batch with most tokens a second among 1, 2, 4, … `most`, twice as many at a time while that is worth it."""
    best, speed, batch = 1, 0.0, 1
    _seconds(model, tokenizer, 1)  # what is loaded at the first use is not counted
    while batch <= most:
        taken = _seconds(model, tokenizer, batch)
        if batch / taken < WORTH * speed:
            break
        best, speed = batch, batch / taken
        if 2 * taken > LONGEST_TRIAL:
            break
        batch *= 2
    return best


def _seconds(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch: int) -> float:
    """Of one trial, in which no answer ends early."""
    ids = torch.full((batch, PROMPT), tokenizer.pad_token_id or 0, device=model.device)
    sizes = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS, "pad_token_id": tokenizer.pad_token_id}
    begin = time.perf_counter()
    with torch.no_grad():
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, **sizes)  # type: ignore[operator]
    return time.perf_counter() - begin
