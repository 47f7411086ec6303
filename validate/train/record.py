"""What a training leaves behind: held in memory for the phase that is under way, and on the disk for those before it.

A phase's files are written as it ends, so that memory does not grow with phases; at the cell's end they are joined. A
training that goes on from a checkpoint writes the phases after it again, with the same numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from clipbias.common.files import join_parquet, write_parquet
from clipbias.validate.predict.sums import Sums, sums_table
from clipbias.validate.store.layout import SUMS, Cell

from .sketch import Sketch

Block = Mapping[str, np.ndarray]


@dataclass(slots=True)
class Record:
    """Rows: one per token and mini-batch, one per sample; entropy: (phase, sum over tokens, tokens). sketch: of the
    same tokens, where sums are wanted."""

    tokens: list[Block] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    entropy: list[tuple[int, float, int]] = field(default_factory=list)
    sketch: Sketch | None = None

    def forget(self) -> None:
        """The phase that was recorded; a sketch forgets what is taken of it."""
        for held in (self.tokens, self.samples, self.entropy):
            held.clear()


def some_answers(block: Block, share: float, seed: int) -> Block:
    """The tokens of a share of the mini-batch's answers, drawn from (seed, phase, mini-batch); of one at least."""
    answers = np.unique(block["row"])
    rng = np.random.default_rng([seed, int(block["phase"][0]), int(block["minibatch"][0])])
    chosen = rng.choice(answers, size=max(1, round(share * len(answers))), replace=False)
    kept = np.isin(block["row"], chosen)
    return {name: values[kept] for name, values in block.items()}


class Recording:
    """Of a cell, on the disk; phases before `first` are there already."""

    def __init__(self, cell: Cell, first: int) -> None:
        self._cell = cell
        self._folder = cell.checkpoints / "recorded"
        line = cell.recipe.recording
        self._share = 1.0 if line is None else line.answers
        self._kinds = ("tokens", "samples", *((SUMS,) if line else ()))
        self._phases = list(range(first))

    def _file(self, kind: str, phase: int) -> Path:
        return self._folder / f"{kind}-{phase:05d}.parquet"

    def write(self, phase: int, record: Record, sums: Sums | None) -> None:
        """What was recorded of the phase."""
        blocks = record.tokens
        if self._share < 1:
            blocks = [some_answers(block, self._share, self._cell.seed) for block in blocks]
        columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        write_parquet(self._file("tokens", phase), pa.table(columns), {})
        write_parquet(self._file("samples", phase), record.samples, {})
        if sums is not None:
            write_parquet(self._file(SUMS, phase), sums_table(sums, phase), {})
        self._phases.append(phase)

    def join(self, metadata: dict[str, str]) -> None:
        """Write the cell's own files."""
        for kind in self._kinds:
            join_parquet([self._file(kind, phase) for phase in self._phases], self._cell.part(kind), metadata)
