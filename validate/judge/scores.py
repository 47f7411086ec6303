"""The law that was predicted for an arm's seeds against the seeds: three tests, of the band, the mean and the spread.

They test a law to its last digit, σ/√n its mean's own error, and so have no margin: bands are the predicted 5–95 % of
single seeds, and a mean that is off by less than matters to a share is still not that law's.
"""

import math
from dataclasses import dataclass

import numpy as np

from clipbias.common.arrays import Array
from clipbias.validate.predict.prediction import Band

from .statistics import LEVEL, Interval, count_pvalue, in_band, interval, spread_pvalue

STILL = 1e-6  # a predicted spread in log-odds that is rounding alone


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmScore:
    """One arm at its last phase, in log-odds, and its band at every phase.

    inside of n seeds end in the 90 % band; coverage is the share of all (seed, phase) points inside it. mean_z is the
    measured mean's distance from the predicted one in units of its predicted error e, e² = σ²/n + start_stderr².
    spread_ratio is the seeds' standard deviation over σ. prediction_error and nothing_error are |measured mean −
    predicted mean| and |measured mean − start|. sign_agrees is None where the predicted move is below e: then no
    direction is predicted.
    """

    arm: str
    predicted_mean: float
    predicted_std: float
    measured: Interval
    measured_std: float
    inside: int
    inside_pvalue: float
    coverage: float
    mean_z: float
    spread_ratio: float
    spread_pvalue: float
    prediction_error: float
    nothing_error: float
    sign_agrees: bool | None

    @property
    def failures(self) -> list[str]:
        """The tests that a prediction fails: band, mean, spread, each at 5 %. It holds if it fails none."""
        failed = {
            "band": self.inside_pvalue < 1 - LEVEL,
            "mean": abs(self.mean_z) > 1.96,
            "spread": self.spread_pvalue < 1 - LEVEL,
        }
        return [test for test, fails in failed.items() if fails]

    @property
    def held(self) -> bool:
        return not self.failures


def score_arm(
    arm: str, log_odds: Array, predicted: Band, levels: tuple[float, ...], relative_stderr: float
) -> ArmScore:
    """log_odds [seeds, phases + 1]; relative_stderr: of the pilot's spread, an error that all seeds share."""
    quantiles = predicted.log_odds_quantiles
    low, high = quantiles[:, levels.index(0.05)], quantiles[:, levels.index(0.95)]
    inside = in_band(log_odds, low, high)
    end, std = interval(log_odds[:, -1]), float(log_odds[:, -1].std(ddof=1))
    means, claimed_std = predicted.log_odds_mean.tolist(), float(predicted.log_odds_std[-1])
    if claimed_std < STILL:
        return _score_of_stillness(arm, log_odds, means)
    count, ratio = int(inside[:, -1].sum()), std / claimed_std
    reach = float(high[-1] - low[-1]) / 2 / math.hypot(claimed_std, predicted.start_stderr)
    stderr = math.hypot(claimed_std / math.sqrt(end.n), predicted.start_stderr)
    claimed_move, move = means[-1] - means[0], end.mean - means[0]
    return ArmScore(
        arm=arm,
        predicted_mean=means[-1],
        predicted_std=claimed_std,
        measured=end,
        measured_std=std,
        inside=count,
        inside_pvalue=count_pvalue(count, end.n, reach, relative_stderr),
        coverage=float(inside[:, 1:].mean()),
        mean_z=(end.mean - means[-1]) / stderr,
        spread_ratio=ratio,
        spread_pvalue=spread_pvalue(ratio, end.n, relative_stderr),
        prediction_error=abs(end.mean - means[-1]),
        nothing_error=abs(move),
        sign_agrees=claimed_move * move > 0 if abs(claimed_move) >= stderr else None,
    )


def _score_of_stillness(arm: str, log_odds: Array, means: list[float]) -> ArmScore:
    """Nothing is predicted to move at all (no sample can be paid): that holds for a seed or it does not."""
    still = np.abs(log_odds - log_odds[:, :1]) == 0.0
    end, std, moved = interval(log_odds[:, -1]), float(log_odds[:, -1].std(ddof=1)), not bool(still.all())
    return ArmScore(
        arm=arm,
        predicted_mean=means[-1],
        predicted_std=0.0,
        measured=end,
        measured_std=std,
        inside=int(still[:, -1].sum()),
        inside_pvalue=float(not moved),
        coverage=float(still[:, 1:].mean()),
        mean_z=0.0,
        spread_ratio=1.0,
        spread_pvalue=float(not moved),
        prediction_error=abs(end.mean - means[-1]),
        nothing_error=abs(end.mean - means[0]),
        sign_agrees=None,
    )
