"""slime's flags: every rule of its row in the table of frameworks, and its traps."""

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

from asked import codes
from clipbias.check.answer import binary_advantages
from clipbias.check.check import Checked, check_documents
from clipbias.check.document import parse
from clipbias.check.frameworks.slime import REWARD

SHAPE = "--rollout-batch-size 32 --n-samples-per-prompt 8"
ONE = f"{SHAPE} --global-batch-size 256"
FOUR = f"{SHAPE} --global-batch-size 64"


def script(text: str, **more: Any) -> Checked:
    found = check_documents([parse(Path("run.sh"), text)], **more)
    assert found.framework.name == "slime"
    return found


def checked(flags: str, **more: Any) -> Checked:
    return script(f"python3 train.py {flags}\n", **more)


@pytest.mark.parametrize(("batch", "steps"), [(256, 1), (64, 4), (100, 2), (128, 2)])
def test_whole_global_batches_of_responses(batch: int, steps: int) -> None:
    found = checked(f"{SHAPE} --global-batch-size {batch}").to_json()
    assert found["optimizer_steps_per_rollout"] == 32 * 8 // batch == steps
    assert ("dropped" in found["arithmetic"]) == (256 % batch != 0)


@pytest.mark.parametrize(("asked", "made"), [(1, 1), (4, 4), (3, 3), (100, 128)])
def test_steps_asked_for_only_set_the_global_batch(asked: int, made: int) -> None:
    """256 responses in 100 steps: batches of 256 // 100 = 2, so 128 steps."""
    assert 256 // (256 // asked) == made
    assert checked(f"{SHAPE} --num-steps-per-rollout {asked}").training.geometry.steps_per_rollout == made


def test_a_contradiction_stops() -> None:
    refused = checked(f"{ONE} --num-steps-per-rollout 4")
    assert refused.answer.verdict == "refused"
    assert refused.training.moves == "none"
    assert refused.training.geometry.steps_per_rollout is None
    assert checked(f"{FOUR} --num-steps-per-rollout 4").training.refused is None


def test_a_rollout_below_a_batch_stops() -> None:
    assert checked(f"{SHAPE} --global-batch-size 512").answer.verdict == "refused"


def test_without_a_batch_megatrons_default() -> None:
    """One micro-batch a data-parallel rank: 2 nodes of 8 GPUs, of which 4 share a model, make 4 ranks of 2."""
    flags = f"{SHAPE} --actor-num-nodes 2 --tensor-model-parallel-size 2 --context-parallel-size 2 --micro-batch-size 2"
    assert checked(flags).training.geometry.steps_per_rollout == 256 / (2 * 16 / 4)


def test_one_step_is_exact() -> None:
    found = checked(ONE)
    assert found.training.denominator.source == "own"
    assert found.training.moves == "identical"
    assert checked(FOUR).training.moves == "updates"


@pytest.mark.parametrize(
    "flags",
    [
        "--advantage-estimator gspo",
        "--advantage-estimator ppo",
        "--kl-coef 0.01",
        "--get-mismatch-metrics --custom-tis-function-path a.b",
        "--use-opd",
        "--use-routing-replay",
    ],
)
def test_what_needs_a_second_pass(flags: str) -> None:
    found = checked(f"{ONE} {flags}")
    assert found.training.moves == "noise"
    assert found.answer.clip_can_act is False


def test_rollout_routing_replay_needs_none() -> None:
    assert checked(f"{ONE} --use-routing-replay --use-rollout-routing-replay").training.moves == "identical"


def test_before_may_2026_a_second_pass_always() -> None:
    for version in ("0.2.4", "2026-05-01"):
        assert checked(ONE, version=version).training.moves == "noise"
    for version in ("0.3.0", "2026-05-09"):
        assert checked(ONE, version=version).training.moves == "identical"


def test_rollout_log_probabilities_are_the_engines() -> None:
    assert checked(f"{ONE} --use-rollout-logprobs").training.moves == "mismatch"
    assert checked(f"{ONE} --use-rollout-logprobs --use-tis").answer.verdict == "refused"


def test_an_old_actor_is_of_older_weights() -> None:
    assert checked(f"{ONE} --keep-old-actor").training.moves == "mismatch"


def test_bounds_are_increments() -> None:
    alone = checked(f"{FOUR} --eps-clip 0.1").training.loss
    assert (alone.lower, alone.upper, alone.dual) == (0.9, 1.1, None)
    both = checked(f"{FOUR} --eps-clip 0.2 --eps-clip-high 0.28").training.loss
    assert (both.lower, both.upper) == (0.8, 1.28)


def test_dual_clip_was_not_handed_on() -> None:
    flags = f"{FOUR} --eps-clip-c 3.0"
    now = checked(flags)
    assert now.training.loss.dual == 3.0
    assert "version" in codes(now)
    for version in ("0.3.1", "2026-08-11"):
        then = checked(flags, version=version).training
        assert then.loss.dual is None
        assert [i.key for i in then.ignored] == ["eps_clip_c"]
    assert checked(f"{FOUR} --eps-clip-c 1.0").answer.verdict == "refused"


def test_cispo_bounds_weights_on_both_sides() -> None:
    found = checked(f"{FOUR} --advantage-estimator cispo --eps-clip 0.2 --eps-clip-high 4.0 --eps-clip-c 3.0")
    loss = found.training.loss
    assert (loss.kind, loss.lower, loss.upper, loss.dual) == ("weight", 0.8, 5.0, None)
    assert [i.key for i in found.training.ignored] == ["eps_clip_c"]
    assert "two-sided-weight" in codes(found)
    canonical = checked(f"{FOUR} --advantage-estimator cispo --eps-clip 1.0 --eps-clip-high 4.0")
    assert canonical.training.loss.lower_bound is None
    assert "two-sided-weight" not in codes(canonical)


