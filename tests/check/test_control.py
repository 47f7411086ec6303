"""Controls: their lines are read back by the reader that they are for, and their coins are tossed."""

import ast
import asyncio
import importlib.util
import inspect
import json
import math
import sys
import types
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clipbias.check.catalogue import FRAMEWORKS
from clipbias.check.check import Checked, check_documents
from clipbias.check.control import CHOOSE, Arm, control
from clipbias.check.document import parse
from clipbias.check.forms import Change, Form, written
from clipbias.check.framework import Framework
from clipbias.check.kinds import KINDS
from clipbias.check.placebo import Known
from clipbias.check.setup import UNREACHABLE
from clipbias.common.errors import InputError
from clipbias.theory.formulas.evaluation_noise import Evaluation
from clipbias.theory.formulas.power import paired_power
from clipbias.theory.laws.null_band import null_bands
from clipbias.theory.laws.placebo import Walk
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, PpoClip

CASES = [
    case
    for case in json.loads(Path(__file__).with_name("cases.json").read_text())
    if case["kind"] == "config" and case["framework"] in {framework.name for framework in FRAMEWORKS}
]
YAML = """\
per_device_train_batch_size: 16
gradient_accumulation_steps: 4
steps_per_generation: 8
num_generations: 8
epsilon_high: 0.28
beta: 0.0
"""
KNOWN = Known(
    problems=500, samples=4, seeds=2, accuracy=0.5, share=0.65, contrast=0.3, spread=0.1, phases=3, effect=0.05
)


def checked(text: str, suffix: str = "yaml", *overrides: str, framework: str | None = "trl") -> Checked:
    return check_documents([parse(Path(f"run.{suffix}"), text)], overrides, framework=framework)


def arm(found: Checked, kind: Any, which: int = 0, known: Known | None = None) -> Arm:
    return control(found, kind, known).arms[which]


