"""Scores of forecasts whose quality is known: a right law is called right, a law a little wrong is not."""

from dataclasses import replace

import numpy as np
import pytest

from clipbias.validate.judge.rivals import Law, nothing_happens
from clipbias.validate.judge.skill import (
    PROGRESS,
    Case,
    calibration,
    equivalent_fraction,
    resampled,
    scorecard,
    signs,
)

pytestmark = pytest.mark.statistical

T = np.arange(11.0) / 10


def case(organism: str, arm: str, change: float, spread: float, rng: np.random.Generator, claim: float = 1.0) -> Case:
    """A straight run to x = change ± spread over 8 seeds, forecast with `claim` times its spread."""
    end = change + spread * rng.standard_normal(8)
    return Case(
        organism=organism,
        arm=arm,
        observable="share",
        looks=change != 0,
        measured=end[:, None] * T,
        forecast=Law.normal(change * T, claim * spread * np.sqrt(T)),
        rivals={"nothing": nothing_happens(0.0, 10)},
    )


def many(rng: np.random.Generator, claim: float = 1.0, organisms: int = 12) -> list[Case]:
    return [
        case(f"o{o}", f"a{a}", change, 0.5, rng, claim)
        for o in range(organisms)
        for a, change in enumerate((0.0, 2.0, -3.0, 1.0))
    ]


def test_a_right_law_is_calibrated_and_one_that_is_half_as_wide_is_not() -> None:
    found = calibration(many(np.random.default_rng(1)), 0)
    assert found is not None
    assert (found.cases, found.seeds) == (48, 384)
    assert found.inside.low < 0.9 < found.inside.high
    assert sum(part.low <= 0.1 <= part.high for part in found.pit) >= 8
    assert sum(part.value for part in found.pit) == pytest.approx(1.0)
    assert found.spread_skill.low < 1.0 < found.spread_skill.high
    narrow = calibration(many(np.random.default_rng(1), claim=0.5), 0)
    assert narrow is not None
    assert narrow.inside.high < 0.8
    assert narrow.spread_skill.high < 0.8
    assert narrow.pit[0].low > 0.1 < narrow.pit[-1].low


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Organisms and arms differ; the mean over all that could have been is 0.5. Twelve organisms are few, and a
    percentile bootstrap of them is known to be short: 95 % become about 90 %. Readings as units would give 45 %."""
    rng, held, naive = np.random.default_rng(2), [], []
    for trial in range(200):
        cases = []
        for o in range(12):
            shift = 0.5 + 0.1 * rng.standard_normal()
            for a in range(4):
                level = shift + 0.1 * rng.standard_normal()
                inside = rng.random(30) < np.clip(level, 0, 1)
                measured = np.where(inside, 0.0, 5.0)[:, None] * T
                one = Law.normal(0 * T, T)
                cases.append(
                    Case(organism=f"{o}", arm=f"{a}", observable="x", looks=True, measured=measured, forecast=one,
                         rivals={})
                )  # fmt: skip
        found = calibration(cases, trial)
        assert found is not None
        held.append(found.inside.low <= 0.5 <= found.inside.high)
        error = 1.96 * np.sqrt(0.25 / found.seeds)
        naive.append(abs(found.inside.value - 0.5) <= error)
    assert 0.86 <= np.mean(held) <= 0.99
    assert np.mean(naive) < 0.75


def test_an_arm_brings_all_its_observables() -> None:
    cases = many(np.random.default_rng(3), organisms=3)
    cases += [replace(c, observable="boxed") for c in cases]
    counts = resampled(cases, 500, np.random.default_rng(4))
    assert (counts[:, :12] == counts[:, 12:]).all()
    assert (counts[:, :12].sum(axis=1) == 12).all()
    by_organism = counts[:, :12].reshape(500, 3, 4).sum(axis=2)
    assert set(np.unique(by_organism)) == {0, 4, 8, 12}  # an organism comes whole, as often as it was drawn


def test_skill_against_nothing() -> None:
    found = scorecard(many(np.random.default_rng(5)))
    own, nothing = found.crps.value, found.rivals["nothing"].crps.value
    assert own == pytest.approx(0.5 / np.sqrt(np.pi), rel=0.1)  # E CRPS of a true normal law
    assert found.rivals["nothing"].skill.value == pytest.approx(1 - own / nothing)
    assert found.rivals["nothing"].skill.low > 0.6
    assert (found.arms, found.organisms) == (48, 12)
    assert found.random is not None
    assert found.looking is not None
    assert (found.random.cases, found.looking.cases) == (12, 36)


def test_one_arm_says_nothing_of_others() -> None:
    found = scorecard(many(np.random.default_rng(5))[:1])
    assert (found.crps.low, found.crps.high) == (None, None)
    assert found.looking is None


def test_signs_are_asked_where_a_change_is_told() -> None:
    rng = np.random.default_rng(6)
    cases = [case("o", f"a{i}", change, 0.1, rng) for i, change in enumerate((1.0, -1.0, 2.0))]
    wrong = replace(cases[0], arm="w", forecast=Law.normal(-T, T))
    vague = replace(cases[0], arm="v", measured=np.linspace(-1, 1.01, 8)[:, None] * T)
    found = signs([*cases, wrong, vague], 0)
    assert (found.told, found.right) == (4, 3)
    assert found.share is not None
    assert found.share.value == 0.75


def test_equivalent_fraction_of_a_straight_run() -> None:
    """Keeping the value at f loses (1 − f) of the change, so that a forecast that is off by q of it is worth 1 − q."""
    kept = np.stack([2.0 * (1 - PROGRESS)] * 4)
    loss = np.array([0.2, 1.0, 2.0, 5.0])
    assert equivalent_fraction(kept, loss) == pytest.approx([0.9, 0.5, 0.0, 0.0], abs=0.0051)
    rng = np.random.default_rng(7)
    exact = [case(f"o{o}", "a", 2.0, 0.0, rng) for o in range(4)]
    off = [replace(c, forecast=Law.normal(1.5 * T, 0 * T)) for c in exact]
    found = scorecard(off)
    assert found.equivalent_error.value == pytest.approx(0.75, abs=0.0051)
    assert found.calibration is None
    assert scorecard(exact).equivalent_crps.value == 1.0
