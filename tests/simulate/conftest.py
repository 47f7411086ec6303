"""A small sweep, and an executor that needs no processes."""

from collections.abc import Generator, Sequence

import pytest

from clipbias.simulate.sweeps.dataset import Row
from clipbias.simulate.sweeps.executors import compute
from clipbias.simulate.sweeps.point import Point

SWEEP = """
[base]
probs = [0.65, 0.35]
learning_rate = 1.0
group_size = 4
groups_per_minibatch = 2
minibatches = 2
success_prob = 0.5
replicates = 200

[grid]
clip_low = [0.1, 0.2, "none"]
clip_high = [0.2, 0.28]
"""


@pytest.fixture
def sweep_text() -> str:
    return SWEEP


class Here:
    """Computes in this process, backwards; `asked` is what it was given."""

    def __init__(self) -> None:
        self.asked: list[Point] = []

    def __call__(self, points: Sequence[Point]) -> Generator[tuple[Point, Row], None, None]:
        self.asked += points
        for point in reversed(points):
            yield point, compute(point)


@pytest.fixture
def here() -> Here:
    return Here()
