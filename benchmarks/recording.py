"""What recording a training costs: processor time of recorded optimizer steps over TRL's own, and bytes a token.

Phases are recorded in turn, every other one, in one training. A phase's time is that of its optimizer steps but the
first, which generates, and of writing its files.

Example: python benchmarks/recording.py --phases 40 --answers 0.05
"""

import argparse
import logging
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback
from trl import GRPOTrainer

from clipbias.validate.model.subject import Subject, load_subject
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import Recipe, RecordingLine, load_recipe
from clipbias.validate.store.layout import Cell
from clipbias.validate.train.options import make_optimizer
from clipbias.validate.train.record import Record, Recording
from clipbias.validate.train.sketch import Sketch
from clipbias.validate.train.trainer import RecordingTrainer, TrainingSet

WARM = 2  # phases before the clock counts
RECIPE = Path(__file__).parents[1] / "recipes" / "organism.toml"
METHODS = ("_generate_and_score_completions", "_get_per_token_logps_and_entropies", "_compute_loss")


class Clock(TrainerCallback):
    """Times phases, recorded where their number is even."""

    def __init__(self, trainer: RecordingTrainer, recording: Recording) -> None:
        self.trainer, self.recording = trainer, recording
        self.seconds: dict[bool, list[float]] = {True: [], False: []}
        self.tokens, self.sum = 0, 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        for name in METHODS:
            if state.global_step // self.trainer.minibatches % 2:
                setattr(self.trainer, name, MethodType(getattr(GRPOTrainer, name), self.trainer))
            else:
                vars(self.trainer).pop(name, None)
        self.began = time.thread_time()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        phase, step = divmod(state.global_step - 1, self.trainer.minibatches)
        if step:
            self.sum += time.thread_time() - self.began
        if step < self.trainer.minibatches - 1:
            return
        recorded, record = phase % 2 == 0, self.trainer.record
        if recorded:
            self.tokens += sum(len(block["row"]) for block in record.tokens)
            began = time.thread_time()
            sums = None if record.sketch is None else record.sketch.take(lambda tensor: tensor)
            self.recording.write(phase, record, sums)
            record.forget()
            self.sum += time.thread_time() - began
        if phase >= WARM:
            self.seconds[recorded].append(self.sum)
        self.sum = 0.0


def measure(recipe: Recipe, subject: Subject, phases: int, root: Path) -> None:
    """phases: even."""
    training, problems, record = recipe.training, subject.problems["plain"], Record()
    cell = Cell(root, recipe, recipe.arm[0], seed=1, phases=phases, prediction="")
    chosen, optimizer = TrainingSet(problems, (None,) * len(problems)), make_optimizer(subject.model, training)
    trainer = RecordingTrainer(
        subject, chosen, training, recipe.arm[0], 1, range(phases), optimizer, record, str(root / "scratch")
    )
    if recipe.recording is not None:
        record.sketch = Sketch(training.minibatches, trainer.accelerator.device)
    clock = Clock(trainer, Recording(cell, 0))
    trainer.add_callback(clock)
    trainer.train()
    logs = np.log(np.array(clock.seconds[True]) / np.array(clock.seconds[False]))
    error = 1.96 * logs.std(ddof=1) / np.sqrt(len(logs))
    low, middle, high = np.exp(logs.mean() + error * np.array([-1, 0, 1]))
    bare = np.mean(clock.seconds[False]) / (training.minibatches - 1)
    files = {kind: list(cell.checkpoints.rglob(f"{kind}-*.parquet")) for kind in ("tokens", "samples", "sums")}
    held = {kind: sum(file.stat().st_size for file in found) for kind, found in files.items()}
    kept = "every token" if recipe.recording is None else f"sums and {recipe.recording.answers:g} of the answers"
    print(
        f"{kept}: a bare step {1000 * bare:.0f} ms of processor time; recorded {middle:.3f} [{low:.3f}, {high:.3f}]"
        f" times that, in {len(logs)} pairs of phases; bytes a token of a mini-batch: "
        + ", ".join(f"{kind} {size / clock.tokens:.2f}" for kind, size in held.items() if size)
        + f"; {clock.tokens / len(files['tokens']):.0f} tokens a phase"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phases", type=int, default=40)
    parser.add_argument("--answers", type=float, help="share of the answers whose tokens are kept; else every token")
    parser.add_argument("--model", help="folder of a model; else the organism")
    parser.add_argument("--length", type=int, default=48, help="tokens of an answer")
    given = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    line = ModelLine(path=given.model) if given.model else ModelLine(organism="default")
    found = load_recipe(RECIPE)
    asked = replace(
        found,
        training=replace(found.training, max_completion_length=given.length),
        recording=RecordingLine(given.answers) if given.answers else None,
    )
    with tempfile.TemporaryDirectory() as folder:
        measure(asked, load_subject(line, found.probe), given.phases, Path(folder))
