"""verl's keys, sizes: how many optimizer steps a rollout has, what verl refuses, and what a ratio moves by."""

from pathlib import Path

import pytest

from asked import bounds, codes, ignored
from clipbias.check.check import check_documents
from clipbias.check.document import parse
from clipbias.check.setup import Moves
from verl_launch import BATCH, BYPASS, ONE, SEVERAL, A, checked


@pytest.mark.parametrize(
    ("batch", "mini", "epochs"), [(128, 32, 1), (128, 128, 1), (128, 128, 3), (96, 64, 1), (4, 4, 2)]
)
def test_prompts_over_prompts_rounded_up_times_epochs(batch: int, mini: int, epochs: int) -> None:
    words = f"data.train_batch_size={batch} {A}ppo_mini_batch_size={mini} {A}ppo_epochs={epochs}"
    for group in (4, 16):  # cancels
        found = checked(f"{words} actor_rollout_ref.rollout.n={group}").to_json()
        steps = -(-batch // mini) * epochs
        assert found["optimizer_steps_per_rollout"] == steps
        assert found["ratio_moves_by"] == ("updates" if steps > 1 else "noise")
        assert f"train_batch_size {batch} prompts / ppo_mini_batch_size {mini} prompts" in found["arithmetic"]


def test_the_generation_batch_changes_nothing() -> None:
    found = checked(f"{SEVERAL} data.gen_batch_size=512")
    assert found.training.geometry.steps_per_rollout == 4
    assert "generation-batch" in codes(found)
    assert "generation-batch" not in codes(checked(SEVERAL))


def test_a_mini_batch_above_the_batch_is_refused_without_dynamic_batches() -> None:
    words = f"data.train_batch_size=32 {A}ppo_mini_batch_size=64"
    refused = checked(words)
    assert refused.answer.verdict == "refused"
    assert refused.training.geometry.steps_per_rollout is None
    assert refused.training.moves is Moves.NONE
    padded = checked(f"{words} {A}use_dynamic_bsz=True")
    assert padded.training.geometry.steps_per_rollout == 1
    assert padded.answer.verdict == "noise-only"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (f"data.train_batch_size=96 {A}ppo_mini_batch_size=64 trainer.use_v1=False", "no multiple"),
        (f"data.train_batch_size=0 {A}ppo_mini_batch_size=64", "train_batch_size 0"),
        (f"{SEVERAL} {A}ppo_micro_batch_size=8 {A}ppo_micro_batch_size_per_gpu=1", "both set"),
        (f"{SEVERAL} {A}ppo_micro_batch_size=5", "no multiple of ppo_micro_batch_size 5"),
        (f"{SEVERAL} {A}ppo_micro_batch_size=4", "below 8 devices"),
        (f"{SEVERAL} trainer.n_gpus_per_node=3", "3 devices"),
        (f"{SEVERAL} {A}ulysses_sequence_parallel_size=3", "8 devices are no multiple of the 3"),
        (
            f"{SEVERAL} {A}ulysses_sequence_parallel_size=2 actor_rollout_ref.model.use_remove_padding=False",
            "use_remove_padding",
        ),
        (f"{SEVERAL} model_engine=megatron {A}megatron.tensor_model_parallel_size=3", "no multiple of the 3"),
        (f"{SEVERAL} model_engine=megatron trainer.n_gpus_per_node=3", "no multiple of 3 devices"),
        (f"{SEVERAL} model_engine=megatron {A}ppo_micro_batch_size_per_gpu=3", "8 copies × micro-batch 3"),
        (f"{BATCH}5 trainer.nnodes=2", "a mini-batch of 40 answers"),
        (f"{BATCH}5 trainer.n_gpus_per_node=16 {A}use_dynamic_bsz=True", "over 16 data-parallel devices"),
        (f"{SEVERAL} {A}policy_loss.loss_mode=grpo", "grpo is none of verl's own loss_modes"),
        (f"{SEVERAL} {A}policy_loss.loss_mode=dro", "dro_beta"),
        (f"{SEVERAL} {A}clip_ratio_c=1.0", "clip_ratio_c"),
        (
            f"{SEVERAL} {BYPASS} actor_rollout_ref.rollout.calculate_log_probs=False",
            "calculate_log_probs",
        ),
        (f"{SEVERAL} trainer.v1.trainer_mode=separate_async trainer.v1.separate_async.parameter_sync_step=3", "sync"),
    ],
)
def test_what_verl_stops_at(words: str, why: str) -> None:
    found = checked(words)
    assert found.answer.verdict == "refused"
    assert why in str(found.training.refused)


