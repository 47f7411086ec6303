"""What makes a training fit into memory: low-rank updates, checkpointed gradients, bfloat16 over single precision."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from clipbias.common.errors import InputError
from clipbias.validate.model.subject import Subject, load_subject
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import ProbeLine, read_recipe
from clipbias.validate.recipe.training import Training
from clipbias.validate.store.layout import Cell
from clipbias.validate.train.adapter import add_adapter
from clipbias.validate.train.cell import train_cell
from clipbias.validate.train.checkpoint import load_checkpoint, save_checkpoint
from clipbias.validate.train.options import make_optimizer
from clipbias.validate.train.precision import in_single_precision, noise_floor
from clipbias.validate.train.record import Record
from clipbias.validate.train.trainer import PhaseEnd, RecordingTrainer, TrainingSet

pytestmark = pytest.mark.training

PLAIN = Training(4, 4, 2, 0.3, phases=1, max_completion_length=32, max_grad_norm=0.2, optimizer="sgd:momentum=0.5")
LORA = replace(PLAIN, lora_rank=4)
CLIP = Arm("a", None, None, surrogate="ppo:low=0.05,high=0.1")


def fresh(plan: Training, seed: int = 1) -> Subject:
    subject = load_subject(ModelLine(organism="default"), ProbeLine(prompts=8))
    if plan.lora_rank is not None:
        add_adapter(subject.model, plan.lora_rank, seed)
    return subject


def train(
    subject: Subject,
    plan: Training,
    made: torch.optim.Optimizer,
    record: Record,
    phases: range,
    *callbacks: PhaseEnd,
) -> None:
    chosen = TrainingSet(subject.problems["plain"], (None,) * len(subject.problems["plain"]))
    trainer = RecordingTrainer(subject, chosen, plan, CLIP, 1, phases, made, record, tempfile.mkdtemp())
    for callback in callbacks:
        trainer.add_callback(callback)
    trainer.train()


def trained(plan: Training) -> tuple[dict[str, torch.Tensor], Record]:
    """Its weights, and what was recorded."""
    subject, record = fresh(plan), Record()
    train(subject, plan, make_optimizer(subject.model, plan), record, range(plan.phases))
    return {name: value.detach() for name, value in subject.model.named_parameters()}, record


def column(record: Record, name: str) -> np.ndarray:
    return np.concatenate([block[name] for block in record.tokens])


def scores(subject: Subject) -> torch.Tensor:
    ids = torch.arange(24).reshape(2, 12) % subject.model.config.vocab_size
    with torch.no_grad():
        found: torch.Tensor = subject.model(input_ids=ids).logits
    return found


def test_untrained_updates_leave_the_model_as_it_was() -> None:
    """Bit for bit; which weights are drawn depends on the seed alone."""
    updated, again, other = fresh(LORA), fresh(LORA), fresh(LORA, seed=2)
    assert scores(updated).equal(scores(fresh(PLAIN)))
    drawn = [dict(subject.model.named_parameters()) for subject in (updated, again, other)]
    names = [name for name, value in drawn[0].items() if value.requires_grad]
    assert names
    assert all("lora" in name for name in names)
    assert all(drawn[0][name].equal(drawn[1][name]) for name in names)
    assert any(not drawn[0][name].equal(drawn[2][name]) for name in names)
    shapes = [drawn[0][name].shape for name in names]
    layers = [m for n, m in fresh(PLAIN).model.named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"]
    assert sum(shape.numel() for shape in shapes) == sum(4 * (m.in_features + m.out_features) for m in layers)


def test_split_steps_of_low_rank_updates_are_whole_ones() -> None:
    start = {name: value.detach() for name, value in fresh(LORA).model.named_parameters()}
    whole, record = trained(LORA)
    split, parts = trained(replace(LORA, micro_batch=2))
    assert max(float((split[name] - whole[name]).abs().max()) for name in whole) < 1e-6
    moved = {name for name in whole if not whole[name].equal(start[name])}
    assert moved == {name for name in whole if "lora" in name}
    assert max(float((whole[name] - start[name]).abs().max()) for name in moved) > 1e-3
    np.testing.assert_array_equal(column(parts, "clipped"), column(record, "clipped"))
    np.testing.assert_allclose(column(parts, "log_ratio"), column(record, "log_ratio"), atol=1e-5)
    assert np.abs(column(record, "log_ratio")).max() > 1e-3


def test_a_checkpoint_of_updates_is_small_and_whole(tmp_path: Path) -> None:
    plan = replace(LORA, phases=2)
    subject, record = fresh(plan), Record()
    made = make_optimizer(subject.model, plan)
    train(subject, plan, made, record, range(1))
    save_checkpoint(tmp_path, 1, subject.model, made, [])
    train(subject, plan, made, record, range(1, 2))
    again, later = fresh(plan), Record()
    restored = make_optimizer(again.model, plan)
    assert load_checkpoint(tmp_path, again.model, restored) == (1, [])
    train(again, plan, restored, later, range(1, 2))
    assert all(a.equal(b) for a, b in zip(subject.model.parameters(), again.model.parameters(), strict=True))
    numbers = sum(p.numel() for p in subject.model.parameters() if p.requires_grad)
    assert (tmp_path / "phase-00001" / "weights.safetensors").stat().st_size < 1.5 * 4 * numbers


def test_checkpointed_gradients_are_the_same() -> None:
    plain, _ = trained(PLAIN)
    again, _ = trained(replace(PLAIN, gradient_checkpointing=True))
    assert max(float((again[name] - plain[name]).abs().max()) for name in plain) < 1e-6


def test_a_training_in_bfloat16_has_weights_in_single_precision_and_a_measured_floor() -> None:
    """Two passes of one shape round alike, on this processor to the bit: whole answers in micro-batches of one size."""
    weights, record = trained(replace(PLAIN, micro_batch=4, bf16=True))
    assert {value.dtype for value in weights.values()} == {torch.float32}
    floor = noise_floor(record.tokens)
    assert floor is not None
    assert floor.log_ratio < 1e-2


def test_the_floor_is_of_first_mini_batches_alone() -> None:
    def block(minibatch: int, log_ratio: list[float], clipped: list[int]) -> dict[str, np.ndarray]:
        count = len(log_ratio)
        return {
            "minibatch": np.full(count, minibatch, np.int16),
            "log_ratio": np.array(log_ratio, np.float32),
            "clipped": np.array(clipped, np.int8),
        }

    first, later = block(0, [0.3, -0.4, 0.0, 0.0], [1, -1, 0, 0]), block(1, [5.0], [1])
    found = noise_floor([first, later])
    assert found is not None
    assert (found.log_ratio, found.clipped) == (pytest.approx(0.25), 0.5)
    assert noise_floor([first]) is None


def test_readings_are_in_single_precision() -> None:
    """After a phase under autocast a model is read as a fresh one with its weights is, and autocast stays."""
    plan, subject = replace(PLAIN, bf16=True), fresh(PLAIN)
    seen: list[tuple[bool, bool, bool]] = []

    def look(_: int) -> None:
        rough = scores(subject)
        with in_single_precision(subject.model):
            exact = scores(subject)
        other = fresh(PLAIN)
        other.model.load_state_dict(subject.model.state_dict())
        seen.append((exact.equal(scores(other)), exact.equal(rough), rough.equal(scores(subject))))

    made = make_optimizer(subject.model, plan)
    train(subject, plan, made, Record(), range(1), PhaseEnd(plan.minibatches, look))
    assert seen == [(True, False, True)]


def test_a_cell_is_trained_with_all_of_it(recipe_text: str, tmp_path: Path) -> None:
    lines = "micro_batch = 2\nlora_rank = 2\nbf16 = true\ngradient_checkpointing = true\nphases = 3"
    recipe = read_recipe(recipe_text.replace("phases = 3", lines, 1))
    cell = Cell(tmp_path, recipe, recipe.arm[0], 5, 1, "")
    train_cell(cell)
    rows = pq.read_table(cell.part("metrics")).to_pylist()
    assert [row["phase"] for row in rows] == [0, 1]
    assert rows[0]["floor_log_ratio"] is None
    assert rows[1]["floor_log_ratio"] >= 0.0
    tokens = pq.read_table(cell.part("tokens"))
    assert set(tokens["minibatch"].to_pylist()) == {0, 1}
    assert max(tokens["row"].to_pylist()) == recipe.training.minibatch_size - 1


def test_without_peft_the_field_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match=r"training\.lora_rank must be left out unless peft is installed"):
        fresh(LORA)
