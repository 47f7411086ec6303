"""Users' functions: called as TRL calls them, and every way of failing told in a line with their own line number."""

from pathlib import Path

import numpy as np
import pytest
import torch

from clipbias.common.errors import InputError
from clipbias.forecast.functions import call_reward, detected, load_function
from clipbias.forecast.prompts import Prompts
from clipbias.forecast.rewards import check_rewards, names, pay
from clipbias.simulate.tangent.tree import Tree
from clipbias.validate.measure.gradient_survey import GradientSurvey

TEXTS = ("\\boxed{4}", "five", "print(3) \\boxed{7}", "7")
PROBLEM = (0, 0, 1, 1)
FILE = """
import random
import asyncio
from beside import LIMIT

def columns(prompts, completions, completion_ids, answer, trainer_state, log_extra, log_metric, **rest):
    log_metric("a", 1.0)
    assert trainer_state.global_step == 0 and not rest
    return [len(i) + a for p, i, a in zip(prompts, completion_ids, answer)]

def chat(prompts, completions, **rest):
    return [float(c[0]["role"] == "assistant" and p[0]["content"] in "ab") for p, c in zip(prompts, completions)]

async def late(completions, **rest):
    await asyncio.sleep(0)
    return [1.0 for _ in completions]

def noisy(completions, **rest):
    return [random.random() for _ in completions]

def raises(completions, **rest):
    raise KeyError("no\\nsuch key")

def leaves(completions, **rest):
    raise SystemExit(3)

def short(completions, **rest):
    return [1.0]

def none(completions, **rest):
    return [None for _ in completions]

def nan(completions, **rest):
    return [float("nan") for _ in completions]

def words(completions, **rest):
    return ["good" for _ in completions]

def nothing(completions, **rest):
    pass

def narrow(completions):
    return [0.0 for _ in completions]

def maybe(text):
    return "perhaps"

def has_box(text):
    return "boxed" in text

CONSTANT = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("LIMIT = 3\n")
    (tmp_path / "mine.py").write_text(FILE)
    (tmp_path / "broken.py").write_text("x = 1\ny = (\n")
    return tmp_path / "mine.py"


def survey() -> GradientSurvey:
    """Four answers to two problems."""
    zero = torch.zeros(4)
    tree = Tree(
        gradients=torch.ones(4, 1),
        scale=torch.ones(1),
        log_prob=zero - 1,
        length=zero + 1,
        node=torch.tensor(PROBLEM),
        edge_problem=torch.tensor(PROBLEM),
        problem=torch.tensor(PROBLEM),
        count=zero + 1,
        tokens=torch.tensor([1, 2, 3, 4]),
        path=torch.arange(4)[:, None],
    )
    return GradientSurvey(tree, TEXTS, tuple((5,) * n for n in (1, 2, 3, 4)), np.ones(4, dtype=bool))


def prompts(chat: bool = False) -> Prompts:
    asked = ("a", "b")
    talked = tuple([{"role": "user", "content": text}] for text in asked)
    return Prompts(talked if chat else asked, {"answer": [4, "7"]}, 2)


def test_columns_come_as_lists_beside_their_answers(file: Path) -> None:
    paid = pay(f"{file}:columns", "columns", Prompts(("a", "b"), {"answer": [10, 20]}, 2), survey())
    assert isinstance(paid.values, np.ndarray)
    assert paid.values.tolist() == [11, 12, 23, 24]
    assert paid.steady


def test_chats_and_async_functions(file: Path) -> None:
    for name in ("chat", "late"):
        paid = pay(f"{file}:{name}", name, prompts(chat=True), survey())
        assert isinstance(paid.values, np.ndarray)
        assert paid.values.tolist() == [1, 1, 1, 1]


def test_words_look_at_the_column_answer() -> None:
    found = pay("ground-truth", "ground-truth", prompts(), survey()).values
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [1, 0, 1, 1]
    assert pay("random", "random", prompts(), survey()).values == 0.5


def test_a_function_that_draws_is_noticed(file: Path) -> None:
    assert not pay(f"{file}:noisy", "noisy", prompts(), survey()).steady


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", "KeyError: .*no.*such key.*line 22"),
        ("leaves", "SystemExit: 3"),
        ("short", "returns 4 finite numbers for 4 answers .*got 1"),
        ("none", "None for 4"),
        ("nan", "finite numbers .*nan"),
        ("words", "a str"),
        ("nothing", "NoneType"),
        ("narrow", "unexpected keyword argument"),
        ("CONSTANT", "a function that"),
        ("absent", "a function that"),
    ],
)
def test_what_fails_is_said_in_a_line(file: Path, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as found:
        pay(f"{file}:{name}", name, prompts(), survey())
    assert found.value.field == "reward"
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [("nowhere.py:f", "a file that is there"), ("good", "file.py:function, or"), ("majority", "column label")],
)
def test_what_cannot_be_asked_is_said_before_anything_runs(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_rewards([text], prompts())
    with pytest.raises(InputError, match="alone"):
        check_rewards(["format and random"], prompts())


def test_a_file_that_does_not_load(file: Path) -> None:
    with pytest.raises(InputError, match="SyntaxError"):
        load_function(f"{file.with_name('broken.py')}:f", "reward")


def test_detectors_say_yes_or_no(file: Path) -> None:
    box = f"{file}:has_box"
    assert detected(load_function(box, "observe"), box, TEXTS) == [1, 0, 1, 0]
    maybe = f"{file}:maybe"
    with pytest.raises(InputError, match="true or false"):
        detected(load_function(maybe, "observe"), maybe, TEXTS)


def test_names_are_short_unless_two_share_one() -> None:
    assert names(["a.py:f", "b.py:g", "format"]) == ["f", "g", "format"]
    assert names(["a.py:f", "b.py:f"]) == ["a.py:f", "b.py:f"]


def test_infinite_rewards_are_none() -> None:
    with pytest.raises(InputError, match="inf"):
        call_reward(lambda completions: [float("inf")], "x.py:f", 1, completions=["a"])
