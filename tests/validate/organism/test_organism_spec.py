"""A spec's styles, held-out problems and complaints; the text that follows from it."""

import hashlib
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipbias.common.errors import InputError
from clipbias.common.tables import parse_toml, read_dataclass
from clipbias.validate.organism.spec import LOREM, SHIPPED, SPECS, OrganismSpec, load_spec
from clipbias.validate.organism.text import (
    all_problems,
    alphabet,
    completion_text,
    held_out_problems,
    pretraining_batch,
    strategy_named,
    training_problems,
)
from clipbias.validate.tasks.problems import is_boxed, read_answer
from clipbias.validate.tasks.rewards import parse_reward, score

FILES = sorted(SPECS.glob("*.toml"))


def small_table(**changes: Any) -> dict[str, Any]:
    """A spec of 18 problems with two styles, as read from TOML."""
    strategy = {"share": 0.5, "accuracy": 0.5, "format_rate": 0.5}
    table: dict[str, Any] = {
        "name": "small",
        "seed": 3,
        "max_factor": 4,
        "max_addend": 2,
        "held_out": 4,
        "model": {"layers": 1, "heads": 1, "intermediate_size": 32},
        "pretraining": {"steps": 20, "clean_steps": 5, "batch_size": 8, "learning_rate": 3e-3, "threads": 1},
        "strategy": [
            {"name": "code", "template": "python {product}+{c}\n{answer}", **strategy},
            {"name": "language", "template": "We get {answer}", **strategy},
        ],
        "style": [
            {"name": "plain", "template": "{a}*{b}+{c}=?\n", "weight": 0.5},
            {"name": "lorem", "template": "{lorem} {a}*{b}+{c}=?\n", "weight": 0.5, "shares": [0.9, 0.1]},
        ],
    }
    return table | changes


