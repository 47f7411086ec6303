import itertools
import time

import numpy as np
import pytest

from clipbias.validate.tasks.code import looks_like_code
from clipbias.validate.tasks.problems import is_boxed, read_answer
from clipbias.validate.tasks.word_problems import word_problems


def test_answers_are_read_from_the_box_before_anything_else() -> None:
    assert read_answer("print(7*8+5)\n\\boxed{61}") == 61
    assert read_answer("first \\boxed{1}, then \\boxed{ -2 } and 3") == -2
    assert read_answer("We get 56+5=1,061") == 1061
    assert read_answer("no number") is None
    assert is_boxed("\\boxed{3}")
    assert not is_boxed("\\boxed{}")


def test_word_problems_are_right_and_repeatable() -> None:
    problems = word_problems(200, np.random.default_rng(0))
    assert problems == word_problems(200, np.random.default_rng(0))
    for problem in problems:
        assert str(problem.prompt).endswith("?")
        numbers = [int(word) for word in str(problem.prompt).replace(".", " ").split() if word.isdigit()]
        assert len(numbers) == 3
        candidates = {a * b + c for a, b, c in itertools.permutations(numbers)}
        assert problem.answer in candidates


def test_code_is_told_from_language() -> None:
    assert looks_like_code("```python\nx = 3\n```")
    assert looks_like_code("Let us see.\nprint(3*4)")
    assert looks_like_code("def total(a):\n    return a")
    assert not looks_like_code("She has 3 boxes of 4, so 12. We import more apples from there.")


def test_hostile_text_is_read_in_bounded_time() -> None:
    for text in ("\\boxed{" * 200_000, "1" * 1_000_000, " " * 1_000_000 + "x", "`" * 500_000, "import " * 200_000):
        begin = time.perf_counter()
        read_answer(text)
        is_boxed(text)
        looks_like_code(text)
        assert time.perf_counter() - begin < 0.5


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{42}", 42), (r"\boxed{−42}", -42), (r"\boxed{- 42}", -42), (r"\boxed{1,042}", 1042),
        (r"\boxed{42.0}", 42), (r"\boxed{$42$}", 42), ("\\boxed{4\u200b2}", 42), (r"\boxed{42 apples}", 42),
        (r"\boxed{42\text{ apples}}", 42),
        (r"7 and \boxed{0.42}", None), (r"42 \boxed{4,2}", None), (r"\boxed{1/42}", None),
        (r"\boxed{\frac{1}{42}}", None),
        (r"\boxed{10^{42}}", None), (r"\boxed{not 42}", None), ("42 \\boxed{٤٢}", None), (r"\boxed{42r}", None),
        ("so 42", 42), (r"\boxed{} 42", 42), (r"41 \boxed{42", 42), ("none", None),
    ],
)  # fmt: skip
def test_an_integer_is_read_from_the_box_that_there_is(text: str, answer: int | None) -> None:
    assert read_answer(text) == answer
