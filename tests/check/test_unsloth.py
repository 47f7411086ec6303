"""What Unsloth changes of TRL's configuration, and its mode with the engine's log-probabilities as denominator."""

from typing import Any

import pytest

from asked import asked

AS_OLD = 'os.environ["UNSLOTH_GRPO_ROLLOUT_LOGPROBS_AS_OLD"] = "1"\n'


def unsloth(arguments: str, before: str = "", **options: Any) -> dict[str, Any]:
    text = f"import os\nimport unsloth\nfrom trl import GRPOConfig\n{before}args = GRPOConfig({arguments})\n"
    return asked(text, "py", **({"devices": 1} | options))


def codes(found: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in found["findings"]}


def test_its_import_tells_it_from_trl() -> None:
    assert unsloth("num_iterations=1")["framework"] == "unsloth"
    assert asked("from trl import GRPOConfig\nargs = GRPOConfig(num_iterations=1)\n", "py")["framework"] == "trl"


def test_its_defaults_are_not_trls() -> None:
    found = unsloth("steps_per_generation=8")
    assert found["optimizer_steps_per_rollout"] == 8 / 2
    assert found["defaults"]["gradient_accumulation_steps"] == "2"
    assert unsloth("steps_per_generation=8, gradient_accumulation_steps=1")["optimizer_steps_per_rollout"] == 8


@pytest.mark.parametrize(
    ("arguments", "version", "moves"),
    [
        ("use_vllm=True", None, "identical"),
        ("use_vllm=True", "2025.10.1", "noise"),
        ("use_vllm=True", "2026-08-20", "noise"),
        ("use_vllm=False", "2025.10.1", "identical"),
        ("use_vllm=True, vllm_importance_sampling_correction=True", None, "noise"),
        ("use_vllm=True, num_iterations=2", None, "updates"),
    ],
)
def test_no_second_pass_for_vllm_unless_asked(arguments: str, version: str | None, moves: str) -> None:
    assert unsloth(arguments, version=version)["ratio_moves_by"] == moves


@pytest.mark.parametrize(
    ("arguments", "low", "high"),
    [
        ("", 0.8, 1.2),
        ("loss_type='dapo'", 0.8, 1.28),
        ("loss_type='DAPO'", 0.8, 1.28),
        ("loss_type='dapo', epsilon_high=0.25", 0.8, 1.25),
        ("loss_type='bnpo'", 0.8, 1.2),
        ("loss_type='cispo'", None, 5.0),
        ("loss_type='cispo', epsilon_high=4.0", None, 4.0),
    ],
)
def test_bounds_that_it_sets(arguments: str, low: float | None, high: float) -> None:
    found = unsloth(arguments)
    assert found["lower_bound"] == (None if low is None else pytest.approx(low))
    assert found["upper_bound"] == pytest.approx(high)


def test_an_explicit_dapo_masks_truncated_answers() -> None:
    assert "truncation mask" in {gate["name"] for gate in unsloth("loss_type='dapo'")["gates"]}
    assert unsloth("")["gates"] == []
    assert unsloth("loss_type='dapo', mask_truncated_completions=False")["gates"] == []


def test_dr_grpo_is_not_divided_and_kl_depends_on_the_loss() -> None:
    assert unsloth("loss_type='dr_grpo', num_generations=2")["max_abs_advantage"] == pytest.approx(0.5)
    assert unsloth("loss_type='bnpo', num_generations=2")["max_abs_advantage"] == pytest.approx(0.5**0.5, rel=1e-3)
    assert unsloth("loss_type='bnpo'")["confounders"] == [{"key": "beta", "value": "0.001"}]
    assert unsloth("loss_type='dapo'")["confounders"] == []


def test_a_batch_that_is_no_whole_group_becomes_one() -> None:
    found = unsloth("per_device_train_batch_size=1, gradient_accumulation_steps=1, num_generations=6")
    assert found["verdict"] == "cannot-act"
    assert "changed-by-unsloth" in codes(found)
    kept = unsloth(
        "per_device_train_batch_size=1, gradient_accumulation_steps=1, num_generations=6, steps_per_generation=1"
    )
    assert kept["verdict"] == "refused"


def test_rollout_log_probs_as_old_sets_delta_silently() -> None:
    found = unsloth("use_vllm=True", AS_OLD)
    assert (found["ratio_moves_by"], found["dual_bound"], found["clip_can_act"]) == ("mismatch", 3.0, True)
    assert "silent-delta" in codes(found)
    assert unsloth("use_vllm=True, delta=4.0", AS_OLD)["dual_bound"] == 4.0
    assert unsloth("use_vllm=True")["dual_bound"] is None
    off = unsloth("use_vllm=True", AS_OLD.replace('"1"', '"0"'))
    assert (off["dual_bound"], off["ratio_moves_by"]) == (None, "identical")


@pytest.mark.parametrize("arguments", ["use_vllm=False", "use_vllm=True, loss_type='vespo'"])
def test_that_mode_needs_vllm_and_another_loss_than_vespo(arguments: str) -> None:
    found = unsloth(arguments, AS_OLD)
    assert found["dual_bound"] is None
    assert "mode-not-applied" in codes(found)


def test_that_mode_replaces_the_vllm_correction() -> None:
    corrected = "use_vllm=True, vllm_importance_sampling_correction=True"
    assert [gate["name"] for gate in unsloth(corrected)["gates"]] == ["vLLM correction"]
    assert unsloth(corrected, AS_OLD)["gates"] == []
