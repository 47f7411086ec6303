"""The trend's error: how often noise alone is called a trend, and how often a true one is found."""

import numpy as np
import pytest

from clipbias.audit.diagnose.trend import Trend, trend_of
from clipbias.audit.log import Log, Series


def trend(values: np.ndarray) -> Trend:
    series = Series(name="entropy", rows=np.arange(len(values)), values=np.asarray(values, dtype=np.float64))
    log = Log(name="", framework="other", steps=np.arange(1.0, len(values) + 1), series={"entropy": series})
    return trend_of(log, series)


def judged(values: np.ndarray) -> str:
    return trend(values).direction


def correlated(rng: np.random.Generator, count: int, correlation: float) -> np.ndarray:
    noise = rng.normal(size=count)
    for i in range(1, count):
        noise[i] += correlation * noise[i - 1]
    return noise


@pytest.mark.statistical
@pytest.mark.parametrize(("points", "correlation"), [(8, 0.0), (40, 0.0), (200, 0.0), (200, 0.5), (400, 0.8)])
def test_noise_is_seldom_a_trend(points: int, correlation: float) -> None:
    """Nominal 5 %, of which a trend must also reach the margin; neighbours that are alike cost at most twice that."""
    rng = np.random.default_rng(7)
    found = [judged(1 + 0.5 * correlated(rng, points, correlation)) for _ in range(1500)]
    share = np.mean([direction in ("rises", "falls") for direction in found])
    assert share < (0.05 if correlation == 0 else 0.1) + 3 * np.sqrt(0.05 * 0.95 / 1500)


@pytest.mark.statistical
def test_least_squares_that_ignores_neighbours_would_fail() -> None:
    """The negative control: on the same noise with correlation 0.8 it finds a trend in more than a third."""
    rng = np.random.default_rng(7)
    steps = np.arange(400.0) - 199.5
    found = 0
    for _ in range(500):
        noise = correlated(rng, 400, 0.8)
        slope = steps @ noise / (steps @ steps)
        left = noise - noise.mean() - slope * steps
        found += abs(slope) > 1.966 * np.sqrt(left @ left / 398 / (steps @ steps))
    assert found / 500 > 0.33


def wandering(rng: np.random.Generator, points: int, kept: float) -> np.ndarray:
    """Stationary for kept < 1; a random walk for 1."""
    walk = rng.normal(size=points)
    walk[0] /= np.sqrt(1 - kept**2) if kept < 1 else 1
    for i in range(1, points):
        walk[i] += kept * walk[i - 1]
    return walk


def is_strong(found: Trend) -> bool:
    return found.direction in ("rises", "falls") and found.strength == "strong"


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("points", "kept", "called"), [(8, 1.0, 0.32), (60, 1.0, 0.6), (300, 1.0, 0.6), (60, 0.9, 0.29)]
)
def test_what_wanders_is_called_a_trend(points: int, kept: float, called: float) -> None:
    """The rates of trend_of's docstring."""
    rng = np.random.default_rng(11)
    found = [trend(wandering(rng, points, kept)).direction in ("rises", "falls") for _ in range(500)]
    assert np.mean(found) == pytest.approx(called, abs=3 * np.sqrt(called * (1 - called) / 500))


@pytest.mark.statistical
@pytest.mark.parametrize("points", [10, 15, 20, 25, 30, 40, 50, 60, 73, 90, 200])
def test_a_random_walk_is_seldom_a_strong_trend(points: int) -> None:
    """At most 5 % at any length; the 0.7 alone, which once decided, is the control: above 20 % up to 40 points."""
    rng = np.random.default_rng(12)
    found = [trend(wandering(rng, points, 1.0)) for _ in range(800)]
    assert np.mean([is_strong(t) for t in found]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 800)
    if points <= 40:
        once = [t.direction in ("rises", "falls") and t.correlation <= 0.7 for t in found]
        assert np.mean(once) > 0.2


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("points", "noise", "least"), [(10, 0.05, 0.6), (20, 0.05, 0.8), (30, 0.2, 0.9), (60, 0.2, 0.98)]
)
def test_a_clear_rise_is_a_strong_trend(points: int, noise: float, least: float) -> None:
    rng = np.random.default_rng(13)
    found = [trend(1 + np.arange(points) / points + noise * rng.normal(size=points)) for _ in range(300)]
    assert np.mean([is_strong(t) for t in found]) > least


def test_an_exact_line_is_strong_and_a_flat_one_stays_so() -> None:
    assert is_strong(trend(1 + np.arange(8) / 8))
    flat = trend(1 + 0.01 * np.random.default_rng(4).normal(size=12))
    assert (flat.direction, flat.strength) == ("flat", "strong")


def test_a_clear_trend_in_independent_noise_is_strong() -> None:
    rng = np.random.default_rng(3)
    assert trend(np.arange(60) / 60 + 0.1 * rng.normal(size=60)).strength == "strong"


def test_a_fall_that_saturates_is_a_fall() -> None:
    assert judged(1 + 1.7 * np.exp(-np.arange(60) / 12)) == "falls"


def test_a_small_change_is_flat() -> None:
    assert judged(2.7 - 0.1 * np.arange(40) / 40) == "flat"


def test_few_points_are_no_trend() -> None:
    assert judged(np.asarray([1.0, 0.5, 0.2, 0.1])) == "unclear"


def test_a_rise_is_a_rise_and_noise_is_unclear() -> None:
    rng = np.random.default_rng(3)
    assert judged(np.arange(30) / 30 + 0.1 * rng.normal(size=30)) == "rises"
    assert judged(np.asarray([1.0, 0.2, 1.5, 0.4, 1.2, 0.3])) == "unclear"
