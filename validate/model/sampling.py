"""Answers of a model at temperature 1, by the same numbers each time."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from clipbias.common.seeds import seed_of
from clipbias.validate.recipe.training import BATCH
from clipbias.validate.tasks.problems import Asked, Prompt


def _prompt(asked: Asked) -> Prompt:
    return Prompt(asked) if isinstance(asked, str) else asked


def turns(asked: Asked) -> list[dict[str, str]]:
    """The messages of a chat."""
    prompt = _prompt(asked)
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    return [*system, {"role": "user", "content": prompt.text}]


def is_chat(tokenizer: PreTrainedTokenizerBase, asked: Asked) -> bool:
    return bool(tokenizer.chat_template) and _prompt(asked).chat


def opening(asked: Asked) -> str:
    """The answer's first words, where they are given."""
    return _prompt(asked).opening


def written(tokenizer: PreTrainedTokenizerBase, asked: Asked) -> str:
    """All that a model reads before it goes on: through its chat template where it has one, else the system's words
    before the user's."""
    prompt = _prompt(asked)
    if is_chat(tokenizer, asked):
        text = str(tokenizer.apply_chat_template(turns(asked), tokenize=False, add_generation_prompt=True))
    else:
        text = "\n\n".join(part for part in (prompt.system, prompt.text) if part)
        text += "\n\n" if prompt.opening else ""
    return text + prompt.opening


def encode_prompts(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Asked]) -> dict[str, torch.Tensor]:
    """Left-padded token ids of prompts of one style. A chat template writes the special tokens itself."""
    encoded = tokenizer(
        [written(tokenizer, asked) for asked in prompts],
        padding=True,
        padding_side="left",
        return_tensors="pt",
        add_special_tokens=not is_chat(tokenizer, prompts[0]),
    )
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}


def draw(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Asked],
    *,
    samples: int,
    longest: int,
    seed: int,
    temperature: float = 1.0,
) -> list[list[int]]:
    """`samples` answers to each prompt as tokens, in one batch, padding after the end included; the likeliest tokens at
    temperature 0.

    torch's own stream is left where it was.
    """
    inputs = encode_prompts(tokenizer, prompts)
    generate: Any = model.generate
    at = (
        {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        if temperature
        else {"do_sample": False}
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        found = generate(
            **{name: tensor.to(model.device) for name, tensor in inputs.items()},
            **at,
            repetition_penalty=1.0,  # some models come with others
            num_return_sequences=samples,
            max_new_tokens=longest,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=sorted(answer_ends(model, tokenizer)),  # a tokenizer's end may be none of the model's
        )
    rows: list[list[int]] = found[:, inputs["input_ids"].shape[1] :].tolist()
    return rows


def sample_tokens(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Asked],
    samples: int,
    max_new_tokens: int,
    seed: int,
    progress: Any = None,
    batch: int = BATCH,
) -> list[list[list[int]]]:
    """`samples` answers to each prompt (`draw`), at most `batch` at a time: to many prompts, or some of those to one.
    progress is called with the number of prompts done.

    The sampler is seeded anew for every batch from (seed, its number), so that answers depend on the batch.
    """
    answers: list[list[list[int]]] = []
    step, each = max(1, batch // samples), min(samples, batch)
    parts = itertools.count()
    for first in range(0, len(prompts), step):
        some = prompts[first : first + step]
        found: list[list[list[int]]] = [[] for _ in some]
        for drawn in range(0, samples, each):
            count = min(each, samples - drawn)
            rows = draw(model, tokenizer, some, samples=count, longest=max_new_tokens, seed=seed_of(seed, next(parts)))
            for i, of in enumerate(found):
                of.extend(rows[i * count : (i + 1) * count])
        answers.extend(found)
        if progress is not None:
            progress(len(answers))
    return answers


def sample_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Asked],
    samples: int,
    max_new_tokens: int,
    seed: int,
    progress: Any = None,
    batch: int = BATCH,
) -> list[list[str]]:
    """The texts of `sample_tokens`."""
    answers = sample_tokens(model, tokenizer, prompts, samples, max_new_tokens, seed, progress, batch)
    return [tokenizer.batch_decode(rows, skip_special_tokens=True) for rows in answers]


@dataclass(frozen=True, slots=True)
class Answer:
    """tokens: to the end, which is one of them where the answer came to it. count: how often it was drawn."""

    problem: int
    tokens: tuple[int, ...]
    count: int


def distinct_answers(drawn: Sequence[Sequence[Sequence[int]]], ends: set[int]) -> list[Answer]:
    """Each problem's distinct answers, cut after their end. drawn: of `sample_tokens`."""
    found: list[Answer] = []
    for problem, answers in enumerate(drawn):
        seen: dict[tuple[int, ...], int] = {}
        for tokens in answers:
            end = next((i + 1 for i, token in enumerate(tokens) if token in ends), len(tokens))
            kept = tuple(tokens[:end])
            seen[kept] = seen.get(kept, 0) + 1
        found.extend(Answer(problem, tokens, count) for tokens, count in seen.items())
    return found


def answer_ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Tokens that end an answer."""
    known = getattr(model.generation_config, "eos_token_id", None)
    listed = known if isinstance(known, list) else [known]
    return {int(token) for token in [*listed, tokenizer.eos_token_id] if token is not None}


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Asked]) -> list[tuple[int, ...]]:
    """Each prompt's tokens, without padding."""
    asked = encode_prompts(tokenizer, prompts)
    return [
        tuple(ids[mask.bool()].tolist()) for ids, mask in zip(asked["input_ids"], asked["attention_mask"], strict=True)
    ]
