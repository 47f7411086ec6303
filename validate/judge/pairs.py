"""A clipped arm less the unclipped one, seed by seed, and where the change of the share comes from."""

from dataclasses import dataclass, replace

from clipbias.common.arrays import Array
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.recipe import Recipe
from clipbias.validate.store.run_record import RunRecord

from . import margins
from .statistics import LEVEL, Interval, holm, interval, mean_pvalue
from .verdict import Claim, Verdict, judge


def reference_arm(recipe: Recipe) -> Arm | None:
    """The arm without any clip, against which those that differ from it in their clip alone are paired."""
    return next((arm for arm in recipe.arm if not arm.clipped), None)


def clip_rivals(recipe: Recipe) -> list[Arm]:
    """The arms that differ from the reference in nothing but their clip."""
    base = reference_arm(recipe)
    if base is None:
        return []
    return [a for a in recipe.arm if a != base and replace(a.unclipped, name=base.name) == base.unclipped]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """arm − reference on the same seeds at the last phase, and where the change of the share comes from.

    pvalue is that of “no difference”, predicted_pvalue that of exactly the predicted difference (paired t tests), each
    also adjusted by Holm for all comparisons of the run. The verdict is the judge's: margin and margin_pvalue as there.

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
    margin: float
    margin_pvalue: float
    verdict: Verdict
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


def paired_differences(run: RunRecord) -> list[PairedDifference]:
    """Every clipped arm against the unclipped one; empty where there is none."""
    base = reference_arm(run.recipe)
    if base is None:
        return []
    start = run.prediction.start.share
    bands = {name: claim.band for name, claim in run.prediction.arms.items()}
    base_share = float(bands[base.name].share_mean[-1])

    def end(name: str, column: str) -> Array:
        return run.arms[name].curves[column][:, -1]

    names = [arm.name for arm in clip_rivals(run.recipe)]
    claims = [
        Claim(
            value=float(bands[name].log_odds_mean[-1] - bands[base.name].log_odds_mean[-1]),
            estimate=interval(end(name, "log_odds") - end(base.name, "log_odds")),
            margin=margins.LOG_ODDS,
        )
        for name in names
    ]
    zero = [mean_pvalue(claim.estimate) for claim in claims]
    columns = zip(names, claims, zero, holm(zero), judge(claims), strict=True)
    return [
        PairedDifference(
            arm=name,
            reference=base.name,
            log_odds=claim.estimate,
            log_odds_predicted=claim.value,
            pvalue=pvalue,
            pvalue_holm=pvalue_holm,
            predicted_pvalue=mean_pvalue(claim.estimate, claim.value),
            predicted_pvalue_holm=judgement.pvalue,
            margin=claim.margin,
            margin_pvalue=judgement.margin_pvalue,
            verdict=judgement.verdict,
            clip_drift=interval(end(name, "share") - end(base.name, "share"), -1.0, 1.0),
            clip_drift_predicted=float(bands[name].share_mean[-1]) - base_share,
            noise=interval(end(base.name, "share") - run.arms[base.name].curves["share"][:, 0], -1.0, 1.0),
            noise_predicted=base_share - start,
        )
        for name, claim, pvalue, pvalue_holm, judgement in columns
    ]
