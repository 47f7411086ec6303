"""open-instruct's flags: every rule of its row in the table of frameworks, and its traps."""

import math
from pathlib import Path
from typing import Any

import pytest

from clipbias.check.answer import binary_advantages
from clipbias.check.check import Checked, check_documents
from clipbias.check.document import parse

SHAPE = "--beta 0.0 --num_unique_prompts_rollout 8 --num_samples_per_prompt_rollout 8"


def checked(flags: str, **more: Any) -> Checked:
    script = (
        f"python mason.py --cluster a -- source setup.sh \\&\\& python open_instruct/grpo_fast.py {SHAPE} {flags}\n"
    )
    found = check_documents([parse(Path("run.sh"), script)], **more)
    assert found.framework.name == "open-instruct"
    return found


@pytest.mark.parametrize(("batches", "epochs"), [(1, 1), (2, 1), (1, 4), (3, 2)])
def test_mini_batches_times_epochs(batches: int, epochs: int) -> None:
    found = checked(f"--num_mini_batches {batches} --num_epochs {epochs}").training
    assert found.geometry.steps_per_rollout == batches * epochs
    assert found.moves == ("updates" if batches * epochs > 1 else "identical")
    assert found.denominator.source == ("second pass" if batches > 1 else "own")


def test_bounds() -> None:
    loss = checked("").training.loss
    assert (loss.lower, loss.upper, loss.dual) == (0.8, pytest.approx(1.272), None)
    other = checked("--clip_lower 0.1 --clip_higher 0.28").training.loss
    assert (other.lower, other.upper) == (0.9, 1.28)


def test_cispo_bounds_above_alone() -> None:
    found = checked("--loss_fn cispo --clip_lower 0.2 --clip_higher 4.0 --num_mini_batches 2").training
    assert (found.loss.kind, found.loss.lower, found.loss.upper) == ("weight", None, 5.0)
    assert [i.key for i in found.ignored] == ["clip_lower"]


def test_vllm_log_probabilities_exclude_rho_which_is_on() -> None:
    assert checked("--use_vllm_logprobs").answer.verdict == "refused"
    for off in ("--no_use_rho_correction", "--use_rho_correction False"):
        found = checked(f"--use_vllm_logprobs {off}").training
        assert found.moves == "mismatch"
        assert "rho" not in [gate.name for gate in found.gates]
    assert checked("--use_vllm_logprobs", version="2026-05-06").training.moves == "mismatch"


def test_rho_is_a_gate_by_default() -> None:
    assert "rho" in [gate.name for gate in checked("").training.gates]
    off = checked("--use_rho_correction False --rho_clamp_upper_bound 3.0").training
    assert [i.key for i in off.ignored] == ["rho_clamp_upper_bound"]
    assert "above 1" in str(checked("--rho_clamp_upper_bound 0.5").training.refused)


def test_a_penalty_needs_its_reference() -> None:
    assert "load_ref_policy" in str(checked("--beta 0.01 --load_ref_policy False").training.refused)
    assert checked("--load_ref_policy False").training.refused is None
    assert checked("--beta 0.01").training.confounders == (("beta", 0.01),)


def test_advantages_are_centred_unless_standard() -> None:
    """One of 8 rewarded: 7/8, over √(1/8·7/8) where standard."""
    plus, _ = binary_advantages(8, checked("").training.normalisation)
    assert plus[1] == pytest.approx(7 / 8)
    standard = checked("--advantage_normalization_type standard").training.normalisation
    assert binary_advantages(8, standard)[0][1] == pytest.approx((7 / 8) / math.sqrt(7 / 64), rel=1e-6)


def test_controls_say_what_they_claim() -> None:
    keys = checked("").training.keys
    more = checked("", overrides=[f"{key}={value}" for key, value in keys.more_updates])
    assert more.training.geometry.steps_per_rollout == 8
    assert checked("", overrides=[f"{key}={value}" for key, value in keys.no_clip]).training.loss.lower_bound is None
