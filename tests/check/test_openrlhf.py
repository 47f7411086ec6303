"""OpenRLHF's flags: every rule of its row in the table of frameworks, and its traps."""

import math
from pathlib import Path
from typing import Any

import pytest

from asked import codes
from clipbias.check.answer import binary_advantages
from clipbias.check.check import Checked, check_documents
from clipbias.check.document import parse
from clipbias.check.frameworks.openrlhf import REWARD
from clipbias.common.errors import InputError

GROUP = "--algo.advantage.estimator group_norm --rollout.n_samples_per_prompt 8 --rollout.batch_size 128"


def checked(flags: str, **more: Any) -> Checked:
    """Of a launch script that nobody said is OpenRLHF's."""
    script = f"ray job submit -- python3 -m openrlhf.cli.train_ppo_ray {flags}\n"
    found = check_documents([parse(Path("run.sh"), script)], **more)
    assert found.framework.name == "openrlhf"
    return found


def test_the_defaults_make_eight_steps() -> None:
    found = checked("--rollout.top_p 1.0").to_json()
    assert found["optimizer_steps_per_rollout"] == 1024 * 1 / 128
    assert (found["lower_bound"], found["upper_bound"], found["dual_bound"]) == (0.8, 1.2, None)
    assert found["ratio_moves_by"] == "updates"


@pytest.mark.parametrize(("batch", "epochs"), [(128, 1), (256, 1), (1024, 1), (1024, 3), (2048, 1), (384, 2)])
def test_prompts_times_responses_times_epochs_over_responses(batch: int, epochs: int) -> None:
    found = checked(f"{GROUP} --train.batch_size {batch} --train.max_epochs {epochs}").to_json()
    steps = 128 * 8 * epochs / batch
    assert found["optimizer_steps_per_rollout"] == pytest.approx(steps)
    assert found["ratio_moves_by"] == ("updates" if steps > 1 else "noise")
    assert "128 prompts" in found["arithmetic"]
    assert f"{batch} responses" in found["arithmetic"]


def test_episodes_are_no_epochs() -> None:
    assert checked(f"{GROUP} --train.batch_size 1024 --train.num_episodes 20").training.geometry.steps_per_rollout == 1


def test_dynamic_batches_are_whole() -> None:
    flags = f"{GROUP} --train.batch_size 384"
    assert float(checked(flags).training.geometry.steps_per_rollout or 0) == pytest.approx(1024 / 384)
    dynamic = checked(f"{flags} --train.dynamic_batch_enable")
    assert dynamic.training.geometry.steps_per_rollout == 1024 // 384
    never = checked(f"{GROUP} --train.batch_size 2048 --train.dynamic_batch_enable")
    assert never.training.geometry.steps_per_rollout == 0
    assert "no-step" in codes(never)


def test_a_step_inside_a_rollout_moves_its_ratio() -> None:
    """1,024 answers a rollout and 1,536 a step: every second step falls into the middle of a rollout."""
    assert checked(f"{GROUP} --train.batch_size 1536").training.moves == "updates"
    assert checked(f"{GROUP} --train.batch_size 2048").training.moves == "noise"


def test_async_keeps_the_trainers_own_denominator() -> None:
    found = checked(f"{GROUP} --train.batch_size 1024 --train.async_enable --train.partial_rollout_enable")
    assert found.training.denominator.source == "second pass"
    assert found.answer.verdict == "noise-only"


def test_the_pair_takes_the_place_of_eps_clip() -> None:
    both = checked(f"{GROUP} --train.batch_size 128 --actor.eps_clip 0.3 --actor.eps_clip_low_high 0.1 0.28")
    assert (both.training.loss.lower, both.training.loss.upper) == (0.9, 1.28)
    assert [i.key for i in both.training.ignored] == ["actor.eps_clip"]
    alone = checked(f"{GROUP} --train.batch_size 128 --actor.eps_clip 0.3").training
    assert (alone.loss.lower, alone.loss.upper) == (0.7, 1.3)
    assert not alone.ignored


