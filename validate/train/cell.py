"""Training one cell of an experiment, one arm and one seed, from the untouched model to its last phase."""

import functools
import hashlib
import math
import shutil
import tempfile
from datetime import UTC, datetime

import torch
from accelerate import PartialState

from clipbias.common.errors import check
from clipbias.common.files import write_parquet
from clipbias.common.seeds import seed_of
from clipbias.validate.measure.evaluation import evaluate
from clipbias.validate.measure.forecast_survey import reading_set
from clipbias.validate.measure.reading_set import ReadingSet
from clipbias.validate.measure.survey import chosen_problems, labelled_for, read_survey, survey_file
from clipbias.validate.model.probe import Reading
from clipbias.validate.model.subject import Subject, load_subject
from clipbias.validate.recipe.recipe import Recipe
from clipbias.validate.recipe.training import BATCH
from clipbias.validate.store.layout import EVALUATION, OBSERVED, Cell

from .adapter import add_adapter
from .checkpoint import load_checkpoint, save_checkpoint
from .metrics import metrics_row
from .options import make_optimizer
from .precision import in_single_precision
from .processes import pooled
from .record import Record, Recording
from .sketch import Sketch
from .trainer import PhaseEnd, RecordingTrainer, TrainingSet


def weights_sha256(model: torch.nn.Module) -> str:
    """Of every parameter's name and bytes."""
    digest = hashlib.sha256()
    for name, value in model.named_parameters():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def training_set(cell: Cell, subject: Subject) -> TrainingSet:
    problems = subject.problems[cell.arm.style]
    if not cell.arm.surveyed:
        return TrainingSet(problems, (None,) * len(problems))
    survey = read_survey(survey_file(cell.root, cell.arm.style), problems)
    places = chosen_problems(cell.arm, survey)
    labels = labelled_for(cell.arm, survey).labels
    return TrainingSet(tuple(problems[i] for i in places), tuple(labels[i] for i in places))


@functools.lru_cache(maxsize=8)
def untrained_reading(recipe: Recipe, style: str, batch: int) -> ReadingSet:
    """Made once for all cells of a worker, by a model of its own: that of a cell that goes on is not untrained."""
    return reading_set(recipe, load_subject(recipe.model, recipe.probe, recipe.task, batch), style)


def train_cell(cell: Cell, batch: int = BATCH) -> None:
    """Train the cell, or finish it from its last checkpoint; a finished cell is left alone. batch: answers drawn
    together. Of several processes, which train it together, the first writes."""
    if cell.done:
        return
    processes = PartialState(cpu=not torch.cuda.is_available())
    recipe, training = cell.recipe, cell.arm.training(cell.recipe.training)
    started = datetime.now(UTC).isoformat()
    subject = load_subject(recipe.model, recipe.probe, recipe.task, batch)
    if training.lora_rank is not None:
        add_adapter(subject.model, training.lora_rank, seed_of(cell.seed, 0))
    untrained = weights_sha256(subject.model)
    optimizer = make_optimizer(subject.model, training)
    record = Record()
    first, rows = load_checkpoint(cell.checkpoints, subject.model, optimizer)
    recording = Recording(cell, first)
    phases = range(first, cell.phases)
    line = recipe.forecast if cell.prediction else None  # pilots are not read
    reading = None if line is None else untrained_reading(recipe, cell.arm.style, batch)

    def observed(phase: int) -> dict[str, float | None]:
        if reading is None or line is None:
            return {}
        with in_single_precision(subject.model):
            if phase == 0:
                found = reading.read_untrained()
            else:
                found = reading.read(subject.model) if phase in line.read_at else {}
        known = {name: value for name, value in found.items() if math.isfinite(value)}
        return {OBSERVED + seen.name: known.get(seen.name) for seen in reading.observables}

    def read(phase: int) -> Reading:
        subject.model.eval()
        seed = seed_of(cell.seed, phase)
        probe = subject.probes[cell.arm.style]
        with in_single_precision(subject.model):
            reading = probe.read(subject.model, training.max_completion_length, seed)
        broken = f"a share of {reading.share} after phase {phase} of {cell.arm.name}"
        check(math.isfinite(reading.log_odds), "training.learning_rate", "one that keeps the model finite", broken)
        return reading

    if not rows:
        rows.append(metrics_row(0, read(0), record) | observed(0) | {"started": started})

    def after_phase(done: int) -> None:
        phase, whole = first + done, pooled(record, training.minibatches)
        rows.append(metrics_row(phase, read(phase), whole) | observed(phase) | {"started": started})
        sums = None if record.sketch is None else record.sketch.take(trainer.accelerator.reduce)
        if processes.is_main_process:
            recording.write(phase - 1, whole, sums)
            if phase % recipe.checkpoint_every == 0 and phase < cell.phases:
                save_checkpoint(cell.checkpoints, phase, subject.model, optimizer, rows)
        record.forget()
        trainer.forget()
        subject.model.train()

    if phases:
        with tempfile.TemporaryDirectory() as scratch:
            trainer = RecordingTrainer(
                subject, training_set(cell, subject), training, cell.arm, cell.seed, phases, optimizer, record, scratch
            )
            if recipe.recording is not None:
                record.sketch = Sketch(training.minibatches, trainer.accelerator.device)
            trainer.add_callback(PhaseEnd(training.minibatches, after_phase))
            trainer.train()
    if not processes.is_main_process:
        return
    weights = {"weights_before": untrained, "weights_after": weights_sha256(subject.model)}
    metadata = cell.metadata | {"started": rows[0]["started"]} | weights
    recording.join(metadata)
    asked = recipe.evaluation
    if asked is not None and EVALUATION in cell.kinds:
        seed, length = seed_of(cell.seed, cell.phases), training.max_completion_length
        with in_single_precision(subject.model):
            answers = evaluate(subject, asked.styles, asked.samples, length, seed)
        write_parquet(cell.part(EVALUATION), answers, metadata)
    write_parquet(cell.part("metrics"), rows, metadata)
    shutil.rmtree(cell.checkpoints, ignore_errors=True)
