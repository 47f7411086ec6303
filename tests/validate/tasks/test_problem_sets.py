"""Problem sets in the forms in which they are published, from files that are damaged, hostile or whole."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipbias.common.errors import InputError
from clipbias.validate.recipe.task_line import TaskLine
from clipbias.validate.tasks import problem_sets, source
from clipbias.validate.tasks.problem_sets import answer_of, problems_of, read_file
from clipbias.validate.tasks.problems import Problem, says
from clipbias.validate.tasks.source import Countdown, File, Hub, Words, read_source
from clipbias.validate.tasks.word_problems import WORD_PROBLEMS

GSM8K = [
    {"question": "Half of 48 and 48?", "answer": "Half is 48/2 = <<48/2=24>>24.\n#### 72"},
    {"question": "The profit?", "answer": "That is\n#### 70,000"},
    {"question": "The loss?", "answer": "So\n#### -5.00"},
]
MATH = [
    {"prompt": "Half?", "answer": "\\frac{1}{2}", "source": "math", "id": "test/algebra/1.json"},
    {"problem": "In polar form?", "solution": "…", "answer": "\\left( 3, \\frac{\\pi}{2} \\right)"},
    {"Problem": "Bases?", "Answer": 70},
    {"problem": "m+n?", "answer": 142.0},
    {"prompt": "AIME?", "answer": "025"},
]


@pytest.mark.parametrize("form", ["jsonl", "json", "parquet"])
@pytest.mark.parametrize("rows", [GSM8K, [{"prompt": row["question"], "answer": row["answer"]} for row in GSM8K]])
def test_all_forms_hold_the_same(form: str, rows: list[dict[str, str]], tmp_path: Path) -> None:
    file = tmp_path / f"problems.{form}"
    match form:
        case "jsonl":
            file.write_text("".join(json.dumps(row) + "\n\n" for row in rows))
        case "json":
            file.write_text(json.dumps(rows))
        case "parquet":
            pq.write_table(pa.Table.from_pylist(rows), file)
    found = read_file(file, "task.train")
    assert [problem.answer for problem in found] == [72, 70000, -5]
    assert found[0].prompt == "Half of 48 and 48?"


def test_answers_are_those_of_the_published_sets() -> None:
    found = problems_of(MATH, "task.train")
    assert [problem.answer for problem in found] == ["\\frac{1}{2}", MATH[1]["answer"], "70", "142", "025"]
    assert says("so \\boxed{25}", found[4].answer)
    assert says("so \\boxed{0.5}", found[0].answer)
    assert not says("so 25", found[4].answer)  # not in a box
    assert answer_of("142.5") == "142.5"
    mixed = problems_of([*GSM8K, MATH[0]], "task.train")
    assert {type(problem.answer) for problem in mixed} == {str}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "at least one problem"),
        (["text"], "problem 1, must be an object"),
        ([GSM8K[0], {"answer": "1"}], "problem 2, must be one with a prompt or question or problem"),
        ([{"prompt": " ", "answer": "1"}], "problem 1, must be one with a prompt"),
        ([{"prompt": [{"role": "user"}], "answer": "1"}], "problem 1, must be one with a prompt"),
        ([{"prompt": "x"}], "problem 1, must be one with an answer"),
        ([{"prompt": "x", "answer": True}], "problem 1, must be one with an answer"),
        ([{"prompt": "x", "answer": ["1"]}], "problem 1, must be one with an answer"),
        ([{"prompt": "x" * 20_001, "answer": "1"}], "of at most 20,000 characters"),
        ([{"prompt": "\ud800", "answer": "1"}], "half a surrogate"),
    ],
)
def test_a_row_that_is_no_problem_is_named(rows: list[Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        problems_of(rows, "task.train")


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("a.jsonl", b'{"prompt": "x", "answer": "1"}\n{', "line 2"),
        ("a.json", b'{"prompt": "x"}', "a JSON list of objects"),
        ("a.json", b"[" * 100_000, "JSON"),
        ("a.jsonl", b"\xff\xfe", "JSON"),
        ("a.parquet", b"PAR1 and nothing more", "a whole Parquet file"),
        ("a.txt", b"x", r"\.jsonl, \.json, \.parquet"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(name: str, raw: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(InputError, match=said) as error:
        read_file(tmp_path / name, "task.train")
    assert "\n" not in str(error.value)


def test_sizes_are_bounded_before_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "packed.parquet"
    pq.write_table(pa.table({"prompt": ["x" * 10_000] * 400, "answer": ["1"] * 400}), packed, compression="zstd")
    monkeypatch.setattr(problem_sets, "LARGEST", 50_000)
    assert packed.stat().st_size < 50_000
    assert read_file(packed, "task.train")  # as a dictionary it is small unpacked, too
    monkeypatch.setattr(problem_sets, "LARGEST", packed.stat().st_size - 1)
    with pytest.raises(InputError, match="MB"):
        read_file(packed, "task.train")
    monkeypatch.setattr(problem_sets, "MOST", 2)
    with pytest.raises(InputError, match="at most 2 problems"):
        problems_of(GSM8K, "task.train")


def test_sources_are_read_as_they_are_written() -> None:
    commit = "e53f048856ff4f594e959d75785d2c2d37b678ee"
    assert read_source("words", "task.train") == Words()
    assert read_source("words:retold", "task.train") == Words("retold")
    assert read_source("countdown", "task.train") == Countdown()
    assert read_source("data/m.json", "task.train") == File(Path("data/m.json"))
    expected = Hub("openai/gsm8k", "main", "test", commit)
    assert read_source(f"hub:openai/gsm8k@{commit}:main/test", "task.train") == expected
    assert read_source(f"hub:a/b@{commit}/test", "task.train") == Hub("a/b", None, "test", commit)
    for wrong in ("hub:openai/gsm8k@main/test", "hub:openai/gsm8k/test", "words:", "words:other", "gsm8k", ""):
        with pytest.raises(InputError, match=r"task\.train must be words"):
            read_source(wrong, "task.train")


def test_the_hub_is_asked_at_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Hub can be reached here: what is asked of the library is held fast, and what it gives is read."""
    import datasets

    asked: list[Any] = []

    def load_dataset(*positional: Any, **named: Any) -> datasets.Dataset:
        asked.append((positional, named))
        return datasets.Dataset.from_list(GSM8K)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    commit = "0" * 40
    assert Hub("openai/gsm8k", "main", "test", commit).read("task.train")[0].answer == 72
    assert asked == [(("openai/gsm8k",), {"name": "main", "split": "test", "revision": commit})]

    def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(InputError, match=r"task\.train must be a data set that can be fetched \(no route\)"):
        Hub("openai/gsm8k", "main", "test", commit).read("task.train")


