import itertools
import math
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbias.common.errors import InputError
from clipbias.validate.tasks.repetition import Repetition
from clipbias.validate.tasks.rewards import (
    TERMS,
    RewardExpression,
    Term,
    parse_reward,
    random_reward,
    score,
)
from clipbias.validate.train.reward_function import reward_function, text_of


def test_draws_are_fair_by_z_score() -> None:
    draws = [random_reward(3, t, k, i, 0.3) for t in range(20) for k in range(20) for i in range(16)]
    z = (np.mean(draws) - 0.3) / math.sqrt(0.3 * 0.7 / len(draws))
    assert abs(z) < 4


def test_a_draw_depends_on_every_coordinate_and_on_nothing_else() -> None:
    def row(seed: int, phase: int, prompt: int) -> list[float]:
        return [random_reward(seed, phase, prompt, i, 0.5) for i in range(64)]

    base = row(1, 2, 3)
    assert row(1, 2, 3) == base
    for other in (row(2, 2, 3), row(1, 3, 3), row(1, 2, 4)):
        agreement = np.mean(np.equal(base, other))
        assert abs(agreement - 0.5) < 4 * 0.5 / 8  # independent coins agree half the time


def test_draws_are_those_of_the_runs_that_have_been_made() -> None:
    draws = [int(random_reward(2506, 7, k, i, 0.5)) for k in range(3) for i in range(8)]
    assert draws == [0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 0]


def test_the_reward_function_ignores_the_completions() -> None:
    reward = reward_function(parse_reward("random"), seed=5, success_prob=0.5, group_size=4)
    phases, slots = [7] * 8, [0] * 4 + [1] * 4
    first = reward(completions=["right"] * 8, phase=phases, slot=slots, prompts=None)
    second = reward(completions=["wrong"] * 8, phase=phases, slot=slots, prompts=None)
    assert first == second == [random_reward(5, 7, k, i, 0.5) for k in (0, 1) for i in range(4)]


rules = st.builds(Repetition, st.integers(1, 256), st.integers(2, 999))
terms = st.one_of(
    st.builds(Term, st.sampled_from([name for name in TERMS if name != "no-repetition"]), st.booleans()),
    st.builds(Term, st.just("no-repetition"), st.booleans(), rules),
)


@given(st.lists(terms, min_size=1, max_size=5))
def test_an_expression_reads_back_what_it_prints(row: list[Term]) -> None:
    expression = RewardExpression(tuple(row))
    assert parse_reward(str(expression)) == expression


@pytest.mark.parametrize(
    "text",
    [
        *("", "not", "correct", "format and", "format or python", "not not python", "Format", "format;"),
        *("format\nand python", "python(3,5)", "no-repetition(3)", "no-repetition(0,5)", "no-repetition(257,5)"),
        "no-repetition(3,1)",
    ],
)
def test_another_expression_is_one_line_that_names_the_field(text: str) -> None:
    with pytest.raises(InputError, match=r"^reward must be") as caught:
        parse_reward(text)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_text_is_an_expression_or_an_input_error(text: str) -> None:
    try:
        parse_reward(text)
    except InputError:
        return


def test_what_an_expression_needs() -> None:
    needs = {name: parse_reward(f"python and not {name}") for name in TERMS}
    assert [name for name, reward in needs.items() if reward.is_random] == ["random"]
    assert [name for name, reward in needs.items() if reward.needs_answer] == ["ground-truth"]
    assert [name for name, reward in needs.items() if reward.needs_label] == ["majority", "incorrect"]


# One text for every combination of conditions; the answer is 1, the label 2.
CASES = {
    (right, voted, boxed, python): f"{'python ' if python else ''}{'because ' * 3}{number if not boxed else box}"
    for right, voted, number in ((True, False, "1"), (False, True, "2"), (False, False, "3"))
    for boxed, box in ((True, f"\\boxed{{{number}}}"), (False, ""))
    for python in (True, False)
}
CONDITIONS = ("ground-truth", "majority", "format", "python")


def test_truth_tables_of_and_and_not() -> None:
    assert len(CASES) == 12
    for truth, text in CASES.items():
        value = dict(zip(CONDITIONS, truth, strict=True))
        value |= {"incorrect": value["majority"], "random": False, "no-repetition": True}
        for name in TERMS:
            assert score(parse_reward(name), text, 1, 2, draw=False) == value[name]
            assert score(parse_reward(f"not {name}"), text, 1, 2, draw=False) != value[name]
        for a, b in itertools.product(TERMS, TERMS):
            assert score(parse_reward(f"{a} and {b}"), text, 1, 2, draw=False) == (value[a] and value[b])
            assert score(parse_reward(f"{a} and not {b}"), text, 1, 2, draw=False) == (value[a] and not value[b])
            assert score(parse_reward(f"not {a} and not {b}"), text, 1, 2, draw=False) == (
                not value[a] and not value[b]
            )


