"""The recorder beside TRL itself: same loss, same clip metrics, ratios that a second forward pass confirms."""

import inspect
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from trl import GRPOTrainer

from clipbias.theory.surrogate import Gspo, Surrogate
from clipbias.validate.model.subject import Subject, load_subject
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import ProbeLine
from clipbias.validate.recipe.training import Training
from clipbias.validate.train.checkpoint import load_checkpoint, save_checkpoint
from clipbias.validate.train.options import make_optimizer
from clipbias.validate.train.record import Record
from clipbias.validate.train.trainer import RecordingTrainer, TrainingSet

pytestmark = pytest.mark.training

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
        subject,
        chosen,
        plan,
        arm,
        seed,
        range(plan.phases),
        make_optimizer(subject.model, plan),
        Record(),
        tempfile.mkdtemp(),
    )
    trainer.train()
    return trainer


def column(trainer: RecordingTrainer, name: str) -> np.ndarray:
    return np.concatenate([block[name] for block in trainer.record.tokens])


def test_trl_still_has_the_private_methods_that_are_overridden() -> None:
    logps = inspect.signature(GRPOTrainer._get_per_token_logps_and_entropies).parameters
    assert list(logps)[:5] == ["self", "model", "input_ids", "attention_mask", "logits_to_keep"]
    turn = inspect.signature(GRPOTrainer._generate_single_turn).parameters
    assert list(turn) == ["self", "prompt_ids", "images", "multimodal_fields", "num_generations", "has_tool_images"]
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


