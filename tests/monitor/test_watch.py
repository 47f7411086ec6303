"""Bands, alarms and the entropy's response, on series whose law is known."""

import numpy as np
import pytest
from scipy.stats import t

from clipbias.monitor.band import ENOUGH, REMEMBERED, Errors
from clipbias.monitor.response import Response
from clipbias.monitor.watch import Quantity, Watch


def test_an_edge_is_student_s_quantile_of_the_errors() -> None:
    errors = Errors("as it is")
    past = np.random.default_rng(0).normal(0.3, 2.0, 12)
    for value in past:
        errors.add(value + 5.0, 5.0, errors.band(5.0, 1e-9))
    band = errors.band(7.0, 0.01)
    scale = past.std(ddof=1) * np.sqrt(1 + 1 / 12)
    assert band.predicted == pytest.approx(7.0 + past.mean())
    assert band.high == pytest.approx(7.0 + past.mean() + t.isf(0.01, 11) * scale)
    assert band.low == pytest.approx(7.0 + past.mean() - t.isf(0.01, 11) * scale)


def test_nothing_is_said_before_there_is_enough_and_old_errors_are_forgotten() -> None:
    errors = Errors("logarithm")
    for _ in range(ENOUGH - 1):
        errors.add(2.0, 1.0, errors.band(1.0, 0.01))
    assert errors.band(1.0, 0.01).high == np.inf
    for _ in range(REMEMBERED):
        errors.add(3.0, 1.0, errors.band(1.0, 0.01))
    assert errors.band(1.0, 0.01).predicted == pytest.approx(3.0)


def alarmed(rng: np.random.Generator, phases: int, false_alarms: float, jump: float = 0.0) -> bool:
    watch, found = Watch(phases, false_alarms), False
    for step in range(phases):
        late = jump if step >= phases // 2 else 0.0
        values: dict[Quantity, float] = {
            "noise floor": float(np.exp(rng.normal(0, 0.1))),
            "stride": float(np.exp(rng.normal(late, 0.3))),
            "clip low": float(rng.poisson(40) / 1000),
            "clip high": float(rng.poisson(20) / 1000),
            "entropy": float(rng.normal(0, 0.01)),
        }
        expected = {"clip low": 0.04, "clip high": 0.02, "entropy": 0.0}
        for quantity, value in values.items():
            found |= watch.look(step, quantity, value, expected.get(quantity, 1.0)).alert is not None
    return found


def test_as_many_healthy_trainings_are_alarmed_as_was_asked_for() -> None:
    rng = np.random.default_rng(1)
    count = sum(alarmed(rng, 30, 0.2) for _ in range(100))
    assert 3 < count < 28  # no more than 0.2·100 + 2·4; fewer, since the first 8 of 30 looks are blind


def test_a_jump_is_seen() -> None:
    rng = np.random.default_rng(2)
    assert all(alarmed(rng, 40, 0.01, jump=3.0) for _ in range(20))


def test_an_alert_says_what_was_beyond_what() -> None:
    watch = Watch(20, 0.01)
    for step in range(12):
        watch.look(step, "stride", 1.0 + 0.01 * (step % 3), 1.0)
    look = watch.look(12, "stride", 2.0, 1.0)
    assert look.alert is not None
    assert look.alert.measured > look.band.high
    assert str(look.alert).startswith("step 12: stride 2 is above 1.")
    assert watch.look(13, "stride", 0.1, 1.0).alert is None  # too little is no alarm, but of the entropy


def test_what_is_small_and_stays_is_seen_over_several_phases() -> None:
    """Half a band above, phase after phase: no single one is out, their mean is; but not if errors always wander so."""
    rng = np.random.default_rng(4)
    watch = Watch(40, 0.01)
    looks = [watch.look(step, "entropy", rng.normal(0.0 if step < 30 else 3.0, 1.0), 0.0) for step in range(40)]
    (first, *_) = [look.alert for look in looks if look.alert is not None]
    assert first.phases == 4
    assert first.step < 36
    assert str(first).startswith(f"step {first.step}: entropy over 4 phases")
    wandering, state = Watch(200, 0.01), 0.0
    for step in range(200):
        state = 0.9 * state + rng.normal()
        assert wandering.look(step, "stride", float(np.exp(0.2 * state)), 1.0).alert is None


def test_a_fitted_slope_widens_the_band() -> None:
    errors = Errors("as it is")
    for value in np.random.default_rng(0).normal(0.0, 1.0, 20):
        errors.add(value, 0.0, errors.band(0.0, 1e-9))
    widths = [errors.band(0.0, 0.01, leverage).high - errors.band(0.0, 0.01).predicted for leverage in (0.0, 3.0)]
    assert widths[1] / widths[0] == pytest.approx(np.sqrt((4 + 1 / 20) / (1 + 1 / 20)))
    response = Response()
    response.add(2.0, 1.0)
    assert response.leverage(4.0) == 4.0


def test_the_slope_is_least_squares_through_the_origin() -> None:
    rng = np.random.default_rng(3)
    force, response = rng.normal(0, 2, 50), Response()
    change = 0.7 * force + rng.normal(0, 0.1, 50)
    assert response.slope == 0.0
    for x, y in zip(force, change, strict=True):
        response.add(x, y)
    assert response.slope == pytest.approx(np.linalg.lstsq(force[:, None], change)[0][0])
    assert response.slope == pytest.approx(0.7, abs=0.05)
