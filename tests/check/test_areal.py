"""AReaL's keys: every rule of its row in the table of frameworks, and its traps."""

from pathlib import Path
from typing import Any

import pytest

from asked import bounds, codes, ignored
from clipbias.check.answer import binary_advantages
from clipbias.check.check import Checked, check_documents
from clipbias.check.document import parse
from clipbias.check.setup import Moves


def read(text: str, name: str, **more: Any) -> Checked:
    """Of a file that nobody said is AReaL's."""
    found = check_documents([parse(Path(name), text)], **more)
    assert found.framework.name == "areal"
    return found


def checked(actor: str, **more: Any) -> Checked:
    text = f"gconfig: {{n_samples: 4}}\ntrain_dataset: {{batch_size: 256}}\nactor: {{{actor}}}\n"
    return read(text, "a.yaml", **more)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_mini_batches_are_steps(steps: int) -> None:
    found = checked(f"ppo_n_minibatches: {steps}, recompute_logprob: true").training
    assert found.geometry.steps_per_rollout == steps
    assert found.moves is (Moves.UPDATES if steps > 1 else Moves.NOISE)
    assert checked("eps_clip: 0.2").training.geometry.steps_per_rollout == 4


@pytest.mark.parametrize(
    ("actor", "moves"),
    [
        ("eps_clip: 0.2", Moves.MISMATCH),
        ("recompute_logprob: true", Moves.NOISE),
        ("use_decoupled_loss: true", Moves.NOISE),
        ("use_decoupled_loss: true, prox_logp_method: metrics", Moves.NOISE),
        ("use_decoupled_loss: true, prox_logp_method: loglinear", Moves.MISMATCH),
    ],
)
def test_where_the_denominator_comes_from(actor: str, moves: Moves) -> None:
    assert checked(f"ppo_n_minibatches: 1, {actor}").training.moves is moves


def test_bounds() -> None:
    assert bounds(checked("eps_clip: 0.3")) == (0.7, 1.3, None)
    assert bounds(checked("eps_clip: 0.3, eps_clip_higher: 0.4, c_clip: 3.0")) == (0.7, 1.4, 3.0)
    assert checked("importance_sampling_level: sequence, eps_clip: 0.1").training.loss.level == "sequence"
    assert checked("c_clip: 1.0, eps_clip: 0.1").answer.verdict == "refused"
    point = checked("eps_clip: 0.0")
    assert point.answer.clip_can_act
    assert "point-band" in codes(point)


def test_sapo() -> None:
    found = checked("use_sapo_loss: true, eps_clip: 0.3")
    assert found.answer.verdict == "no-ratio-clip"
    assert ignored(found) == {"actor.eps_clip"}
    assert checked("use_sapo_loss: true, use_decoupled_loss: true").answer.verdict == "refused"


def test_rejection_needs_the_decoupled_loss() -> None:
    filters = "rejection_sampling: {level: token, upper: 5.0}"
    on = checked(f"use_decoupled_loss: true, {filters}")
    assert [gate.name for gate in on.training.gates] == ["rejection sampling"]
    assert "no-behaviour-weight" not in codes(on)
    off = checked(f"recompute_logprob: true, {filters}")
    assert not off.training.gates
    assert len(ignored(off)) == 1
    assert "no-behaviour-weight" in codes(checked("use_decoupled_loss: true"))
    assert [g.key for g in checked("eps_clip: 0.2, m2_threshold: 0.04").training.gates] == ["m2_threshold"]


def test_normalisation() -> None:
    group = "reward_norm: {mean_level: group, std_level: group, group_size: 4}"
    found = checked(f"eps_clip: 0.2, {group}")
    assert binary_advantages(4, found.training.normalisation)[0][1] == pytest.approx(0.75 / (0.5 + 1e-5))
    assert "twice-normalised" not in codes(found)
    both = checked(f"eps_clip: 0.2, {group}, adv_norm: {{mean_level: batch, std_level: batch}}")
    assert both.training.normalisation.whitened
    assert "twice-normalised" in codes(both)
    lone = checked("eps_clip: 0.2, reward_norm: {mean_level: group, mean_leave1out: true, std_level: null}")
    assert binary_advantages(4, lone.training.normalisation)[0][1] == pytest.approx(1.0)


def test_a_reference_is_followed() -> None:
    assert bounds(checked("ppo_n_minibatches: 1, eps_clip: 0.3, eps_clip_higher: '${actor.eps_clip}'"))[1] == 1.3


def test_kl_is_on_by_default() -> None:
    assert dict(checked("eps_clip: 0.2").training.confounders) == {"actor.kl_ctl": 0.1}
    assert not checked("eps_clip: 0.2, kl_ctl: 0.0").training.confounders


def test_controls_are_read_back() -> None:
    keys = checked("eps_clip: 0.3, c_clip: 3.0").training.keys

    def changed(pairs: tuple[tuple[str, Any], ...]) -> Checked:
        words = [f"{key}={'null' if value is None else value}" for key, value in pairs]
        return checked("eps_clip: 0.3, c_clip: 3.0", overrides=words)

    assert changed(keys.more_updates).training.geometry.steps_per_rollout == 8
    assert bounds(changed(keys.high_only))[:2] == (0.0, 1.3)
    assert bounds(changed(keys.low_only))[0] == 0.7