@pytest.mark.parametrize(
    "words",
    [
        f"data.train_batch_size=128 {A}ppo_mini_batch_size=64 trainer.use_v1=False",
        f"{SEVERAL} trainer.n_gpus_per_node=4",
        f"{SEVERAL} trainer.n_gpus_per_node=3 {A}strategy=megatron {A}megatron.tensor_model_parallel_size=3",
        f"{SEVERAL} trainer.n_gpus_per_node=6 model_engine=megatron {A}megatron.pipeline_model_parallel_size=3",
        f"{SEVERAL} trainer.n_gpus_per_node=3 model_engine=torchtitan",
        f"{SEVERAL} {A}ulysses_sequence_parallel_size=2",
        f"{SEVERAL} {A}ulysses_sequence_parallel_size=2 {A}ppo_micro_batch_size=4",
        f"{SEVERAL} {A}use_dynamic_bsz=True {A}ppo_micro_batch_size=5",
        f"{SEVERAL} trainer.n_gpus_per_node=$GPUS",
        f"{SEVERAL} {A}policy_loss.loss_mode=dro {A}policy_loss.dro_beta=0.1",
        f"{SEVERAL} trainer.v1.trainer_mode=separate_async trainer.v1.separate_async.parameter_sync_step=4",
    ],
)
def test_what_verl_takes(words: str) -> None:
    assert checked(words).training.refused is None


def test_the_exact_ratio_of_0_6_and_0_7() -> None:
    assert checked(ONE).training.moves is Moves.NOISE
    assert "version" in codes(checked(ONE))
    for version in ("0.7.1", "2026-01-01"):
        assert checked(ONE, version=version).training.moves is Moves.IDENTICAL
        assert checked(f"{ONE} {A}strategy=megatron", version=version).training.moves is Moves.NOISE
        assert checked(SEVERAL, version=version).training.moves is Moves.UPDATES
    for version in ("0.5.0", "0.8.0", "2026-05-01"):
        assert checked(ONE, version=version).training.moves is Moves.NOISE


def test_a_critic_of_other_mini_batches_fills_up_to_whole_ones_of_both() -> None:
    words = f"data.train_batch_size=1024 actor_rollout_ref.rollout.n=16 {A}ppo_mini_batch_size=64"
    gae = f"{words} algorithm.adv_estimator=gae critic.ppo_mini_batch_size=24"
    assert checked(gae).training.geometry.steps_per_rollout == 18  # to 6 of 192 prompts, each 3 mini-batches
    assert "filled up to a multiple of 192" in checked(gae).training.geometry.arithmetic
    mode = "trainer.v1.trainer_mode=separate_async trainer.v1.separate_async.parameter_sync_step"
    assert checked(f"{gae} {mode}=16").training.geometry.steps_per_rollout == 48  # each of the 16 by itself
    for without in ("critic.enable=False", "trainer.use_v1=False", "algorithm.adv_estimator=grpo"):
        assert checked(f"{gae} {without}").training.geometry.steps_per_rollout == 16
    assert "critic.ppo_micro_batch_size_per_gpu" in str(checked(gae).answer.remarks)
    assert "critic.ppo_micro_batch_size_per_gpu" not in str(checked(SEVERAL).answer.remarks)


def test_until_0_8_a_mini_batch_was_rounded_down_to_whole_devices() -> None:
    words = f"{BATCH}5 trainer.nnodes=2"
    assert checked(words).training.refused is not None
    assert checked(words, version="0.7.0").training.refused is None


