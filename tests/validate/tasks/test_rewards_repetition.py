import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbias.validate.tasks.boxes import LOOKED_AT
from clipbias.validate.tasks.repetition import MAX_LENGTH, Repetition


def by_definition(text: str, rule: Repetition) -> bool:
    return any(
        text[i : i + p] * rule.min_repeats in text
        for p in range(rule.min_length, min(len(text), MAX_LENGTH) + 1)
        for i in range(len(text) - p + 1)
    )


@given(st.text("ab", max_size=40), st.integers(1, 5), st.integers(2, 5))
def test_runs_of_equalities_agree_with_the_definition(text: str, min_length: int, min_repeats: int) -> None:
    rule = Repetition(min_length, min_repeats)
    assert rule.found_in(text) == by_definition(text, rule)


@given(st.text("ab", max_size=6), st.text("abc", min_size=1, max_size=6), st.integers(1, 8), st.text("ab", max_size=6))
def test_texts_that_repeat_agree_with_the_definition(before: str, unit: str, times: int, after: str) -> None:
    text = before + unit * times + after
    assert Repetition(3, 4).found_in(text) == by_definition(text, Repetition(3, 4))


@pytest.mark.parametrize("length", [10, 11, 255, 256])
def test_ten_repeats_of_10_to_256_characters_are_too_many(length: int) -> None:
    unit = "".join(chr(0x4E00 + i) for i in range(length))  # no shorter period
    assert Repetition().found_in(f"so {unit * 10} end")
    assert not Repetition().found_in(f"so {unit * 10}"[:-1])


@pytest.mark.parametrize("length", [9, 257])
def test_shorter_and_longer_units_do_not_count(length: int) -> None:
    unit = "".join(chr(0x4E00 + i) for i in range(length))
    assert not Repetition().found_in(unit * 10)
    assert Repetition().found_in("ab" * 50)  # but ten times "ababababab" is ten characters, ten times
    assert not Repetition().found_in(("ab" * 50)[:-1])


def test_only_the_end_of_a_long_text_is_looked_at() -> None:
    loop, numbers = "once more " * 10, " ".join(map(str, range(50_000)))
    assert Repetition().found_in(numbers + loop)
    assert not Repetition().found_in(loop + numbers)
    assert len(numbers) > LOOKED_AT


@pytest.mark.parametrize("text", ["x" * 10_000_000, "\ud800\x00" * 5_000_000, "".join(map(str, range(1_500_000)))])
def test_10_megabytes_take_bounded_time(text: str) -> None:
    begin = time.process_time()
    Repetition().found_in(text)
    assert time.process_time() - begin < 2.0