def test_what_is_held_out_is_never_trained_on(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    rows = [{"prompt": f"{i % 90}?", "answer": str(i)} for i in range(100)]  # ten questions stand there twice
    file.write_text(json.dumps(rows))
    found = TaskLine(train=str(file), held_out_problems=30).problems(8)
    again = TaskLine(train=str(file), held_out_problems=30).problems(8)
    assert found == again
    assert len(found.held_out) == 30
    questions = {problem.prompt for problem in found.held_out}
    assert not questions & {problem.prompt for problem in found.train}
    assert questions | {problem.prompt for problem in found.train} == {row["prompt"] for row in rows}
    with pytest.raises(InputError, match=r"task\.held_out_problems must be at most 100"):
        TaskLine(train=str(file), held_out_problems=101).problems(8)
    with pytest.raises(InputError, match=r"task\.held_out must be fewer than all"):
        TaskLine(train=str(file), held_out_problems=100).problems(8)


def test_word_problems_are_those_that_runs_were_made_with() -> None:
    """One generator, drawn from once: 512 to train on and the probe's after them."""
    from clipbias.validate.tasks.word_problems import word_problems

    plain = word_problems(WORD_PROBLEMS + 8, np.random.default_rng(2506_10947))
    found = TaskLine().problems(8)
    held_out = tuple(plain[WORD_PROBLEMS:])
    questions = {problem.prompt for problem in held_out}
    assert found.held_out == held_out
    assert found.train == tuple(problem for problem in plain[:WORD_PROBLEMS] if problem.prompt not in questions)


def test_perturbed_problems_keep_what_they_do_not_change() -> None:
    sources = ("words", "words:numbers", "words:retold")
    plain, numbers, retold = (TaskLine(held_out=source).problems(64).held_out for source in sources)
    assert [p.answer for p in retold] == [p.answer for p in plain]
    assert sum(p.answer == q.answer for p, q in zip(plain, numbers, strict=True)) < 10
    for first, second, third in zip(plain, numbers, retold, strict=True):
        assert re.sub(r"\d+", "#", str(first.prompt)) == re.sub(r"\d+", "#", str(second.prompt))
        assert digits(first) == digits(third)
        assert digits(first) != digits(second) or first.answer == second.answer
        assert len(str(third.prompt)) > 1.5 * len(str(first.prompt))


def digits(problem: Problem) -> list[str]:
    return sorted(re.findall(r"\d+", str(problem.prompt)))


def test_a_drawn_task_is_split_as_words_are() -> None:
    found = TaskLine(train="countdown", held_out_problems=16).problems(8)
    assert len(found.held_out) == 16
    assert len(found.train) > WORD_PROBLEMS - 20
    assert source.read_source("countdown", "task.train") == Countdown()
