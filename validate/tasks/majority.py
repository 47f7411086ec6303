"""Majority labels: what most of a model's own answers to a problem say, right or wrong."""

from collections import Counter
from collections.abc import Sequence

from .equivalence import equivalent

Answer = int | str


def majority_label(answers: Sequence[Answer | None]) -> Answer | None:
    """The answer that most samples give; None where no sample gives one.

    LaTeX answers vote together if each is equivalent to the first of them, which is then the label. Of answers with
    equally many votes the one that was given first wins, so that the label depends on the samples and their order only.
    """
    votes = Counter(answer for answer in answers if answer is not None)
    classes: Counter[Answer] = Counter()
    for answer, count in votes.items():  # a Counter keeps the order in which its keys came
        texts = [first for first in classes if isinstance(first, str)] if isinstance(answer, str) else []
        same = (first for first in texts if equivalent(first, str(answer)))
        classes[next(same, answer)] += count
    return max(classes, key=classes.__getitem__, default=None)


def majority_labels(answers: Sequence[Sequence[Answer | None]]) -> list[Answer | None]:
    """One label for every problem, from the answers of its samples (see problems.read_like)."""
    return [majority_label(samples) for samples in answers]