def test_a_pair_is_two_numbers() -> None:
    with pytest.raises(InputError, match="eps_clip_low_high"):
        checked(f"{GROUP} --actor.eps_clip_low_high 0.1 0.2 0.3")


@pytest.mark.parametrize("loss", ["ppo", "gspo"])
def test_dual_clip_is_absolute_in_both_losses(loss: str) -> None:
    flags = f"{GROUP} --train.batch_size 128 --actor.policy_loss_type {loss}"
    assert checked(f"{flags} --actor.dual_clip 3.0").training.loss.dual == 3.0
    assert checked(flags).training.loss.dual is None
    assert checked(f"{flags} --actor.dual_clip 0.9").answer.verdict == "refused"


def test_gspo_is_by_answers_and_wide_at_its_defaults() -> None:
    found = checked(f"{GROUP} --train.batch_size 128 --actor.policy_loss_type gspo")
    assert found.training.loss.level == "sequence"
    assert "wide-for-sequences" in codes(found)
    narrow = f"{GROUP} --train.batch_size 128 --actor.policy_loss_type gspo --actor.eps_clip_low_high 3e-4 4e-4"
    assert "wide-for-sequences" not in codes(checked(narrow))


def test_gspo_with_correction_has_vllm_in_its_denominator() -> None:
    """log R is taken to vLLM's values then, so that the clip acts with a single step; ppo keeps its own and a gate."""
    flags = f"{GROUP} --train.batch_size 1024 --algo.advantage.is_correction_level token"
    gspo = checked(f"{flags} --actor.policy_loss_type gspo --algo.advantage.is_correction_mode mask")
    assert gspo.training.moves == "mismatch"
    assert not gspo.training.gates
    assert [i.key for i in gspo.training.ignored] == ["algo.advantage.is_correction_mode"]
    ppo = checked(flags)
    assert ppo.training.moves == "noise"
    assert [gate.name for gate in ppo.training.gates] == ["vLLM correction"]


def test_a_correction_that_is_off_ignores_its_keys() -> None:
    found = checked(f"{GROUP} --algo.advantage.is_correction_threshold 0.5 5.0").training
    assert [i.key for i in found.ignored] == ["algo.advantage.is_correction_threshold"]
    assert not found.gates


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ("--algo.advantage.estimator rloo", "n_samples_per_prompt"),
        ("--algo.dynamic_filtering_enable", "n_samples_per_prompt"),
        ("--train.partial_rollout_enable", "async_enable"),
        ("--train.async_enable --train.colocate_all --vllm.enable_sleep", "enable_sleep"),
        ("--rollout.batch_size 64 --rollout.vllm_generate_batch_size 128", "async"),
        ("--algo.advantage.is_correction_level seq --algo.advantage.is_correction_mode clip", "is_correction_mode"),
        ("--algo.advantage.is_correction_level seq --algo.advantage.is_correction_gating tv", "upper bound"),
    ],
)
def test_refusals(flags: str, named: str) -> None:
    found = checked(flags)
    assert found.answer.verdict == "refused"
    assert named in str(found.training.refused)
    assert found.training.geometry.steps_per_rollout is None
    assert found.training.moves == "none"


def test_group_norm_is_n_minus_one() -> None:
    """One of 8 rewarded: std² = 8·p(1 − p)/7 at p = 1/8, advantage (1 − p)/std."""
    plus, _ = binary_advantages(8, checked(f"{GROUP}").training.normalisation)
    assert plus[1] == pytest.approx((7 / 8) / math.sqrt(8 * (1 / 8) * (7 / 8) / 7))


