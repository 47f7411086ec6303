import math

import numpy as np
import pytest
from clipbias.validate.compare import clip_fractions, interval, score_arm
from clipbias.validate.measured import ClipCounts

LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]
Z = np.array([-1.6449, -0.6745, 0.0, 0.6745, 1.6449])


def claim(phases: int, drift: float, std: float) -> dict[str, object]:
    t = np.arange(phases + 1)
    mean, spread = 0.6 + drift * t, std * np.sqrt(t)
    return {
        "log_odds_quantiles": (mean[:, None] + spread[:, None] * Z).tolist(),
        "log_odds_mean": mean.tolist(),
        "log_odds_std": spread.tolist(),
        "start_stderr": 0.0,
    }


def walks(seeds: int, phases: int, drift: float, std: float, seed: int) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(drift, std, size=(seeds, phases))
    return 0.6 + np.concatenate([np.zeros((seeds, 1)), np.cumsum(steps, axis=1)], axis=1)


def test_true_predictions_hold_about_as_often_as_they_should() -> None:
    scores = [score_arm("a", walks(8, 20, 0.02, 0.1, s), claim(20, 0.02, 0.1), LEVELS) for s in range(300)]
    assert 0.87 < np.mean([s.inside for s in scores]) / 8 < 0.93
    assert np.mean([s.held for s in scores]) > 0.85
    assert abs(np.mean([s.mean_z for s in scores])) < 4 / math.sqrt(300)


@pytest.mark.parametrize(("drift", "std"), [(-0.1, 0.1), (0.02, 0.4)])
def test_wrong_predictions_fail(drift: float, std: float) -> None:
    """Negative control: the wrong sign of the drift, and a quarter of the spread."""
    scores = [score_arm("a", walks(8, 20, drift, std, s), claim(20, 0.02, 0.1), LEVELS) for s in range(50)]
    assert np.mean([s.held for s in scores]) < 0.1
    assert all("failed" in s.verdict for s in scores if not s.held)


def test_the_interval_covers_the_mean() -> None:
    rng = np.random.default_rng(0)
    covered = [(i := interval(rng.normal(1.0, 2.0, size=6))).low < 1.0 < i.high for _ in range(2000)]
    assert abs(np.mean(covered) - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 2000)


def test_clip_fractions_are_shares_of_tokens() -> None:
    counts = ClipCounts(np.full((3, 2), 200.0), np.array([[0, 2], [0, 4], [0, 6.0]]), np.zeros((3, 2)))
    fractions = clip_fractions(counts, [0.0, 0.01], [0.0, 0.0])
    assert fractions.low == pytest.approx([0.0, 0.02])
    assert fractions.low_stderr[1] == pytest.approx(0.01 / math.sqrt(3))
    assert fractions.high == [0.0, 0.0]
