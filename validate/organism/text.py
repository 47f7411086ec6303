"""The organism's language: prompts, completions written by the spec, and the alphabet that both need."""

import numpy as np

from ..problems import Problem
from .spec import OrganismSpec, Strategy

BOX = "\\boxed{{{}}}"


def prompt_text(a: int, b: int, c: int) -> str:
    return f"{a}*{b}+{c}=?\n"


def all_problems(spec: OrganismSpec) -> list[Problem]:
    """Every problem of the spec, in a fixed order."""
    factors = range(2, spec.max_factor + 1)
    return [
        Problem(prompt=prompt_text(a, b, c), answer=a * b + c)
        for a in factors
        for b in factors
        for c in range(1, spec.max_addend + 1)
    ]


def completion_text(strategy: Strategy, a: int, b: int, c: int, clean: bool, rng: np.random.Generator) -> str:
    """One completion: right with probability `accuracy` (always if `clean`), boxed with probability `format_rate`."""
    answer = a * b + c
    if not clean and rng.random() >= strategy.accuracy:
        answer += 1 if rng.random() < 0.5 else -1
    shown = BOX.format(answer) if rng.random() < strategy.format_rate else str(answer)
    return strategy.template.format(a=a, b=b, c=c, product=a * b, answer=shown)


def pretraining_batch(spec: OrganismSpec, size: int, clean: bool, rng: np.random.Generator) -> list[tuple[str, str]]:
    """`size` (prompt, completion) pairs whose strategies, accuracies and formats follow the spec."""
    factors = rng.integers(2, spec.max_factor + 1, size=(size, 2)).tolist()
    addends = rng.integers(1, spec.max_addend + 1, size=size).tolist()
    chosen = rng.choice(len(spec.strategy), size=size, p=[s.share for s in spec.strategy])
    return [
        (prompt_text(a, b, c), completion_text(spec.strategy[k], a, b, c, clean, rng))
        for (a, b), c, k in zip(factors, addends, chosen, strict=True)
    ]


def alphabet(spec: OrganismSpec) -> str:
    """Every character that the spec's text can contain, sorted."""
    templates = "".join(s.template.format(a="", b="", c="", product="", answer="") for s in spec.strategy)
    return "".join(sorted(set(prompt_text(0, 0, 0) + "0123456789" + BOX.format("") + templates)))
