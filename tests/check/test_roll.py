"""ROLL's keys: every rule of its row in the table of frameworks, and its traps."""

import math
from pathlib import Path
from typing import Any

import pytest

from asked import bounds, codes, ignored
from clipbias.check.answer import binary_advantages
from clipbias.check.check import Checked, check_documents
from clipbias.check.control import control
from clipbias.check.document import parse, read_document
from clipbias.check.frameworks.roll import REWARD
from clipbias.check.setup import Moves


def read(text: str, name: str, **more: Any) -> Checked:
    """Of a file that nobody said is ROLL's."""
    found = check_documents([parse(Path(name), text)], **more)
    assert found.framework.name == "roll"
    return found


TEXT = """
rollout_batch_size: 64
num_return_sequences_in_group: 8
init_kl_coef: {kl}
{more}
actor_train:
  training_args: {{per_device_train_batch_size: 1, gradient_accumulation_steps: {accumulation}}}
  strategy_args:
    strategy_name: megatron_train
    strategy_config: {{tensor_model_parallel_size: {tensor}, pipeline_model_parallel_size: 1}}
  device_mapping: list(range(0,16))
"""


def checked(more: str = "", accumulation: int = 32, tensor: int = 1, kl: float = 0.0, **rest: Any) -> Checked:
    return read(TEXT.format(more=more, accumulation=accumulation, tensor=tensor, kl=kl), "a.yaml", **rest)


@pytest.mark.parametrize(("accumulation", "tensor", "epochs"), [(32, 1, 1), (8, 1, 1), (32, 2, 1), (16, 4, 2)])
def test_responses_over_what_one_step_takes(accumulation: int, tensor: int, epochs: int) -> None:
    found = checked(f"ppo_epochs: {epochs}", accumulation, tensor)
    steps = 64 * 8 * epochs // (accumulation * (16 // tensor))
    assert found.training.geometry.steps_per_rollout == steps
    assert found.training.moves is (Moves.UPDATES if steps > 1 else Moves.IDENTICAL)


def test_init_kl_coef_asks_for_a_pass_before() -> None:
    assert checked(kl=0.1).training.moves is Moves.NOISE
    assert checked().training.moves is Moves.IDENTICAL
    assert checked("enable_old_logprobs_recompute: true").training.moves is Moves.NOISE
    assert checked("force_disable_old_logprobs_recompute: true", kl=0.1).training.moves is Moves.IDENTICAL


def test_more_than_a_rollout_makes_no_step() -> None:
    assert "no-step" in codes(checked(accumulation=64))
    assert "no-step" not in codes(checked())


def test_the_pair_needs_its_switch() -> None:
    pair = "pg_clip: 0.3\npg_clip_low: 0.1\npg_clip_high: 0.28\n"
    off = checked(pair)
    assert bounds(off) == (0.7, 1.3, None)
    assert ignored(off) == {"pg_clip_low", "pg_clip_high"}
    assert bounds(checked(f"{pair}use_pg_clip_range: true")) == (0.9, 1.28, None)


def test_the_dual_clip_is_two_clips_above_one() -> None:
    assert bounds(checked("dual_clip_loss: true\npg_clip: 0.3"))[2] == pytest.approx(1.6)
    assert bounds(checked("pg_clip: 0.3"))[2] is None


def test_levels_and_variants() -> None:
    assert checked("importance_sampling: seq").training.loss.level == "sequence"
    assert checked().training.loss.level == "token"
    cispo = checked("pg_variant: cispo\npg_clip: 0.3", accumulation=8)
    assert (cispo.training.loss.kind, bounds(cispo)) == ("weight", (0.9, 1.1, None))
    assert ignored(cispo) == {"pg_clip"}
    tis = checked("pg_variant: tis", accumulation=8)
    assert (tis.training.loss.kind, bounds(tis)[:2]) == ("weight", (0.0, 1.0))
    topr = checked("pg_variant: topr", accumulation=8)
    assert topr.answer.verdict == "no-ratio-clip"
    assert [gate.name for gate in topr.training.gates] == ["TOPR"]
    assert checked("pg_variant: vanilla", accumulation=8).training.moves is Moves.NONE


def test_advantages() -> None:
    grpo = checked("adv_estimator: grpo\nadvantage_clip: 2.0").training
    plus = binary_advantages(8, grpo.normalisation)[0]
    assert plus[1] == pytest.approx(2.0)  # (7/8)/√(1/8) = 2.47, cut off
    assert plus[4] == pytest.approx((1 - 0.5) / (math.sqrt(2 / 7) + 1e-6))
    assert [gate.name for gate in grpo.gates] == ["advantage clip"]
    assert checked("whiten_advantages: true").training.normalisation.whitened


