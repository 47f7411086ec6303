"""Scrambled Sobol points against SciPy's, number by number."""

import numpy as np
import pytest
from scipy.stats import qmc

from clipbias.theory.laws.sobol import scrambled_points


@pytest.mark.parametrize(("dimensions", "points"), [(1, 2), (5, 256), (21, 128), (9, 1)])
def test_points_are_scipys(dimensions: int, points: int) -> None:
    ours, theirs, others = ([np.random.default_rng(seed + i) for i in range(3)] for seed in (0, 0, 3))
    for _ in range(2):  # a second sequence of the same generators is another one
        found = scrambled_points(dimensions, points, ours)
        expected = np.stack([qmc.Sobol(dimensions, rng=rng).random(points) for rng in theirs])
        np.testing.assert_array_equal(found, expected)
        assert np.all(found != scrambled_points(dimensions, points, others))
    assert [rng.random() for rng in ours] == [rng.random() for rng in theirs]


def test_every_interval_of_a_set_holds_one_point() -> None:
    (found,) = scrambled_points(5, 64, [np.random.default_rng(1)])
    assert np.array_equal(np.sort(np.floor(64 * found), axis=0), np.tile(np.arange(64.0)[:, None], 5))
