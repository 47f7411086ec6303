"""What `check` says of TRL's geometry, beside the real GRPOTrainer: its own attributes, and the ratios of short runs.

Recipes of TRL's documentation whose clip is idle are run as they stand, and mended.
"""

import json
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from trl import GRPOTrainer

from clipbias.check.check import Checked, check_documents
from clipbias.check.document import parse
from tiny_trl import trainer

pytestmark = pytest.mark.training


def checked(**options: Any) -> Checked:
    return check_documents([parse(Path("options.json"), json.dumps(options))], framework="trl", devices=1)


# Per device, accumulation, group, iterations, steps per generation; the last None where GRPOConfig is left to set it.
RUNS = [
    (4, 1, 4, 1, None), (4, 2, 4, 1, None), (4, 4, 4, 1, 2), (4, 4, 4, 1, 1), (4, 4, 4, 1, 3), (4, 2, 4, 1, 4),
    (4, 1, 4, 2, None), (4, 2, 4, 2, 1), (4, 2, 4, 2, None), (4, 3, 4, 1, 2), (4, 1, 4, 1, 4), (2, 1, 4, 1, 4),
    (2, 4, 4, 1, 2), (4, 4, 2, 3, 1), (4, 4, 2, 2, 2), (8, 1, 2, 1, 2), (4, 2, 2, 3, None), (4, 3, 4, 3, 1),
    (4, 6, 4, 1, 3), (4, 6, 4, 2, 2), (2, 2, 2, 1, 6), (4, 1, 4, 4, 1),
]  # fmt: skip


