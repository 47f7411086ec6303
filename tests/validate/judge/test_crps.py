"""The scores against their own definition, by quadrature, and what a proper score must do."""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from clipbias.common.errors import InputError
from clipbias.validate.judge.crps import crps_ensemble, crps_normal, crps_quantiles

pytestmark = pytest.mark.fast

POINTS = (-3.0, -0.4, 0.0, 0.7, 2.5)


def by_quadrature(distribution, y: float, corners: list[float]) -> float:
    """∫ (F(x) − 1{x ≥ y})² dx between corners, where the integrand jumps or bends."""
    edges = sorted({-12.0, y, 12.0, *corners})
    parts = [
        quad(lambda x, up=float(a >= y): (distribution(x) - up) ** 2, a, b)[0] for a, b in itertools.pairwise(edges)
    ]
    return float(sum(parts))


@pytest.mark.parametrize("y", POINTS)
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.5, 0.3), (-1.0, 2.0)])
def test_a_normal_law(y: float, mean: float, std: float) -> None:
    found = crps_normal(np.array([y]), np.array(mean), np.array(std))
    assert found == pytest.approx(by_quadrature(lambda x: ndtr((x - mean) / std), y, [mean]), abs=1e-8)


def test_a_point_costs_its_absolute_error_and_is_the_limit_of_narrow_laws() -> None:
    y = np.array(POINTS)
    assert crps_normal(y, np.array(0.2), np.array(0.0)) == pytest.approx(np.abs(y - 0.2))
    assert crps_normal(y, np.array(0.2), np.array(1e-9)) == pytest.approx(np.abs(y - 0.2), abs=1e-8)


@pytest.mark.parametrize("y", POINTS)
def test_an_ensemble(y: float) -> None:
    members = np.array([0.3, -1.2, 0.3, 2.0, 0.9])
    direct = by_quadrature(lambda x: (members <= x).mean(), y, members.tolist())
    assert crps_ensemble(np.array([y]), members[None])[0] == pytest.approx(direct, abs=1e-8)


def test_an_ensemble_of_a_normal_law_is_scored_as_that_law() -> None:
    members = ndtri((np.arange(4000) + 0.5) / 4000)
    y = np.array(POINTS)
    found = crps_ensemble(y, np.broadcast_to(members, (len(y), 4000)))
    assert found == pytest.approx(crps_normal(y, np.array(0.0), np.array(1.0)), abs=1e-3)


@pytest.mark.parametrize("y", [*POINTS, 1.0, -2.0, 4.0])
def test_quantiles(y: float) -> None:
    levels, quantiles = (0.05, 0.25, 0.5, 0.75, 0.95), np.array([-2.0, -0.5, 0.1, 1.0, 1.0])

    def distribution(x: float) -> float:
        if x < quantiles[0] or x >= quantiles[-1]:
            return float(x >= quantiles[-1])
        return float(np.interp(x, quantiles[:4], levels[:4]))

    direct = by_quadrature(distribution, y, quantiles.tolist())
    assert crps_quantiles(np.array([y]), quantiles[None], levels)[0] == pytest.approx(direct, abs=1e-8)


def test_many_quantiles_of_a_normal_law_are_scored_as_that_law() -> None:
    levels = tuple(((np.arange(4000) + 0.5) / 4000).tolist())
    y = np.array(POINTS)
    found = crps_quantiles(y, np.broadcast_to(ndtri(levels), (len(y), 4000)), levels)
    assert found == pytest.approx(crps_normal(y, np.array(0.0), np.array(1.0)), abs=1e-3)


def test_levels_must_ascend() -> None:
    with pytest.raises(InputError, match="levels must be ascending"):
        crps_quantiles(np.zeros(1), np.zeros((1, 2)), (0.9, 0.1))


def test_the_true_law_scores_best() -> None:
    y = np.random.default_rng(1).standard_normal(40_000)
    true = crps_normal(y, np.array(0.0), np.array(1.0))
    for mean, std in ((0.15, 1.0), (0.0, 0.75), (0.0, 1.3), (0.0, 0.0)):
        worse = crps_normal(y, np.array(mean), np.array(std)) - true
        assert worse.mean() > 4 * worse.std() / 200  # paired, 200 = √40,000