def test_rollouts_are_drawn_a_batch_at_a_time(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is what TRL draws of it alone, one after the other; the rest of the phase does not notice."""
    drawn: list[tuple[list[list[int]], list[list[int]]]] = []
    generate = GRPOTrainer._generate_single_turn

    def kept(self: GRPOTrainer, prompts: list[list[int]], *rest: Any) -> Any:
        found = generate(self, prompts, *rest)
        drawn.append((prompts, found[0]))
        return found

    monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", kept)
    small = replace(subject, batch=6)
    trainer = trained(small, replace(training(4), phases=1), CLIP)
    assert [len(prompts) for prompts, _ in drawn] == [6, 6, 4]
    answers = [ids for _, found in drawn for ids in found]
    decoded = subject.tokenizer.batch_decode(answers, skip_special_tokens=True)
    assert [sample["text"] for sample in trainer.record.samples] == decoded
    assert len(column(trainer, "token")) == sum(map(len, answers))


def test_trl_shuffles_groups_over_mini_batches(subject: Subject) -> None:
    """Advantages of a whole group add to 0: over a phase they do, over mini-batches of one group's size they do not."""
    trainer = trained(subject, training(minibatches=4), CLIP)
    first = column(trainer, "position") == 0
    phase, minibatch, advantage = (column(trainer, name)[first] for name in ("phase", "minibatch", "advantage"))
    sums = np.zeros((2, 4))
    np.add.at(sums, (phase, minibatch), advantage)
    assert np.abs(sums.sum(axis=1)).max() < 1e-5
    assert np.abs(sums).max() > 0.1


SURROGATES = [
    "ppo:low=0.1,high=0.2",
    "ppo:low=0.2,high=0.1,dual=1.3",
    "cispo:cap=1.05",
    "sapo:plus=1,minus=2",
    "gspo:low=0.01,high=0.02,length=20",
]


def divisors(loss_type: str, inputs: dict[str, torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
    """What TRL divides a token's loss by, [B, T]."""
    if loss_type == "sapo":
        return (mask.sum(-1, keepdim=True) * len(mask)).expand(mask.shape)
    tokens = inputs["num_items_in_batch"] / 4 if loss_type == "cispo" else mask.sum()
    return tokens.expand(mask.shape)


def expected_gradients(gate: Surrogate, block: dict[str, np.ndarray]) -> np.ndarray:
    """−Â·R·f′±(R) of every token; of an answer's every token L times that of its R where they share one."""
    log_ratio, advantage = block["log_ratio"].astype(np.float64), block["advantage"]
    if isinstance(gate, Gspo):
        lengths, sums = (np.bincount(block["row"], weights)[block["row"]] for weights in (None, log_ratio))
        ratio = np.exp(sums)
        gates = [replace(gate, length=int(n)) for n in lengths]
        slopes = [of.slopes(np.array([r]), np.ones(1)) for of, r in zip(gates, ratio, strict=True)]
        above, below = (lengths * ratio * [float(pair[side][0]) for pair in slopes] for side in (0, 1))
    else:
        ratio = np.exp(log_ratio)
        above, below = (ratio * slope for slope in gate.slopes(ratio, np.ones(len(ratio))))
    return -advantage * np.where(advantage > 0, above, below)


@pytest.mark.parametrize("text", SURROGATES)
def test_trl_s_gradient_is_the_one_that_theory_s_slopes_say(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """∂loss/∂log π of every token is that of the theory over what the loss divides by; it is 0 where a token is
    recorded as clipped, and nowhere else."""
    arm, passes, checked = Arm("a", None, None, surrogate=text), [], []
    forward, loss_of = GRPOTrainer._get_per_token_logps_and_entropies, RecordingTrainer._compute_loss

    def kept(self: GRPOTrainer, *args: Any, **kwargs: Any) -> Any:
        passes.append(forward(self, *args, **kwargs))
        return passes[-1]

    def compared(self: RecordingTrainer, model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        loss = loss_of(self, model, inputs)
        (gradient,) = torch.autograd.grad(loss, passes[-1][0], retain_graph=True)
        mask, block = inputs["completion_mask"].bool(), self.record.tokens[-1]
        found = (gradient * divisors(self.loss_type, inputs, mask))[mask].numpy()
        np.testing.assert_allclose(found, expected_gradients(arm.gate, block), rtol=2e-4, atol=1e-5)
        assert not gradient[~mask].any()
        gone = (found == 0.0) & (block["advantage"] != 0.0)
        np.testing.assert_array_equal(gone, block["clipped"] != 0)
        checked.append((gone.sum(), np.abs(block["log_ratio"]).max()))
        return loss

    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", kept)
    monkeypatch.setattr(RecordingTrainer, "_compute_loss", compared)
    trained(subject, training(4), arm)
    assert len(checked) == 8
    assert max(size for _, size in checked) > 0.05
    assert any(count > 0 for count, _ in checked) == text.startswith(("ppo", "gspo"))


@pytest.mark.parametrize("optimizer", [None, "adam:beta1=0.8,weight_decay=0.1", "sgd:momentum=0.9"])
def test_an_optimizer_is_torch_s_own(subject: Subject, optimizer: str | None) -> None:
    found = make_optimizer(subject.model, replace(training(4), optimizer=optimizer)).param_groups[0]
    if optimizer is None:
        plain = torch.optim.AdamW(subject.model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.0)
        assert {k: v for k, v in found.items() if k != "params"} == plain.defaults
    elif optimizer.startswith("adam"):
        assert (found["betas"], found["weight_decay"]) == ((0.8, 0.999), 0.1)
    else:
        assert found["momentum"] == 0.9


@pytest.mark.parametrize("optimizer", [None, "sgd", "sgd:momentum=0.9", "adam:weight_decay=0.1"])
def test_a_checkpoint_holds_the_whole_state_of_any_optimizer(
    subject: Subject, tmp_path: Path, optimizer: str | None
) -> None:
    plan, problems = replace(training(4), optimizer=optimizer), subject.problems["plain"]
    chosen = TrainingSet(problems, (None,) * len(problems))

    def train(of: Subject, made: torch.optim.Optimizer, record: Record, phases: range) -> None:
        RecordingTrainer(of, chosen, plan, CLIP, 1, phases, made, record, tempfile.mkdtemp()).train()

    whole, record = make_optimizer(subject.model, plan), Record()
    train(subject, whole, record, range(1))
    save_checkpoint(tmp_path, 1, subject.model, whole, [])
    train(subject, whole, record, range(1, 2))
    again = load_subject(ModelLine(organism="default"), ProbeLine(prompts=8))
    restored, later = make_optimizer(again.model, plan), Record()
    assert load_checkpoint(tmp_path, again.model, restored) == (1, [])
    train(again, restored, later, range(1, 2))
    assert all(a.equal(b) for a, b in zip(subject.model.parameters(), again.model.parameters(), strict=True))
