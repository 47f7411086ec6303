"""verl's series, as far as they go."""

import math

import numpy as np
import pytest

from clipbias.common.errors import InputError
from clipbias.monitor.verl import read_verl


def series(steps: int, sigma: float = 0.05) -> dict[str, list[float]]:
    rng = np.random.default_rng(5)
    return {
        "actor/pg_clipfrac": rng.uniform(0.001, 0.002, steps).tolist(),
        "actor/ppo_kl": (0.5 * (sigma * np.exp(rng.normal(0, 0.1, steps))) ** 2).tolist(),
        "actor/entropy": (1.0 + 0.01 * rng.normal(size=steps)).tolist(),
        "critic/score/mean": [0.5] * steps,
    }


def test_what_is_logged_is_shown_and_nothing_else() -> None:
    views = read_verl(series(20))
    assert len(views) == 20
    shown = views[-1].metrics()
    assert shown["clipping/both/measured"] == series(20)["actor/pg_clipfrac"][-1]
    assert shown["clipping/stride"] == pytest.approx(0.04, rel=0.4)
    assert not any("predicted" in name or "push" in name or "low/measured" in name for name in shown)
    assert not any(view.alerts for view in views)


def test_the_spread_of_a_normal_law_comes_back() -> None:
    rng = np.random.default_rng(6)
    log_ratio = rng.normal(-(0.1**2) / 2, 0.1, 2_000_000)
    (view,) = read_verl({"actor/ppo_kl": [float(-log_ratio.mean())]})
    assert view.spread is None
    assert view.stride == pytest.approx(0.1 * math.sqrt(2 / math.pi), rel=0.02)


def test_a_collapse_of_the_entropy_is_alarmed() -> None:
    given = series(30)
    given["actor/entropy"][25:] = [0.2] * 5
    alerts = [alert for view in read_verl(given) for alert in view.alerts]
    assert [(alert.step, alert.quantity) for alert in alerts] == [(26, "entropy")]


def test_what_is_not_logged_is_not_there() -> None:
    assert read_verl({"actor/ppo_kl": [-1e-6, 0.0]})[1].metrics() == {"clipping/alerts": 0.0}
    assert read_verl({"actor/entropy": []}) == []


@pytest.mark.parametrize("wrong", [{}, {"critic/kl": [1.0]}, {"actor/entropy": [1.0], "actor/ppo_kl": [1.0, 2.0]}])
def test_what_cannot_be_read_is_refused(wrong: dict[str, list[float]]) -> None:
    with pytest.raises(InputError, match="series"):
        read_verl(wrong)
