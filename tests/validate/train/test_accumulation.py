"""Steps of mini-batches that pass in parts are those of whole ones, by TRL's real trainer, for every kind of loss."""

import tempfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from clipbias.common.errors import InputError
from clipbias.validate.model.subject import load_subject
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import ProbeLine
from clipbias.validate.recipe.training import Training
from clipbias.validate.train import trainer as module
from clipbias.validate.train.accumulation import parts, share_of_tokens
from clipbias.validate.train.options import grpo_config, make_optimizer
from clipbias.validate.train.record import Record
from clipbias.validate.train.trainer import RecordingTrainer, TrainingSet

pytestmark = pytest.mark.training

# SGD: its step is linear in the gradient, where Adam makes a whole step of one that is rounding error
WHOLE = Training(4, 4, 2, 0.3, phases=1, max_completion_length=32, max_grad_norm=0.2, optimizer="sgd:momentum=0.5")
GATES = {
    "ppo": "ppo:low=0.05,high=0.1",
    "dual": "ppo:low=0.2,high=0.1,dual=1.3",
    "none": "ppo:low=none,high=none",
    "cispo": "cispo:cap=1.05",
    "sapo": "sapo:plus=1,minus=2",
    "gspo": "gspo:low=0.01,high=0.02,length=20",
}


class Trained:
    """moved: how far training moved each parameter."""

    def __init__(self, plan: Training, gate: str) -> None:
        subject = load_subject(ModelLine(organism="default"), ProbeLine(prompts=2))
        model, problems, self.record = subject.model, subject.problems["plain"], Record()
        before = [p.detach().clone() for p in model.parameters()]
        chosen, arm = TrainingSet(problems, (None,) * len(problems)), Arm("a", None, None, surrogate=gate)
        optimizer, scratch = make_optimizer(model, plan), tempfile.mkdtemp()
        RecordingTrainer(subject, chosen, plan, arm, 1, range(plan.phases), optimizer, self.record, scratch).train()
        self.moved = [p.detach() - q for p, q in zip(model.parameters(), before, strict=True)]

    def column(self, name: str) -> np.ndarray:
        return np.concatenate([block[name] for block in self.record.tokens])


def largest_difference(one: Trained, other: Trained) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(one.moved, other.moved, strict=True))


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
def test_split_steps_are_whole_ones(gate: str) -> None:
    """Weights to 1e-6, the same tokens in the same places, their ratios and what was clipped."""
    whole, split = Trained(WHOLE, gate), Trained(replace(WHOLE, micro_batch=2), gate)
    assert max(float(m.abs().max()) for m in whole.moved) > 1e-3
    assert largest_difference(whole, split) < 1e-6
    assert len(split.record.tokens) == len(whole.record.tokens) == 2  # one block a mini-batch
    for name in ("phase", "minibatch", "row", "position", "token", "advantage", "clipped"):
        np.testing.assert_array_equal(split.column(name), whole.column(name), err_msg=name)
    for name in ("old_log_prob", "log_ratio"):
        np.testing.assert_allclose(split.column(name), whole.column(name), atol=1e-5, err_msg=name)
    assert np.abs(split.column("log_ratio")).max() > 0.05
    assert split.record.samples == whole.record.samples


def test_trl_alone_weighs_tokens_of_short_answers_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the weight the same comparison fails, so that it could."""
    whole = Trained(WHOLE, GATES["ppo"])
    monkeypatch.setattr(module, "splits_by_tokens", lambda _: False)
    assert largest_difference(whole, Trained(replace(WHOLE, micro_batch=2), GATES["ppo"])) > 1e-4


def test_one_update_a_phase_leaves_the_ratio_at_one_in_parts_too() -> None:
    split = Trained(replace(WHOLE, minibatches=1, micro_batch=4), GATES["ppo"])
    assert len(split.record.tokens) == 1
    assert np.all(split.column("log_ratio") == 0.0)


@pytest.mark.parametrize("micro", [1, 2, 4, 8])
def test_the_geometry_is_the_recipe_s(micro: int) -> None:
    plan = replace(WHOLE, micro_batch=micro)
    config = grpo_config(plan, Arm("a", 0.2, 0.2), 1, 3, "unused")
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps == plan.minibatch_size == 8
    assert config.generation_batch_size == plan.rollouts
    assert config.steps_per_generation == plan.minibatches * config.gradient_accumulation_steps


def test_weights_of_parts_are_their_shares() -> None:
    masks = [torch.ones(2, 3), torch.ones(2, 3) * torch.tensor([1, 0, 0]), torch.ones(2, 3)]
    found = [float(share_of_tokens(masks, part, 1, torch.clone)) for part in range(3)]
    np.testing.assert_allclose(found, [18 / 14, 6 / 14, 18 / 14], rtol=1e-6)
    assert float(share_of_tokens(masks[:1], 0, 1, torch.clone)) == 1.0
    of_two = [float(share_of_tokens([mask], 0, 2, lambda _: torch.tensor(8))) for mask in masks[:2]]
    np.testing.assert_allclose(of_two, [12 / 8, 4 / 8])


@pytest.mark.parametrize(
    ("micro", "processes", "expected"), [(None, 1, (8, 1)), (None, 2, (4, 1)), (2, 2, (2, 2)), (8, 4, (2, 1))]
)
def test_processes_share_a_mini_batch(micro: int | None, processes: int, expected: tuple[int, int]) -> None:
    plan = replace(WHOLE, micro_batch=micro)
    assert parts(plan, processes) == expected
    config = grpo_config(plan, Arm("a", 0.2, 0.2), 1, 3, "unused", processes)
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps * processes == plan.minibatch_size


def test_a_mini_batch_that_processes_cannot_share_is_refused() -> None:
    for processes in (3, 16):
        with pytest.raises(InputError, match=rf"training\.minibatches must be such that {processes} processes split"):
            parts(WHOLE, processes)
