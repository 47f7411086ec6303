"""ms-swift's rules and traps, one by one, on both of its paths."""

from fractions import Fraction
from typing import Any

import pytest

from asked import asked
from clipbias.common.errors import InputError

HF = "swift rlhf --rlhf_type grpo --num_generations 8 --per_device_train_batch_size 8 "
MEGATRON = "megatron rlhf --rlhf_type grpo --num_generations 8 "


def swift(words: str, start: str = HF, processes: int = 1, **options: Any) -> dict[str, Any]:
    return asked(f"NPROC_PER_NODE={processes} {start}{words}\n", "sh", **options)


def codes(found: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in found["findings"]}


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        ("", 1),
        ("--steps_per_generation 4", 4),
        ("--gradient_accumulation_steps 8 --steps_per_generation 4", 0.5),
        ("--gradient_accumulation_steps 8", 1),
        ("--gradient_accumulation_steps 2 --num_iterations 3", 3),
        ("--generation_batch_size 32 --gradient_accumulation_steps 2", 2),
        ("--generation_batch_size 32 --steps_per_generation 4", 4),
        ("--gradient_accumulation_steps 4 --steps_per_generation 2 --sequence_parallel_size 4", 2),
    ],
)
def test_hf_counts_micro_steps(words: str, steps: float) -> None:
    assert swift(words)["optimizer_steps_per_rollout"] == steps


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        ("", 1),
        ("--steps_per_generation 4", 4),
        ("--global_batch_size 64 --generation_batch_size 256", 4),
        ("--global_batch_size 64 --micro_batch_size 2 --steps_per_generation 2", 2),
    ],
)
def test_megatron_counts_optimizer_steps(words: str, steps: int) -> None:
    found = swift(words, MEGATRON)
    assert found["optimizer_steps_per_rollout"] == steps
    assert found["ratio_moves_by"] == ("noise" if steps == 1 else "updates")


def test_the_same_key_has_another_unit_on_the_other_path() -> None:
    words = "--steps_per_generation 4 --gradient_accumulation_steps 8"
    assert swift(words)["optimizer_steps_per_rollout"] == float(Fraction(4, 8))
    assert swift("--steps_per_generation 4", MEGATRON)["optimizer_steps_per_rollout"] == 4
    assert "micro-steps" in codes(swift(words))


def test_the_number_of_processes_divides_a_generation_batch() -> None:
    words = "--generation_batch_size 64"
    assert swift(words)["optimizer_steps_per_rollout"] == 8
    assert swift(words, processes=4)["optimizer_steps_per_rollout"] == 2
    assert swift(words, processes=16)["verdict"] == "refused"


@pytest.mark.parametrize(
    ("version", "words", "moves"),
    [
        (None, "", "noise"),
        ("4.6.0", "", "noise"),
        ("3.10.3", "", "identical"),
        ("2025-08-01", "--gradient_accumulation_steps 8 --steps_per_generation 4", "identical"),
        ("3.10.3", "--gradient_accumulation_steps 4 --num_iterations 2 --steps_per_generation 1", "noise"),
        ("3.10.3", "--steps_per_generation 2", "updates"),
        (None, "--gradient_accumulation_steps 4 --steps_per_generation 3", "updates"),
    ],
)
def test_a_second_pass_is_always_taken_since_3_11(version: str | None, words: str, moves: str) -> None:
    assert swift(words, version=version)["ratio_moves_by"] == moves


@pytest.mark.parametrize(
    ("words", "low", "high", "dual"),
    [
        ("", 0.8, 1.2, None),
        ("--epsilon 0.1", 0.9, 1.1, None),
        ("--epsilon 0.1 --epsilon_high 0.28 --delta 3", 0.9, 1.28, 3.0),
        ("--loss_type cispo", None, 0.2, None),
        ("--loss_type cispo --epsilon 0.2 --epsilon_high 5 --delta 4", None, 5.0, None),
        ("--loss_type fipo --delta 10 --epsilon_high 0.28", 0.8, 1.28, 10.0),
        ("--delta 1.1 --epsilon_high 0.28", 0.8, 1.1, 1.28),
        ("--loss_type sapo --epsilon 0.1", None, None, None),
        ("--loss_type real", None, None, None),
    ],
)
def test_bounds(words: str, low: float | None, high: float | None, dual: float | None) -> None:
    found = swift(words)
    assert found["lower_bound"] == (None if low is None else pytest.approx(low))
    assert found["upper_bound"] == (None if high is None else pytest.approx(high))
    assert found["dual_bound"] == dual


def test_keys_that_a_loss_does_not_look_at() -> None:
    cispo = swift("--loss_type cispo --epsilon 0.2 --epsilon_high 5 --delta 4")
    assert {entry["key"] for entry in cispo["ignored"]} == {"epsilon", "delta"}
    assert {entry["key"] for entry in swift("--loss_type sapo --epsilon 0.1")["ignored"]} == {"epsilon"}
    assert swift("--epsilon 0.1 --delta 4")["ignored"] == []
    assert "cap-below-one" in codes(swift("--loss_type cispo"))


