"""A log, whatever its form: rows with a step each, and series of numbers over them."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from clipbias.common.arrays import Array


class Role(StrEnum):
    """What a series can be to an audit; the text is how it is called in answers."""

    LOSS = "loss"
    GRAD = "gradient norm, before it is cut"
    ENTROPY = "entropy"
    ENTROPY_COEF = "coefficient of the entropy bonus"
    CLIP = "clipped share, both sides pooled"
    CLIP_LOW = "share clipped at the lower bound"
    CLIP_HIGH = "share clipped at the upper bound"
    OUTSIDE_LOW = "share below the lower bound, whatever its advantage"
    OUTSIDE_HIGH = "share above the upper bound, whatever its advantage"
    OUTSIDE = "share outside the bounds, whatever its advantage"
    DUAL = "share cut by the dual clip"
    CAPPED = "share whose weight is capped"
    MASKED = "share masked by the gap to the sampler"
    RATIO = "mean ratio"
    RATIO_MIN = "least ratio"
    RATIO_MAX = "largest ratio"
    RATIO_BOUNDED_MAX = "largest ratio after the clip"
    RATIO_DISTANCE = "mean |ratio − 1|"
    KL_OLD = "divergence from the policy at the rollout"
    KL_REF = "divergence from the reference model"
    REWARD = "reward"
    REWARD_STD = "spread of rewards"
    ZERO_STD = "share of groups with one reward"
    MIXED = "share of groups with different rewards"
    ADVANTAGE_MAX = "largest advantage"
    ADVANTAGE_MIN = "least advantage"
    LENGTH = "length of answers"
    TRUNCATED = "share of answers cut off at the length limit"
    ENGINE_GAP = "|log-probability gap| between trainer and sampler"
    ENGINE_MIN = "least correction weight"
    ENGINE_MEAN = "mean correction weight"
    MEASURE = "measured score"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """note: what to know before reading the numbers. constant: the series is written whatever happens."""

    role: Role
    note: str = ""
    constant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """rows [n]: which rows of the log hold it, ascending. values [n]: NaN and ±inf where the log says so."""

    name: str
    rows: NDArray[np.int64]
    values: Array
    meaning: Meaning | None = None

    def finite(self) -> "Series":
        kept = np.isfinite(self.values)
        return replace(self, rows=self.rows[kept], values=self.values[kept])

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def constant(self) -> bool:
        return self.meaning is not None and self.meaning.constant


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """Single answers of the last rollouts: a problem's text and its score, from a table of completions."""

    problems: tuple[str, ...]
    scores: dict[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Log:
    """One training. name: file, and arm where a file has several. steps [rows]: as the log counts, else 1, 2, …;
    counted: that the log does count. settings: numbers of the configuration that stand among the series. decimals: to
    which all numbers are rounded. left_out: bytes in the middle that were not read. table: that the rows are no steps.
    """

    name: str
    framework: str
    steps: Array
    series: dict[str, Series]
    counted: bool = False
    settings: dict[str, float] = field(default_factory=dict)
    decimals: int | None = None
    left_out: int = 0
    answers: Answers | None = None
    table: bool = False

    def of(self, role: Role) -> Series | None:
        """The longest finite series of this role."""
        found = [s.finite() for s in self.series.values() if s.meaning is not None and s.meaning.role is role]
        found = [s for s in found if s.values.size]
        return max(found, key=lambda s: s.values.size, default=None)

    def all_of(self, role: Role) -> list[Series]:
        return [s for s in self.series.values() if s.meaning is not None and s.meaning.role is role]

    def step(self, row: int) -> float:
        return float(self.steps[row])

    def before(self, row: int) -> "Log":
        """The rows above `row`."""
        cut = {
            name: replace(s, rows=s.rows[s.rows < row], values=s.values[s.rows < row])
            for name, s in self.series.items()
        }
        return replace(self, steps=self.steps[:row], series={n: s for n, s in cut.items() if s.values.size})
