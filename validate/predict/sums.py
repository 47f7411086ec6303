"""A phase's tokens in constant memory: sums by mini-batch and tenth of the old probability, and histograms of log R.

Sums of several batches, processes or phases add.
"""

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clipbias.common.arrays import Array
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.training import Training

from .token_law import TENTHS, expected_counts

# Bins of log R: even steps of asinh(log R/FINE), so of FINE near 0 and of 1.3 % of log R beyond.
FINE, LARGEST, HALF = 1e-4, 20.0, 1000
STEP = float(np.arcsinh(LARGEST / FINE)) / HALF
CENTRES: Array = FINE * np.sinh(STEP * np.arange(-HALF, HALF + 1))
SIGNS = ("blamed", "even", "praised")  # of the advantage: below 0, 0, above


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """[M, 10] each, over the tokens of a mini-batch whose old probability is in one tenth.

    tokens: their number, and of those with Â > 0 (praised) and Â < 0 (blamed). size, square: |log R| and its square.
    praise, blame: |Â| of either. low, high: clipped tokens. first, first_low, first_high: those that begin an answer.
    push: −ÂR(1 − f′), what the surrogate takes from the gradient. entropy: of the policy. free: −ÂR(log π + H), and
    taken: −push·(log π + H); their sum is the entropy's change by a step in units of a natural gradient's rate (T10:
    ΔH = −η·Cov(log π, ÂRf′)). histogram [M, 3, 10, bins]: tokens by the advantage's sign and log R, in mini-batch 2 in
    units that are given.
    """

    tokens: Array
    size: Array
    square: Array
    praised: Array
    blamed: Array
    praise: Array
    blame: Array
    low: Array
    high: Array
    first: Array
    first_low: Array
    first_high: Array
    push: Array
    entropy: Array
    free: Array
    taken: Array
    histogram: Array

    @property
    def law(self) -> Array:
        """[10, bins]: of log R in mini-batch 2, whatever the advantage; 0 where there is none."""
        return np.asarray(self.histogram[1:2].sum(axis=(0, 1)))


COLUMNS = tuple(name for name in Sums.__slots__ if name != "histogram")


def sums_table(sums: Sums, phase: int) -> pa.Table:
    """A row for each mini-batch and tenth: the sums, and by sign the bins that hold tokens, with their numbers."""
    minibatches = len(sums.tokens)
    columns: dict[str, pa.Array] = {
        "phase": pa.array(np.full(minibatches * TENTHS, phase, np.int32)),
        "minibatch": pa.array(np.repeat(np.arange(minibatches, dtype=np.int16), TENTHS)),
        "tenth": pa.array(np.tile(np.arange(TENTHS, dtype=np.int8), minibatches)),
    }
    columns |= {name: pa.array(getattr(sums, name).reshape(-1)) for name in COLUMNS}
    for i, sign in enumerate(SIGNS):
        counts = sums.histogram[:, i].reshape(-1, len(CENTRES))
        row, place = counts.nonzero()
        offsets = pa.array(np.searchsorted(row, np.arange(len(counts) + 1)).astype(np.int32))
        for name, values in (("bins", place.astype(np.int16)), ("counts", counts[row, place].astype(np.int64))):
            columns[f"{sign}_{name}"] = pa.ListArray.from_arrays(offsets, pa.array(values))
    return pa.table(columns)


def read_sums(table: pa.Table, minibatches: int) -> Sums:
    """All phases of a table together."""
    place = table["minibatch"].to_numpy().astype(np.int64) * TENTHS + table["tenth"].to_numpy()

    def added(at: NDArray[np.int64], values: Array, *each: int) -> Array:
        shape = (minibatches, TENTHS, *each)
        return np.asarray(np.bincount(at, values, math.prod(shape)), dtype=np.float64).reshape(shape)

    columns = {name: added(place, table[name].to_numpy()) for name in COLUMNS}
    signs = []
    for sign in SIGNS:
        bins, counts = (table[f"{sign}_{name}"].combine_chunks() for name in ("bins", "counts"))
        rows = np.repeat(place, np.diff(bins.offsets.to_numpy()))
        at = rows * len(CENTRES) + bins.flatten().to_numpy()
        signs.append(added(at, counts.flatten().to_numpy(), len(CENTRES)))
    return Sums(**columns, histogram=np.stack(signs, axis=1))


def largest(sums: Sums) -> Array:
    """The largest |log R| of each mini-batch, [M], as far as bins tell: to 0.7 %, and none beyond 20."""
    held = sums.histogram.sum(axis=(1, 2)) > 0
    return np.asarray(np.where(held, np.abs(CENTRES), 0.0).max(axis=1))


def tenth_sums(sums: Sums, arm: Arm, training: Training) -> pa.Table:
    """As `token_law.tenth_counts`, whose tokens these are the sums of: what is expected of them by bins of log R."""
    law = sums.law
    return pa.table(
        {
            "tenth": np.repeat(np.arange(TENTHS), training.minibatches),
            "minibatch": np.tile(np.arange(training.minibatches), TENTHS),
            "tokens": sums.tokens.T.reshape(-1).astype(np.int64),
            "low": sums.low.T.reshape(-1),
            "high": sums.high.T.reshape(-1),
            "push": sums.push.T.reshape(-1),
            **expected_counts(CENTRES, lambda values: np.asarray(law @ values), arm.gate, training),
            "reference": np.repeat(law.sum(axis=1).astype(np.int64), training.minibatches),
        }
    )
