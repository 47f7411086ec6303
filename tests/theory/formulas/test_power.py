"""Power against quadrature over the chi law of s, and against drawn differences."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammaln, ndtr, stdtrit

from clipbias.common.errors import InputError
from clipbias.theory.formulas.power import MOST_SEEDS, paired_power, seeds_needed


def by_quadrature(shift: float, critical: float, degrees: int) -> float:
    """∫ [Φ(δ − t_c u) + Φ(−δ − t_c u)] dP(u), u = s/σ = χ/√ν."""

    def density(u: float) -> float:
        log = math.log(2) + degrees / 2 * math.log(degrees / 2) - gammaln(degrees / 2)
        return math.exp(log + (degrees - 1) * math.log(u) - degrees * u * u / 2)

    def integrand(u: float) -> float:
        return density(u) * float(ndtr(shift - critical * u) + ndtr(-shift - critical * u))

    ends = ((0.0, 1.0), (1.0, 10.0))
    return sum(quad(integrand, *pair, limit=400, epsabs=1e-13)[0] for pair in ends)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10, 30, 200])
@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0, 6.0, 12.0, 29.0])
def test_power_is_the_quadrature_of_its_definition(seeds: int, shift: float) -> None:
    want = by_quadrature(shift, float(stdtrit(seeds - 1, 0.975)), seeds - 1)
    assert paired_power(-shift / math.sqrt(seeds), 1.0, seeds) == pytest.approx(want, abs=1e-12)


def test_power_of_nothing_is_the_level_and_a_normal_test_would_claim_more() -> None:
    assert paired_power(0.0, 3.0, 4) == pytest.approx(0.05, abs=1e-12)
    shift = math.sqrt(5) * 1.5
    assert float(ndtr(shift - 1.959964)) - paired_power(1.5, 1.0, 5) > 0.15


@pytest.mark.statistical
def test_power_by_drawn_differences() -> None:
    rng, trainings = np.random.default_rng(0), 200_000
    d = rng.normal(0.04, 0.05, (trainings, 8))
    t = d.mean(axis=1) / (d.std(axis=1, ddof=1) / math.sqrt(8))
    found = float((np.abs(t) > stdtrit(7, 0.975)).mean())
    want = paired_power(0.04, 0.05, 8)
    assert abs(found - want) < 4 * math.sqrt(want * (1 - want) / trainings)


@pytest.mark.parametrize(("effect", "std"), [(1.0, 1.0), (0.05, 0.2), (0.01, 0.5), (-3.0, 1.0), (100.0, 1.0)])
def test_the_fewest_seeds_reach_the_power_and_one_fewer_does_not(effect: float, std: float) -> None:
    found = seeds_needed(effect, std)
    assert paired_power(effect, std, found) >= 0.8
    assert found == 2 or paired_power(effect, std, found - 1) < 0.8


def test_ten_paired_seeds_for_one_standard_deviation() -> None:
    """Cohen 1988, table 2.4.1 (one sample, d = 1, two-sided 5 %, power 0.8): 10."""
    assert seeds_needed(1.0, 1.0) == 10


@pytest.mark.parametrize(
    ("change", "field"),
    [({"effect": 0.0}, "effect"), ({"effect": 1e-9}, "effect"), ({"std": 0.0}, "std"), ({"power": 1.0}, "power")],
)
def test_what_has_no_answer_is_named(change: dict[str, float], field: str) -> None:
    with pytest.raises(InputError) as caught:
        seeds_needed(**({"effect": 1.0, "std": 1.0} | change))
    assert caught.value.field == field
    assert MOST_SEEDS == 1_000_000
