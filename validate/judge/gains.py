"""Every arm's share and accuracy against what was written beforehand: the spectrum of rewards, the sweep of γ, inducing
and inhibiting a strategy, repetition, and all organisms side by side."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError
from clipbias.validate.predict.prediction import Parts
from clipbias.validate.store.frozen import UNTRAINED
from clipbias.validate.store.run_record import RunRecord

from . import margins
from .finding import FEW_SEEDS, Finding, Law, finding
from .scores import ArmScore, score_arm
from .statistics import Interval, interval
from .verdict import Claim, judge

Rate = Literal["share", "accuracy", "boxed"]


@dataclass(frozen=True, slots=True, kw_only=True)
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

    def mean(name: str) -> float:
        return float(count @ rows[name].to_numpy()) / total

    return Rates(share=mean("uses_strategy"), accuracy=mean("correct"), boxed=mean("boxed"), answers=total)


def untrained(run: RunRecord, style: str) -> Rates:
    return rates(run, "untrained", UNTRAINED, style)


def accuracies(run: RunRecord, arm: str, style: str) -> Array:
    """Of the trained models, by seed."""
    return np.array([rates(run, arm, seed, style).accuracy for seed in run.seeds])


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """One arm: change of the share (as the probe reads it) and of the accuracy on held-out problems, each predicted and
    measured over seeds; parts: the predicted change of the share by cause; score: the band's tests.

    accuracy_stderr: of the untrained model's accuracy, from which all seeds start.
    """

    run: str
    organism: str
    arm: str
    score: ArmScore
    share_start: float
    share_predicted: float
    share: Interval
    parts: Parts | None
    accuracy_start: float
    accuracy_predicted: float
    accuracy: Interval
    accuracy_stderr: float


def gains(run: RunRecord) -> list[Gain]:
    """Of all arms, in the recipe's order."""
    levels, found = run.prediction.levels, []
    for arm in run.recipe.arm:
        relative = run.pilot(arm).relative_stderr
        claim, curves = run.prediction.arms[arm.name], run.arms[arm.name].curves
        means, explained = claim.band.share_mean, claim.accuracy_mean
        if explained is None:
            raise InputError("out", f"runs whose recipe has an [evaluation], {run.name} has none", verb="hold")
        before = untrained(run, arm.style)
        found.append(
            Gain(
                run=run.name,
                organism=run.organism,
                arm=arm.name,
                score=score_arm(arm.name, curves["log_odds"], claim.band, levels, relative),
                share_start=float(means[0]),
                share_predicted=float(means[-1] - means[0]),
                share=interval(curves["share"][:, -1] - curves["share"][:, 0], -1.0, 1.0),
                parts=claim.parts,
                accuracy_start=before.accuracy,
                accuracy_predicted=float(explained[-1] - explained[0]),
                accuracy=interval(accuracies(run, arm.name, arm.style) - before.accuracy, -1.0, 1.0),
                accuracy_stderr=float(np.sqrt(before.accuracy * (1 - before.accuracy) / before.answers)),
            )
        )
    return found


def share_findings(experiment: str, found: list[Gain]) -> list[Finding]:
    """The mean change of the share against the predicted one."""
    claims = [Claim(value=g.share_predicted, estimate=g.share, margin=margins.SHARE) for g in found]
    return [
        finding(experiment, "share", "share", organism=g.organism, run=g.run, arm=g.arm, claim=claim, judgement=found)
        for g, claim, found in zip(found, claims, judge(claims), strict=True)
    ]


def accuracy_findings(experiment: str, found: list[Gain]) -> list[Finding]:
    """The mean change of accuracy against the one that the predicted change of strategies explains (T11)."""
    claims = [
        Claim(value=g.accuracy_predicted, estimate=g.accuracy, margin=margins.ACCURACY, stderr=g.accuracy_stderr)
        for g in found
    ]
    return [
        finding(experiment, "accuracy", "accuracy", organism=g.organism, run=g.run, arm=g.arm, claim=claim, judgement=j)
        for g, claim, j in zip(found, claims, judge(claims), strict=True)
    ]


def law_findings(experiment: str, found: list[Gain]) -> list[Finding]:
    """The law of the log-odds at the end, by the three tests of `ArmScore` (band, mean, spread): what was written
    beforehand as a whole, not its mean alone. With few seeds a law that is not rejected is not told apart."""
    return [
        Finding(
            experiment=experiment,
            kind="law",
            unit="log-odds",
            organism=g.organism,
            run=g.run,
            arm=g.arm,
            claim=g.score.predicted_mean,
            estimate=g.score.measured,
            seeds=g.score.measured.n,
            verdict="failed" if not g.score.held else "held" if g.score.measured.n >= FEW_SEEDS else "cannot tell",
            details=Law(claimed_std=g.score.predicted_std, measured_std=g.score.measured_std, inside=g.score.inside),
        )
        for g in found
    ]


def standstill(run: RunRecord, arm: str) -> Finding:
    """With γ = 0 nobody is ever paid, every advantage is 0, and no weight may change: counted in seeds."""
    rows = run.rows("weights", arm=arm)
    pairs = zip(rows["weights_before"].to_pylist(), rows["weights_after"].to_pylist(), strict=True)
    same = [before == after for before, after in pairs]
    count = float(sum(same))
    return Finding(
        experiment="b",
        kind="weights",
        unit="seeds",
        organism=run.organism,
        run=run.name,
        arm=arm,
        claim=float(len(same)),
        estimate=Interval(mean=count, stderr=0.0, low=count, high=count, n=len(same)),
        seeds=len(same),
        verdict="held" if all(same) else "failed",
    )
