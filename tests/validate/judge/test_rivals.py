"""Rivals on series whose answer is known."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from clipbias.common.errors import InputError
from clipbias.validate.judge.rivals import (
    TOY_ON_THE_FIRST_FOUR,
    Law,
    Recalibration,
    driftless_walk,
    kept_value,
    nothing_happens,
    recalibrated_elsewhere,
    recalibration,
    saturating,
    watched,
)

pytestmark = pytest.mark.fast

T = np.arange(21.0)


def test_nothing_happens() -> None:
    law = nothing_happens(0.6, 20)
    assert law.mean.tolist() == law.low.tolist() == law.high.tolist() == [0.6] * 21
    assert not law.std.any()


def test_the_walk_spreads_as_correlated_steps_do() -> None:
    rng, spread, carried = np.random.default_rng(2), 0.3, 0.5
    noise = rng.standard_normal((100_000, 9))
    steps = noise[:, 1:] + carried * noise[:, :-1]  # neighbours correlate by c/(1 + c²), others not
    steps *= spread / np.sqrt(1 + carried**2)
    walks = steps.cumsum(axis=1)
    law = driftless_walk(1.0, spread, carried / (1 + carried**2), 8)
    assert law.mean.tolist() == [1.0] * 9
    assert law.std[1:] == pytest.approx(walks.std(axis=0), rel=4 / np.sqrt(2 * 100_000))
    assert driftless_walk(1.0, spread, 0.0, 8).std[8] < 0.9 * walks[:, -1].std()  # the control: as if none correlated
    held = np.abs(walks[:, -1]) < law.high[-1] - 1.0
    assert held.mean() == pytest.approx(0.9, abs=0.005)


def test_a_value_is_kept_from_its_phase_on() -> None:
    measured = np.stack([T, -(T**2)])
    law = kept_value(measured)
    assert watched(20, 0.1) == 2
    assert law.mean[:, -1].tolist() == [2.0, -4.0]
    assert law.mean[:, :3] == pytest.approx(measured[:, :3])
    assert not law.std.any()


@pytest.mark.parametrize(("height", "tau"), [(3.0, 2.0), (-1.5, 6.0), (0.8, 25.0)])
def test_a_saturating_curve_is_found_from_its_beginning(height: float, tau: float) -> None:
    measured = (0.4 + height * -np.expm1(-T / tau))[None]
    assert saturating(measured).mean == pytest.approx(measured, abs=2e-3)


def test_a_curve_that_never_bends_is_carried_on_as_a_line_nearly() -> None:
    found = saturating(T[None]).mean[0, -1]
    assert 18.5 < found < 20.0


def test_phases_that_were_not_read_are_left_out() -> None:
    measured = (0.4 + 3.0 * -np.expm1(-T / 4.0))[None].repeat(2, axis=0)
    gaps = np.where(np.isin(T, (0, 1, 2, 5, 10, 20)), measured, np.nan)
    assert saturating(gaps).mean == pytest.approx(measured, abs=2e-3)  # two parameters from phases 1 and 2
    assert kept_value(gaps, 0.2).mean[:, -1] == pytest.approx(measured[:, 2])
    with pytest.raises(InputError, match="measured must be read after at least two phases"):
        saturating(gaps[:, :2])


def test_the_toy_is_mended_as_its_first_four_organisms_say() -> None:
    file = Path(__file__).parents[3] / "docs" / "results" / "after_the_fact" / "rivals_of_a_forecast.json"
    found = json.loads(file.read_text())["mended_on_all_that_look"]
    assert asdict(TOY_ON_THE_FIRST_FOUR) == pytest.approx(found, abs=5e-4)


def test_what_comes_later_is_not_seen() -> None:
    rng = np.random.default_rng(3)
    measured = rng.standard_normal((2, 21)).cumsum(axis=1)
    other = measured.copy()
    other[:, 5:] += 10
    assert saturating(measured).mean == pytest.approx(saturating(other).mean)
    other[:, 3] += 1
    assert saturating(measured).mean[:, -1] != pytest.approx(saturating(other).mean[:, -1])


def laws_and_runs(shrink: float, spread: float, count: int, rng: np.random.Generator) -> tuple[list[Law], list]:
    """Predicted changes of about 4, of which `shrink` comes, with a spread that nobody predicted."""
    laws, runs = [], []
    for change in rng.normal(0, 4, count):
        laws.append(Law.normal(1 + change * T / 20, 0.2 * np.sqrt(T / 20)))
        end = 1 + shrink * change + spread * rng.standard_normal(20)
        runs.append(1 + (end - 1)[:, None] * T / 20)
    return laws, runs


def test_recalibration_finds_what_the_laws_got_wrong() -> None:
    laws, runs = laws_and_runs(0.6, 1.0, 200, np.random.default_rng(4))
    found = recalibration(laws, runs)
    assert found.shrink == pytest.approx(0.6, abs=0.02)
    assert np.hypot(found.added, 0.2) == pytest.approx(1.0, abs=0.05)
    mended = found.of(laws[0])
    assert mended.mean[-1] - 1 == pytest.approx(found.shrink * (laws[0].mean[-1] - 1))
    assert mended.std[-1] == pytest.approx(np.hypot(found.added, 0.2))
    assert (mended.mean[0], mended.std[0]) == (1.0, 0.0)


def test_a_group_is_mended_by_the_others_alone() -> None:
    rng = np.random.default_rng(5)
    laws, runs = laws_and_runs(0.5, 0.5, 30, rng)
    more, others = laws_and_runs(2.0, 0.5, 30, rng)
    mended = recalibrated_elsewhere(laws + more, runs + others, ["a"] * 30 + ["b"] * 30)
    there = Recalibration(shrink=2.0, added=0.5).of(laws[0])
    assert mended[0].mean[-1] - 1 == pytest.approx(there.mean[-1] - 1, rel=0.1)
    assert mended[-1].mean[-1] - 1 == pytest.approx(0.5 * (more[-1].mean[-1] - 1), rel=0.1)
    with pytest.raises(InputError, match="groups must be more than one"):
        recalibrated_elsewhere(laws, runs, ["a"] * 30)
