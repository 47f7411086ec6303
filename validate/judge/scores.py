"""What was predicted against what was measured: band, mean, spread, paired differences, decomposition.

Intervals are Student's t over seeds at 95 %; bands are the predicted 5–95 % of single seeds.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clipbias.validate.predict.prediction import Band
from clipbias.validate.predict.prediction import ClipFractions as Claimed
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.recipe import Recipe
from clipbias.validate.store.run_record import ArmRecord, ClipCounts, RunRecord

from .statistics import (
    LEVEL,
    Interval,
    count_pvalue,
    holm,
    interval,
    mean_pvalue,
    spread_pvalue,
)

STILL = 1e-6  # a predicted spread in log-odds that is rounding alone
TOY_ERROR = 1e-3  # of log-odds: a predicted difference of 0 is one up to the toy's own numerical error


@dataclass(frozen=True, slots=True)
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
    arm: str, log_odds: NDArray[np.float64], predicted: Band, levels: tuple[float, ...], relative_stderr: float
) -> ArmScore:
    """log_odds [seeds, phases + 1]; relative_stderr: of the pilot's spread, an error that all seeds share."""
    quantiles = predicted.log_odds_quantiles
    low, high = quantiles[:, levels.index(0.05)], quantiles[:, levels.index(0.95)]
    inside = (log_odds >= low) & (log_odds <= high)
    end, std = interval(log_odds[:, -1]), float(log_odds[:, -1].std(ddof=1))
    means, claimed_std = predicted.log_odds_mean.tolist(), float(predicted.log_odds_std[-1])
    if claimed_std < STILL:
        return _score_of_stillness(arm, log_odds, means)
    count, ratio = int(inside[:, -1].sum()), std / claimed_std
    reach = (high[-1] - low[-1]) / 2 / math.hypot(claimed_std, predicted.start_stderr)
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


def _score_of_stillness(arm: str, log_odds: NDArray[np.float64], means: list[float]) -> ArmScore:
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


@dataclass(frozen=True, slots=True)
class ShareChange:
    """The share itself, since a mean of log-odds is not the log-odds of a mean: predicted mean, measured end, and the
    change since each seed's first reading with Holm's p-value for “no change” over all arms."""

    predicted: float
    end: Interval
    change: Interval
    pvalue_holm: float
    lowest: float  # of single seeds
    highest: float


def share_changes(run: RunRecord) -> dict[str, ShareChange]:
    shares = {name: arm.curves["share"] for name, arm in run.arms.items()}
    adjusted = holm([mean_pvalue(share[:, -1] - share[:, 0]) for share in shares.values()])
    return {
        name: ShareChange(
            predicted=float(run.prediction.arms[name].band.share_mean[-1]),
            end=interval(share[:, -1], 0.0, 1.0),
            change=interval(share[:, -1] - share[:, 0], -1.0, 1.0),
            pvalue_holm=pvalue,
            lowest=float(share[:, -1].min()),
            highest=float(share[:, -1].max()),
        )
        for (name, share), pvalue in zip(shares.items(), adjusted, strict=True)
    }


def reference_arm(recipe: Recipe) -> Arm | None:
    """The arm without any clip, against which those that differ from it in their clip alone are paired."""
    return next((arm for arm in recipe.arm if arm.clip_low is None and arm.clip_high is None), None)


def clip_rivals(recipe: Recipe) -> list[Arm]:
    """The arms that differ from the reference in nothing but their clip."""
    base = reference_arm(recipe)
    if base is None:
        return []
    return [a for a in recipe.arm if a != base and replace(a, name=base.name, clip_low=None, clip_high=None) == base]


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """arm − reference on the same seeds at the last phase, and where the change of the share comes from.

    pvalue is that of “no difference”, predicted_pvalue that of “the predicted difference” (paired t tests); each is
    also adjusted by Holm for all comparisons of the run, and the adjusted ones decide.

    Decomposition of the arm's change in share: clip drift = arm − reference, noise = reference − start (the Itô term in
    the toy), selection = 0 because random rewards prefer nothing.
    """

    arm: str
    reference: str
    log_odds: Interval
    log_odds_predicted: float
    pvalue: float
    pvalue_holm: float
    predicted_pvalue: float
    predicted_pvalue_holm: float
    clip_drift: Interval
    clip_drift_predicted: float
    noise: Interval
    noise_predicted: float

    @property
    def identical(self) -> bool:
        return self.log_odds.mean == self.log_odds.stderr == 0.0

    @property
    def told_from_zero(self) -> bool:
        return self.pvalue_holm < 1 - LEVEL

    @property
    def held(self) -> bool:
        return self.predicted_pvalue_holm >= 1 - LEVEL


