"""Answers to the problems of an evaluation: drawn a batch at a time, each batch a file, and graded from the files.

What is kept of an answer is its text and what the text does not say; grades follow from that, on any machine.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clipbias.common.files import drop_drafts, read_parquet, write_parquet
from clipbias.common.progress import steps
from clipbias.common.seeds import seed_of
from clipbias.validate.tasks.boxes import last_box
from clipbias.validate.tasks.problems import Problem, says
from clipbias.validate.tasks.repetition import Repetition

from .engine import Engine

GREEDY, SAMPLED = "greedy", "sampled"
SEED = 2506_10947


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """samples: drawn to each problem at `temperature`, beside the greedy one. longest: tokens of an answer."""

    samples: int
    temperature: float
    longest: int
    batch: int


def _parts(problems: int, samples: int, batch: int) -> list[list[tuple[int, int]]]:
    """(problem, sample) of every answer, batch by batch."""
    pairs = [(i, j) for i in range(problems) for j in range(samples)]
    return [pairs[first : first + batch] for first in range(0, len(pairs), batch)]


def _file(folder: Path, style: str, kind: str, part: int) -> Path:
    return folder / style / kind / f"{part:05d}.parquet"


def answer_all(folder: Path, problems: dict[str, Sequence[Problem]], asking: Asking, engine: Engine) -> None:
    """Draw what is not there. problems: by style.

    A batch's numbers follow from its place alone, so that a stopped evaluation ends with those that it would have had.
    """
    for kind, samples, temperature in ((GREEDY, 1, 0.0), (SAMPLED, asking.samples, asking.temperature)):
        for place, (style, asked) in enumerate(problems.items()):
            parts = _parts(len(asked), samples, asking.batch)
            missing = [i for i in range(len(parts)) if not _file(folder, style, kind, i).is_file()]
            drop_drafts(_file(folder, style, kind, 0).parent)
            with steps(f"{style}, {kind}", len(parts)) as done:
                for i in missing:
                    questions = [asked[p].prompt for p, _ in parts[i]]
                    found = engine.answer(questions, temperature, asking.longest, seed_of(SEED, place, i))
                    rows = [
                        {
                            "problem": p,
                            "sample": j,
                            "prompt": str(asked[p].prompt),
                            "answer": json.dumps(asked[p].answer),
                            "text": answered.text,
                            "tokens": answered.tokens,
                            "finished": answered.finished,
                        }
                        for (p, j), answered in zip(parts[i], found, strict=True)
                    ]
                    write_parquet(_file(folder, style, kind, i), rows, {})
                    done(i + 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graded:
    """Answers of one style and kind, [N] each; prompt of each problem by its place."""

    problem: NDArray[np.int64]
    right: NDArray[np.bool_]
    code: NDArray[np.bool_]
    boxed: NDArray[np.bool_]
    repeated: NDArray[np.bool_]
    finished: NDArray[np.bool_]
    tokens: NDArray[np.int64]


def grade(folder: Path, style: str, kind: str, uses_code: Callable[[str], bool]) -> Graded | None:
    """Grades of what is stored, in bounded time an answer; None where nothing is."""
    files = sorted((folder / style / kind).glob("*.parquet"))
    if not files:
        return None
    table = pa.concat_tables([read_parquet(file)[0] for file in files])
    texts: list[str] = table["text"].to_pylist()
    golds: list[Any] = [json.loads(answer) for answer in table["answer"].to_pylist()]
    right = np.zeros(len(texts), dtype=bool)
    with steps(f"grading {style}, {kind}", len(texts)) as done:
        for i, (text, gold) in enumerate(zip(texts, golds, strict=True)):
            right[i] = says(text, gold)
            done(i + 1)
    repeats = Repetition()
    return Graded(
        problem=table["problem"].to_numpy(),
        right=right,
        code=np.array([uses_code(text) for text in texts]),
        boxed=np.array([last_box(text) is not None for text in texts]),
        repeated=np.array([repeats.found_in(text) for text in texts]),
        finished=np.array(table["finished"].to_pylist()),
        tokens=table["tokens"].to_numpy(),
    )