def test_sequences() -> None:
    assert swift("--importance_sampling_level sequence")["ratio_of"] == "sequence"
    assert swift("--importance_sampling_level sequence_token")["ratio_of"] == "sequence"
    assert swift("")["ratio_of"] == "token"


@pytest.mark.parametrize(
    "words",
    [
        "--use_liger_kernel true",
        "--truncation_strategy delete",
        "--padding_free true --attn_impl flash_attention_2",
        "--padding_free false",
    ],
)
def test_taken(words: str) -> None:
    assert swift(words)["verdict"] != "refused"


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (HF, "--num_generations 1"),
        (HF, "--num_generations 7"),
        (HF, "--generation_batch_size 32 --steps_per_generation 2"),
        (HF, "--generation_batch_size 20"),
        (HF, "--use_liger_kernel true --delta 3"),
        (HF, "--use_liger_kernel true --delta 3 --loss_type real"),
        (HF, "--use_liger_kernel true --off_policy_sequence_mask_delta 0.5"),
        (HF, "--use_liger_kernel true --advantage_estimator rloo"),
        (HF, "--use_liger_kernel true --sequence_parallel_size 2"),
        (HF, "--use_liger_kernel true --log_entropy true"),
        (HF, "--truncation_strategy right"),
        (MEGATRON, "--truncation_strategy right"),
        (MEGATRON, "--loss_type real --micro_batch_size 1"),
        (HF, "--padding_free true"),
        (MEGATRON, "--num_iterations 2"),
        (MEGATRON, "--async_generate true"),
        (MEGATRON, "--use_vllm false"),
        (MEGATRON, "--global_batch_size 16 --micro_batch_size 4"),
    ],
)
def test_refused(start: str, words: str) -> None:
    found = swift(words, start)
    assert (found["verdict"], found["optimizer_steps_per_rollout"]) == ("refused", None)


@pytest.mark.parametrize(
    ("words", "gate"),
    [
        ("--rollout_importance_sampling_mode sequence_mask", "rollout correction"),
        ("--off_policy_sequence_mask_delta 0.1", "off-policy mask"),
        ("--top_entropy_quantile 0.2", "entropy mask"),
        ("--overlong_filter true", "truncation mask"),
        ("--dynamic_sample true", "dynamic sampling"),
        ("--loss_type fipo", "future KL"),
    ],
)
def test_gates(words: str, gate: str) -> None:
    assert [found["name"] for found in swift(words)["gates"]] == [gate]
    assert swift("")["gates"] == []


def test_kl_is_on_by_default() -> None:
    assert swift("")["confounders"] == [{"key": "beta", "value": "0.04"}]
    assert swift("--beta 0")["confounders"] == []


def test_half_the_steps_before_4_2() -> None:
    def level(version: str | None) -> list[str]:
        found = swift("--steps_per_generation 4", version=version)
        return [finding["level"] for finding in found["findings"] if finding["code"] == "half-the-steps"]

    assert (level("4.1.0"), level(None)) == (["warning"], ["note"])
    assert "half-the-steps" not in codes(swift(""))


def test_asynchronous_generation_is_not_seen_by_the_ratio() -> None:
    assert "stale-rollouts" in codes(swift("--async_generate true"))


def test_advantages() -> None:
    two = (1 - 0.5) / (0.5**0.5 + 1e-4)  # of a group of two, one rewarded: std with n − 1 is √0.5
    start = HF.replace("--num_generations 8", "--num_generations 2")
    assert swift("", start)["max_abs_advantage"] == pytest.approx(two)
    assert swift("--scale_rewards none", start)["max_abs_advantage"] == pytest.approx(0.5)
    assert swift("--advantage_estimator rloo", start)["max_abs_advantage"] == pytest.approx(1.0)


def test_yaml_is_recognised_and_may_hold_the_environment() -> None:
    text = "rlhf_type: grpo\nnum_generations: 8\nper_device_train_batch_size: 8\ngeneration_batch_size: 64\n"
    assert asked(text, "yaml", devices=1)["framework"] == "ms-swift"
    assert asked(text + "ENV:\n  NPROC_PER_NODE: 4\n", "yaml")["optimizer_steps_per_rollout"] == 2
    megatron = "rlhf_type: grpo\nmicro_batch_size: 1\nglobal_batch_size: 64\nsteps_per_generation: 2\n"
    assert asked(megatron, "yaml", devices=1)["optimizer_steps_per_rollout"] == 2


def test_other_trainings_of_swift_have_no_clip_to_read() -> None:
    with pytest.raises(InputError, match="rlhf_type must be grpo"):
        swift("", "swift rlhf --rlhf_type dpo ")
