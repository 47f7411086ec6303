"""What is left out where hardly anything happens: referees that leave nothing out."""

import time

import numpy as np
import pytest

from clipbias.theory.laws import lattice_kernel as kernel
from clipbias.theory.laws.atoms import _MANY_PAIRS, AdvantageSums, _distinct, _step
from clipbias.theory.laws.phase import phase
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import PpoClip


@pytest.mark.parametrize(("times", "rare"), [(500, 1e-6), (200, 1e-2), (37, 1e-3), (3, 0.3)])
def test_a_short_transform_gives_what_the_long_one_does(times: int, rare: float) -> None:
    position = np.array([[0.0, 300.3, -200.2, 3.1]]) * np.linspace(0.5, 1.0, 6)[:, None]
    mass, half = np.array([0.9 - 2 * rare, rare, rare, 0.1]), 500
    whole = kernel._resized(kernel._repeated(position, mass, times, half), half)
    one = kernel._on_lattice(position, np.broadcast_to(mass, position.shape), 303)
    short = kernel._repeated_rarely(one, times, half, 1 << (2 * 303 * times).bit_length())
    np.testing.assert_allclose(short, whole, rtol=0, atol=1e-12)


def test_equal_rows_are_numpys() -> None:
    rng = np.random.default_rng(0)
    value, mass = rng.integers(-3, 4, (5000, 4)) * 0.7, rng.random(5000)
    rows, row = np.unique(np.rint(value * 1e9), axis=0, return_inverse=True)
    found = _distinct(value, mass)
    assert np.array_equal(np.rint(found.value * 1e9), rows)
    assert found.mass.tobytes() == np.bincount(row.ravel(), mass).tobytes()


def test_what_is_left_out_is_below_rounding() -> None:
    """Ten thousand atoms far away, a billionth of the mass together, step as their closed moments say."""
    rng = np.random.default_rng(0)
    sums = AdvantageSums(rng.normal(size=(2_100, 4)), rng.dirichlet(np.ones(2_100)))
    y, law = np.append(0.0, rng.uniform(40, 60, 10_000)), np.append(1 - 1e-9, np.full(10_000, 1e-13))
    unit = rng.uniform(0, 0.1, (len(y), 4))
    assert len(y) * len(sums.mass) > _MANY_PAIRS
    place, mass = _step(y, law, unit, sums, np.empty(0), 0.01)
    mean = sums.mass @ sums.value
    covariance = (sums.value - mean).T @ np.diag(sums.mass) @ (sums.value - mean)
    moved, spread = y + unit @ mean, ((unit @ covariance) * unit).sum(axis=1)
    for far, rare in ((place > 20, y > 20), (place < 20, y < 20)):
        for power, moment in enumerate((np.ones_like(y), moved, moved**2 + spread)):
            assert mass[far] @ place[far] ** power == pytest.approx(law[rare] @ moment[rare], rel=1e-9)


@pytest.mark.parametrize(
    ("prob", "rate", "size", "groups", "success"),
    [(1e-9, 3.0, 64, 500, 0.5), (0.779, 0.248, 5, 56, 6.23e-7), (0.3, 1e-12, 16, 4, 0.5)],
)
def test_a_mass_that_hardly_moves_takes_no_longer(
    prob: float, rate: float, size: int, groups: int, success: float
) -> None:
    """Two minutes each before; the bound is far above a second for the sake of loaded machines."""
    config = PhaseConfig(
        learning_rate=rate,
        group_size=size,
        groups_per_minibatch=groups,
        minibatches=15,
        success_prob=success,
        surrogate=PpoClip(0.2, 0.2),
    )
    began = time.process_time()
    assert phase(prob, config).log_odds_std > 0
    assert time.process_time() - began < 15
