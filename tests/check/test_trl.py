"""TRL's rules and traps, one by one. The real trainer's word on them is in test_trl_trainer.py."""

import math
from typing import Any

import pytest

from asked import asked
from clipbias.check.frameworks.trl import FRAMEWORK

COACHED = "per_device_train_batch_size: 8\nnum_generations: 8\n"


def trl(text: str, form: str = "yaml", **options: Any) -> dict[str, Any]:
    return asked((COACHED if form == "yaml" else "") + text, form, framework="trl", **options)


def codes(found: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in found["findings"]}


def test_one_step_a_rollout_is_the_default_and_idle() -> None:
    found = trl("gradient_accumulation_steps: 4\n")
    assert (found["verdict"], found["ratio_moves_by"]) == ("cannot-act", "identical")
    assert "inert" in codes(found)
    (fix,) = [finding["fix"] for finding in found["findings"] if finding["code"] == "inert"]
    key, value = fix.split(": ")
    assert trl(f"gradient_accumulation_steps: 4\n{key}: {value}\n")["verdict"] == "can-act"  # the fix is one


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("steps_per_generation: 4\n", 4),
        ("steps_per_generation: 4\ngradient_accumulation_steps: 2\n", 2),
        ("steps_per_generation: 4\ngradient_accumulation_steps: 2\nnum_iterations: 3\n", 6),
        ("generation_batch_size: 64\n", 8),
        ("gradient_accumulation_steps: 8\nsteps_per_generation: 2\n", 0.25),
    ],
)
def test_steps_per_rollout(text: str, steps: float) -> None:
    assert trl(text, devices=1)["optimizer_steps_per_rollout"] == steps


def test_micro_steps_are_not_optimizer_steps() -> None:
    found = trl("gradient_accumulation_steps: 32\nsteps_per_generation: 8\n")
    (finding,) = [f for f in found["findings"] if f["code"] == "micro-steps"]
    assert finding["fix"].startswith("steps_per_generation: 256 ")
    assert "micro-steps" not in codes(trl("gradient_accumulation_steps: 2\nsteps_per_generation: 8\n"))


def test_a_step_inside_a_rollout_moves_the_ratio() -> None:
    assert trl("gradient_accumulation_steps: 4\nsteps_per_generation: 3\n")["ratio_moves_by"] == "updates"
    assert trl("gradient_accumulation_steps: 4\nsteps_per_generation: 2\n")["ratio_moves_by"] == "identical"


def test_vllm_takes_a_second_pass_unless_its_correction_is_off() -> None:
    assert trl("use_vllm: true\n")["verdict"] == "noise-only"
    assert trl("use_vllm: true\nvllm_importance_sampling_correction: false\n")["verdict"] == "cannot-act"


def test_the_number_of_devices_decides_where_a_generation_batch_is_given() -> None:
    unknown = trl("generation_batch_size: 64\n")
    assert {p["devices"]: p["optimizer_steps_per_rollout"] for p in unknown["possibilities"]}[4] == 2
    assert trl("generation_batch_size: 64\n", devices=4)["optimizer_steps_per_rollout"] == 2
    assert trl("generation_batch_size: 64\n", devices=4)["possibilities"] == []
    assert trl("generation_batch_size: 64\nnum_processes: 2\n")["optimizer_steps_per_rollout"] == 4
    assert trl("num_iterations: 2\n")["possibilities"] == []  # they change nothing here


def test_a_group_that_one_device_cannot_hold_is_tried_on_more() -> None:
    found = asked("num_generations: 16\nper_device_train_batch_size: 4\n", framework="trl")
    assert found["verdict"] == "cannot-act"
    assert [p["verdict"] for p in found["possibilities"]][:3] == ["refused", "refused", "cannot-act"]


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("", (0.8, 1.2, None)),
        ("epsilon: 0.1\n", (0.9, 1.1, None)),
        ("epsilon_high: 0.28\n", (0.8, 1.28, None)),
        ("epsilon: 3e-4\nepsilon_high: 4e-4\n", (0.9997, 1.0004, None)),  # text to YAML 1.1
        ("delta: 4.0\n", (0.8, 1.2, 4.0)),
        ("delta: 1.1\n", (0.8, 1.1, 1.2)),  # it caps praised tokens too, below the upper bound
        ("epsilon: 1.0\n", (None, 2.0, None)),
        ("loss_type: cispo\nepsilon_high: 5\n", (None, 5.0, None)),
        ("loss_type: cispo\n", (None, 0.2, None)),
        ("loss_type: sapo\n", (None, None, None)),
        ("loss_type: vespo\n", (None, None, None)),
    ],
)
def test_bounds(text: str, bounds: tuple[float | None, ...]) -> None:
    found = trl(text)
    got = tuple(found[key] for key in ("lower_bound", "upper_bound", "dual_bound"))
    assert got == tuple(None if bound is None else pytest.approx(bound) for bound in bounds)


def test_gmpo_bounds_the_log_ratio() -> None:
    text = "from trl.experimental.gmpo import GMPOConfig\nGMPOConfig(epsilon=0.3, epsilon_high=0.5)\n"
    found = asked(text, "py")
    assert found["framework"] == "trl"
    assert (found["lower_bound"], found["upper_bound"]) == pytest.approx((math.exp(-0.3), math.exp(0.5)))


def test_cispo_with_the_fallback_cuts_every_weight() -> None:
    assert {"cap-below-one"} <= codes(trl("loss_type: cispo\n"))
    assert "cap-below-one" not in codes(trl("loss_type: cispo\nepsilon_high: 5\n"))


