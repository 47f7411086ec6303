"""RLinf's keys: every rule of its row in the table of frameworks, and its traps."""

from pathlib import Path
from typing import Any

import pytest

from asked import bounds, codes, ignored
from clipbias.check.answer import binary_advantages
from clipbias.check.check import Checked, check_documents
from clipbias.check.document import parse
from clipbias.check.setup import Moves


def read(text: str, name: str, **more: Any) -> Checked:
    """Of a file that nobody said is RLinf's."""
    found = check_documents([parse(Path(name), text)], **more)
    assert found.framework.name == "rlinf"
    return found


def checked(algorithm: str, other: str = "", **more: Any) -> Checked:
    text = f"data: {{rollout_batch_size: 512}}\nalgorithm: {{group_size: 8, {algorithm}}}\n{other}\n"
    return read(text, "a.yaml", **more)


@pytest.mark.parametrize("steps", [1, 4])
def test_mini_batches_are_steps(steps: int) -> None:
    found = checked(f"n_minibatches: {steps}, recompute_logprobs: true").training
    assert found.geometry.steps_per_rollout == steps
    assert found.moves is (Moves.UPDATES if steps > 1 else Moves.NOISE)


def test_where_the_denominator_comes_from() -> None:
    assert checked("n_minibatches: 1, recompute_logprobs: false").training.moves is Moves.MISMATCH
    fixed = checked("n_minibatches: 1, recompute_logprobs: false, importance_sampling_fix: true").training
    assert fixed.moves is Moves.NOISE
    assert [gate.key for gate in fixed.gates] == ["importance_sampling_fix"]


def test_a_null_side_is_the_common_bound() -> None:
    one = checked(
        "n_minibatches: 4, ratio_clip_eps: 0.3, clip_ratio_high: 0.28, clip_ratio_low: null, clip_ratio_c: null"
    )
    assert bounds(one) == (0.7, 1.28, None)
    assert not ignored(one)
    both = checked("ratio_clip_eps: 0.3, clip_ratio_high: 0.28, clip_ratio_low: 0.1")
    assert bounds(both)[:2] == (0.9, 1.28)
    assert ignored(both) == {"algorithm.ratio_clip_eps"}


def test_the_dual_clip_is_three_where_nothing_is_written() -> None:
    assert bounds(checked("n_minibatches: 4"))[2] == 3.0
    assert bounds(checked("n_minibatches: 4, clip_ratio_c: 5.0"))[2] == 5.0
    assert checked("n_minibatches: 4, clip_ratio_c: 1.0").answer.verdict == "refused"


def test_the_early_stop_is_megatrons() -> None:
    stop = "n_minibatches: 4, early_stop_imp_ratio: 5.0"
    assert [gate.name for gate in checked(stop).training.gates] == ["early stop"]
    fsdp = checked(stop, "actor: {training_backend: fsdp}")
    assert not fsdp.training.gates
    assert ignored(fsdp) == {"algorithm.early_stop_imp_ratio"}


def test_normalisation_and_confounders() -> None:
    found = checked("n_minibatches: 4, normalize_advantages: false, entropy_bonus: 0.01")
    assert binary_advantages(4, found.training.normalisation)[0][1] == pytest.approx(0.75 / (0.5 + 1e-6))
    assert "twice-normalised" not in codes(found)
    assert dict(found.training.confounders) == {"algorithm.entropy_bonus": 0.01}
    assert "twice-normalised" in codes(checked("n_minibatches: 4"))


def test_embodied_tasks_are_not_determined() -> None:
    assert checked("recompute_logprobs: true, update_epoch: 2").answer.verdict == "undetermined"


def test_controls_are_read_back() -> None:
    keys = checked("n_minibatches: 1, ratio_clip_eps: 0.3").training.keys

    def changed(pairs: tuple[tuple[str, Any], ...]) -> Checked:
        words = [f"{key}={'null' if value is None else value}" for key, value in pairs]
        return checked("n_minibatches: 1, ratio_clip_eps: 0.3", overrides=words)

    assert changed(keys.more_updates).training.geometry.steps_per_rollout == 8
    assert bounds(changed(keys.high_only)) == (0.0, 1.3, None)
    assert bounds(changed(keys.low_only))[0] == 0.7
