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
            found |= watch.look(step, quantity, value, expected.get(quantity, 1.0))[1] is not None
    return found


def test_as_many_healthy_trainings_are_alarmed_as_was_asked_for() -> None:
    rng = np.random.default_rng(1)
    count = sum(alarmed(rng, 30, 0.2) for _ in range(200))
    assert 20 < count < 52  # 0.2·(22 looks of 30)·200 = 29 ± 5, and no more than 40 + 2·5.6


def test_a_jump_is_seen() -> None:
    rng = np.random.default_rng(2)
    assert all(alarmed(rng, 40, 0.01, jump=3.0) for _ in range(20))


def test_an_alert_says_what_was_beyond_what() -> None:
    watch = Watch(20, 0.01)
    for step in range(12):
        watch.look(step, "stride", 1.0 + 0.01 * (step % 3), 1.0)
    band, alert = watch.look(12, "stride", 2.0, 1.0)
    assert alert is not None
    assert alert.measured > band.high
    assert str(alert).startswith("step 12: stride 2 is above 1.")
    assert watch.look(13, "stride", 0.1, 1.0)[1] is None  # too little is no alarm, but of the entropy


def test_the_slope_is_least_squares_through_the_origin() -> None:
    rng = np.random.default_rng(3)
    force, response = rng.normal(0, 2, 50), Response()
    change = 0.7 * force + rng.normal(0, 0.1, 50)
    assert response.slope == 0.0
    for x, y in zip(force, change, strict=True):
        response.add(x, y)
    assert response.slope == pytest.approx(np.linalg.lstsq(force[:, None], change)[0][0])
    assert response.slope == pytest.approx(0.7, abs=0.05)