@pytest.mark.parametrize("key", ["epsilon", "epsilon_high", "delta"])
def test_soft_losses_ignore_bounds(key: str) -> None:
    assert [i["key"] for i in trl(f"loss_type: sapo\n{key}: 0.3\n")["ignored"]] == [key]
    assert trl(f"{key}: 1.3\n")["ignored"] == []


def test_bounds_out_of_reach_are_no_clip() -> None:
    found = trl("epsilon: 1.0\nepsilon_high: 1000000.0\nnum_iterations: 2\n")
    assert (found["verdict"], found["lower_bound"]) == ("cannot-act", None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("num_generations: 1\n", "at least 2"),
        ("num_generations: 3\n", "no multiple"),
        ("generation_batch_size: 12\n", "no multiple"),
        ("generation_batch_size: 64\nsteps_per_generation: 2\n", "cannot both"),
        ("loss_type: luspo\n", "sequence"),
    ],
)
def test_what_trl_refuses(text: str, reason: str) -> None:
    found = trl(text, devices=1)
    assert (found["verdict"], found["clip_can_act"], found["ratio_moves_by"]) == ("refused", None, "none")
    assert reason in " ".join(finding["message"] for finding in found["findings"])


@pytest.mark.parametrize(
    ("scale", "largest"),
    [("group", 7 / math.sqrt(8)), ("true", 7 / math.sqrt(8)), ("none", 7 / 8), ("false", 7 / 8), ("batch", None)],
)
def test_the_largest_advantage(scale: str, largest: float | None) -> None:
    """One of 8 rewarded: (1 − 1/8)/s with s² = (7/64)·(8/7), but for TRL's 1e-4."""
    found = trl(f"scale_rewards: {scale}\n")["max_abs_advantage"]
    assert found == (None if largest is None else pytest.approx(largest, rel=1e-3))


def test_groups_without_advantage() -> None:
    assert trl("", success_prob=0.5)["degenerate_group_prob"] == pytest.approx(2 * 0.5**8)
    assert trl("", success_prob=0.01)["degenerate_group_prob"] == pytest.approx(0.99**8 + 0.01**8)
    assert "few-mixed-groups" in codes(trl("", success_prob=0.01))


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("use_vllm: true\n", "vLLM correction"),
        ("off_policy_mask_threshold: 0.1\n", "off-policy mask"),
        ("top_entropy_quantile: 0.2\n", "entropy mask"),
        ("mask_truncated_completions: true\n", "truncation mask"),
    ],
)
def test_other_gates(text: str, gate: str) -> None:
    assert [found["name"] for found in trl(text)["gates"]] == [gate]
    assert trl("")["gates"] == []


def test_confounders_are_named_where_the_clip_could_act() -> None:
    found = trl("num_iterations: 2\nbeta: 0.01\nentropy_coef: 0.001\n")
    assert {c["key"] for c in found["confounders"]} == {"beta", "entropy_coef"}
    assert "confounders" in codes(found)


def test_a_default_is_said_and_a_given_key_is_not() -> None:
    found = trl("epsilon: 0.2\n")["defaults"]
    assert "epsilon" not in found
    assert found["loss_type"] == "dapo"


def test_unknown_keys_are_listed_with_what_they_look_like() -> None:
    (finding,) = [f for f in trl("epsilon_hgh: 0.28\n")["findings"] if f["code"] == "unknown-key"]
    assert (finding["fix"], "line 3" in finding["message"]) == ("epsilon_high?", True)
    assert "unknown-key" not in codes(trl("logging_steps: 1\nreport_to: wandb\n"))


def test_sampling_from_another_law_is_said() -> None:
    assert "truncated-sampling" in codes(trl("top_p: 0.9\n"))
    assert "truncated-sampling" not in codes(trl("top_p: 1.0\n"))


@pytest.mark.parametrize(
    "text",
    [
        "trl grpo --num_generations 8 --num_iterations 2 --epsilon 0.2",
        "accelerate launch --num_processes 4 -m trl.scripts.grpo --num_iterations=2 --num_generations 8",
        "EPOCHS=2\naccelerate launch train_grpo.py \\\n  --num_generations 8 \\\n  --num_iterations ${EPOCHS}\n",
    ],
)
def test_command_lines(text: str) -> None:
    found = asked(text, "sh")
    assert (found["framework"], found["optimizer_steps_per_rollout"]) == ("trl", 2)


def test_a_call_in_python_is_read_and_not_run(tmp_path: Any) -> None:
    marker = tmp_path / "ran"
    text = f"""
from trl import GRPOConfig
open({str(marker)!r}, "w")
EPSILON = 0.1
args = GRPOConfig(epsilon=EPSILON, num_iterations=1 + 1, epsilon_high=2 * EPSILON)
"""
    found = asked(text, "py")
    assert (found["lower_bound"], found["upper_bound"]) == pytest.approx((0.9, 1.2))
    assert found["optimizer_steps_per_rollout"] == 2
    assert not marker.exists()


def test_a_comment_cuts_a_command_off_as_it_does_in_a_shell() -> None:
    found = asked("trl grpo --num_generations 8 \\\n  # --epsilon 0.1 \\\n  --num_iterations 2\n", "sh")
    assert found["optimizer_steps_per_rollout"] == 1
    assert "cut-off" in codes(found)


def test_each_rank_tosses_its_own_coins(monkeypatch: pytest.MonkeyPatch) -> None:
    """TRL pays each process's answers there: coins that all share would pay a group that spans them alike."""

    def tossed(rank: str) -> list[float]:
        monkeypatch.setenv("RANK", rank)
        space: dict[str, Any] = {}
        exec(FRAMEWORK.reward.format(success_prob=0.5, seed=0), space)
        paid: list[float] = space["random_reward"](completions=["a"] * 64)
        return paid

    assert tossed("0") == tossed("0")
    assert tossed("0") != tossed("1")
