"""Sets of problems from files and from the Hub: MATH-500, AMC, AIME, GSM8K, DeepScaleR, or the user's own.

A row is a question (`prompt`, `question` or `problem`) and its `answer`. Answers are LaTeX, which is looked for in the
last box; but where they end like GSM8K's, in "#### 42", they are the integers after that mark. Files come from
anywhere: sizes are bounded, nothing in them is run.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clipbias.common.errors import InputError, check

from .problems import Problem

LARGEST = 256_000_000  # bytes of a file, as it is and unpacked
MOST = 200_000  # problems
LONGEST = 20_000  # characters of a question
LONGEST_ANSWER = 10_000  # GSM8K's have the whole solution before the mark
QUESTIONS = ("prompt", "question", "problem")
FORMS = (".jsonl", ".json", ".parquet")
_MARKED = re.compile(r"####\s*(-?[0-9][0-9,]{0,15})(?:\.0+)?\s*$", re.ASCII)
_WHOLE = re.compile(r"(-?[0-9]{1,15})\.0+", re.ASCII)


def read_file(path: Path, field: str) -> list[Problem]:
    """The problems of a file; `field` is what the user called it."""
    check(path.suffix in FORMS, field, f"a file that ends in {', '.join(FORMS)}", str(path))
    check(path.is_file(), field, "a file that is there", str(path))
    check(path.stat().st_size <= LARGEST, field, f"of at most {LARGEST // 1_000_000} MB", str(path))
    if path.suffix == ".parquet":
        return problems_of(_parquet(path, field), field)
    raw = path.read_bytes()
    if path.suffix == ".json":
        rows = _json(raw, field, str(path))
        check(isinstance(rows, list), field, "a JSON list of objects", str(path))
        return problems_of(rows, field)
    lines = (line for line in raw.split(b"\n") if line.strip())
    return problems_of((_json(line, field, f"line {i}") for i, line in enumerate(lines, 1)), field)


def read_hub(repository: str, name: str | None, split: str, revision: str, field: str) -> list[Problem]:
    """The problems of a data set of the Hub at a commit."""
    from datasets import load_dataset  # seconds, and only where it is asked for

    try:
        rows = load_dataset(repository, name=name, split=split, revision=revision)
    except Exception as error:  # of the network, of the Hub, of whatever lies there
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(field, f"a data set that can be fetched ({reason})", repository) from error
    return problems_of(rows, field)


def problems_of(rows: Iterable[Any], field: str) -> list[Problem]:
    """Raises InputError with the number of the first row that is no problem."""
    found: list[Problem] = []
    for i, row in enumerate(rows, 1):
        check(i <= MOST, field, f"at most {MOST:,} problems", "more")
        found.append(_problem(row, f"{field}, problem {i},"))
    check(len(found) > 0, field, "at least one problem", "none")
    if all(isinstance(problem.answer, int) for problem in found):
        return found
    return [Problem(problem.prompt, str(problem.answer)) for problem in found]


def _problem(row: Any, place: str) -> Problem:
    check(isinstance(row, Mapping), place, "an object", type(row).__name__)
    named = {str(name).lower(): value for name, value in row.items()}
    question = next((named[name] for name in QUESTIONS if name in named), None)
    check(isinstance(question, str) and question.strip() != "", place, f"one with a {' or '.join(QUESTIONS)}", "none")
    check(len(str(question)) <= LONGEST, place, f"of at most {LONGEST:,} characters", len(str(question)))
    answer = named.get("answer")
    known = isinstance(answer, str | int | float) and not isinstance(answer, bool) and str(answer).strip() != ""
    check(known, place, "one with an answer, a text or a number", type(answer).__name__)
    check(len(str(answer)) <= LONGEST_ANSWER, place, f"with an answer of at most {LONGEST_ANSWER:,} characters", "more")
    try:
        str(question).encode()
        str(answer).encode()
    except UnicodeEncodeError:
        raise InputError(place, "text without half a surrogate pair") from None
    return Problem(str(question), answer_of(str(answer).strip()))


def answer_of(text: str) -> int | str:
    """The integer after GSM8K's mark; else the text, without the zeros of a whole number written 142.0."""
    if marked := _MARKED.search(text):
        return int(marked[1].replace(",", ""))
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def _json(raw: bytes, field: str, place: str) -> Any:
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(field, f"JSON: {place}: {error}") from None


def _parquet(path: Path, field: str) -> list[dict[str, Any]]:
    try:
        with pq.ParquetFile(path) as file:
            described = file.metadata
            unpacked = sum(described.row_group(i).total_byte_size for i in range(described.num_row_groups))
            small = unpacked <= LARGEST and described.num_rows <= MOST
            check(small, field, f"at most {MOST:,} problems in {LARGEST // 1_000_000} MB", str(path))
            wanted = [name for name in file.schema_arrow.names if name.lower() in (*QUESTIONS, "answer")]
            rows: list[dict[str, Any]] = file.read(columns=wanted).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(field, f"a whole Parquet file: {str(error).splitlines()[0]}", str(path)) from None
    return rows
