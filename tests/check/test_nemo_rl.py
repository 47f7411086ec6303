"""NeMo-RL's keys: every rule of its row in the table of frameworks, and its traps."""

import math
from pathlib import Path
from typing import Any

import pytest

from clipbias.check.answer import binary_advantages
from clipbias.check.check import Checked, check_documents, check_files
from clipbias.check.document import parse

ONE = "grpo: {num_prompts_per_step: 32, num_generations_per_prompt: 16}\npolicy: {train_global_batch_size: 512}\n"
MANY = ONE.replace("512", "64")


def checked(text: str, **more: Any) -> Checked:
    found = check_documents([parse(Path("a.yaml"), text)], **more)
    assert found.framework.name == "nemo-rl"
    return found


def loss(keys: str, shape: str = MANY) -> Checked:
    return checked(f"{shape}loss_fn: {{ratio_clip_min: 0.2, {keys}}}\n")


@pytest.mark.parametrize("batch", [512, 256, 64, 16])
def test_responses_over_responses(batch: int) -> None:
    found = checked(ONE.replace("512", str(batch))).training
    assert found.geometry.steps_per_rollout == 32 * 16 / batch
    assert found.moves == ("updates" if batch < 512 else "noise")


def test_a_rollout_is_a_multiple() -> None:
    assert checked(ONE.replace("512", "96")).answer.verdict == "refused"


def test_forced_and_disabled_ratios() -> None:
    assert loss("force_on_policy_ratio: true", ONE).training.moves == "identical"
    assert loss("force_on_policy_ratio: true").answer.verdict == "refused"
    without = loss("disable_ppo_ratio: true")
    assert without.answer.verdict == "no-ratio-clip"
    assert [i.key for i in without.training.ignored] == ["loss_fn.ratio_clip_min"]


def test_sequence_ratios_need_the_sequences_mean() -> None:
    assert loss("sequence_level_importance_ratios: true").answer.verdict == "refused"
    found = loss("sequence_level_importance_ratios: true, token_level_loss: false")
    assert found.training.loss.level == "sequence"
    assert "wide-for-sequences" in {r.code for r in found.answer.remarks}


def test_cispo_keeps_the_increments() -> None:
    found = loss("use_cispo: true, ratio_clip_max: 0.28").training.loss
    assert (found.kind, found.lower, found.upper) == ("weight", 0.8, 1.28)
    assert loss("use_cispo: true, ratio_clip_c: 3.0").answer.verdict == "refused"


def test_dual_clip_is_absolute() -> None:
    assert loss("ratio_clip_c: 3.0").training.loss.dual == 3.0
    assert loss("ratio_clip_c: null").training.loss.dual is None
    assert loss("ratio_clip_c: 0.5").answer.verdict == "refused"


def test_truncated_importance_sampling_and_its_switch() -> None:
    tis = "truncated_importance_sampling_type: tis, truncated_importance_sampling_ratio: 2.0"
    assert loss(tis).answer.verdict == "refused"
    found = loss(f"{tis}, use_importance_sampling_correction: true").training
    assert [gate.name for gate in found.gates] == ["importance sampling correction"]
    assert loss(f"{tis.replace(': tis', ': icepop')}, use_importance_sampling_correction: true").training.refused


def test_baseline_and_std_of_the_others() -> None:
    """2 of 16 rewarded: a rewarded answer's others have mean 1/15 and std² = (1/15)(14/15)·15/14 = 1/15."""
    plus, _ = binary_advantages(16, checked(ONE).training.normalisation)
    assert plus[2] == pytest.approx((14 / 15) / (math.sqrt(1 / 15) + 1e-6), rel=1e-9)
    own = checked(ONE.replace("16}", "16, use_leave_one_out_baseline: false}"))
    assert own.training.normalisation.baseline == "group mean"


def test_files_inherit_and_the_command_line_is_over_them(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(ONE + "loss_fn: {ratio_clip_max: 0.3}\n")
    (tmp_path / "x.yaml").write_text("defaults: base.yaml\ngrpo: {num_prompts_per_step: 64}\n")
    (tmp_path / "run.sh").write_text(
        "uv run examples/run_grpo_math.py --config x.yaml policy.train_global_batch_size=64\n"
    )
    found = check_files([tmp_path / "run.sh"])
    assert found.framework.name == "nemo-rl"
    assert found.training.geometry.steps_per_rollout == 64 * 16 / 64
    assert found.training.loss.upper == 1.3
    assert check_files([tmp_path / "x.yaml"]).training.geometry.steps_per_rollout == 64 * 16 / 512


def test_a_value_that_refers_to_another_key() -> None:
    text = ONE.replace(
        "16}", "16, normalize_rewards: false, adv_estimator: {normalize_rewards: '${grpo.normalize_rewards}'}}"
    )
    assert checked(text).training.normalisation.scale == "none"
    assert checked(text.replace("false", "true")).training.normalisation.scale == "std-unbiased"


def test_controls_say_what_they_claim() -> None:
    keys = checked(ONE).training.keys

    def given(pairs: tuple[tuple[str, Any], ...]) -> Checked:
        return checked(ONE, overrides=[f"{key}={value}" for key, value in pairs])

    assert given(keys.more_updates).training.geometry.steps_per_rollout == 8
    assert given(keys.no_clip).training.loss.lower_bound is None
    assert given(keys.low_only).training.loss.lower == 0.8
