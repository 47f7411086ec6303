"""What answers questions: of an evaluation, an engine is all that knows what a model runs on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from clipbias.validate.tasks.problems import Asked


@dataclass(frozen=True, slots=True)
class Answered:
    """text: with the first words that were given. tokens: that the model wrote, its end included. finished: whether it
    came to an end."""

    text: str
    tokens: int
    finished: bool


class Engine(Protocol):
    def answer(self, asked: Sequence[Asked], temperature: float, longest: int, seed: int) -> list[Answered]:
        """One answer to each question of one style, of at most `longest` tokens, greedy at temperature 0; the same for
        the same questions and seed."""
        ...