def paired_differences(run: RunRecord) -> list[PairedDifference]:
    """Every clipped arm against the unclipped one; empty where there is none."""
    base = reference_arm(run.recipe)
    if base is None:
        return []
    predicted, start = run.prediction.arms, run.prediction.start.share

    def end(name: str, column: str) -> NDArray[np.float64]:
        return run.arms[name].curves[column][:, -1]

    def last(name: str) -> float:
        return float(predicted[name].band.log_odds_mean[-1])

    names = [arm.name for arm in clip_rivals(run.recipe)]
    claims = [last(name) - last(base.name) for name in names]
    differences = [end(name, "log_odds") - end(base.name, "log_odds") for name in names]
    zero = [mean_pvalue(difference) for difference in differences]
    claimed = [mean_pvalue(d, claim, TOY_ERROR) for d, claim in zip(differences, claims, strict=True)]
    columns = zip(names, claims, differences, zero, holm(zero), claimed, holm(claimed), strict=True)
    base_share = float(predicted[base.name].band.share_mean[-1])
    return [
        PairedDifference(
            arm=name,
            reference=base.name,
            log_odds=interval(difference),
            log_odds_predicted=claim,
            pvalue=pvalue,
            pvalue_holm=pvalue_holm,
            predicted_pvalue=predicted_pvalue,
            predicted_pvalue_holm=predicted_pvalue_holm,
            clip_drift=interval(end(name, "share") - end(base.name, "share"), -1.0, 1.0),
            clip_drift_predicted=float(predicted[name].band.share_mean[-1]) - base_share,
            noise=interval(end(base.name, "share") - run.arms[base.name].curves["share"][:, 0], -1.0, 1.0),
            noise_predicted=base_share - start,
        )
        for name, claim, difference, pvalue, pvalue_holm, predicted_pvalue, predicted_pvalue_holm in columns
    ]


@dataclass(frozen=True, slots=True)
class ClipFractions:
    """Share of tokens clipped in mini-batches 1…M: measured mean over seeds with standard error, and predicted; and,
    over all seeds and mini-batches, the numbers of tokens, of those clipped, and of those expected to be."""

    low: list[float]
    low_stderr: list[float]
    low_predicted: list[float]
    high: list[float]
    high_stderr: list[float]
    high_predicted: list[float]
    tokens: int
    clipped: int
    expected: float


def clip_fractions(counts: ClipCounts, claimed: Claimed) -> ClipFractions:
    def summary(part: NDArray[np.float64]) -> tuple[list[float], list[float]]:
        fraction = part / np.maximum(counts.tokens, 1)
        return fraction.mean(axis=0).tolist(), (fraction.std(axis=0, ddof=1) / math.sqrt(len(fraction))).tolist()

    return ClipFractions(
        *summary(counts.low),
        claimed.low.tolist(),
        *summary(counts.high),
        claimed.high.tolist(),
        tokens=int(counts.tokens.sum()),
        clipped=int(counts.low.sum() + counts.high.sum()),
        expected=float(counts.tokens.sum(axis=0) @ (claimed.low + claimed.high)),
    )


@dataclass(frozen=True, slots=True)
class Skill:
    """Accuracy of the rollouts in the first phase (the untrained model) and in the last five, and the paired difference
    of the latter to the unclipped arm. Nothing was predicted about it: it is reported, not judged. survives: at least
    half of it is left; None where the untrained model shows no skill to lose."""

    first: Interval
    last: Interval
    paired: Interval | None
    survives: bool | None


def skill(data: ArmRecord, reference: ArmRecord | None) -> Skill:
    def late(arm: ArmRecord) -> NDArray[np.float64]:
        return np.asarray(np.nanmean(arm.curves["accuracy"][:, -5:], axis=1))

    first, last = interval(data.curves["accuracy"][:, 1], 0.0, 1.0), interval(late(data), 0.0, 1.0)
    survives = last.mean >= 0.5 * first.mean if first.low > 0 else None
    paired = None if reference is None or reference is data else interval(late(data) - late(reference), -1.0, 1.0)
    return Skill(first, last, paired, survives)
