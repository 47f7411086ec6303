"""A model under transformers, in this process."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from clipbias.validate.model.sampling import answer_ends, draw, opening
from clipbias.validate.tasks.problems import Asked

from .engine import Answered


@dataclass(frozen=True, slots=True)
class TransformersEngine:
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    def answer(self, asked: Sequence[Asked], temperature: float, longest: int, seed: int) -> list[Answered]:
        rows = draw(self.model, self.tokenizer, asked, samples=1, longest=longest, seed=seed, temperature=temperature)
        ends, found = answer_ends(self.model, self.tokenizer), []
        for question, row in zip(asked, rows, strict=True):
            end = next((i + 1 for i, token in enumerate(row) if token in ends), None)
            text = str(self.tokenizer.decode(row[:end], skip_special_tokens=True))
            found.append(Answered(opening(question) + text, len(row) if end is None else end, end is not None))
        return found
