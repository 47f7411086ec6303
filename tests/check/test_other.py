"""Loops written by hand: what their syntax tree tells of the ratio, its denominator, its clamps and the steps on it."""

from pathlib import Path
from typing import Any

import pytest

from clipbias.check.check import check_documents
from clipbias.check.document import parse
from clipbias.common.errors import InputError

HEAD = "import torch\n"


def told(text: str, *overrides: str, framework: str | None = None) -> dict[str, Any]:
    return check_documents([parse(Path("train.py"), HEAD + text)], overrides, framework=framework).to_json()


TWO_PASSES = """
old = policy_logps({denominator}, batch)
new = policy_logps(model, batch)
ratio = (new - old).exp()
clipped = torch.clamp(ratio, 1 - 0.2, 1 + 0.28)
"""
EPOCHS = """
def train(args, eps=0.3):
    for step in range(1000):
        with torch.no_grad():
            old_logps = token_logps(model, batch)
        for epoch in range({epochs}):
            for start in range(0, 64, {size}):
                new_logps = token_logps(model, batch[start:start + {size}])
                ratio = torch.exp(new_logps - old_logps)
                loss = -torch.min(ratio * adv, ratio.clamp(1 - eps, 1 + eps) * adv).mean()
                kl = torch.exp(ref_logps - new_logps) - (ref_logps - new_logps) - 1
                loss.backward()
                optimizer.step()
"""


def test_two_passes_over_the_same_weights_differ_by_noise() -> None:
    found = told(TWO_PASSES.format(denominator="rollout_model"))
    assert (found["framework"], found["ratio_moves_by"], found["clip_can_act"]) == ("other", "noise", False)
    assert found["lower_bound"] == pytest.approx(0.8)
    assert found["upper_bound"] == pytest.approx(1.28)


@pytest.mark.parametrize("old", ["new.detach()", "old"])
def test_its_own_detached_value_is_one_however_many_steps(old: str) -> None:
    text = f"""
for epoch in range(8):
    new = logps(model, batch)
    old = new.detach()
    ratio = torch.exp(new - {old})
    clipped = torch.clamp(ratio, 0.8, 1.2)
    optimizer.step()
"""
    assert told(text)["ratio_moves_by"] == "identical"


@pytest.mark.parametrize(("epochs", "size", "steps"), [(1, 64, 1), (4, 64, 4), (1, 16, 4), (3, 16, 12)])
def test_loops_with_a_step_but_without_the_denominator_repeat_it(epochs: int, size: int, steps: int) -> None:
    found = told(EPOCHS.format(epochs=epochs, size=size))
    assert found["optimizer_steps_per_rollout"] == steps
    assert found["ratio_moves_by"] == ("noise" if steps == 1 else "updates")
    assert (found["lower_bound"], found["upper_bound"]) == (pytest.approx(0.7), pytest.approx(1.3))


def test_a_loop_without_a_step_accumulates_gradients() -> None:
    text = """
for step in range(1000):
    old = f(model, x)
    for part in range(8):
        new = f(model, x[part])
        ratio = (new - old).exp()
        ratio.clamp(0.8, 1.2).mean().backward()
    optimizer.step()
"""
    assert told(text)["optimizer_steps_per_rollout"] == 1
    inside = text.replace("    optimizer.step()", "        optimizer.step()")
    assert told(inside)["optimizer_steps_per_rollout"] == 8


def test_a_denominator_kept_from_elsewhere_leaves_the_steps_open() -> None:
    text = """
for batch in buffer:
    new = f(model, batch)
    ratio = (new - batch["old_logps"]).exp()
    loss = torch.min(ratio * adv, torch.clamp(ratio, 0.8, 1.2) * adv)
"""
    assert told(text)["verdict"] == "undetermined"
    assert told(text, "steps=4")["ratio_moves_by"] == "updates"
    assert told(text, "steps=1")["ratio_moves_by"] == "noise"


def test_the_engine_as_denominator_is_a_mismatch() -> None:
    text = "ratio = torch.exp(new - batch.vllm_logps)\nclipped = ratio.clamp(max=2.0)\n"
    found = told(text)
    assert (found["ratio_moves_by"], found["lower_bound"], found["upper_bound"]) == ("mismatch", None, 2.0)


def test_a_detached_clamp_is_a_weight_and_a_further_one_the_dual_clip() -> None:
    weighted = told(TWO_PASSES.format(denominator="model") + "w = ratio.clamp(max=5.0).detach()\n", "steps=2")
    assert weighted["dual_bound"] == 5.0
    alone = told("ratio = torch.exp(new - old_of(model))\nw = torch.clamp(ratio, max=5.0).detach()\n", "steps=2")
    assert (alone["upper_bound"], alone["loss"]) == (5.0, "detached, clamped ratio as a weight")


def test_a_bound_that_only_running_would_tell_is_asked_for() -> None:
    text = "ratio = torch.exp(new - old_of(model))\nc = torch.clamp(ratio, 1 - args.eps, 1 + args.eps)\n"
    with pytest.raises(InputError, match=r"lower.*say lower=VALUE"):
        told(text)
    option = 'parser.add_argument("--eps", type=float, default=0.25)\n'
    assert told(option + text)["upper_bound"] == pytest.approx(1.25)


def test_a_kl_estimate_is_no_ratio() -> None:
    with pytest.raises(InputError, match="no command, class or key"):
        told("kl = torch.exp(ref_logps - logps) - (ref_logps - logps) - 1\n")


def test_a_frameworks_call_comes_before_the_loop_beside_it() -> None:
    both = TWO_PASSES.format(denominator="model") + "args = GRPOConfig(num_iterations=2)\n"
    assert told(both)["framework"] == "trl"
    assert told(both, framework="other")["framework"] == "other"
