"""What was predicted against what was measured: coverage, sign, paired differences, decomposition, verdicts in words.

Intervals are Student's t over seeds at 95 %; bands are the predicted 5–95 % of single seeds.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from .measured import ArmData, ClipCounts, RunData
from .recipe import Arm, Recipe

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """Mean over seeds with its standard error and t interval; n seeds."""

    mean: float
    stderr: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def interval(values: NDArray[np.float64]) -> Interval:
    n = len(values)
    mean, stderr = float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(n))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * stderr
    return Interval(mean, stderr, mean - half, mean + half, n)


@dataclass(frozen=True, slots=True)
class ArmScore:
    """One arm at its last phase, in log-odds, and its band at every phase.

    inside of n seeds end in the 90 % band; coverage is the share of all (seed, phase) points inside it. mean_z is the
    measured mean's distance from the predicted one in units of its predicted standard error, σ/√n and the error of a
    counted start. prediction_error and nothing_error are |measured mean − predicted mean| and |measured mean − start|.
    """

    arm: str
    predicted_mean: float
    predicted_std: float
    measured: Interval
    measured_std: float
    inside: int
    coverage: float
    mean_z: float
    prediction_error: float
    nothing_error: float
    sign_agrees: bool
    held: bool
    verdict: str


def score_arm(arm: str, log_odds: NDArray[np.float64], predicted: dict[str, Any], levels: list[float]) -> ArmScore:
    """log_odds [seeds, phases + 1]. The prediction holds if the number of seeds inside the band is not improbable under
    it (binomial, one-sided 5 %) and the mean lies within 1.96 predicted standard errors."""
    quantiles = np.asarray(predicted["log_odds_quantiles"])
    low, high = quantiles[:, levels.index(0.05)], quantiles[:, levels.index(0.95)]
    inside = (log_odds >= low) & (log_odds <= high)
    end = interval(log_odds[:, -1])
    start, mean, std = float(log_odds[0, 0]), predicted["log_odds_mean"][-1], predicted["log_odds_std"][-1]
    count = int(inside[:, -1].sum())
    z = (end.mean - mean) / math.hypot(std / math.sqrt(end.n), predicted["start_stderr"])
    improbable = stats.binomtest(count, end.n, 0.9, alternative="less").pvalue < 0.05
    held = not improbable and abs(z) <= 1.96
    reasons = []
    if improbable:
        reasons.append(f"only {count} of {end.n} seeds end inside the 90 % band")
    if abs(z) > 1.96:
        reasons.append(f"the mean log-odds ends {abs(z):.1f} standard errors {'above' if z > 0 else 'below'} it")
    words = (
        f"the prediction held: {count} of {end.n} seeds end inside the 90 % band, the mean {z:+.1f} standard errors off"
        if held
        else "the prediction failed: " + " and ".join(reasons)
    )
    return ArmScore(
        arm=arm,
        predicted_mean=mean,
        predicted_std=std,
        measured=end,
        measured_std=float(log_odds[:, -1].std(ddof=1)),
        inside=count,
        coverage=float(inside[:, 1:].mean()),
        mean_z=z,
        prediction_error=abs(end.mean - mean),
        nothing_error=abs(end.mean - start),
        sign_agrees=(mean - start) * (end.mean - start) > 0,
        held=held,
        verdict=words,
    )


def reference_arm(recipe: Recipe) -> Arm | None:
    """The arm without any clip, against which the others are paired."""
    return next((arm for arm in recipe.arm if arm.clip_low is None and arm.clip_high is None), None)


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """arm − reference on the same seeds at the last phase, and where the change of the share comes from.

    Decomposition of the arm's change in share: clip drift = arm − reference, noise = reference − start (the Itô term in
    the toy), selection = 0 because random rewards prefer nothing.
    """

    arm: str
    reference: str
    log_odds: Interval
    log_odds_predicted: float
    clip_drift: Interval
    clip_drift_predicted: float
    noise: Interval
    noise_predicted: float
    verdict: str


def paired_difference(arm: str, reference: str, run: RunData) -> PairedDifference:
    measured, predicted = run.arms, run.prediction["arms"]

    def end(name: str, column: str) -> NDArray[np.float64]:
        return measured[name].curves[column][:, -1]

    difference = interval(end(arm, "log_odds") - end(reference, "log_odds"))
    claimed = predicted[arm]["log_odds_mean"][-1] - predicted[reference]["log_odds_mean"][-1]
    share = [predicted[name]["share_mean"][-1] for name in (arm, reference)]
    start = run.prediction["measured"]["share"]
    inside = difference.low <= claimed <= difference.high
    if difference.mean == difference.stderr == 0.0:
        effect = "the two arms are the same to the last bit"
    elif difference.excludes_zero:
        effect = f"clipping {'raised' if difference.mean > 0 else 'lowered'} the log-odds of the strategy"
    else:
        effect = "no effect of clipping can be told from zero"
    agreement = (
        "the predicted difference lies inside the interval"
        if inside
        else ("the prediction failed: the predicted difference lies outside the interval")
    )
    return PairedDifference(
        arm=arm,
        reference=reference,
        log_odds=difference,
        log_odds_predicted=claimed,
        clip_drift=interval(end(arm, "share") - end(reference, "share")),
        clip_drift_predicted=share[0] - share[1],
        noise=interval(end(reference, "share") - measured[reference].curves["share"][:, 0]),
        noise_predicted=share[1] - start,
        verdict=f"{effect}; {agreement}",
    )


@dataclass(frozen=True, slots=True)
class ClipFractions:
    """Share of tokens clipped in mini-batches 1…M: measured mean over seeds with standard error, and predicted."""

    low: list[float]
    low_stderr: list[float]
    low_predicted: list[float]
    high: list[float]
    high_stderr: list[float]
    high_predicted: list[float]


def clip_fractions(counts: ClipCounts, low_predicted: list[float], high_predicted: list[float]) -> ClipFractions:
    def summary(part: NDArray[np.float64]) -> tuple[list[float], list[float]]:
        fraction = part / np.maximum(counts.tokens, 1)
        return fraction.mean(axis=0).tolist(), (fraction.std(axis=0, ddof=1) / math.sqrt(len(fraction))).tolist()

    low, low_stderr = summary(counts.low)
    high, high_stderr = summary(counts.high)
    return ClipFractions(low, low_stderr, low_predicted, high, high_stderr, high_predicted)


def skill(data: ArmData, reference: ArmData | None) -> dict[str, Any]:
    """Accuracy of the rollouts in the first phase (the untrained model) and in the last five, and the paired difference
    of the latter to the unclipped arm. Nothing was predicted about it: it is reported, not judged. survives: at least
    half of it is left; None where the untrained model shows no skill to lose."""

    def late(arm: ArmData) -> NDArray[np.float64]:
        return np.asarray(np.nanmean(arm.curves["accuracy"][:, -5:], axis=1))

    first, last = interval(data.curves["accuracy"][:, 1]), interval(late(data))
    survives = last.mean >= 0.5 * first.mean if first.low > 0 else None
    paired = None if reference is None or reference is data else asdict(interval(late(data) - late(reference)))
    return {"first": asdict(first), "last": asdict(last), "paired": paired, "survives": survives}


def compare(run: RunData) -> dict[str, Any]:
    """The whole comparison, ready for JSON."""
    levels = run.prediction["levels"]
    reference = reference_arm(run.recipe)
    exact = run.prediction["measured"]["samples"] is None
    arms: dict[str, Any] = {}
    for arm in run.recipe.arm:
        data, predicted = run.arms[arm.name], run.prediction["arms"][arm.name]
        arms[arm.name] = {
            "score": asdict(score_arm(arm.name, data.curves["log_odds"], predicted, levels)),
            "score_without_momentum": asdict(
                score_arm(arm.name, data.curves["log_odds"], predicted["without_momentum"], levels)
            ),
            "clip_fractions_all_tokens": asdict(
                clip_fractions(data.all_tokens, predicted["token_clip_low"], predicted["token_clip_high"])
            ),
            "clip_fractions_without_momentum": {
                side: predicted[f"token_clip_{side}_without_momentum"] for side in ("low", "high")
            },
            "clip_fractions_strategy_token": asdict(
                clip_fractions(data.strategy_token, predicted["strategy_clip_low"], predicted["strategy_clip_high"])
            )
            if exact
            else None,
            "largest_log_ratio": data.largest_log_ratio.tolist(),
            "skill": skill(data, run.arms[reference.name] if reference else None),
            "undecided_tokens": data.undecided_tokens,
            "undecided_clipped": data.undecided_clipped,
        }
    paired = [
        asdict(paired_difference(arm.name, reference.name, run))
        for arm in run.recipe.arm
        if reference is not None and arm != reference
    ]
    return {
        "name": run.recipe.name,
        "question": run.recipe.question,
        "strategy": run.prediction["strategy"],
        "seeds": list(run.seeds),
        "prediction_sha256": run.manifest["prediction_sha256"],
        "prediction_written": run.manifest["prediction_written"],
        "measured": run.prediction["measured"],
        "pilot": run.prediction["pilot"],
        "calibration": run.prediction["calibration"],
        "arms": arms,
        "paired": paired,
        "verdicts": [f"{name}: {entry['score']['verdict']}." for name, entry in arms.items()]
        + [f"{p['arm']} − {p['reference']}: {p['verdict']}." for p in paired],
        "manifest": run.manifest,
    }
