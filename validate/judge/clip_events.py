"""How often the clip acted, mini-batch by mini-batch, beside how often it was predicted to."""

import math
from dataclasses import dataclass

import numpy as np

from clipbias.common.arrays import Array
from clipbias.validate.predict.prediction import ClipFractions
from clipbias.validate.store.run_record import ClipCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipEvents:
    """Share of tokens clipped in mini-batches 1…M: measured mean over seeds with standard error, and predicted; and,
    over all seeds and mini-batches, the numbers of tokens, of those clipped, and of those expected to be."""

    low: list[float]
    low_stderr: list[float]
    low_predicted: list[float]
    high: list[float]
    high_stderr: list[float]
    high_predicted: list[float]
    tokens: int
    clipped: int
    expected: float


def clip_events(counts: ClipCounts, predicted: ClipFractions) -> ClipEvents:
    def summary(part: Array) -> tuple[list[float], list[float]]:
        fraction = part / np.maximum(counts.tokens, 1)
        return fraction.mean(axis=0).tolist(), (fraction.std(axis=0, ddof=1) / math.sqrt(len(fraction))).tolist()

    low, high = summary(counts.low), summary(counts.high)
    return ClipEvents(
        low=low[0],
        low_stderr=low[1],
        low_predicted=predicted.low.tolist(),
        high=high[0],
        high_stderr=high[1],
        high_predicted=predicted.high.tolist(),
        tokens=int(counts.tokens.sum()),
        clipped=int(counts.low.sum() + counts.high.sum()),
        expected=float(counts.tokens.sum(axis=0) @ (predicted.low + predicted.high)),
    )