FORMS: dict[Form, tuple[str, str]] = {
    "yaml": ("yaml", "{}"),
    "json": ("json", "{}"),
    "toml": ("toml", "{}"),
    "python": ("py", "GRPOConfig(\n{})\n"),
    "flags": ("sh", "trl grpo \\\n{} --seed 1\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_lines_are_read_back_as_the_changes(form: Form) -> None:
    suffix, around = FORMS[form]
    changes = [Change(key=k, value=v) for k, v in (("epsilon", 1.0), ("epsilon_high", 1e6), ("beta", 0.04))]
    found = checked(around.format(written(changes, form)), suffix).settings
    assert {c.key: c.value for c in changes} == {c.key: found.entries[c.key].value for c in changes}


def test_dotted_keys_are_tables_where_the_form_has_them() -> None:
    changes = [Change(key="actor.clip.high", value=0.3), Change(key="actor.clip.low", value=1e-7)]
    for form, suffix in (("yaml", "yaml"), ("json", "json"), ("toml", "toml")):
        found = parse(Path(f"x.{suffix}"), written(changes, form)).entries  # type: ignore[arg-type]
        assert {key: float(entry.value) for key, entry in found.items()} == {c.key: c.value for c in changes}
    assert written(changes, "python") == "actor={'clip': {'high': 0.3, 'low': 1e-07}},\n"


def test_nothing_is_null_where_a_form_has_a_word_for_it_and_left_out_elsewhere() -> None:
    changes = [Change(key="delta", value=None), Change(key="a_b", value=[1.0, 2.0])]
    assert written(changes, "yaml") == "delta: null\na_b:\n- 1.0\n- 2.0\n"
    assert written(changes, "hydra") == "delta=null \\\na_b=[1.0,2.0] \\\n"
    assert written(changes, "flags") == "# leave out --delta\n--a_b 1.0 2.0 \\\n"
    assert written(changes, "flags", "train.py --eps-clip 0.2") == "# leave out --delta\n--a-b 1.0 2.0 \\\n"
    assert written(changes, "toml") == "# leave out delta\na_b = [1.0, 2.0]\n"


def applied(case: dict[str, Any], found: Arm) -> Checked:
    words = [f"{c.key}={json.dumps(c.value)}" for c in found.changes]
    document = parse(Path(f"case.{case['format']}"), case["text"])
    return check_documents([document], words, framework=case["framework"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_changes_do_what_their_name_says(case: dict[str, Any]) -> None:
    """Read by the framework's own rules, as if the user had written them."""
    found = check_documents([parse(Path(f"case.{case['format']}"), case["text"])], framework=case["framework"])
    loss = found.training.loss
    if found.training.refused:
        return
    free = arm(found, "no-clip")
    if free.cannot is None:
        after = applied(case, free).training.loss
        assert (after.lower_bound or 0.0) <= 1 / UNREACHABLE
        assert (after.upper or UNREACHABLE) >= UNREACHABLE
        assert (after.dual or UNREACHABLE) >= UNREACHABLE
    for side, name in enumerate(("upper", "lower_bound")):
        alone = arm(found, "one-sided", side)
        if alone.cannot is None:
            after = applied(case, alone).training.loss
            assert getattr(after, name) == pytest.approx(getattr(loss, name))
            off = (after.lower_bound or 0.0) <= 1 / UNREACHABLE, (after.upper or UNREACHABLE) >= UNREACHABLE
            assert off[side]


def test_random_changes_the_reward_alone() -> None:
    found = control(checked(YAML), "random")
    assert (found.arms[0].changes, found.arms[0].text, found.arms[0].cannot) == ((), "", None)
    assert "random_reward" in found.reward_source


def test_what_a_loss_cannot_do_is_said() -> None:
    found = checked(YAML, "yaml", "loss_type=sapo")
    for kind in ("no-clip", "matched-kl", "one-sided"):
        for each in control(found, kind).arms:
            assert each.cannot == "TRL's loss sapo has no bounds to switch off"
            assert (each.text, each.placebo) == ("", None)
    cispo = control(checked(YAML, "yaml", "loss_type=cispo", "epsilon_high=5"), "one-sided")
    assert {each.cannot for each in cispo.arms} == {"TRL's loss cispo has no key that does this"}


def test_matched_kl_leaves_its_strength_to_a_run() -> None:
    found = arm(checked(YAML), "matched-kl")
    assert found.changes[-1] == Change(key="beta", value=CHOOSE, was=0.0)
    assert any("beta" in line for line in found.how)
    assert not any(character.isdigit() for change in found.changes[-1:] for character in str(change.value))


def test_an_inert_clip_makes_controls_alike_and_says_so() -> None:
    found = checked(YAML, "yaml", "steps_per_generation=4")
    assert "over again" in arm(found, "no-clip").how[0]
    assert arm(checked(YAML), "no-clip").how == ()


def test_the_band_is_the_theory_s_in_the_training_s_geometry() -> None:
    """2 steps a rollout, 128 answers of 8: 16 prompts, 8 groups a step; Adam; bounds of each arm."""
    found = checked(YAML)
    shape = {"group_size": 8, "groups_per_minibatch": 8, "minibatches": 2, "success_prob": 0.5, "scale": "std-unbiased"}
    for kind, which, clip in (
        ("random", 0, PpoClip(0.2, 0.28)),
        ("no-clip", 0, UNCLIPPED),
        ("one-sided", 0, PpoClip(None, 0.28)),
        ("one-sided", 1, PpoClip(0.2, None)),
    ):
        made = arm(found, kind, which, KNOWN).placebo
        assert made is not None
        config = PhaseConfig(learning_rate=1.0, surrogate=clip, **shape)  # type: ignore[arg-type]
        want = null_bands(
            share=0.65,
            accuracy=0.5,
            contrast=0.3,
            counted=Evaluation(problems=500, samples=4),
            seeds=2,
            walk=Walk(spread=0.1, phases=3, config=config, momentum=0.9),
        )
        for one, other in ((made.bands.share, want.share), (made.bands.accuracy, want.accuracy)):
            assert one is not None
            assert other is not None
            assert one.mean_of_seeds == pytest.approx(other.mean_of_seeds, abs=1e-9)
            assert one.clip_drift == pytest.approx(other.clip_drift, abs=1e-9)
    assert made.left_out is None


def test_without_a_spread_the_band_says_that_it_is_counting_alone() -> None:
    found = control(checked(YAML), "random", replace(KNOWN, spread=None, phases=None, contrast=None))
    made = found.arms[0].placebo
    assert made is not None
    assert made.left_out is not None
    assert "counting alone" in made.left_out
    assert made.bands.share is not None
    assert not made.bands.share.whole
    assert found.power is not None
    assert found.power.least


def test_power_is_of_two_arms_that_spread_as_the_placebo() -> None:
    found = control(checked(YAML), "random", KNOWN)
    assert found.power is not None
    band = found.arms[0].placebo.bands.accuracy  # type: ignore[union-attr]
    assert band is not None
    std, seeds = math.sqrt(2) * band.seed_std, found.power.accuracy
    assert seeds is not None
    assert paired_power(0.05, std, seeds) >= 0.8 > paired_power(0.05, std, seeds - 1)
    assert not found.power.least


def test_json_is_json() -> None:
    for kind in KINDS:
        known = KNOWN if kind == "one-sided" else None
        text = json.dumps(control(checked(YAML), kind, known).to_json(), allow_nan=False)
        assert {"kind", "changes", "text", "reward_source", "null_band", "power"} <= set(json.loads(text))


@pytest.mark.parametrize(
    ("known", "field"),
    [
        ({"accuracy": 0.5}, "problems"),
        ({"problems": 100}, "problems"),
        ({"effect": 0.1}, "effect"),
        ({"share": 0.5, "problems": 9, "spread": 0.1}, "phases"),
        ({"share": 0.5, "problems": 9, "phases": 3}, "spread"),
        ({"accuracy": 0.5, "problems": 9, "contrast": 0.1}, "share"),
    ],
)
def test_what_goes_together_is_asked_for_together(known: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        Known(**known)
    assert caught.value.field == field


ANSWERS = ["a"] * 8
ONE_BY_NAME = {"completions": ANSWERS, "answers": ANSWERS, "queries": ANSWERS, "responses": ANSWERS}
CALLED: dict[str, Callable[[dict[str, Any]], list[float]]] = {  # where a framework does not call a function by names
    "easyr1": lambda space: [paid["overall"] for paid in space["compute_score"]([{"response": "a"}] * 8)],
    "rlinf": lambda space: list(space["CoinReward"](None).get_reward(ANSWERS, ANSWERS)),
    "skyrl": lambda space: [space["RandomRewardEnv"]().step("a").reward],
    "open-instruct": lambda space: [space["RandomVerifier"]()([1], "a", "b").score],
    "tinker": lambda space: [float(space["RandomAnswer"]().check_answer("a"))],
    "torchtune": lambda space: space["RandomReward"]()([[1]] * 8, ANSWERS, ANSWERS).total_reward.tolist(),
    "nemo-rl": lambda space: space["RandomRewardEnvironment"]().step([[]] * 8, [{}] * 8).rewards.tolist(),
}


class Bare:
    """Any class of a framework: it keeps what it is given by name."""

    def __init__(self, *_: Any, **given: Any) -> None:
        self.__dict__ |= given


class Stub(types.ModuleType):
    """A framework that is not installed: its classes are bare, its registries empty."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        made = Bare if name[0].isupper() else (lambda made: made) if name == "remote" else {}
        setattr(self, name, made)
        return made


def stubbed(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for what the source imports and is not here."""
    for node in ast.walk(ast.parse(source)):
        named = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        named += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for parts in (name.split(".") for name in named):
            if parts[0] == "ray" or (parts[0] not in sys.modules and importlib.util.find_spec(parts[0]) is None):
                for length in range(1, len(parts) + 1):
                    name = ".".join(parts[:length])
                    monkeypatch.setitem(sys.modules, name, Stub(name))


def tossed(framework: Framework, success_prob: float, seed: int, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the snippet pays, called as its framework would call it: its one function or class, by the names of its
    parameters; awaited where it is to be."""
    found = control(stand_in(framework), "random", Known(success_prob=success_prob), seed=seed)
    with monkeypatch.context() as patch:
        stubbed(found.reward_source, patch)
        return paid_by(framework.name, found.reward_source)


def paid_by(name: str, source: str) -> list[float]:
    space: dict[str, Any] = {"__name__": "reward"}
    exec(compile(source, f"{name}_reward.py", "exec"), space)
    call, loop, paid = CALLED.get(name, by_name), asyncio.new_event_loop(), list[float]()
    while len(paid) < 4000:
        made = call(space)
        paid += loop.run_until_complete(made) if inspect.iscoroutine(made) else made
    loop.close()
    return paid


def by_name(space: dict[str, Any]) -> Any:
    """The source's one function or callable class, given what its parameters are called."""
    own = [o for name, o in space.items() if getattr(o, "__module__", "") == "reward" and not name.startswith("_")]
    [toss] = [o() if inspect.isclass(o) else o for o in own]
    named = {
        name: ONE_BY_NAME.get(name, "b")
        for name, parameter in inspect.signature(toss).parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.default is parameter.empty
    }
    made = toss(**named)
    if inspect.iscoroutine(made):
        return listed(made)
    made = made["rewards"].tolist() if isinstance(made, dict) else made
    return made if isinstance(made, list) else [made]


async def listed(coroutine: Awaitable[float]) -> list[float]:
    return [await coroutine]


def stand_in(framework: Framework) -> Checked:
    """Any training: the reward is the framework's."""
    return replace(checked(YAML), framework=framework)


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
@pytest.mark.usefixtures("one_rank")
def test_coins_are_tossed_at_the_rate_that_was_asked_for(framework: Framework, monkeypatch: pytest.MonkeyPatch) -> None:
    if "import torch" in framework.reward:
        pytest.importorskip("torch")
    for rate in (0.5, 0.2):
        paid = tossed(framework, rate, 7, monkeypatch)
        assert set(paid) == {0.0, 1.0}
        assert abs(sum(paid) / len(paid) - rate) < 4 * math.sqrt(rate * (1 - rate) / len(paid))
    again, other = (tossed(framework, 0.2, seed, monkeypatch) for seed in (7, 8))
    assert paid == again != other