def test_corrections_and_confounders() -> None:
    found = checked("train_infer_correction: {is_weight: {enabled: true}}\nentropy_loss_coef: 0.01").training
    assert [gate.name for gate in found.gates] == ["train-infer correction"]
    assert dict(found.confounders) == {"entropy_loss_coef": 0.01}
    assert not checked("kl_loss_coef: 0.1").training.confounders
    assert checked("kl_loss_coef: 0.1\nuse_kl_loss: true").training.confounders


def test_controls_are_read_back() -> None:
    keys = checked("dual_clip_loss: true").training.keys

    def changed(pairs: tuple[tuple[str, Any], ...]) -> Checked:
        return checked("dual_clip_loss: true", overrides=[f"{key}={value}" for key, value in pairs])

    assert changed(keys.more_updates).training.geometry.steps_per_rollout == 8
    assert bounds(changed(keys.high_only)) == (0.0, 1.2, None)
    assert bounds(changed(keys.low_only))[0] == 0.8
    assert (bounds(changed(keys.low_only))[1] or 0.0) > 1e5


@pytest.mark.usefixtures("one_rank")
def test_the_reward_is_a_coin() -> None:
    scope: dict[str, Any] = {}
    exec(REWARD.format(success_prob=0.25, seed=1), scope)
    rewards = [scope["coin_reward_fn"]("a", "1") for _ in range(4000)]
    assert abs(sum(rewards) / 4000 - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 4000)


AGENTIC = """
defaults: [../config/envs@_here_]
rollout_batch_size: 1024
adv_estimator: grpo
init_kl_coef: 0.0
enable_old_logprobs_recompute: true
custom_envs: {{Lake: {{env_type: frozen_lake}}}}
reward_normalization: {{grouping: {grouping}, method: {method}}}
train_env_manager: {{num_env_groups: 128, group_size: 8}}
actor_train:
  worker_cls: roll.pipeline.agentic.{worker}.ActorWorker
  pg_variant: topr
  training_args: {{per_device_train_batch_size: 2, gradient_accumulation_steps: 32}}
  device_mapping: list(range(0,8))
"""


def in_environments(
    grouping: str = "traj_group_id", method: str = "mean_std", worker: str = "agentic_actor_pg_worker", **rest: Any
) -> Checked:
    return read(AGENTIC.format(grouping=grouping, method=method, worker=worker), "a.yaml", **rest)


def test_workers_of_environments_that_read_the_variant() -> None:
    found = in_environments()
    assert (found.training.loss.name, found.answer.verdict) == ("topr", "no-ratio-clip")
    assert not ignored(found)
    assert control(found, "no-clip").arms[0].changes == ()
    other = in_environments(worker="agentic_actor_worker")
    assert bounds(other) == (0.8, 1.2, None)
    assert ignored(other) == {"pg_variant"}
    segments = in_environments(worker="agentic_actor_worker", overrides=["ratio_type=segment"])
    assert segments.training.loss.level == "sequence"


def test_trajectories_and_their_groups() -> None:
    found = in_environments()
    shape = found.training.geometry
    assert (shape.steps_per_rollout, shape.group_size) == (1024 // (2 * 32 * 8), 8)
    plus = binary_advantages(8, found.training.normalisation)[0]
    assert plus[4] == pytest.approx((1 - 0.5) / (math.sqrt(2 / 7) + 1e-6))
    assert in_environments(method="mean").training.normalisation.scale == "none"
    batch = in_environments(grouping="batch").training
    assert (batch.geometry.group_size, batch.normalisation.over, batch.normalisation.baseline) == (
        None,
        "batch",
        "other",
    )
    assert "group-of-one" not in codes(found)


def test_keys_of_environments_are_known() -> None:
    assert "unknown-key" not in codes(in_environments())
    assert "unknown-key" in codes(in_environments(overrides=["reward_normalization.methode=mean"]))


def test_hydras_package_is_no_part_of_a_files_name(tmp_path: Path) -> None:
    for folder in ("config", "run"):
        (tmp_path / folder).mkdir()
    (tmp_path / "config" / "envs.yaml").write_text("ppo_epochs: 3\n")
    path = tmp_path / "run" / "a.yaml"
    path.write_text(AGENTIC.format(grouping="batch", method="mean", worker="agentic_actor_worker"))
    found = check_documents([read_document(path)])
    assert found.training.geometry.epochs == 3
    assert "not-followed" not in codes(found)
