"""How often a model's answers to held-out problems use the strategy, are right, and are boxed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class UntrainedRates:
    """Of the untrained model's answers to held-out problems in one style: shares with the strategy, right, boxed; right
    and boxed with and without it (None where there are none); answers: how many."""

    share: float
    accuracy: float
    boxed: float
    accuracy_with: float | None
    accuracy_without: float | None
    boxed_with: float | None
    boxed_without: float | None
    answers: int


def untrained_file(folder: Path) -> Path:
    """The untrained model's answers to the held-out problems."""
    return folder / "untrained" / "evaluation.parquet"


def rates(table: pa.Table, style: str) -> UntrainedRates:
    """Of a style's rows in the table that `evaluate` writes; at least one."""
    rows = table.filter(pc.equal(table["style"], style))
    with_strategy, correct, boxed = (rows[name].to_numpy() for name in ("uses_strategy", "correct", "boxed"))

    def mean(of: NDArray[np.bool_]) -> float | None:
        return float(np.mean(of)) if len(of) else None

    return UntrainedRates(
        share=float(np.mean(with_strategy)),
        accuracy=float(np.mean(correct)),
        boxed=float(np.mean(boxed)),
        accuracy_with=mean(correct[with_strategy]),
        accuracy_without=mean(correct[~with_strategy]),
        boxed_with=mean(boxed[with_strategy]),
        boxed_without=mean(boxed[~with_strategy]),
        answers=len(correct),
    )
