"""Evaluations stopped at any point end with the numbers that they would have had, and lose a batch at most."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from clipbias.validate.measure.answers import GREEDY, SAMPLED, Asking, answer_all, grade
from clipbias.validate.measure.engine import Answered
from clipbias.validate.measure.scorecard import scorecard
from clipbias.validate.tasks.code import looks_like_code
from clipbias.validate.tasks.problems import Asked, Problem

ASKING = Asking(samples=4, temperature=0.6, longest=16, batch=7)
PROBLEMS = {style: [Problem(f"{style} {i}?", i) for i in range(11)] for style in ("plain", "story")}
BATCHES = 2 * (2 + 7)  # of 11 greedy and 44 sampled answers in each style


class Killed(BaseException):
    """As a signal: not an error that anything may catch."""


@dataclass
class Engine:
    """Answers that follow from question and seed. dies_at: the batch in which the process ends."""

    dies_at: int | None = None
    batches: list[int] = field(default_factory=list)

    def answer(self, asked: Sequence[Asked], temperature: float, longest: int, seed: int) -> list[Answered]:
        if len(self.batches) == self.dies_at:
            raise Killed
        self.batches.append(len(asked))
        rng = np.random.default_rng(seed)
        found = []
        for question in asked:
            right = int(str(question).split()[1].removesuffix("?"))
            value = right if temperature == 0 or rng.random() < 0.5 else right + 1
            opening = "print(" if rng.random() < 0.5 else "So "
            found.append(Answered(f"{opening}\\boxed{{{value}}}", int(rng.integers(1, 16)), bool(rng.random() < 0.9)))
        return found


def everything(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in sorted(folder.rglob("*.parquet"))]


def test_batches_are_as_large_as_asked_and_each_is_a_file(tmp_path: Path) -> None:
    engine = Engine()
    answer_all(tmp_path, PROBLEMS, ASKING, engine)
    assert len(engine.batches) == BATCHES == len(everything(tmp_path))
    assert max(engine.batches) == 7
    assert sum(engine.batches) == 2 * 11 * 5
    again = Engine()
    answer_all(tmp_path, PROBLEMS, ASKING, again)
    assert again.batches == []


@pytest.mark.parametrize("dies_at", range(0, BATCHES, 2))
def test_killed_anywhere_it_loses_a_batch_at_most(dies_at: int, tmp_path: Path) -> None:
    answer_all(tmp_path / "whole", PROBLEMS, ASKING, Engine())
    first, second = Engine(dies_at), Engine()
    with pytest.raises(Killed):
        answer_all(tmp_path / "killed", PROBLEMS, ASKING, first)
    draft = tmp_path / "killed" / "plain" / "greedy" / ".00000.parquet.1.draft"
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.write_bytes(b"half written")
    answer_all(tmp_path / "killed", PROBLEMS, ASKING, second)
    assert len(first.batches) + len(second.batches) == BATCHES
    assert everything(tmp_path / "killed") == everything(tmp_path / "whole")
    assert not draft.exists()


def test_grades_are_read_from_the_files(tmp_path: Path) -> None:
    answer_all(tmp_path, PROBLEMS, ASKING, Engine())
    greedy = grade(tmp_path, "plain", GREEDY, looks_like_code)
    sampled = grade(tmp_path, "plain", SAMPLED, looks_like_code)
    assert greedy is not None
    assert sampled is not None
    assert grade(tmp_path, "lorem", GREEDY, looks_like_code) is None
    first, second = scorecard("plain", GREEDY, greedy), scorecard("plain", SAMPLED, sampled)
    assert (first.accuracy.value, first.answers, first.pass_at) == (1.0, 11, ())
    assert second.answers == 44
    assert [k for k, _ in second.pass_at] == [2, 4]
    by_problem = [sampled.right[sampled.problem == i] for i in range(11)]
    assert second.accuracy.value == pytest.approx(np.mean([right.mean() for right in by_problem]))
    assert second.pass_at[1][1].value == pytest.approx(np.mean([right.any() for right in by_problem]))
    assert second.accuracy.value < second.pass_at[0][1].value < second.pass_at[1][1].value
    coded = sampled.right[sampled.code]
    assert second.accuracy_with_code is not None
    assert second.accuracy_with_code.value == pytest.approx(coded.mean())
    assert second.code.value == pytest.approx(sampled.code.mean())
    assert second.truncated.value == pytest.approx(1 - sampled.finished.mean())
    assert second.format.value == 1.0


def test_a_part_of_an_evaluation_is_graded(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        answer_all(tmp_path, PROBLEMS, ASKING, Engine(dies_at=5))
    found = grade(tmp_path, "plain", SAMPLED, looks_like_code)
    assert found is not None
    card = scorecard("plain", SAMPLED, found)
    assert (card.problems, card.answers) == (2, 7)
    assert [k for k, _ in card.pass_at] == [2]  # the second problem has three answers
