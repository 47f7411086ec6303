import math

import numpy as np
import pytest

from clipbias.validate.judge.clip_events import clip_events
from clipbias.validate.judge.scores import ArmScore, score_arm
from clipbias.validate.predict.prediction import Band, ClipFractions
from clipbias.validate.report.words import arm_verdict
from clipbias.validate.store.run_record import ClipCounts

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
Z = np.array([-1.6449, -0.6745, 0.0, 0.6745, 1.6449])


def claim(phases: int, drift: float, std: float) -> Band:
    t = np.arange(phases + 1)
    mean, spread = 0.6 + drift * t, std * np.sqrt(t)
    return Band(
        log_odds_quantiles=mean[:, None] + spread[:, None] * Z,
        log_odds_mean=mean,
        log_odds_std=spread,
        start_stderr=0.0,
        share_mean=np.zeros(phases + 1),
        strategy_entropy_mean=np.zeros(phases + 1),
    )


def walks(seeds: int, phases: int, drift: float, std: float, seed: int) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(drift, std, size=(seeds, phases))
    return 0.6 + np.concatenate([np.zeros((seeds, 1)), np.cumsum(steps, axis=1)], axis=1)


def scores(runs: int, seeds: int, drift: float, std: float) -> list[ArmScore]:
    """Against the claim of drift 0.02 and standard deviation 0.1 per phase."""
    return [
        score_arm("a", walks(seeds, 20, drift, std, s), claim(20, 0.02, 0.1), LEVELS, relative_stderr=0.0)
        for s in range(runs)
    ]


@pytest.mark.parametrize("seeds", [8, 20])
def test_true_predictions_hold_in_eight_of_nine_runs(seeds: int) -> None:
    """As the report says of its rule: three tests at 5 %, two of which overlap."""
    true = scores(600, seeds, 0.02, 0.1)
    assert 0.88 < np.mean([s.inside for s in true]) / seeds < 0.92
    assert abs(np.mean([s.held for s in true]) - 8 / 9) < 4 * math.sqrt(8 / 81 / 600)
    assert abs(np.mean([s.mean_z for s in true])) < 4 / math.sqrt(600)


@pytest.mark.parametrize(
    ("drift", "std", "test", "word"),
    [(-0.1, 0.1, "mean", "below"), (0.02, 0.4, "band", "only"), (0.02, 0.2, "spread", "too narrow"),
     (0.02, 0.05, "spread", "too wide")],
)  # fmt: skip
def test_wrong_predictions_fail(drift: float, std: float, test: str, word: str) -> None:
    """Negative controls: the wrong sign of the drift, a quarter, half and twice the spread."""
    wrong = scores(50, 20, drift, std)
    assert np.mean([test in s.failures for s in wrong]) > 0.9
    for score in wrong:
        assert score.held != ("the prediction failed" in arm_verdict(score))
        assert (test in score.failures) == (word in arm_verdict(score))


def test_a_direction_is_predicted_only_beyond_the_error_of_the_mean() -> None:
    """The claimed move is 0.4, the mean's standard error 0.1·√(20/n)."""
    many, few = scores(1, 20, -0.1, 0.1)[0], scores(1, 2, -0.1, 0.1)[0]
    assert many.sign_agrees is False
    assert scores(1, 20, 0.1, 0.1)[0].sign_agrees is True
    assert few.sign_agrees is False
    flat = score_arm("a", walks(4, 20, 0.1, 0.1, 0), claim(20, 0.01, 0.1), LEVELS, relative_stderr=0.0)
    assert flat.sign_agrees is None


def test_clip_fractions_are_shares_of_tokens() -> None:
    counts = ClipCounts(np.full((3, 2), 200.0), np.array([[0, 2], [0, 4], [0, 6.0]]), np.zeros((3, 2)))
    fractions = clip_events(counts, ClipFractions(low=np.array([0.0, 0.01]), high=np.array([0.0, 0.02])))
    assert fractions.low == pytest.approx([0.0, 0.02])
    assert fractions.low_stderr[1] == pytest.approx(0.01 / math.sqrt(3))
    assert fractions.high == [0.0, 0.0]
    assert (fractions.tokens, fractions.clipped) == (1200, 12)
    assert fractions.expected == pytest.approx(600 * 0.03)
