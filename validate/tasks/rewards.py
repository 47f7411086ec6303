"""Rewards from strong to spurious: one expression, scored on a text.

An expression is a row of terms joined by "and", each with or without a "not" before it: "format and not python". Every
reward of arXiv:2506.10947 can be said so. One-shot is "ground-truth" on one training problem; "incorrect" is "majority"
on the problems whose majority label is wrong. Which problems are trained on is not the reward's business.
"""

import re
from dataclasses import dataclass

import numpy as np

from clipbias.common.errors import InputError, check

from .boxes import last_box
from .problems import says
from .repetition import MAX_LENGTH, Repetition

TERMS = ("random", "ground-truth", "majority", "incorrect", "format", "python", "no-repetition")
_ALLOWED = f'terms joined by " and ", each with or without "not " before it, of {", ".join(TERMS)}'
_TERM = re.compile(r"(not )?([a-z-]+)(?:\((\d{1,3}),(\d{1,3})\))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Term:
    """One condition on a response; `repetition` is set for no-repetition only."""

    name: str
    negated: bool = False
    repetition: Repetition | None = None

    def __str__(self) -> str:
        rule = self.repetition
        limits = "" if rule in (None, Repetition()) else f"({rule.min_length},{rule.min_repeats})"
        return f"{'not ' if self.negated else ''}{self.name}{limits}"

    def holds(self, text: str, answer: int | str | None, label: int | str | None, draw: bool) -> bool:
        match self.name:
            case "random":
                held = draw
            case "ground-truth":
                held = answer is not None and says(text, answer)
            case "majority" | "incorrect":
                held = label is not None and says(text, label)
            case "format":
                held = last_box(text) is not None
            case "python":
                held = "python" in text
            case "no-repetition":
                assert self.repetition is not None
                held = not self.repetition.found_in(text)
        return held != self.negated


@dataclass(frozen=True, slots=True)
class RewardExpression:
    """All terms must hold for a reward of 1."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " and ".join(str(term) for term in self.terms)

    def _names(self, *names: str) -> bool:
        return any(term.name in names for term in self.terms)

    @property
    def is_random(self) -> bool:
        return self._names("random")

    @property
    def needs_answer(self) -> bool:
        return self._names("ground-truth")

    @property
    def needs_label(self) -> bool:
        return self._names("majority", "incorrect")


def parse_reward(text: str) -> RewardExpression:
    """Read an expression; "no-repetition(3,5)" finds 5 repeats of 3 characters or more (10 of 10 unless told)."""
    terms = []
    for part in text.split(" and "):
        found = _TERM.fullmatch(part.strip())
        if found is None or found[2] not in TERMS:
            raise InputError("reward", _ALLOWED, text)
        rule = None
        if found[2] == "no-repetition":
            rule = Repetition() if found[3] is None else Repetition(int(found[3]), int(found[4]))
            allowed = f"no-repetition(characters from 1 to {MAX_LENGTH}, repeats from 2)"
            check(1 <= rule.min_length <= MAX_LENGTH and rule.min_repeats >= 2, "reward", allowed, text)
        else:
            check(found[3] is None, "reward", f"{_ALLOWED} (only no-repetition takes numbers)", text)
        terms.append(Term(found[2], found[1] is not None, rule))
    return RewardExpression(tuple(terms))


def score(
    reward: RewardExpression,
    text: str,
    answer: int | str | None = None,
    label: int | str | None = None,
    draw: bool | None = None,
) -> bool:
    """Whether a response earns the reward, on any text and in bounded time.

    answer: the right one, label: the majority's (None: the majority gave none, so that nothing matches it); integers,
    or LaTeX as str. draw: what "random" says for this sample, required if the expression has it.
    """
    if reward.is_random and draw is None:
        raise ValueError(f"draw is required for the reward {str(reward)!r}")
    return all(term.holds(text, answer, label, bool(draw)) for term in reward.terms)


def random_reward(seed: int, phase: int, prompt: int, sample: int, success_prob: float) -> float:
    """One Bernoulli(success_prob) draw that depends on nothing but its arguments (Philox, Salmon et al. 2011)."""
    generator = np.random.Generator(np.random.Philox(key=seed, counter=[0, phase, prompt, sample]))
    return float(generator.random() < success_prob)
