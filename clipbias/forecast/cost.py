"""What a survey of a user's model takes, in seconds by a timed row and in bytes, and how many answers fit."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from clipbias.common.errors import InputError, check
from clipbias.validate.measure.gradient_survey import LOUD_ANSWERS
from clipbias.validate.model.gradients import BATCH_NUMBERS, Row, gradients, weighted_gradient
from clipbias.validate.model.size import ModelSize
from clipbias.validate.recipe.recipe import Parts

BUDGET = 600.0  # seconds of a survey whose size nobody gave
ANSWERS = (32, 24, 16, 12, 8, 6)  # to each prompt, as many as the budget bears
LARGE = 4_000_000  # parameters from which on a gradient for every token is too dear
TOGETHER = 64  # answers drawn at once, and rows of gradients kept at once
_TIMED_TOKENS = 4
_TIMED_ROWS = 32
_EDGES = 8  # rows of gradients an answer, where each token is one; known only afterwards
_NUMBER = 4  # bytes
_PARAMETER_COPIES = 12  # weights; squares of gradients, chances and sums of these in double precision
_ACTIVATION_COPIES = 6  # of a batch: taken in, given out and flowing back, twice
_BASE = 500 * 2**20  # torch and transformers


def parts_of(size: ModelSize, whole_answers: bool) -> Parts:
    return "answer" if whole_answers or size.parameters > LARGE else "token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Seconds: sampled, of one token of TOGETHER answers at once; row, weighted: of one answer's gradient at
    coordinates, and in full."""

    sampled: float
    row: float
    weighted: float

    def survey_seconds(self, prompts: int, answers: int, length: int, parts: Parts) -> float:
        """As if no answer were seen twice and all were as long as they may be."""
        count = prompts * answers
        drawn = self.sampled * length * count / TOGETHER
        rows = count * (_EDGES if parts == "token" else 1) * self.row
        return drawn + rows + count * self.row / 3 + LOUD_ANSWERS * self.weighted

    def answers_for(self, prompts: int, length: int, parts: Parts) -> int:
        """The most of ANSWERS that the budget bears, or the fewest."""
        fitting = (n for n in ANSWERS if self.survey_seconds(prompts, n, length, parts) <= BUDGET)
        return next(fitting, ANSWERS[-1])


def timed(model: PreTrainedModel, prompt: int, length: int) -> Speed:
    """By a few tokens and rows of such a length, made of the same token; as many rows as go together."""
    ids = torch.full((min(TOGETHER, 32), prompt), 1)
    began = time.monotonic()
    with torch.no_grad():
        inputs = model(input_ids=ids, use_cache=True)
        first = time.monotonic()
        for _ in range(_TIMED_TOKENS):
            inputs = model(input_ids=ids[:, :1], past_key_values=inputs.past_key_values, use_cache=True)
    sampled = (time.monotonic() - first) / _TIMED_TOKENS * TOGETHER / len(ids)
    sampled += (first - began) / length * TOGETHER / len(ids)
    widths = sum(p.shape[0] for p in model.parameters() if p.dim() == 2)
    count = max(1, min(_TIMED_ROWS, BATCH_NUMBERS // ((prompt + length) * widths)))
    rows = [Row((1,) * (prompt + length), prompt)] * count
    began = time.monotonic()
    gradients(model, rows, np.arange(1024))
    middle = time.monotonic()
    weighted_gradient(model, rows, [1.0] * count)
    return Speed(sampled=sampled, row=(middle - began) / count, weighted=(time.monotonic() - middle) / count)


def survey_bytes(size: ModelSize, prompt: int, length: int) -> int:
    """The most that a survey holds at once."""
    widths = size.layers * (3 * size.width + size.key_values + 3 * size.inner) + size.vocabulary
    batch = max(BATCH_NUMBERS, (prompt + length) * widths)
    cache = TOGETHER * ((prompt + length) * size.layers * size.key_values + 3 * size.vocabulary)
    copies = _PARAMETER_COPIES * size.parameters + _ACTIVATION_COPIES * batch
    return _BASE + _NUMBER * max(copies, size.parameters + cache)


def check_memory(needed: int, free: int) -> None:
    fits = f"free for this model's survey, about {needed / 1e9:.1f} GB (less with a smaller max_completion_length)"
    if needed > free:
        raise InputError("memory", f"{fits}, and {free / 1e9:.1f} GB are")


def check_positions(model: PreTrainedModel, prompt: int, length: int) -> None:
    most = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    fits = most is None or prompt + length <= most
    check(fits, "prompts", f"of at most {most} tokens with max_completion_length {length}", prompt + length)