def test_sizes_that_a_launch_must_give_are_named_and_change_no_answer() -> None:
    """ActorConfig and validate_config have no default for them. A file of keys may be only a part of one."""

    def missing(words: str) -> str:
        return " ".join(r.message for r in checked(words).answer.remarks if r.code == "micro-batch")

    rollout, reference = (f"actor_rollout_ref.{room}.log_prob_micro_batch_size_per_gpu" for room in ("rollout", "ref"))
    assert f"{A}ppo_micro_batch_size_per_gpu, {rollout}" in missing(SEVERAL)
    assert reference not in missing(SEVERAL)
    assert reference in missing(f"{SEVERAL} {A}use_kl_loss=True")
    assert checked(SEVERAL).answer.verdict == "can-act"
    assert not missing(f"{SEVERAL} {A}use_dynamic_bsz=True")
    assert f"{A}ppo_micro_batch_size_per_gpu" in missing(f"{SEVERAL} model_engine=megatron {A}ppo_micro_batch_size=8")
    assert not missing(f"{SEVERAL} {A}ppo_micro_batch_size_per_gpu=1 {rollout}=1")
    part = check_documents([parse(Path("part.yaml"), "actor_rollout_ref: {actor: {ppo_mini_batch_size: 32}}\n")])
    assert "micro-batch" not in codes(part)


def test_bypass_takes_the_engines_and_leaves_the_loss() -> None:
    found = checked(f"{ONE} {BYPASS} algorithm.rollout_correction.rollout_is=token {A}policy_loss.loss_mode=gspo")
    assert found.training.moves is Moves.MISMATCH
    assert found.answer.verdict == "can-act"
    assert found.training.loss.name == "gspo"
    assert ignored(found) == {"algorithm.rollout_correction.rollout_is"}
    decoupled = checked(f"{ONE} algorithm.rollout_correction.rollout_is=token")
    assert decoupled.training.moves is Moves.NOISE
    assert [gate.key for gate in decoupled.training.gates] == ["rollout_is=token"]
    assert not ignored(decoupled)


def test_fully_asynchronous() -> None:
    program = "verl.experimental.fully_async_policy.fully_async_main"
    words = f"data.train_batch_size=0 {A}ppo_mini_batch_size=32 async_training.require_batches=2"
    default = checked(f"{words} async_training.trigger_parameter_sync_step=3", program)
    assert default.training.geometry.steps_per_rollout == 2 * 3
    assert default.training.moves is Moves.MISMATCH
    own = "algorithm.rollout_correction.bypass_mode=False"
    assert (
        checked(f"{words} async_training.trigger_parameter_sync_step=3 {own}", program).training.moves is Moves.UPDATES
    )
    alone = f"{A}ppo_mini_batch_size=32 async_training.require_batches=1 async_training.trigger_parameter_sync_step=1"
    assert checked(f"{alone} {own}", program).training.moves is Moves.NOISE
    untold = check_documents([parse(Path("a.yaml"), "async_training: {staleness_threshold: 0.5}\n")])
    assert untold.training.geometry.steps_per_rollout is None
    assert untold.training.moves is Moves.MISMATCH


def test_one_step_off_takes_the_engines() -> None:
    program = "verl.experimental.one_step_off_policy.main_ppo"
    assert checked(ONE, program).training.moves is Moves.MISMATCH
    assert checked(ONE).training.moves is Moves.NOISE


def test_a_group_of_one_keeps_its_reward() -> None:
    alone = checked(SEVERAL.replace("rollout.n=8", "rollout.n=1"))
    assert "ungrouped" in codes(alone)
    assert "group-of-one" not in codes(alone)
    assert "ungrouped" not in codes(checked(SEVERAL))


def test_truncated_sampling() -> None:
    assert "truncated-sampling" in codes(checked(f"{SEVERAL} actor_rollout_ref.rollout.top_p=0.9"))
    assert "truncated-sampling" not in codes(checked(f"{SEVERAL} actor_rollout_ref.rollout.top_k=-1"))


def test_a_script_with_arrays_and_a_configuration_by_name(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "my.yaml").write_text(
        "data: {train_batch_size: 64}\nactor_rollout_ref: {actor: {ppo_mini_batch_size: 64}}\n"
    )
    script = tmp_path / "run.sh"
    script.write_text(
        "mini=$((64 / (2 * 4)))\n"
        f"ACTOR=(\n    {A}ppo_mini_batch_size=$mini  # a comment\n    {A}clip_ratio_high=0.28\n)\n"
        "python3 -m verl.trainer.main_ppo --config-path=conf \\\n"
        '    --config-name my data.seed=1 "${ACTOR[@]}" $@\n'
    )
    found = check_documents([parse(script, script.read_text())])
    assert found.training.geometry.steps_per_rollout == 8
    assert bounds(found) == (0.8, 1.28, 3.0)
