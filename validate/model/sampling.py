"""Answers of a model at temperature 1, by the same numbers each time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from clipbias.common.seeds import seed_of

BATCH = 1024  # answers generated together


def encode_prompts(tokenizer: PreTrainedTokenizerBase, prompts: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Left-padded token ids, through the chat template where there is one."""
    if tokenizer.chat_template:
        texts = [
            tokenizer.apply_chat_template([{"role": "user", "content": p}], tokenize=False, add_generation_prompt=True)
            for p in prompts
        ]
    else:
        texts = list(prompts)
    encoded = tokenizer(
        texts,
        padding=True,
        padding_side="left",
        return_tensors="pt",
        add_special_tokens=not tokenizer.chat_template,
    )
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}


def sample_tokens(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: tuple[str, ...],
    samples: int,
    max_new_tokens: int,
    seed: int,
    progress: Any = None,
) -> list[list[list[int]]]:
    """`samples` answers to each prompt as tokens, padding after the end included. progress is called with the number of
    prompts done.

    The sampler is seeded anew for every batch from (seed, batch), and torch's own stream is left where it was.
    """
    answers: list[list[list[int]]] = []
    generate: Any = model.generate
    step = max(1, BATCH // samples)
    for batch, first in enumerate(range(0, len(prompts), step)):
        inputs = encode_prompts(tokenizer, prompts[first : first + step])
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed_of(seed, batch))
            found = generate(
                **{name: tensor.to(model.device) for name, tensor in inputs.items()},
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                num_return_sequences=samples,
                max_new_tokens=max_new_tokens,
                pad_token_id=tokenizer.pad_token_id,
            )
        rows = found[:, inputs["input_ids"].shape[1] :].tolist()
        answers.extend(rows[i : i + samples] for i in range(0, len(rows), samples))
        if progress is not None:
            progress(len(answers))
    return answers


def sample_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: tuple[str, ...],
    samples: int,
    max_new_tokens: int,
    seed: int,
    progress: Any = None,
) -> list[list[str]]:
    """The texts of `sample_tokens`."""
    answers = sample_tokens(model, tokenizer, prompts, samples, max_new_tokens, seed, progress)
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


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, prompts: tuple[str, ...]) -> list[tuple[int, ...]]:
    """Each prompt's tokens, without padding."""
    asked = encode_prompts(tokenizer, prompts)
    return [
        tuple(ids[mask.bool()].tolist()) for ids, mask in zip(asked["input_ids"], asked["attention_mask"], strict=True)
    ]
