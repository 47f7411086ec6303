"""Who switches strategy, and what of the gain each kind of switch brings; accuracy against the strategy's share."""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from clipbias.common.arrays import Array
from clipbias.validate.recipe.arm import PLAIN
from clipbias.validate.store.run_record import RunRecord

from . import margins
from .finding import Finding, Switch, finding
from .gains import untrained
from .statistics import interval
from .verdict import Claim, judge

KINDS = ((True, True), (True, False), (False, True), (False, False))  # strategy before, after


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Of pairs (an untrained and a trained answer to one problem), by kind, [4], summed over seeds: how many, and the
    accuracy of each side; gain: what each kind adds to accuracy, by seed [seeds, 4]; predicted [4]: the same if
    accuracies within strategies stay and the two answers are independent draws."""

    strategy: str
    pairs: Array
    before: Array
    after: Array
    gain: Array
    predicted: Array


def switches(run: RunRecord, arm: str) -> Switches:
    table = run.rows("switches", arm=arm, style=PLAIN)
    counts = np.zeros((len(run.seeds), len(KINDS), 3))
    for row in table.to_pylist():
        kind = KINDS.index((row["uses_strategy"], row["uses_strategy_after"]))
        found = row["count_all"], row["correct_sum"], row["correct_after_sum"]
        counts[run.seeds.index(row["seed"]), kind] = found
    total = counts[:, :, 0].sum(axis=1, keepdims=True)
    whole = counts.sum(axis=0)
    share = run.prediction.arms[arm].band.share_mean
    with_, without = (_accuracy(run, uses) for uses in (True, False))
    start = untrained(run, PLAIN).share
    end = start + share[-1] - share[0]
    up, down = (1 - start) * end * (with_ - without), start * (1 - end) * (without - with_)
    return Switches(
        strategy=run.prediction.strategy,
        pairs=whole[:, 0],
        before=whole[:, 1] / np.maximum(whole[:, 0], 1),
        after=whole[:, 2] / np.maximum(whole[:, 0], 1),
        gain=(counts[:, :, 2] - counts[:, :, 1]) / total,
        predicted=np.array([0.0, down, up, 0.0]),
    )


def _accuracy(run: RunRecord, uses: bool) -> float:
    """Of the untrained model's held-out answers with the strategy or without (0 where there are none)."""
    rows = run.rows("answers", arm="untrained", style=PLAIN, uses_strategy=uses)
    count = rows["count_all"].to_numpy()
    right = rows.filter(pc.equal(rows["correct"], True))["count_all"].to_numpy()
    return float(right.sum() / count.sum()) if count.sum() else 0.0


def switching_findings(run: RunRecord, arm: str) -> list[Finding]:
    """Does switching explain the gain? Predicted: each kind's part by the mixture; those who stay gain nothing."""
    found = switches(run, arm)
    claims = [
        Claim(value=float(found.predicted[kind]), estimate=interval(found.gain[:, kind]), margin=margins.ACCURACY)
        for kind in range(len(KINDS))
    ]
    return [
        finding(
            "e",
            "switch",
            "accuracy",
            organism=run.organism,
            run=run.name,
            arm=arm,
            claim=claim,
            judgement=judgement,
            details=Switch(strategy=found.strategy, before=before, after=after),
        )
        for (before, after), claim, judgement in zip(KINDS, claims, judge(claims), strict=True)
    ]


def slope_finding(run: RunRecord, arm: str) -> Finding:
    """Slope of the rollouts' accuracy on the share of rollouts with the strategy over the phases, by seed (least
    squares), against the difference of the untrained model's two accuracies, which is what the mixture predicts."""
    curves, slopes = run.arms[arm].curves, []
    for share, accuracy in zip(curves["rollout_share"][:, 1:], curves["accuracy"][:, 1:], strict=True):
        centred = share - share.mean()
        slopes.append(float(centred @ accuracy / (centred @ centred)) if centred.any() else 0.0)
    claim = Claim(
        value=_accuracy(run, True) - _accuracy(run, False),
        estimate=interval(np.array(slopes)),
        margin=margins.SLOPE,
    )
    return finding(
        "e",
        "slope",
        "accuracy per share",
        organism=run.organism,
        run=run.name,
        arm=arm,
        claim=claim,
        judgement=judge([claim])[0],
    )