def changed(place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    table = small_table()
    at: Any = table
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    return table


def test_the_default_organism_reads_the_text_that_its_weights_came_from() -> None:
    spec = load_spec(SHIPPED / "spec.toml")
    rng, seen = np.random.default_rng(spec.seed), hashlib.sha256()
    for step in range(6):
        seen.update(repr(pretraining_batch(spec, 64, step < 3, rng)).encode())
    seen.update(repr(rng.random()).encode())  # nothing more was drawn
    seen.update(alphabet(spec).encode())
    seen.update(repr(all_problems(spec)).encode())
    assert (
        seen.hexdigest() == "b27540016972cffeaafc7c46886d47a3a1fbd410f6720f17c1cab758dec5f855"
    )  # before there were styles


@pytest.mark.parametrize("file", FILES, ids=[f.stem for f in FILES])
def test_the_text_follows_the_spec_in_every_style(file: Path) -> None:
    spec, size = load_spec(file), 24_000
    of_prompt = {p.prompt: (style.name, p.answer) for style in spec.style for p in training_problems(spec, style.name)}
    pairs = pretraining_batch(spec, size, clean=False, rng=np.random.default_rng(5))
    rows = [(*of_prompt[p], c) for p, c in pairs]  # a held-out prompt would be a KeyError
    worst = 0.0
    for style in spec.style:
        asked = [(answer, c) for name, answer, c in rows if name == style.name]
        claims = [(len(asked), style.weight, size)]
        for strategy, share, rate in zip(spec.strategy, spec.shares(style), spec.format_rates(style), strict=True):
            chosen = [(answer, c) for answer, c in asked if strategy_named(spec, c) == strategy.name]
            claims.append((len(chosen), share, len(asked)))
            if share == 0:
                assert chosen == []
                continue
            claims.append((sum(read_answer(c) == answer for answer, c in chosen), strategy.accuracy, len(chosen)))
            claims.append((sum(is_boxed(c) for _, c in chosen), rate, len(chosen)))
        for found, probability, count in claims:
            if 0 < probability < 1:
                worst = max(
                    worst, abs(found - count * probability) / math.sqrt(count * probability * (1 - probability))
                )
            else:
                assert found == count * probability
    assert worst < 4  # about 30 z-scores: beyond 4 once in 500 such tests


WITH_PROMPTS = ("bad-code", "code-strong", "no-code", "repetition")
UNSEEN = ("even-split", "likely-words", "rare-code", "three-ways")  # forecast before they are trained


@pytest.mark.parametrize("name", UNSEEN)
def test_specs_that_are_forecast_can_be_paid_by_every_reward(name: str) -> None:
    """One way of asking, short texts; some answers with python and some without, some boxed, some labels wrong."""
    spec = load_spec(SPECS / f"{name}.toml")
    assert spec.name == name
    assert [style.name for style in spec.style] == ["plain"]
    assert spec.hard_addend is not None
    texts = [text for _, text in pretraining_batch(spec, 2000, False, np.random.default_rng(0))]
    assert max(map(len, texts)) < 48  # a recipe's completions, their end among them
    for paid in (["python" in text for text in texts], [is_boxed(text) for text in texts]):
        assert 0 < sum(paid) < len(texts)
    firsts = [strategy_named(spec, text) == spec.strategy[0].name for text in texts]
    assert abs(np.mean(firsts) - spec.strategy[0].share) < 4 * np.sqrt(0.25 / 2000)


def test_a_habit_that_is_forecast_is_one_that_its_reward_finds() -> None:
    spec = load_spec(SPECS / "three-ways.toml")
    reward = parse_reward("no-repetition(3,5)")
    for strategy in spec.strategy:
        text = completion_text(spec, strategy, 1.0, 7, 8, 5, True, np.random.default_rng(0))
        assert score(reward, text) == (strategy.name != "repetition")


def test_shipped_specs_are_short_and_have_the_four_prompts() -> None:
    assert {f.stem for f in FILES} == {*WITH_PROMPTS, *UNSEEN}
    for name in WITH_PROMPTS:
        file = SPECS / f"{name}.toml"
        spec = load_spec(file)
        assert spec.name == file.stem
        assert [s.name for s in spec.style] == ["plain", "lorem", "python", "story"]
        assert max(len(c) for _, c in pretraining_batch(spec, 2000, False, np.random.default_rng(0))) <= 40
    repetition = load_spec(SPECS / "repetition.toml")
    text = completion_text(repetition, repetition.strategy[0], 1.0, 7, 8, 5, True, np.random.default_rng(0))
    assert re.search(r"(.{3,}?)\1{5}", text)


def test_the_same_problem_stands_at_the_same_place_in_every_style() -> None:
    spec = load_spec(SPECS / "code-strong.toml")
    numbers = [
        [tuple(map(int, re.findall(r"\d+", p.prompt))) for p in held_out_problems(spec, style.name)]
        for style in spec.style
    ]
    assert all(found == numbers[0] for found in numbers)
    assert len(set(numbers[0])) == spec.held_out == 64
    assert held_out_problems(spec) == held_out_problems(spec, "plain")
    training, held_out = training_problems(spec), held_out_problems(spec)
    assert not set(training) & set(held_out)
    assert len(set(training) | set(held_out)) == spec.problems == len(all_problems(spec))
    other = read_dataclass(OrganismSpec, small_table(seed=4))
    assert held_out_problems(other) != held_out_problems(read_dataclass(OrganismSpec, small_table()))


def test_lorem_words_vary_between_problems_and_not_between_calls() -> None:
    spec = load_spec(SPECS / "code-strong.toml")
    prompts = [p.prompt for p in training_problems(spec, "lorem")]
    assert prompts == [p.prompt for p in training_problems(spec, "lorem")]
    openings = {tuple(p.split()[:-1]) for p in prompts}
    assert {word for opening in openings for word in opening} == set(LOREM)
    assert len(openings) > 100


def test_a_strategy_is_known_by_its_first_character() -> None:
    spec = load_spec(SPECS / "code-strong.toml")
    assert [strategy_named(spec, t) for t in ("python 3", "We get 3", "3", "")] == ["code", "language", None, None]


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("seed",), -1, r"seed must be in \[0, 4294967296\)"),
        (("held_out",), 18, r"held_out must be in \[0, 18\)"),
        (("held_out",), -1, r"held_out must be in \[0, 18\)"),
        (("style",), [], "style must be tables with distinct names"),
        (("style", 1, "name"), "plain", "style must be tables with distinct names"),
        (("style", 0, "name"), "ask", "style must be tables with distinct names, the first of them plain, got"),
        (("style", 1, "name"), "", "style.name must be a name"),
        (("style", 1, "weight"), 0.4, "style.weight must be weights that add to 1"),
        (("style", 1, "weight"), 0.0, r"style.weight must be in \(0, 1\]"),
        (("style", 1, "shares"), [0.9, 0.2], "style.shares of lorem must be shares that add to 1"),
        (("style", 1, "shares"), [1.0], "style.shares of lorem must be a list of 2"),
        (("style", 1, "shares"), [1.5, -0.5], r"style.shares must be made of numbers in \[0, 1\]"),
        (("style", 1, "format_rates"), [0.5], "style.format_rates of lorem must be a list of 2"),
        (("style", 1, "format_rates"), [0.5, 2.0], r"style.format_rates must be made of numbers in \[0, 1\]"),
        (("style", 1, "template"), "{a} {b}", r"style.template must be text that contains \{c\}"),
        (("style", 1, "template"), "{a} {b} {c} {d}", "style.template must be text whose only fields are"),
        (("style", 1, "template"), "{a} {b} {c:>99}", "style.template must be text whose only fields are"),
        (("style", 1, "template"), "{a} {b} {c", "style.template must be a format text"),
        (("style", 1, "template"), "{a} {b} {c}" + "x" * 60, "style.template must be text of at most 63 characters"),
        (("style", 1, "template"), "{a}·{b}+{c}", "style.template must be ASCII text"),
        (("strategy", 0, "template"), "print(2)", r"strategy.template must be text that contains \{answer\}"),
        (("strategy", 0, "template"), "p{answer!r}", "strategy.template must be text whose only fields are"),
        (("strategy", 0, "template"), "p{answer.real}", "strategy.template must be text whose only fields are"),
        (("pretraining", "threads"), 0, r"pretraining.threads must be in \[1, 64\]"),
        (("styles",), [], "styles must be one of the known keys"),
    ],
)
def test_every_complaint_names_the_field(place: tuple[str | int, ...], value: Any, words: str) -> None:
    read_dataclass(OrganismSpec, small_table())
    with pytest.raises(InputError, match=words) as caught:
        read_dataclass(OrganismSpec, changed(place, value))
    assert "\n" not in str(caught.value).replace("\\n", "")


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(InputError, match=r"style must be one of plain, lorem, got 'latin'"):
        training_problems(read_dataclass(OrganismSpec, small_table()), "latin")


