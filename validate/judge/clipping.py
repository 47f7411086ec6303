"""Ways of removing the clip against the clip itself, seed by seed."""

from dataclasses import dataclass

import numpy as np

from clipbias.common.arrays import Array
from clipbias.validate.store.run_record import RunRecord

from . import margins
from .finding import Difference, Finding, finding
from .statistics import holm, interval, mean_pvalue
from .verdict import Claim, judge, judge_rise


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDifference:
    """arm − reference at the end, seed by seed: the claim and its estimate in log-odds, and more of it."""

    arm: str
    claim: Claim
    details: Difference


def differences(run: RunRecord, reference: str) -> list[ArmDifference]:
    """Of all other arms."""
    names = [arm.name for arm in run.recipe.arm if arm.name != reference]

    def end(name: str, column: str = "log_odds") -> Array:
        return run.arms[name].curves[column][:, -1]

    def claimed(name: str) -> float:
        return float(run.prediction.arms[name].band.log_odds_mean[-1])

    def kl(name: str) -> float:
        return interval(np.nanmean(run.arms[name].curves["phase_kl"][:, 1:], axis=1)).mean

    measured = {name: interval(end(name) - end(reference)) for name in names}
    zero = holm([mean_pvalue(measured[name]) for name in names])
    return [
        ArmDifference(
            arm=name,
            claim=Claim(value=claimed(name) - claimed(reference), estimate=measured[name], margin=margins.LOG_ODDS),
            details=Difference(
                share=interval(end(name, "share") - end(reference, "share")),
                zero_pvalue=pvalue,
                kl=kl(name),
                reference_kl=kl(reference),
            ),
        )
        for name, pvalue in zip(names, zero, strict=True)
    ]


def difference_findings(run: RunRecord, reference: str) -> list[Finding]:
    found = differences(run, reference)
    return [
        finding(
            "c",
            "difference",
            "log-odds",
            organism=run.organism,
            run=run.name,
            arm=one.arm,
            reference=reference,
            claim=one.claim,
            judgement=judgement,
            details=one.details,
        )
        for one, judgement in zip(found, judge([one.claim for one in found]), strict=True)
    ]


def probability_findings(run: RunRecord, arm: str, reference: str | None) -> list[Finding]:
    """The paper's observation, put to the sampled tokens of the rollouts: under random rewards their probability rises
    with the clip, and by more than without (reference). Last phase less first; seeds paired."""

    def rise(name: str) -> Array:
        found = run.arms[name].curves["token_prob"]
        return np.asarray(found[:, -1] - found[:, 1])

    rows: list[tuple[str | None, Array]] = [(None, rise(arm))]
    if reference is not None:
        rows.append((reference, rise(arm) - rise(reference)))
    return [
        Finding(
            experiment="d",
            kind="token probability",
            unit="token probability",
            organism=run.organism,
            run=run.name,
            arm=arm,
            reference=subtracted,
            estimate=interval(values),
            margin=margins.TOKEN_PROB,
            seeds=len(values),
            verdict=judge_rise(interval(values), margins.TOKEN_PROB),
        )
        for subtracted, values in rows
    ]
