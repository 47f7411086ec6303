"""The recorder beside TRL itself: same loss, same clip metrics, ratios that a second forward pass confirms."""

import inspect
import tempfile

import numpy as np
import pytest
import torch
from trl import GRPOTrainer

from clipbias.validate.model.subject import Subject, load_subject
from clipbias.validate.recipe.arm import Arm, Training
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import ProbeLine
from clipbias.validate.train.trainer import Record, RecordingTrainer, TrainingSet, adam

CLIP, FREE = Arm("clip", 0.2, 0.2), Arm("no-clip", None, None)


def training(minibatches: int, learning_rate: float = 1e-3) -> Training:
    return Training(4, 4, minibatches, learning_rate, phases=2, max_completion_length=32)


@pytest.fixture
def subject() -> Subject:
    return load_subject(ModelLine(organism="default"), ProbeLine(prompts=8))


def trained(subject: Subject, plan: Training, arm: Arm, seed: int = 1) -> RecordingTrainer:
    problems = subject.problems["plain"]
    chosen = TrainingSet(problems, (None,) * len(problems))
    trainer = RecordingTrainer(
        subject, chosen, plan, arm, seed, range(plan.phases), adam(subject.model, plan), Record(), tempfile.mkdtemp()
    )
    trainer.train()
    return trainer


def column(trainer: RecordingTrainer, name: str) -> np.ndarray:
    return np.concatenate([block[name] for block in trainer.record.tokens])


def test_trl_still_has_the_private_methods_that_are_overridden() -> None:
    logps = inspect.signature(GRPOTrainer._get_per_token_logps_and_entropies).parameters
    assert list(logps)[:5] == ["self", "model", "input_ids", "attention_mask", "logits_to_keep"]
    assert list(inspect.signature(GRPOTrainer._compute_loss).parameters) == ["self", "model", "inputs"]
    assert list(inspect.signature(GRPOTrainer._generate_and_score_completions).parameters) == ["self", "inputs"]


def test_one_update_a_phase_leaves_the_ratio_exactly_one(subject: Subject) -> None:
    trainer = trained(subject, training(minibatches=1), CLIP)
    assert len(column(trainer, "log_ratio")) > 0
    assert np.all(column(trainer, "log_ratio") == 0.0)
    assert np.all(column(trainer, "clipped") == 0)


def test_with_one_update_a_phase_clipping_changes_nothing(subject: Subject) -> None:
    clipped = trained(subject, training(minibatches=1), CLIP)
    weights = [p.detach().clone() for p in clipped.model.parameters()]
    fresh = load_subject(ModelLine(organism="default"), ProbeLine(prompts=8))
    free = trained(fresh, training(minibatches=1), FREE)
    assert all(a.equal(b) for a, b in zip(weights, free.model.parameters(), strict=True))


def test_clip_events_are_trls_own(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    own: dict[str, list[float]] = {}  # what TRL logs, one value an optimizer step
    log = RecordingTrainer.log

    def keep(self: RecordingTrainer, *args: object, **kwargs: object) -> None:
        own.update({name: list(values) for name, values in self._metrics["train"].items()})
        log(self, *args, **kwargs)

    monkeypatch.setattr(RecordingTrainer, "log", keep)
    blocks = trained(subject, training(4), CLIP).record.tokens
    assert any((block["clipped"] != 0).any() for block in blocks)
    np.testing.assert_allclose([np.mean(b["clipped"] == -1) for b in blocks], own["clip_ratio/low_mean"], atol=1e-6)
    np.testing.assert_allclose([np.mean(b["clipped"] == 1) for b in blocks], own["clip_ratio/high_mean"], atol=1e-6)


def test_the_first_mini_batch_is_at_the_noise_floor_and_later_ones_are_not(subject: Subject) -> None:
    trainer = trained(subject, training(4), FREE)
    ratio, minibatch = np.abs(column(trainer, "log_ratio")), column(trainer, "minibatch")
    assert ratio[minibatch == 0].max() < 1e-4
    assert ratio[minibatch == 3].max() > 1e-2


def test_recorded_ratios_are_those_of_a_second_forward_pass(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """And TRL's loss is the clipped surrogate of those ratios, token by token."""
    checks: list[tuple[float, float]] = []
    original = RecordingTrainer._compute_loss

    def checked(self: RecordingTrainer, model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        loss = original(self, model, inputs)
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
        mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
        keep = inputs["completion_ids"].shape[1]
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=mask).logits[:, -keep - 1 : -1]
        again = torch.gather(logits.log_softmax(-1), 2, inputs["completion_ids"].unsqueeze(-1)).squeeze(-1)
        kept = inputs["completion_mask"].bool()
        ratio = (again - inputs["old_per_token_logps"]).exp()[kept]
        block = self.record.tokens[-1]
        np.testing.assert_allclose(np.exp(block["log_ratio"]), ratio.numpy(), rtol=1e-4)
        a = torch.from_numpy(block["advantage"])
        surrogate = torch.where(a > 0, a * ratio.clamp(max=1.2), a * ratio.clamp(min=0.8))
        checks.append((loss.item(), -surrogate.mean().item()))
        return loss

    monkeypatch.setattr(RecordingTrainer, "_compute_loss", checked)
    trained(subject, training(4), CLIP)
    assert len(checks) == 8
    np.testing.assert_allclose(*zip(*checks, strict=True), rtol=1e-4, atol=1e-6)


def test_arms_see_the_same_prompts_and_rewards(subject: Subject) -> None:
    samples = [
        trained(load_subject(ModelLine(organism="default"), ProbeLine(prompts=8)), training(4), arm).record.samples
        for arm in (CLIP, FREE)
    ]
    paired = [[(s["phase"], s["slot"], s["sample"], s["advantage"]) for s in rows] for rows in samples]
    assert paired[0] == paired[1]
    other = trained(subject, training(4), CLIP, seed=2).record.samples
    assert [s["advantage"] for s in other] != [s["advantage"] for s in samples[0]]


def test_trl_shuffles_groups_over_mini_batches(subject: Subject) -> None:
    """Advantages of a whole group add to 0: over a phase they do, over mini-batches of one group's size they do not."""
    trainer = trained(subject, training(minibatches=4), CLIP)
    first = column(trainer, "position") == 0
    phase, minibatch, advantage = (column(trainer, name)[first] for name in ("phase", "minibatch", "advantage"))
    sums = np.zeros((2, 4))
    np.add.at(sums, (phase, minibatch), advantage)
    assert np.abs(sums.sum(axis=1)).max() < 1e-5
    assert np.abs(sums).max() > 0.1
