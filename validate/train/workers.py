"""Training cells side by side, one process each, one core each; a cell's numbers do not depend on how many run."""

import logging
from collections.abc import Sequence
from functools import partial

from clipbias.common.memory import free_memory
from clipbias.common.processes import WorkerKilledError, cores, side_by_side
from clipbias.common.progress import steps
from clipbias.validate.model.locate import model_folder
from clipbias.validate.model.memory import Load, fitting_workers, worker_bytes
from clipbias.validate.model.size import longest_prompt, model_size
from clipbias.validate.recipe.training import BATCH
from clipbias.validate.store.layout import EVALUATION, Cell

logger = logging.getLogger(__name__)


def train_all(cells: Sequence[Cell], description: str, batch: int = BATCH) -> None:
    """Train every cell that is not done, in as many processes as cores and memory allow (one if there is a GPU).

    A process that the system kills for want of memory is tried again with half as many beside it; what it had done is
    in its checkpoints. batch: answers drawn together.
    """
    left = [cell for cell in cells if not cell.done]
    if not left:
        return
    workers = _workers(left, batch)
    with steps(description, len(left)) as done:
        finished = 0
        while left:
            try:
                for _ in side_by_side(partial(_train, batch), left, workers, _prepare, loaded=_loaded()):
                    finished += 1
                    done(finished)
            except WorkerKilledError as error:
                if workers == 1:
                    raise
                workers //= 2
                logger.warning("%s; going on with %d", error, workers)
            left = [cell for cell in left if not cell.done]


def _workers(cells: Sequence[Cell], batch: int) -> int:
    import torch  # loaded only where something is trained

    if torch.cuda.is_available():
        return 1
    recipe = cells[0].recipe
    styles = {cell.arm.style for cell in cells}.union(recipe.evaluation.styles if recipe.evaluation else ())
    size = model_size(model_folder(recipe.model))
    prompt = longest_prompt(recipe.model, recipe.task, recipe.probe.prompts, styles)
    needed = max(worker_bytes(size, _load(cell, prompt, batch)) for cell in {cell.arm: cell for cell in cells}.values())
    return fitting_workers(min(cores(), len(cells)), needed, free_memory())


def _load(cell: Cell, prompt: int, batch: int) -> Load:
    """What the cell's process does at its busiest: its steps, and the largest batch of answers that it draws."""
    recipe, training = cell.recipe, cell.arm.training(cell.recipe.training)
    sampled = min(batch, max(training.rollouts, recipe.probe.prompts * recipe.probe.samples))
    return Load(
        minibatch=training.micro_size,
        sampled=batch if EVALUATION in cell.kinds else sampled,
        prompt=prompt,
        answer=training.max_completion_length,
        checkpointing=bool(training.gradient_checkpointing),
        lora_rank=training.lora_rank,
    )


def _loaded() -> str | None:
    """Where there is a GPU each worker imports by itself: a process that has asked the driver for it must not fork."""
    import torch

    return None if torch.cuda.is_available() else "clipbias.validate.train.loaded"


def _prepare() -> None:
    """One thread, no network, quiet libraries."""
    from .loaded import torch

    torch.set_num_threads(1)


def _train(batch: int, cell: Cell) -> None:
    from .cell import train_cell

    train_cell(cell, batch)