@pytest.mark.parametrize("estimator", ["group_norm", "rloo", "dr_grpo"])
def test_no_std_norm_is_of_whitened_estimators_alone(estimator: str) -> None:
    flags = f"--rollout.n_samples_per_prompt 8 --algo.advantage.no_std_norm --algo.advantage.estimator {estimator}"
    assert [i.key for i in checked(flags).training.ignored] == ["algo.advantage.no_std_norm"]
    whitened = checked(flags.replace(estimator, "reinforce_baseline")).training
    assert not whitened.ignored
    assert not whitened.normalisation.whitened


@pytest.mark.parametrize(
    ("estimator", "baseline", "whitened"),
    [
        ("gae", "other", True),
        ("reinforce", "other", True),
        ("reinforce_baseline", "group mean", True),
        ("rloo", "leave one out", False),
        ("flash_reinforce", "other", False),
    ],
)
def test_estimators(estimator: str, baseline: str, whitened: bool) -> None:
    found = checked(f"--rollout.n_samples_per_prompt 8 --algo.advantage.estimator {estimator}").training.normalisation
    assert (found.baseline, found.whitened, found.scale) == (baseline, whitened, "none")


def test_entropy_coef_zero_only_logs_and_kl_is_on_by_default() -> None:
    assert checked(f"{GROUP} --actor.entropy_coef 0.0").training.confounders == (("kl.init_coef", 0.01),)
    both = checked(f"{GROUP} --actor.entropy_coef 0.001 --algo.kl.init_coef 0").training.confounders
    assert both == (("entropy_coef", 0.001),)


def test_flags_of_before_0_10_2() -> None:
    flags = (
        "--rollout_batch_size 128 --n_samples_per_prompt 8 --train_batch_size 256 --max_epochs 2"
        " --eps_clip_low_high 0.2 0.27 --advantage_estimator group_norm --init_kl_coef 0"
    )
    found = checked(flags)
    assert found.training.geometry.steps_per_rollout == 128 * 8 * 2 / 256
    assert found.training.loss.upper == 1.27
    assert "old-flags" in codes(found)
    assert "old-flags" not in codes(checked(flags, version="0.9.8"))
    assert found.training.keys.more_updates == (("train_batch_size", 128),)


def test_controls_say_what_they_claim() -> None:
    keys = checked(f"{GROUP} --train.batch_size 1024 --actor.eps_clip_low_high 0.2 0.28").training.keys
    more = " ".join(f"--{key} {value}" for key, value in keys.more_updates)
    assert checked(f"{GROUP} {more}").training.geometry.steps_per_rollout == 8
    for pairs, low, high in ((keys.no_clip, 0.0, 1e6 + 1), (keys.high_only, 0.0, 1.28), (keys.low_only, 0.8, 1e6 + 1)):
        flags = " ".join(f"--{key} {' '.join(map(str, value))}" for key, value in pairs)
        loss = checked(f"{GROUP} {flags}").training.loss
        assert (loss.lower, loss.upper) == (pytest.approx(low), pytest.approx(high))


def test_a_typo_is_named() -> None:
    found = checked(f"{GROUP} --actor.eps_clip_low_hihg 0.2 0.28")
    assert any(r.code == "unknown-key" and r.fix == "actor.eps_clip_low_high?" for r in found.answer.remarks)


def test_keys_in_a_file_are_known_by_their_beginnings() -> None:
    text = "rollout: {batch_size: 64, n_samples_per_prompt: 4}\nalgo: {advantage: {estimator: rloo}}\n"
    assert check_documents([parse(Path("a.yaml"), text)]).framework.name == "openrlhf"


@pytest.mark.usefixtures("one_rank")
def test_the_coin_is_fair_and_of_the_frameworks_form() -> None:
    torch = pytest.importorskip("torch")
    space: dict[str, Any] = {}
    exec(REWARD.format(success_prob=0.25, seed=3), space)
    found = space["reward_func"](["q"] * 2000, ["p"] * 2000, ["l"] * 2000)["rewards"]
    assert isinstance(found, torch.Tensor)
    assert abs(float(found.mean()) - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 2000)
