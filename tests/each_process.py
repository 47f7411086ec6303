"""One of several processes: a short watched training, whose tokens and views are written to FOLDER/RANK.json."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from trl import GRPOTrainer

from clipbias import ClippingMonitor
from tiny_trl import Watched, trainer

EPSILON, MINIBATCHES = 0.1, 4


class Tokens(Watched):
    """Keeps log R and the advantage of every token of this process."""

    tokens: list[list[tuple[float, float]]]

    def _compute_loss(self, model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        loss = super()._compute_loss(model, inputs)
        mask = inputs["completion_mask"].bool()
        moved = (self.current - inputs["old_per_token_logps"])[mask].tolist()
        advantages = inputs["advantages"][:, None].expand_as(mask)[mask].tolist()
        self.tokens.append(list(zip(moved, advantages, strict=True)))
        return loss


class Views(TrainerCallback):
    def __init__(self, monitor: ClippingMonitor) -> None:
        self.monitor = monitor
        self.seen: dict[int, dict[str, float]] = {}

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.monitor.view is not None:
            self.seen[self.monitor.view.step] = self.monitor.view.metrics()


def main(folder: Path) -> None:
    shape = {"per_device_train_batch_size": 4, "num_generations": 4, "epsilon": EPSILON}
    ClippingMonitor(trainer(folder, GRPOTrainer, **shape))  # one step a rollout: it says so
    watched = trainer(folder, Tokens, steps=2 * MINIBATCHES, steps_per_generation=MINIBATCHES, **shape)
    assert isinstance(watched, Tokens)
    watched.tokens = []
    views = Views(ClippingMonitor(watched))
    watched.add_callback(views)
    watched.train()
    accelerator = watched.accelerator
    found = {"processes": accelerator.num_processes, "tokens": watched.tokens, "views": list(views.seen.values())}
    (folder / f"{accelerator.process_index}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
