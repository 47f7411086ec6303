"""Which problems a model that is no organism is trained on, and on which others it is read."""

import hashlib
import json
from dataclasses import dataclass

from clipbias.common.errors import check
from clipbias.validate.tasks.source import Split, read_source, split

from .training import LARGEST


@dataclass(frozen=True, slots=True)
class TaskLine:
    """train, held_out: sources (`tasks.source`). Without held_out, held_out_problems of train's are never trained on;
    with it, so many of its own are asked. held_out_problems: as many as the probe has prompts unless more are named."""

    train: str = "words"
    held_out: str | None = None
    held_out_problems: int | None = None

    def __post_init__(self) -> None:
        read_source(self.train, "task.train")
        if self.held_out is not None:
            read_source(self.held_out, "task.held_out")
        count = self.held_out_problems
        check(count is None or 1 <= count <= LARGEST, "task.held_out_problems", f"in [1, {LARGEST}]", count)

    def problems(self, prompts: int) -> Split:
        """prompts: of the probe."""
        held_out = None if self.held_out is None else read_source(self.held_out, "task.held_out")
        return split(read_source(self.train, "task.train"), held_out, max(prompts, self.held_out_problems or 0))

    def sha256(self, prompts: int) -> str:
        """Of all problems and answers, in their order: a file may change between a prediction and its run."""
        found = self.problems(prompts)
        rows = [[[str(p.prompt), p.answer] for p in part] for part in (found.train, found.held_out)]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
