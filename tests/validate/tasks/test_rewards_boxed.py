import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clipbias.validate.tasks.boxes import LOOKED_AT, last_box


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (r"so \boxed{ 42 }.", "42"),
        (r"\boxed{1} then \boxed{2}", "2"),
        (r"\boxed{2} and \boxed{}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed {3}", "3"),
        (r"\boxed{\boxed{5}}", "{5}"),
        (r"\boxed{x = \boxed{5}}", "x = {5}"),
        (r"\boxed{\boxed{1}, \boxed{2}}", "{1}, {2}"),
        (r"\boxed{3 + \boxed{5}", "5"),  # the outer box is never closed
        (r"}} \boxed{7} }", "7"),
        (r"{{ \boxed{7}", "7"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{ 1 \right.}", r"\left\{ 1 \right."),
        (r"\boxed{a\\}", r"a\\"),
        (r"print('\\boxed{9}')", "9"),  # as in a program's text
        ("\\boxed{\u200f5\u200e\x00}", "5"),
        ("\\boxed{٣}", "٣"),
        (r"\boxed{}", None),
        ("\\boxed{ \n\t}", None),
        ("\\boxed{\u200f\u200b\x00}", None),
        (r"\boxed{\boxed{ }{}}", None),
        (r"\boxed{3", None),
        (r"\boxed 3", None),
        (r"\boxed\{3\}", None),
        (r"\boxe{3}", None),
        ("", None),
    ],
)
def test_the_last_box_that_is_closed_and_says_something(text: str, inside: str | None) -> None:
    assert last_box(text) == inside


def by_depth(text: str) -> str | None:
    """The definition, one box at a time: walk from each opening to the brace that closes it."""

    def is_plain_brace(i: int) -> bool:
        return text[i] in "{}" and not (text[i - 1 : i] == "\\" and text[i - 2 : i - 1] != "\\")

    commands = [m.span() for m in re.finditer(r"\\boxed *\{", text)]
    part_of_command = {i for a, b in commands for i in range(a, b)}
    closed = []
    for _, start in commands:
        depth = 1
        for end in range(start, len(text)):
            if is_plain_brace(end):
                depth += 1 if text[end] == "{" else -1
            if depth == 0:
                inside = [i for i in range(start, end) if not text[i].isspace() and not is_plain_brace(i)]
                if any(i not in part_of_command for i in inside):
                    closed.append((end, start))
                break
    if not closed:
        return None
    end, start = max(closed)
    return re.sub(r"\\boxed *\{", "{", text[start:end]).strip()


@given(st.lists(st.sampled_from(["\\boxed{", "\\boxed {", "{", "}", "\\{", "\\}", "\\", "x", " "]), max_size=20))
@example(["\\boxed{", "\\", "\\boxed{", "}", "}"])
def test_one_pass_agrees_with_the_definition(parts: list[str]) -> None:
    text = "".join(parts)
    assert last_box(text) == by_depth(text)


def test_only_the_end_of_a_long_text_is_looked_at() -> None:
    box = r"\boxed{1}"
    assert last_box(box + " " * (LOOKED_AT - len(box))) == "1"
    assert last_box(box + " " * (LOOKED_AT - len(box) + 1)) is None


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{" * 100_000 + "}" * 100_000,
        "{" * 100_000 + "}" * 100_000,
        r"\boxed{" * 1_500_000,
        r"\boxed" + " " * 10_000_000,
        "\\" * 10_000_000,
        r"\boxed{" + "1" * 10_000_000 + "}",
        r"\boxed{\{" * 100_000 + "}" * 100_000,
    ],
    ids=lambda text: f"{text[:9]}…",
)
def test_hostile_text_is_read_in_bounded_time(text: str) -> None:
    begin = time.process_time()
    last_box(text)
    assert time.process_time() - begin < 1.0
