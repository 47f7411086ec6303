"""Every arm's share and accuracy against what was written beforehand: the spectrum of rewards, the sweep of γ, inducing
and inhibiting a strategy, repetition, and all organisms side by side."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbias.validate.predict.prediction import Parts
from clipbias.validate.store.frozen import UNTRAINED
from clipbias.validate.store.run_record import RunRecord

from .finding import FEW_SEEDS, Finding, difference_pvalue, judge, points, seeds_note
from .scores import ArmScore, score_arm
from .statistics import Interval, holm, interval

LEAST = 0.03  # of a share: a change that would matter


@dataclass(frozen=True, slots=True)
class Rates:
    """Of answers to held-out problems in one style: share of the strategy, accuracy, share that is boxed."""

    share: float
    accuracy: float
    boxed: float
    answers: int


def rates(run: RunRecord, arm: str, seed: int, style: str) -> Rates:
    rows = run.rows("answers", arm=arm, seed=seed, style=style)
    count = rows["count_all"].to_numpy()
    total = int(count.sum())
    means = [float(count @ rows[name].to_numpy()) / total for name in ("uses_strategy", "correct", "boxed")]
    return Rates(*means, total)


def untrained(run: RunRecord, style: str) -> Rates:
    return rates(run, "untrained", UNTRAINED, style)


def tested(run: RunRecord, arm: str, style: str, what: str) -> NDArray[np.float64]:
    """A rate of the trained models by seed."""
    return np.array([getattr(rates(run, arm, seed, style), what) for seed in run.seeds])


@dataclass(frozen=True, slots=True)
class Gain:
    """One arm: change of the share (as the probe reads it) and of the accuracy on held-out problems, each predicted and
    measured over seeds; parts: the predicted change of the share by cause; score: the band's tests."""

    run: str
    organism: str
    arm: str
    score: ArmScore
    share_start: float
    share_predicted: float
    share: Interval
    share_values: NDArray[np.float64]
    parts: Parts | None
    accuracy_start: float
    accuracy_predicted: float
    accuracy: Interval
    accuracy_values: NDArray[np.float64]
    accuracy_stderr: float  # of the untrained model's accuracy


def _change(means: NDArray[np.float64] | None) -> float:
    """Over the whole training; NaN where nothing is claimed."""
    return float("nan") if means is None else float(means[-1] - means[0])


def gains(run: RunRecord) -> list[Gain]:
    levels, relative = run.prediction.levels, run.prediction.pilot.relative_stderr
    found = []
    for arm in run.recipe.arm:
        claim, curves = run.prediction.arms[arm.name], run.arms[arm.name].curves
        share = curves["share"][:, -1] - curves["share"][:, 0]
        before = untrained(run, arm.style)
        accuracy = tested(run, arm.name, arm.style, "accuracy") - before.accuracy
        found.append(
            Gain(
                run=run.name,
                organism=run.organism,
                arm=arm.name,
                score=score_arm(arm.name, curves["log_odds"], claim.band, levels, relative),
                share_start=float(claim.band.share_mean[0]),
                share_predicted=float(claim.band.share_mean[-1] - claim.band.share_mean[0]),
                share=interval(share, -1.0, 1.0),
                share_values=share,
                parts=claim.parts,
                accuracy_start=before.accuracy,
                accuracy_predicted=_change(claim.accuracy_mean),
                accuracy=interval(accuracy, -1.0, 1.0),
                accuracy_values=accuracy,
                accuracy_stderr=float(np.sqrt(before.accuracy * (1 - before.accuracy) / before.answers)),
            )
        )
    return found


def share_findings(experiment: str, found: list[Gain]) -> list[Finding]:
    """The mean change of the share against the predicted one; Holm over the list."""
    pvalues = [difference_pvalue(g.share_values, g.share_predicted) for g in found]
    return [
        Finding(
            experiment=experiment,
            organism=g.organism,
            subject=f"{g.arm}: share of the strategy",
            predicted=f"{100 * g.share_predicted:+z.1f} points",
            measured=f"{points(g.share)} ({seeds_note(g.share.n)})",
            verdict=judge(g.share_values, g.share_predicted, adjusted, LEAST),
            pvalue=adjusted,
        )
        for g, adjusted in zip(found, holm(pvalues), strict=True)
    ]


def accuracy_findings(experiment: str, found: list[Gain]) -> list[Finding]:
    """The mean change of accuracy against the one that the predicted change of strategies explains (T11)."""
    pvalues = [difference_pvalue(g.accuracy_values, g.accuracy_predicted, g.accuracy_stderr) for g in found]
    return [
        Finding(
            experiment=experiment,
            organism=g.organism,
            subject=f"{g.arm}: accuracy on held-out problems",
            predicted=f"{100 * g.accuracy_predicted:+z.1f} points, from the strategies' shares alone",
            measured=f"{points(g.accuracy)} ({seeds_note(g.accuracy.n)})",
            verdict=judge(g.accuracy_values, g.accuracy_predicted, adjusted, LEAST, g.accuracy_stderr),
            pvalue=adjusted,
        )
        for g, adjusted in zip(found, holm(pvalues), strict=True)
    ]


def band_findings(experiment: str, found: list[Gain]) -> list[Finding]:
    """The law of the log-odds at the end, by the three tests of `outcome.ArmScore` (band, mean, spread): what was
    written beforehand as a whole, not its mean alone. With few seeds a law that is not rejected is not told apart."""
    return [
        Finding(
            experiment=experiment,
            organism=g.organism,
            subject=f"{g.arm}: law of the log-odds at the end",
            predicted=f"{g.score.predicted_mean:+z.2f} ± {g.score.predicted_std:.2f} (standard deviation of seeds)",
            measured=f"{g.score.measured.mean:+z.2f} ± {g.score.measured_std:.2f}; {g.score.inside} of"
            f" {g.score.measured.n} seeds inside the 90 % band",
            verdict="failed" if not g.score.held else "held" if g.score.measured.n >= FEW_SEEDS else "cannot tell",
        )
        for g in found
    ]


def standstill(run: RunRecord, arm: str) -> Finding:
    """With γ = 0 nobody is ever paid, every advantage is 0, and no weight may change."""
    rows = run.rows("weights", arm=arm)
    same = [a == b for a, b in zip(rows["weights_before"].to_pylist(), rows["weights_after"].to_pylist(), strict=True)]
    return Finding(
        experiment="b",
        organism=run.organism,
        subject=f"{arm}: weights",
        predicted="unchanged to the bit",
        measured=f"unchanged in {sum(same)} of {len(same)} seeds (SHA-256)",
        verdict="held" if all(same) else "failed",
    )