@pytest.mark.parametrize("shape", RUNS, ids=lambda shape: "-".join(map(str, shape)))
def test_the_ratios_of_a_run_are_those_foretold(shape: tuple[Any, ...], tmp_path: Path) -> None:
    batch, accumulation, group, iterations, per_rollout = shape
    options = {
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": accumulation,
        "num_generations": group,
        "num_iterations": iterations,
        "steps_per_generation": per_rollout,
    }
    found = checked(**{key: value for key, value in options.items() if value is not None})
    steps = found.training.geometry.steps_per_rollout
    assert steps is not None
    count = max(3, int(steps) + 1)  # at least one step of a second rollout
    run = trainer(tmp_path, steps=count, **options)
    run.train()
    moved = max(run.seen.largest)
    if found.training.moves == "identical":
        assert moved == 0.0
        assert found.answer.verdict == "cannot-act"
    else:
        assert moved > 1e-4
        assert found.answer.verdict == "can-act"
    assert run.seen.rollouts == -(-count * accumulation // int(steps * accumulation))  # of all micro-steps, rounded up


@pytest.mark.parametrize("loss", ["grpo", "bnpo", "dr_grpo", "dapo", "cispo"])
def test_bounds_are_those_at_which_the_gradient_goes(loss: str, tmp_path: Path) -> None:
    """One token of advantage ±1, its ratio set just inside and just outside every bound."""
    options = {"per_device_train_batch_size": 4, "num_generations": 4, "steps_per_generation": 2, "loss_type": loss}
    options |= {"epsilon": 0.1, "epsilon_high": 1.3 if loss == "cispo" else 0.3}
    found, run = checked(**options), trainer(tmp_path, **options)
    lower, upper = found.training.loss.lower_bound, found.training.loss.upper
    for bound, advantage in ((lower, -1.0), (upper, 1.0)):
        if bound is None:
            continue
        inside, outside = (_gradient(run, bound * factor, advantage) for factor in _around(bound))
        if found.training.loss.kind == "weight":  # the weight stops growing with the ratio, the gradient stays
            assert outside == pytest.approx(_gradient(run, bound * 1.5, advantage), rel=1e-4)
            assert inside == pytest.approx(0.999 * outside, rel=1e-5)
        else:
            assert inside != 0.0
            assert outside == 0.0


def _around(bound: float) -> tuple[float, float]:
    return (1.001, 0.999) if bound < 1 else (0.999, 1.001)


def _gradient(run: GRPOTrainer, ratio: float, advantage: float) -> float:
    """Largest |∂ loss/∂ weights| of a batch of one token whose old log-probability makes the ratio what is asked."""
    prompt, answer = torch.tensor([[2]]), torch.tensor([[3]])
    ones = torch.ones_like(answer)
    run.model.train()
    run.current_gradient_accumulation_steps = 1
    inputs = {"prompt_ids": prompt, "prompt_mask": ones, "completion_ids": answer, "completion_mask": ones}
    log_probs = run._get_per_token_logps_and_entropies(
        run.model, torch.cat([prompt, answer], 1), torch.ones(1, 2, dtype=torch.long), 1
    )[0].detach()
    inputs |= {
        "advantages": torch.tensor([advantage]),
        "old_per_token_logps": log_probs - torch.tensor(ratio).log(),
        "num_items_in_batch": torch.tensor(1),
    }
    run.model.zero_grad()
    run._compute_loss(run.model, inputs).backward()
    return max(float(p.grad.abs().max()) for p in run.model.parameters() if p.grad is not None)


@given(
    batch=st.integers(1, 12),
    accumulation=st.integers(1, 12),
    group=st.sampled_from([1, 2, 2, 2, 3, 4, 4, 6, 8]),  # most drawn rollouts hold whole groups of these
    iterations=st.integers(1, 4),
    per_rollout=st.none() | st.integers(1, 16),
    generation=st.none() | st.integers(1, 60),
)
@settings(max_examples=300)
def test_geometry_is_what_the_trainer_says(
    batch: int, accumulation: int, group: int, iterations: int, per_rollout: int | None, generation: int | None
) -> None:
    """Drawn configurations: refused by both, or the trainer's own attributes give the same."""
    options = {
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": accumulation,
        "num_generations": group,
        "num_iterations": iterations,
    }
    options |= {} if per_rollout is None else {"steps_per_generation": per_rollout}
    options |= {} if generation is None else {"generation_batch_size": generation}
    assume(generation is None or per_rollout is None or generation == per_rollout)  # both: once in a while
    found = checked(**options)
    try:
        run = trainer(Path(tempfile.gettempdir()), GRPOTrainer, **options)
    except ValueError:
        assert found.answer.verdict == "refused"
        return
    assert found.answer.verdict != "refused"
    micro_steps = run.args.steps_per_generation * run.num_iterations
    assert found.training.geometry.steps_per_rollout == Fraction(micro_steps, run.args.gradient_accumulation_steps)
    identical = run.args.gradient_accumulation_steps % micro_steps == 0
    assert (found.training.moves == "identical") is identical
    assert found.training.geometry.prompts_per_rollout == run.args.generation_batch_size // run.num_generations


# TRL's documentation, docs/source/paper_index.md of 2026-07-24: (accumulation, steps per generation) as written, then
# mended, then the updates of a rollout that are meant. Batches are smaller here, and both numbers of the first recipe
# are divided by 16, of the last by 8.
RECIPES = {
    "DeepSeekMath, 16 mini-batches meant": ((8, 1), (8, 128), 16),
    "DAPO and 80/20, 16 updates in the paper": ((1, None), (1, 16), 16),
    "Tricks or Traps, 8 mini-batches meant": ((4, 1), (4, 32), 8),
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_of_trl_whose_clip_is_idle(name: str, tmp_path: Path) -> None:
    written, mended, updates = RECIPES[name]
    for (accumulation, per_rollout), acts in ((written, False), (mended, True)):
        options = {"per_device_train_batch_size": 4, "num_generations": 4, "gradient_accumulation_steps": accumulation}
        options |= {} if per_rollout is None else {"steps_per_generation": per_rollout}
        found = checked(**options)
        run = trainer(tmp_path, steps=3, **options)
        run.train()
        assert (max(run.seen.largest) > 1e-4) is acts
        assert found.answer.clip_can_act is acts
        assert not acts or found.training.geometry.steps_per_rollout == updates
        assert run.seen.rollouts == (1 if acts else 3 * accumulation // (per_rollout or 1))