def test_single_rewards() -> None:
    assert score(parse_reward("python"), "a Python") is False  # the paper's string is lower case
    assert score(parse_reward("format"), r"\boxed{\boxed{}}") is False
    assert score(parse_reward("ground-truth"), r"\boxed{\frac{2}{4}}", "1/2") is True
    assert score(parse_reward("ground-truth"), "1/2", "1/2") is False  # LaTeX is looked for in boxes only
    assert score(parse_reward("ground-truth"), "so 12", 12) is True
    assert score(parse_reward("majority"), "so 12", 12, None) is False  # no majority: nothing matches it
    assert score(parse_reward("not majority"), "so 12", 12, None) is True
    assert score(parse_reward("no-repetition(3,5)"), "abcabcabcabcabc") is False
    assert score(parse_reward("no-repetition(3,5)"), "abcabcabcabcab") is True
    assert score(parse_reward("random"), "", draw=True) is True
    with pytest.raises(ValueError, match="draw"):
        score(parse_reward("random"), "")


def test_a_sample_s_reward_depends_on_nothing_but_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {
        "completions": [f"\\boxed{{{i % 3}}}" + " python" * (i % 2) for i in range(16)],
        "phase": [4] * 16,
        "slot": [i // 4 for i in range(16)],
        "answer": [1] * 16,
        "label": [2] * 16,
    }
    expression = parse_reward("random and format and not python")
    whole = reward_function(expression, seed=1, success_prob=0.7, group_size=4)(**columns)
    assert 0 < sum(whole) < 8
    for i, value in enumerate(whole):
        alone = score(parse_reward("format and not python"), columns["completions"][i])
        assert value == alone * random_reward(1, 4, i // 4, i % 4, 0.7)
    parts = []
    for process in (0, 1):
        half = slice(8 * process, 8 * process + 8)
        state = SimpleNamespace(process_index=process)
        monkeypatch.setattr("accelerate.PartialState", lambda state=state: state)
        part = reward_function(expression, seed=1, success_prob=0.7, group_size=4)
        parts += part(**{name: column[half] for name, column in columns.items()})
    assert parts == whole


def test_never_and_always() -> None:
    columns = {"completions": [""] * 64, "phase": [0] * 64, "slot": [0] * 64}
    for success_prob in (0.0, 1.0):
        assert reward_function(parse_reward("random"), 3, success_prob, 64)(**columns) == [success_prob] * 64


def test_chat_completions_and_missing_columns() -> None:
    chat = [[{"role": "assistant", "content": "so 12"}], [{"role": "assistant", "content": None}]]
    assert [text_of(completion) for completion in chat] == ["so 12", ""]
    columns = {"completions": chat, "phase": [0, 0], "slot": [0, 0]}
    assert reward_function(parse_reward("ground-truth"), 0, 0.5, 2)(**columns, answer=[12, 12]) == [1.0, 0.0]
    for name, column in (("ground-truth", "answer"), ("incorrect", "label")):
        with pytest.raises(InputError, match=rf"^{column} must be a column"):
            reward_function(parse_reward(name), 0, 0.5, 2)(**columns)


DETERMINISTIC = [parse_reward(name) for name in TERMS if name != "random"] + [parse_reward("no-repetition(1,2)")]


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{" * 100_000 + "1" + "}" * 100_000,
        r"\boxed{" + "7" * 10_000_000 + "}",
        "7" * 10_000_000,
        r"\boxed{" + r"\sqrt{" * 1000 + "2" + "}" * 1001,
        r"\boxed{1}{{{" + "}" * 50_000,
        "\x00" * 1_000_000 + r"\boxed{" + "\x00}",
        "\u202e\\boxed{\u200f}" * 10_000,
        r"\boxed{٣}" * 10_000,
        "python" * 1_700_000,
        r"\boxed{1/0}",
    ],
    ids=lambda text: f"{text[:9]}…",
)
def test_every_reward_is_bounded_on_hostile_text(text: str) -> None:
    for reward, answer in itertools.product(DETERMINISTIC, (7, r"\sqrt{7}")):
        begin = time.perf_counter()
        score(reward, text, answer, answer)
        assert time.perf_counter() - begin < 10.0, reward


@given(st.text(), st.sampled_from(DETERMINISTIC), st.sampled_from([7, "7"]))
def test_any_text_has_a_score(text: str, reward: RewardExpression, answer: int | str) -> None:
    assert score(reward, text, answer, answer) in (True, False)
    assert score(reward, f"{text}\\boxed{{7}}", answer, answer) in (True, False)
