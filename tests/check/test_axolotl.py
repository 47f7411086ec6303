"""Axolotl's keys, which of them reach TRL, and what it refuses before TRL does."""

from typing import Any

import pytest

from asked import asked
from clipbias.common.errors import InputError


def axolotl(under_trl: str, above: str = "micro_batch_size: 8\n", **options: Any) -> dict[str, Any]:
    lines = "".join(f"  {line}\n" for line in f"num_generations: 8\n{under_trl}".splitlines())
    return asked(f"rl: grpo\nbase_model: x\n{above}trl:\n{lines}", "yaml", **({"devices": 1} | options))


def codes(found: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in found["findings"]}


def test_it_is_recognised() -> None:
    assert axolotl("epsilon: 0.2")["framework"] == "axolotl"


@pytest.mark.parametrize(
    ("under_trl", "above", "steps"),
    [
        ("", "micro_batch_size: 8\ngradient_accumulation_steps: 4\n", 1),
        ("num_iterations: 3", "micro_batch_size: 8\n", 3),
        ("generation_batch_size: 64", "micro_batch_size: 8\ngradient_accumulation_steps: 2\n", 4),
        ("", "gradient_accumulation_steps: 8\n", 1),
    ],
)
def test_steps(under_trl: str, above: str, steps: float) -> None:
    assert axolotl(under_trl, above)["optimizer_steps_per_rollout"] == steps


def test_devices_share_a_generation_batch() -> None:
    assert axolotl("generation_batch_size: 64", devices=4)["optimizer_steps_per_rollout"] == 64 / (8 * 4)


@pytest.mark.parametrize(
    ("key", "value"), [("steps_per_generation", 16), ("delta", 3.0), ("top_entropy_quantile", 0.2)]
)
def test_keys_of_trl_that_it_does_not_hand_on(key: str, value: float) -> None:
    found = axolotl(f"{key}: {value}")
    assert [entry["key"] for entry in found["ignored"]] == [f"trl.{key}"]
    assert found["optimizer_steps_per_rollout"] == 1
    assert found["dual_bound"] is None
    assert found["gates"] == []


def test_keys_above_trl_are_not_trls() -> None:
    found = axolotl("epsilon: 0.1", "micro_batch_size: 8\nepsilon_high: 0.5\n")
    assert (found["lower_bound"], found["upper_bound"]) == (pytest.approx(0.9), pytest.approx(1.1))
    assert "unknown-key" in codes(found)


def test_bounds_and_denominator_are_trls() -> None:
    found = axolotl("epsilon: 0.2\nepsilon_high: 0.28\nuse_vllm: true")
    assert (found["upper_bound"], found["ratio_moves_by"]) == (pytest.approx(1.28), "noise")
    assert axolotl("")["ratio_moves_by"] == "identical"
    assert axolotl("loss_type: cispo\nepsilon_high: 5")["upper_bound"] == 5


def test_fixes_and_gates_are_in_its_own_words() -> None:
    found = axolotl("use_vllm: true")
    (fix,) = [finding["fix"] for finding in found["findings"] if finding["code"] == "noise-only"]
    key, value = fix.split(": ")
    assert key == "trl.generation_batch_size"
    assert axolotl(f"use_vllm: true\ngeneration_batch_size: {value}")["optimizer_steps_per_rollout"] == 8
    assert found["gates"][0]["key"] == "trl.vllm_importance_sampling_mode=sequence_mask"


@pytest.mark.parametrize(
    ("under_trl", "above", "devices"),
    [
        ("", "micro_batch_size: 4\n", 2),  # TRL alone would take 4 × 2 devices
        ("", "micro_batch_size: 8\n", 2),
        ("generation_batch_size: 60", "micro_batch_size: 8\n", 1),
        ("num_generations: 1", "micro_batch_size: 8\n", 1),
    ],
)
def test_refused(under_trl: str, above: str, devices: int) -> None:
    found = axolotl(under_trl, above, devices=devices)
    assert (found["verdict"], found["optimizer_steps_per_rollout"]) == ("refused", None)


def test_its_own_refusals_need_the_key() -> None:
    text = "rl: grpo\nmicro_batch_size: 4\ntrl:\n  epsilon: 0.2\n"
    assert asked(text, "yaml", devices=2)["verdict"] == "cannot-act"


def test_kl_by_either_key() -> None:
    assert axolotl("beta: 0.01")["confounders"] == [{"key": "trl.beta", "value": "0.01"}]
    above = axolotl("", "micro_batch_size: 8\nrl_beta: 0.02\n")["confounders"]
    assert above == [{"key": "rl_beta", "value": "0.02"}]
    assert axolotl("")["confounders"] == []


def test_prefetched_answers_are_stale() -> None:
    found = axolotl("use_vllm: true\nasync_prefetch: true")
    assert "stale-rollouts" in codes(found)
    assert found["gates"][0]["key"] == "trl.vllm_importance_sampling_mode=token_truncate"
    assert "stale-rollouts" not in codes(axolotl("use_vllm: true"))


def test_other_trainings_of_axolotl_have_no_clip() -> None:
    with pytest.raises(InputError, match="rl must be grpo or gdpo"):
        asked("rl: dpo\nmicro_batch_size: 1\n", "yaml")
