"""Answers are drawn a batch at a time: who is asked how often in which, and that seeds follow from its number."""

from collections.abc import Sequence
from typing import Any

import pytest

from clipbias.common.seeds import seed_of
from clipbias.validate.model import sampling

Drawn = tuple[tuple[str, ...], int, int]


@pytest.mark.parametrize(
    ("prompts", "samples", "batch", "expected"),
    [
        ("abc", 4, 1024, [("abc", 4)]),
        ("abc", 4, 8, [("ab", 4), ("c", 4)]),
        ("abc", 4, 7, [("a", 4), ("b", 4), ("c", 4)]),
        ("ab", 5, 2, [("a", 2), ("a", 2), ("a", 1), ("b", 2), ("b", 2), ("b", 1)]),
        ("ab", 2, 1, [("a", 1), ("a", 1), ("b", 1), ("b", 1)]),
    ],
)
def test_a_batch_is_never_larger(
    prompts: str, samples: int, batch: int, expected: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `draw` lays them out, a prompt's answers side by side, each marked with its prompt, place and seed."""
    calls: list[Drawn] = []

    def draw(
        model: Any, tokenizer: Any, some: Sequence[str], *, samples: int, longest: int, seed: int
    ) -> list[list[int]]:
        calls.append((tuple(some), samples, seed))
        return [[ord(prompt), i, seed] for prompt in some for i in range(samples)]

    monkeypatch.setattr(sampling, "draw", draw)
    done: list[int] = []
    unasked: Any = None  # model and tokenizer, which `draw` alone would look at
    found = sampling.sample_tokens(unasked, unasked, prompts, samples, 9, 3, done.append, batch)
    seeds = [seed_of(3, i) for i in range(len(expected))]
    assert calls == [(tuple(some), count, seed) for (some, count), seed in zip(expected, seeds, strict=True)]
    assert max(len(some) * count for some, count, _ in calls) <= max(batch, 1)
    for prompt, answers in zip(prompts, found, strict=True):
        mine = [(count, seed) for some, count, seed in calls if prompt in some]
        assert answers == [[ord(prompt), i, seed] for count, seed in mine for i in range(count)]
    assert done[-1] == len(prompts)