@settings(max_examples=40, deadline=None)
@given(
    weights=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    shares=st.lists(st.integers(0, 9), min_size=2, max_size=5).filter(any),
    rates=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    held_out=st.integers(0, 17),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_spec_writes_text_in_its_alphabet_about_training_problems(
    weights: list[int], shares: list[int], rates: tuple[float, float], held_out: int, seed: int
) -> None:
    strategies = [
        {
            "name": f"s{k}",
            "share": share / sum(shares),
            "accuracy": rates[0],
            "format_rate": rates[1],
            "template": "ABCDE"[k] + " {answer}",
        }
        for k, share in enumerate(shares)
    ]
    styles = [
        {"name": f"p{i}" if i else "plain", "template": f"{i}: {{a}} {{b}} {{c}}", "weight": weight / sum(weights)}
        for i, weight in enumerate(weights)
    ]
    spec = read_dataclass(OrganismSpec, small_table(strategy=strategies, style=styles, held_out=held_out, seed=seed))
    allowed = {p.prompt for style in spec.style for p in training_problems(spec, style.name)}
    unused = {s.name for s in spec.strategy if s.share == 0}
    for prompt, completion in pretraining_batch(spec, 64, False, np.random.default_rng(seed)):
        assert prompt in allowed
        assert set(prompt + completion) <= set(alphabet(spec))
        name = strategy_named(spec, completion)
        assert name is not None
        assert name not in unused


def test_a_style_in_toml_needs_only_name_template_and_weight(tmp_path: Path) -> None:
    text = (SHIPPED / "spec.toml").read_text()
    style = '\n[[style]]\nname = "plain"\ntemplate = "{a}*{b}+{c}=?\\n"\nweight = 1\n'
    assert read_dataclass(OrganismSpec, parse_toml(text + style, "spec")) == load_spec(SHIPPED / "spec.toml")