def test_gspo_is_by_answers() -> None:
    found = checked(f"{FOUR} --advantage-estimator gspo --eps-clip 3e-4 --eps-clip-high 4e-4").training.loss
    assert (found.level, found.upper) == ("sequence", pytest.approx(1.0004))


def test_group_normalisation() -> None:
    """One of 8 rewarded: std² = 8·p(1 − p)/7 at p = 1/8, advantage (1 − p)/(std + 1e-6)."""
    plus, _ = binary_advantages(8, checked(ONE).training.normalisation)
    assert plus[1] == pytest.approx((7 / 8) / (math.sqrt((1 / 8) * (7 / 8) * 8 / 7) + 1e-6), rel=1e-9)
    assert checked(f"{ONE} --disable-grpo-std-normalization").training.normalisation.scale == "none"
    assert checked(f"{ONE} --disable-rewards-normalization").training.normalisation.baseline == "other"
    assert checked(f"{ONE} --normalize-advantages").training.normalisation.whitened


def test_a_group_of_one() -> None:
    found = checked("--rollout-batch-size 64 --n-samples-per-prompt 1 --global-batch-size 64")
    assert "group-of-one" in codes(found)
    raw = "--rollout-batch-size 64 --global-batch-size 64 --disable-rewards-normalization"
    assert "group-of-one" not in codes(checked(raw))


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ("--kl-coef 0.1 --use-kl-loss --kl-loss-coef 0.1", "kl_loss_coef"),
        ("--advantage-estimator reinforce_plus_plus", "normalize_advantages"),
        ("--get-mismatch-metrics", "custom_tis_function_path"),
        ("--over-sampling-batch-size 16", "over_sampling_batch_size"),
        ("--rollout-temperature 0", "rollout_temperature"),
    ],
)
def test_refusals(flags: str, named: str) -> None:
    assert named in str(checked(f"{ONE} {flags}").training.refused)


def test_gates_and_keys_without_their_switch() -> None:
    with_switch = checked(f"{FOUR} --use-tis --tis-clip 5.0 --use-opsm --opsm-delta 1e-3").training
    assert [gate.name for gate in with_switch.gates] == ["TIS", "off-policy sequence mask"]
    assert not with_switch.ignored
    without = checked(f"{FOUR} --tis-clip 5.0 --kl-loss-coef 0.01").training
    assert not without.gates
    assert {i.key for i in without.ignored} == {"tis_clip", "kl_loss_coef"}
    assert not without.confounders
    assert checked(f"{FOUR} --use-kl-loss --kl-loss-coef 0.01").training.confounders == (("kl_loss_coef", 0.01),)


def test_losses_that_are_not_the_policys() -> None:
    assert checked(f"{FOUR} --loss-type sft_loss").answer.verdict == "no-ratio-clip"
    assert checked(f"{FOUR} --loss-type custom_loss").answer.verdict == "undetermined"


ARRAYS = """
NUM_GPUS=8
GRPO_ARGS=(
   --advantage-estimator grpo
   --eps-clip 0.2
   --eps-clip-high 0.28
   # --use-rollout-logprobs
)
ROLLOUT_ARGS=(
   --rollout-batch-size 32
   --n-samples-per-prompt 8

   --global-batch-size 64  # responses
)
UNUSED_ARGS=(
   --use-tis
)
ray job submit --address="http://127.0.0.1:8265" \\
   --runtime-env-json="{\\"env_vars\\": {}}" \\
   -- python3 train.py \\
   --actor-num-nodes 1 \\
   --actor-num-gpus-per-node ${NUM_GPUS} \\
   --colocate \\
   ${MODEL_ARGS[@]} \\
   "${GRPO_ARGS[@]}" \\
   ${ROLLOUT_ARGS[@]}
"""


def test_arrays_of_a_launch_script() -> None:
    """A comment inside an array is none of its words; an array that the file does not set is named; ray's own flags are
    not slime's; an array that is not passed does nothing."""
    found = script(ARRAYS)
    assert found.training.geometry.steps_per_rollout == 4
    assert found.training.loss.upper == 1.28
    assert found.training.denominator.source == "second pass"
    assert not found.training.gates
    assert codes(found) >= {"not-followed", "variable-not-passed"}
    assert "unknown-key" not in codes(found)
    passed = script(ARRAYS.replace("${MODEL_ARGS[@]}", "${UNUSED_ARGS[@]}"))
    assert [gate.name for gate in passed.training.gates] == ["TIS"]


def test_controls_say_what_they_claim() -> None:
    flags = f"{ONE} --eps-clip 0.2 --eps-clip-high 0.28"
    keys = checked(flags).training.keys

    def given(pairs: tuple[tuple[str, Any], ...]) -> Checked:
        return checked(flags, overrides=[f"{key}={value}" for key, value in pairs])

    assert given(keys.more_updates).training.geometry.steps_per_rollout == 8
    assert given(keys.no_clip).training.loss.lower_bound is None
    assert (given(keys.high_only).training.loss.lower_bound, given(keys.high_only).training.loss.upper) == (None, 1.28)
    assert given(keys.low_only).training.loss.lower == 0.8
    assert (given(keys.low_only).training.loss.upper or 0) > 1000


@pytest.mark.usefixtures("one_rank")
def test_the_coin_is_fair_and_of_the_frameworks_form() -> None:
    space: dict[str, Any] = {}
    exec(REWARD.format(success_prob=0.25, seed=3), space)

    async def all_of() -> list[float]:
        return [await space["random_reward"](None, None, extra=1) for _ in range(2000)]

    found = asyncio.run(all_of())
    assert abs(sum(found) / 2000 - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 2000)
